//! Keeps lines within their limits on the way to whatever writes them.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata};
use tracing_subscriber::layer::{Context, Filter};

use super::condition::LINES_LEFT_OUT;
use super::limit::{LeftOut, Limits, Line};
use super::severity;
use crate::condition;
use crate::model::Time;

/// Of the whole process, as the journal is.
static LIMITS: Mutex<Option<Limits>> = Mutex::new(None);

fn limits<T>(work: impl FnOnce(&mut Limits) -> T) -> T {
    let mut limits = LIMITS.lock().unwrap_or_else(PoisonError::into_inner);
    work(limits.get_or_insert_default())
}

/// It is so late now (monotonic): tells of intervals that are over what was left out.
pub fn tick(now: Time) {
    tell(limits(|limits| limits.tick(now)));
}

/// The service stops: tells what was left out so far.
pub fn stop() {
    tell(limits(Limits::stop));
}

fn tell(all: Vec<LeftOut>) {
    for LeftOut { kind, count } in all {
        condition!(warn, LINES_LEFT_OUT, OF = kind, SUPPRESSED = count,;
            "{count} more lines of {kind} in the last five minutes, not written one by one");
    }
}

/// The filter of whatever writes lines.
pub(super) struct Restraint;

impl<S> Filter<S> for Restraint {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let data = event.metadata();
        if *data.level() > Level::INFO || data.target() == severity::CRITICAL {
            return true;
        }
        let mut seen = Seen::default();
        event.record(&mut seen);
        if seen.condition == LINES_LEFT_OUT.name {
            return true;
        }
        let kind = match seen.condition.is_empty() {
            true => data.target(),
            false => &seen.condition,
        };
        let Seen { calendar, cause, .. } = &seen;
        // Each command is another matter, also where all are one user's.
        let user = if seen.command.is_empty() { &*seen.user } else { "" };
        limits(|limits| limits.takes(&Line { kind, calendar, user, cause }))
    }
}

#[derive(Default)]
struct Seen {
    condition: String,
    calendar: String,
    user: String,
    command: String,
    cause: String,
}

impl Seen {
    fn place(&mut self, field: &Field) -> Option<&mut String> {
        Some(match field.name() {
            "CONDITION" => &mut self.condition,
            "CALENDAR" => &mut self.calendar,
            "USER_ID" => &mut self.user,
            "COMMAND_ID" => &mut self.command,
            "CAUSE" => &mut self.cause,
            _ => return None,
        })
    }
}

impl Visit for Seen {
    fn record_str(&mut self, field: &Field, value: &str) {
        if let Some(place) = self.place(field) {
            place.push_str(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if let Some(place) = self.place(field) {
            *place = format!("{value:?}");
        }
    }
}
