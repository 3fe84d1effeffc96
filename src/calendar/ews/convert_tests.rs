//! Items as Exchange writes them, and the meetings they become.

use super::*;

fn read(item_xml: &str) -> Found {
    let mut pull = Pull::new(item_xml);
    let element = pull.child().unwrap().unwrap();
    let owner = Address::parse("BOB@corp.example").unwrap();
    let found = item(&mut pull, &element, Some(&owner)).unwrap();
    assert!(pull.child().unwrap().is_none(), "it was read to its end");
    found
}

fn meeting(properties: &str) -> Meeting {
    let xml = format!(
        "<t:CalendarItem><t:ItemId Id='AAMk' ChangeKey='DwAA'/>\
         <t:Start>2026-03-02T09:00:00Z</t:Start>\
         <t:End>2026-03-02T10:00:00Z</t:End>{properties}</t:CalendarItem>"
    );
    match read(&xml) {
        Found::Meeting(meeting) => *meeting,
        other => panic!("{other:?}"),
    }
}

fn time(text: &str) -> Time {
    datetime::read(text).unwrap()
}

fn who(name: &str, address: &str) -> Person {
    Person { name: Plain::new(name), address: Address::parse(address).ok() }
}

/// A meeting with everything in it.
const WHOLE: &str = r#"<t:CalendarItem
    xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">
  <t:ItemId Id="AAMkAD&amp;=" ChangeKey="DwAAABYA"/>
  <t:Subject>Budget &amp; plan &#x1F4C8; &lt;Q3&gt;</t:Subject>
  <t:Sensitivity>Private</t:Sensitivity>
  <t:Body BodyType="HTML" IsTruncated="false">&lt;html&gt;&lt;body&gt;Hello&amp;nbsp;all&#xD;
&lt;/body&gt;&lt;/html&gt;</t:Body>
  <t:ExtendedProperty><t:ExtendedFieldURI PropertySetId="a93eae91-e11d-45b7-a1f6-ac65210aabb4"
    PropertyName="CalwayMark" PropertyType="String"/><t:Value>m&amp;1</t:Value></t:ExtendedProperty>
  <t:LastModifiedTime>2026-02-27T08:15:30Z</t:LastModifiedTime>
  <t:Start>2026-03-02T09:00:00Z</t:Start>
  <t:End>2026-03-02T10:30:00Z</t:End>
  <t:OriginalStart>2026-03-02T08:00:00Z</t:OriginalStart>
  <t:IsAllDayEvent>false</t:IsAllDayEvent>
  <t:Location>Room 4; Building "B"</t:Location>
  <t:IsCancelled>true</t:IsCancelled>
  <t:CalendarItemType>Exception</t:CalendarItemType>
  <t:MyResponseType>Accept</t:MyResponseType>
  <t:Organizer><t:Mailbox><t:Name>Ann Smith</t:Name>
    <t:EmailAddress>ann@corp.example</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType>
    <t:MailboxType>Mailbox</t:MailboxType></t:Mailbox></t:Organizer>
  <t:RequiredAttendees>
    <t:Attendee><t:Mailbox><t:Name>Ann Smith</t:Name>
      <t:EmailAddress>ann@corp.example</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType>
      </t:Mailbox><t:ResponseType>Organizer</t:ResponseType></t:Attendee>
    <t:Attendee><t:Mailbox><t:Name>Bob</t:Name><t:EmailAddress>bob@corp.example</t:EmailAddress>
      <t:RoutingType>SMTP</t:RoutingType></t:Mailbox><t:ResponseType>Accept</t:ResponseType>
      <t:LastResponseTime>2026-02-28T00:00:00Z</t:LastResponseTime></t:Attendee>
    <t:Attendee><t:Mailbox><t:Name>Old Colleague</t:Name>
      <t:EmailAddress>/O=CORP/OU=EXCHANGE ADMINISTRATIVE GROUP/CN=RECIPIENTS/CN=OLD</t:EmailAddress>
      <t:RoutingType>EX</t:RoutingType></t:Mailbox><t:ResponseType>Decline</t:ResponseType>
      </t:Attendee>
  </t:RequiredAttendees>
  <t:OptionalAttendees>
    <t:Attendee><t:Mailbox><t:EmailAddress>carol@else.example</t:EmailAddress></t:Mailbox>
      <t:ResponseType>Tentative</t:ResponseType></t:Attendee>
    <t:Attendee><t:Mailbox><t:Name/></t:Mailbox><t:ResponseType>Unknown</t:ResponseType>
      </t:Attendee>
  </t:OptionalAttendees>
  <t:Resources>
    <t:Attendee><t:Mailbox><t:Name>Room 4</t:Name>
      <t:EmailAddress>room4@corp.example</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType>
      </t:Mailbox><t:ResponseType>NoResponseReceived</t:ResponseType></t:Attendee>
  </t:Resources>
  <t:NetShowUrl>https://old.example/show</t:NetShowUrl>
  <t:UID>040000008200E00074C5B7101A82E008</t:UID>
  <t:RecurrenceId>2026-03-02T07:00:00Z</t:RecurrenceId>
  <t:JoinOnlineMeetingUrl>https://meet.example/j/1?a=1&amp;b=2</t:JoinOnlineMeetingUrl>
