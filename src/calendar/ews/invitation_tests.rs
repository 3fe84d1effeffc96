//! Meetings that are read to be written: whole, or not at all.

use super::own::PROPERTY_SET;
use super::*;
use crate::calendar::ews::soap::ServerVersion;
use crate::calendar::ews::xml::MALFORMED;
use crate::model::{Address, Next, Participant, ParticipantKind, ParticipantRole};

fn answer(code: &str, item: &str) -> Vec<u8> {
    format!(
        "<s:Envelope xmlns:s='s'><s:Body><m:GetItemResponse xmlns:m='m'><m:ResponseMessages>\
         <m:GetItemResponseMessage ResponseClass='x'><m:ResponseCode>{code}</m:ResponseCode>\
         <m:Items>{item}</m:Items></m:GetItemResponseMessage></m:ResponseMessages>\
         </m:GetItemResponse></s:Body></s:Envelope>"
    )
    .into_bytes()
}

const TIMES: &str = "<t:Start>2026-03-02T09:00:00Z</t:Start><t:End>2026-03-02T10:00:00Z</t:End>";

fn item(properties: &str) -> Result<Option<Invitation>, Fault> {
    let item = format!(
        "<t:CalendarItem><t:ItemId Id='i' ChangeKey='k'/>{TIMES}{properties}</t:CalendarItem>"
    );
    read(&answer("NoError", &item))
}

fn invitation(properties: &str) -> Invitation {
    item(properties).unwrap().expect("a meeting")
}

fn extended(set: &str, name: &str, value: &str) -> String {
    format!(
        "<t:ExtendedProperty><t:ExtendedFieldURI PropertySetId='{set}' PropertyName='{name}' \
         PropertyType='String'/><t:Value>{value}</t:Value></t:ExtendedProperty>"
    )
}

#[test]
fn everything_that_a_change_needs_is_read() {
    let attendee = "<t:Attendee><t:Mailbox><t:Name>B</t:Name></t:Mailbox></t:Attendee>";
    let properties = format!(
        "<t:Subject>Plan</t:Subject><t:Body BodyType='HTML'>&lt;p&gt;a&#xD;\nb&lt;/p&gt;</t:Body>\
         {other}{mark}<t:Culture>de-DE</t:Culture><t:UID>u1</t:UID><t:Location>@meet</t:Location>\
         <t:IsMeeting>true</t:IsMeeting><t:IsCancelled>false</t:IsCancelled>\
         <t:MeetingRequestWasSent>true</t:MeetingRequestWasSent>\
         <t:CalendarItemType>RecurringMaster</t:CalendarItemType>\
         <t:MyResponseType>Organizer</t:MyResponseType><t:Organizer><t:Mailbox>\
         <t:EmailAddress>ann@corp.example</t:EmailAddress></t:Mailbox></t:Organizer>\
         <t:RequiredAttendees>{attendee}{attendee}</t:RequiredAttendees>\
         <t:Resources>{attendee}</t:Resources><t:AppointmentState>1</t:AppointmentState>
         <t:LastOccurrence><t:ItemId Id='z'/><t:Start>2026-05-04T09:00:00Z</t:Start>
         <t:End>2026-05-04T10:00:00Z</t:End><t:OriginalStart>2026-05-04T09:00:00Z
         </t:OriginalStart></t:LastOccurrence>\
         <t:Sensitivity>Private</t:Sensitivity><t:NetShowUrl>https://a.example</t:NetShowUrl>",
        other = extended("00062002-0000-0000-c000-000000000046", "CalwayMark", "not ours"),
        mark = extended(PROPERTY_SET, "CalwayMark", "m1"),
    );
    let time = |text| datetime::read(text).unwrap();
    let address = Address::parse("ann@corp.example").ok();
    let guest = |kind| Participant {
        person: Person { name: Plain::new("B"), address: None },
        kind,
        role: ParticipantRole::Required,
        answer: Answer::Unknown,
    };
    let expected = Invitation {
        item: ItemId("i".into()),
        version: "k".into(),
        uid: Plain::new("u1"),
        kind: InvitationKind::Series,
        original_start: None,
        start: time("2026-03-02T09:00:00Z"),
        end: time("2026-03-02T10:00:00Z"),
        last_end: Some(time("2026-05-04T10:00:00Z")),
        subject: Plain::new("Plan"),
        location: Plain::new("@meet"),
        body: Body { text: Plain::new("<p>a\r\nb</p>"), html: true },
        language: "de-DE".into(),
        organizer: Some(Person { name: Plain::default(), address }),
        mine: true,
        answer: Answer::Organizer,
        invited: true,
        invitees: 3,
        participants: vec![guest(ParticipantKind::Person); 2]
            .into_iter()
            .chain([guest(ParticipantKind::Room)])
            .collect(),
        sensitivity: Sensitivity::Private,
        conference: Plain::new("https://a.example"),
        cancelled: false,
        mark: Some(Plain::new("m1")),
    };
    assert_eq!(invitation(&properties), expected);
    let bare = invitation("");
    assert_eq!(bare.uid.reveal(), "i", "as its record has it");
    assert_eq!((bare.kind, bare.mark, bare.invited), (InvitationKind::Single, None, false));
}

