//! What an answer of Autodiscover means for a mailbox.

use ::http::Uri;

use crate::calendar::ews::discover::{Found, IN_THE_CLOUD};
use crate::calendar::ews::group_key;
use crate::calendar::ews::homes::Place;
use crate::model::{Doubt, Fault, Next};

/// Whether a mailbox has no home here any more. Autodiscover may not hear of one for a while that
/// its server serves: before its word counts, the server said that the mailbox is not there, or is
/// asked for that.
pub(super) fn is_gone(fault: &Fault, doubt: Doubt) -> bool {
    fault.next == Next::Gone && (doubt != Doubt::None || fault.cause.code == IN_THE_CLOUD)
}

/// The place that was found, at the `fixed` server if there is one.
pub(super) fn place(found: Found, fixed: Option<&Uri>) -> Place {
    let ews = fixed.cloned().unwrap_or(found.ews);
    let url = ews.to_string();
    let group = match (found.grouping, found.external) {
        (Some(grouping), external) => group_key(&[&url, &grouping, &external.unwrap_or_default()]),
        (None, _) => group_key(&[&url]),
    };
    Place { ews, group }
}
