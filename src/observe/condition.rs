//! Every condition that the journal can name.

use super::severity::Severity;
use crate::model::{Cause, Fault, Span, UserId};
use crate::net::gate::REFUSED_HERE;
use crate::net::proxy;
use crate::pipeline::announcement::UserState;
use crate::pipeline::fleet::Note;
use crate::pipeline::limits::WINDOW_ENTRIES;
use crate::pipeline::sync::Shortfall;

/// A condition: what it is called for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its stable name.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Its MESSAGE_ID (128 bits, hexadecimal).
    pub message_id: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

macro_rules! conditions {
    ($($(#[$doc:meta])* $id:ident = $name:literal $severity:ident $message_id:literal
        $remedy:literal;)*) => {
        $($(#[$doc])* pub const $id: Condition = Condition {
            name: $name,
            severity: Severity::$severity,
            message_id: $message_id,
            remedy: $remedy,
        };)*
        /// All of them.
        pub const ALL: &[Condition] = &[$($id),*];
    };
}

conditions! {
    /// The service does its job.
    READY = "ready" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e01"
        "Nothing to do.";
    /// The service stops.
    STOPPING = "stopping" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e02"
        "Nothing to do.";
    /// What is shown of meetings was configured in another way.
    SHOWN_ANEW = "shown-anew" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e63"
        "Nothing to do: records that differ are sent again as the calendars are listed.";
    /// One mailbox cannot be read.
    MAILBOX_FAILING = "mailbox-failing" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e03"
        "If it does not heal: check that the mailbox exists (and the key server, where the cause \
         names it), and that the service account has the role \
         ApplicationImpersonation for it (Get-ManagementRoleAssignment).";
    /// A mailbox was read and is relayed.
    RELAYED = "relayed" Debug "6f1d5a86b2c84c3f9d0e6b1f2a7c4e64"
        "Nothing to do.";
    /// Nobody's out-of-office settings can be read.
    PRESENCE_FAILS = "presence-fails" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e65"
        "Calendars are relayed all the same. Exchange keeps these settings in the mailboxes and \
         reads them through its availability service: look for its errors in the servers' \
         application log (source MSExchange Availability), and check that nothing between here and \
         Exchange stops GetUserOofSettings.";
    /// They can be read again.
    PRESENCE_WELL = "presence-well" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e66"
        "Nothing to do.";
    /// Out-of-office settings are not read within their round.
    PRESENCE_LATE = "presence-late" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e74"
        "The cloud learns later than after five minutes who is out of office; calendars are relayed \
         as before. Exchange answers slowly, asked for rest, or serves more mailboxes than its \
         places allow: look at GetUserOofSettings in its load, raise `connections` of the calendar, \
         or ask less often with `presence_seconds`.";
    /// They are again.
    PRESENCE_IN_TIME = "presence-in-time" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e75"
        "Nothing to do.";
    /// One mailbox is in Microsoft 365 now.
    MAILBOX_IN_CLOUD = "mailbox-in-cloud" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e41"
        "Exchange says that the mailbox was moved to Microsoft 365 (Get-RemoteMailbox shows it), \
         where a connector beside Exchange cannot read it. Activate the user at a connector for \
         Microsoft 365, or move the mailbox back (New-MoveRequest); until then nothing of it is \
         relayed. It is looked for again by itself.";
    /// It can be read again.
    MAILBOX_WELL = "mailbox-well" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e04"
        "Nothing to do.";
    /// Exchange is busy or away.
    EXCHANGE_WAITS = "exchange-waits" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e05"
        "Nothing is lost. If it lasts: check Exchange, and the throttling policy of the service \
         account (Get-ThrottlingPolicyAssociation).";
    /// Exchange answers again.
    EXCHANGE_WELL = "exchange-well" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e06"
        "Nothing to do.";
    /// Exchange refuses the password.
    SIGN_IN_REFUSED = "sign-in-refused" Critical "6f1d5a86b2c84c3f9d0e6b1f2a7c4e07"
        "Set the account's password anew (secret calendar.<name>.password, or its keytab) and see \
         that the account is neither locked nor expired; where the cause names Kerberos, look \
         there. If the password is right: Extended Protection refuses a sign-in whose TLS is \
         opened on the way (load balancer, TLS inspection) and closed again with another \
         certificate; show the server's own one there, or let TLS pass. A changed secret \
         is tried within seconds, once; one that does not change after an hour, later after two \
         and four, also over a restart. Where the account was mended and \
         the secret was right all the time: calway discover ADDRESS --try-again.";
    /// One server refuses a secret that others take.
    SERVER_REFUSES_SIGN_IN = "server-refuses-sign-in" Error "6f1d5a86b2c84c3f9d0e6b1f2a7c4e51"
        "The secret is right: another server takes it. See what stands between here and that \
         server: with Extended Protection a load balancer or a TLS inspection must show the \
         server's own certificate, or pass TLS through. It is tried again after an hour, later \
         after two and four; at once with calway discover ADDRESS --try-again. The others are \
         served meanwhile.";
    /// The proxy refuses its password.
    PROXY_REFUSES = "proxy-refuses" Critical "6f1d5a86b2c84c3f9d0e6b1f2a7c4e52"
        "Not Exchange, but the proxy on the way to it: see proxy_auth, and set the secret \
         calendar.<name>.proxy_password anew. A changed one is tried within seconds, once; one \
         that does not change after an hour, later after two and four.";
    /// The store cannot be written.
    STORE_FAILS = "store-fails" Critical "6f1d5a86b2c84c3f9d0e6b1f2a7c4e08"
        "Make room on the disk of the store (df), or make it writable. Nothing is lost; reading \
         goes on as soon as it can be written.";
    /// It can be written again.
    STORE_WELL = "store-well" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e54"
        "Nothing to do.";
    /// A stream broke.
    STREAM_FAILED = "stream-failed" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e09"
        "Nothing is lost: its mailboxes are polled until the stream is back. If it lasts: check \
         load balancers between here and Exchange for idle time-outs below 90 s.";
    /// A mailbox is listened to.
    LISTENING = "listening" Debug "6f1d5a86b2c84c3f9d0e6b1f2a7c4e0a"
        "Nothing to do.";
    /// The key server gives no new key.
    KEY_LATE = "key-late" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e0b"
        "Check the key server; until it answers yesterday's key is used.";
    /// Exchange refused the cursor.
    CURSOR_LOST = "cursor-lost" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e0c"
        "Nothing to do: the window is read anew.";
    /// Exchange cannot render an item.
    ITEM_UNREADABLE = "item-unreadable" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e50"
        "The rest of the mailbox is relayed, and what was known of the item stays. It is tried \
         again within minutes as long as it may be well again, then daily, and when it changes. To \
         mend it: New-MailboxRepairRequest -Mailbox … \
         -CorruptionType SearchFolder,FolderView,ProvisionedFolder,AggregateCounts, or let its \
         owner open and save or delete it.";
    /// Not all of a mailbox's window is relayed.
    WINDOW_CUT = "window-cut" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e61"
        "No person's calendar is that full: see what fills it (Get-MailboxFolderStatistics \
         -FolderScope Calendar, Get-CalendarDiagnosticObjects) and clear it, deactivate the user, \
         or make the window shorter ([window] in calway.toml). Nothing else has to be done: the \
         window is listed again every midnight.";
    /// All of it is relayed again.
    WINDOW_WHOLE = "window-whole" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e62"
        "Nothing to do.";
    /// The cloud cannot be reached or does not want.
    CLOUD_WAITS = "cloud-waits" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e0d"
        "Nothing is lost: events wait on the disk. If it lasts: check the way to the cloud, its \
         certificate and the secret cloud.client_secret.";
    /// The cloud takes events again.
    CLOUD_WELL = "cloud-well" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e0e"
        "Nothing to do.";
    /// The cloud will never take an event.
    EVENT_SET_ASIDE = "event-set-aside" Error "6f1d5a86b2c84c3f9d0e6b1f2a7c4e0f"
        "The event is kept in the store. Report its reason to the cloud's operator.";
    /// The command channel is open.
    CHANNEL_OPEN = "channel-open" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e10"
        "Nothing to do.";
    /// The command channel is closed.
    CHANNEL_CLOSED = "channel-closed" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e11"
        "Records still go up. If it lasts: see that proxies let WebSockets pass, and that no \
         second connector runs under the same name.";
    /// A command was carried out or refused.
    COMMAND = "command" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e12"
        "Nothing to do.";
    /// A command cannot be carried out yet.
    COMMAND_WAITS = "command-waits" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e53"
        "Nothing is lost: it is tried again. If it lasts, do what its cause says.";
    /// What a command began ended.
    ERRAND_ENDED = "errand-ended" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e67"
        "Nothing to do: the cloud is told of it. Where it failed, its cause says why.";
    /// What a command began in Exchange fails again and again.
    ERRAND_WAITS = "errand-waits" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e68"
        "Nothing is lost and nothing is done twice: it is tried again, a question for ten minutes, \
         what writes for a day. If it lasts: check Exchange and the key server, and that the \
         service account may write in the mailbox (role ApplicationImpersonation).";
    /// It goes on.
    ERRAND_GOES_ON = "errand-goes-on" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e69"
        "Nothing to do.";
    /// An invitation does not get the join details that its organiser asked for.
    DECORATION_REFUSED = "decoration-refused" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e70"
        "Its REASON says why. past, cancelled, too-many-invitees (more than 1,500): tell the \
         organiser, if they ask. already-joinable: it has another way to join in its place or \
         text; the organiser takes that or the keyword out. unreadable: its text is longer than 8 \
         MiB, or damaged; the organiser makes it anew. cloud-refuses: the cloud says why, its \
         administrator helps.";
    /// Somebody had edited join details in an invitation.
    DECORATION_EDITED = "decoration-edited" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e71"
        "Nothing was lost: what people had written among the join details was kept when these were \
         replaced or taken out. Where one of the two lines that mark them was missing, old join \
         details may be left in the text: the organiser looks, and deletes them by hand.";
    /// A mailbox whose domain no calendar serves.
    NO_CALENDAR = "no-calendar" Error "6f1d5a86b2c84c3f9d0e6b1f2a7c4e13"
        "Add the mailbox's domain to the domains of a [[calendar]].";
    /// Discovery leads to a host that nobody vouched for.
    HOST_WAITS = "host-waits" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e40"
        "See whether the host is yours (calway trust list shows what led to it), then calway trust \
         allow HOST or calway trust block HOST. The decision is taken up within seconds.";
    /// More hosts wait for a decision than are kept.
    TRUST_LIST_FULL = "trust-list-full" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e42"
        "Somebody leads discovery to ever new hosts: see what led to them (calway trust list), and \
         take the redirect or the DNS record away. A host that makes room is met again, and told \
         again, as long as something leads to it.";
    /// A mailbox is polled because streams refuse it.
    MAILBOX_DEMOTED = "mailbox-demoted" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e15"
        "Changes of this mailbox come late, by polling. See its rights and the throttling policy \
         (EwsMaxSubscriptions) of the mailbox: Get-ThrottlingPolicyAssociation.";
    /// A group of mailboxes is polled because streams fail.
    GROUP_DEMOTED = "group-demoted" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e16"
        "Changes come late, by polling. Check proxies and load balancers between here and Exchange \
         for idle time-outs below 90 s and for answers that they hold back.";
    /// Streams of a group work again.
    GROUP_PROMOTED = "group-promoted" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e17"
        "Nothing to do.";
    /// A mistake in Calway.
    INTERNAL = "internal-error" Error "6f1d5a86b2c84c3f9d0e6b1f2a7c4e14"
        "Report it with its PLACE. The part that failed is rebuilt from the store.";
}

/// Writes a condition; the macro keeps field names the same everywhere. The level is that of the
/// condition's severity, or it does not compile.
#[macro_export]
macro_rules! condition {
    ($level:ident, $condition:expr, $($field:ident = $value:expr,)* ; $($text:tt)+) => {{
        const { $condition.severity.is_written_as(stringify!($level)) };
        tracing::$level!(
            target: $condition.severity.target(),
            MESSAGE_ID = $condition.message_id,
            CONDITION = $condition.name,
            SEVERITY = $condition.severity.as_str(),
            $($field = %$value,)*
            $($text)+
        )
    }};
}

/// Writes what the fleet noted.
pub fn note(calendar: &str, note: &Note) {
    match note {
        Note::MailboxFailing(user, fault, wait) => failing(calendar, user, fault, *wait),
        Note::Relayed(user) => {
            condition!(debug, RELAYED, CALENDAR = calendar, USER_ID = user,;
                "mailbox {user} was read and is relayed");
        }
        Note::MailboxWell(user) => {
            condition!(info, MAILBOX_WELL, CALENDAR = calendar, USER_ID = user,;
                "mailbox {user} can be read again");
        }
        Note::ServerWaits(fault, wait) if fault.cause.code.as_str() == REFUSED_HERE => {
            condition!(error, SERVER_REFUSES_SIGN_IN, CALENDAR = calendar, CAUSE = fault,;
                "one server does not let us in ({fault}); it is looked at again in {wait}");
        }
        Note::ServerWaits(fault, wait) => {
            condition!(warn, EXCHANGE_WAITS, CALENDAR = calendar, CAUSE = fault,;
                "Exchange is busy or away ({fault}); next try in {wait}");
        }
        Note::ServerWell => {
            condition!(info, EXCHANGE_WELL, CALENDAR = calendar,; "Exchange answers again");
        }
        Note::SignInRefused(fault, wait) if proxy::is_refusal(fault) => {
            condition!(error, PROXY_REFUSES, CALENDAR = calendar, CAUSE = fault,;
                "the proxy refuses to sign us in ({fault}); looked at again in {wait}, or when the \
                 secret calendar.{calendar}.proxy_password changes");
        }
        Note::SignInRefused(fault, wait) => {
            condition!(error, SIGN_IN_REFUSED, CALENDAR = calendar, CAUSE = fault,;
                "the account is not signed in ({fault}); looked at again in {wait}, or when the \
                 secret calendar.{calendar}.password (or the keytab) changes");
        }
        Note::StoreFails(fault) => {
            condition!(error, STORE_FAILS, CALENDAR = calendar, CAUSE = fault,;
                "the store cannot be written ({fault}); nothing is lost, reading waits for it");
        }
        Note::StreamFailed(fault, mailboxes) => {
            condition!(warn, STREAM_FAILED, CALENDAR = calendar, CAUSE = fault,;
                "a stream of {mailboxes} mailboxes broke ({fault}); they are polled meanwhile");
        }
        Note::Demoted(user, fault, wait) => {
            condition!(warn, MAILBOX_DEMOTED, CALENDAR = calendar, USER_ID = user, CAUSE = fault,;
                "mailbox {user} cannot be listened to ({fault}); it is polled, and listening is \
                 tried again in {wait}");
        }
        Note::GroupDemoted(fault, wait) => {
            condition!(warn, GROUP_DEMOTED, CALENDAR = calendar, CAUSE = fault,;
                "streams of a group of mailboxes fail again and again ({fault}); they are polled, \
                 and one tries again in {wait}");
        }
        Note::GroupPromoted => {
            condition!(info, GROUP_PROMOTED, CALENDAR = calendar,;
                "streams work again; polled mailboxes are listened to");
        }
        Note::Listening(user) => {
            condition!(debug, LISTENING, CALENDAR = calendar, USER_ID = user,;
                "mailbox {user} is listened to");
        }
        Note::KeyLate(user, fault) => {
            condition!(warn, KEY_LATE, CALENDAR = calendar, USER_ID = user, CAUSE = fault,;
                "no new key for mailbox {user} ({fault}); the old one is used meanwhile");
        }
        Note::CursorLost(user) => {
            condition!(info, CURSOR_LOST, CALENDAR = calendar, USER_ID = user,;
                "Exchange does not know the cursor of mailbox {user} any more; its window is read \
                 anew");
        }
        Note::ItemUnreadable(user, fault) => {
            let request_id = fault.cause.request_id.as_deref().unwrap_or("-");
            condition!(warn, ITEM_UNREADABLE, CALENDAR = calendar, USER_ID = user, CAUSE = fault,
                EWS_REQUEST_ID = request_id,;
                "an item of mailbox {user} cannot be read ({fault}); the others are relayed");
        }
        Note::Shortfall(user, shortfall) => cut(calendar, user, *shortfall),
    }
}

/// What to do about a mailbox that fails for this reason, where that is known.
fn remedy(fault: &Fault) -> &'static str {
    match fault.cause.code.as_str() {
        "ErrorFolderNotFound" | "ErrorNoCalendar" => {
            "; it has no calendar: let its owner open Outlook once, or make one with outlook.exe \
             /resetfolders (Get-MailboxFolderStatistics -FolderScope Calendar shows it), or \
             deactivate the user"
        }
        "ErrorNonExistentMailbox" | "ErrorMailRecipientNotFound" => {
            "; there is no such mailbox: check the address (Get-Mailbox), or deactivate the user"
        }
        "ErrorImpersonateUserDenied" | "ErrorImpersonationDenied" | "ErrorAccessDenied" => {
            "; the service account lacks the role ApplicationImpersonation for it \
             (Get-ManagementRoleAssignment)"
        }
        _ => "",
    }
}

