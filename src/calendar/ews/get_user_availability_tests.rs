//! Answers and requests about free/busy and time zones.

use super::*;
use crate::calendar::ews::soap::ServerVersion;
use crate::model::{Next, Span};

fn answer(content: &str) -> Result<Vec<Result<Availability, Fault>>, Fault> {
    let xml = format!(
        "<s:Envelope xmlns:s='s'><s:Body><GetUserAvailabilityResponse xmlns='m'>{content}\
         </GetUserAvailabilityResponse></s:Body></s:Envelope>"
    );
    read(xml.as_bytes())
}

fn mailbox(code: &str, view: &str) -> String {
    format!(
        "<FreeBusyResponse><ResponseMessage ResponseClass='x'><ResponseCode>{code}\
         </ResponseCode></ResponseMessage>{view}</FreeBusyResponse>"
    )
}

fn event(start: &str, end: &str, busy: &str) -> String {
    format!(
        "<t:CalendarEvent><t:StartTime>{start}</t:StartTime><t:EndTime>{end}</t:EndTime>\
         <t:BusyType>{busy}</t:BusyType><t:CalendarEventDetails><t:Subject>x</t:Subject>\
         </t:CalendarEventDetails></t:CalendarEvent>"
    )
}

#[test]
fn a_mailbox_that_failed_does_not_fail_its_neighbours() {
    let none = "<FreeBusyView><t:FreeBusyViewType>None</t:FreeBusyViewType></FreeBusyView>";
    let merged = "<FreeBusyView><t:MergedFreeBusy>0123</t:MergedFreeBusy></FreeBusyView>";
    let all = [
        mailbox("ErrorMailRecipientNotFound", none),
        mailbox("NoError", merged),
        mailbox("ErrorNoFreeBusyAccess", ""),
        mailbox("NoError", none),
        mailbox("NoError", ""),
        "<FreeBusyResponse/>".to_owned(),
    ];
    let content = format!(
        "<SuggestionsResponse><ResponseMessage ResponseClass='Error'/></SuggestionsResponse>\
         <FreeBusyResponseArray>{}</FreeBusyResponseArray>",
        all.concat()
    );
    let expected = [
        Err(Fault::new(Next::Gone, "ErrorMailRecipientNotFound")),
        Ok(Availability { merged: Some("0123".to_owned()), ..Availability::default() }),
        Err(Fault::new(Next::Denied, "ErrorNoFreeBusyAccess")),
        Ok(Availability::default()),
        Err(malformed()),
        Err(malformed()),
    ];
    assert_eq!(answer(&content).unwrap(), expected);
    assert_eq!(answer("<FreeBusyResponseArray/>"), Err(malformed()));
    assert_eq!(answer(""), Err(malformed()));
}

#[test]
fn engagements_have_times_and_a_kind() {
    let (noon, one) = ("2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z");
    let events = [
        event("2026-01-01T12:00:00", "2026-01-01T14:00:00+01:00", "OOF"),
        event(noon, one, "WorkingElsewhere"),
        event("soon", one, "Busy"),
        event(one, noon, "OfALaterExchange"),
    ];
    let view = format!(
        "<FreeBusyView><t:CalendarEventArray>{}</t:CalendarEventArray></FreeBusyView>",
        events.concat()
    );
    let content = mailbox("NoError", &view);
    let found = answer(&format!("<FreeBusyResponseArray>{content}</FreeBusyResponseArray>"));
    let time = |text| datetime::read(text).unwrap();
    let engagement = |start, end, busy| Engagement { start: time(start), end: time(end), busy };
    let expected = vec![
        engagement(noon, one, BusyType::Away),
        engagement(noon, one, BusyType::Elsewhere),
        engagement(one, one, BusyType::Unknown),
    ];
    assert_eq!(
        found,
        Ok(vec![Ok(Availability { engagements: expected, ..Availability::default() })])
    );
}

