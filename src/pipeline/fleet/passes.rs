//! Passes: begun, asked on, committed, ended.

use super::servers::{Server, Turn};
use super::{Ear, Fleet, Note, Orphan, Output, Queue, Reading, Run, Side, Stage, Ticket};
use crate::model::{Fault, Next, Now, Span, Time, Trace, UserId};
use crate::pipeline::sync::{Ask, Got, Loaded, Pass, Row, Shortfall, Step};
use crate::pipeline::window::Window;
use crate::pipeline::{limits, tracking};

impl Fleet {
    /// How many of a server's mailboxes may ask at once.
    fn allows(&self, now: Now, server: usize) -> usize {
        let Some(one) = self.servers.get(server) else { return 0 };
        let most = one.gate.allows(now.mono, self.rules.passes);
        let most = self.account.allows(now.mono, most);
        if !self.account.tries() {
            return most;
        }
        // Whether sign-in works again is tried by one of all servers.
        let others = self.servers.iter().enumerate().filter(|(at, _)| *at != server);
        let asking: usize = others.map(|(_, one)| one.asking).sum();
        if asking + self.directory.asking() > 0 { 0 } else { most }
    }

    /// Pauses that are over end.
    pub(super) fn open_gates(&mut self, now: Now) {
        for server in &mut self.servers {
            server.gate.open_if_due(now.mono);
        }
        self.account.open_if_due(now.mono);
        self.directory.gate.open_if_due(now.mono);
        if self.store_rests.is_some_and(|until| now.mono >= until) {
            self.store_rests = None;
        }
    }

    pub(super) fn start_passes(&mut self, now: Now) {
        for server in 0..self.servers.len() {
            self.start_passes_of(now, server);
        }
    }

    fn start_passes_of(&mut self, now: Now, server: usize) {
        let mut most = self.allows(now, server);
        // Nor is Exchange read by everybody again and again for a disk that takes nothing.
        let alone = self.store.failures() > 0;
        if alone {
            most = most.min(1);
        }
        let begins = self.store_rests.is_none();
        let backlog = if self.outbox_long { 0 } else { self.rules.backlog.min(most) };
        while let Some(one) = self.servers.get_mut(server)
            && let Some(turn) = one.next(most, backlog, begins, alone)
        {
            match turn {
                Turn::Goes(at) => self.release_held(at),
                Turn::Begins(at, queue) if self.is_queued(at, server, queue) => {
                    self.unqueue(at);
                    self.start_pass(at, server, queue == Queue::Live);
                }
                Turn::Begins(..) => {}
            }
        }
    }

    fn start_pass(&mut self, at: usize, server: usize, live: bool) {
        let ticket = self.last_ticket + 1;
        let (installation, wall) = (self.installation.clone(), self.wall);
        let Some(mailbox) = self.mailbox(at) else { return };
        if mailbox.run.is_some() {
            return;
        }
        mailbox.again = Queue::None;
        let (stage, rung) = (Stage::Loading, std::mem::take(&mut mailbox.rung));
        let (asks, pauses, found, writes) = (true, 0, false, 0);
        let user = mailbox.user.clone();
        let trace = tracking::reading(&installation, &user, wall, ticket);
        let run = Run { ticket, stage, live, server, asks, pauses, trace, rung, found, writes };
        mailbox.run = Some(run);
        self.last_ticket = ticket;
        self.tickets.insert(ticket, at);
        if let Some(one) = self.servers.get_mut(server) {
            one.running += 1;
            one.running_backlog += usize::from(!live);
            one.take_place(live);
        }
        self.set_timer(at, None);
        self.out.push(Output::Load(ticket, user, Reading { trace, rung }));
    }

    /// The mailbox that a ticket belongs to; the ticket is used up.
    pub(super) fn claim(&mut self, ticket: Ticket) -> Option<(usize, Run)> {
        if let Some(Orphan { server, live, asks }) = self.orphans.remove(&ticket) {
            self.leave_place(server, live, asks);
            self.release(server, live);
            return None;
        }
        let at = self.tickets.remove(&ticket)?;
        let mailbox = self.mailbox(at)?;
        if mailbox.run.as_ref().is_none_or(|run| run.ticket != ticket) {
            return None;
        }
        let mut run = mailbox.run.take()?;
        self.leave_place(run.server, run.live, std::mem::take(&mut run.asks));
        Some((at, run))
    }

