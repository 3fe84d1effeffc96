//! ConvertId: the id by which another client knows an item ([MS-OXWSCVTID] 3.1.4.1).
//!
//! Only the answer; the request comes with the commands that open a meeting elsewhere.

use super::soap;
use super::xml::{Element, malformed};
use crate::model::{Address, Fault, ItemId};

/// How an id is written ([MS-OXWSCVTID], IdFormatType).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As EWS of Exchange 2007 SP1 and later does.
    Ews,
    /// As EWS of Exchange 2007 did.
    EwsLegacy,
    /// A MAPI entry id, in base64.
    Entry,
    /// A MAPI entry id, in hexadecimal.
    HexEntry,
    /// As Outlook's store names it.
    Store,
    /// As Outlook on the web does.
    Owa,
    /// As a later Exchange may.
    Unknown,
}

/// One id, converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// How it is written.
    pub format: Format,
    /// The id.
    pub item: ItemId,
    /// Whose mailbox it leads to; nothing where Exchange names it in no way that SMTP knows.
    pub mailbox: Option<Address>,
}

/// One answer for each id, in the order asked. Where all failed at once it may be only one.
///
/// # Errors
/// Where the answer as a whole is of no use. What Exchange says against one id stands in its place,
/// as does an id of a public folder, which nobody asked for.
pub fn read(xml: &[u8]) -> Result<Vec<Result<Converted, Fault>>, Fault> {
    let answers = soap::answers::<Option<Converted>>(xml, |pull, element, found| {
        if element.name() != "AlternateId" {
            return Ok(false);
        }
        *found = converted(element);
        pull.skip()?;
        Ok(true)
    })?;
    if answers.is_empty() {
        return Err(malformed());
    }
    let settle = |found: Option<Converted>| found.ok_or_else(malformed);
    Ok(answers.into_iter().map(|answered| answered.into_result().and_then(settle)).collect())
}

fn converted(element: &Element<'_>) -> Option<Converted> {
    let format = match element.attribute("Format").unwrap_or_default().trim() {
        "EwsId" => Format::Ews,
        "EwsLegacyId" => Format::EwsLegacy,
        "EntryId" => Format::Entry,
        "HexEntryId" => Format::HexEntry,
        "StoreId" => Format::Store,
        "OwaId" => Format::Owa,
        _ => Format::Unknown,
    };
    let item = element.attribute("Id").filter(|id| !id.is_empty())?;
    let mailbox = element.attribute("Mailbox").and_then(|text| Address::parse(&text).ok());
    Some(Converted { format, item: ItemId(item.into()), mailbox })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Next;

    fn answer(messages: &str) -> Vec<u8> {
        format!(
            "<s:Envelope xmlns:s='s'><s:Body><m:ConvertIdResponse xmlns:m='m'><m:ResponseMessages>\
             {messages}</m:ResponseMessages></m:ConvertIdResponse></s:Body></s:Envelope>"
        )
        .into_bytes()
    }

    fn message(content: &str) -> String {
        format!(
            "<m:ConvertIdResponseMessage ResponseClass='Success'><m:ResponseCode>NoError\
             </m:ResponseCode>{content}</m:ConvertIdResponseMessage>"
        )
    }

    #[test]
    fn an_id_that_cannot_be_converted_does_not_fail_its_neighbours() {
        let good = "<m:AlternateId i:type='t:AlternateIdType' Format='HexEntryId' Id='0A&amp;'\
                    Mailbox='ann@corp.example'/>";
        let later =
            "<m:AlternateId Format='LaterId' Id='x' Mailbox='/o=corp/cn=ann'></m:AlternateId>";
        let bad = "<m:ConvertIdResponseMessage ResponseClass='Error'><m:ResponseCode>\
                   ErrorInvalidIdMalformed</m:ResponseCode></m:ConvertIdResponseMessage>";
        let public = "<m:AlternateId Format='OwaId' FolderId='f'/>";
        let xml = answer(
            &[&message(good), bad, &message(later), &message(public), &message("")].concat(),
        );
        let found = read(&xml).unwrap();
        let converted = |format, id: &str, mailbox: Option<&str>| {
            let mailbox = mailbox.map(|mailbox| Address::parse(mailbox).unwrap());
            Ok(Converted { format, item: ItemId(id.into()), mailbox })
        };
        let expected = [
            converted(Format::HexEntry, "0A&", Some("ann@corp.example")),
            Err(Fault::new(Next::Refused, "ErrorInvalidIdMalformed")),
            converted(Format::Unknown, "x", None),
            Err(malformed()),
            Err(malformed()),
        ];
        assert_eq!(found, expected);
        assert_eq!(read(&answer("")), Err(malformed()));
    }
}
