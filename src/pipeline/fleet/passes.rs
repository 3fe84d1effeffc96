//! Passes: begun, asked on, committed, ended.

use super::{Ear, Fleet, Note, Output, Question, Queue, Run, Stage, Ticket};
use crate::model::{Fault, Home, Next, Now, UserId, Zone};
use crate::pipeline::limits;
use crate::pipeline::sync::{Got, Loaded, Pass, Row, Step};
use crate::pipeline::window::Window;

impl Fleet {
    /// After trouble one pass alone tries whether the server is back.
    pub(super) fn tries(&self) -> bool {
        self.server.failures() > 0
    }

    /// Passes that wait for an answer.
    pub(super) fn asking(&self) -> usize {
        self.running.saturating_sub(self.held.len())
    }

    pub(super) fn start_passes(&mut self, now: Now) {
        if self.paused.is_some_and(|pause| now.mono >= pause.until) {
            self.paused = None;
        }
        if self.store_rests.is_some_and(|until| now.mono >= until) {
            self.store_rests = None;
        }
        if self.paused.is_some() {
            return;
        }
        // Nor is Exchange read by everybody again and again for a disk that takes nothing.
        let (passes, backlog) = if self.tries() || self.store.failures() > 0 {
            (1, 1)
        } else {
            (self.rules.passes, self.rules.backlog.min(self.rules.passes))
        };
        while self.asking() < passes {
            if let Some(at) = self.held.pop_front() {
                self.release_held(at);
                continue;
            }
            if self.store_rests.is_some() {
                return;
            }
            let (at, live) = if let Some(at) = self.live.pop_front() {
                (at, true)
            } else if self.running_backlog < backlog {
                match self.backlog.pop_front() {
                    Some(at) => (at, false),
                    None => return,
                }
            } else {
                return;
            };
            self.start_pass(at, live);
        }
    }

    pub(super) fn start_pass(&mut self, at: usize, live: bool) {
        let ticket = self.last_ticket + 1;
        let Some(mailbox) = self.mailbox(at) else { return };
        let expected = if live { Queue::Live } else { Queue::Backlog };
        if mailbox.queue != expected || mailbox.run.is_some() {
            return;
        }
        mailbox.queue = Queue::None;
        mailbox.again = false;
        mailbox.run = Some(Run { ticket, stage: Stage::Loading, live, pauses: 0 });
        let user = mailbox.user.clone();
        self.last_ticket = ticket;
        self.tickets.insert(ticket, at);
        self.running += 1;
        self.running_backlog += usize::from(!live);
        self.set_timer(at, None);
        self.out.push(Output::Load(ticket, user));
    }

    /// The mailbox that a ticket belongs to; the ticket is used up.
    pub(super) fn claim(&mut self, ticket: Ticket) -> Option<(usize, Run)> {
        if let Some(live) = self.orphans.remove(&ticket) {
            self.release(live);
            return None;
        }
        let at = self.tickets.remove(&ticket)?;
        let mailbox = self.mailbox(at)?;
        if mailbox.run.as_ref().is_none_or(|run| run.ticket != ticket) {
            return None;
        }
        let run = mailbox.run.take()?;
        Some((at, run))
    }

    /// Puts the run back, waiting for the answer to a new ticket.
    pub(super) fn wait(&mut self, at: usize, mut run: Run, stage: Stage) -> (Ticket, UserId) {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        run.ticket = ticket;
        run.stage = stage;
        self.tickets.insert(ticket, at);
        let user = match self.mailbox(at) {
            Some(mailbox) => {
                mailbox.run = Some(run);
                mailbox.user.clone()
            }
            None => UserId::new(""),
        };
        (ticket, user)
    }

    /// Asks Exchange, or waits until that is allowed.
    pub(super) fn ask(&mut self, now: Now, at: usize, mut run: Run, question: Question) {
        let paused = self.paused.is_some_and(|pause| now.mono < pause.until);
        let alone = !self.tries() || self.asking() <= 1;
        if !paused && alone {
            run.pauses = self.pauses;
            return self.ask_now(at, run, question);
        }
        run.stage = Stage::Held(question);
        if let Some(mailbox) = self.mailbox(at) {
            mailbox.run = Some(run);
            self.held.push_back(at);
        }
    }

