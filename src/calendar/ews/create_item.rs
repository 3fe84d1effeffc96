//! CreateItem: new meetings, and answers to invitations ([MS-OXWSCORE] 3.1.4.2).
//!
//! Only the answer; the request comes with the commands that make and answer meetings.

use std::sync::Arc;

use super::soap;
use super::sync_folder_items::item_id;
use super::xml::{Pull, malformed};
use crate::model::{Fault, ItemId};

/// An item as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub item: ItemId,
    /// Its change key, which the next write names; empty where Exchange gives none.
    pub version: Arc<str>,
}

/// One answer for each item, in the order asked; where all failed at once it may be only one.
/// Nothing is stored of what is only sent, and more than one item where an invitation is accepted.
///
/// # Errors
/// Where the answer as a whole is of no use. What Exchange says against one item stands in its
/// place.
pub fn read(xml: &[u8]) -> Result<Vec<Result<Vec<Stored>, Fault>>, Fault> {
    let answers = soap::answers::<Vec<Stored>>(xml, |pull, element, stored| {
        if element.name() != "Items" {
            return Ok(false);
        }
        read_items(pull, stored)?;
        Ok(true)
    })?;
    if answers.is_empty() {
        return Err(malformed());
    }
    Ok(answers.into_iter().map(soap::Answered::into_result).collect())
}

/// Reads an open `Items`.
pub(super) fn read_items(pull: &mut Pull<'_>, stored: &mut Vec<Stored>) -> Result<(), Fault> {
    while pull.child()?.is_some() {
        while let Some(property) = pull.child()? {
            if property.name() == "ItemId"
                && let Some(item) = item_id(&property)
            {
                let version = property.attribute("ChangeKey").unwrap_or_default().into();
                stored.push(Stored { item, version });
            }
            pull.skip()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Next;

    fn answer(messages: &[(&str, &str)]) -> Vec<u8> {
        let message = |(code, items): &(&str, &str)| {
            format!(
                "<m:CreateItemResponseMessage ResponseClass='x'><m:ResponseCode>{code}\
                 </m:ResponseCode><m:Items>{items}</m:Items></m:CreateItemResponseMessage>"
            )
        };
        let messages: String = messages.iter().map(message).collect();
        format!(
            "<s:Envelope xmlns:s='s'><s:Body><m:CreateItemResponse xmlns:m='m'>\
             <m:ResponseMessages>{messages}</m:ResponseMessages></m:CreateItemResponse></s:Body>\
             </s:Envelope>"
        )
        .into_bytes()
    }

    #[test]
    fn what_was_stored_is_told_for_each_item() {
        let two = "<t:AcceptItem><t:Subject>x</t:Subject><t:ItemId Id='a' ChangeKey='k&lt;'/>\
                   <t:ReferenceItemId Id='no'/></t:AcceptItem><t:CalendarItem><t:ItemId Id='b'/>\
                   </t:CalendarItem>";
        let xml = answer(&[("NoError", two), ("ErrorServerBusy", ""), ("NoError", "")]);
        let stored = |item: &str, version: &str| Stored {
            item: ItemId(item.into()),
            version: version.into(),
        };
        let expected = [
            Ok(vec![stored("a", "k<"), stored("b", "")]),
            Err(Fault::new(Next::BackOff { after: None }, "ErrorServerBusy")),
            Ok(vec![]),
        ];
        assert_eq!(read(&xml).unwrap(), expected);
        assert_eq!(read(&answer(&[])), Err(malformed()));
    }
}
