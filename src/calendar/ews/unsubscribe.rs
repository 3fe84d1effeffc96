//! Unsubscribe: gives a subscription back ([MS-OXWSNTIF] 3.1.4.5).

use super::soap::{self, Header};
use super::xml::push_escaped;
use crate::model::Fault;

/// Gives one subscription back.
pub fn request(header: &Header<'_>, subscription: &str) -> String {
    soap::envelope(header, "Unsubscribe", "", |out| {
        out.push_str("<m:SubscriptionId>");
        push_escaped(out, subscription);
        out.push_str("</m:SubscriptionId>");
    })
}

/// Whether it was taken back.
///
/// # Errors
/// What Exchange says against it, or a malformed answer.
pub fn read(xml: &[u8]) -> Result<(), Fault> {
    soap::only(soap::answers::<()>(xml, |_, _, ()| Ok(false))?)
}