/// What of a note the cloud is to know: how that mailbox is.
pub fn state(note: &Note) -> Option<(&UserId, UserState)> {
    match note {
        Note::Relayed(user) => Some((user, UserState::Active)),
        Note::MailboxFailing(user, fault, _) if fault.cause.code == Cause::IN_THE_CLOUD => {
            Some((user, UserState::Error(MAILBOX_IN_CLOUD.name)))
        }
        Note::MailboxFailing(user, ..) => Some((user, UserState::Error(MAILBOX_FAILING.name))),
        _ => None,
    }
}

fn failing(calendar: &str, user: &UserId, fault: &Fault, wait: Span) {
    if fault.cause.code == Cause::IN_THE_CLOUD {
        condition!(warn, MAILBOX_IN_CLOUD, CALENDAR = calendar, USER_ID = user,;
            "mailbox {user} was moved to Microsoft 365, where it cannot be read from here; looked \
             for again in {wait}");
        return;
    }
    let request_id = fault.cause.request_id.as_deref().unwrap_or("-");
    condition!(warn, MAILBOX_FAILING, CALENDAR = calendar, USER_ID = user, CAUSE = fault,
        EWS_REQUEST_ID = request_id,;
        "mailbox {user} cannot be read ({fault}){}; next try in {wait}", remedy(fault));
}