    fn leave_place(&mut self, server: usize, live: bool, asks: bool) {
        if let Some(server) = self.servers.get_mut(server).filter(|_| asks) {
            server.leave_place(live);
        }
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
    pub(super) fn ask(&mut self, now: Now, at: usize, mut run: Run, pass: Box<Pass>, ask: Ask) {
        if self.is_elsewhere(at, run.server) {
            return self.begin_anew(at, &run);
        }
        let (server, live) = (run.server, run.live);
        let most = self.allows(now, server);
        let backlog = self.rules.backlog.min(most);
        let has_place = |server: &Server| server.has_place(live, most, backlog);
        if self.servers.get(server).is_some_and(has_place) {
            return self.ask_now(at, run, pass, ask);
        }
        run.stage = Stage::Held(pass, ask);
        if let Some(mailbox) = self.mailbox(at) {
            mailbox.run = Some(run);
            if let Some(server) = self.servers.get_mut(server) {
                server.hold(at, live);
            }
        }
    }

    /// It was moved while it was read: what it asks now goes to another server.
    fn is_elsewhere(&self, at: usize, server: usize) -> bool {
        let mailbox = self.mailboxes.get(at).and_then(Option::as_ref);
        mailbox.and_then(|mailbox| mailbox.place).is_some_and(|place| place.server != server)
    }

    /// In the queue of the server where it is now: within its budget, and not in its pause.
    fn begin_anew(&mut self, at: usize, run: &Run) {
        self.release(run.server, run.live);
        self.enqueue(at, if run.live { Queue::Live } else { Queue::Backlog });
    }

    fn ask_now(&mut self, at: usize, mut run: Run, pass: Box<Pass>, ask: Ask) {
        run.pauses = self.pauses(run.server);
        run.asks = true;
        if let Some(server) = self.servers.get_mut(run.server) {
            server.take_place(run.live);
        }
        self.tally.requests += 1;
        let (ticket, user) = self.wait(at, run, Stage::Passing(pass));
        self.out.push(Output::Ask(ticket, user, ask));
    }

    fn pauses(&self, server: usize) -> u64 {
        let own = self.servers.get(server).map_or(0, |server| server.gate.pauses);
        own + self.account.pauses
    }

    fn release_held(&mut self, at: usize) {
        let Some(mut run) = self.mailbox(at).and_then(|mailbox| mailbox.run.take()) else { return };
        match std::mem::replace(&mut run.stage, Stage::Loading) {
            Stage::Held(..) if self.is_elsewhere(at, run.server) => self.begin_anew(at, &run),
            Stage::Held(pass, ask) => self.ask_now(at, run, pass, ask),
            Stage::Loading | Stage::Passing(_) => self.release(run.server, run.live),
        }
    }

    pub(super) fn release(&mut self, server: usize, live: bool) {
        let Some(server) = self.servers.get_mut(server) else { return };
        server.running = server.running.saturating_sub(1);
        server.running_backlog = server.running_backlog.saturating_sub(usize::from(!live));
    }

    pub(super) fn end_run(&mut self, at: usize) {
        let Some(run) = self.mailbox(at).and_then(|mailbox| mailbox.run.take()) else { return };
        if matches!(run.stage, Stage::Held(..)) {
            if let Some(server) = self.servers.get_mut(run.server) {
                server.unhold(at);
            }
            return self.release(run.server, run.live);
        }
        if self.tickets.remove(&run.ticket).is_some() {
            let Run { server, live, asks, .. } = run;
            self.orphans.insert(run.ticket, Orphan { server, live, asks });
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
                self.release(run.server, run.live);
                if let Some(user) = self.mailbox(at).map(|mailbox| mailbox.user.clone()) {
                    self.removed(&user);
                }
                return;
            }
            Err(fault) => return self.store_failed(now, at, run, fault),
        };
        let Some(mailbox) = self.mailbox(at) else { return };
        mailbox.stored_keys.clone_from(&loaded.keys);
        // Before a restart, perhaps.
        mailbox.has_worked |= loaded.cursor.is_some();
        self.begin(now, at, run, loaded);
    }

