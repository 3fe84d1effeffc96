//! The order of elements that Exchange demands of a request; it refuses what its schema refuses.
//!
//! Only order, names and namespaces of what calendar clients send are checked here. Values are
//! checked where they are read.

use super::tree::{Broken, Node, Ns};

/// The steps in which an element's children come: a step is one name, or several with `|` of which
/// one may come; with a `*` it comes any number of times. `t:` marks a child in the types namespace
/// where the others are in that of messages.
fn steps(name: &str) -> Option<(Ns, &'static str)> {
    let in_messages = match name {
        "ConvertId" => "SourceIds",
        "CreateFolder" => "ParentFolderId Folders",
        "CreateItem" => "SavedItemFolderId Items",
        "DeleteFolder" => "FolderIds",
        "DeleteItem" => "ItemIds",
        "FindFolder" => {
            "FolderShape IndexedPageFolderView|FractionalPageFolderView Restriction ParentFolderIds"
        }
        "FindItem" => {
            "ItemShape IndexedPageItemView|FractionalPageItemView|SeekToConditionPageItemView|\
             CalendarView|ContactsView GroupBy|DistinguishedGroupBy Restriction SortOrder \
             ParentFolderIds QueryString"
        }
        "GetFolder" => "FolderShape FolderIds",
        "GetItem" => "ItemShape ItemIds",
        "GetServerTimeZones" => "Ids",
        "GetStreamingEvents" => "SubscriptionIds ConnectionTimeout",
        "GetUserAvailabilityRequest" => {
            "t:TimeZone MailboxDataArray t:FreeBusyViewOptions t:SuggestionsViewOptions"
        }
        "GetUserConfiguration" => "UserConfigurationName UserConfigurationProperties",
        "GetUserOofSettingsRequest" => "t:Mailbox",
        "SetUserOofSettingsRequest" => "t:Mailbox t:UserOofSettings",
        "Subscribe" => {
            "PullSubscriptionRequest|PushSubscriptionRequest|StreamingSubscriptionRequest"
        }
        "SyncFolderItems" => "ItemShape SyncFolderId SyncState Ignore MaxChangesReturned SyncScope",
        "Unsubscribe" => "SubscriptionId",
        "UpdateItem" => "SavedItemFolderId ItemChanges",
        _ => return Some((Ns::Types, steps_of_type(name)?)),
    };
    Some((Ns::Messages, in_messages))
}

