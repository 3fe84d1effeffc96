//! GetItem: meetings with their bodies and participants ([MS-OXWSCORE] 3.1.4.4).

use super::codes;
use super::convert;
use super::own::{self, Own};
use super::soap::{self, Answered, Header, ServerVersion};
use super::xml::{malformed, push_escaped};
use crate::model::{Address, Fault, Found, ItemId, Next};

/// How many items are asked for at once: a batch has one minute of the server's time, and one
/// body may be megabytes.
pub const BATCH: usize = 10;

const FIELDS: [&str; 20] = [
    "item:Subject",
    "item:Sensitivity",
    "item:Body",
    "item:LastModifiedTime",
    "calendar:Start",
    "calendar:End",
    "calendar:OriginalStart",
    "calendar:IsAllDayEvent",
    "calendar:Location",
    "calendar:IsCancelled",
    "calendar:CalendarItemType",
    "calendar:Organizer",
    "calendar:RequiredAttendees",
    "calendar:OptionalAttendees",
    "calendar:Resources",
    "calendar:MyResponseType",
    "calendar:AppointmentState",
    "calendar:NetShowUrl",
    "calendar:UID",
    "calendar:RecurrenceId",
];

/// Known from Exchange 2013 on.
const NEWER_FIELDS: [&str; 1] = ["calendar:JoinOnlineMeetingUrl"];

/// What is asked for beside the rest of a server that knows it.
pub(super) fn newer_fields(version: ServerVersion) -> &'static [&'static str] {
    match version {
        ServerVersion::Exchange2013Sp1 => &NEWER_FIELDS,
        ServerVersion::Exchange2010Sp2 => &[],
    }
}

/// Asks for items; bodies come as they are held, HTML or text, or not at all.
pub fn request(header: &Header<'_>, ids: &[ItemId], bodies: bool) -> String {
    soap::envelope(header, "GetItem", "", |out| {
        out.push_str("<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>");
        out.push_str("<t:IncludeMimeContent>false</t:IncludeMimeContent>");
        out.push_str("<t:BodyType>Best</t:BodyType>");
        let fields = FIELDS.iter().chain(newer_fields(header.version)).copied();
        out.push_str("<t:AdditionalProperties>");
        soap::push_field_uris(out, fields.filter(|field| bodies || *field != "item:Body"));
        own::push_path(out, Own::Mark);
        out.push_str("</t:AdditionalProperties></m:ItemShape><m:ItemIds>");
        for id in ids {
            out.push_str("<t:ItemId Id=\"");
            push_escaped(out, &id.0);
            out.push_str("\"/>");
        }
        out.push_str("</m:ItemIds>");
    })
}

/// One answer for each id, in the order asked; found items carry the id they were asked by.
///
/// # Errors
/// Where the answer as a whole is of no use, and where one item met what may concern its mailbox or
/// the server: that is asked again. What concerns the item alone is [`Found::Missing`],
/// [`Found::Other`] or [`Found::Unreadable`].
pub fn read(xml: &[u8], ids: &[ItemId]) -> Result<Vec<Found>, Fault> {
    read_each(xml, ids, None)?.into_iter().collect()
}

/// As [`read`], with the fault of an item in its place, and with what the mailbox's `owner`
/// answered. An invitee's copy says of nobody what they answered ([MS-OXOCAL] 3.1.4.8.5: answers
/// are noted in the organiser's), and what its owner did beside the list of invitees.
///
/// # Errors
/// Where the answer as a whole is of no use.
pub fn read_each(
    xml: &[u8],
    ids: &[ItemId],
    owner: Option<&Address>,
) -> Result<Vec<Result<Found, Fault>>, Fault> {
    let answers = soap::answers::<Option<Found>>(xml, |pull, element, found| {
        if element.name() != "Items" {
            return Ok(false);
        }
        while let Some(item) = pull.child()? {
            *found = Some(convert::item(pull, &item, owner)?);
        }
        Ok(true)
    })?;
    if answers.len() != ids.len() {
        // A failure of all at once may come as one answer.
        let failed = answers.into_iter().find_map(|answered| answered.outcome.err());
        return Err(failed.unwrap_or_else(malformed));
    }
    Ok(answers.into_iter().zip(ids).map(|(answered, id)| settle(answered, id)).collect())
}

