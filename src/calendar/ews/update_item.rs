//! UpdateItem: changes to a meeting that is there ([MS-OXWSCORE] 3.1.4.9).
//!
//! Only the answer; the request comes with the commands that change meetings.

use super::create_item::{Stored, read_items};
use super::soap;
use super::xml::malformed;
use crate::model::Fault;

/// What became of one item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// The item with its new change key. Where an occurrence was changed there may be more.
    pub items: Vec<Stored>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ItemId;

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
        let stored = Stored { item: ItemId("a".into()), version: "2".into() };
        let expected = [
            Ok(Updated { items: vec![stored], conflicts: 3 }),
            Err(Fault::retry("ErrorIrresolvableConflict")),
        ];
        assert_eq!(read(xml.as_bytes()).unwrap(), expected);
        assert_eq!(read(b"<Envelope><Body><X/></Body></Envelope>"), Err(malformed()));
    }
}