fn steps_of_type(name: &str) -> Option<&'static str> {
    Some(match name {
        "ItemShape" => {
            "BaseShape IncludeMimeContent BodyType UniqueBodyType NormalizedBodyType \
             FilterHtmlContent ConvertHtmlCodePageToUTF8 InlineImageUrlTemplate \
             BlockExternalImages AddBlankTargetToLinks MaximumBodySize AdditionalProperties"
        }
        "FolderShape" => "BaseShape AdditionalProperties",
        "AdditionalProperties" => "FieldURI|IndexedFieldURI|ExtendedFieldURI*",
        "Folders" => "Folder|CalendarFolder|ContactsFolder|SearchFolder|TasksFolder*",
        "Folder" | "CalendarFolder" | "ContactsFolder" | "SearchFolder" | "TasksFolder" => {
            "FolderId ParentFolderId FolderClass DisplayName TotalCount ChildFolderCount \
             ExtendedProperty* ManagedFolderInformation EffectiveRights"
        }
        "Ids" => "Id*",
        "ItemIds" | "Ignore" => {
            "ItemId|OccurrenceItemId|RecurringMasterItemId|RecurringMasterItemIdRanges*"
        }
        "FolderIds" | "ParentFolderIds" => "FolderId|DistinguishedFolderId*",
        "ParentFolderId" | "UserConfigurationName" => "FolderId|DistinguishedFolderId",
        "SyncFolderId" | "SavedItemFolderId" => "FolderId|DistinguishedFolderId|AddressListId",
        "SubscriptionIds" => "SubscriptionId*",
        "SourceIds" => "AlternateId|AlternatePublicFolderId|AlternatePublicFolderItemId*",
        "StreamingSubscriptionRequest" => "FolderIds EventTypes",
        "EventTypes" => "EventType*",
        "ItemChanges" => "ItemChange*",
        "ItemChange" => {
            "ItemId|OccurrenceItemId|RecurringMasterItemId Updates CalendarActivityData"
        }
        "Updates" => "AppendToItemField|SetItemField|DeleteItemField*",
        "SetItemField" | "AppendToItemField" => {
            "FieldURI|IndexedFieldURI|ExtendedFieldURI Item|Message|CalendarItem|MeetingRequest"
        }
        "DeleteItemField" => "FieldURI|IndexedFieldURI|ExtendedFieldURI",
        "ExtendedProperty" => "ExtendedFieldURI Value|Values",
        "CalendarItem" => CALENDAR_ITEM,
        "RequiredAttendees" | "OptionalAttendees" | "Resources" => "Attendee*",
        "Attendee" => "Mailbox ResponseType LastResponseTime ProposedStart ProposedEnd",
        "Recurrence" => {
            "RelativeYearlyRecurrence|AbsoluteYearlyRecurrence|RelativeMonthlyRecurrence|\
             AbsoluteMonthlyRecurrence|WeeklyRecurrence|DailyRecurrence \
             NoEndRecurrence|EndDateRecurrence|NumberedRecurrence"
        }
        "RelativeYearlyRecurrence" => "DaysOfWeek DayOfWeekIndex Month",
        "AbsoluteYearlyRecurrence" => "DayOfMonth Month",
        "RelativeMonthlyRecurrence" => "Interval DaysOfWeek DayOfWeekIndex",
        "AbsoluteMonthlyRecurrence" => "Interval DayOfMonth",
        "WeeklyRecurrence" => "Interval DaysOfWeek FirstDayOfWeek",
        "DailyRecurrence" => "Interval",
        "NoEndRecurrence" => "StartDate",
        "EndDateRecurrence" => "StartDate EndDate",
        "NumberedRecurrence" => "StartDate NumberOfOccurrences",
        "AcceptItem" | "TentativelyAcceptItem" | "DeclineItem" => {
            "ItemClass Sensitivity Body Attachments InternetMessageHeaders Sender ToRecipients \
             CcRecipients BccRecipients IsReadReceiptRequested IsDeliveryReceiptRequested From \
             ReferenceItemId ReceivedBy ReceivedRepresenting ProposedStart ProposedEnd"
        }
        "CancelCalendarItem" => {
            "Subject Body ToRecipients CcRecipients BccRecipients IsReadReceiptRequested \
             IsDeliveryReceiptRequested From ReferenceItemId NewBodyContent"
        }
        "MailboxDataArray" => "MailboxData*",
        "MailboxData" => "Email AttendeeType ExcludeConflicts",
        "Email" => "Name Address RoutingType",
        "FreeBusyViewOptions" => "TimeWindow MergedFreeBusyIntervalInMinutes RequestedView",
        "TimeWindow" => "StartTime EndTime",
        "TimeZone" => "Bias StandardTime DaylightTime",
        "StandardTime" | "DaylightTime" => "Bias Time DayOrder Month DayOfWeek Year",
        "Mailbox" => "Name Address|EmailAddress RoutingType MailboxType ItemId OriginalDisplayName",
        "UserOofSettings" => {
            "OofState ExternalAudience Duration InternalReply ExternalReply DeclineMeetingReply \
             DeclineEventsForScheduledOOF DeclineAllEventsForScheduledOOF CreateOOFEvent \
             OOFEventSubject AutoDeclineFutureRequestsWhenOOF OOFEventID EventsToDeleteIDs"
        }
        "Duration" => "StartTime EndTime",
        "InternalReply" | "ExternalReply" => "Message",
        "Restriction" | "Not" => SEARCH,
        "And" | "Or" => SEARCHES,
        "Exists" => "FieldURI|IndexedFieldURI|ExtendedFieldURI",
        "Contains" => "FieldURI|IndexedFieldURI|ExtendedFieldURI Constant",
        "IsEqualTo"
        | "IsNotEqualTo"
        | "IsGreaterThan"
        | "IsGreaterThanOrEqualTo"
        | "IsLessThan"
        | "IsLessThanOrEqualTo" => "FieldURI|IndexedFieldURI|ExtendedFieldURI FieldURIOrConstant",
        "FieldURIOrConstant" => "FieldURI|IndexedFieldURI|ExtendedFieldURI|Constant",
        "SortOrder" => "FieldOrder*",
        "FieldOrder" => "FieldURI|IndexedFieldURI|ExtendedFieldURI",
        _ => return None,
    })
}

const SEARCH: &str = "Contains|Excludes|Exists|IsEqualTo|IsNotEqualTo|IsGreaterThan|\
    IsGreaterThanOrEqualTo|IsLessThan|IsLessThanOrEqualTo|Not|And|Or|Near";
const SEARCHES: &str = "Contains|Excludes|Exists|IsEqualTo|IsNotEqualTo|IsGreaterThan|\
    IsGreaterThanOrEqualTo|IsLessThan|IsLessThanOrEqualTo|Not|And|Or|Near*";

