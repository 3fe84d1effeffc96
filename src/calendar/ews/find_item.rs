//! FindItem: a window with its series expanded (CalendarView), and items by a property of our own
//! ([MS-OXWSSRCH] 3.1.4.2, [MS-OXWSMTGS] 3.1.4.4).

use std::fmt::Write as _;

use super::convert;
use super::datetime;
use super::own::{self, Own};
use super::soap::{self, CALENDAR_FOLDER, Header};
use super::xml::{malformed, push_escaped};
use crate::model::{Entry, Fault, Listing, Span, Time};

/// The most items of an answer; a policy of the server caps it there anyway.
pub const MOST: usize = 1000;

/// The longest span that is asked for at once; Exchange allows two years.
pub const LONGEST: Span = Span::from_secs(700 * 86_400);

/// What an [`Entry`] is made of.
const FIELDS: [&str; 4] =
    ["calendar:Start", "calendar:End", "calendar:CalendarItemType", "calendar:UID"];

/// Asks for what touches `from..to`, `most` at most. A view takes neither restriction nor order nor
/// paging.
pub fn request(header: &Header<'_>, from: Time, to: Time, most: usize) -> String {
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

/// Where what was made may be: its owner may have thrown it away meanwhile.
const PLACES: [&str; 2] = [CALENDAR_FOLDER, r#"<t:DistinguishedFolderId Id="deleteditems"/>"#];

/// Asks for what carries this value as [`Own::Command`]: in the calendar, and in the folder of what
/// was deleted. A series is listed as its master.
pub fn made_request(header: &Header<'_>, mark: &str) -> String {
    soap::envelope(header, "FindItem", r#" Traversal="Shallow""#, |out| {
        out.push_str("<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>");
        soap::push_fields(out, FIELDS);
        out.push_str("</m:ItemShape>");
        out.push_str(
            r#"<m:IndexedPageItemView MaxEntriesReturned="10" Offset="0" BasePoint="Beginning"/>"#,
        );
        out.push_str("<m:Restriction><t:IsEqualTo>");
        own::push_path(out, Own::Command);
        out.push_str("<t:FieldURIOrConstant><t:Constant Value=\"");
        push_escaped(out, mark);
        out.push_str("\"/></t:FieldURIOrConstant></t:IsEqualTo></m:Restriction>");
        out.push_str("<m:ParentFolderIds>");
        PLACES.iter().for_each(|place| out.push_str(place));
        out.push_str("</m:ParentFolderIds>");
    })
}

/// The first meeting of any of the folders.
///
/// # Errors
/// What Exchange says against any of them, as one that was not looked into may have it; or a
/// malformed answer.
pub fn read_made(xml: &[u8]) -> Result<Option<Entry>, Fault> {
    let listings = read_each(xml)?;
    if listings.len() != PLACES.len() {
        let failed = listings.into_iter().find_map(Result::err);
        return Err(failed.unwrap_or_else(malformed));
    }
    let mut found = None;
    for listing in listings {
        let first = listing?.ok_or_else(malformed)?.entries.into_iter().next();
        found = found.or(first);
    }
    Ok(found)
}

/// Reads one answer.
///
/// # Errors
/// What Exchange says against it (`ErrorExceededFindCountLimit`: ask for less), or a malformed
/// answer.
pub fn read(xml: &[u8]) -> Result<Listing, Fault> {
    let first = read_each(xml)?.into_iter().next();
    first.ok_or_else(malformed)??.ok_or_else(malformed)
}

fn read_each(xml: &[u8]) -> Result<Vec<Result<Option<Listing>, Fault>>, Fault> {
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
    Ok(found.into_iter().map(soap::Answered::into_result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ItemId, Plain};

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

    fn folders(folders: &[(&str, &str)]) -> Vec<u8> {
        let message = |(code, items): &(&str, &str)| {
            format!(
                "<m:FindItemResponseMessage ResponseClass='x'><m:ResponseCode>{code}\
                 </m:ResponseCode><m:RootFolder><t:Items>{items}</t:Items></m:RootFolder>\
                 </m:FindItemResponseMessage>"
            )
        };
        let messages: String = folders.iter().map(message).collect();
        format!(
            "<s:Envelope xmlns:s='s'><s:Body><m:FindItemResponse xmlns:m='m'><m:ResponseMessages>\
             {messages}</m:ResponseMessages></m:FindItemResponse></s:Body></s:Envelope>"
        )
        .into_bytes()
    }

    const MADE: &str = "<t:CalendarItem><t:ItemId Id='a' ChangeKey='k'/><t:Start>\
        2026-01-01T10:00:00Z</t:Start><t:End>2026-01-01T11:00:00Z</t:End></t:CalendarItem>";

    #[test]
    fn what_was_made_is_found_where_it_is_and_where_it_was_thrown_away() {
        let made = |answer: &[(&str, &str)]| {
            read_made(&folders(answer)).map(|found| found.map(|entry| entry.item.0.to_string()))
        };
        let a = || Ok(Some("a".to_owned()));
        assert_eq!(made(&[("NoError", MADE), ("NoError", "")]), a());
        assert_eq!(made(&[("NoError", ""), ("NoError", MADE)]), a());
        assert_eq!(made(&[("NoError", ""), ("NoError", "")]), Ok(None));
    }

    #[test]
    fn a_folder_that_was_not_looked_into_is_not_taken_for_an_empty_one() {
        let code = |answer: &[(&str, &str)]| read_made(&folders(answer)).unwrap_err().cause.code;
        let (busy, well) = (("ErrorServerBusy", ""), ("NoError", ""));
        assert_eq!(code(&[well, busy]), "ErrorServerBusy");
        assert_eq!(code(&[busy]), "ErrorServerBusy");
        assert_eq!(code(&[well]), "malformed answer");
        let empty = b"<Envelope><Body><X/></Body></Envelope>";
        assert_eq!(read_made(empty).unwrap_err().cause.code, "malformed answer");
    }
}
