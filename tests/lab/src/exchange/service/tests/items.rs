//! Making, reading, finding and deleting items.

use super::*;
use crate::exchange::service::ItemId;

pub(super) fn create(subject: &str, more: &str) -> String {
    create_sending("SendToNone", subject, more)
}

pub(super) fn create_sending(send: &str, subject: &str, more: &str) -> String {
    format!(
        "<m:CreateItem SendMeetingInvitations=\"{send}\"><m:Items><t:CalendarItem>\
         <t:Subject>{subject}</t:Subject><t:Body BodyType=\"Text\">Words</t:Body>\
         <t:Start>2026-06-01T09:00:00Z</t:Start><t:End>2026-06-01T09:30:00Z</t:End>{more}\
         </t:CalendarItem></m:Items></m:CreateItem>"
    )
}

pub(super) fn delete(id: &str) -> String {
    format!(
        "<m:DeleteItem DeleteType=\"HardDelete\" SendMeetingCancellations=\"SendToNone\">\
         <m:ItemIds><t:ItemId Id=\"{id}\"/></m:ItemIds></m:DeleteItem>"
    )
}

#[test]
fn an_item_lives_from_create_to_delete() {
    let lab = lab();
    let made = lab.ask(ANN, &create("Planning", "<t:Location>Room 9</t:Location>"));
    assert_eq!((made.status, made.code.as_str()), (200, "NoError"));
    let (id, key) = made.ids("t:ItemId").remove(0);
    let read = lab.ask(ANN, &get_item(&id, "AllProperties"));
    assert_eq!(read.one("t:Subject"), "Planning");
    assert_eq!(read.one("t:Location"), "Room 9");
    assert_eq!(read.one("t:Start"), "2026-06-01T09:00:00Z");
    assert_eq!(read.one("t:CalendarItemType"), "Single");
    assert_eq!(read.one("t:UID").len(), 112);
    assert!(read.has("<t:Body BodyType=\"Text\" IsTruncated=\"false\">Words</t:Body>"));
    assert_eq!(read.ids("t:ItemId"), [(id.clone(), key)]);
    let shown = lab.calendars().view(ANN, MONDAY, MONDAY + HOUR);
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].uid, read.one("t:UID"));
    assert_eq!(lab.ask(ANN, &delete(&id)).code, "NoError");
    assert_eq!(lab.ask(ANN, &get_item(&id, "IdOnly")).code, "ErrorItemNotFound");
    assert_eq!(lab.calendars().count(ANN), 0);
}

#[test]
fn each_id_of_a_batch_is_answered_by_itself() {
    let lab = lab();
    let ItemId(one) = lab.calendars().create(ANN, meeting("One", MONDAY));
    let ItemId(other) = lab.calendars().create(ANN, meeting("Other", MONDAY));
    lab.calendars().delete(ANN, &ItemId(other.clone()));
    let ItemId(foreign) = lab.calendars().create(BOB, meeting("Bob's", MONDAY));
    let ids: String = [&one, &other, &foreign, &one.to_lowercase(), &"x".to_owned()]
        .iter()
        .map(|id| format!("<t:ItemId Id=\"{id}\"/>"))
        .collect();
    let get = format!(
        "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>\
         <m:ItemIds>{ids}</m:ItemIds></m:GetItem>"
    );
    let said = lab.ask(ANN, &get);
    assert_eq!(said.status, 200);
    assert_eq!(
        said.all("m:ResponseCode"),
        [
            "NoError",
            "ErrorItemNotFound",
            "ErrorAccessDenied",
            "ErrorInvalidIdMalformed",
            "ErrorInvalidIdMalformed",
        ]
    );
}