const CALENDAR_ITEM: &str = "MimeContent ItemId ParentFolderId ItemClass Subject Sensitivity Body \
    Attachments DateTimeReceived Size Categories Importance InReplyTo IsSubmitted IsDraft IsFromMe \
    IsResend IsUnmodified InternetMessageHeaders DateTimeSent DateTimeCreated ResponseObjects \
    ReminderDueBy ReminderIsSet ReminderNextTime ReminderMinutesBeforeStart DisplayCc DisplayTo \
    DisplayBcc HasAttachments ExtendedProperty* Culture EffectiveRights LastModifiedName \
    LastModifiedTime IsAssociated UID RecurrenceId DateTimeStamp Start End OriginalStart \
    IsAllDayEvent LegacyFreeBusyStatus Location When IsMeeting IsCancelled IsRecurring \
    MeetingRequestWasSent IsResponseRequested CalendarItemType MyResponseType Organizer \
    RequiredAttendees OptionalAttendees Resources InboxReminders ConflictingMeetingCount \
    AdjacentMeetingCount ConflictingMeetings AdjacentMeetings Duration TimeZone \
    AppointmentReplyTime AppointmentSequenceNumber AppointmentState Recurrence FirstOccurrence \
    LastOccurrence ModifiedOccurrences DeletedOccurrences MeetingTimeZone StartTimeZone \
    EndTimeZone ConferenceType AllowNewTimeProposal IsOnlineMeeting MeetingWorkspaceUrl NetShowUrl \
    EnhancedLocation";

/// Whether the children of an element, and theirs, are what the schema has, in its order.
pub(super) fn check(node: &Node) -> Result<(), Broken> {
    if let Some((ns, steps)) = steps(&node.name) {
        check_order(node, ns, steps)?;
    }
    node.children.iter().try_for_each(check)
}

fn check_order(node: &Node, ns: Ns, steps: &str) -> Result<(), Broken> {
    let mut steps = steps.split_ascii_whitespace().peekable();
    for child in &node.children {
        loop {
            let step = *steps.peek().ok_or_else(|| misplaced(node, child))?;
            if !fits(step, ns, child) {
                steps.next();
                continue;
            }
            if !step.ends_with('*') {
                steps.next();
            }
            break;
        }
    }
    Ok(())
}

fn fits(step: &str, ns: Ns, child: &Node) -> bool {
    step.trim_end_matches('*').split('|').any(|name| match name.strip_prefix("t:") {
        Some(name) => name == child.name && child.ns == Ns::Types,
        None => name == child.name && child.ns == ns,
    })
}

fn misplaced(node: &Node, child: &Node) -> Broken {
    let violation =
        format!("The element '{}' has invalid child element '{}'.", node.name, child.name);
    Broken { violation, line: 1, column: 1 }
}

#[cfg(test)]
mod tests {
    use super::super::tree::{MESSAGES, TYPES, read};
    use super::*;

    fn allowed(inner: &str) -> bool {
        let text = format!("<m:X xmlns:m='{MESSAGES}' xmlns:t='{TYPES}'>{inner}</m:X>");
        let root = read(text.as_bytes()).expect("well-formed");
        check(&root).is_ok()
    }

    #[test]
    fn order_names_and_namespaces_count() {
        let shape = "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>";
        let ids =
            "<m:ItemIds><t:ItemId Id='a'/><t:OccurrenceItemId/><t:ItemId Id='b'/></m:ItemIds>";
        assert!(allowed(&format!("<m:GetItem>{shape}{ids}</m:GetItem>")));
        assert!(!allowed(&format!("<m:GetItem>{ids}{shape}</m:GetItem>")));
        assert!(!allowed(&format!("<m:GetItem>{shape}{shape}{ids}</m:GetItem>")));
        assert!(!allowed(&format!("<m:GetItem>{shape}<m:Else/>{ids}</m:GetItem>")));
        let wrong = ids.replace("<t:ItemId", "<m:ItemId");
        assert!(!allowed(&format!("<m:GetItem>{shape}{wrong}</m:GetItem>")));
        let item = |inner: &str| format!("<t:CalendarItem>{inner}</t:CalendarItem>");
        assert!(allowed(&item("<t:Subject/><t:Start/><t:End/><t:Location/>")));
        assert!(!allowed(&item("<t:Subject/><t:Location/><t:Start/>")));
        let property = "<t:ExtendedProperty><t:ExtendedFieldURI/><t:Value/></t:ExtendedProperty>";
        assert!(allowed(&item(&format!("{property}{property}<t:Start/>"))));
    }
}