#[test]
fn whose_copy_it_is_is_known_by_its_state_first() {
    let mine = |properties: &str| invitation(properties).mine;
    let state = |state: &str| format!("<t:AppointmentState>{state}</t:AppointmentState>");
    let answer = |answer: &str| format!("<t:MyResponseType>{answer}</t:MyResponseType>");
    assert!(mine(&state("0")) && mine(&state("1")) && mine(&state("5")));
    assert!(!mine(&state("3")) && !mine(&state("7")));
    assert!(!mine(&format!("{}{}", state("3"), answer("Organizer"))));
    assert!(mine(&answer("Organizer")) && !mine(&answer("Accept")));
    let meeting = "<t:IsMeeting>true</t:IsMeeting>";
    assert!(mine(""), "an appointment with oneself");
    assert!(!mine(meeting), "it may be somebody else's");
    assert!(mine(&format!("{meeting}<t:IsFromMe>true</t:IsFromMe>")));
}

#[test]
fn a_series_is_not_over_before_its_last_occurrence_is() {
    let last = |properties: &str| {
        let master = "<t:CalendarItemType>RecurringMaster</t:CalendarItemType>";
        invitation(&format!("{master}{properties}")).last_end
    };
    let recurrence = |range: &str| {
        format!(
            "<t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence>\
            <t:{range}</t:Recurrence>"
        )
    };
    let until = |date: &str| {
        recurrence(&format!(
            "EndDateRecurrence><t:StartDate>2026-03-02</t:StartDate>\
            <t:EndDate>{date}</t:EndDate></t:EndDateRecurrence>"
        ))
    };
    let named = "<t:LastOccurrence><t:End>2026-04-01T10:00:00Z</t:End></t:LastOccurrence>";
    let time = |text| datetime::read(text);
    assert_eq!(last(&format!("{}{named}", until("2026-05-04"))), time("2026-04-01T10:00:00Z"));
    // Where Exchange names only the day, it counts in every zone of the earth.
    for day in ["2026-05-04", "2026-05-04Z", "2026-05-04-08:00"] {
        assert_eq!(last(&until(day)), time("2026-05-06T01:00:00Z"), "{day}");
    }
    let endless = recurrence(
        "NoEndRecurrence><t:StartDate>2026-03-02</t:StartDate>\
        </t:NoEndRecurrence>",
    );
    assert_eq!(last(&endless), None);
    let single = invitation("");
    assert_eq!(single.last_end, Some(single.end));
}

#[test]
fn an_occurrence_is_known_by_where_the_pattern_put_it() {
    let moved = "<t:OriginalStart>2026-03-01T09:00:00Z</t:OriginalStart>\
        <t:CalendarItemType>Exception</t:CalendarItemType>";
    let found = invitation(moved);
    assert_eq!(found.kind, InvitationKind::Exception);
    assert_eq!(found.original_start, datetime::read("2026-03-01T09:00:00Z"));
    let plain = invitation("<t:CalendarItemType>Occurrence</t:CalendarItemType>");
    assert_eq!(plain.original_start, Some(plain.start));
}

#[test]
fn a_body_comes_whole_or_not_at_all() {
    let body = |attributes: &str, text: &str| {
        item(&format!("<t:Body BodyType='Text'{attributes}>{text}</t:Body>"))
    };
    let longest = "x".repeat(BODY_BYTES);
    let found = body("", &longest).unwrap().unwrap();
    assert_eq!(found.body.text.reveal().len(), BODY_BYTES);
    assert!(!found.body.html);
    for one_more in [format!("{longest}y"), format!("{longest}&lt;"), longest.repeat(2)] {
        assert_eq!(body("", &one_more), Err(Fault::refused(BODY_TOO_LONG)));
    }
    let cut = body(" IsTruncated='true'", "x");
    assert_eq!(cut, Err(Fault::refused(BODY_TOO_LONG)));
    let mut broken = answer("NoError", "<t:CalendarItem/>");
    broken.push(0xff);
    assert_eq!(read(&broken), Err(Fault::refused(NOT_UTF8)), "it would not be written back so");
}

#[test]
fn what_is_no_meeting_is_nothing_and_errors_are_told() {
    assert_eq!(read(&answer("NoError", "<t:Message><t:ItemId Id='m'/></t:Message>")), Ok(None));
    assert_eq!(read(&answer("NoError", "")), Ok(None));
    for code in ["ErrorItemNotFound", "ErrorServerBusy", "ErrorAccessDenied"] {
        assert_eq!(read(&answer(code, "")).unwrap_err().cause.code, code);
    }
    let timeless = "<t:CalendarItem><t:ItemId Id='i'/></t:CalendarItem>";
    assert_eq!(read(&answer("NoError", timeless)).unwrap_err().cause.code, MALFORMED);
    assert_eq!(read(b"<html>").unwrap_err().next, Next::Retry { after: None });
}

#[test]
fn a_series_is_asked_for_by_one_of_its_occurrences() {
    let address = Address::parse("ann@corp.example").unwrap();
    let header = Header { version: ServerVersion::Exchange2010Sp2, impersonate: &address };
    let xml = request(&header, &ItemId("a&b".into()), Reach::Series);
    assert!(xml.contains("<t:RecurringMasterItemId OccurrenceId=\"a&amp;b\"/>"), "{xml}");
    let path = format!("PropertySetId=\"{PROPERTY_SET}\" PropertyName=\"CalwayMark\"");
    assert!(xml.contains(&path), "{xml}");
}
