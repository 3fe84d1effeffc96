//! What an answer of Autodiscover means for a mailbox.

use ::http::Uri;

use crate::calendar::ews::discover::{Found, IN_THE_CLOUD};
use crate::calendar::ews::group_key;
use crate::calendar::ews::homes::{Known, Place};
use crate::model::{Doubt, Fault, Next};

/// Whether a mailbox has no home here any more. Autodiscover may not hear of one for a while that
/// its server serves: before its word counts, the server said that the mailbox is not there, or is
/// asked for that.
pub(super) fn is_gone(fault: &Fault, doubt: Doubt) -> bool {
    fault.next == Next::Gone && (doubt != Doubt::None || fault.cause.code == IN_THE_CLOUD)
}

/// What is said of a mailbox, where it was asked for in vain if there is a reason.
pub(super) fn answer(
    known: Option<&Known>,
    why: Option<&Fault>,
    doubt: Doubt,
) -> Result<Known, Fault> {
    // Asked again too soon, it is as gone as it was a moment ago: its server knows no reason.
    let before = known.and_then(Known::gone).filter(|_| doubt != Doubt::None);
    match (known, why.or(before)) {
        // An old answer is better than none, unless it is known to be wrong.
        (Some(known), why) if why.is_none_or(|why| !is_gone(why, doubt)) => Ok(known.clone()),
        (_, why) => {
            let unknown = || Fault::retry("Autodiscover was not asked");
            Err(why.cloned().unwrap_or_else(unknown))
        }
    }
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