</t:CalendarItem>"#;

#[test]
fn a_whole_item_becomes_a_meeting() {
    let participant = |person, kind, role, answer| Participant { person, kind, role, answer };
    let (guest, room) = (ParticipantKind::Person, ParticipantKind::Room);
    let (must, may) = (ParticipantRole::Required, ParticipantRole::Optional);
    let expected = Meeting {
        item: ItemId("AAMkAD&=".into()),
        version: "DwAAABYA".into(),
        uid: Plain::new("040000008200E00074C5B7101A82E008"),
        kind: MeetingKind::Exception,
        original_start: Some(time("2026-03-02T07:00:00Z")),
        start: time("2026-03-02T09:00:00Z"),
        end: time("2026-03-02T10:30:00Z"),
        all_day: false,
        subject: Plain::new("Budget & plan \u{1f4c8} <Q3>"),
        location: Plain::new("Room 4; Building \"B\""),
        body: Body { text: Plain::new("<html><body>Hello&nbsp;all\r\n</body></html>"), html: true },
        organizer: Some(who("Ann Smith", "ann@corp.example")),
        participants: vec![
            participant(who("Ann Smith", "ann@corp.example"), guest, must, Answer::Organizer),
            participant(who("Bob", "bob@corp.example"), guest, must, Answer::Accepted),
            participant(who("Old Colleague", ""), guest, must, Answer::Declined),
            participant(who("", "carol@else.example"), guest, may, Answer::Tentative),
            participant(who("Room 4", "room4@corp.example"), room, must, Answer::None),
        ],
        sensitivity: Sensitivity::Private,
        cancelled: true,
        last_modified: Some(time("2026-02-27T08:15:30Z")),
        conference: Plain::new("https://meet.example/j/1?a=1&b=2"),
        mine: false,
        mark: Some(Plain::new("m&1")),
    };
    let found = read(WHOLE);
    // `assert_eq` would say nothing: personal text is not shown.
    let Found::Meeting(found) = found else { panic!("{found:?}") };
    assert_eq!(found.body.text.reveal(), expected.body.text.reveal());
    assert_eq!(found.subject.reveal(), expected.subject.reveal());
    assert_eq!(*found, expected);
}

#[test]
fn what_is_missing_has_its_default() {
    let bare = meeting("");
    assert_eq!(bare.uid, Plain::new("AAMk"), "the id stands in for the UID");
    assert_eq!(bare.kind, MeetingKind::Single);
    assert_eq!((bare.original_start, bare.last_modified), (None, None));
    assert_eq!((bare.organizer, bare.participants.len()), (None, 0));
    assert!(bare.subject.is_blank() && bare.location.is_blank() && bare.conference.is_blank());
    assert_eq!(bare.body, Body::default());
    assert_eq!(bare.sensitivity, Sensitivity::Normal);
    assert!(!bare.all_day && !bare.cancelled);
}

