//! SyncFolderItems: what changed in a calendar since a mark ([MS-OXWSSYNC] 3.1.4.2).

use std::fmt::Write as _;
use std::sync::Arc;

use super::soap::{self, CALENDAR_FOLDER, Header};
use super::xml::{Element, Pull, malformed, push_escaped};
use crate::model::{Change, Cursor, Fault, ItemId, Page};

/// The most changes a page may have ([MS-OXWSSYNC] 2.2.5.1 allows 1..512).
pub const PAGE: usize = 512;

/// Asks for one page. Ids only: each further property is another call inside the server.
pub fn request(header: &Header<'_>, cursor: Option<&Cursor>) -> String {
    soap::envelope(header, "SyncFolderItems", "", |out| {
        out.push_str(
            "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:SyncFolderId>",
        );
        out.push_str(CALENDAR_FOLDER);
        out.push_str("</m:SyncFolderId>");
        if let Some(cursor) = cursor {
            out.push_str("<m:SyncState>");
            push_escaped(out, &cursor.0);
            out.push_str("</m:SyncState>");
        }
        let _ = write!(out, "<m:MaxChangesReturned>{PAGE}</m:MaxChangesReturned>");
    })
}

#[derive(Default)]
struct Answer {
    changes: Vec<Change>,
    state: Option<String>,
    last: Option<bool>,
}

/// Reads one page. `asked` is the mark it was asked with: where the server names the same mark
/// again and says that more is to come, the feed ends here, as asking on would never end.
///
/// # Errors
/// [`Next::CursorLost`](crate::model::Next) for `ErrorInvalidSyncStateData`; what else Exchange
/// says; a malformed answer.
pub fn read(xml: &[u8], asked: Option<&Cursor>) -> Result<Page, Fault> {
    let found = soap::answers::<Answer>(xml, |pull, element, answer| {
        match element.name() {
            "SyncState" => answer.state = Some(pull.text()?),
            "IncludesLastItemInRange" => answer.last = Some(pull.text()?.trim() == "true"),
            "Changes" => read_changes(pull, &mut answer.changes)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let answer = soap::only(found)?;
    let state = answer.state.filter(|state| !state.is_empty()).ok_or_else(malformed)?;
    let stuck = asked.is_some_and(|asked| *asked.0 == *state);
    let last = answer.last.ok_or_else(malformed)? || stuck;
    Ok(Page { changes: answer.changes, cursor: Cursor(state.into()), last })
}

fn read_changes(pull: &mut Pull<'_>, changes: &mut Vec<Change>) -> Result<(), Fault> {
    while let Some(change) = pull.child()? {
        match change.name() {
            "Create" | "Update" => {
                // A meeting, or whatever else strayed into the calendar.
                while pull.child()?.is_some() {
                    if let Some(id) = read_id(pull)? {
                        changes.push(Change::Upsert(id));
                    }
                }
            }
            "Delete" => {
                if let Some(id) = read_id(pull)? {
                    changes.push(Change::Delete(id));
                }
            }
            // ReadFlagChange: of no interest in a calendar.
            _ => pull.skip()?,
        }
    }
    Ok(())
}

fn read_id(pull: &mut Pull<'_>) -> Result<Option<ItemId>, Fault> {
    let mut id = None;
    while let Some(element) = pull.child()? {
        if element.name() == "ItemId" {
            id = item_id(&element);
        }
        pull.skip()?;
    }
    Ok(id)
}

/// The id that an `ItemId` element carries.
pub(super) fn item_id(element: &Element<'_>) -> Option<ItemId> {
    element.attribute("Id").filter(|id| !id.is_empty()).map(|id| ItemId(Arc::from(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(content: &str, asked: Option<&str>) -> Result<Page, Fault> {
        let xml = format!(
            "<s:Envelope xmlns:s='s'><s:Body><m:SyncFolderItemsResponse xmlns:m='m'>\
             <m:ResponseMessages><m:SyncFolderItemsResponseMessage ResponseClass='Success'>\
             {content}</m:SyncFolderItemsResponseMessage></m:ResponseMessages>\
             </m:SyncFolderItemsResponse></s:Body></s:Envelope>"
        );
        read(xml.as_bytes(), asked.map(|state| Cursor(state.into())).as_ref())
    }

    fn id(id: &str) -> ItemId {
        ItemId(id.into())
    }

    #[test]
    fn changes_keep_their_order() {
        let page = page(
            "<m:ResponseCode>NoError</m:ResponseCode><m:SyncState>H4sI==</m:SyncState>\
             <m:IncludesLastItemInRange>false</m:IncludesLastItemInRange><m:Changes>\
             <t:Create><t:CalendarItem><t:ItemId Id='a&amp;b' ChangeKey='1'/></t:CalendarItem>\
             </t:Create><t:ReadFlagChange><t:ItemId Id='x'/><t:IsRead>true</t:IsRead>\
             </t:ReadFlagChange>\
             <t:Delete><t:ItemId Id='c' ChangeKey='2'/></t:Delete>\
             <t:Update><t:Message><t:Subject>s</t:Subject><t:ItemId Id='d'/></t:Message></t:Update>\
             <t:Update><t:CalendarItem><t:ItemId Id='a&amp;b'/></t:CalendarItem></t:Update>\
             </m:Changes>",
            None,
        );
        let expected = Page {
            changes: vec![
                Change::Upsert(id("a&b")),
                Change::Delete(id("c")),
                Change::Upsert(id("d")),
                Change::Upsert(id("a&b")),
            ],
            cursor: Cursor("H4sI==".into()),
            last: false,
        };
        assert_eq!(page, Ok(expected));
    }

    #[test]
    fn the_same_mark_again_ends_the_feed() {
        let content = "<ResponseCode>NoError</ResponseCode><SyncState>S1</SyncState>\
                       <IncludesLastItemInRange>false</IncludesLastItemInRange><Changes/>";
        assert!(page(content, Some("S1")).unwrap().last);
        assert!(!page(content, Some("S0")).unwrap().last);
        assert!(!page(content, None).unwrap().last);
    }

    #[test]
    fn a_page_without_its_mark_is_no_page() {
        let no_state = "<ResponseCode>NoError</ResponseCode><Changes/>\
                        <IncludesLastItemInRange>true</IncludesLastItemInRange>";
        assert_eq!(page(no_state, None), Err(malformed()));
        let no_end = "<ResponseCode>NoError</ResponseCode><SyncState>S</SyncState><Changes/>";
        assert_eq!(page(no_end, None), Err(malformed()));
    }
}
