//! GetUserAvailability, MS-OXWSAVAIL: merged and single free/busy of up to a hundred mailboxes.

use std::sync::Arc;

use super::working_hours::{self, Hours};
use crate::exchange::service::days::{self, DAY_MS};
use crate::exchange::service::draft::{FreeBusy, Sensitivity};
use crate::exchange::service::envelope::{Failure, Writer};
use crate::exchange::service::ids::hex;
use crate::exchange::service::item::{Instance, Item, Kind, date_time};
use crate::exchange::service::mailbox::view;
use crate::exchange::service::render::free_busy;
use crate::exchange::service::request::{Refusal, Reply, Request, invalid, read_time};
use crate::exchange::service::tree::Node;
use crate::exchange::service::zone::Zone;

const MOST_MAILBOXES: usize = 100;
/// What a server allows unless its administrator says otherwise.
const LONGEST_MS: i64 = 42 * DAY_MS;

/// `SerializableTimeZone`: a bias and two rules.
struct Bias {
    minutes: i64,
    standard: Rule,
    daylight: Rule,
}

struct Rule {
    minutes: i64,
    /// Of the day.
    at_ms: i64,
    /// 5 is the last one of the month; with a year the day itself.
    order: i32,
    month: i32,
    weekday: i32,
}

impl Bias {
    fn read(node: &Node) -> Result<Self, Refusal> {
        let part = |name: &str| {
            node.child(name).ok_or_else(|| {
                invalid(format!(
                    "The element 'TimeZone' has incomplete content. List of possible elements \
                     expected: '{name}'."
                ))
            })
        };
        let wrong = || invalid("The 'TimeZone' element is invalid.");
        let minutes = part("Bias")?.text.trim().parse().map_err(|_| wrong())?;
        let standard = Rule::read(part("StandardTime")?).ok_or_else(wrong)?;
        let daylight = Rule::read(part("DaylightTime")?).ok_or_else(wrong)?;
        Ok(Self { minutes, standard, daylight })
    }

    /// Local time minus UTC at this local time.
    fn offset_ms(&self, local_ms: i64) -> i64 {
        let bias = if self.is_daylight(local_ms) {
            self.minutes + self.daylight.minutes
        } else {
            self.minutes + self.standard.minutes
        };
        -bias * 60_000
    }

    fn is_daylight(&self, local_ms: i64) -> bool {
        if self.standard.month == 0 || self.daylight.month == 0 {
            return false;
        }
        let (year, ..) = days::date(days::split(local_ms).0);
        let (on, off) = (self.daylight.in_year(year), self.standard.in_year(year));
        if on < off { (on..off).contains(&local_ms) } else { !(off..on).contains(&local_ms) }
    }

    fn utc_ms(&self, local_ms: i64) -> i64 {
        local_ms - self.offset_ms(local_ms)
    }

    fn local_ms(&self, utc_ms: i64) -> i64 {
        let guess = utc_ms - self.minutes * 60_000;
        utc_ms + self.offset_ms(guess)
    }
}

impl Rule {
    fn read(node: &Node) -> Option<Self> {
        const WEEK: [&str; 7] =
            ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
        let weekday = node.text_of("DayOfWeek")?;
        let mut clock = node.text_of("Time")?.split(':').map(|part| part.parse::<i64>().ok());
        let (hour, minute) = (clock.next()??, clock.next()??);
        Some(Self {
            minutes: node.text_of("Bias")?.parse().ok()?,
            at_ms: (hour * 60 + minute) * 60_000,
            order: node.text_of("DayOrder")?.parse().ok()?,
            month: node.text_of("Month")?.parse().ok()?,
            weekday: i32::try_from(WEEK.iter().position(|name| *name == weekday).unwrap_or(0))
                .unwrap_or(0),
        })
    }

    fn in_year(&self, year: i32) -> i64 {
        let first = days::number(year, self.month, 1);
        let to_first = (self.weekday - days::weekday(first)).rem_euclid(7);
        let mut day = first + to_first + 7 * (self.order.clamp(1, 5) - 1);
        if day > first + days::days_in_month(year, self.month) - 1 {
            day -= 7;
        }
        days::join(day, self.at_ms)
    }
}