#[test]
fn the_owners_own_answer_stands_beside_the_list_of_invitees() {
    let answers = |mine: &str, listed: &str| {
        let attendee = |name: &str| {
            format!(
                "<t:Attendee><t:Mailbox><t:EmailAddress>{name}@corp.example</t:EmailAddress>\
                 </t:Mailbox><t:ResponseType>{listed}</t:ResponseType></t:Attendee>"
            )
        };
        let read = meeting(&format!(
            "<t:RequiredAttendees>{}{}</t:RequiredAttendees>{mine}",
            attendee("bob"),
            attendee("carol")
        ));
        let [bob, carol] = read.participants.as_slice() else { panic!() };
        (bob.answer, carol.answer)
    };
    let mine = |answer: &str| format!("<t:MyResponseType>{answer}</t:MyResponseType>");
    let unknown = Answer::Unknown;
    assert_eq!(answers(&mine("Accept"), "Unknown"), (Answer::Accepted, unknown));
    assert_eq!(answers(&mine("Decline"), "Unknown"), (Answer::Declined, unknown));
    assert_eq!(answers(&mine("NoResponseReceived"), "Unknown"), (Answer::None, unknown));
    assert_eq!(answers("", "Unknown"), (unknown, unknown));
    let tentative = Answer::Tentative;
    assert_eq!(answers(&mine("Organizer"), "Tentative"), (tentative, tentative), "their own");
}

#[test]
fn whose_copy_it_is_is_known() {
    let mine = |properties: &str| meeting(properties).mine;
    let state = |state: &str| format!("<t:AppointmentState>{state}</t:AppointmentState>");
    let answer = |answer: &str| format!("<t:MyResponseType>{answer}</t:MyResponseType>");
    assert!(mine(&state("0")) && mine(&state("1")) && !mine(&state("3")));
    assert!(!mine(&format!("{}{}", state("3"), answer("Organizer"))), "the state counts");
    assert!(mine(&answer("Organizer")) && !mine(&answer("NoResponseReceived")));
    let guest = "<t:RequiredAttendees><t:Attendee><t:Mailbox><t:Name>B</t:Name></t:Mailbox>\
        </t:Attendee></t:RequiredAttendees>";
    assert!(mine("") && !mine(guest), "others are in it, and nothing tells whose it is");
    assert_eq!(meeting("").mark, None);
}

#[test]
fn the_same_instant_is_read_from_any_offset() {
    let start = |text: &str| meeting(&format!("<t:Start>{text}</t:Start>")).start;
    assert_eq!(start("2026-03-02T01:00:00-08:00"), time("2026-03-02T09:00:00Z"));
    assert_eq!(start("2026-03-02T09:00:00"), time("2026-03-02T09:00:00Z"));
}

#[test]
fn an_end_before_its_start_is_moved_to_it() {
    let moved = meeting("<t:End>2026-03-01T00:00:00Z</t:End>");
    assert_eq!(moved.end, moved.start);
}

#[test]
fn a_part_of_a_series_knows_its_original_start() {
    let original = |properties: &str| meeting(properties).original_start;
    let kind = "<t:CalendarItemType>Occurrence</t:CalendarItemType>";
    assert_eq!(original(kind), Some(time("2026-03-02T09:00:00Z")), "where the pattern put it");
    let with = |more: &str| original(&format!("{kind}{more}"));
    let before = "<t:OriginalStart>2026-03-01T09:00:00Z</t:OriginalStart>";
    assert_eq!(with(before), Some(time("2026-03-01T09:00:00Z")));
    let both = format!("<t:RecurrenceId>2026-03-01T10:00:00Z</t:RecurrenceId>{before}");
    assert_eq!(with(&both), Some(time("2026-03-01T10:00:00Z")));
    assert_eq!(original(before), None, "a single meeting has none");
    let alone = "<t:RecurrenceId>2026-03-01T10:00:00Z</t:RecurrenceId>";
    let invited = "an occurrence that one was invited to alone";
    assert_eq!(original(alone), Some(time("2026-03-01T10:00:00Z")), "{invited}");
}

#[test]
fn masters_strays_and_items_without_times_are_no_meetings() {
    let master = "<CalendarItem><UID>u</UID><ItemId Id='m'/><CalendarItemType>RecurringMaster\
                  </CalendarItemType><Start>2026-03-02T09:00:00Z</Start></CalendarItem>";
    let id = |id: &str| ItemId(id.into());
    assert_eq!(read(master), Found::Master { item: id("m"), uid: Plain::new("u") });
    for (xml, expected) in [
        (
            "<Message><Subject>s</Subject><ItemId Id='x'/><Body><ItemId Id='no'/></Body></Message>",
            "x",
        ),
        ("<Task/>", ""),
        ("<CalendarItem><ItemId Id='y'/><Start>soon</Start></CalendarItem>", "y"),
        ("<CalendarItem/>", ""),
    ] {
        assert_eq!(read(xml), Found::Other(id(expected)), "{xml}");
    }
}

