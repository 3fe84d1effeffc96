//! The errands of one calendar: which of them may go on, and when.
//!
//! **Promise.** Of one mailbox what commands write goes in the order in which it was accepted, one
//! at a time; nobody waits for another mailbox's. What somebody asked for goes before what a
//! reading noticed, of which there may be thousands at once; of that, one that fails lets the next
//! one go. At most [`limits::ERRANDS_AT_ONCE`] ask something at once, and after a mailbox's server
//! asked for rest nothing of this mailbox is asked before it is over. Whoever is not active is not
//! touched.
//!
//! Which other mailboxes are on that server only the provider knows. It sends nothing there while
//! it rests (port, promise 7) and says at once how long that is; each of them learns it by its own
//! question, and those on other servers go on.
//!
//! Contract: [`Desk::handle`] one input, then [`Desk::drain`] all outputs and carry them out. Each
//! [`Output::Ask`] is answered by exactly one [`Input::Answered`] and each [`Output::Advance`] by
//! exactly one [`Input::Advanced`], with its ticket.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::request::{self, Request};
use super::track::Track;
use super::{
    Advance, Answer, Ask, Course, Ending, ErrandKind, Filed, Move, Remark, Rules, Stage, Useless,
    attend, create, decorate, free_busy, noticed, respond, told,
};
use crate::model::{Address, CommandId, Fault, Next, Now, Span, Time, UserId, WriteFault};
use crate::pipeline::command::NO_LONGER_ACTIVE;
use crate::pipeline::limits;
use crate::pipeline::pace::{Dice, Pace};
use crate::pipeline::seal::{Installation, Stashed};

/// Names what an errand waits for, so that the answer finds back.
pub type Ticket = u64;

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// This mailbox is active, with this address.
    Added(UserId, Arc<Address>),
    /// It is not any more; the disk has dropped its errands.
    Removed(UserId),
    /// These are on the disk.
    Filed(Vec<Filed>),
    /// For [`Output::Ask`].
    Answered(Ticket, Result<Answer, WriteFault>),
    /// For [`Output::Advance`]: whether the errand was still there.
    Advanced(Ticket, Result<bool, Fault>),
    /// These rules count for what is filed from now on; what has begun ends as it began.
    Ruled(Rules),
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask in this user's name.
    Ask(Ticket, UserId, Ask),
    /// Write this.
    Advance(Ticket, Box<Advance>),
    /// Say this.
    Note(Note),
}

/// What is to be said of an errand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// It fails again and again, for this reason, and is tried again.
    Waits(UserId, CommandId, Fault),
    /// It goes on after that.
    GoesOn(UserId, CommandId),
    /// It ended: its command's type, and how. Of what no command began only where it failed, or
    /// had waited.
    Ended(UserId, CommandId, &'static str, String),
    /// Something of an invitation in this user's calendar is remarkable.
    Remark(UserId, CommandId, Remark),
}

#[derive(Debug)]
struct Job {
    id: CommandId,
    user: UserId,
    kind: ErrandKind,
    stage: Stage,
    /// When a failure is its last, by our own clock: one that is set takes nobody's time away.
    last: Time,
    course: Box<dyn Course>,
    /// What the disk did not take yet.
    unwritten: Option<Box<Advance>>,
    ticket: Option<Ticket>,
    due: Time,
    pace: Pace,
    waits: bool,
}

/// What of one mailbox goes one after the other.
type Lane = (UserId, Track);

/// The machine.
#[derive(Debug)]
pub struct Desk {
    installation: Arc<Installation>,
    rules: Rules,
    dice: Dice,
    people: HashMap<UserId, Arc<Address>>,
    jobs: BTreeMap<i64, Job>,
    lanes: BTreeMap<Lane, VecDeque<i64>>,
    /// Those at the head of their lanes that wait for a time or a place.
    due: BTreeSet<(Time, i64)>,
    /// The same of what was noticed.
    noticed: BTreeSet<(Time, i64)>,
    /// Of a job that was removed meanwhile there is none. True: it has a place.
    tickets: HashMap<Ticket, (i64, bool)>,
    last_ticket: Ticket,
    asking: usize,
    /// Until then the server of this mailbox rests.
    rests: HashMap<UserId, Time>,
    out: Vec<Output>,
}

