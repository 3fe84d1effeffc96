//! The errands of one calendar: which of them may go on, and when.
//!
//! **Promise.** Of one mailbox what writes goes in the order in which it was accepted, one at a
//! time; nobody waits for another mailbox's. At most [`limits::ERRANDS_AT_ONCE`] ask something at
//! once, and after a mailbox's server asked for rest nothing of this mailbox is asked before it is
//! over. Whoever is not active is not touched.
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
use super::{
    Advance, Answer, Ask, Ending, ErrandKind, Filed, Move, Stage, create, free_busy, respond, told,
};
use crate::model::{Address, CommandId, Fault, Next, Now, Span, Time, UserId, WriteFault};
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
    Waits(CommandId, Fault),
    /// It goes on after that.
    GoesOn(CommandId),
    /// It ended: its command's type, and how.
    Ended(CommandId, &'static str, String),
}

#[derive(Debug)]
enum Course {
    Create(Box<create::Course>),
    Respond(Box<respond::Course>),
    FreeBusy(Box<free_busy::Course>),
    /// What is on the disk is of no use.
    Useless(Fault),
}

#[derive(Debug)]
struct Job {
    id: CommandId,
    user: UserId,
    kind: ErrandKind,
    stage: Stage,
    born: Time,
    course: Course,
    /// What the disk did not take yet.
    unwritten: Option<Box<Advance>>,
    ticket: Option<Ticket>,
    due: Time,
    pace: Pace,
    waits: bool,
}

/// Of one mailbox what writes has a lane, and what asks has another.
type Lane = (UserId, bool);

