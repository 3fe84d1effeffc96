//! Time zones by Windows id, as Exchange names them, or by IANA id.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::days::{self, DayNumber};

/// Windows id, display name and IANA id.
const TABLE: &[(&str, &str, &str)] = &[
    ("UTC", "(UTC) Coordinated Universal Time", "UTC"),
    ("Hawaiian Standard Time", "(UTC-10:00) Hawaii", "Pacific/Honolulu"),
    ("Alaskan Standard Time", "(UTC-09:00) Alaska", "America/Anchorage"),
    ("Pacific Standard Time", "(UTC-08:00) Pacific Time (US & Canada)", "America/Los_Angeles"),
    ("US Mountain Standard Time", "(UTC-07:00) Arizona", "America/Phoenix"),
    ("Mountain Standard Time", "(UTC-07:00) Mountain Time (US & Canada)", "America/Denver"),
    ("Central Standard Time", "(UTC-06:00) Central Time (US & Canada)", "America/Chicago"),
    ("Eastern Standard Time", "(UTC-05:00) Eastern Time (US & Canada)", "America/New_York"),
    ("Atlantic Standard Time", "(UTC-04:00) Atlantic Time (Canada)", "America/Halifax"),
    ("Newfoundland Standard Time", "(UTC-03:30) Newfoundland", "America/St_Johns"),
    ("E. South America Standard Time", "(UTC-03:00) Brasilia", "America/Sao_Paulo"),
    ("Argentina Standard Time", "(UTC-03:00) City of Buenos Aires", "America/Buenos_Aires"),
    ("Azores Standard Time", "(UTC-01:00) Azores", "Atlantic/Azores"),
    ("GMT Standard Time", "(UTC+00:00) Dublin, Edinburgh, Lisbon, London", "Europe/London"),
    ("Greenwich Standard Time", "(UTC+00:00) Monrovia, Reykjavik", "Atlantic/Reykjavik"),
    ("W. Europe Standard Time", "(UTC+01:00) Amsterdam, Berlin, Rome, Vienna", "Europe/Berlin"),
    ("Romance Standard Time", "(UTC+01:00) Brussels, Copenhagen, Madrid, Paris", "Europe/Paris"),
    ("Central Europe Standard Time", "(UTC+01:00) Belgrade, Budapest, Prague", "Europe/Budapest"),
    ("Central European Standard Time", "(UTC+01:00) Sarajevo, Warsaw", "Europe/Warsaw"),
    ("W. Central Africa Standard Time", "(UTC+01:00) West Central Africa", "Africa/Lagos"),
    ("GTB Standard Time", "(UTC+02:00) Athens, Bucharest", "Europe/Bucharest"),
    ("FLE Standard Time", "(UTC+02:00) Helsinki, Kyiv, Riga, Sofia", "Europe/Helsinki"),
    ("Egypt Standard Time", "(UTC+02:00) Cairo", "Africa/Cairo"),
    ("South Africa Standard Time", "(UTC+02:00) Harare, Pretoria", "Africa/Johannesburg"),
    ("Israel Standard Time", "(UTC+02:00) Jerusalem", "Asia/Jerusalem"),
    ("Turkey Standard Time", "(UTC+03:00) Istanbul", "Europe/Istanbul"),
    ("Russian Standard Time", "(UTC+03:00) Moscow, St. Petersburg", "Europe/Moscow"),
    ("Arab Standard Time", "(UTC+03:00) Kuwait, Riyadh", "Asia/Riyadh"),
    ("Iran Standard Time", "(UTC+03:30) Tehran", "Asia/Tehran"),
    ("Arabian Standard Time", "(UTC+04:00) Abu Dhabi, Muscat", "Asia/Dubai"),
    ("Pakistan Standard Time", "(UTC+05:00) Islamabad, Karachi", "Asia/Karachi"),
    ("India Standard Time", "(UTC+05:30) Chennai, Kolkata, Mumbai", "Asia/Kolkata"),
    ("Nepal Standard Time", "(UTC+05:45) Kathmandu", "Asia/Kathmandu"),
    ("SE Asia Standard Time", "(UTC+07:00) Bangkok, Hanoi, Jakarta", "Asia/Bangkok"),
    ("China Standard Time", "(UTC+08:00) Beijing, Chongqing, Hong Kong", "Asia/Shanghai"),
    ("Singapore Standard Time", "(UTC+08:00) Kuala Lumpur, Singapore", "Asia/Singapore"),
    ("W. Australia Standard Time", "(UTC+08:00) Perth", "Australia/Perth"),
    ("Tokyo Standard Time", "(UTC+09:00) Osaka, Sapporo, Tokyo", "Asia/Tokyo"),
    ("Korea Standard Time", "(UTC+09:00) Seoul", "Asia/Seoul"),
    ("Cen. Australia Standard Time", "(UTC+09:30) Adelaide", "Australia/Adelaide"),
    ("AUS Eastern Standard Time", "(UTC+10:00) Melbourne, Sydney", "Australia/Sydney"),
    ("Lord Howe Standard Time", "(UTC+10:30) Lord Howe Island", "Australia/Lord_Howe"),
    ("New Zealand Standard Time", "(UTC+12:00) Auckland, Wellington", "Pacific/Auckland"),
    ("Samoa Standard Time", "(UTC+13:00) Samoa", "Pacific/Apia"),
];

