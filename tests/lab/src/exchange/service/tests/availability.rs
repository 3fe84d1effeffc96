//! Free/busy and out-of-office.

use super::*;
use crate::exchange::service::Attendee;

pub(super) fn oof(address: &str) -> String {
    format!(
        "<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>{address}</t:Address></t:Mailbox>\
         </m:GetUserOofSettingsRequest>"
    )
}

const STANDARD: &str = "<t:StandardTime><t:Bias>0</t:Bias><t:Time>03:00:00</t:Time>\
    <t:DayOrder>5</t:DayOrder><t:Month>10</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek>\
    </t:StandardTime>";
const DAYLIGHT: &str = "<t:DaylightTime><t:Bias>-60</t:Bias><t:Time>02:00:00</t:Time>\
    <t:DayOrder>5</t:DayOrder><t:Month>3</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek>\
    </t:DaylightTime>";

/// Berlin, Monday 2026-06-01, the whole day.
pub(super) fn ask(view: &str, addresses: &[&str]) -> String {
    let mailboxes: String = addresses
        .iter()
        .map(|address| {
            format!(
                "<t:MailboxData><t:Email><t:Address>{address}</t:Address></t:Email>\
                 <t:AttendeeType>Required</t:AttendeeType></t:MailboxData>"
            )
        })
        .collect();
    format!(
        "<m:GetUserAvailabilityRequest><t:TimeZone><t:Bias>-60</t:Bias>{STANDARD}{DAYLIGHT}\
         </t:TimeZone><m:MailboxDataArray>{mailboxes}</m:MailboxDataArray><t:FreeBusyViewOptions>\
         <t:TimeWindow><t:StartTime>2026-06-01T00:00:00</t:StartTime><t:EndTime>\
         2026-06-02T00:00:00</t:EndTime></t:TimeWindow><t:MergedFreeBusyIntervalInMinutes>60\
         </t:MergedFreeBusyIntervalInMinutes><t:RequestedView>{view}</t:RequestedView>\
         </t:FreeBusyViewOptions></m:GetUserAvailabilityRequest>"
    )
}

#[test]
fn merged_free_busy_is_in_the_zone_of_the_request() {
    let lab = lab();
    let draft = Draft::meeting("M", MONDAY, 90).invite(Attendee::required(BOB, "Bob Baker"));
    lab.calendars().create(ANN, draft);
    let said = lab.ask(ANN, &ask("DetailedMerged", &[ANN, BOB, "nobody@corp.example"]));
    // 09:00 UTC is 11:00 in Berlin; Bob has not answered.
    assert_eq!(
        said.all("t:MergedFreeBusy"),
        ["000000000002200000000000", "000000000001100000000000",]
    );
    assert_eq!(said.all("m:ResponseCode"), ["NoError", "NoError", "ErrorMailRecipientNotFound"]);
    assert_eq!(said.all("t:StartTime")[0], "2026-06-01T11:00:00");
    assert_eq!(said.all("t:Subject"), ["M", "M"]);
}

#[test]
fn a_time_zone_without_its_rules_is_a_fault() {
    let lab = lab();
    for part in [STANDARD, DAYLIGHT] {
        let said = lab.ask(ANN, &ask("FreeBusy", &[ANN]).replace(part, ""));
        assert_eq!((said.status, said.code.as_str()), (500, "ErrorSchemaValidation"));
    }
    let far = ask("FreeBusy", &[ANN]).replace("2026-06-02T", "2026-09-02T");
    assert_eq!(lab.ask(ANN, &far).code, "ErrorTimeIntervalTooBig");
}

#[test]
fn each_mailbox_tells_the_zone_that_it_works_in() {
    let lab = lab();
    lab.calendars().set_zone(ANN, "W. Europe Standard Time");
    lab.calendars().set_zone(BOB, "Nepal Standard Time");
    let said = lab.ask(ANN, &ask("FreeBusy", &[ANN, BOB, ROOM]));
    let zones = said.all("t:TimeZone");
    assert_eq!(zones[0], format!("<t:Bias>-60</t:Bias>{STANDARD}{DAYLIGHT}"));
    assert!(zones[1].starts_with("<t:Bias>-345</t:Bias><t:StandardTime><t:Bias>0</t:Bias>"));
    assert_eq!(zones[1].matches("<t:Month>0</t:Month>").count(), 2);
    assert!(zones[2].starts_with("<t:Bias>0</t:Bias>"));
    let merged = lab.ask(ANN, &ask("MergedOnly", &[ANN]));
    assert_eq!(merged.all("t:TimeZone").len(), 0);
}

#[test]
fn out_of_office_is_told_to_its_owner_only() {
    let lab = lab();
    let said = lab.ask(ANN, &oof(ANN));
    assert_eq!(said.one("t:OofState"), "Disabled");
    assert_eq!(lab.ask(ANN, &oof(BOB)).code, "ErrorAccessDenied");
}
