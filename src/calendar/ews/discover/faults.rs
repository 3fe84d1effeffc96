//! What a failed question says: of the place that was asked, and to whoever waits for an answer.

use super::ways::{Try, What};
use super::{BLOCKED, IN_THE_CLOUD, Via, WAITS_FOR_TRUST};
use crate::calendar::ews::codes;
use crate::calendar::ews::xml::MALFORMED;
use crate::model::{Fault, Next};

/// The server itself says that it has too much to do; a redirect to its error page says so as well.
pub(super) fn is_busy(fault: &Fault) -> bool {
    fault.cause.code == "ServerBusy"
        || (codes::is_answer(fault) && !fault.cause.code.starts_with("HTTP 3"))
}

/// It answered, and not what was asked for. What it cannot do just now (HTTP 5xx) it offers all the
/// same: a lesser form would only hide that.
pub(super) fn is_not_offered(fault: &Fault) -> bool {
    let code = fault.cause.code.as_str();
    code == MALFORMED
        || code.starts_with("Autodiscover")
        || code == "unreadable Autodiscover code"
        || matches!(fault.next, Next::Refused)
        || (codes::is_answer(fault) && !code.starts_with("HTTP 5"))
}

/// How much a fault tells to whoever has to mend it; of all that a hunt met, the greatest is told.
pub(super) fn weight(way: Option<&Try>, fault: &Fault) -> u8 {
    let code = fault.cause.code.as_str();
    match (fault.next, code) {
        (Next::SignIn, _) => 7,
        (_, WAITS_FOR_TRUST) => 6,
        (_, IN_THE_CLOUD) => 5,
        (_, BLOCKED) => 4,
        (Next::Refused | Next::Denied | Next::Gone, _) => 3,
        _ if code.starts_with("proxy:") => SPEAKS,
        _ if way.is_some_and(is_often_nothing) || code.ends_with("(DNS)") => 0,
        _ if code.starts_with("TLS:") => SPEAKS,
        _ => 1,
    }
}

/// The weight from which on a fault speaks for itself.
pub(super) const SPEAKS: u8 = 2;

/// The weight from which on somebody has to do something, whatever else may still be met.
pub(super) const DECIDED: u8 = 6;

/// The company's web site, with its own certificate; the redirect and the DNS records that few
/// organisations have.
fn is_often_nothing(way: &Try) -> bool {
    way.via == Via::Domain || matches!(way.what, What::LookPlain(_) | What::Services(_))
}