    pub(super) fn ask_now(&mut self, at: usize, run: Run, question: Question) {
        match question {
            Question::Group(loaded) => {
                let (ticket, user) = self.wait(at, run, Stage::Grouping(loaded));
                self.out.push(Output::Homes(ticket, vec![user], false));
            }
            Question::Ask(pass, ask) => {
                let (ticket, user) = self.wait(at, run, Stage::Passing(pass));
                self.out.push(Output::Ask(ticket, user, ask));
            }
        }
    }

    pub(super) fn release_held(&mut self, at: usize) {
        let Some(mut run) = self.mailbox(at).and_then(|mailbox| mailbox.run.take()) else { return };
        run.pauses = self.pauses;
        match std::mem::replace(&mut run.stage, Stage::Loading) {
            Stage::Held(question) => self.ask_now(at, run, question),
            Stage::Loading | Stage::Grouping(_) | Stage::Passing(_) => self.release(run.live),
        }
    }

    pub(super) fn release(&mut self, live: bool) {
        self.running = self.running.saturating_sub(1);
        self.running_backlog = self.running_backlog.saturating_sub(usize::from(!live));
    }

    pub(super) fn end_run(&mut self, at: usize) {
        let Some(run) = self.mailbox(at).and_then(|mailbox| mailbox.run.take()) else { return };
        if matches!(run.stage, Stage::Held(_)) {
            self.held.retain(|held| *held != at);
            return self.release(run.live);
        }
        if self.tickets.remove(&run.ticket).is_some() {
            self.orphans.insert(run.ticket, run.live);
        }
    }

    pub(super) fn loaded(
        &mut self,
        now: Now,
        ticket: Ticket,
        loaded: Result<Option<Loaded>, Fault>,
    ) {
        let Some((at, run)) = self.claim(ticket) else { return };
        let loaded = match loaded {
            Ok(Some(loaded)) => loaded,
            Ok(None) => {
                self.release(run.live);
                if let Some(user) = self.mailbox(at).map(|mailbox| mailbox.user.clone()) {
                    self.removed(now, &user);
                }
                return;
            }
            Err(fault) => return self.store_failed(now, at, run, fault),
        };
        let Some(mailbox) = self.mailbox(at) else { return };
        mailbox.stored_keys.clone_from(&loaded.keys);
        if mailbox.group.is_none() {
            return self.ask(now, at, run, Question::Group(Box::new(loaded)));
        }
        self.begin(now, at, run, loaded);
    }

    pub(super) fn homes(&mut self, now: Now, ticket: Ticket, mut homes: Vec<Result<Home, Fault>>) {
        let home = homes.pop().unwrap_or_else(|| Err(Fault::retry("no answer for the mailbox")));
        let Some((at, mut run)) = self.claim(ticket) else {
            return self.orphan_answered(now, home.err());
        };
        let Stage::Grouping(loaded) = std::mem::replace(&mut run.stage, Stage::Loading) else {
            self.release(run.live);
            return;
        };
        match home {
            Err(fault) => self.pass_failed(now, at, run, fault),
            Ok(home) => {
                if let Some(mailbox) = self.mailbox(at) {
                    mailbox.group = Some(home.group);
                }
                self.plan(at, now.mono + limits::GATHER);
                self.begin(now, at, run, *loaded);
            }
        }
    }

    pub(super) fn begin(&mut self, now: Now, at: usize, run: Run, loaded: Loaded) {
        let Some(mailbox) = self.mailbox(at) else { return };
        let user = mailbox.user.clone();
        let window = Window::at(now.wall, self.rules.reach, &Zone::default());
        match Pass::start(user, window, loaded, self.installation.clone()) {
            Ok((pass, step)) => self.step(now, at, run, Box::new(pass), Ok(step)),
            Err(fault) => self.pass_failed(now, at, run, fault),
        }
    }

