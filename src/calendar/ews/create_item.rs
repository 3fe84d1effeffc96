//! CreateItem: new meetings, and answers to invitations ([MS-OXWSCORE] 3.1.4.2, [MS-OXWSMTGS]
//! 3.1.4.2).

use std::fmt::Write as _;

use super::datetime;
use super::own::{self, Own};
use super::phrases::{push_body, push_item_id, push_text};
use super::soap::{self, CALENDAR_FOLDER, Header};
use super::sync_folder_items::item_id;
use super::xml::{Pull, malformed, push_escaped};
use crate::model::{
    Body, Fault, Invitee, NewMeeting, Notify, ParticipantKind, ParticipantRole, Plain, Response,
    Time, Written,
};

/// Asks for a meeting in the calendar, with `mark` as [`Own::Command`], and for its invitations;
/// a meeting without invitees tells nobody. `zone` is a zone's Windows name, as Exchange knows it;
/// the times are UTC with and without it.
pub fn request(
    header: &Header<'_>,
    meeting: &NewMeeting,
    mark: &str,
    zone: Option<&str>,
) -> String {
    let told = if meeting.invitees.is_empty() { "SendToNone" } else { "SendToAllAndSaveCopy" };
    let attributes = format!(r#" SendMeetingInvitations="{told}""#);
    soap::envelope(header, "CreateItem", &attributes, |out| {
        let _ = write!(out, "<m:SavedItemFolderId>{CALENDAR_FOLDER}</m:SavedItemFolderId>");
        out.push_str("<m:Items><t:CalendarItem>");
        push_text(out, "Subject", meeting.subject.reveal());
        if !meeting.body.text.reveal().is_empty() {
            push_body(out, &meeting.body);
        }
        own::push_property(out, Own::Command, mark);
        push_time(out, "Start", meeting.start);
        push_time(out, "End", meeting.end.max(meeting.start));
        if !meeting.location.reveal().is_empty() {
            push_text(out, "Location", meeting.location.reveal());
        }
        let people =
            |role| move |one: &&Invitee| one.kind == ParticipantKind::Person && one.role == role;
        let invitees = || meeting.invitees.iter();
        let (required, optional) = (ParticipantRole::Required, ParticipantRole::Optional);
        push_invitees(out, "RequiredAttendees", invitees().filter(people(required)));
        push_invitees(out, "OptionalAttendees", invitees().filter(people(optional)));
        let rooms = invitees().filter(|one| one.kind == ParticipantKind::Room);
        push_invitees(out, "Resources", rooms);
        if let Some(zone) = zone {
            for element in ["StartTimeZone", "EndTimeZone"] {
                let _ = write!(out, "<t:{element} Id=\"");
                push_escaped(out, zone);
                out.push_str("\"/>");
            }
        }
        out.push_str("</t:CalendarItem></m:Items>");
    })
}

/// Answers the invitation that the mailbox has under this id, with words to the organiser where
/// there are any. Nobody hears of it where `notify` says so; the answer is stored all the same.
pub fn respond_request(
    header: &Header<'_>,
    invitation: &Written,
    response: Response,
    comment: Option<&Plain>,
    notify: Notify,
) -> String {
    let disposition = match notify {
        Notify::All => "SendAndSaveCopy",
        Notify::Nobody => "SaveOnly",
    };
    let attributes = format!(r#" MessageDisposition="{disposition}""#);
    let element = match response {
        Response::Accepted => "AcceptItem",
        Response::Tentative => "TentativelyAcceptItem",
        Response::Declined => "DeclineItem",
    };
    soap::envelope(header, "CreateItem", &attributes, |out| {
        let _ = write!(out, "<m:Items><t:{element}>");
        if let Some(comment) = comment.filter(|comment| !comment.is_blank()) {
            push_body(out, &Body { text: comment.clone(), html: false });
        }
        push_item_id(out, "ReferenceItemId", &invitation.item, &invitation.version);
        let _ = write!(out, "</t:{element}></m:Items>");
    })
}

fn push_time(out: &mut String, element: &str, time: Time) {
    push_text(out, element, &datetime::write(time));
}

/// Nothing where there are none: the schema wants at least one.
fn push_invitees<'a>(out: &mut String, element: &str, invitees: impl Iterator<Item = &'a Invitee>) {
    let mut invitees = invitees.peekable();
    if invitees.peek().is_none() {
        return;
    }
    let _ = write!(out, "<t:{element}>");
    for invitee in invitees {
        out.push_str("<t:Attendee><t:Mailbox>");
        if !invitee.name.is_blank() {
            push_text(out, "Name", invitee.name.reveal());
        }
        push_text(out, "EmailAddress", invitee.address.reveal());
        out.push_str("</t:Mailbox></t:Attendee>");
    }
    let _ = write!(out, "</t:{element}>");
}

/// One answer for each item, in the order asked; where all failed at once it may be only one.
/// Nothing is stored of what is only sent, and more than one item where an invitation is accepted.
///
/// # Errors
/// Where the answer as a whole is of no use. What Exchange says against one item stands in its
/// place.
pub fn read(xml: &[u8]) -> Result<Vec<Result<Vec<Written>, Fault>>, Fault> {
    let answers = soap::answers::<Vec<Written>>(xml, |pull, element, stored| {
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

/// What was stored of the only item that was asked for: its first part, where there is one.
///
/// # Errors
/// What Exchange says against it, or a malformed answer.
pub fn read_one(xml: &[u8]) -> Result<Option<Written>, Fault> {
    let mut answers = read(xml)?.into_iter();
    Ok(answers.next().ok_or_else(malformed)??.into_iter().next())
}

/// Reads an open `Items`.
pub(super) fn read_items(pull: &mut Pull<'_>, stored: &mut Vec<Written>) -> Result<(), Fault> {
    while pull.child()?.is_some() {
        while let Some(property) = pull.child()? {
            if property.name() == "ItemId"
                && let Some(item) = item_id(&property)
            {
                let version = property.attribute("ChangeKey").unwrap_or_default().into();
                stored.push(Written { item, version });
            }
            pull.skip()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::ews::soap::ServerVersion;
    use crate::model::{Address, ItemId, Next};

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
        let stored = |item: &str, version: &str| Written {
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

    fn header(address: &Address) -> Header<'_> {
        Header { version: ServerVersion::Exchange2010Sp2, impersonate: address }
    }

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn nobody_is_mailed_of_a_meeting_without_invitees() {
        let ann = address("ann@corp.example");
        let alone = NewMeeting::default();
        let xml = request(&header(&ann), &alone, "t", None);
        assert!(xml.contains(r#"SendMeetingInvitations="SendToNone""#), "{xml}");
        for absent in ["Attendees", "Resources", "TimeZone", "<t:Body", "<t:Location"] {
            assert!(!xml.contains(absent), "{absent}: {xml}");
        }
        let invitee = |name: &str, kind, role| Invitee {
            address: address(name),
            name: Plain::default(),
            kind,
            role,
        };
        let (person, room) = (ParticipantKind::Person, ParticipantKind::Room);
        let (required, optional) = (ParticipantRole::Required, ParticipantRole::Optional);
        let invitees = vec![
            invitee("room@corp.example", room, optional),
            invitee("bob@corp.example", person, required),
            invitee("carol@corp.example", person, optional),
        ];
        let xml = request(&header(&ann), &NewMeeting { invitees, ..alone }, "t", Some("UTC"));
        assert!(xml.contains(r#"SendMeetingInvitations="SendToAllAndSaveCopy""#), "{xml}");
        for (element, who) in [
            ("RequiredAttendees", "bob@corp.example"),
            ("OptionalAttendees", "carol@corp.example"),
            ("Resources", "room@corp.example"),
        ] {
            let expected = format!(
                "<t:{element}><t:Attendee><t:Mailbox><t:EmailAddress>{who}</t:EmailAddress>\
                 </t:Mailbox></t:Attendee></t:{element}>"
            );
            assert!(xml.contains(&expected), "{expected}: {xml}");
        }
        assert!(xml.contains("<t:StartTimeZone Id=\"UTC\"/><t:EndTimeZone Id=\"UTC\"/>"));
    }

    #[test]
    fn the_organiser_hears_of_an_answer_only_where_that_is_meant() {
        let ann = address("ann@corp.example");
        let invitation = Written { item: ItemId("i".into()), version: "k".into() };
        let (words, none) = (Plain::new("late & <sorry>"), Plain::new(" "));
        let respond = |response, comment, notify| {
            respond_request(&header(&ann), &invitation, response, comment, notify)
        };
        let xml = respond(Response::Declined, Some(&words), Notify::All);
        assert!(xml.contains(r#"MessageDisposition="SendAndSaveCopy""#), "{xml}");
        let expected = "<t:DeclineItem><t:Body BodyType=\"Text\">late &amp; &lt;sorry&gt;</t:Body>\
            <t:ReferenceItemId Id=\"i\" ChangeKey=\"k\"/></t:DeclineItem>";
        assert!(xml.contains(expected), "{xml}");
        let xml = respond(Response::Tentative, Some(&none), Notify::Nobody);
        assert!(xml.contains(r#"MessageDisposition="SaveOnly""#), "{xml}");
        assert!(xml.contains("<t:TentativelyAcceptItem><t:ReferenceItemId"), "{xml}");
    }

    #[test]
    fn one_item_is_read_with_its_error() {
        let stored = "<t:CalendarItem><t:ItemId Id='a' ChangeKey='1'/></t:CalendarItem>";
        let one = Written { item: ItemId("a".into()), version: "1".into() };
        assert_eq!(read_one(&answer(&[("NoError", stored)])), Ok(Some(one)));
        assert_eq!(read_one(&answer(&[("NoError", "")])), Ok(None), "as after a decline");
        let refused = "ErrorCalendarIsOrganizerForAccept";
        let failed = read_one(&answer(&[(refused, "")]));
        assert_eq!(failed, Err(Fault::refused(refused)));
    }
}
