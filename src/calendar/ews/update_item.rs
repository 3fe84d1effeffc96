//! UpdateItem: changes to a meeting that is there ([MS-OXWSCORE] 3.1.4.9).
//!
//! **Promise.** Nobody's words are lost. `NeverOverwrite` with the change key refuses a write where
//! anything of the item was changed since it was read (`ErrorIrresolvableConflict`).
//! `AutoResolve` would let it through where other fields were changed, and decides by itself where
//! the same were: but a body is composed of the one that was read, and an invitation that goes out
//! with it tells all of the item. The price is one more reading where, say, an invitee answered
//! meanwhile. What the write does not name stays as it is.

use std::fmt::Write as _;

use super::create_item::read_items;
use super::own::{self, Own};
use super::phrases::{push_body, push_item_id, push_text};
use super::soap::{self, Header};
use super::xml::malformed;
use crate::model::{Fault, Mark, Notify, Rewrite, Written};

/// Asks for the change. One that changes nothing ([`Rewrite::is_nothing`]) is not to be asked for.
/// The mails go to all invitees, not only to those who are new, as a new text concerns all.
pub fn request(header: &Header<'_>, rewrite: &Rewrite) -> String {
    let changes = changes(rewrite);
    let told = match rewrite.notify {
        Notify::All => "SendToAllAndSaveCopy",
        Notify::Nobody => "SendToNone",
    };
    let attributes = format!(
        " ConflictResolution=\"NeverOverwrite\" MessageDisposition=\"SaveOnly\" \
         SendMeetingInvitationsOrCancellations=\"{told}\""
    );
    soap::envelope(header, "UpdateItem", &attributes, |out| {
        out.push_str("<m:ItemChanges><t:ItemChange>");
        push_item_id(out, "ItemId", &rewrite.item, &rewrite.version);
        out.push_str("<t:Updates>");
        out.push_str(&changes);
        out.push_str("</t:Updates></t:ItemChange></m:ItemChanges>");
    })
}

/// One element for each field.
fn changes(rewrite: &Rewrite) -> String {
    let mut changes = String::new();
    let out = &mut changes;
    if let Some(body) = &rewrite.body {
        set_field(out, "item:Body", |out| push_body(out, body));
    }
    match &rewrite.mark {
        Mark::Keep => {}
        Mark::Set(mark) => {
            out.push_str("<t:SetItemField>");
            own::push_path(out, Own::Mark);
            out.push_str("<t:CalendarItem>");
            own::push_property(out, Own::Mark, mark.reveal());
            out.push_str("</t:CalendarItem></t:SetItemField>");
        }
        Mark::Remove => {
            out.push_str("<t:DeleteItemField>");
            own::push_path(out, Own::Mark);
            out.push_str("</t:DeleteItemField>");
        }
    }
    if let Some(location) = &rewrite.location {
        set_field(out, "calendar:Location", |out| push_text(out, "Location", location.reveal()));
    }
    changes
}

fn set_field(out: &mut String, field: &str, value: impl FnOnce(&mut String)) {
    let _ = write!(out, r#"<t:SetItemField><t:FieldURI FieldURI="{field}"/><t:CalendarItem>"#);
    value(out);
    out.push_str("</t:CalendarItem></t:SetItemField>");
}

/// What became of one item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// The item with its new change key. Where an occurrence was changed there may be more.
    pub items: Vec<Written>,
    /// How many properties somebody else had changed meanwhile and Exchange settled by itself.
    pub conflicts: u32,
}