    pub(super) fn begin(&mut self, now: Now, at: usize, run: Run, loaded: Loaded) {
        let Some(mailbox) = self.mailbox(at) else { return };
        let (user, place, shortfall) = (mailbox.user.clone(), mailbox.place, mailbox.shortfall);
        let skipped = mailbox.skipped.clone();
        let zone = place.map(|place| self.days.get(place.zone)).unwrap_or_default();
        let window = Window::at(now.wall, self.rules.reach, &zone);
        let (installation, showing) = (self.installation.clone(), self.showing.clone());
        match Pass::start(user, window, loaded, installation, showing) {
            Ok((mut pass, step)) => {
                pass.remember(shortfall);
                pass.remember_skipped(skipped);
                self.step(now, at, run, Box::new(pass), Ok(step));
            }
            Err(fault) => self.pass_failed(now, at, run, fault),
        }
    }

    pub(super) fn got(&mut self, now: Now, ticket: Ticket, got: Result<Got, Fault>) {
        let orphan = self.orphans.get(&ticket).map(|orphan| orphan.server);
        let Some((at, mut run)) = self.claim(ticket) else {
            // Its mailbox was removed, but what Exchange says to us all counts.
            if let (Some(server), Err(fault)) = (orphan, got) {
                self.server_trouble(now, server, &fault);
            }
            return;
        };
        let Stage::Passing(mut pass) = std::mem::replace(&mut run.stage, Stage::Loading) else {
            self.release(run.server, run.live);
            return;
        };
        let step = match got {
            Ok(got) => {
                self.server_answered(&run);
                run.found |= matches!(&got, Got::Page(page) if !page.changes.is_empty());
                pass.got(got)
            }
            Err(fault) => {
                let lost = fault.next == Next::CursorLost;
                let step = pass.failed(fault);
                if let (true, Some(mailbox)) = (lost && step.is_ok(), self.mailbox(at)) {
                    let user = mailbox.user.clone();
                    self.out.push(Output::Note(Note::CursorLost(user, run.trace)));
                }
                step
            }
        };
        self.step(now, at, run, pass, step);
    }

    pub(super) fn rows(&mut self, now: Now, ticket: Ticket, rows: Result<Vec<Row>, Fault>) {
        let Some((at, mut run)) = self.claim(ticket) else { return };
        let Stage::Passing(mut pass) = std::mem::replace(&mut run.stage, Stage::Loading) else {
            self.release(run.server, run.live);
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
        mut run: Run,
        pass: Box<Pass>,
        step: Result<Step, Fault>,
    ) {
        match step {
            Err(fault) => self.pass_failed(now, at, run, fault),
            Ok(Step::Ask(ask)) => self.ask(now, at, run, pass, ask),
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
                run.writes = commit.events.len();
                commit.trace = Some(run.trace);
                let (ticket, _) = self.wait(at, run, Stage::Passing(pass));
                self.out.push(Output::Commit(ticket, commit));
            }
            Ok(Step::Done { more }) => {
                let again = self.pass_told(now, at, &pass, run.trace);
                self.pass_done(now, at, run, more, again);
            }
        }
    }

    pub(super) fn committed(&mut self, now: Now, ticket: Ticket, committed: Result<bool, Fault>) {
        let Some((at, mut run)) = self.claim(ticket) else { return };
        let Stage::Passing(mut pass) = std::mem::replace(&mut run.stage, Stage::Loading) else {
            self.release(run.server, run.live);
            return;
        };
        match committed {
            Err(fault) => self.store_failed(now, at, run, fault),
            Ok(false) => {
                // Deactivated, or activated anew, meanwhile: the store's word counts.
                self.release(run.server, run.live);
                self.enqueue(at, Queue::Backlog);
            }
            Ok(true) => {
                self.store.reset();
                self.wrote(now, at, &run);
                if let Some(mailbox) = self.mailbox(at) {
                    mailbox.stored_keys = mailbox.sealer.as_ref().map(|(keys, _)| keys.clone());
                }
                let step = pass.got(Got::Committed);
                self.step(now, at, run, pass, step);
            }
        }
    }