#[test]
fn working_hours_are_read_and_what_says_nothing_is_none() {
    let hours = |periods: &str| {
        let view = format!(
            "<FreeBusyView><WorkingHours><TimeZone><Bias>-60</Bias></TimeZone>\
             <WorkingPeriodArray>{periods}</WorkingPeriodArray></WorkingHours></FreeBusyView>"
        );
        let all = mailbox("NoError", &view);
        let xml = format!(
            "<s:Envelope xmlns:s='s'><s:Body><X><FreeBusyResponseArray>{all}\
             </FreeBusyResponseArray></X></s:Body></s:Envelope>"
        );
        let found = read_free_busy(xml.as_bytes(), 1).unwrap().pop().unwrap().unwrap().hours;
        found.map(|found| (found.zone == Zone::fixed(-60), found.periods))
    };
    let period = |days: &str, from: &str, to: &str| {
        format!(
            "<WorkingPeriod><DayOfWeek>{days}</DayOfWeek><StartTimeInMinutes>{from}\
             </StartTimeInMinutes><EndTimeInMinutes>{to}</EndTimeInMinutes></WorkingPeriod>"
        )
    };
    let on = |days: [u8; 7], from, to| WorkPeriod { days: days.map(|on| on == 1), from, to };
    let two = [period("Tuesday Thursday", "540", "720"), period("Weekday", "0", "1440")].concat();
    let expected = vec![on([0, 0, 1, 0, 1, 0, 0], 540, 720), on([0, 1, 1, 1, 1, 1, 0], 0, 1440)];
    assert_eq!(hours(&two), Some((true, expected)));
    let weekend = period("WeekendDay", "600", "9999");
    assert_eq!(hours(&weekend), Some((true, vec![on([1, 0, 0, 0, 0, 0, 1], 600, 1440)])));
    for nothing in [
        String::new(),
        period("", "540", "720"),
        period("Monday", "720", "540"),
        period("Monday", "x", "540"),
        "<WorkingPeriod/>".into(),
    ] {
        assert_eq!(hours(&nothing), None, "{nothing}");
    }
    let many = hours(&period("Day", "1", "2").repeat(500)).unwrap().1;
    assert!(many.len() <= MOST_PERIODS);
}

/// What a mailbox of W. Europe Standard Time says of its zone.
const BERLIN: &str = "<t:Bias>-60</t:Bias><t:StandardTime><t:Bias>0</t:Bias>\
    <t:Time>03:00:00</t:Time><t:DayOrder>5</t:DayOrder><t:Month>10</t:Month>\
    <t:DayOfWeek>Sunday</t:DayOfWeek></t:StandardTime><t:DaylightTime><t:Bias>-60</t:Bias>\
    <t:Time>02:00:00</t:Time><t:DayOrder>5</t:DayOrder><t:Month>3</t:Month>\
    <t:DayOfWeek>Sunday</t:DayOfWeek></t:DaylightTime>";

fn working(zone: &str) -> String {
    let view = format!(
        "<FreeBusyView><t:FreeBusyViewType>FreeBusy</t:FreeBusyViewType><t:WorkingHours>\
         <t:TimeZone>{zone}</t:TimeZone><t:WorkingPeriodArray><t:WorkingPeriod/>\
         </t:WorkingPeriodArray></t:WorkingHours></FreeBusyView>"
    );
    mailbox("NoError", &view)
}

fn zones(mailboxes: &[String]) -> Result<Vec<Result<Option<Zone>, Fault>>, Fault> {
    let xml = format!(
        "<s:Envelope xmlns:s='s'><s:Body><GetUserAvailabilityResponse xmlns='m'>\
         <FreeBusyResponseArray>{}</FreeBusyResponseArray></GetUserAvailabilityResponse></s:Body>\
         </s:Envelope>",
        mailboxes.concat()
    );
    read_zones(xml.as_bytes(), mailboxes.len())
}

#[test]
fn each_mailbox_tells_its_own_zone() {
    let none = "<t:Bias>-345</t:Bias><t:StandardTime><t:Bias>0</t:Bias><t:Time>00:00:00</t:Time>\
        <t:DayOrder>0</t:DayOrder><t:Month>0</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek>\
        </t:StandardTime><t:DaylightTime/>";
    let found = zones(&[
        working(BERLIN),
        mailbox("ErrorNoFreeBusyAccess", "<FreeBusyView/>"),
        working(none),
        mailbox("NoError", "<FreeBusyView><t:MergedFreeBusy>0</t:MergedFreeBusy></FreeBusyView>"),
        working(""),
        working("<t:Bias>soon</t:Bias>"),
    ])
    .unwrap();
    let shift = |bias_minutes, second, month| {
        Some(Shift { bias_minutes, second, month, order: 5, weekday: 0, year: None })
    };
    let berlin = Zone::new(-60, shift(0, 10_800, 10), shift(-60, 7_200, 3));
    assert_ne!(berlin, Zone::fixed(-60));
    let denied = Fault::new(Next::Denied, "ErrorNoFreeBusyAccess");
    let expected =
        [Ok(Some(berlin)), Err(denied), Ok(Some(Zone::fixed(-345))), Ok(None), Ok(None), Ok(None)];
    assert_eq!(found, expected);
}

