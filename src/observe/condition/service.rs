//! Conditions of the service as a whole, its disk and itself.

use super::conditions;

conditions! {
    /// The service does its job
    READY = "ready" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e01" []
        what "The cloud is signed in, its command channel is open and the calendars are watched."
        cause "The start is over."
        remedy "Nothing to do.";
    /// The service stops
    STOPPING = "stopping" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e02" []
        what "The subscriptions are given back to Exchange and the program ends. What was not sent \
              stays on the disk and goes out after the next start."
        cause "It was told to (systemctl stop, restart, SIGTERM), or a part of it ended that never \
               should; then systemd starts it again."
        remedy "Nothing to do.";
    /// The service has stopped
    STOPPED = "stopped" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4ec6" [OUTBOX]
        what "The store is closed, and the program ends. Events that wait in it for the next \
              start: @OUTBOX@."
        cause "It was told to, and everything was given back and written in order, or had its time."
        remedy "Nothing to do: what waits goes out after the next start.";
    /// The service does not start
    START_FAILS = "start-fails" Critical "6f1d5a86b2c84c3f9d0e6b1f2a7c4ed0" [CAUSE]
        what "The program ended before it began: @CAUSE@. Nothing was changed, nothing is relayed, \
              and nothing is lost. systemd tries again every 15 seconds."
        cause "A secret is missing or the store is not for this program: it was written by a newer \
               version or with another store.key, it cannot be written, or there is no room."
        remedy "Do what the cause says. A missing secret: calway secret list, then calway secret \
                set. A store of a newer version: install that version again, or go back to the \
                copy as /usr/share/doc/calway/guide/exchange.md has it. Then: systemctl restart \
                calway, and calway check sees the rest.";
    /// A changed configuration was taken up
    RELOADED = "reloaded" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4ec0" [KEYS]
        what "The configuration was read anew, and no stream was dropped. What counts from now on: \
              @KEYS@."
        cause "Somebody asked for it (systemctl reload, SIGHUP, or over the admin socket)."
        remedy "Nothing to do.";
    /// A changed configuration has mistakes
    RELOAD_REFUSED = "reload-refused" Error "6f1d5a86b2c84c3f9d0e6b1f2a7c4ec1" [CAUSE]
        what "The configuration was read anew, and nothing of it was taken up: @CAUSE@. The one \
              before counts on, and everything is relayed as it was."
        cause "A file of the configuration cannot be read, or has an unknown key or a value that \
               is not allowed."
        remedy "Correct what the cause names, by file and key \
                (/usr/share/doc/calway/reference/configuration.md has what is allowed; calway \
                config show tries it), then: systemctl reload calway. Until then a restart would \
                fail.";
    /// Some of what was changed counts after a restart
    RELOAD_NEEDS_RESTART = "reload-needs-restart" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4ec2" [KEYS]
        what "The configuration was read anew. These keys were changed and do not count yet: \
              @KEYS@. Everything else does."
        cause "Calendars, accounts, addresses and the store are what the start found."
        remedy "When it suits: systemctl restart calway. Nothing is lost by it.";
    /// What is shown of meetings was configured in another way
    SHOWN_ANEW = "shown-anew" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e63" []
        what "All calendars are listed again, and records that differ are sent again."
        cause "[records] or a rule for join links is not what it was when the connector last ran."
        remedy "Nothing to do: records that differ are sent again as the calendars are listed.";
    /// The store cannot be written
    STORE_FAILS = "store-fails" Critical "6f1d5a86b2c84c3f9d0e6b1f2a7c4e08" [CAUSE]
        what "The disk of the store takes or gives nothing: @CAUSE@. Reading waits for it, so that \
              no change is passed over."
        cause "The disk is full, broken or mounted read-only, or the store's file is not the \
               service's own."
        remedy "Make room on the disk of the store (df /var/lib/calway), or make it writable. \
                Nothing is lost; reading goes on as soon as it can be written.";
    /// The store can be written again
    STORE_WELL = "store-well" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e54" []
        what "The disk of the store takes what is written, and reading goes on."
        cause "There is room on the disk again, or it is writable again."
        remedy "Nothing to do.";
    /// A new secret is in use
    SECRET_CHANGED = "secret-changed" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4eb0" [SECRET]
        what "The new secret @SECRET@ was tried and works; it is used from now on."
        cause "calway secret set gave it."
        remedy "Nothing to do.";
    /// A new secret is refused
    SECRET_REFUSED = "secret-refused" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4eb1" [SECRET CAUSE]
        what "The new secret @SECRET@ was tried once and refused: @CAUSE@. The one before stays in \
              use. The new one is not sent again before it is given again, or a start finds it."
        cause "It was mistyped, is meant for something else, or is not in force yet where it was \
               changed."
        remedy "See which one is right, and set it: calway secret set @SECRET@. One that was \
                refused only because it was not in force yet: calway secret set --try-again \
                @SECRET@. As long as the one before works nothing is held up.";
    /// A new secret cannot be tried yet
    SECRET_WAITS = "secret-waits" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4eb2" [SECRET CAUSE]
        what "Whether the new secret @SECRET@ works cannot be told now: @CAUSE@. The one before \
              stays in use, and the new one is tried again within minutes."
        cause "Whoever judges it is away, asked for rest, or is not known yet."
        remedy "If it lasts: see to what the cause names. secret-changed or secret-refused says \
                how it ended.";
    /// The admin socket cannot be opened
    ADMIN_SOCKET_FAILS = "admin-socket-fails" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e80" [CAUSE]
        what "calway status, user, top and diagnose do not reach the service. Meetings are relayed \
              all the same."
        cause "The system answered: @CAUSE@. Its folder is not there or cannot be written, or \
               another calway has it."
        remedy "See that its folder is there and is the service's (systemd makes /run/calway: \
                RuntimeDirectory=calway), and that no second calway runs; or name another place as \
                socket in [admin] of calway.toml. Then: systemctl restart calway.";
    /// A user who may look is not known to the system
    ADMIN_USER_UNKNOWN = "admin-user-unknown" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e81" [NAME]
        what "The user @NAME@, who may look at the service by [admin] of calway.toml, cannot."
        cause "The system knows no user of this name."
        remedy "Take the name out of users in [admin] of calway.toml, or write the right one, and: \
                systemctl reload calway. Where the user is made now (useradd): systemctl restart \
                calway.";
    /// The store is damaged
    STORE_DAMAGED = "store-damaged" Critical "6f1d5a86b2c84c3f9d0e6b1f2a7c4ec3" [CAUSE]
        what "A page of the store is not what was written: @CAUSE@. Nothing of it is trusted any \
              more, and the program ends."
        cause "The disk, its controller or the memory is failing, or something else wrote into the \
               file."
        remedy "systemd starts the service again, which sets the file aside and begins anew \
                (store-rebuilt). See what is wrong with the disk: journalctl -k, smartctl -a.";
    /// A damaged store was set aside and begun anew
    STORE_REBUILT = "store-rebuilt" Error "6f1d5a86b2c84c3f9d0e6b1f2a7c4ec4" [CAUSE FILE]
        what "The store was damaged (@CAUSE@). It lies in @FILE@ now, and a new one was begun: the \
              cloud activates the mailboxes anew, and all of their windows is read and sent again. \
              Verdicts of calway trust were taken over as far as they could be read."
        cause "The disk, its controller or the memory is failing, or something else wrote into the \
               file."
        remedy "Nothing is lost. See what is wrong with the disk (journalctl -k, smartctl -a) and \
                whether calway trust list is as it was. The file that was set aside is of no use \
                any more; remove it when it was looked at.";
    /// A part of the program hangs
    LOOP_HANGS = "loop-hangs" Error "6f1d5a86b2c84c3f9d0e6b1f2a7c4ec5" [LOOP]
        what "@LOOP@ has not turned for as long as it said it might. The watchdog is not fed any \
              more, so systemd ends the program and starts it again. Nothing is lost."
        cause "A mistake in the program, or a machine that does not get on."
        remedy "Report it with LOOP and the lines before it, unless the machine was frozen.";
    /// A part of the program that hung goes on
    LOOP_TURNS = "loop-turns" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e85" [LOOP]
        what "@LOOP@, which had not turned for long, turns again."
        cause "What it waited for came, or the machine goes on."
        remedy "Nothing to do, if it does not come again.";
    /// A mistake in Calway
    INTERNAL = "internal-error" Error "6f1d5a86b2c84c3f9d0e6b1f2a7c4e14" [PLACE]
        what "A part of the program ended at @PLACE@ where it never should. It is rebuilt from the \
              store, and nothing is lost."
        cause "A mistake in the program, not in its configuration."
        remedy "Report it with its PLACE. The part that failed is rebuilt from the store.";
    /// Nobody can ask for metrics
    METRICS_FAIL = "metrics-fail" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e95" [CAUSE]
        what "The place where Prometheus asks cannot be opened: @CAUSE@. Meetings are relayed all \
              the same."
        cause "Another program has the port, or the folder of the socket is not there or not the \
               service's own."
        remedy "Name another place as listen in [metrics] of calway.toml, and: systemctl reload \
                calway. Or see who has this one (ss -lntp), and when it is free: systemctl restart \
                calway.";
    /// Lines are left out
    LINES_LEFT_OUT = "lines-left-out" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e90" [OF SUPPRESSED]
        what "@SUPPRESSED@ more lines of @OF@ came in the last five minutes and were not written."
        cause "Something fails for many at once, and a line for each of them would fill the disk. \
               The first of them and the first of each cause were written."
        remedy "See the lines that were written: journalctl CONDITION=@OF@. How many mailboxes \
                fail says calway status.";
}