#[test]
fn a_calendar_view_shows_what_the_second_reading_shows() {
    let lab = lab();
    for number in 0..60 {
        let start = MONDAY + (number % 20) * DAY / 2;
        lab.calendars().create(ANN, meeting(&format!("M{number}"), start));
    }
    let mut long = meeting("Long", MONDAY - 5 * DAY);
    long.end_ms = MONDAY + HOUR;
    lab.calendars().create(ANN, long);
    let (from, to) = (MONDAY, MONDAY + 3 * DAY);
    let said = lab.ask(ANN, &find(from, to, None));
    let mut found = said.all("t:Subject");
    let mut shown: Vec<_> =
        lab.calendars().view(ANN, from, to).into_iter().map(|shown| shown.subject).collect();
    found.sort();
    shown.sort();
    assert_eq!(found, shown);
    assert!(found.contains(&"Long".to_owned()) && found.len() > 10);
    assert!(said.has("IncludesLastItemInRange=\"true\""));
    let said = lab.ask(ANN, &find(from, to, Some(4)));
    assert_eq!(said.all("t:Subject").len(), 4);
    assert!(said.has("IncludesLastItemInRange=\"false\""));
}

#[test]
fn a_calendar_view_has_limits() {
    let lab = lab();
    for number in 0..1001 {
        lab.calendars().create(ANN, meeting("Many", MONDAY + number * 60_000));
    }
    let day = |most| lab.ask(ANN, &find(MONDAY, MONDAY + DAY, most));
    assert_eq!(day(None).code, "ErrorExceededFindCountLimit");
    assert_eq!(day(Some(1000)).all("t:Subject").len(), 1000);
    assert!(day(Some(1000)).has("IncludesLastItemInRange=\"false\""));
    let years = lab.ask(ANN, &find(MONDAY, MONDAY + 800 * DAY, None));
    assert_eq!(years.code, "ErrorCalendarViewRangeTooBig");
    let reverse = lab.ask(ANN, &find(MONDAY, MONDAY - DAY, None));
    assert_eq!(reverse.code, "ErrorCalendarEndDateIsEarlierThanStartDate");
}

#[test]
fn a_list_does_not_tell_bodies_or_attendees() {
    let lab = lab();
    let draft = meeting("M", MONDAY)
        .invite(super::super::Attendee::required(BOB, "Bob Baker"))
        .text("Words");
    lab.calendars().create(ANN, draft);
    let list = find(MONDAY, MONDAY + DAY, None);
    let all = list.replace(">Default<", ">AllProperties<");
    let said = lab.ask(ANN, &all);
    assert_eq!(said.all("t:Subject"), ["M"]);
    assert!(!said.has("Words") && !said.has("<t:RequiredAttendees>"));
    let body = list.replace("calendar:UID", "item:Body");
    assert_eq!(lab.ask(ANN, &body).code, "ErrorInvalidPropertyRequest");
}

#[test]
fn pages_go_through_items_and_masters_with_restriction_and_order() {
    let lab = lab();
    for number in 0..7 {
        lab.calendars().create(ANN, meeting(&format!("M{number}"), MONDAY + number * DAY));
    }
    let page = |offset: usize| {
        format!(
            "<m:FindItem Traversal=\"Shallow\"><m:ItemShape><t:BaseShape>Default</t:BaseShape>\
             </m:ItemShape><m:IndexedPageItemView MaxEntriesReturned=\"3\" Offset=\"{offset}\" \
             BasePoint=\"Beginning\"/><m:Restriction><t:And><t:IsGreaterThan>\
             <t:FieldURI FieldURI=\"calendar:Start\"/><t:FieldURIOrConstant>\
             <t:Constant Value=\"{}\"/></t:FieldURIOrConstant></t:IsGreaterThan>\
             <t:Not><t:Contains ContainmentMode=\"Substring\"><t:FieldURI \
             FieldURI=\"item:Subject\"/><t:Constant Value=\"m3\"/></t:Contains></t:Not></t:And>\
             </m:Restriction><m:SortOrder><t:FieldOrder Order=\"Descending\">\
             <t:FieldURI FieldURI=\"calendar:Start\"/></t:FieldOrder></m:SortOrder>\
             <m:ParentFolderIds><t:DistinguishedFolderId Id=\"calendar\"/></m:ParentFolderIds>\
             </m:FindItem>",
            time(MONDAY)
        )
    };
    let first = lab.ask(ANN, &page(0));
    assert_eq!(first.all("t:Subject"), ["M6", "M5", "M4"]);
    assert!(first.has("IndexedPagingOffset=\"3\"") && first.has("TotalItemsInView=\"5\""));
    let second = lab.ask(ANN, &page(3));
    assert_eq!(second.all("t:Subject"), ["M2", "M1"]);
    assert!(second.has("IncludesLastItemInRange=\"true\""));
}

