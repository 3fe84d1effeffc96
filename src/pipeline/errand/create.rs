//! A new meeting, made exactly once: it carries a mark by which it is found again.

use std::sync::Arc;

use super::request::{self, Create};
use super::sent::Sent;
use super::{Answer, Ask, Course as _, Ending, Move, Stage, fault, out_of_turn, trouble};
use crate::model::{
    Address, BusyType, BusyWindow, Entry, Fault, FreeBusy, Hours, Invitee, Next, Now, Span, Time,
    UserId, WorkHours, WorkPeriod, WriteFault, Zone,
};
use crate::pipeline::limits::{PLACE_STEP, PLACE_TRIES};
use crate::pipeline::seal::{Installation, Stashed};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Whether it was made in an earlier life: the disk may have been lost, and the command have
    /// come again.
    Recall,
    /// It is to be placed, where it has no time yet.
    Choose,
    /// It is to be noted on the disk that it is being sent.
    Note,
    Send,
    /// Whether it is there.
    Look,
    /// It is there; as what.
    Name,
}

#[derive(Debug)]
pub(super) struct Course {
    wanted: Create,
    mark: Arc<str>,
    user: UserId,
    /// The one who calls the meeting, where it has to be placed.
    own: Arc<Address>,
    body: Stashed,
    installation: Arc<Installation>,
    phase: Phase,
    /// Where the organiser is, if nobody tells when they work and it is to be at working hours.
    zone: Option<Zone>,
    /// How often a guest's times could not be seen, and might have been later.
    tries: u8,
    sent: Sent,
}

impl Course {
    pub(super) fn new(
        now: Now,
        mut wanted: Create,
        (mark, user, own): (Arc<str>, UserId, Arc<Address>),
        (body, stage): (Stashed, Stage),
        installation: Arc<Installation>,
    ) -> Self {
        let phase = match stage {
            Stage::Accepted => Phase::Recall,
            Stage::Sending => Phase::Look,
        };
        let sent = Sent::new(now, stage);
        let all = std::mem::take(&mut wanted.meeting.invitees);
        wanted.meeting.invitees = once_each(&own, all);
        let (zone, tries) = (None, 0);
        Self { wanted, mark, user, own, body, installation, phase, zone, tries, sent }
    }

    fn done(&self, entry: &Entry) -> Move {
        let key = self.installation.record_key(&self.user, &entry.uid, None);
        Move::End(Ending::Done(Some(key), Some(entry.start)))
    }

    fn choose(&mut self, now: Now, all: &[Result<FreeBusy, Fault>]) -> Move {
        if let Some(fault) = self.unseen(all) {
            return Move::Again(fault);
        }
        let Some((asked, to, hours)) = self.wanted.between.take() else { return out_of_turn() };
        // It may have waited for a server until a part of the span was over.
        let from = asked.max(now.wall);
        let taken: Vec<_> = all.iter().flatten().flat_map(|one| engaged(asked, one)).collect();
        let length = self.wanted.length;
        let free = |off: Vec<(i64, i64)>| {
            first_free(from, to, length.as_ms(), [taken.as_slice(), &off].concat())
        };
        let start = match hours {
            Hours::Any => free(Vec::new()),
            Hours::Working => {
                let (own, others) = self.hours(all);
                let everybody = std::iter::once(&own).chain(others);
                let everybody = everybody.flat_map(|hours| off_work(from, to, hours)).collect();
                // People who work at opposite ends of the day meet when the organiser works.
                free(everybody).or_else(|| free(off_work(from, to, &own)))
            }
        };
        let Some(start) = start else {
            return Move::End(Ending::Failed("nobody's free times have one in common".into()));
        };
        self.wanted.meeting.start = start;
        self.wanted.meeting.end = start + length;
        self.phase = Phase::Note;
        self.go_on(now)
    }

    /// Why it is too early to choose. Whoever cannot be seen at all is taken for free, and so is a
    /// guest who might be seen later and never is: a server of theirs that does not answer ours is
    /// the same tomorrow. Without the organiser's own times nothing is chosen.
    fn unseen(&mut self, all: &[Result<FreeBusy, Fault>]) -> Option<Fault> {
        let fault = |one: &Result<FreeBusy, Fault>| one.as_ref().err().filter(may_pass).cloned();
        let own = all.first().and_then(fault);
        if own.is_some() {
            return own;
        }
        let guest = all.iter().find_map(fault)?;
        self.tries += 1;
        (self.tries < PLACE_TRIES).then_some(guest)
    }

