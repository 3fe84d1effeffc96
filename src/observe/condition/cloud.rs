//! Conditions of the cloud, its commands and what they do in Exchange.

use super::conditions;

conditions! {
    /// The cloud cannot be reached or does not want
    CLOUD_WAITS = "cloud-waits" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e0d" [CAUSE]
        what "The cloud does not take events: @CAUSE@. They wait on the disk, in their order."
        cause "The way to the cloud is broken, it asks for rest, or it does not sign us in."
        remedy "Nothing is lost: events wait on the disk. If it lasts: calway check --only \
                cloud-sign-in says whether it is the way to the cloud, its certificate or the \
                secret cloud.client_secret.";
    /// The cloud takes events again
    CLOUD_WELL = "cloud-well" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e0e" []
        what "The cloud takes events again, and what waited on the disk is being sent."
        cause "What kept it from taking them is over."
        remedy "Nothing to do.";
    /// The cloud will never take an event
    EVENT_SET_ASIDE = "event-set-aside" Error "6f1d5a86b2c84c3f9d0e6b1f2a7c4e0f"
        [USER_ID ROW REASON TRACKING_ID]
        what "The cloud refuses event @ROW@ of user @USER_ID@ for good: @REASON@. It is set aside \
              in the store, and the events behind it go on."
        cause "The record is not as the relay protocol wants it, or the cloud speaks an older \
               version."
        remedy "The event is kept in the store. Report its reason to the cloud's operator.";
    /// An event goes to the cloud
    EVENT_SENT = "event-sent" Debug "6f1d5a86b2c84c3f9d0e6b1f2a7c4e93"
        [USER_ID EVENT_ID TRACKING_ID]
        what "Event @EVENT_ID@ of user @USER_ID@ is being sent to the cloud."
        cause "It was its turn in the outbox."
        remedy "Nothing to do.";
    /// The cloud answered for an event
    EVENT_ANSWERED = "event-answered" Debug "6f1d5a86b2c84c3f9d0e6b1f2a7c4e94"
        [USER_ID EVENT_ID OUTCOME TRACKING_ID]
        what "The cloud answered for event @EVENT_ID@ of user @USER_ID@: @OUTCOME@."
        cause "It was sent. With this the change that has the same TRACKING_ID is at its end."
        remedy "Nothing to do.";
    /// The command channel is open
    CHANNEL_OPEN = "channel-open" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e10" []
        what "Commands of the cloud arrive."
        cause "The WebSocket stands."
        remedy "Nothing to do.";
    /// The command channel is closed
    CHANNEL_CLOSED = "channel-closed" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e11" [CAUSE]
        what "No command of the cloud arrives: @CAUSE@. The channel is opened again by itself, and \
              the commands come then."
        cause "The cloud was restarted, a proxy closed the WebSocket, or another connector runs \
               under the same name."
        remedy "Records still go up. If it lasts: see that proxies let WebSockets pass, and that \
                no second connector runs under the same name.";
    /// A command was carried out or refused
    COMMAND = "command" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e12"
        [COMMAND_ID OUTCOME TRACKING_ID]
        what "Command @COMMAND_ID@ of the cloud: @OUTCOME@."
        cause "The cloud sent it; its outcome is on the disk."
        remedy "Nothing to do.";
    /// A command cannot be carried out yet
    COMMAND_WAITS = "command-waits" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e53"
        [COMMAND_ID CAUSE TRACKING_ID]
        what "Command @COMMAND_ID@ waits, and those behind it wait with it: @CAUSE@. It is tried \
              again by itself."
        cause "The key server or the disk does not answer."
        remedy "Nothing is lost: it is tried again. If it lasts: calway check --only kms \
                cloud-sign-in disk says which of them does not answer.";
    /// What a command began ended
    ERRAND_ENDED = "errand-ended" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e67"
        [CALENDAR USER_ID COMMAND_ID OUTCOME TRACKING_ID]
        what "What command @COMMAND_ID@ began in calendar @CALENDAR@ ended: @OUTCOME@. The cloud \
              is told."
        cause "It was done, or cannot be done; its line says which."
        remedy "Nothing to do: the cloud is told of it. Where it failed, its cause says why.";
    /// What a command began in Exchange fails again and again
    ERRAND_WAITS = "errand-waits" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e68"
        [CALENDAR USER_ID COMMAND_ID CAUSE EWS_REQUEST_ID TRACKING_ID]
        what "What command @COMMAND_ID@ began in calendar @CALENDAR@ waits: @CAUSE@. It is tried \
              again by itself."
        cause "Exchange or the key server does not answer, or the account may not write there."
        remedy "Nothing is lost and nothing is done twice: it is tried again, a question for ten \
                minutes, what writes for a day. If it lasts: check Exchange and the key server, \
                and that the service account may write in the mailbox (role \
                ApplicationImpersonation).";
    /// What a command began goes on
    ERRAND_GOES_ON = "errand-goes-on" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e69"
        [CALENDAR USER_ID COMMAND_ID TRACKING_ID]
        what "What command @COMMAND_ID@ began in calendar @CALENDAR@ goes on."
        cause "What it waited for answers again."
        remedy "Nothing to do.";
    /// An invitation does not get the join details that its organiser asked for
    DECORATION_REFUSED = "decoration-refused" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e70"
        [CALENDAR USER_ID COMMAND_ID REASON CAUSE TRACKING_ID]
        what "An invitation of user @USER_ID@ (calendar @CALENDAR@) gets no join details \
              (@REASON@): @CAUSE@."
        cause "Its organiser wrote a keyword into the place, and the invitation cannot have what \
               it asks for."
        remedy "Its REASON says why. past, cancelled, too-many-invitees (more than 1,500): tell \
                the organiser, if they ask. already-joinable: it has another way to join in its \
                place or text; the organiser takes that or the keyword out. unreadable: its text \
                is longer than 8 MiB, or damaged; the organiser makes it anew. cloud-refuses: the \
                cloud says why, its administrator helps.";
    /// Somebody had edited join details in an invitation
    DECORATION_EDITED = "decoration-edited" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e71"
        [CALENDAR USER_ID COMMAND_ID TRACKING_ID]
        what "Join details in an invitation of user @USER_ID@ (calendar @CALENDAR@) had been \
              edited when they were replaced or taken out."
        cause "A person, or a program of theirs, wrote among them."
        remedy "Nothing was lost: what people had written among the join details was kept when \
                these were replaced or taken out. Where one of the two lines that mark them was \
                missing, old join details may be left in the text: the organiser looks, and \
                deletes them by hand.";
}
