//! GetUserAvailability: when people and rooms are free, and in which time zone they work
//! ([MS-OXWAVLS] 3.1.4.1).
//!
//! The zones of up to [`MOST`] mailboxes come with one request: [`zones_request`] in the name of
//! any of them, then [`read_zones`]. A mailbox that shows the others nothing
//! (`ErrorNoFreeBusyAccess`) still shows itself, so one that failed is worth one more request in
//! its own name. A zone only decides when the window rolls: without it UTC does, and nobody waits
//! for it.
//!
//! The free times of as many come with [`request`] and [`read_free_busy`]. What their meetings are
//! about is not asked for.

use std::fmt::Write as _;

use super::datetime;
use super::soap::{self, Header};
use super::xml::{Pull, malformed, push_escaped};
use crate::model::{
    Address, BusyType, BusyWindow, Engagement, Fault, FreeBusy, Shift, Time, WorkHours, WorkPeriod,
    Zone,
};

/// The most mailboxes that Exchange answers for at once.
pub const MOST: usize = 100;

/// As DayOfWeek has them ([MS-OXWAVLS] 2.2.5.2).
const WEEK: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Working hours are one period for most, and one for each day at most.
const MOST_PERIODS: usize = 32;

/// UTC, as the times of a request are told. Exchange faults where one of the rules is absent, and
/// takes no month 0 from a client, so they are rules that change nothing.
const UTC: &str = "<t:TimeZone><t:Bias>0</t:Bias><t:StandardTime><t:Bias>0</t:Bias>\
    <t:Time>02:00:00</t:Time><t:DayOrder>1</t:DayOrder><t:Month>3</t:Month>\
    <t:DayOfWeek>Sunday</t:DayOfWeek></t:StandardTime><t:DaylightTime><t:Bias>0</t:Bias>\
    <t:Time>02:00:00</t:Time><t:DayOrder>1</t:DayOrder><t:Month>10</t:Month>\
    <t:DayOfWeek>Sunday</t:DayOfWeek></t:DaylightTime></t:TimeZone>";

/// A day long ago, on which few have anything: the working hours are the same, and the answer stays
/// short.
const ANY_DAY: &str = "<t:FreeBusyViewOptions><t:TimeWindow>\
    <t:StartTime>2000-01-01T00:00:00</t:StartTime><t:EndTime>2000-01-02T00:00:00</t:EndTime>\
    </t:TimeWindow><t:MergedFreeBusyIntervalInMinutes>1440</t:MergedFreeBusyIntervalInMinutes>\
    <t:RequestedView>FreeBusy</t:RequestedView></t:FreeBusyViewOptions>";

/// Asks for the time zones of so many mailboxes, [`MOST`] of them; `header` impersonates any one.
pub fn zones_request<'a>(
    header: &Header<'_>,
    mailboxes: impl IntoIterator<Item = &'a Address>,
) -> String {
    soap::envelope(header, "GetUserAvailabilityRequest", "", |out| {
        push_mailboxes(out, mailboxes);
        out.push_str(ANY_DAY);
    })
}

/// Asks when so many mailboxes are free, [`MOST`] of them, as far as whoever `header` impersonates
/// may see it.
pub fn request<'a>(
    header: &Header<'_>,
    mailboxes: impl IntoIterator<Item = &'a Address>,
    window: &BusyWindow,
) -> String {
    soap::envelope(header, "GetUserAvailabilityRequest", "", |out| {
        push_mailboxes(out, mailboxes);
        let (from, to) = (in_utc(window.from), in_utc(window.to));
        let interval = window.interval_minutes;
        let _ = write!(
            out,
            "<t:FreeBusyViewOptions><t:TimeWindow><t:StartTime>{from}</t:StartTime>\
             <t:EndTime>{to}</t:EndTime></t:TimeWindow><t:MergedFreeBusyIntervalInMinutes>{interval}\
             </t:MergedFreeBusyIntervalInMinutes><t:RequestedView>FreeBusyMerged</t:RequestedView>\
             </t:FreeBusyViewOptions>"
        );
    })
}

fn push_mailboxes<'a>(out: &mut String, mailboxes: impl IntoIterator<Item = &'a Address>) {
    out.push_str(UTC);
    out.push_str("<m:MailboxDataArray>");
    for address in mailboxes.into_iter().take(MOST) {
        out.push_str("<t:MailboxData><t:Email><t:Address>");
        push_escaped(out, address.reveal());
        out.push_str(
            "</t:Address></t:Email><t:AttendeeType>Required</t:AttendeeType>\
             <t:ExcludeConflicts>false</t:ExcludeConflicts></t:MailboxData>",
        );
    }
    out.push_str("</m:MailboxDataArray>");
}

