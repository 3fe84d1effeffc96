//! Who is out of office: every mailbox of a calendar, asked one after the other, round and round.
//!
//! **Promise.** A change in Exchange is seen within a round and what an answer takes;
//! the beginning and the end of a schedule that is known are told at their time. Questions come at
//! even distances, [`limits::PRESENCES_AT_ONCE`] at once, and more of large calendars. What is the
//! same is told once. Where a round takes too long, that is told.
//!
//! Contract: [`Presences::handle`] one input, then [`Presences::drain`] all outputs and carry them
//! out. Every [`Output::Ask`] is answered by exactly one [`Input::Seen`] with its ticket.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::announcement::{Announcement, Presence};
use super::limits;
use super::pace::Dice;
use super::seal::Installation;
use crate::model::{Absence, Fault, Next, Now, Span, Time, UserId};

/// Names a question, so that its answer finds back.
pub type Ticket = u64;

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// This mailbox is active.
    Added(UserId),
    /// It is not any more.
    Removed(UserId),
    /// The cloud wants to hear of it again.
    Stirred(UserId),
    /// For [`Output::Ask`].
    Seen(Ticket, Result<Absence, Fault>),
    /// A round takes so long from now on.
    Ruled(Span),
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask when its owner is away.
    Ask(Ticket, UserId),
    /// Tell the cloud.
    Tell(Announcement),
    /// Nobody's could be seen for a whole round, for this reason.
    Fails(Fault),
    /// They can be seen again.
    Well,
    /// Questions wait for their turn so long that a change is seen late.
    Late,
    /// They do no more.
    InTime,
}

#[derive(Debug)]
struct Person {
    user: UserId,
    /// When it is asked next, or known to change.
    due: Time,
    /// When it is asked next.
    next: Time,
    asked: Option<Ticket>,
    absence: Option<Absence>,
    told: Option<Presence>,
}

/// The machine.
#[derive(Debug)]
pub struct Presences {
    installation: Arc<Installation>,
    every: Span,
    dice: Dice,
    people: Vec<Option<Person>>,
    free: Vec<usize>,
    names: HashMap<UserId, usize>,
    due: BTreeSet<(Time, usize)>,
    /// Of a mailbox that was removed meanwhile there is none.
    tickets: HashMap<Ticket, Option<usize>>,
    last_ticket: Ticket,
    /// Failures since somebody's was seen.
    failures: usize,
    fails: bool,
    late: bool,
    out: Vec<Output>,
}

