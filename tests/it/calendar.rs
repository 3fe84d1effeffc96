//! The whole calendar: whatever stands in it reaches the records, through the real provider and the
//! real passes, and is held against the lab's second, slow reading of the same calendar.

mod desk;
mod failing;
mod kinds;
mod large;
mod rooms;
mod series;
mod times;
mod twins;
mod versions;

/// 2026-03-02T00:00:00Z, a Monday.
const MONDAY: i64 = 1_772_409_600_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