/// A time in the zone that the request names, whole seconds, without a mark of a zone: Exchange
/// reads the window so, whatever stands behind it.
fn in_utc(time: Time) -> String {
    let whole = datetime::write(Time::from_ms(time.as_ms().div_euclid(1000) * 1000));
    whole.trim_end_matches('Z').to_owned()
}

/// When each of the `asked` mailboxes is free, in the order asked.
///
/// # Errors
/// As [`read`], and where there are not as many answers as mailboxes.
pub fn read_free_busy(xml: &[u8], asked: usize) -> Result<Vec<Result<FreeBusy, Fault>>, Fault> {
    let mailboxes = read(xml)?;
    if mailboxes.len() != asked {
        return Err(malformed());
    }
    let one = |mailbox: Availability| FreeBusy {
        merged: mailbox.merged.map(|digits| digits.chars().map(digit).collect()),
        engagements: mailbox.engagements,
        hours: mailbox.zone.zip(Some(mailbox.periods)).and_then(|(zone, periods)| {
            (!periods.is_empty()).then_some(WorkHours { zone, periods })
        }),
    };
    Ok(mailboxes.into_iter().map(|mailbox| mailbox.map(one)).collect())
}

/// Servers differ in what they say beyond 3: 4 is "no data" for Exchange 2010, and elsewhere or no
/// data later ([MS-OXWAVLS] 2.2.4.3).
fn digit(said: char) -> char {
    if matches!(said, '0'..='3') { said } else { '4' }
}

/// The time zone of each of the `asked` mailboxes, in the order asked; nothing for one that never
/// said when it works.
///
/// # Errors
/// As [`read`], and where there are not as many answers as mailboxes.
pub fn read_zones(xml: &[u8], asked: usize) -> Result<Vec<Result<Option<Zone>, Fault>>, Fault> {
    let mailboxes = read(xml)?;
    if mailboxes.len() != asked {
        return Err(malformed());
    }
    Ok(mailboxes.into_iter().map(|mailbox| Ok(mailbox?.zone)).collect())
}

/// When one mailbox is free. What is absent was not asked for, or may not be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Availability {
    /// A digit for each interval of the window: 0 is free, 1 tentative, 2 busy, 3 away; higher
    /// ones vary with the version of the server.
    pub merged: Option<String>,
    /// The engagements, as Exchange orders them.
    pub engagements: Vec<Engagement>,
    /// The zone of its working hours.
    pub zone: Option<Zone>,
    /// Its working hours.
    pub periods: Vec<WorkPeriod>,
}

/// One answer for each mailbox, in the order asked. Times without an offset are in the zone that
/// the request named: it asks in UTC.
///
/// # Errors
/// Where the answer as a whole is of no use. What Exchange says against one mailbox stands in its
/// place.
pub fn read(xml: &[u8]) -> Result<Vec<Result<Availability, Fault>>, Fault> {
    let mut mailboxes = Vec::new();
    soap::content(xml, |pull, element| {
        if element.name() != "FreeBusyResponseArray" {
            return Ok(false);
        }
        while pull.child()?.is_some() {
            mailboxes.push(read_mailbox(pull)?);
        }
        Ok(true)
    })?;
    if mailboxes.is_empty() { Err(malformed()) } else { Ok(mailboxes) }
}

/// The first error is malformed XML, the second what is said about the mailbox.
fn read_mailbox(pull: &mut Pull<'_>) -> Result<Result<Availability, Fault>, Fault> {
    let (mut verdict, mut view) = (Err(malformed()), None);
    while let Some(element) = pull.child()? {
        match element.name() {
            "ResponseMessage" => verdict = soap::verdict(pull, &element)?,
            "FreeBusyView" => view = Some(read_view(pull)?),
            _ => pull.skip()?,
        }
    }
    Ok(verdict.and_then(|()| view.ok_or_else(malformed)))
}

fn read_view(pull: &mut Pull<'_>) -> Result<Availability, Fault> {
    let mut view = Availability::default();
    while let Some(element) = pull.child()? {
        match element.name() {
            "MergedFreeBusy" => {
                view.merged = Some(pull.text()?.trim().to_owned()).filter(|text| !text.is_empty());
            }
            "CalendarEventArray" => {
                while pull.child()?.is_some() {
                    view.engagements.extend(read_engagement(pull)?);
                }
            }
            "WorkingHours" => {
                while let Some(element) = pull.child()? {
                    match element.name() {
                        "TimeZone" => view.zone = read_zone(pull)?,
                        "WorkingPeriodArray" => {
                            while pull.child()?.is_some() {
                                view.periods.extend(
                                    read_period(pull)?
                                        .filter(|_| view.periods.len() < MOST_PERIODS),
                                );
                            }
                        }
                        _ => pull.skip()?,
                    }
                }
            }
            _ => pull.skip()?,
        }
    }
    Ok(view)
}