impl Desk {
    /// Nobody, and nothing to do.
    pub fn new(installation: Arc<Installation>, rules: Rules, seed: u64) -> Self {
        Self {
            installation,
            rules,
            dice: Dice::new(seed),
            people: HashMap::new(),
            jobs: BTreeMap::new(),
            lanes: BTreeMap::new(),
            due: BTreeSet::new(),
            noticed: BTreeSet::new(),
            tickets: HashMap::new(),
            last_ticket: 0,
            asking: 0,
            rests: HashMap::new(),
            out: Vec::new(),
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Added(user, address) => drop(self.people.insert(user, address)),
            Input::Removed(user) => self.removed(&user),
            Input::Filed(all) => all.into_iter().for_each(|filed| self.filed(now, filed)),
            Input::Answered(ticket, answer) => self.answered(now, ticket, answer),
            Input::Advanced(ticket, there) => self.advanced(now, ticket, there),
            Input::Ruled(rules) => self.rules = rules,
            Input::Tick => {}
        }
        self.go_on(now);
    }

    /// What is to be done, in order. To be emptied after each input.
    pub fn drain(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// When the next [`Input::Tick`] is due.
    pub fn wake_at(&self) -> Option<Time> {
        let has_place = self.asking < limits::ERRANDS_AT_ONCE;
        let first = [&self.due, &self.noticed].into_iter().filter_map(BTreeSet::first).min();
        first.filter(|_| has_place).map(|(at, _)| *at)
    }

    fn removed(&mut self, user: &UserId) {
        self.people.remove(user);
        self.rests.remove(user);
        for track in Track::ALL {
            for row in self.lanes.remove(&(user.clone(), track)).unwrap_or_default() {
                if let Some(job) = self.jobs.remove(&row) {
                    self.waiting(job.kind).remove(&(job.due, row));
                    self.orphaned(job);
                }
            }
        }
    }

    /// Its user is not active any more: the disk dropped it and told the cloud. Nobody else says
    /// that it waits no more.
    fn orphaned(&mut self, job: Job) {
        let is_told = job.unwritten.is_some_and(|advance| advance.done);
        if !is_told && (!job.kind.is_local() || job.waits) {
            let how = format!("refused: {NO_LONGER_ACTIVE}");
            let (what, user) = (job.kind.command(), job.user);
            self.out.push(Output::Note(Note::Ended(user, job.id, what, how)));
        }
    }

    /// Which errand this ticket is of, as long as it is there: its user, its id and its command's
    /// type.
    pub fn errand(&self, ticket: Ticket) -> Option<(&UserId, &CommandId, &'static str)> {
        let (row, _) = self.tickets.get(&ticket)?;
        self.jobs.get(row).map(|job| (&job.user, &job.id, job.kind.command()))
    }

    fn filed(&mut self, now: Now, filed: Filed) {
        let Filed { row, id, user, kind, stage, body, born } = filed;
        if self.jobs.contains_key(&row) {
            return;
        }
        let Some(address) = self.people.get(&user).cloned() else { return };
        let course = self.course(now, (&id, &user, address), kind, (body, stage));
        let lane = (user.clone(), Track::of(kind));
        let left = lane.1.life().as_ms().saturating_sub(now.wall.since(born).as_ms());
        let last = now.mono + Span::from_ms(left);
        let (unwritten, ticket, pace, due) = (None, None, Pace::default(), now.mono);
        let waits = false;
        let job = Job { id, user, kind, stage, last, course, unwritten, ticket, due, pace, waits };
        self.jobs.insert(row, job);
        let lane = self.lanes.entry(lane).or_default();
        lane.push_back(row);
        if lane.len() == 1 {
            self.wait(row, due);
        }
    }

    /// Those of a kind that wait at the head of their lanes.
    fn waiting(&mut self, kind: ErrandKind) -> &mut BTreeSet<(Time, i64)> {
        if kind.is_local() { &mut self.noticed } else { &mut self.due }
    }

    fn course(
        &self,
        now: Now,
        (id, user, own): (&CommandId, &UserId, Arc<Address>),
        kind: ErrandKind,
        (body, stage): (Stashed, Stage),
    ) -> Box<dyn Course> {
        let (user, installation) = (user.clone(), self.installation.clone());
        let with = (self.rules.clone(), installation.clone());
        if kind.is_local() {
            return match noticed::open(&body, &installation) {
                Err(fault) => Box::new(Useless(fault)),
                Ok(one) => Box::new(attend::Course::new(now, one, user, stage, with)),
            };
        }
        match request::open(kind, &body, &installation) {
            Err(fault) => Box::new(Useless(fault)),
            Ok(Request::Create(wanted)) => {
                let whom = (mark(&installation, id), user, own);
                let kept = (body, stage);
                Box::new(create::Course::new(now, wanted, whom, kept, installation))
            }
            Ok(Request::Respond(wanted)) => {
                Box::new(respond::Course::new(now, wanted, user, stage, installation))
            }
            Ok(Request::FreeBusy(question)) => {
                Box::new(free_busy::Course::new(id.clone(), question))
            }
            Ok(Request::Decorate(wanted)) => {
                Box::new(decorate::Course::new(now, *wanted, user, stage, with))
            }
        }
    }

    /// Sets off what is due, as long as there are places.
    fn go_on(&mut self, now: Now) {
        while self.asking < limits::ERRANDS_AT_ONCE {
            let due = |all: &BTreeSet<_>| all.first().copied().filter(|(at, _)| *at <= now.mono);
            let Some((at, row)) = due(&self.due).or_else(|| due(&self.noticed)) else { return };
            self.due.remove(&(at, row));
            self.noticed.remove(&(at, row));
            let Some(job) = self.jobs.get(&row) else { continue };
            if let Some(unwritten) = job.unwritten.clone() {
                self.advance(row, unwritten);
                continue;
            }
            if let Some(until) = self.rest_of(now, row) {
                self.wait(row, until);
                continue;
            }
            let Some(job) = self.jobs.get_mut(&row) else { continue };
            let next = job.course.go_on(now);
            self.step(now, row, next);
        }
    }

    fn answered(&mut self, now: Now, ticket: Ticket, answer: Result<Answer, WriteFault>) {
        let Some((row, has_place)) = self.tickets.remove(&ticket) else { return };
        self.asking -= usize::from(has_place);
        let Some(job) = self.jobs.get_mut(&row).filter(|job| job.ticket == Some(ticket)) else {
            return;
        };
        job.ticket = None;
        let next = job.course.answered(now, answer);
        // An answer on the way says nothing of the one that fails each time.
        if matches!(next, Move::Stage(_) | Move::End(_)) {
            job.pace.reset();
            if std::mem::take(&mut job.waits) {
                self.out.push(Output::Note(Note::GoesOn(job.user.clone(), job.id.clone())));
            }
        }
        self.step(now, row, next);
    }

    fn advanced(&mut self, now: Now, ticket: Ticket, there: Result<bool, Fault>) {
        let Some((row, _)) = self.tickets.remove(&ticket) else { return };
        let Some(job) = self.jobs.get_mut(&row).filter(|job| job.ticket == Some(ticket)) else {
            return;
        };
        job.ticket = None;
        match there {
            // Its user is not active any more: what it would do is done in nobody's name.
            Ok(false) => {
                if let Some(job) = self.drop_job(now, row) {
                    self.orphaned(job);
                }
            }
            Err(_) => self.wait(row, now.mono + limits::STORE_RETRY),
            Ok(true) => {
                let done = job.unwritten.take().is_some_and(|advance| advance.done);
                if done {
                    self.drop_job(now, row);
                    return;
                }
                job.stage = Stage::Sending;
                let next = job.course.noted(now);
                self.step(now, row, next);
            }
        }
    }

    fn step(&mut self, now: Now, row: i64, next: Move) {
        let rest = self.rest_of(now, row);
        let Some(job) = self.jobs.get_mut(&row) else { return };
        match next {
            // What is wanted of it is found out again when there is a place.
            Move::Ask(_) if rest.is_some() || self.asking >= limits::ERRANDS_AT_ONCE => {
                self.wait(row, rest.unwrap_or(now.mono));
            }
            Move::Ask(ask) => {
                let user = job.user.clone();
                let ticket = self.ticket(row, true);
                self.out.push(Output::Ask(ticket, user, ask));
            }
            Move::Stage(body) => {
                let (id, stage) = (job.id.clone(), Stage::Sending);
                let (told, done, anew) = (Vec::new(), false, None);
                let advance = Advance { row, id, stage, body, told, done, anew };
                self.advance(row, Box::new(advance));
            }
            Move::Wait(until) => {
                job.due = until;
                self.give_way(now, row);
            }
            Move::Again(fault) => self.again(now, row, &fault),
            Move::End(ending) => self.end(row, ending),
        }
    }

    fn end(&mut self, row: i64, ending: Ending) {
        let Some(job) = self.jobs.get_mut(&row) else { return };
        let how = match &ending {
            Ending::Done(..) | Ending::Answered(_) => "done".to_owned(),
            Ending::Refused(why) => format!("refused: {why}"),
            Ending::Failed(why) => format!("failed: {why}"),
        };
        let (id, stage, kind, user) = (job.id.clone(), job.stage, job.kind, job.user.clone());
        if let Some(remark) = job.course.remark() {
            self.out.push(Output::Note(Note::Remark(user.clone(), id.clone(), remark)));
        }
        let waited = std::mem::take(&mut job.waits);
        if !kind.is_local() || waited || matches!(ending, Ending::Failed(_)) {
            self.out.push(Output::Note(Note::Ended(user, id.clone(), kind.command(), how)));
        }
        let anew = if job.course.is_anew() { noticed::tag(&id) } else { None };
        let told = told::ending(&id, kind, ending).into_iter().collect();
        let advance = Advance { row, id, stage, body: None, told, done: true, anew };
        self.advance(row, Box::new(advance));
    }

    fn again(&mut self, now: Now, row: i64, fault: &Fault) {
        let Some(job) = self.jobs.get_mut(&row) else { return };
        let pace = Track::of(job.kind).pace();
        if now.mono > job.last {
            let doubt = job.course.is_in_doubt();
            let what = if doubt { "whether it took effect is not known" } else { "given up" };
            return self.end(row, Ending::Failed(format!("{what}: {}", fault.cause.code)));
        }
        let asked = match fault.next {
            Next::Retry { after } | Next::BackOff { after } => after,
            Next::SignIn => Some(Span::MINUTE),
            _ => None,
        };
        let until = job.pace.fail(now.mono, pace, asked, &mut self.dice);
        if matches!(fault.next, Next::BackOff { .. }) {
            let rest = self.rests.entry(job.user.clone()).or_default();
            *rest = (*rest).max(until);
        }
        if job.pace.failures() >= limits::ERRAND_FAILS && !std::mem::replace(&mut job.waits, true) {
            self.out.push(Output::Note(Note::Waits(
                job.user.clone(),
                job.id.clone(),
                fault.clone(),
            )));
        }
        job.due = until;
        self.give_way(now, row);
    }

    /// It waits; of what was noticed the next one has its turn meanwhile.
    fn give_way(&mut self, now: Now, row: i64) {
        let Some(job) = self.jobs.get(&row) else { return };
        let (due, kind, lane) = (job.due, job.kind, (job.user.clone(), Track::of(job.kind)));
        let rows = self.lanes.get_mut(&lane).filter(|rows| kind.is_local() && rows.len() > 1);
        let Some(rows) = rows else { return self.wait(row, due) };
        rows.rotate_left(1);
        if let Some(next) = rows.front().copied() {
            self.turn(now, next);
        }
    }

    /// It came to the head of its lane.
    fn turn(&mut self, now: Now, row: i64) {
        let due = self.jobs.get(&row).map_or(now.mono, |job| job.due.max(now.mono));
        self.wait(row, due);
    }

    /// Until when the server of this mailbox rests, where it does.
    fn rest_of(&self, now: Now, row: i64) -> Option<Time> {
        let until = *self.rests.get(&self.jobs.get(&row)?.user)?;
        (until > now.mono).then_some(until)
    }

    fn wait(&mut self, row: i64, until: Time) {
        let Some(job) = self.jobs.get_mut(&row) else { return };
        job.due = until;
        let kind = job.kind;
        self.waiting(kind).insert((until, row));
    }

    fn advance(&mut self, row: i64, advance: Box<Advance>) {
        let Some(job) = self.jobs.get_mut(&row) else { return };
        job.unwritten = Some(advance.clone());
        let ticket = self.ticket(row, false);
        self.out.push(Output::Advance(ticket, advance));
    }

    fn ticket(&mut self, row: i64, has_place: bool) -> Ticket {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.asking += usize::from(has_place);
        self.tickets.insert(ticket, (row, has_place));
        if let Some(job) = self.jobs.get_mut(&row) {
            job.ticket = Some(ticket);
        }
        ticket
    }

    /// The next of its lane has its turn.
    fn drop_job(&mut self, now: Now, row: i64) -> Option<Job> {
        let job = self.jobs.remove(&row)?;
        self.waiting(job.kind).remove(&(job.due, row));
        let lane = (job.user.clone(), Track::of(job.kind));
        let rows = self.lanes.get_mut(&lane)?;
        rows.retain(|other| *other != row);
        match rows.front().copied() {
            Some(next) => self.turn(now, next),
            None => drop(self.lanes.remove(&lane)),
        }
        Some(job)
    }
}

/// What a meeting that a command made is found by: it tells nothing, and is the same each time.
fn mark(installation: &Installation, id: &CommandId) -> Arc<str> {
    installation.tag(&[b"command", id.as_str().as_bytes()]).hex().into()
}