fn settle(answered: Answered<Option<Found>>, id: &ItemId) -> Result<Found, Fault> {
    let Err(fault) = answered.outcome else {
        return Ok(match answered.value {
            Some(Found::Meeting(mut meeting)) => {
                meeting.item = id.clone();
                Found::Meeting(meeting)
            }
            Some(Found::Master { uid, .. }) => Found::Master { item: id.clone(), uid },
            Some(Found::Other(_)) => Found::Other(id.clone()),
            Some(Found::Missing(_) | Found::Unreadable(..)) | None => Found::Missing(id.clone()),
        });
    };
    if codes::is_missing_item(&fault.cause.code) {
        return Ok(Found::Missing(id.clone()));
    }
    match fault.next {
        Next::Refused => Ok(Found::Unreadable(id.clone(), fault)),
        _ => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(messages: &[&str]) -> Vec<u8> {
        let messages: String = messages
            .iter()
            .map(|m| format!("<m:GetItemResponseMessage {m}</m:GetItemResponseMessage>"))
            .collect();
        format!(
            "<s:Envelope xmlns:s='s' xmlns:m='m'><s:Body><m:GetItemResponse><m:ResponseMessages>\
             {messages}</m:ResponseMessages></m:GetItemResponse></s:Body></s:Envelope>"
        )
        .into_bytes()
    }

    fn error(code: &str) -> String {
        format!("ResponseClass='Error'><m:ResponseCode>{code}</m:ResponseCode><m:Items/>")
    }

    fn ids(n: usize) -> Vec<ItemId> {
        (0..n).map(|n| ItemId(format!("id{n}").into())).collect()
    }

    const MEETING: &str = "ResponseClass='Success'><m:ResponseCode>NoError</m:ResponseCode>\
        <m:Items><t:CalendarItem><t:ItemId Id='other' ChangeKey='k'/>\
        <t:Start>2026-01-01T10:00:00Z</t:Start>\
        <t:End>2026-01-01T11:00:00Z</t:End></t:CalendarItem></m:Items>";

    #[test]
    fn a_bad_item_does_not_fail_its_neighbours() {
        let (missing, corrupt) = (error("ErrorItemNotFound"), error("ErrorCorruptData"));
        let xml = answer(&[
            MEETING,
            &missing,
            &corrupt,
            "ResponseClass='Success'><m:ResponseCode>NoError</m:ResponseCode><m:Items>\
             <t:Task/></m:Items>",
            MEETING,
        ]);
        let ids = ids(5);
        let found = read(&xml, &ids).unwrap();
        assert!(matches!(&found[0], Found::Meeting(meeting) if meeting.item == ids[0]));
        assert_eq!(found[1], Found::Missing(ids[1].clone()));
        let corrupt = Fault::refused("ErrorCorruptData");
        assert_eq!(found[2], Found::Unreadable(ids[2].clone(), corrupt));
        assert_eq!(found[3], Found::Other(ids[3].clone()));
        assert!(matches!(&found[4], Found::Meeting(meeting) if meeting.item == ids[4]));
    }

    #[test]
    fn what_concerns_more_than_the_item_is_asked_again() {
        for code in ["ErrorMailboxStoreUnavailable", "ErrorServerBusy", "ErrorNonExistentMailbox"] {
            let xml = answer(&[MEETING, &error(code)]);
            assert_eq!(read(&xml, &ids(2)).unwrap_err().cause.code, code);
            let each = read_each(&xml, &ids(2), None).unwrap();
            assert!(each[0].is_ok() && each[1].is_err());
        }
        let xml = answer(&[&error("ErrorServerBusy")]);
        assert_eq!(read(&xml, &ids(3)).unwrap_err().cause.code, "ErrorServerBusy");
        assert_eq!(read(&answer(&[MEETING]), &ids(2)), Err(malformed()));
    }
}