#[test]
fn illegal_characters_do_not_reach_a_meeting() {
    let found = meeting(
        "<t:Subject>a&#x0;b&#x1F;c\u{7}d</t:Subject>\
         <t:Body BodyType='Text'>\u{0}x&#xFFFE;</t:Body>",
    );
    assert_eq!(found.subject.reveal(), "abcd");
    assert_eq!(found.body.text.reveal(), "x");
    assert!(!found.body.html);
}

#[test]
fn values_of_a_later_exchange_are_survived() {
    let found = meeting(
        "<t:Sensitivity>Secret</t:Sensitivity><t:CalendarItemType>Hybrid</t:CalendarItemType>\
         <t:EnhancedLocation><t:DisplayName>x</t:DisplayName></t:EnhancedLocation>\
         <t:RequiredAttendees><t:Attendee><t:Mailbox><t:Name>B</t:Name></t:Mailbox><t:ResponseType>\
         Maybe</t:ResponseType><t:ProposedStart>2026-01-01T00:00:00Z</t:ProposedStart></t:Attendee>\
         </t:RequiredAttendees>",
    );
    assert_eq!(found.sensitivity, Sensitivity::Normal);
    assert_eq!(found.kind, MeetingKind::Single);
    assert_eq!(found.participants[0].answer, Answer::Unknown);
}

#[test]
fn an_online_meeting_is_known_by_either_property() {
    let net_show = "<t:NetShowUrl>https://a.example</t:NetShowUrl>";
    let conference = |more: &str| meeting(&format!("{net_show}{more}")).conference;
    assert_eq!(conference(""), Plain::new("https://a.example"));
    let join = "<t:JoinOnlineMeetingUrl>https://b.example</t:JoinOnlineMeetingUrl>";
    assert_eq!(conference(join), Plain::new("https://b.example"));
    assert_eq!(conference("<t:JoinOnlineMeetingUrl/>"), Plain::new("https://a.example"));
}

#[test]
fn what_is_too_long_is_not_kept_and_costs_nothing_else() {
    let body = "&lt;p&gt;words&lt;/p&gt;\r\n".repeat(400_000);
    let guest = |n: usize, name: &str| {
        format!(
            "<t:Attendee><t:Mailbox><t:Name>{name} {n}</t:Name><t:EmailAddress>g{n}@corp.example\
             </t:EmailAddress></t:Mailbox></t:Attendee>"
        )
    };
    let guests =
        |count: usize, name: &str| -> String { (0..count).map(|n| guest(n, name)).collect() };
    let long = "n".repeat(40_000);
    let meeting = meeting(&format!(
        "<t:Subject>{long}</t:Subject><t:Body BodyType='HTML'>{body}</t:Body>\
         <t:Location>Room 9</t:Location><t:RequiredAttendees>{}</t:RequiredAttendees>",
        guests(5_000, "Guest"),
    ));
    let kept = meeting.body.text.reveal();
    assert!(kept.len() <= BODY_BYTES && kept.len() > BODY_BYTES - 100, "{}", kept.len());
    assert!(kept.starts_with("<p>words</p>\n<p>words</p>\n"));
    assert_eq!(meeting.subject.reveal().len(), LINE_BYTES);
    assert_eq!(meeting.location.reveal(), "Room 9", "what follows is read");
    assert_eq!(meeting.participants.len(), PARTICIPANTS);
    let last = meeting.participants.last().unwrap();
    assert_eq!(last.person, who("Guest 1999", "g1999@corp.example"), "the first ones are kept");
    let named_at_length = self::meeting(&format!(
        "<t:OptionalAttendees>{}</t:OptionalAttendees>",
        guests(200, &long)
    ));
    let names = named_at_length.participants.iter().map(|one| one.person.name.reveal().len());
    assert!(names.sum::<usize>() <= PARTICIPANTS_BYTES);
    assert_eq!(named_at_length.participants.len(), 63);
}