struct Wanted {
    bias: Bias,
    from_ms: i64,
    to_ms: i64,
    interval_ms: i64,
    view: String,
}

pub(super) fn answer(request: &Request<'_>) -> Result<Reply, Refusal> {
    let wanted = Wanted::read(request.body)?;
    let mailboxes = request.body.list("MailboxDataArray");
    if mailboxes.is_empty() {
        return Err(Failure::of("ErrorMailboxDataArrayEmpty").into());
    }
    if mailboxes.len() > MOST_MAILBOXES {
        return Err(Failure::of("ErrorMailboxDataArrayTooBig").into());
    }
    let mut reply = Reply::bare("");
    reply.out.open("m:FreeBusyResponseArray");
    for data in mailboxes {
        let address = data.child("Email").and_then(|email| email.text_of("Address"));
        let found = calendar(request, address.unwrap_or_default(), &wanted);
        let code = found.as_ref().map_or_else(|failure| failure.code.as_str(), |_| "NoError");
        if reply.code.is_empty() {
            reply.code = code.to_owned();
        }
        reply.out.open("m:FreeBusyResponse");
        write(&mut reply.out, &found, &wanted);
        reply.out.close("m:FreeBusyResponse");
    }
    reply.out.close("m:FreeBusyResponseArray");
    Ok(reply)
}

impl Wanted {
    fn read(body: &Node) -> Result<Self, Refusal> {
        let zone = body.child("TimeZone");
        let bias = Bias::read(zone.ok_or_else(|| invalid("The time zone is missing."))?)?;
        let options = body.child("FreeBusyViewOptions");
        let options = options.ok_or_else(|| invalid("FreeBusyViewOptions is missing."))?;
        let window = options.child("TimeWindow");
        // Times of this operation are local to its own zone, whatever offset they carry.
        let time = |name: &str| {
            let text = window.and_then(|window| window.text_of(name)).unwrap_or_default();
            read_time(text.get(..19).unwrap_or(text), Zone::utc())
                .map(|local| bias.utc_ms(local))
                .ok_or_else(|| invalid(format!("The '{name}' element is invalid.")))
        };
        let (from_ms, to_ms) = (time("StartTime")?, time("EndTime")?);
        if to_ms <= from_ms {
            return Err(Failure::of("ErrorInvalidTimeInterval").into());
        }
        if to_ms - from_ms > LONGEST_MS {
            return Err(Failure::of("ErrorTimeIntervalTooBig").into());
        }
        let minutes = options.text_of("MergedFreeBusyIntervalInMinutes").unwrap_or("30");
        let minutes = minutes.parse::<i64>().ok().filter(|minutes| (5..=1440).contains(minutes));
        let minutes = minutes.ok_or_else(|| Failure::of("ErrorInvalidMergedFreeBusyInterval"))?;
        let view = options.text_of("RequestedView").unwrap_or("FreeBusy").to_owned();
        if !["MergedOnly", "FreeBusy", "FreeBusyMerged", "Detailed", "DetailedMerged"]
            .contains(&view.as_str())
        {
            return Err(Failure::of("ErrorInvalidFreeBusyViewType").into());
        }
        Ok(Self { bias, from_ms, to_ms, interval_ms: minutes * 60_000, view })
    }
}

/// What a mailbox has of the answer.
struct Found {
    items: Vec<Arc<Item>>,
    zone: &'static Zone,
    hours: Hours,
}

fn calendar(request: &Request<'_>, address: &str, wanted: &Wanted) -> Result<Found, Failure> {
    let world = request.shared.world();
    let number = world.here(address).and_then(|number| world.mailbox(number));
    let mailbox = number.ok_or_else(|| {
        let text = "Unable to resolve e-mail address to an Active Directory object.";
        Failure::new("ErrorMailRecipientNotFound", text)
    })?;
    if let Some(code) = &mailbox.free_busy_error {
        return Err(Failure::of(code));
    }
    let items = mailbox.candidates(wanted.from_ms, wanted.to_ms);
    let hours = mailbox.hours.as_deref().cloned().unwrap_or_default();
    Ok(Found { items, zone: mailbox.zone.unwrap_or(Zone::utc()), hours })
}

