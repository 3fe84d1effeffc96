//! What each of Exchange's response codes asks of the caller ([MS-OXWSCDATA] 2.2.5.24).

use crate::model::{Cause, Fault, Next, Span};

/// The least wait where Exchange asks for less: it may suggest 0 ms.
const FLOOR: Span = Span::SECOND;

/// The code of a refused protocol version.
pub(super) const INVALID_SERVER_VERSION: &str = "ErrorInvalidServerVersion";
/// The code of a mailbox that this server does not have.
pub(super) const NON_EXISTENT_MAILBOX: &str = "ErrorNonExistentMailbox";
/// Our own, for an answer that did not come in time.
pub(super) const TOO_LATE: &str = "no answer in time";
/// The code of a view that holds too many items.
pub(super) const EXCEEDED_FIND_COUNT: &str = "ErrorExceededFindCountLimit";

/// What a response code means.
///
/// The set is open: a code that is not named here is tried again, so that a code of a later
/// Exchange costs delay and never data.
pub(super) fn next(code: &str, back_off: Option<Span>) -> Next {
    match code {
        "ErrorServerBusy" | "ErrorInsufficientResources" | "ErrorNotEnoughMemory" => {
            Next::BackOff { after: back_off }
        }
        // The budget of the mailbox that is acted for: connections, and subscriptions, are charged
        // to it and not to the account. It alone waits.
        "ErrorExceededConnectionCount"
        | "ErrorExceededMessageLimit"
        | "ErrorExceededSubscriptionCount" => {
            Next::Retry { after: Some(back_off.unwrap_or(FLOOR).max(FLOOR)) }
        }
        "ErrorInvalidSyncStateData" => Next::CursorLost,
        // It is not behind this server any more, or the way to it is not.
        "ErrorNoRespondingCASInDestinationSite"
        | "ErrorProxyRequestNotAllowed"
        | "ErrorProxyRequestProcessingFailed"
        | "ErrorReadEventsFailed" => Next::Moved,
        "ErrorPasswordExpired" | "ErrorPasswordChangeRequired" | "ErrorInvalidUserInfo" => {
            Next::SignIn
        }
        "ErrorAccessDenied"
        | "ErrorAccessDeniedDueToCompliance"
        | "ErrorAccountDisabled"
        | "ErrorCallerIsInvalidADAccount"
        | "ErrorImpersonateUserDenied"
        | "ErrorImpersonationDenied"
        | "ErrorImpersonationFailed"
        | "ErrorInvalidExchangeImpersonationHeaderData"
        | "ErrorInvalidLogonType"
        | "ErrorInvalidManagementRoleHeader"
        | "ErrorNoFreeBusyAccess"
        | "ErrorSendAsDenied"
        | "ErrorSubscriptionAccessDenied"
        | "ErrorSubscriptionDelegateAccessNotSupported"
        | "ErrorTokenSerializationDenied" => Next::Denied,
        "ErrorAddressSpaceNotFound"
        | "ErrorCannotFindUser"
        | "ErrorFolderNotFound"
        | "ErrorInvalidMailbox"
        | "ErrorInvalidSmtpAddress"
        | "ErrorInvalidUserPrincipalName"
        | "ErrorMailRecipientNotFound"
        | "ErrorMissingExchangePrincipal"
        | "ErrorNoCalendar"
        | "ErrorNonExistentMailbox"
        | "ErrorNonPrimarySmtpAddress"
        | "ErrorRecipientNotFound"
        | "ErrorSyncFolderNotFound" => Next::Gone,
        code if is_refusal(code) => Next::Refused,
        _ => Next::Retry { after: back_off },
    }
}

