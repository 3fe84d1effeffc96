//! Conditions of Exchange as a whole: its servers, streams, directory and sign-in.

use super::conditions;

conditions! {
    /// Exchange is busy or away
    EXCHANGE_WAITS = "exchange-waits" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e05"
        [CALENDAR SERVER CAUSE EWS_REQUEST_ID TRACKING_ID]
        what "Server @SERVER@ of calendar @CALENDAR@ is busy, or does not answer: @CAUSE@. Its \
              mailboxes are not asked for before it had its rest; then one tries, then more and \
              more."
        cause "It said so itself (throttling, ErrorServerBusy, 503), or the way to it is broken."
        remedy "Nothing is lost. If it lasts: check Exchange, and the throttling policy of the \
                service account (Get-ThrottlingPolicyAssociation -Identity ACCOUNT). calway check \
                says which step of the way fails, and calway discover ADDRESS which server a \
                mailbox has.";
    /// Exchange answers again
    EXCHANGE_WELL = "exchange-well" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e06"
        [CALENDAR SERVER]
        what "Server @SERVER@ of calendar @CALENDAR@, which was left alone, answers again. What \
              changed meanwhile is read now."
        cause "It had its rest, or what kept us from it is over."
        remedy "Nothing to do.";
    /// Nobody is served any more by a server that was not well
    SERVER_LEFT = "server-left" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e82" [CALENDAR SERVER]
        what "No mailbox of calendar @CALENDAR@ is served by @SERVER@ any more, which was left \
              alone. It is not asked again."
        cause "Its mailboxes were moved to another server, or are not active any more."
        remedy "Nothing to do.";
    /// The account is signed in again
    SIGNED_IN = "signed-in" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e83" [CALENDAR]
        what "The account of calendar @CALENDAR@ is signed in again. What changed meanwhile is \
              read now."
        cause "Its secret, the account or the way to Exchange was mended."
        remedy "Nothing to do.";
    /// Exchange refuses the password
    SIGN_IN_REFUSED = "sign-in-refused" Critical "6f1d5a86b2c84c3f9d0e6b1f2a7c4e07"
        [CALENDAR CAUSE EWS_REQUEST_ID TRACKING_ID]
        what "The account of calendar @CALENDAR@ is not signed in: @CAUSE@. Nothing of this \
              calendar is relayed until it is. The same secret is not tried again and again, so \
              that the account is not locked."
        cause "The password is wrong or expired, the account is locked or disabled, or Extended \
               Protection finds TLS opened on the way."
        remedy "See that the account is neither locked, disabled nor expired (Get-ADUser), and set \
                its password anew: calway secret set calendar.@CALENDAR@.password (or its keytab); \
                where the cause names Kerberos, look there. If the password is right: Extended Protection refuses \
                a sign-in whose TLS is opened on the way (load balancer, TLS inspection) and \
                closed again with another certificate; show the server's own one there, or let TLS \
                pass. A changed secret is tried within seconds, once; one that does not change \
                after an hour, later after two and four, also over a restart. Where the account \
                was mended and the secret was right all the time: calway discover ADDRESS \
                --try-again.";
    /// One server refuses a secret that others take
    SERVER_REFUSES_SIGN_IN = "server-refuses-sign-in" Error "6f1d5a86b2c84c3f9d0e6b1f2a7c4e51"
        [CALENDAR SERVER CAUSE EWS_REQUEST_ID TRACKING_ID]
        what "Server @SERVER@ of calendar @CALENDAR@ does not let us in: @CAUSE@. Its mailboxes \
              are not relayed; the others are."
        cause "The secret is right, as another server takes it. Most likely Extended Protection \
               finds TLS opened between here and that server."
        remedy "The secret is right: another server takes it. See what stands between here and \
                that server: with Extended Protection a load balancer or a TLS inspection must \
                show the server's own certificate, or pass TLS through. It is tried again after an \
                hour, later after two and four; at once with calway discover ADDRESS --try-again. \
                The others are served meanwhile.";
    /// The proxy refuses its password
    PROXY_REFUSES = "proxy-refuses" Critical "6f1d5a86b2c84c3f9d0e6b1f2a7c4e52"
        [CALENDAR CAUSE TRACKING_ID]
        what "The proxy on the way to Exchange does not sign us in: @CAUSE@. Nothing of calendar \
              @CALENDAR@ is relayed until it does."
        cause "Its password is wrong or expired, or it wants another way to sign in."
        remedy "Not Exchange, but the proxy on the way to it: see proxy_auth, and set its password \
                anew: calway secret set calendar.@CALENDAR@.proxy_password. A changed one is tried within seconds, \
                once; one that does not change after an hour, later after two and four.";
    /// A stream broke
    STREAM_FAILED = "stream-failed" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e09"
        [CALENDAR CAUSE EWS_REQUEST_ID]
        what "A stream on which Exchange tells changes of calendar @CALENDAR@ broke: @CAUSE@. Its \
              mailboxes are polled until it is back."
        cause "The server was restarted, or something on the way closed the connection."
        remedy "Nothing is lost: its mailboxes are polled until the stream is back. If it lasts: \
                check load balancers between here and Exchange for idle time-outs below 90 s.";
    /// A group of mailboxes is polled because streams fail
    GROUP_DEMOTED = "group-demoted" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e16"
        [CALENDAR GROUP CAUSE EWS_REQUEST_ID]
        what "Streams of a group of mailboxes of calendar @CALENDAR@ fail again and again: \
              @CAUSE@. They are polled, and one of them tries again later."
        cause "Something between here and Exchange holds answers back or closes idle connections, \
               or a server is ill."
        remedy "Changes come late, by polling. Check proxies and load balancers between here and \
                Exchange for idle time-outs below 90 s and for answers that they hold back.";
    /// Streams of a group work again
    GROUP_PROMOTED = "group-promoted" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e17" [CALENDAR GROUP]
        what "Streams of calendar @CALENDAR@ work again; polled mailboxes are listened to."
        cause "What broke them is over."
        remedy "Nothing to do.";
    /// A group that was polled has no mailboxes any more
    GROUP_LEFT = "group-left" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e84" [CALENDAR GROUP]
        what "No mailbox of calendar @CALENDAR@ belongs to group @GROUP@ any more, whose streams \
              failed."
        cause "Its mailboxes were moved, or are not active any more."
        remedy "Nothing to do.";
    /// Nobody's out-of-office settings can be read
    PRESENCE_FAILS = "presence-fails" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e65"
        [CALENDAR CAUSE EWS_REQUEST_ID]
        what "The out-of-office settings of calendar @CALENDAR@ cannot be read: @CAUSE@. The cloud \
              does not learn who is out of office; meetings are relayed all the same."
        cause "Exchange's availability service is ill, or something on the way stops the request."
        remedy "Calendars are relayed all the same. Exchange keeps these settings in the mailboxes \
                and reads them through its availability service: look for its errors in the \
                servers' application log (source MSExchange Availability), and check that nothing \
                between here and Exchange stops GetUserOofSettings.";
    /// Out-of-office settings can be read again
    PRESENCE_WELL = "presence-well" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e66" [CALENDAR]
        what "The out-of-office settings of calendar @CALENDAR@ can be read again."
        cause "What kept them from being read is over."
        remedy "Nothing to do.";
    /// Out-of-office settings are not read within their round
    PRESENCE_LATE = "presence-late" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e74" [CALENDAR]
        what "Who of calendar @CALENDAR@ is out of office is seen later than it should be."
        cause "Exchange answers too slowly for so many mailboxes."
        remedy "The cloud learns later than after five minutes who is out of office; calendars are \
                relayed as before. Exchange answers slowly, asked for rest, or serves more \
                mailboxes than its places allow: look at GetUserOofSettings in its load, raise \
                `connections` of the calendar, or ask less often with `presence_seconds`.";
    /// Out-of-office settings are read in time again
    PRESENCE_IN_TIME = "presence-in-time" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e75" [CALENDAR]
        what "Who of calendar @CALENDAR@ is out of office is seen in time again."
        cause "Exchange answers faster, or has fewer mailboxes to answer for."
        remedy "Nothing to do.";
    /// Discovery leads to a host that nobody vouched for
    HOST_WAITS = "host-waits" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e40" [CALENDAR HOST VIA]
        what "Discovery of calendar @CALENDAR@ leads to the host @HOST@ (@VIA@). Nothing is sent \
              there until somebody decides."
        cause "Neither the configuration nor a signed answer vouches for it, and whoever can alter \
               DNS or a redirect could lead the account's password there."
        remedy "See whether the host is yours (calway trust list shows what led to it), then \
                calway trust allow @HOST@ or calway trust block @HOST@. The decision is taken up \
                within seconds.";
    /// More hosts wait for a decision than are kept
    TRUST_LIST_FULL = "trust-list-full" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e42" [CALENDAR HOST]
        what "So many hosts wait for a decision that @HOST@, which waited longest, made room for a \
              new one."
        cause "A redirect or a DNS record leads discovery of calendar @CALENDAR@ to ever new \
               hosts."
        remedy "Somebody leads discovery to ever new hosts: see what led to them (calway trust \
                list), and take the redirect or the DNS record away. A host that makes room is met \
                again, and told again, as long as something leads to it.";
}
