//! FindItem with a CalendarView: a window with its series expanded ([MS-OXWSSRCH] 3.1.4.2,
//! [MS-OXWSMTGS] 3.1.4.4).

use std::fmt::Write as _;

use super::convert;
use super::datetime;
use super::soap::{self, CALENDAR_FOLDER, Header};
use super::xml::malformed;
use crate::model::{Fault, Listing, Span, Time};

/// The most items of an answer; a policy of the server caps it there anyway.
pub const MOST: usize = 1000;

/// The longest span that is asked for at once; Exchange allows two years.
pub const LONGEST: Span = Span::from_secs(700 * 86_400);

/// Asks for what touches `from..to`, `most` at most. A view takes neither restriction nor order nor
/// paging.
pub fn request(header: &Header<'_>, from: Time, to: Time, most: usize) -> String {
    const FIELDS: [&str; 4] =
        ["calendar:Start", "calendar:End", "calendar:CalendarItemType", "calendar:UID"];
    soap::envelope(header, "FindItem", r#" Traversal="Shallow""#, |out| {
        out.push_str("<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>");
        soap::push_fields(out, FIELDS);
        out.push_str("</m:ItemShape>");
        let (from, to) = (datetime::write(from), datetime::write(to));
        let _ = write!(
            out,
            r#"<m:CalendarView MaxEntriesReturned="{most}" StartDate="{from}" EndDate="{to}"/>"#
        );
        let _ = write!(out, "<m:ParentFolderIds>{CALENDAR_FOLDER}</m:ParentFolderIds>");
    })
}

/// Reads one answer.
///
/// # Errors
/// What Exchange says against it (`ErrorExceededFindCountLimit`: ask for less), or a malformed
/// answer.
pub fn read(xml: &[u8]) -> Result<Listing, Fault> {
    let found = soap::answers::<Option<Listing>>(xml, |pull, element, listing| {
        if element.name() != "RootFolder" {
            return Ok(false);
        }
        let last = element.attribute("IncludesLastItemInRange");
        let total = element.attribute("TotalItemsInView").and_then(|text| text.parse().ok());
        let mut items = 0_usize;
        let mut read = Listing::default();
        while let Some(element) = pull.child()? {
            if element.name() != "Items" {
                pull.skip()?;
                continue;
            }
            while let Some(item) = pull.child()? {
                items += 1;
                read.entries.extend(convert::entry(pull, &item)?);
            }
        }
        read.complete = match (last.as_deref(), total) {
            (Some(last), _) => last == "true",
            (None, Some(total)) => items >= total,
            (None, None) => items < MOST,
        };
        *listing = Some(read);
        Ok(true)
    })?;
    soap::only(found)?.ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Entry, ItemId, Plain};

    fn answer(attributes: &str, items: &str) -> Vec<u8> {
        format!(
            "<s:Envelope xmlns:s='s'><s:Body><m:FindItemResponse xmlns:m='m'><m:ResponseMessages>\
             <m:FindItemResponseMessage ResponseClass='Success'><m:ResponseCode>NoError\
             </m:ResponseCode><m:RootFolder {attributes}><t:Items xmlns:t='t'>{items}</t:Items>\
             </m:RootFolder></m:FindItemResponseMessage></m:ResponseMessages></m:FindItemResponse>\
             </s:Body></s:Envelope>"
        )
        .into_bytes()
    }

    #[test]
    fn a_listing_has_what_an_entry_needs() {
        let items = "<t:CalendarItem><t:ItemId Id='o1' ChangeKey='k1'/><t:Start>\
            2026-01-01T10:00:00Z</t:Start><t:End>2026-01-01T11:00:00Z</t:End>\
            <t:CalendarItemType>Occurrence\
            </t:CalendarItemType><t:UID>u1</t:UID></t:CalendarItem><t:Message><t:ItemId Id='m'/>\
            </t:Message><t:CalendarItem><t:ItemId Id='s1'/><t:UID/><t:Start>2026-01-02T10:00:00Z\
            </t:Start><t:End>2026-01-02T09:00:00Z</t:End></t:CalendarItem>";
        let listing = read(&answer("IncludesLastItemInRange='true'", items)).unwrap();
        let entry = |item: &str, version: &str, uid: &str, recurring, start, end| Entry {
            item: ItemId(item.into()),
            version: version.into(),
            uid: Plain::new(uid),
            recurring,
            start: datetime::read(start).unwrap(),
            end: datetime::read(end).unwrap(),
        };
        let expected = [
            entry("o1", "k1", "u1", true, "2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z"),
            entry("s1", "", "s1", false, "2026-01-02T10:00:00Z", "2026-01-02T10:00:00Z"),
        ];
        assert_eq!(listing.entries, expected);
    }

    #[test]
    fn an_answer_says_whether_it_is_complete() {
        let complete = |attributes| read(&answer(attributes, "<t:Task/>")).unwrap().complete;
        assert!(complete("TotalItemsInView='1' IncludesLastItemInRange='true'"));
        assert!(!complete("TotalItemsInView='1' IncludesLastItemInRange='false'"));
        assert!(!complete("TotalItemsInView='2'"));
        assert!(complete(""));
    }
}