/// Codes about the request or the item itself: the same request meets them again.
fn is_refusal(code: &str) -> bool {
    const REFUSALS: &[&str] = &[
        "ErrorAccessModeSpecified",
        "ErrorCannotUseFolderIdForItemId",
        "ErrorCannotUseItemIdForFolderId",
        "ErrorContentConversionFailed",
        "ErrorCorruptData",
        "ErrorDataSizeLimitExceeded",
        "ErrorIncorrectSchemaVersion",
        "ErrorIncorrectUpdatePropertyCount",
        "ErrorItemCorrupt",
        "ErrorMailboxDataArrayEmpty",
        "ErrorMailboxDataArrayTooBig",
        "ErrorMessageDispositionRequired",
        "ErrorMessageSizeExceeded",
        "ErrorMimeContentConversionFailed",
        "ErrorMissingArgument",
        "ErrorMissingInformationReferenceItemId",
        "ErrorMissingRecipients",
        "ErrorMoreThanOneAccessModeSpecified",
        "ErrorOccurrenceCrossingBoundary",
        "ErrorPropertyUpdate",
        "ErrorPropertyValidationFailure",
        "ErrorQuotaExceeded",
        "ErrorRecurrenceHasNoOccurrence",
        "ErrorRequestStreamTooBig",
        "ErrorRequiredPropertyMissing",
        "ErrorSchemaValidation",
        "ErrorSendMeetingInvitationsOrCancellationsRequired",
        "ErrorSendMeetingInvitationsRequired",
        "ErrorSubmissionQuotaExceeded",
        "ErrorTimeIntervalTooBig",
        "ErrorTimeZone",
        "ErrorUpdatePropertyMismatch",
        "ErrorValueOutOfRange",
        "ErrorVirusDetected",
        "ErrorWrongServerVersion",
        "ErrorWrongServerVersionDelegate",
    ];
    // These begin like a refusal and are about a state that is made anew.
    let renewable = matches!(
        code,
        "ErrorInvalidAuthorizationContext"
            | "ErrorInvalidClientSecurityContext"
            | "ErrorInvalidNetworkServiceContext"
            | "ErrorInvalidProxySecurityContext"
            | "ErrorInvalidSubscription"
            | "ErrorInvalidWatermark"
    );
    let family = ["ErrorCalendar", "ErrorInvalid", "ErrorUnsupported"];
    let family = family.iter().any(|name| code.starts_with(name));
    (family && !renewable) || REFUSALS.contains(&code)
}

/// Whether the code says of an item that it is not there any more.
pub(super) fn is_missing_item(code: &str) -> bool {
    matches!(
        code,
        "ErrorItemNotFound"
            | "ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange"
            | "ErrorCalendarOccurrenceIsDeletedFromRecurrence"
            | "ErrorInvalidId"
            | "ErrorInvalidIdEmpty"
            | "ErrorInvalidIdMalformed"
            | "ErrorObjectTypeChanged"
            | "ErrorVirusMessageDeleted"
    )
}

/// What Exchange may also say of a single item that it cannot render, and go on saying: whatever
/// is not known to be of the mailbox, the server or the way to it.
pub(super) fn is_perhaps_the_item(fault: &Fault) -> bool {
    let wider = matches!(
        fault.cause.code.as_str(),
        "ErrorADOperation"
            | "ErrorADUnavailable"
            | "ErrorBatchProcessingStopped"
            | "ErrorConnectionFailed"
            | "ErrorConnectionFailedTransientError"
            | "ErrorInternalServerTransientError"
            | "ErrorMailboxFailover"
            | "ErrorMailboxMoveInProgress"
            | "ErrorMailboxStoreUnavailable"
            | "ErrorTimeoutExpired"
            | "ErrorTooManyObjectsOpened"
    );
    // Rights to a mailbox are refused in other words, and to all that is asked of it.
    let denied = fault.cause.code == "ErrorAccessDenied";
    is_exchange_code(fault) && (denied || fault.next == Next::Retry { after: None }) && !wider
}

/// It took longer than the server, somebody in front of it, or we had patience for.
pub(super) fn is_too_slow(fault: &Fault) -> bool {
    let code = fault.cause.code.as_str();
    matches!(code, "ErrorTimeoutExpired" | "HTTP 408" | "HTTP 504" | TOO_LATE)
}

/// The subscription does not exist any more, or is somebody else's now: there is nothing to give
/// back.
pub(super) fn is_dead_subscription(fault: &Fault) -> bool {
    matches!(
        fault.cause.code.as_str(),
        "ErrorSubscriptionNotFound"
            | "ErrorInvalidSubscription"
            | "ErrorExpiredSubscription"
            | "ErrorSubscriptionUnsubscribed"
            | "ErrorNewEventStreamConnectionOpened"
    )
}

/// The budget of the mailbox in whose name it was asked is used up; another's is not.
pub(super) fn is_over_budget(fault: &Fault) -> bool {
    fault.cause.code == "ErrorExceededConnectionCount"
}

/// Whether the code speaks of one mailbox or item, and not of the server or the way to it.
pub(super) fn is_exchange_code(fault: &Fault) -> bool {
    fault.cause.code.starts_with("Error")
}