    pub(super) fn got(&mut self, now: Now, ticket: Ticket, got: Result<Got, Fault>) {
        let Some((at, mut run)) = self.claim(ticket) else {
            return self.orphan_answered(now, got.err());
        };
        let Stage::Passing(mut pass) = std::mem::replace(&mut run.stage, Stage::Loading) else {
            self.release(run.live);
            return;
        };
        let step = match got {
            Ok(got) => {
                self.server_answered(&run);
                pass.got(got)
            }
            Err(fault) => {
                let lost = fault.next == Next::CursorLost;
                let step = pass.failed(fault);
                if let (true, Some(mailbox)) = (lost && step.is_ok(), self.mailbox(at)) {
                    let user = mailbox.user.clone();
                    self.out.push(Output::Note(Note::CursorLost(user)));
                }
                step
            }
        };
        self.step(now, at, run, pass, step);
    }

    pub(super) fn rows(&mut self, now: Now, ticket: Ticket, rows: Result<Vec<Row>, Fault>) {
        let Some((at, mut run)) = self.claim(ticket) else { return };
        let Stage::Passing(mut pass) = std::mem::replace(&mut run.stage, Stage::Loading) else {
            self.release(run.live);
            return;
        };
        match rows {
            Err(fault) => self.store_failed(now, at, run, fault),
            Ok(rows) => {
                let step = pass.got(Got::Rows(rows));
                self.step(now, at, run, pass, step);
            }
        }
    }

    pub(super) fn step(
        &mut self,
        now: Now,
        at: usize,
        run: Run,
        pass: Box<Pass>,
        step: Result<Step, Fault>,
    ) {
        match step {
            Err(fault) => self.pass_failed(now, at, run, fault),
            Ok(Step::Ask(ask)) => self.ask(now, at, run, Question::Ask(pass, ask)),
            Ok(Step::Key) => self.want_key(now, at, run, pass),
            Ok(Step::Look(lookup)) => {
                let (ticket, user) = self.wait(at, run, Stage::Passing(pass));
                self.out.push(Output::Look(ticket, user, lookup));
            }
            Ok(Step::Commit(mut commit)) => {
                if let Some(mailbox) = self.mailbox(at) {
                    let keys = mailbox.sealer.as_ref().map(|(keys, _)| keys);
                    if keys != mailbox.stored_keys.as_ref() {
                        commit.keys = keys.cloned();
                    }
                }
                let (ticket, _) = self.wait(at, run, Stage::Passing(pass));
                self.out.push(Output::Commit(ticket, commit));
            }
            Ok(Step::Done { more }) => self.pass_done(now, at, run, more),
        }
    }

    pub(super) fn committed(&mut self, now: Now, ticket: Ticket, committed: Result<bool, Fault>) {
        let Some((at, mut run)) = self.claim(ticket) else { return };
        let Stage::Passing(mut pass) = std::mem::replace(&mut run.stage, Stage::Loading) else {
            self.release(run.live);
            return;
        };
        match committed {
            Err(fault) => self.store_failed(now, at, run, fault),
            Ok(false) => {
                // Deactivated, or activated anew, meanwhile: the store's word counts.
                self.release(run.live);
                self.enqueue(at, Queue::Backlog);
            }
            Ok(true) => {
                self.store.reset();
                if let Some(mailbox) = self.mailbox(at) {
                    mailbox.stored_keys = mailbox.sealer.as_ref().map(|(keys, _)| keys.clone());
                }
                let step = pass.got(Got::Committed);
                self.step(now, at, run, pass, step);
            }
        }
    }

    pub(super) fn pass_done(&mut self, now: Now, at: usize, run: Run, more: bool) {
        self.release(run.live);
        let poll = self.dice.jitter(self.rules.poll);
        let Some(mailbox) = self.mailbox(at) else { return };
        let user = mailbox.user.clone();
        let was_failing = mailbox.pace.failures() > 0;
        mailbox.pace.reset();
        let again = std::mem::take(&mut mailbox.again);
        let heard = matches!(mailbox.ear, Ear::Heard(..));
        if was_failing {
            self.out.push(Output::Note(Note::MailboxWell(user)));
        }
        if again {
            self.enqueue(at, Queue::Live);
        } else if more {
            self.enqueue(at, Queue::Backlog);
        } else if !heard {
            self.set_timer(at, Some(now.mono + poll));
        }
    }

    /// An answer to what was asked before the last pause says nothing of how it is now.
    pub(super) fn server_answered(&mut self, run: &Run) {
        if self.tries() && run.pauses == self.pauses {
            self.server.reset();
            self.out.push(Output::Note(Note::ServerWell));
        }
    }
}
