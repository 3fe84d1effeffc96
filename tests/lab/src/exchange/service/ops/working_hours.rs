//! `WorkingHours` of a mailbox: from nine to five, or as it was told, in its own zone.

use crate::exchange::service::days;
use crate::exchange::service::envelope::Writer;
use crate::exchange::service::item::now_ms;
use crate::exchange::service::zone::{Turn, Zone};

const WEEK: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// On these days, as the schema has them; from and to these minutes.
#[derive(Clone, Debug)]
pub struct Hours {
    /// `Monday Tuesday` …
    pub days: String,
    /// Of the day.
    pub from: u16,
    /// Of the day.
    pub to: u16,
}

impl Default for Hours {
    fn default() -> Self {
        let days = "Monday Tuesday Wednesday Thursday Friday".to_owned();
        Self { days, from: 9 * 60, to: 17 * 60 }
    }
}

/// Writes them. The rules of the zone are those of this year, as Windows keeps one for each.
pub(super) fn write(out: &mut Writer, zone: &'static Zone, hours: &Hours) {
    let (year, ..) = days::date(days::split(now_ms()).0);
    let minutes = |offset_ms: i64| -offset_ms / 60_000;
    out.open("t:WorkingHours");
    out.open("t:TimeZone");
    match zone.turns(year).as_slice() {
        [one, other] => {
            let (standard, daylight) =
                if one.after_ms < other.after_ms { (one, other) } else { (other, one) };
            out.number("t:Bias", minutes(standard.after_ms));
            write_rule(out, "t:StandardTime", 0, standard);
            let bias = minutes(daylight.after_ms) - minutes(standard.after_ms);
            write_rule(out, "t:DaylightTime", bias, daylight);
        }
        _ => {
            let begin = days::join(days::number(year, 1, 1), 0);
            out.number("t:Bias", minutes(zone.offset_ms(begin)));
            for tag in ["t:StandardTime", "t:DaylightTime"] {
                write_parts(out, tag, 0, "00:00:00", [0, 0, 0]);
            }
        }
    }
    out.close("t:TimeZone");
    out.open("t:WorkingPeriodArray");
    out.open("t:WorkingPeriod");
    out.leaf("t:DayOfWeek", &hours.days);
    out.leaf("t:StartTimeInMinutes", &hours.from.to_string());
    out.leaf("t:EndTimeInMinutes", &hours.to.to_string());
    out.close("t:WorkingPeriod");
    out.close("t:WorkingPeriodArray");
    out.close("t:WorkingHours");
}

/// A turn as a rule for each year: the third Sunday, or the last one.
fn write_rule(out: &mut Writer, tag: &str, bias: i64, turn: &Turn) {
    let (day, ms) = days::split(turn.at_ms + turn.before_ms);
    let (year, month, date) = days::date(day);
    let last = date + 7 > days::days_in_month(year, month);
    let order = if last { 5 } else { (date - 1) / 7 + 1 };
    let second = ms / 1000;
    let [hour, minute, second] = [second / 3600, second / 60 % 60, second % 60];
    let clock = format!("{hour:02}:{minute:02}:{second:02}");
    write_parts(out, tag, bias, &clock, [order, month, days::weekday(day)]);
}

fn write_parts(out: &mut Writer, tag: &str, bias: i64, clock: &str, of: [i32; 3]) {
    let [order, month, weekday] = of;
    out.open(tag);
    out.number("t:Bias", bias);
    out.leaf("t:Time", clock);
    out.number("t:DayOrder", i64::from(order));
    out.number("t:Month", i64::from(month));
    let weekday = usize::try_from(weekday).ok().and_then(|at| WEEK.get(at));
    out.leaf("t:DayOfWeek", weekday.unwrap_or(&"Sunday"));
    out.close(tag);
}