/// One zone; there is one of each for the life of the process.
#[derive(Debug)]
pub(super) struct Zone {
    /// The Windows id, or the IANA id where the table has none.
    pub(super) id: String,
    /// The display name.
    pub(super) name: String,
    /// `None` is UTC.
    rules: Option<TimeZone>,
}

/// The clock is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    /// UTC milliseconds.
    pub(super) at_ms: i64,
    /// Local time minus UTC until then, in milliseconds.
    pub(super) before_ms: i64,
    /// The same from then on.
    pub(super) after_ms: i64,
}

static UTC: LazyLock<Zone> = LazyLock::new(|| Zone {
    id: "UTC".to_owned(),
    name: "(UTC) Coordinated Universal Time".to_owned(),
    rules: None,
});

static KNOWN: LazyLock<Mutex<HashMap<String, &'static Zone>>> = LazyLock::new(Mutex::default);

impl Zone {
    /// Coordinated Universal Time.
    pub(super) fn utc() -> &'static Zone {
        &UTC
    }

    /// The zone of a Windows or IANA id.
    pub(super) fn find(id: &str) -> Option<&'static Zone> {
        if id == "UTC" {
            return Some(&UTC);
        }
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = known.get(id) {
            return Some(zone);
        }
        let row = TABLE.iter().find(|row| row.0 == id || row.2 == id);
        let iana = row.map_or(id, |row| row.2);
        // Only names that the time zone database has are kept, so this is bounded.
        let rules = TimeZone::get(iana).ok()?;
        let zone: &'static Zone = Box::leak(Box::new(Zone {
            id: row.map_or(id, |row| row.0).to_owned(),
            name: row.map_or(id, |row| row.1).to_owned(),
            rules: Some(rules),
        }));
        known.insert(id.to_owned(), zone);
        Some(zone)
    }

    /// The IANA id of a Windows id.
    pub(super) fn iana(id: &str) -> Option<&'static str> {
        TABLE.iter().find(|row| row.0 == id).map(|row| row.2)
    }

    pub(super) fn is_utc(&self) -> bool {
        self.rules.is_none()
    }

    /// Local time minus UTC at this moment, in milliseconds.
    pub(super) fn offset_ms(&self, utc_ms: i64) -> i64 {
        let Some(rules) = &self.rules else { return 0 };
        let Ok(moment) = jiff::Timestamp::from_millisecond(utc_ms) else { return 0 };
        i64::from(rules.to_offset(moment).seconds()) * 1000
    }

    /// When the clock is set in this year, in order.
    pub(super) fn turns(&self, year: i32) -> Vec<Turn> {
        let begin =
            |year| jiff::Timestamp::from_millisecond(days::join(days::number(year, 1, 1), 0));
        let (Some(rules), Ok(from), Ok(to)) = (&self.rules, begin(year), begin(year + 1)) else {
            return Vec::new();
        };
        let turns = rules.following(from).take_while(|turn| turn.timestamp() < to);
        let turns = turns.map(|turn| {
            let at_ms = turn.timestamp().as_millisecond();
            Turn {
                at_ms,
                before_ms: self.offset_ms(at_ms - 1),
                after_ms: i64::from(turn.offset().seconds()) * 1000,
            }
        });
        turns.filter(|turn| turn.before_ms != turn.after_ms).collect()
    }

    /// Local day and millisecond of that day.
    pub(super) fn local(&self, utc_ms: i64) -> (DayNumber, i64) {
        days::split(utc_ms + self.offset_ms(utc_ms))
    }

    /// The moment of a local time; one that a clock change skips comes later by the gap, one that
    /// happens twice is the first.
    pub(super) fn utc_ms(&self, day: DayNumber, ms_of_day: i64) -> i64 {
        let local = days::join(day, ms_of_day);
        let Some(rules) = &self.rules else { return local };
        civil(local)
            .and_then(|time| rules.to_ambiguous_timestamp(time).compatible().ok())
            .map_or(local, |moment| moment.as_millisecond())
    }
}

fn civil(local_ms: i64) -> Option<DateTime> {
    let (day, ms) = days::split(local_ms);
    let (year, month, day) = days::date(day);
    let year = i16::try_from(year).ok()?;
    let second = (ms / 1000) as i32;
    let [hour, minute, second] = [second / 3600, second / 60 % 60, second % 60].map(|n| n as i8);
    DateTime::new(
        year,
        month as i8,
        day as i8,
        hour,
        minute,
        second,
        (ms % 1000) as i32 * 1_000_000,
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_zone_of_the_table_is_in_the_database() {
        for (id, ..) in TABLE {
            assert!(Zone::find(id).is_some(), "{id}");
        }
        assert!(Zone::find("Middle Earth Standard Time").is_none());
    }

    #[test]
    fn summer_time_is_known() {
        let berlin = Zone::find("W. Europe Standard Time").unwrap_or(Zone::utc());
        let winter = berlin.utc_ms(days::number(2026, 1, 15), 12 * 3_600_000);
        assert_eq!(winter, days::join(days::number(2026, 1, 15), 11 * 3_600_000));
        let summer = berlin.utc_ms(days::number(2026, 7, 15), 12 * 3_600_000);
        assert_eq!(summer, days::join(days::number(2026, 7, 15), 10 * 3_600_000));
        assert_eq!(berlin.local(summer), (days::number(2026, 7, 15), 12 * 3_600_000));
        // 02:30 does not exist on the last Sunday of March.
        let skipped = berlin.utc_ms(days::number(2026, 3, 29), 9_000_000);
        assert_eq!(berlin.local(skipped), (days::number(2026, 3, 29), 12_600_000));
    }
}