/// Nothing where a part is absent or says nothing.
fn read_period(pull: &mut Pull<'_>) -> Result<Option<WorkPeriod>, Fault> {
    let (mut days, mut from, mut to) = ([false; 7], None, None);
    while let Some(element) = pull.child()? {
        match element.name() {
            "DayOfWeek" => {
                for name in pull.text()?.split_whitespace() {
                    for (at, day) in days.iter_mut().enumerate() {
                        *day |= match name {
                            "Day" => true,
                            "Weekday" => (1..=5).contains(&at),
                            "WeekendDay" => !(1..=5).contains(&at),
                            name => WEEK.get(at) == Some(&name),
                        };
                    }
                }
            }
            "StartTimeInMinutes" => from = pull.text()?.trim().parse::<u16>().ok(),
            "EndTimeInMinutes" => to = pull.text()?.trim().parse::<u16>().ok(),
            _ => pull.skip()?,
        }
    }
    let period = from.zip(to).map(|(from, to)| WorkPeriod { days, from, to: to.min(24 * 60) });
    Ok(period.filter(|period| period.from < period.to && days.contains(&true)))
}

/// Nothing where it has no times: it engages nobody.
fn read_engagement(pull: &mut Pull<'_>) -> Result<Option<Engagement>, Fault> {
    let (mut start, mut end, mut busy) = (None, None, BusyType::default());
    while let Some(element) = pull.child()? {
        match element.name() {
            "StartTime" => start = datetime::read(&pull.text()?),
            "EndTime" => end = datetime::read(&pull.text()?),
            "BusyType" => {
                busy = match pull.text()?.trim() {
                    "Free" => BusyType::Free,
                    "Tentative" => BusyType::Tentative,
                    "Busy" => BusyType::Busy,
                    "OOF" => BusyType::Away,
                    "WorkingElsewhere" => BusyType::Elsewhere,
                    _ => BusyType::Unknown,
                };
            }
            _ => pull.skip()?,
        }
    }
    let (Some(start), Some(end)) = (start, end) else { return Ok(None) };
    Ok(Some(Engagement { start, end: end.max(start), busy }))
}

/// [MS-OXWAVLS] 2.2.4.9 SerializableTimeZone; nothing where it has no bias.
fn read_zone(pull: &mut Pull<'_>) -> Result<Option<Zone>, Fault> {
    let (mut bias, mut standard, mut daylight) = (None, None, None);
    while let Some(element) = pull.child()? {
        match element.name() {
            "Bias" => bias = pull.text()?.trim().parse().ok(),
            "StandardTime" => standard = read_shift(pull)?,
            "DaylightTime" => daylight = read_shift(pull)?,
            _ => pull.skip()?,
        }
    }
    Ok(bias.map(|bias| Zone::new(bias, standard, daylight)))
}

/// [MS-OXWAVLS] 2.2.4.8 SerializableTimeZoneTime; nothing where a part is absent or no number.
fn read_shift(pull: &mut Pull<'_>) -> Result<Option<Shift>, Fault> {
    let (mut bias, mut second, mut order, mut month) = (None, None, None, None);
    let (mut weekday, mut year) = (None, None);
    while let Some(element) = pull.child()? {
        match element.name() {
            "Bias" => bias = pull.text()?.trim().parse().ok(),
            "Time" => second = seconds(pull.text()?.trim()),
            "DayOrder" => order = pull.text()?.trim().parse().ok(),
            "Month" => month = pull.text()?.trim().parse().ok(),
            "DayOfWeek" => {
                let text = pull.text()?;
                let day = WEEK.iter().position(|name| *name == text.trim());
                weekday = day.and_then(|day| u8::try_from(day).ok());
            }
            // Windows writes 0 for "each year".
            "Year" => year = pull.text()?.trim().parse().ok().filter(|year| *year != 0),
            _ => pull.skip()?,
        }
    }
    let (Some(bias_minutes), Some(second), Some(order), Some(month), Some(weekday)) =
        (bias, second, order, month, weekday)
    else {
        return Ok(None);
    };
    Ok(Some(Shift { bias_minutes, second, month, order, weekday, year }))
}

/// `02:00:00`, with a fraction or not, as seconds of the day.
fn seconds(clock: &str) -> Option<u32> {
    let whole = clock.split('.').next().unwrap_or_default();
    let mut parts = whole.split(':').map(|part| part.parse::<u32>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let good = hour < 24 && minute < 60 && second < 60 && parts.next().is_none();
    good.then_some(hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
#[path = "get_user_availability_tests.rs"]
mod tests;