/// The machine.
#[derive(Debug)]
pub struct Desk {
    installation: Arc<Installation>,
    dice: Dice,
    people: HashMap<UserId, Arc<Address>>,
    jobs: BTreeMap<i64, Job>,
    lanes: BTreeMap<Lane, VecDeque<i64>>,
    /// Those at the head of their lanes that wait for a time or a place.
    due: BTreeSet<(Time, i64)>,
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
    pub fn new(installation: Arc<Installation>, seed: u64) -> Self {
        Self {
            installation,
            dice: Dice::new(seed),
            people: HashMap::new(),
            jobs: BTreeMap::new(),
            lanes: BTreeMap::new(),
            due: BTreeSet::new(),
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
        self.due.first().filter(|_| has_place).map(|(at, _)| *at)
    }

    fn removed(&mut self, user: &UserId) {
        self.people.remove(user);
        self.rests.remove(user);
        for only_asks in [false, true] {
            for row in self.lanes.remove(&(user.clone(), only_asks)).unwrap_or_default() {
                if let Some(job) = self.jobs.remove(&row) {
                    self.due.remove(&(job.due, row));
                }
            }
        }
    }

    fn filed(&mut self, now: Now, filed: Filed) {
        let Filed { row, id, user, kind, stage, body, born } = filed;
        if self.jobs.contains_key(&row) {
            return;
        }
        let Some(address) = self.people.get(&user).cloned() else { return };
        let course = self.course(now, (&id, &user, address), kind, (body, stage));
        let lane = (user.clone(), kind.only_asks());
        let (unwritten, ticket, pace, due) = (None, None, Pace::default(), now.mono);
        let waits = false;
        let job = Job { id, user, kind, stage, born, course, unwritten, ticket, due, pace, waits };
        self.jobs.insert(row, job);
        let lane = self.lanes.entry(lane).or_default();
        lane.push_back(row);
        if lane.len() == 1 {
            self.due.insert((due, row));
        }
    }

    fn course(
        &self,
        now: Now,
        (id, user, own): (&CommandId, &UserId, Arc<Address>),
        kind: ErrandKind,
        (body, stage): (Stashed, Stage),
    ) -> Course {
        let installation = self.installation.clone();
        match request::open(kind, &body, &installation) {
            Err(fault) => Course::Useless(fault),
            Ok(Request::Create(wanted)) => {
                let whom = (mark(&installation, id), user.clone(), own);
                let kept = (body, stage);
                let course = create::Course::new(now.mono, wanted, whom, kept, installation);
                Course::Create(Box::new(course))
            }
            Ok(Request::Respond(wanted)) => {
                let user = user.clone();
                let course = respond::Course::new(now.mono, wanted, user, stage, installation);
                Course::Respond(Box::new(course))
            }
            Ok(Request::FreeBusy(question)) => {
                Course::FreeBusy(Box::new(free_busy::Course::new(id.clone(), question)))
            }
        }
    }

    /// Sets off what is due, as long as there are places.
    fn go_on(&mut self, now: Now) {
        while self.asking < limits::ERRANDS_AT_ONCE {
            let Some(&(due, row)) = self.due.first() else { return };
            if due > now.mono {
                return;
            }
            self.due.remove(&(due, row));
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
            let next = match &mut job.course {
                Course::Create(course) => course.go_on(now.mono),
                Course::Respond(course) => course.go_on(now.mono),
                Course::FreeBusy(course) => course.go_on(),
                Course::Useless(fault) => Move::End(Ending::Failed(fault.cause.code.clone())),
            };
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
        if answer.is_ok() {
            job.pace.reset();
            if std::mem::take(&mut job.waits) {
                self.out.push(Output::Note(Note::GoesOn(job.id.clone())));
            }
        }
        let next = match &mut job.course {
            Course::Create(course) => course.answered(now.mono, answer),
            Course::Respond(course) => course.answered(now.mono, answer),
            Course::FreeBusy(course) => course.answered(answer),
            Course::Useless(fault) => Move::End(Ending::Failed(fault.cause.code.clone())),
        };
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
            Ok(false) => self.drop_job(now, row),
            Err(_) => self.wait(row, now.mono + limits::STORE_RETRY),
            Ok(true) => {
                let done = job.unwritten.take().is_some_and(|advance| advance.done);
                if done {
                    return self.drop_job(now, row);
                }
                job.stage = Stage::Sending;
                let next = match &mut job.course {
                    Course::Create(course) => course.noted(now.mono),
                    Course::Respond(course) => course.noted(now.mono),
                    Course::FreeBusy(course) => course.go_on(),
                    Course::Useless(fault) => Move::End(Ending::Failed(fault.cause.code.clone())),
                };
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
                let advance = Advance { id, stage, body, told: Vec::new(), done: false };
                self.advance(row, Box::new(advance));
            }
            Move::Wait(until) => self.wait(row, until),
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
        let (id, stage, kind) = (job.id.clone(), job.stage, job.kind);
        let told = match kind.is_local() {
            true => Vec::new(),
            false => vec![told::ending(&id, kind, ending)],
        };
        self.out.push(Output::Note(Note::Ended(id.clone(), kind.command(), how)));
        let advance = Advance { id, stage, body: None, told, done: true };
        self.advance(row, Box::new(advance));
    }

    fn again(&mut self, now: Now, row: i64, fault: &Fault) {
        let Some(job) = self.jobs.get_mut(&row) else { return };
        let life = if job.kind.only_asks() { limits::QUESTION_LIFE } else { limits::ERRAND_LIFE };
        if now.wall.since(job.born) > life {
            let doubt = match &job.course {
                Course::Create(course) => course.is_in_doubt(),
                Course::Respond(course) => course.is_in_doubt(),
                Course::FreeBusy(_) | Course::Useless(_) => false,
            };
            let what = if doubt { "whether it took effect is not known" } else { "given up" };
            return self.end(row, Ending::Failed(format!("{what}: {}", fault.cause.code)));
        }
        let asked = match fault.next {
            Next::Retry { after } | Next::BackOff { after } => after,
            Next::SignIn => Some(Span::MINUTE),
            _ => None,
        };
        let until = job.pace.fail(now.mono, limits::ERRAND_RETRY, asked, &mut self.dice);
        if matches!(fault.next, Next::BackOff { .. }) {
            let rest = self.rests.entry(job.user.clone()).or_default();
            *rest = (*rest).max(until);
        }
        if job.pace.failures() >= limits::ERRAND_FAILS && !std::mem::replace(&mut job.waits, true) {
            self.out.push(Output::Note(Note::Waits(job.id.clone(), fault.clone())));
        }
        self.wait(row, until);
    }

    /// Until when the server of this mailbox rests, where it does.
    fn rest_of(&self, now: Now, row: i64) -> Option<Time> {
        let until = *self.rests.get(&self.jobs.get(&row)?.user)?;
        (until > now.mono).then_some(until)
    }

    fn wait(&mut self, row: i64, until: Time) {
        let Some(job) = self.jobs.get_mut(&row) else { return };
        job.due = until;
        self.due.insert((until, row));
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
    fn drop_job(&mut self, now: Now, row: i64) {
        let Some(job) = self.jobs.remove(&row) else { return };
        self.due.remove(&(job.due, row));
        let lane = (job.user, job.kind.only_asks());
        let Some(rows) = self.lanes.get_mut(&lane) else { return };
        rows.retain(|other| *other != row);
        match rows.front().copied() {
            Some(next) => self.wait(next, now.mono),
            None => drop(self.lanes.remove(&lane)),
        }
    }
}

/// What a meeting that a command made is found by: it tells nothing, and is the same each time.
fn mark(installation: &Installation, id: &CommandId) -> Arc<str> {
    let tag = installation.tag(&[b"command", id.as_str().as_bytes()]);
    let hex: String = tag.0.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.into()
}