fn cut(calendar: &str, user: &UserId, shortfall: Shortfall) {
    match shortfall {
        Shortfall { from: Some(_), .. } => {
            condition!(warn, WINDOW_CUT, CALENDAR = calendar, USER_ID = user,;
                "the window of mailbox {user} holds more than {WINDOW_ENTRIES} meetings; the \
                 earliest are relayed, the later ones are not");
        }
        Shortfall { crowded: true, .. } => {
            condition!(warn, WINDOW_CUT, CALENDAR = calendar, USER_ID = user,;
                "more meetings of mailbox {user} touch one minute than Exchange lists; some of \
                 them are not relayed, and one that is deleted may stay");
        }
        Shortfall { from: None, crowded: false } => {
            condition!(info, WINDOW_WHOLE, CALENDAR = calendar, USER_ID = user,;
                "the whole window of mailbox {user} is relayed again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_ids_are_unique_and_well_formed() {
        let names: BTreeSet<_> = ALL.iter().map(|c| c.name).collect();
        let ids: BTreeSet<_> = ALL.iter().map(|c| c.message_id).collect();
        assert_eq!(names.len(), ALL.len());
        assert_eq!(ids.len(), ALL.len());
        for condition in ALL {
            let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            assert!(condition.message_id.len() == 32 && condition.message_id.chars().all(hex));
            assert!(!condition.remedy.is_empty());
        }
    }

    #[test]
    fn what_stops_everything_until_somebody_acts_is_critical() {
        let critical = ALL.iter().filter(|one| one.severity == Severity::Critical);
        let critical: Vec<_> = critical.map(|one| one.name).collect();
        assert_eq!(critical, ["sign-in-refused", "proxy-refuses", "store-fails"]);
    }
}