fn write(out: &mut Writer, found: &Result<Found, Failure>, wanted: &Wanted) {
    let (items, zone, hours) = match found {
        Err(failure) => {
            out.start("m:ResponseMessage", &[("ResponseClass", "Error")]);
            failure.write(out);
            out.close("m:ResponseMessage");
            out.open("m:FreeBusyView");
            out.leaf("t:FreeBusyViewType", "None");
            out.close("m:FreeBusyView");
            return;
        }
        Ok(found) => (&found.items, found.zone, &found.hours),
    };
    out.start("m:ResponseMessage", &[("ResponseClass", "Success")]);
    out.leaf("m:ResponseCode", "NoError");
    out.close("m:ResponseMessage");
    let mut shown = view(items, wanted.from_ms, wanted.to_ms);
    shown.retain(|one| one.draft.free_busy != FreeBusy::Free);
    out.open("m:FreeBusyView");
    out.leaf("t:FreeBusyViewType", &wanted.view);
    if wanted.view.contains("Merged") {
        out.leaf("t:MergedFreeBusy", &merged(&shown, wanted));
    }
    if wanted.view != "MergedOnly" {
        out.open("t:CalendarEventArray");
        for one in &shown {
            write_event(out, one, wanted);
        }
        out.close("t:CalendarEventArray");
        working_hours::write(out, zone, hours);
    }
    out.close("m:FreeBusyView");
}

fn digit(free_busy: FreeBusy) -> u8 {
    match free_busy {
        FreeBusy::Free => 0,
        FreeBusy::Tentative => 1,
        FreeBusy::Busy => 2,
        FreeBusy::OutOfOffice => 3,
        FreeBusy::WorkingElsewhere => 4,
    }
}

/// One digit for each interval: the strongest of what it holds.
fn merged(shown: &[Instance<'_>], wanted: &Wanted) -> String {
    let length = wanted.to_ms - wanted.from_ms;
    let count = (length + wanted.interval_ms - 1) / wanted.interval_ms;
    let mut digits = vec![0u8; usize::try_from(count).unwrap_or(0)];
    for one in shown {
        let from = (one.start_ms - wanted.from_ms).max(0) / wanted.interval_ms;
        let until = (one.end_ms - wanted.from_ms + wanted.interval_ms - 1) / wanted.interval_ms;
        for at in from..until.max(from + 1) {
            if let Some(own) = usize::try_from(at).ok().and_then(|at| digits.get_mut(at)) {
                *own = (*own).max(digit(one.draft.free_busy));
            }
        }
    }
    digits.into_iter().map(|digit| char::from(b'0' + digit)).collect()
}

fn write_event(out: &mut Writer, one: &Instance<'_>, wanted: &Wanted) {
    let local = |ms: i64| date_time(wanted.bias.local_ms(ms), None).replace('Z', "");
    out.open("t:CalendarEvent");
    out.leaf("t:StartTime", &local(one.start_ms));
    out.leaf("t:EndTime", &local(one.end_ms));
    out.leaf("t:BusyType", free_busy(one.draft.free_busy));
    if wanted.view.starts_with("Detailed") {
        out.open("t:CalendarEventDetails");
        out.leaf("t:ID", &hex(&one.item.key.to_be_bytes()));
        out.leaf("t:Subject", &one.draft.subject);
        out.leaf("t:Location", &one.draft.location);
        out.flag("t:IsMeeting", one.item.is_meeting());
        out.flag("t:IsRecurring", one.original_ms.is_some());
        out.flag("t:IsException", one.kind == Kind::Exception);
        out.flag("t:IsReminderSet", one.draft.reminder.is_some());
        out.flag("t:IsPrivate", one.draft.sensitivity == Sensitivity::Private);
        out.close("t:CalendarEventDetails");
    }
    out.close("t:CalendarEvent");
}
