//! Free/busy and out-of-office.

use super::*;
use crate::exchange::service::{Attendee, Oof, OofAudience, OofState};

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

/// A SetUserOofSettings request.
pub(super) fn set_oof(address: &str, state: &str, duration: Option<(i64, i64)>) -> String {
    let duration = duration.map(|(from, to)| {
        format!(
            "<t:Duration><t:StartTime>{}</t:StartTime><t:EndTime>{}</t:EndTime></t:Duration>",
            time(from),
            time(to)
        )
    });
    format!(
        "<m:SetUserOofSettingsRequest><t:Mailbox><t:Address>{address}</t:Address></t:Mailbox>\
         <t:UserOofSettings><t:OofState>{state}</t:OofState><t:ExternalAudience>Known\
         </t:ExternalAudience>{}<t:InternalReply><t:Message>Away &amp; far</t:Message>\
         </t:InternalReply><t:ExternalReply><t:Message>Away</t:Message></t:ExternalReply>\
         </t:UserOofSettings></m:SetUserOofSettingsRequest>",
        duration.unwrap_or_default()
    )
}

/// Later than any test runs.
pub(super) const FAR: i64 = 4_102_444_800_000;

#[test]
fn out_of_office_is_what_its_owner_made_it() {
    let lab = lab();
    lab.calendars().set_culture(ANN, "nl-NL");
    let span = (FAR, FAR + 3 * DAY);
    assert_eq!(lab.ask(ANN, &set_oof(ANN, "Scheduled", Some(span))).code, "NoError");
    let said = lab.ask(ANN, &oof(ANN));
    let told = ["t:OofState", "t:ExternalAudience", "t:StartTime", "t:EndTime"];
    let told = told.map(|tag| said.one(tag));
    assert_eq!(told, ["Scheduled".to_owned(), "Known".to_owned(), time(span.0), time(span.1)]);
    assert_eq!(said.all("t:Message"), ["Away &amp; far", "Away"]);
    assert!(said.has("<t:InternalReply xml:lang=\"nl-NL\">"));
    let kept = lab.calendars().oof(ANN).expect("there");
    assert_eq!((kept.state, kept.audience), (OofState::Scheduled, OofAudience::Known));
    assert_eq!(kept.duration_ms, Some(span));
    assert_eq!(kept.internal, "Away & far");
    assert_eq!(lab.ask(ANN, &set_oof(ANN, "Disabled", None)).code, "NoError");
    assert_eq!(lab.ask(ANN, &oof(ANN)).one("t:OofState"), "Disabled");
    lab.calendars().set_oof(BOB, Oof::enabled("Gone"));
    assert_eq!(lab.ask(BOB, &oof(BOB)).one("t:OofState"), "Enabled");
}

#[test]
fn an_absence_without_a_time_or_of_somebody_else_is_refused() {
    let lab = lab();
    let code = |request: &str| lab.ask(ANN, request).code;
    for span in [None, Some((FAR, FAR)), Some((MONDAY - 99 * DAY, MONDAY - 98 * DAY))] {
        let past = span.map(|(from, to)| (from - 9_000 * DAY, to - 9_000 * DAY));
        let past = if span == Some((FAR, FAR)) { span } else { past };
        let refused = code(&set_oof(ANN, "Scheduled", past));
        assert_eq!(refused, "ErrorInvalidScheduledOofDuration", "{span:?}");
    }
    assert_eq!(code(&set_oof(BOB, "Enabled", None)), "ErrorAccessDenied");
    assert_eq!(
        code(&set_oof("nobody@corp.example", "Enabled", None)),
        "ErrorMailRecipientNotFound"
    );
    assert_eq!(code(&set_oof(ANN, "Away", None)), "ErrorSchemaValidation");
    let backwards = set_oof(ANN, "Enabled", None).replace("ExternalAudience", "OofState");
    assert_eq!(code(&backwards), "ErrorSchemaValidation");
    assert_eq!(lab.calendars().oof(ANN), Some(Oof::default()));
}

#[test]
fn each_mailbox_of_a_question_fails_by_itself_and_too_many_fail_together() {
    let lab = lab();
    lab.calendars().spoil_free_busy(BOB, Some("ErrorFreeBusyGenerationFailed"));
    let said = lab.ask(ANN, &ask("MergedOnly", &[ANN, BOB]));
    assert_eq!(said.all("m:ResponseCode"), ["NoError", "ErrorFreeBusyGenerationFailed"]);
    assert_eq!(said.all("t:MergedFreeBusy").len(), 1);
    lab.calendars().spoil_free_busy(BOB, None);
    assert_eq!(lab.ask(ANN, &ask("MergedOnly", &[BOB])).code, "NoError");
    assert_eq!(lab.ask(ANN, &ask("MergedOnly", &[ANN; 100])).all("t:MergedFreeBusy").len(), 100);
    let many = lab.ask(ANN, &ask("MergedOnly", &[ANN; 101]));
    assert_eq!((many.status, many.code.as_str()), (500, "ErrorMailboxDataArrayTooBig"));
    assert_eq!(lab.ask(ANN, &ask("MergedOnly", &[])).code, "ErrorMailboxDataArrayEmpty");
    let span = |end: &str| {
        let asked = ask("MergedOnly", &[ANN]).replace("2026-06-02T00:00:00", end);
        lab.ask(ANN, &asked).code
    };
    assert_eq!(span("2026-07-13T00:00:00"), "NoError", "42 days");
    assert_eq!(span("2026-07-13T00:00:01"), "ErrorTimeIntervalTooBig");
    assert_eq!(span("2026-06-01T00:00:00"), "ErrorInvalidTimeInterval");
    let interval = |minutes: &str| {
        let of = |minutes: &str| format!("<t:MergedFreeBusyIntervalInMinutes>{minutes}");
        let asked = ask("MergedOnly", &[ANN]).replace(&of("60"), &of(minutes));
        lab.ask(ANN, &asked).code
    };
    assert_eq!((interval("5").as_str(), interval("1440").as_str()), ("NoError", "NoError"));
    assert_eq!(interval("4"), "ErrorInvalidMergedFreeBusyInterval");
    assert_eq!(interval("1441"), "ErrorInvalidMergedFreeBusyInterval");
}