/// One answer for each item, in the order asked; where all failed at once it may be only one.
///
/// # Errors
/// Where the answer as a whole is of no use. What Exchange says against one item stands in its
/// place: after `ErrorIrresolvableConflict` it is to be read anew before it is written again.
pub fn read(xml: &[u8]) -> Result<Vec<Result<Updated, Fault>>, Fault> {
    let answers = soap::answers::<Updated>(xml, |pull, element, updated| {
        match element.name() {
            "Items" => read_items(pull, &mut updated.items)?,
            "ConflictResults" => {
                while let Some(result) = pull.child()? {
                    match result.name() {
                        "Count" => updated.conflicts = pull.text()?.trim().parse().unwrap_or(0),
                        _ => pull.skip()?,
                    }
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    if answers.is_empty() {
        return Err(malformed());
    }
    Ok(answers.into_iter().map(soap::Answered::into_result).collect())
}

/// The only item that was changed, with its new change key.
///
/// # Errors
/// What Exchange says against it, or a malformed answer.
pub fn read_one(xml: &[u8]) -> Result<Written, Fault> {
    let updated = read(xml)?.into_iter().next().ok_or_else(malformed)??;
    updated.items.into_iter().next().ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::ews::soap::ServerVersion;
    use crate::model::{Address, Body, ItemId, Plain};

    #[test]
    fn conflicts_are_counted_and_an_item_that_failed_stands_alone() {
        let xml = "<s:Envelope xmlns:s='s'><s:Body><m:UpdateItemResponse xmlns:m='m'>\
            <m:ResponseMessages><m:UpdateItemResponseMessage ResponseClass='Success'>\
            <m:ResponseCode>NoError</m:ResponseCode><m:Items><t:CalendarItem>\
            <t:ItemId Id='a' ChangeKey='2'/></t:CalendarItem></m:Items><m:ConflictResults>\
            <t:Later/><t:Count> 3 </t:Count></m:ConflictResults></m:UpdateItemResponseMessage>\
            <m:UpdateItemResponseMessage ResponseClass='Error'><m:MessageText>no</m:MessageText>\
            <m:ResponseCode>ErrorIrresolvableConflict</m:ResponseCode><m:Items/>\
            </m:UpdateItemResponseMessage></m:ResponseMessages></m:UpdateItemResponse></s:Body>\
            </s:Envelope>";
        let stored = Written { item: ItemId("a".into()), version: "2".into() };
        let expected = [
            Ok(Updated { items: vec![stored], conflicts: 3 }),
            Err(Fault::retry("ErrorIrresolvableConflict")),
        ];
        assert_eq!(read(xml.as_bytes()).unwrap(), expected);
        assert_eq!(read(b"<Envelope><Body><X/></Body></Envelope>"), Err(malformed()));
    }

    fn asked(location: Option<&str>, body: Option<Body>, mark: Mark, notify: Notify) -> String {
        let address = Address::parse("ann@corp.example").unwrap();
        let header = Header { version: ServerVersion::Exchange2013Sp1, impersonate: &address };
        let (item, version) = (ItemId("i".into()), "k&".into());
        let location = location.map(Plain::new);
        request(&header, &Rewrite { item, version, location, body, mark, notify })
    }

    #[test]
    fn only_what_is_meant_is_changed_and_nothing_newer_is_overwritten() {
        let body = Body { text: Plain::new("<p>x</p>\r\n"), html: true };
        let xml = asked(None, Some(body), Mark::Keep, Notify::All);
        let expected = "<t:ItemChange><t:ItemId Id=\"i\" ChangeKey=\"k&amp;\"/><t:Updates>\
            <t:SetItemField><t:FieldURI FieldURI=\"item:Body\"/><t:CalendarItem>\
            <t:Body BodyType=\"HTML\">&lt;p&gt;x&lt;/p&gt;&#13;&#10;</t:Body></t:CalendarItem>\
            </t:SetItemField></t:Updates></t:ItemChange>";
        assert!(xml.contains(expected), "{xml}");
        assert!(xml.contains(r#"ConflictResolution="NeverOverwrite""#), "{xml}");
        let told = r#"SendMeetingInvitationsOrCancellations="SendToAllAndSaveCopy""#;
        assert!(xml.contains(told), "{xml}");
        let xml = asked(Some(""), None, Mark::Remove, Notify::Nobody);
        assert!(xml.contains("<t:Location></t:Location>"), "{xml}");
        assert!(xml.contains(r#"SendMeetingInvitationsOrCancellations="SendToNone""#), "{xml}");
        let (removed, path) = xml.split_once("<t:DeleteItemField>").unwrap();
        assert!(path.starts_with("<t:ExtendedFieldURI PropertySetId="), "{path}");
        assert!(!removed.contains("ExtendedProperty") && !xml.contains("item:Body"), "{xml}");
    }

    #[test]
    fn one_item_is_read_with_its_error() {
        let answer = |code: &str, items: &str| {
            format!(
                "<s:Envelope xmlns:s='s'><s:Body><m:UpdateItemResponse xmlns:m='m'>\
                 <m:ResponseMessages><m:UpdateItemResponseMessage ResponseClass='x'>\
                 <m:ResponseCode>{code}</m:ResponseCode><m:Items>{items}</m:Items>\
                 </m:UpdateItemResponseMessage></m:ResponseMessages></m:UpdateItemResponse>\
                 </s:Body></s:Envelope>"
            )
        };
        let item = "<t:CalendarItem><t:ItemId Id='a' ChangeKey='2'/></t:CalendarItem>";
        let one = Written { item: ItemId("a".into()), version: "2".into() };
        assert_eq!(read_one(answer("NoError", item).as_bytes()), Ok(one));
        assert_eq!(read_one(answer("NoError", "").as_bytes()), Err(malformed()));
        let conflict = read_one(answer("ErrorIrresolvableConflict", "").as_bytes());
        assert_eq!(conflict.unwrap_err().cause.code, "ErrorIrresolvableConflict");
    }
}