    /// Records of it are on the disk.
    fn wrote(&mut self, now: Now, at: usize, run: &Run) {
        if run.writes == 0 {
            return;
        }
        self.tally.records += run.writes as u64;
        let Some(mailbox) = self.mailbox(at) else { return };
        mailbox.seen.record = now.wall;
        let rung = std::mem::take(&mut mailbox.seen.rung);
        if run.rung && rung != Time::default() {
            self.to_disk.add(now.mono, now.mono.since(rung));
        }
    }

    /// Tells what a pass could not read; when to read it again for that.
    fn pass_told(&mut self, now: Now, at: usize, pass: &Pass, trace: Trace) -> Option<Time> {
        let mailbox = self.mailboxes.get_mut(at).and_then(Option::as_mut)?;
        let known = pass.is_ill() && mailbox.ill.failures() > 0;
        let skips = !pass.skipped().is_empty();
        if let Some((_, fault)) = pass.unreadable().filter(|_| skips && !known) {
            let note = Note::ItemUnreadable(mailbox.user.clone(), fault.clone().of(trace));
            self.out.push(Output::Note(note));
        }
        if !skips && !mailbox.skipped.is_empty() {
            self.out.push(Output::Note(Note::ItemsReadable(mailbox.user.clone(), trace)));
        }
        mailbox.skipped.clone_from(pass.skipped());
        let shortfall = pass.shortfall();
        let kind = |one: Shortfall| (one.from.is_some(), one.crowded);
        if kind(mailbox.shortfall) != kind(shortfall) {
            let note = Note::Shortfall(mailbox.user.clone(), shortfall, trace);
            self.out.push(Output::Note(note));
        }
        mailbox.shortfall = shortfall;
        if !pass.is_ill() {
            mailbox.ill.reset();
            return None;
        }
        Some(mailbox.ill.fail(now.mono, limits::ILL_RETRY, None, &mut self.dice))
    }

    /// `ill`: it is to be read again then in any case.
    fn pass_done(&mut self, now: Now, at: usize, run: Run, more: bool, ill: Option<Time>) {
        self.release(run.server, run.live);
        self.has_read = true;
        self.tally.readings += 1;
        self.well(at, Some(run.trace));
        self.is_deaf(at, &run);
        self.plan_again(now, at);
        let poll = self.poll(at);
        let Some(mailbox) = self.mailbox(at) else { return };
        (mailbox.strays, mailbox.missed) = (0, false);
        mailbox.seen.read = now.wall;
        if !mailbox.rung {
            mailbox.seen.rung = Time::default();
        }
        let again = std::mem::replace(&mut mailbox.again, Queue::None);
        let heard = matches!(mailbox.ear, Ear::Heard(..));
        if again != Queue::None {
            self.enqueue(at, again);
        } else if more {
            self.enqueue(at, Queue::Backlog);
        } else {
            let polled = (!heard).then_some(now.mono + poll);
            self.set_timer(at, polled.into_iter().chain(ill).min());
        }
        self.look_over(at);
    }

    /// When an unheard mailbox is polled: later, where so many are that its server would have
    /// too much of it.
    pub(super) fn poll(&mut self, at: usize) -> Span {
        let server = self.place(at).and_then(|place| self.servers.get(place.server));
        let unheard = server.map_or(0, |server| server.unheard);
        let fair = 1_000 * unheard as u64 / limits::POLLS_PER_SECOND;
        self.dice.jitter(self.rules.poll.max(Span::from_ms(fair)))
    }

    /// An answer to what was asked before the last pause says nothing of how it is now.
    fn server_answered(&mut self, run: &Run) {
        if run.pauses != self.pauses(run.server) {
            return;
        }
        if self.account.answered(usize::MAX) {
            self.out.push(Output::Note(Note::SignedIn));
        }
        let Some(server) = self.servers.get_mut(run.server) else { return };
        server.away_since = None;
        if server.gate.answered(self.rules.passes) {
            let side = Side::Server(server.key().clone());
            self.out.push(Output::Note(Note::ServerWell(side)));
        }
    }
}
