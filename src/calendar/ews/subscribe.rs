//! Subscribe: a streaming subscription to one mailbox's calendar ([MS-OXWSNTIF] 3.1.4.3).

use super::soap::{self, CALENDAR_FOLDER, Header};
use super::xml::malformed;
use crate::model::Fault;

/// Subscribes to everything that may change what a calendar shows. No watermark: an old one makes
/// the server search its whole event log.
pub fn request(header: &Header<'_>) -> String {
    const EVENTS: [&str; 5] =
        ["CopiedEvent", "CreatedEvent", "DeletedEvent", "ModifiedEvent", "MovedEvent"];
    soap::envelope(header, "Subscribe", "", |out| {
        out.push_str("<m:StreamingSubscriptionRequest><t:FolderIds>");
        out.push_str(CALENDAR_FOLDER);
        out.push_str("</t:FolderIds><t:EventTypes>");
        for event in EVENTS {
            out.push_str("<t:EventType>");
            out.push_str(event);
            out.push_str("</t:EventType>");
        }
        out.push_str("</t:EventTypes></m:StreamingSubscriptionRequest>");
    })
}

/// The subscription's id.
///
/// # Errors
/// What Exchange says against it, or a malformed answer.
pub fn read(xml: &[u8]) -> Result<String, Fault> {
    let found = soap::answers::<String>(xml, |pull, element, id| {
        if element.name() != "SubscriptionId" {
            return Ok(false);
        }
        *id = pull.text()?;
        Ok(true)
    })?;
    let id = soap::only(found)?;
    if id.is_empty() { Err(malformed()) } else { Ok(id) }
}
