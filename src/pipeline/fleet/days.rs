//! The mailboxes' own midnights: each window begins anew with its own day.

use super::{Fleet, Queue};
use crate::model::{Now, Span, Time, Zone};
use crate::pipeline::limits;

/// A time zone, and the day that it is there.
#[derive(Debug)]
struct Day {
    zone: Zone,
    /// Mailboxes that live in it.
    mailboxes: usize,
    from: Time,
    to: Time,
}

impl Day {
    fn at(zone: Zone, wall: Time) -> Self {
        let (from, to) = (zone.midnight(wall), zone.next_midnight(wall));
        // A zone whose rules contradict themselves must not have a new day at each look.
        let to = if wall < to { to } else { wall + Span::HOUR };
        Self { zone, mailboxes: 0, from: from.min(wall), to }
    }

    fn holds(&self, wall: Time) -> bool {
        self.from <= wall && wall < self.to
    }
}

/// The days of all time zones that a mailbox lives in: few, however many mailboxes.
#[derive(Debug, Default)]
pub(super) struct Days {
    zones: Vec<Day>,
    /// In this time no zone's day ends.
    calm: Option<(Time, Time)>,
}

impl Days {
    /// The place of a zone in the list.
    pub(super) fn zone(&mut self, zone: Zone, wall: Time) -> usize {
        if let Some(at) = self.zones.iter().position(|day| day.zone == zone) {
            return at;
        }
        let day = Day::at(zone, wall);
        let at = match self.zones.iter().position(|day| day.mailboxes == 0) {
            Some(free) => {
                self.zones[free] = day;
                free
            }
            None => {
                self.zones.push(day);
                self.zones.len() - 1
            }
        };
        self.reckon();
        at
    }

    /// One more mailbox lives there, or one less; a zone that is nobody's makes room.
    pub(super) fn count(&mut self, at: usize, more: bool) {
        let Some(day) = self.zones.get_mut(at) else { return };
        day.mailboxes = if more { day.mailboxes + 1 } else { day.mailboxes.saturating_sub(1) };
    }

    /// How many zones are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.zones.len()
    }

    /// The zone at this place.
    pub(super) fn get(&self, at: usize) -> Zone {
        self.zones.get(at).map(|day| day.zone).unwrap_or_default()
    }

    /// How long until the next day begins somewhere.
    pub(super) fn next(&self, wall: Time) -> Option<Span> {
        self.calm.map(|(_, to)| to.since(wall))
    }

    fn reckon(&mut self) {
        let from = self.zones.iter().map(|day| day.from).max();
        self.calm = from.zip(self.zones.iter().map(|day| day.to).min());
    }

    /// Which zones have another day now than before.
    fn roll(&mut self, wall: Time) -> Vec<bool> {
        let Some((from, to)) = self.calm else { return Vec::new() };
        if from <= wall && wall < to {
            return Vec::new();
        }
        let over = self.zones.iter().map(|day| !day.holds(wall)).collect();
        for day in self.zones.iter_mut().filter(|day| !day.holds(wall)) {
            *day = Day { mailboxes: day.mailboxes, ..Day::at(day.zone, wall) };
        }
        self.reckon();
        over
    }
}

impl Fleet {
    /// Where a new day began, or the wall clock jumped over one: homes are asked for again, a
    /// hundred at a time, and every window is read anew, spread over some time.
    pub(super) fn roll_days(&mut self, now: Now) {
        let over = self.days.roll(now.wall);
        if over.is_empty() {
            return;
        }
        for at in 0..self.mailboxes.len() {
            let zone = self.place(at).map(|place| place.zone);
            if !zone.and_then(|zone| over.get(zone)).is_some_and(|over| *over) {
                continue;
            }
            if let Some(mailbox) = self.mailbox(at) {
                mailbox.new_day = true;
                if mailbox.run.is_some() && mailbox.again == Queue::None {
                    mailbox.again = Queue::Backlog;
                }
            }
            self.seek(at, false);
        }
    }

    /// Its window is read anew some time soon; true where that is what it waited for.
    pub(super) fn read_new_day(&mut self, now: Now, at: usize) -> bool {
        let each = limits::MIDNIGHT_EACH.as_ms();
        let spread = (each * self.names.len() as u64).min(limits::MIDNIGHT_SPREAD.as_ms());
        let due = now.mono + Span::from_ms(self.dice.below(spread + 1));
        let Some(mailbox) = self.mailbox(at) else { return false };
        if !std::mem::take(&mut mailbox.new_day) {
            return false;
        }
        let idle = mailbox.run.is_none() && mailbox.queue == Queue::None;
        let later = mailbox.timer.is_none_or(|timer| timer > due);
        // One that fails has a timer of its own, unless its home was what it asked for.
        let fails = mailbox.pace.failures() > 0 && mailbox.timer.is_some();
        if idle && !fails && later {
            self.set_timer(at, Some(due));
        }
        true
    }
}