    /// The organiser's hours, and those of the people who are invited, where they are told. A room
    /// has none of its own.
    fn hours<'a>(
        &self,
        all: &'a [Result<FreeBusy, Fault>],
    ) -> (WorkHours, impl Iterator<Item = &'a WorkHours>) {
        let told = |one: &'a Result<FreeBusy, Fault>| one.as_ref().ok()?.hours.as_ref();
        let own = all.first().and_then(told).cloned();
        let own = own.unwrap_or_else(|| WorkHours::usual(self.zone.unwrap_or_default()));
        let rooms: Vec<_> = self.wanted.meeting.invitees.iter().map(Invitee::is_room).collect();
        let others = all.iter().skip(1).zip(rooms).filter(|(_, is_room)| !is_room);
        (own, others.filter_map(move |(one, _)| told(one)))
    }
}

impl super::Course for Course {
    fn go_on(&mut self, now: Now) -> Move {
        match self.phase {
            Phase::Choose => match self.wanted.between {
                None => {
                    self.phase = Phase::Note;
                    self.go_on(now)
                }
                Some((_, _, Hours::Working)) if self.zone.is_none() => Move::Ask(Ask::Zone),
                Some((from, to, _)) => {
                    let mut all = vec![self.own.clone()];
                    let guests = self.wanted.meeting.invitees.iter();
                    all.extend(guests.map(|guest| Arc::new(guest.address.clone())));
                    Move::Ask(Ask::FreeBusy(all, window(from, to)))
                }
            },
            Phase::Note => {
                if self.wanted.meeting.end <= self.wanted.meeting.start {
                    return Move::End(Ending::Refused("the meeting has no length".into()));
                }
                let start = self.wanted.meeting.start;
                match request::placed(&self.body, start, &self.installation) {
                    Ok(body) => Move::Stage(Some(body)),
                    Err(fault) => trouble(fault),
                }
            }
            Phase::Send => {
                let meeting = Box::new(self.wanted.meeting.clone());
                Move::Ask(Ask::Create(meeting, self.mark.clone()))
            }
            Phase::Recall | Phase::Look | Phase::Name => {
                self.sent.look(now);
                Move::Ask(Ask::Created(self.mark.clone()))
            }
        }
    }

    fn noted(&mut self, now: Now) -> Move {
        self.sent.note();
        self.phase = Phase::Send;
        self.go_on(now)
    }

    fn answered(&mut self, now: Now, answer: Result<Answer, WriteFault>) -> Move {
        match (self.phase, answer) {
            (Phase::Choose, Ok(Answer::Zone(zone))) => {
                self.zone = Some(zone.unwrap_or_default());
                self.go_on(now)
            }
            (Phase::Choose, Ok(Answer::FreeBusy(all))) => self.choose(now, &all),
            (Phase::Send, Ok(Answer::Done)) => {
                self.phase = Phase::Name;
                self.go_on(now)
            }
            (Phase::Send, Err(WriteFault::InDoubt(fault))) => {
                self.phase = Phase::Look;
                self.sent.doubted(now, fault)
            }
            (Phase::Recall | Phase::Look | Phase::Name, Ok(Answer::Created(Some(entry)))) => {
                self.done(&entry)
            }
            (Phase::Recall, Ok(Answer::Created(None))) => {
                self.phase = Phase::Choose;
                self.go_on(now)
            }
            (Phase::Look, Ok(Answer::Created(None))) => {
                if let Some(wait) = self.sent.unsettled() {
                    return wait;
                }
                self.phase = Phase::Send;
                self.sent.settle().unwrap_or_else(|| self.go_on(now))
            }
            // It is there; what it is called there was a courtesy.
            (Phase::Name, _) => Move::End(Ending::Done(None, Some(self.wanted.meeting.start))),
            (Phase::Look, Err(failed)) => Move::Again(fault(failed)),
            (_, Err(failed)) => trouble(fault(failed)),
            (_, Ok(_)) => out_of_turn(),
        }
    }

    fn is_in_doubt(&self) -> bool {
        self.sent.is_in_doubt()
    }
}