impl Presences {
    /// Nobody. `every`: how long a round takes, [`limits::PRESENCE`] where nobody says otherwise.
    pub fn new(installation: Arc<Installation>, every: Span, seed: u64) -> Self {
        Self {
            installation,
            every,
            dice: Dice::new(seed),
            people: Vec::new(),
            free: Vec::new(),
            names: HashMap::new(),
            due: BTreeSet::new(),
            tickets: HashMap::new(),
            last_ticket: 0,
            failures: 0,
            fails: false,
            late: false,
            out: Vec::new(),
        }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Added(user) => self.added(now, user),
            Input::Removed(user) => self.removed(&user),
            Input::Stirred(user) => self.stirred(now, &user),
            Input::Seen(ticket, seen) => self.seen(now, ticket, seen),
            Input::Ruled(every) => self.ruled(now, every),
            Input::Tick => {}
        }
        self.go_on(now);
        self.watch(now);
    }

    /// What is to be done, in order. To be emptied after each input.
    pub fn drain(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.out)
    }

    /// When the next [`Input::Tick`] is due; `None` while nobody is, or all places are taken.
    pub fn wake_at(&self) -> Option<Time> {
        let has_place = self.tickets.len() < self.at_once();
        self.due.first().filter(|_| has_place).map(|(at, _)| *at)
    }

    fn at_once(&self) -> usize {
        let many = self.names.len() / limits::PRESENCES_EACH;
        many.clamp(limits::PRESENCES_AT_ONCE, limits::PRESENCES_MOST)
    }

    fn added(&mut self, now: Now, user: UserId) {
        if self.names.contains_key(&user) {
            return self.stirred(now, &user);
        }
        // Somewhere in the round, so that those who came together are not asked together.
        let due = now.mono + Span::from_ms(self.dice.below(self.every.as_ms()));
        let (absence, told, asked) = (None, None, None);
        let person = Some(Person { user: user.clone(), due, next: due, asked, absence, told });
        let at = match self.free.pop() {
            Some(at) => {
                if let Some(place) = self.people.get_mut(at) {
                    *place = person;
                }
                at
            }
            None => {
                self.people.push(person);
                self.people.len() - 1
            }
        };
        self.names.insert(user, at);
        self.due.insert((due, at));
    }

    fn removed(&mut self, user: &UserId) {
        let Some(at) = self.names.remove(user) else { return };
        let Some(person) = self.people.get_mut(at).and_then(Option::take) else { return };
        self.due.remove(&(person.due, at));
        if let Some(ticket) = person.asked {
            // It has its place until it is answered.
            self.tickets.insert(ticket, None);
        }
        self.free.push(at);
    }

    fn ruled(&mut self, now: Now, every: Span) {
        let sooner = every < std::mem::replace(&mut self.every, every);
        for at in 0..self.people.len() {
            let until = now.mono + Span::from_ms(self.dice.below(every.as_ms()));
            let Some(person) = self.person(at).filter(|_| sooner) else { continue };
            person.next = person.next.min(until);
            // Whoever is being asked is planned with the answer.
            if person.asked.is_none() {
                self.plan(now, at);
            }
        }
    }

    /// What was told is told again, once it is known.
    fn stirred(&mut self, now: Now, user: &UserId) {
        let Some(&at) = self.names.get(user) else { return };
        if let Some(person) = self.person(at) {
            person.told = None;
        }
        self.tell(now, at);
    }

    fn seen(&mut self, now: Now, ticket: Ticket, seen: Result<Absence, Fault>) {
        // What is asked for somebody who went meanwhile says nothing of the others.
        let Some(at) = self.tickets.remove(&ticket).flatten() else { return };
        self.count(&seen);
        let Some(person) = self.person(at) else { return };
        person.asked = None;
        if let Ok(absence) = seen {
            person.absence = Some(absence);
        }
        self.tell(now, at);
        self.plan(now, at);
    }

    /// A failure of one mailbox is its own: it is told where its calendar is read.
    fn count(&mut self, seen: &Result<Absence, Fault>) {
        match seen {
            Ok(_) => {
                self.failures = 0;
                if std::mem::take(&mut self.fails) {
                    self.out.push(Output::Well);
                }
            }
            Err(fault) if matches!(fault.next, Next::SignIn) => {}
            Err(fault) => {
                self.failures += 1;
                let round = self.names.len().max(3);
                if self.failures >= round && !std::mem::replace(&mut self.fails, true) {
                    self.out.push(Output::Fails(fault.clone()));
                }
            }
        }
    }

    /// Tells what is so by now, unless it was told.
    fn tell(&mut self, now: Now, at: usize) {
        let installation = Arc::clone(&self.installation);
        let Some(person) = self.person(at) else { return };
        let Some(absence) = person.absence else { return };
        let presence = Presence::at(now.wall, absence);
        if person.told.replace(presence) != Some(presence) {
            let told = presence.announce(&installation, &person.user, now.wall);
            self.out.push(Output::Tell(told));
        }
    }

    fn plan(&mut self, now: Now, at: usize) {
        let Some(person) = self.person(at) else { return };
        let changes = person.absence.and_then(|absence| Presence::changes(now.wall, absence));
        let by_itself = changes.map(|at| now.mono + at.since(now.wall));
        let due = by_itself.map_or(person.next, |at| at.min(person.next));
        let before = std::mem::replace(&mut person.due, due);
        self.due.remove(&(before, at));
        self.due.insert((due, at));
    }

    fn go_on(&mut self, now: Now) {
        while let Some(&(due, at)) = self.due.first() {
            if due > now.mono || self.tickets.len() >= self.at_once() {
                return;
            }
            self.due.remove(&(due, at));
            let ticket = self.last_ticket + 1;
            let (every, least) = (self.every, Span::from_ms(self.every.as_ms() / 2));
            let Some(person) = self.person(at) else { continue };
            if person.next > now.mono {
                // It is not asked for: its schedule begins or ends.
                self.tell(now, at);
                self.plan(now, at);
                continue;
            }
            // The distances stay as they are, unless it is late.
            person.next = (person.next + every).max(now.mono + least);
            person.asked = Some(ticket);
            let user = person.user.clone();
            self.last_ticket = ticket;
            self.tickets.insert(ticket, Some(at));
            self.out.push(Output::Ask(ticket, user));
        }
    }

    /// Whether those whose turn it is get it. Late ones have caught up once nobody waits.
    fn watch(&mut self, now: Now) {
        let waits = self.due.first().filter(|(due, _)| *due <= now.mono);
        match waits.map(|(due, _)| now.mono.since(*due)) {
            Some(waits) if waits >= limits::PRESENCE_LATE && !self.late => {
                self.late = true;
                self.out.push(Output::Late);
            }
            None if self.late => {
                self.late = false;
                self.out.push(Output::InTime);
            }
            _ => {}
        }
    }

    fn person(&mut self, at: usize) -> Option<&mut Person> {
        self.people.get_mut(at).and_then(Option::as_mut)
    }
}

#[cfg(test)]
#[path = "presence_tests.rs"]
mod tests;
