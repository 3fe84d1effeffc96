//! Addresses that an answer of Autodiscover names.

use http::Uri;

use super::IN_THE_CLOUD;
use super::hosts::is_cloud;
use crate::calendar::ews::autodiscover::Place;
use crate::model::{Fault, Next};

/// An address, where it is one that may be asked.
///
/// # Errors
/// [`Next::Gone`] where it is in Microsoft 365, [`Next::Refused`] where it is not `https`.
pub(super) fn place(text: &str) -> Result<Uri, Fault> {
    let uri = text.trim().parse::<Uri>().ok();
    let uri = uri.filter(|uri| uri.scheme_str() == Some("https") && uri.host().is_some());
    let uri = uri.ok_or_else(|| Fault::refused("Autodiscover names an address without https"))?;
    match uri.host() {
        Some(host) if is_cloud(host) => Err(Fault::new(Next::Gone, IN_THE_CLOUD)),
        _ => Ok(uri),
    }
}

/// Whether an answer says that its mailbox is in Microsoft 365.
pub(super) fn leads_to_cloud(told: &Place) -> bool {
    match told {
        Place::Ews(url) | Place::Url(url) => place(url).is_err_and(|why| why.next == Next::Gone),
        Place::Address(address) => {
            address.reveal().rsplit_once('@').is_some_and(|(_, domain)| is_cloud(domain))
        }
    }
}