fn may_pass(fault: &&Fault) -> bool {
    matches!(fault.next, Next::Retry { .. } | Next::BackOff { .. } | Next::Moved)
}

/// Nobody is invited twice, and the organiser is not invited by themselves.
fn once_each(own: &Address, all: Vec<Invitee>) -> Vec<Invitee> {
    let mut kept: Vec<Invitee> = Vec::with_capacity(all.len());
    for one in all {
        if one.address != *own && kept.iter().all(|other| other.address != one.address) {
            kept.push(one);
        }
    }
    kept
}

fn window(from: Time, to: Time) -> BusyWindow {
    let minutes = PLACE_STEP.as_ms() / 60_000;
    BusyWindow { from, to, interval_minutes: u16::try_from(minutes).unwrap_or(15) }
}

/// The first time of a length on a quarter of an hour that is not taken.
fn first_free(from: Time, to: Time, length_ms: u64, mut taken: Vec<(i64, i64)>) -> Option<Time> {
    let step = i64::try_from(PLACE_STEP.as_ms()).ok()?;
    let length = i64::try_from(length_ms).ok()?;
    taken.sort_unstable();
    let mut start = next_step(from.as_ms(), step);
    for (begins, ends) in taken {
        if begins >= start.saturating_add(length) {
            break;
        }
        if ends > start {
            start = next_step(ends, step);
        }
    }
    (start.saturating_add(length) <= to.as_ms()).then(|| Time::from_ms(start))
}

fn next_step(at: i64, step: i64) -> i64 {
    at.saturating_add(step - 1).div_euclid(step).saturating_mul(step)
}

/// All but somebody's hours.
fn off_work(from: Time, to: Time, hours: &WorkHours) -> Vec<(i64, i64)> {
    let zone = hours.zone;
    let mut off = Vec::new();
    let mut midnight = zone.midnight(from);
    while midnight < to {
        let next = zone.next_midnight(midnight);
        // A local midnight is less than 13 hours from that of UTC whose day it begins; 1970 began
        // on a Thursday.
        let day = (midnight + Span::HOUR.times(13)).midnight().as_ms() / Span::DAY.as_ms() as i64;
        let weekday = usize::try_from((day + 4).rem_euclid(7)).unwrap_or(0);
        let at = |minute: u16| clock_shows(minute, midnight, next);
        let on = |period: &&WorkPeriod| period.days.get(weekday) == Some(&true);
        let mut on: Vec<_> = hours.periods.iter().filter(on).collect();
        on.sort_unstable_by_key(|period| period.from);
        let mut since = midnight;
        for period in on {
            if at(period.from) > since {
                off.push((since.as_ms(), at(period.from).as_ms()));
            }
            since = since.max(at(period.to));
        }
        off.push((since.as_ms(), next.as_ms()));
        midnight = next;
    }
    off
}

/// When the clock shows a minute of a day. Where it is set in that day, it is set in its first
/// hours: what is later is counted from the day's end.
fn clock_shows(minute: u16, midnight: Time, next: Time) -> Time {
    const SET_BEFORE: u16 = 4 * 60;
    const DAY: u16 = 24 * 60;
    if minute < SET_BEFORE {
        return midnight + Span::MINUTE.times(minute.into());
    }
    let left = Span::MINUTE.times(DAY.saturating_sub(minute).into()).as_ms();
    Time::from_ms(next.as_ms().saturating_sub_unsigned(left)).max(midnight)
}

/// When somebody is engaged, and whoever works elsewhere is not: by what is listed, or by the
/// digits where nothing is.
fn engaged(from: Time, one: &FreeBusy) -> Vec<(i64, i64)> {
    if !one.engagements.is_empty() {
        let listed = one.engagements.iter();
        let listed = listed.filter(|one| !matches!(one.busy, BusyType::Free | BusyType::Elsewhere));
        return listed.map(|one| (one.start.as_ms(), one.end.as_ms())).collect();
    }
    let digits = one.merged.as_deref().unwrap_or_default().bytes().enumerate();
    // 4 is elsewhere, or says nothing.
    let busy = digits.filter(|(_, digit)| matches!(digit, b'1'..=b'3'));
    let at = |n: usize| (from + PLACE_STEP.times(n as u64)).as_ms();
    busy.map(|(n, _)| (at(n), at(n + 1))).collect()
}
