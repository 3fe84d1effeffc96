//! Days as numbers: the proleptic Gregorian calendar without a clock or a zone.

/// Days since 1970-01-01.
pub(super) type DayNumber = i32;

/// Milliseconds of a day.
pub(super) const DAY_MS: i64 = 86_400_000;

/// The number of a date; months and days out of range are carried over.
pub(super) fn number(year: i32, month: i32, day: i32) -> DayNumber {
    let months = year * 12 + (month - 1);
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12));
    // Years begin in March here, so that the leap day is the last one.
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let before_month = (153 * month + 2) / 5;
    365 * year + leap_days + before_month + day - 1 - 719_468
}

/// Year, month (1 to 12) and day (1 to 31) of a number.
pub(super) fn date(day: DayNumber) -> (i32, i32, i32) {
    let since = day + 719_468;
    let era = since.div_euclid(146_097);
    let of_era = since.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = year_of_era + era * 400;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// 0 is Sunday.
pub(super) fn weekday(day: DayNumber) -> i32 {
    (day + 4).rem_euclid(7)
}

/// 28 to 31; the month may be out of range.
pub(super) fn days_in_month(year: i32, month: i32) -> i32 {
    number(year, month + 1, 1) - number(year, month, 1)
}

/// Day and millisecond of the day.
pub(super) fn split(ms: i64) -> (DayNumber, i64) {
    let day = ms.div_euclid(DAY_MS).clamp(i64::from(-3_000_000), i64::from(3_000_000));
    (day as DayNumber, ms.rem_euclid(DAY_MS))
}

/// The reverse of [`split`].
pub(super) fn join(day: DayNumber, ms_of_day: i64) -> i64 {
    i64::from(day) * DAY_MS + ms_of_day
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_dates_agree_with_jiff() {
        let mut date_of_jiff = jiff::civil::date(1899, 12, 30);
        let first = number(1899, 12, 30);
        for day in first..first + 80_000 {
            let (y, m, d) = date(day);
            assert_eq!(date_of_jiff, jiff::civil::date(y as i16, m as i8, d as i8));
            assert_eq!(number(y, m, d), day);
            let sunday_is_0 = date_of_jiff.weekday().to_sunday_zero_offset();
            assert_eq!(weekday(day), i32::from(sunday_is_0));
            assert_eq!(days_in_month(y, m), i32::from(date_of_jiff.days_in_month()));
            date_of_jiff = date_of_jiff.tomorrow().unwrap_or_default();
        }
        assert_eq!(number(1970, 1, 1), 0);
        assert_eq!(number(2026, 13, 1), number(2027, 1, 1));
    }
}
