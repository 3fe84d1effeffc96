//! `xs:dateTime` to [`Time`] and back.

use std::ops::RangeInclusive;

use jiff::Timestamp;

use crate::model::Time;

/// The first and the last time that RFC 3339 can write, whatever the offset.
const WRITABLE: RangeInclusive<i64> = -62_135_596_800_000..=253_402_207_199_000;

/// Reads `2006-06-16T00:30:00Z`, with a fraction or an offset where there is one. Without either
/// it is UTC, as that is what is asked for. Nothing finer than a millisecond is kept; beyond the
/// years 1 to 9999 it is the nearest time that can be written.
pub(super) fn read(text: &str) -> Option<Time> {
    let text = text.trim().as_bytes();
    let (date, rest) = text.split_at_checked(10)?;
    let (clock, mut rest) = rest.split_at_checked(9)?;
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else {
        return None;
    };
    let &[b'T', h1, h2, b':', i1, i2, b':', s1, s2] = clock else {
        return None;
    };
    let year = number(&[y1, y2, y3, y4])?;
    let (month, day) = (number(&[m1, m2])?, number(&[d1, d2])?);
    let (hour, minute, second) = (number(&[h1, h2])?, number(&[i1, i2])?, number(&[s1, s2])?);
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    // XML Schema writes the midnight that ends a day as 24:00:00.
    let end_of_day = hour == 24 && minute == 0 && second == 0;
    if (hour > 23 && !end_of_day) || minute > 59 || second > 59 {
        return None;
    }
    let mut ms = 0;
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, after) = fraction.split_at_checked(digits)?;
        if digits.is_empty() {
            return None;
        }
        for place in 0..3 {
            ms = ms * 10 + i64::from(digits.get(place).map_or(0, |byte| byte - b'0'));
        }
        rest = after;
    }
    let offset = offset_minutes(rest)?;
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second
        - offset * 60;
    Some(writable(seconds * 1_000 + ms))
}

/// Writes a time as UTC, or the nearest that can be written.
pub(super) fn write(time: Time) -> String {
    let ms = writable(time.as_ms()).as_ms();
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

fn writable(ms: i64) -> Time {
    Time::from_ms(ms.clamp(*WRITABLE.start(), *WRITABLE.end()))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0'))
    })
}

fn offset_minutes(text: &[u8]) -> Option<i64> {
    match *text {
        [] | [b'Z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number(&[h1, h2])?, number(&[m1, m2])?);
            let offset = hours * 60 + minutes;
            if minutes > 59 || offset > 14 * 60 {
                return None;
            }
            Some(if sign == b'-' { -offset } else { offset })
        }
        _ => None,
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the Gregorian calendar; the year begins in March here, so that the leap
/// day is its last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(text: &str) -> Option<i64> {
        read(text).map(Time::as_ms)
    }

    #[test]
    fn times_are_read() {
        assert_eq!(ms("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(ms(" 2006-06-16T00:30:00Z\n"), Some(1_150_417_800_000));
        assert_eq!(ms("2006-06-16T00:30:00"), Some(1_150_417_800_000));
        assert_eq!(ms("2006-06-15T17:30:00-07:00"), Some(1_150_417_800_000));
        assert_eq!(ms("2006-06-16T06:15:00+05:45"), Some(1_150_417_800_000));
        assert_eq!(ms("2006-06-16T00:30:00.1234567Z"), Some(1_150_417_800_123));
        assert_eq!(ms("2006-06-16T00:30:00.5+00:00"), Some(1_150_417_800_500));
        assert_eq!(ms("2006-06-15T24:00:00Z"), ms("2006-06-16T00:00:00Z"));
        assert_eq!(ms("0000-01-01T00:00:00+14:00"), Some(*WRITABLE.start()));
        assert_eq!(ms("9999-12-31T24:00:00Z"), Some(*WRITABLE.end()));
        for bad in [
            "",
            "2006-06-16",
            "2006-02-30T00:00:00Z",
            "2006-13-01T00:00:00Z",
            "2006-00-01T00:00:00Z",
            "2006-06-00T00:00:00Z",
            "2006-06-16T25:00:00Z",
            "2006-06-16T24:00:01Z",
            "2006-06-16T00:60:00Z",
            "2006-06-16T00:30:00.Z",
            "2006-06-16T00:30:00+1",
            "2006-06-16T00:30:00+15:00",
            "2006-06-16 00:30:00Z",
            "-006-06-16T00:30:00Z",
            "２００６-06-16T00:30:00Z",
        ] {
            assert_eq!(ms(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(at in WRITABLE) {
            prop_assert_eq!(ms(&write(Time::from_ms(at))), Some(at));
        }

        #[test]
        fn days_agree_with_another_calendar(at in -62_135_596_800_i64..=253_402_207_199) {
            let other = Timestamp::from_second(at).expect("in range").to_string();
            prop_assert_eq!(ms(&other), Some(at * 1000));
        }

        #[test]
        fn nothing_makes_it_panic(text in "[0-9TZ:.+\\- ]{0,40}|.{0,30}") {
            let _ = read(&text);
        }
    }
}
