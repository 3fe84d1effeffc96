//! Conditions of single mailboxes and what is in them.

use super::conditions;

conditions! {
    /// One mailbox cannot be read
    MAILBOX_FAILING = "mailbox-failing" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e03"
        [CALENDAR USER_ID CAUSE EWS_REQUEST_ID TRACKING_ID]
        what "The mailbox of user @USER_ID@ (calendar @CALENDAR@) cannot be read: @CAUSE@. It is \
              tried again by itself, ever later; the others are relayed."
        cause "The mailbox is not there any more or has no calendar, the service account may not \
               read it, or its database or the key server does not answer."
        remedy "If it does not heal: check that the mailbox exists (calway user show @USER_ID@ \
                tells its story, calway user show ADDRESS whose id it is; Get-Mailbox), and the \
                key server where the cause names it, and that the service account has the role \
                ApplicationImpersonation for it (Get-ManagementRoleAssignment -Role \
                ApplicationImpersonation -GetEffectiveUsers).";
    /// A mailbox was read and is relayed
    RELAYED = "relayed" Debug "6f1d5a86b2c84c3f9d0e6b1f2a7c4e64"
        [CALENDAR USER_ID TRACKING_ID]
        what "The mailbox of user @USER_ID@ (calendar @CALENDAR@) was read, and its changes are \
              relayed from now on."
        cause "It was activated, or it was mended."
        remedy "Nothing to do.";
    /// One mailbox is in Microsoft 365 now
    MAILBOX_IN_CLOUD = "mailbox-in-cloud" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e41"
        [CALENDAR USER_ID TRACKING_ID]
        what "Exchange says that the mailbox of user @USER_ID@ (calendar @CALENDAR@) was moved to \
              Microsoft 365. Nothing of it is relayed from here."
        cause "A connector beside Exchange cannot read a mailbox in Microsoft 365."
        remedy "Exchange says that the mailbox was moved to Microsoft 365 (Get-RemoteMailbox shows \
                it), where a connector beside Exchange cannot read it. Activate the user at a \
                connector for Microsoft 365, or move the mailbox back (New-MoveRequest); until \
                then nothing of it is relayed. It is looked for again by itself.";
    /// A mailbox can be read again
    MAILBOX_WELL = "mailbox-well" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e04"
        [CALENDAR USER_ID TRACKING_ID]
        what "The mailbox of user @USER_ID@ (calendar @CALENDAR@) can be read again. What changed \
              meanwhile is sent now."
        cause "What kept it from being read is over."
        remedy "Nothing to do.";
    /// A mailbox is being read
    READING = "reading" Debug "6f1d5a86b2c84c3f9d0e6b1f2a7c4e91"
        [CALENDAR USER_ID REASON TRACKING_ID]
        what "The mailbox of user @USER_ID@ (calendar @CALENDAR@) is being read, from where it was \
              read last (@REASON@). What comes of it has the TRACKING_ID @TRACKING_ID@."
        cause "Exchange told of a change, or it was its turn."
        remedy "Nothing to do.";
    /// What was read is on the disk
    COMMITTED = "committed" Debug "6f1d5a86b2c84c3f9d0e6b1f2a7c4e92"
        [CALENDAR USER_ID EVENTS TRACKING_ID]
        what "What a reading of the mailbox of user @USER_ID@ (calendar @CALENDAR@) found is on \
              the disk, with @EVENTS@ sealed events for the cloud."
        cause "The reading that has the same TRACKING_ID found something, or all of the window was \
               compared."
        remedy "Nothing to do.";
    /// A mailbox is listened to
    LISTENING = "listening" Debug "6f1d5a86b2c84c3f9d0e6b1f2a7c4e0a" [CALENDAR USER_ID]
        what "Exchange tells changes of the mailbox of user @USER_ID@ (calendar @CALENDAR@) as \
              they happen."
        cause "A stream has its subscription."
        remedy "Nothing to do.";
    /// A mailbox is polled because streams refuse it
    MAILBOX_DEMOTED = "mailbox-demoted" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e15"
        [CALENDAR USER_ID CAUSE EWS_REQUEST_ID]
        what "The mailbox of user @USER_ID@ (calendar @CALENDAR@) cannot be listened to: @CAUSE@. \
              It is polled, and listening is tried again later."
        cause "Exchange refuses the mailbox's subscription again and again: a right is missing, or \
               the throttling policy allows it too few."
        remedy "Changes of this mailbox come late, by polling. See its rights and the throttling \
                policy (EwsMaxSubscriptions) of the mailbox: \
                Get-ThrottlingPolicyAssociation -Identity ADDRESS.";
    /// The key server gives no new key
    KEY_LATE = "key-late" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e0b"
        [CALENDAR USER_ID CAUSE TRACKING_ID]
        what "There is no new key for the mailbox of user @USER_ID@ (calendar @CALENDAR@): \
              @CAUSE@. What changes is sealed with yesterday's key meanwhile."
        cause "The key server cannot be reached, or refuses."
        remedy "Check the key server; until it answers yesterday's key is used.";
    /// Exchange refused the cursor
    CURSOR_LOST = "cursor-lost" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e0c"
        [CALENDAR USER_ID TRACKING_ID]
        what "Exchange does not know any more how far the mailbox of user @USER_ID@ (calendar \
              @CALENDAR@) was read. Its window is read anew, and what differs is sent."
        cause "The mailbox was moved or restored, or Exchange forgot an old state."
        remedy "Nothing to do: the window is read anew.";
    /// Exchange cannot render an item
    ITEM_UNREADABLE = "item-unreadable" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e50"
        [CALENDAR USER_ID CAUSE EWS_REQUEST_ID TRACKING_ID]
        what "An item in the calendar of user @USER_ID@ (calendar @CALENDAR@) cannot be read: \
              @CAUSE@. The others are relayed, and what was known of it stays."
        cause "The item is damaged in Exchange, or its database does not answer for it."
        remedy "The rest of the mailbox is relayed, and what was known of the item stays. It is \
                tried again within minutes as long as it may be well again, then daily, and when \
                it changes. To mend it: New-MailboxRepairRequest -Mailbox ADDRESS \
                -CorruptionType SearchFolder,FolderView,ProvisionedFolder,AggregateCounts, or \
                let its owner open and save or delete it.";
    /// Nothing of a mailbox is left out any more as Exchange could not render it
    ITEMS_READABLE = "items-readable" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e8d"
        [CALENDAR USER_ID TRACKING_ID]
        what "No item in the calendar of user @USER_ID@ (calendar @CALENDAR@) is left out any more \
              as unreadable."
        cause "What could not be read can be, was deleted, or is not in the window any more."
        remedy "Nothing to do.";
    /// Not all of a mailbox's window is relayed
    WINDOW_CUT = "window-cut" Warning "6f1d5a86b2c84c3f9d0e6b1f2a7c4e61"
        [CALENDAR USER_ID TRACKING_ID]
        what "The calendar of user @USER_ID@ (calendar @CALENDAR@) holds more meetings than are \
              relayed: 20,000 of the window, or 1,000 that touch one minute."
        cause "A program fills the calendar, or a series went wrong."
        remedy "No person's calendar is that full: see what fills it (Get-MailboxFolderStatistics \
                -FolderScope Calendar, Get-CalendarDiagnosticObjects) and clear it, deactivate the \
                user, or make the window shorter ([window] in calway.toml). Nothing else has to be \
                done: the window is listed again every midnight.";
    /// All of a mailbox's window is relayed again
    WINDOW_WHOLE = "window-whole" Info "6f1d5a86b2c84c3f9d0e6b1f2a7c4e62"
        [CALENDAR USER_ID TRACKING_ID]
        what "The whole window of user @USER_ID@ (calendar @CALENDAR@) is relayed again."
        cause "The calendar holds fewer meetings than before."
        remedy "Nothing to do.";
    /// No calendar serves a mailbox's domain
    NO_CALENDAR = "no-calendar" Error "6f1d5a86b2c84c3f9d0e6b1f2a7c4e13"
        [USER_ID TRACKING_ID]
        what "The cloud activated user @USER_ID@, but no [[calendar]] names the domain of the \
              mailbox. Nothing of it is relayed."
        cause "The address is of a domain that the configuration does not have."
        remedy "Add the mailbox's domain to the domains of a [[calendar]].";
}
