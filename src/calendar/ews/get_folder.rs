//! GetFolder: whether a mailbox's calendar is there and may be read ([MS-OXWSFOLD] 3.1.4.6).

use super::soap::{self, CALENDAR_FOLDER, Header};
use crate::model::Fault;

/// Asks for the id of the calendar and nothing else.
pub fn request(header: &Header<'_>) -> String {
    soap::envelope(header, "GetFolder", "", |out| {
        out.push_str(
            "<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds>",
        );
        out.push_str(CALENDAR_FOLDER);
        out.push_str("</m:FolderIds>");
    })
}

/// Whether it is there.
///
/// # Errors
/// What Exchange says against it, or a malformed answer.
pub fn read(xml: &[u8]) -> Result<(), Fault> {
    soap::only(soap::answers::<()>(xml, |_, _, ()| Ok(false))?)
}