#[test]
fn whole_days_are_midnights_of_their_own_zone() {
    let lab = lab();
    let mut draft = meeting("Holiday", MONDAY).zone("W. Europe Standard Time");
    draft.all_day = true;
    let ItemId(id) = lab.calendars().create(ANN, draft);
    let said = lab.ask(ANN, &get_item(&id, "AllProperties"));
    assert_eq!(said.one("t:Start"), "2026-05-31T22:00:00Z");
    assert_eq!(said.one("t:End"), "2026-06-01T22:00:00Z");
    assert_eq!(said.one("t:IsAllDayEvent"), "true");
    assert!(said.has("<t:StartTimeZone Id=\"W. Europe Standard Time\""));
}

#[test]
fn times_are_read_and_written_in_the_zone_of_the_context() {
    let lab = lab();
    let context = "<t:TimeZoneContext><t:TimeZoneDefinition Id=\"Tokyo Standard Time\"/>\
                   </t:TimeZoneContext></s:Header>";
    let request = envelope(ANN, "Exchange2013_SP1", &create("Tokyo", ""))
        .replace("09:00:00Z", "09:00:00")
        .replace("09:30:00Z", "09:30:00")
        .replace("</s:Header>", context);
    let made = lab.send(&request, 0);
    let (id, _) = made.ids("t:ItemId").remove(0);
    let read = lab.ask(ANN, &get_item(&id, "Default"));
    assert_eq!(read.one("t:Start"), "2026-06-01T00:00:00Z");
    let request = envelope(ANN, "Exchange2013_SP1", &get_item(&id, "Default"));
    let read = lab.send(&request.replace("</s:Header>", context), 0);
    assert_eq!(read.one("t:Start"), "2026-06-01T09:00:00+09:00");
}

#[test]
fn what_a_client_may_not_say_is_refused() {
    let lab = lab();
    let cases = [
        (
            create("x", "").replace(" SendMeetingInvitations=\"SendToNone\"", ""),
            "ErrorSendMeetingInvitationsRequired",
        ),
        (
            create("x", "").replace("09:30:00Z", "08:30:00Z"),
            "ErrorCalendarEndDateIsEarlierThanStartDate",
        ),
        (create("x", "").replace("09:30:00Z", "soon"), "ErrorSchemaValidation"),
        (create("x", "<t:StartTimeZone Id=\"Mars\"/>"), "ErrorTimeZone"),
        (create("x", "<t:IsMeeting>true</t:IsMeeting>"), "ErrorInvalidPropertySet"),
    ];
    for (request, code) in cases {
        assert_eq!(lab.ask(ANN, &request).code, code, "{request}");
    }
    assert_eq!(lab.calendars().count(ANN), 0);
}

#[test]
fn forbidden_characters_go_out_as_references() {
    let lab = lab();
    let ItemId(id) = lab.calendars().create(ANN, meeting("a\u{0}b\u{b}<&", MONDAY));
    let said = lab.ask(ANN, &get_item(&id, "Default"));
    assert_eq!(said.one("t:Subject"), "a&#x0;b&#xB;&lt;&amp;");
}

#[test]
fn ids_can_be_converted_there_and_back() {
    let lab = lab();
    let ItemId(id) = lab.calendars().create(ANN, meeting("x", MONDAY));
    for format in ["OwaId", "HexEntryId"] {
        let convert = |from: &str, to: &str, id: &str| {
            format!(
                "<m:ConvertId DestinationFormat=\"{to}\"><m:SourceIds><t:AlternateId \
                 Format=\"{from}\" Id=\"{id}\" Mailbox=\"{ANN}\"/></m:SourceIds></m:ConvertId>"
            )
        };
        let id_of = |said: Said| {
            let rest = said.text.split_once(" Id=\"").expect("an id").1;
            rest.split_once('"').expect("its end").0.to_owned()
        };
        let there = id_of(lab.ask(ANN, &convert("EwsId", format, &id)));
        assert_eq!(id_of(lab.ask(ANN, &convert(format, "EwsId", &there))), id);
    }
}