#[test]
fn a_rule_that_cannot_be_read_leaves_the_bias() {
    for (part, bad) in [
        ("<t:Time>02:00:00</t:Time>", ""),
        ("<t:Time>02:00:00</t:Time>", "<t:Time>2</t:Time>"),
        ("<t:Time>02:00:00</t:Time>", "<t:Time>24:00:00</t:Time>"),
        ("<t:Month>3</t:Month>", "<t:Month>March</t:Month>"),
        ("<t:Month>3</t:Month>", "<t:Month>300</t:Month>"),
        ("<t:DayOfWeek>Sunday</t:DayOfWeek></t:DaylightTime>", "</t:DaylightTime>"),
        (
            "<t:DayOfWeek>Sunday</t:DayOfWeek></t:StandardTime>",
            "<t:DayOfWeek>Weekday</t:DayOfWeek></t:StandardTime>",
        ),
    ] {
        assert!(BERLIN.contains(part));
        let found = zones(&[working(&BERLIN.replace(part, bad))]).unwrap();
        assert_eq!(found, [Ok(Some(Zone::fixed(-60)))], "{bad}");
    }
    // A rule of one year counts its days from the first.
    let year = |order: u8, month: u8, clock: &str| {
        format!(
            "<t:Time>{clock}.0000000</t:Time><t:DayOrder>{order}</t:DayOrder>\
             <t:Month>{month}</t:Month><t:DayOfWeek>Friday</t:DayOfWeek><t:Year>2026</t:Year>"
        )
    };
    let rules = format!(
        "<t:Bias>0</t:Bias><t:StandardTime><t:Bias>0</t:Bias>{}</t:StandardTime><t:DaylightTime>\
         <t:Bias>-60</t:Bias>{}</t:DaylightTime>",
        year(20, 11, "10:00:00"),
        year(6, 2, "10:00:00")
    );
    let zone = zones(&[working(&rules)]).unwrap().remove(0).unwrap().unwrap();
    // 2026-07-01T12:00:00Z
    let summer = Time::from_ms(1_782_907_200_000);
    assert_eq!(zone.midnight(summer), summer - Span::HOUR.times(13));
}

#[test]
fn as_many_answers_come_as_were_asked_for() {
    let xml = "<s:Envelope xmlns:s='s'><s:Body><GetUserAvailabilityResponse xmlns='m'>\
        <FreeBusyResponseArray><FreeBusyResponse/></FreeBusyResponseArray>\
        </GetUserAvailabilityResponse></s:Body></s:Envelope>";
    assert_eq!(read_zones(xml.as_bytes(), 2), Err(malformed()));
    assert_eq!(read_zones(xml.as_bytes(), 1), Ok(vec![Err(malformed())]));
}

#[test]
fn a_request_names_its_zone_with_both_rules() {
    let address = |text: &str| Address::parse(text).unwrap();
    let (ann, bob) = (address("ann&co@corp.example"), address("bob@corp.example"));
    let header = Header { version: ServerVersion::Exchange2013Sp1, impersonate: &bob };
    let xml = zones_request(&header, [&ann, &bob]);
    let (standard, daylight) = (xml.find("<t:StandardTime>"), xml.find("<t:DaylightTime>"));
    assert!(standard.is_some() && standard < daylight);
    assert!(xml.contains("<t:Address>ann&amp;co@corp.example</t:Address>"));
    let many: Vec<_> = (0..150).map(|_| ann.clone()).collect();
    assert_eq!(zones_request(&header, &many).matches("<t:MailboxData>").count(), MOST);
}

#[test]
fn free_times_are_asked_for_in_utc_and_whole_seconds() {
    let ann = Address::parse("ann@corp.example").unwrap();
    let header = Header { version: ServerVersion::Exchange2010Sp2, impersonate: &ann };
    let from = datetime::read("2026-03-29T00:00:00.500Z").unwrap();
    let window = BusyWindow { from, to: from + Span::DAY, interval_minutes: 15 };
    let xml = request(&header, [&ann], &window);
    let expected = "<t:StartTime>2026-03-29T00:00:00</t:StartTime>\
        <t:EndTime>2026-03-30T00:00:00</t:EndTime></t:TimeWindow>\
        <t:MergedFreeBusyIntervalInMinutes>15</t:MergedFreeBusyIntervalInMinutes>";
    assert!(xml.contains(expected), "{xml}");
    let many: Vec<_> = (0..150).map(|_| ann.clone()).collect();
    assert_eq!(request(&header, &many, &window).matches("<t:MailboxData>").count(), MOST);
}

#[test]
fn digits_of_later_servers_are_unknown_and_each_mailbox_has_its_answer() {
    let merged = |digits: &str| {
        let view =
            format!("<FreeBusyView><t:MergedFreeBusy>{digits}</t:MergedFreeBusy></FreeBusyView>");
        mailbox("NoError", &view)
    };
    let xml = format!(
        "<s:Envelope xmlns:s='s'><s:Body><GetUserAvailabilityResponse xmlns='m'>\
         <FreeBusyResponseArray>{}{}</FreeBusyResponseArray></GetUserAvailabilityResponse></s:Body>\
         </s:Envelope>",
        merged("0123456x"),
        mailbox("ErrorNoFreeBusyAccess", "")
    );
    let found = read_free_busy(xml.as_bytes(), 2).unwrap();
    let digits = found[0].as_ref().map(|one| one.merged.as_deref());
    assert_eq!(digits, Ok(Some("01234444")));
    assert_eq!(found[1], Err(Fault::new(Next::Denied, "ErrorNoFreeBusyAccess")));
    assert_eq!(read_free_busy(xml.as_bytes(), 3), Err(malformed()));
}