/// Whether the server itself said so, as a code or as a status.
pub(super) fn is_answer(fault: &Fault) -> bool {
    is_exchange_code(fault) || fault.cause.code.starts_with("HTTP ")
}

/// The fault of a response code. `code` comes from the network and is cut and cleaned.
pub(super) fn fault(code: &str, back_off: Option<Span>) -> Fault {
    let code = if code.is_empty() { "no response code" } else { code };
    // Codes are letters; whatever else stands there may be somebody's data.
    let plain = code.chars().all(|c| c.is_ascii_alphanumeric() || " .-_".contains(c));
    let shown = if plain { code } else { "unreadable response code" };
    Fault { next: next(code, back_off), cause: Cause::new(shown) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_what_the_caller_does_next() {
        let retry = Next::Retry { after: None };
        let table = [
            ("ErrorServerBusy", Next::BackOff { after: None }),
            ("ErrorExceededConnectionCount", Next::Retry { after: Some(Span::SECOND) }),
            ("ErrorInternalServerError", retry),
            ("ErrorInternalServerTransientError", retry),
            ("ErrorMailboxMoveInProgress", retry),
            ("ErrorMailboxStoreUnavailable", retry),
            ("ErrorNoRespondingCASInDestinationSite", Next::Moved),
            ("ErrorProxyRequestNotAllowed", Next::Moved),
            ("ErrorReadEventsFailed", Next::Moved),
            ("ErrorTimeoutExpired", retry),
            ("ErrorTooManyObjectsOpened", retry),
            ("ErrorExceededSubscriptionCount", Next::Retry { after: Some(Span::SECOND) }),
            ("ErrorSubscriptionNotFound", retry),
            ("ErrorInvalidSubscription", retry),
            ("ErrorMissedNotificationEvents", retry),
            ("ErrorIrresolvableConflict", retry),
            ("ErrorBatchProcessingStopped", retry),
            ("ErrorOfALaterExchange", retry),
            ("", retry),
            ("ErrorInvalidSyncStateData", Next::CursorLost),
            ("ErrorPasswordExpired", Next::SignIn),
            ("ErrorAccessDenied", Next::Denied),
            ("ErrorImpersonateUserDenied", Next::Denied),
            ("ErrorImpersonationFailed", Next::Denied),
            ("ErrorSubscriptionDelegateAccessNotSupported", Next::Denied),
            ("ErrorNoFreeBusyAccess", Next::Denied),
            ("ErrorNonExistentMailbox", Next::Gone),
            ("ErrorMailRecipientNotFound", Next::Gone),
            ("ErrorMailboxDataArrayTooBig", Next::Refused),
            ("ErrorFreeBusyGenerationFailed", retry),
            ("ErrorFolderNotFound", Next::Gone),
            ("ErrorSchemaValidation", Next::Refused),
            ("ErrorInvalidRequest", Next::Refused),
            ("ErrorInvalidServerVersion", Next::Refused),
            ("ErrorUnsupportedPropertyDefinition", Next::Refused),
            ("ErrorCorruptData", Next::Refused),
            ("ErrorCalendarIsOrganizerForAccept", Next::Refused),
            ("ErrorCalendarViewRangeTooBig", Next::Refused),
            ("ErrorQuotaExceeded", Next::Refused),
            ("ErrorSendAsDenied", Next::Denied),
        ];
        for (code, expected) in table {
            assert_eq!(next(code, None), expected, "{code}");
        }
    }

    #[test]
    fn the_wait_that_was_asked_for_is_kept_above_the_floor() {
        let asked = Some(Span::from_ms(297_749));
        assert_eq!(next("ErrorServerBusy", asked), Next::BackOff { after: asked });
        assert_eq!(
            next("ErrorExceededConnectionCount", Some(Span::from_ms(0))),
            Next::Retry { after: Some(Span::SECOND) }
        );
        assert_eq!(next("ErrorMailboxFailover", asked), Next::Retry { after: asked });
    }

    #[test]
    fn a_code_that_is_no_code_is_not_repeated() {
        assert_eq!(fault("alice@corp.example <x>", None).cause.code, "unreadable response code");
        assert_eq!(fault("ErrorNew", None).cause.code, "ErrorNew");
        assert_eq!(fault("", None).cause.code, "no response code");
    }
}
