//! Whether a write that was not answered with success took effect.
//!
//! **Promise.** Where it is not sure that nothing happened, the answer is [`WriteFault::InDoubt`]:
//! that costs a look, and the opposite mistake an invitation that comes twice, or never. Exchange
//! saves a meeting first and sends the invitations then, so whatever may go wrong with a recipient,
//! a copy or a quota leaves doubt. What it finds wrong with a request before it begins does not.

use super::codes;
use crate::model::{Fault, Next, WriteFault};

/// Of a fault beside an error status: a SOAP fault is said before the request is begun, or in the
/// place of all of it. A status alone may come from something in front that lost the answer.
pub(super) fn of_status(fault: Fault) -> WriteFault {
    // The budget is looked at first of all.
    let busy = matches!(fault.next, Next::BackOff { .. }) && codes::is_exchange_code(&fault);
    let turned_away = fault.cause.code.starts_with("HTTP 4");
    if busy || turned_away { WriteFault::NoEffect(fault) } else { of_answer(fault) }
}

/// Of a fault within an answer, which may hide one that was met on the way.
pub(super) fn of_answer(fault: Fault) -> WriteFault {
    let code = fault.cause.code.as_str();
    if is_conflict(code) {
        WriteFault::Conflict(fault)
    } else if is_before_anything(&fault) {
        WriteFault::NoEffect(fault)
    } else {
        WriteFault::InDoubt(fault)
    }
}

/// The item is not what it was: changed, moved or deleted.
fn is_conflict(code: &str) -> bool {
    let changed = [
        "ErrorIrresolvableConflict",
        "ErrorStaleObject",
        "ErrorInvalidChangeKey",
        "ErrorChangeKeyRequiredForWriteOperations",
    ];
    changed.contains(&code) || codes::is_missing_item(code)
}

fn is_before_anything(fault: &Fault) -> bool {
    let code = fault.cause.code.as_str();
    match fault.next {
        _ if !codes::is_exchange_code(fault) || is_of_sending(code) => false,
        Next::SignIn | Next::Denied | Next::Refused => true,
        Next::Gone => matches!(
            code,
            "ErrorFolderNotFound"
                | "ErrorMissingExchangePrincipal"
                | "ErrorNonExistentMailbox"
                | "ErrorNonPrimarySmtpAddress"
        ),
        Next::Moved => {
            matches!(code, "ErrorNoRespondingCASInDestinationSite" | "ErrorProxyRequestNotAllowed")
        }
        Next::Retry { .. } => codes::is_over_budget(fault),
        Next::BackOff { .. } | Next::CursorLost | Next::KeyLost => false,
    }
}

/// Met by the mails about an item, when the item may be stored already.
fn is_of_sending(code: &str) -> bool {
    matches!(
        code,
        "ErrorInvalidRecipients"
            | "ErrorMessageSizeExceeded"
            | "ErrorMissingRecipients"
            | "ErrorQuotaExceeded"
            | "ErrorSendAsDenied"
            | "ErrorSubmissionQuotaExceeded"
            | "ErrorVirusDetected"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Span;

    fn exchange(code: &str) -> Fault {
        codes::fault(code, None)
    }

    #[test]
    fn what_was_refused_before_it_began_had_no_effect() {
        for code in [
            "ErrorSchemaValidation",
            "ErrorInvalidServerVersion",
            "ErrorImpersonateUserDenied",
            "ErrorAccessDenied",
            "ErrorNonExistentMailbox",
            "ErrorCalendarIsOrganizerForAccept",
            "ErrorCalendarIsCancelledForDecline",
            "ErrorCalendarEndDateIsEarlierThanStartDate",
            "ErrorTimeZone",
            "ErrorExceededConnectionCount",
            "ErrorProxyRequestNotAllowed",
            "ErrorPasswordExpired",
        ] {
            assert_eq!(of_answer(exchange(code)), WriteFault::NoEffect(exchange(code)), "{code}");
        }
    }

    #[test]
    fn what_may_have_been_met_on_the_way_leaves_doubt() {
        for code in [
            "ErrorInternalServerError",
            "ErrorInternalServerTransientError",
            "ErrorTimeoutExpired",
            "ErrorMailboxStoreUnavailable",
            "ErrorProxyRequestProcessingFailed",
            "ErrorOfALaterExchange",
            "ErrorInvalidRecipients",
            "ErrorSendAsDenied",
            "ErrorQuotaExceeded",
            "ErrorMailRecipientNotFound",
            "ErrorInvalidSmtpAddress",
            "ErrorItemSave",
            "",
        ] {
            assert!(of_answer(exchange(code)).is_in_doubt(), "{code}");
            assert!(of_status(exchange(code)).is_in_doubt(), "{code}");
        }
        for own in ["malformed answer", "no answer in time", "the answer is longer than 32 MiB"] {
            assert!(of_status(Fault::refused(own)).is_in_doubt(), "{own}");
        }
    }

    #[test]
    fn an_item_that_changed_or_left_is_a_conflict() {
        for code in ["ErrorIrresolvableConflict", "ErrorItemNotFound", "ErrorInvalidChangeKey"] {
            assert_eq!(of_answer(exchange(code)), WriteFault::Conflict(exchange(code)), "{code}");
        }
    }

    #[test]
    fn a_busy_server_is_sure_of_itself_only_before_it_begins() {
        let busy = || codes::fault("ErrorServerBusy", Some(Span::SECOND));
        assert_eq!(of_status(busy()), WriteFault::NoEffect(busy()));
        assert_eq!(of_answer(busy()), WriteFault::InDoubt(busy()));
        let status = |next, code| of_status(Fault::new(next, code));
        let away = Next::BackOff { after: None };
        for code in ["HTTP 302", "HTTP 503"] {
            assert!(status(away, code).is_in_doubt(), "{code}");
        }
        for code in ["HTTP 500", "HTTP 502", "HTTP 504"] {
            assert!(status(Next::Retry { after: None }, code).is_in_doubt(), "{code}");
        }
        assert!(!status(away, "HTTP 429").is_in_doubt());
        assert!(!status(Next::Denied, "HTTP 403").is_in_doubt());
    }
}
