//! From a calendar to the outbox: one loop owns all mailbox machines of a `[[calendar]]`.
//!
//! Everything that can wake it is an [`Input`]; the work fans out as tasks, bounded by the fleet's
//! rules, and each task's result comes back as an input.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::announce::Announcer;
use super::disk::Disk;
use super::pulse::Pulse;
use super::questions::{self, Question};
use super::reload::Ruling;
use super::targets::{Targets, gone};
use super::{clock, follow, stop};
use crate::calendar::Calendar;
use crate::kms::{Bound, Keys};
use crate::model::{
    Address, CalendarName, Doubt, Fault, ListenEnd, Order, ResourceUri, Span, Target, UserId,
};
use crate::observe::{condition, standing};
use crate::pipeline::fleet::{
    Census, Fleet, Input, Note, Output, Rules, StreamId, Tally, Ticket, Want,
};
use crate::pipeline::seal::{Installation, Sealer};
use crate::pipeline::showing::Showing;
use crate::pipeline::sync::{Ask, Got};

/// Inputs that may wait for the loop. Beyond them streams and tasks wait, never drop.
const INPUTS: usize = 1_024;

/// Hints of one stream that may wait.
const HINTS: usize = 256;

/// Orders that a stream may leave waiting: every member may come and go twice.
const ORDERS: usize = 1_024;

/// For how long this node takes a mailbox.
const CLAIM: Span = Span::MINUTE;

/// How long giving subscriptions back may take at the end; the server forgets what is left behind
/// after 30 minutes.
const WIND_UP: Duration = stop::GIVEN_BACK_WITHIN;

/// What a command tells the loop.
#[derive(Clone, Debug)]
pub(super) enum Tell {
    /// This mailbox is active, with this address.
    Add(UserId, Arc<Address>),
    /// It is not any more.
    Remove(UserId),
    /// Its facts in the store changed.
    Stir(UserId),
    /// All of them changed.
    StirAll,
    /// Errands were put onto the disk.
    Filed,
    /// The mailboxes that the store knows were told, all of them.
    Known,
    /// A secret of the account changed.
    SecretChanged,
    /// Somebody decided about a host of the trust list.
    TrustChanged,
    /// Servers are reached in another way, or others are trusted.
    WayChanged,
    /// The configuration says something else now.
    Ruled(Arc<Ruling>),
    /// Every window counts as unread, or is another one.
    ReadAnew,
}

/// What the loop shows of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// How the mailboxes are.
    pub(super) census: Census,
    /// A mailbox was read, and streams work or were given up for polling; or there is nobody.
    pub(super) serving: bool,
    /// What refuses our sign-in, the account or the proxy, so that nothing is read at all.
    pub(super) refused: Option<condition::Condition>,
    /// What happened since the start.
    pub(super) tally: Tally,
}

/// What the loop needs.
pub(super) struct Parts {
    pub(super) name: CalendarName,
    pub(super) calendar: Arc<dyn Calendar>,
    pub(super) keys: Arc<dyn Keys>,
    pub(super) disk: Disk,
    pub(super) installation: Arc<Installation>,
    pub(super) rules: Rules,
    pub(super) showing: Arc<Showing>,
    pub(super) announcer: Announcer,
    /// Hears of what was put onto the disk for it.
    pub(super) errands: mpsc::Sender<Tell>,
}

struct Intake {
    parts: Parts,
    fleet: Fleet,
    targets: Targets,
    inputs: mpsc::Sender<Input>,
    streams: HashMap<StreamId, mpsc::Sender<Order>>,
    tasks: JoinSet<()>,
    served: bool,
    known: bool,
    /// Mailboxes that the store knows, in its order, until all were told.
    begins: Vec<UserId>,
    refused: Option<condition::Condition>,
}

/// Runs until `stop` becomes true and all streams are given back.
pub(super) async fn run(
    parts: Parts,
    (mut tells, mut questions): (mpsc::Receiver<Tell>, mpsc::Receiver<Question>),
    (seen, pulse): (watch::Sender<Seen>, Pulse),
    mut stop: watch::Receiver<bool>,
) {
    let (inputs, mut inbox) = mpsc::channel(INPUTS);
    let mut outbox_long = parts.disk.outbox_long.clone();
    outbox_long.mark_changed();
    let mut intake = Intake {
        fleet: Fleet::new(parts.rules, parts.installation.clone()).showing(parts.showing.clone()),
        parts,
        targets: Targets::default(),
        inputs,
        streams: HashMap::new(),
        tasks: JoinSet::new(),
        served: false,
        known: false,
        begins: Vec::new(),
        refused: None,
    };
    loop {
        pulse.beat();
        let wake = clock::instant(intake.fleet.wake_at(clock::now()));
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(tell) = tells.recv() => intake.tell(tell),
            Some(question) = questions.recv() => intake.answer(question),
            Some(input) = inbox.recv() => intake.take(input),
            Ok(()) = outbox_long.changed() => {
                let long = *outbox_long.borrow_and_update();
                intake.take(Input::OutboxLong(long));
            }
            Some(_) = intake.tasks.join_next(), if !intake.tasks.is_empty() => continue,
            () = tokio::time::sleep_until(wake) => intake.take(Input::Tick),
            () = pulse.rest() => continue,
        }
        // What has come meanwhile goes in before anything is shown; but orders to stop and tasks
        // that ended have their turn as well.
        for _ in 0..INPUTS {
            let Ok(input) = inbox.try_recv() else { break };
            intake.take(input);
        }
        intake.show(&seen);
    }
    intake.wind_up(inbox).await;
}

impl Intake {
    fn take(&mut self, input: Input) {
        follow::input(&input);
        if let Input::Ended(stream, _) = &input {
            self.streams.remove(stream);
        }
        self.fleet.handle(clock::now(), input);
        for output in self.fleet.drain() {
            self.carry_out(output);
        }
    }

    fn tell(&mut self, tell: Tell) {
        match tell {
            Tell::Add(user, address) => {
                let target = Target { user: user.clone(), address };
                let before = self.targets.add(target.clone());
                if let Some(before) = before.filter(|before| *before != target) {
                    self.take(Input::Removed(user.clone()));
                    // What was open of it was of another mailbox, and nobody else closes it.
                    standing::board().forget(self.parts.name.as_str(), before.user.as_str());
                    self.forget(before);
                }
                standing::board().forget("", target.user.as_str());
                match self.known {
                    true => self.take(Input::Added(user)),
                    false => self.begins.push(user),
                }
            }
            Tell::Remove(user) => {
                standing::board().forget(self.parts.name.as_str(), user.as_str());
                let target = self.targets.remove(&user);
                self.take(Input::Removed(user));
                if let Some(target) = target {
                    self.begins.retain(|begins| *begins != target.user);
                    self.forget(target);
                }
            }
            Tell::Stir(user) => self.take(Input::Stirred(user)),
            Tell::StirAll => {
                for user in self.targets.users() {
                    self.take(Input::Stirred(user));
                }
            }
            Tell::Known => {
                self.known = true;
                let begins = std::mem::take(&mut self.begins);
                self.take(Input::Begun(begins));
            }
            Tell::Filed => {}
            Tell::SecretChanged => self.take(Input::SecretChanged),
            Tell::TrustChanged => self.take(Input::TrustChanged),
            Tell::WayChanged => self.take(Input::WayChanged),
            Tell::Ruled(ruling) => {
                self.parts.rules = ruling.rules(&self.parts.name, self.parts.rules);
                self.parts.showing = Arc::clone(&ruling.showing);
                self.take(Input::Ruled(self.parts.rules, Arc::clone(&ruling.showing)));
            }
            Tell::ReadAnew => self.take(Input::ReadAnew),
        }
    }

    fn answer(&mut self, question: Question) {
        questions::answer(&mut self.fleet, &self.targets, question);
    }

    fn forget(&mut self, target: Target) {
        let calendar = self.parts.calendar.clone();
        self.tasks.spawn(async move { calendar.forget(&target).await });
    }

    fn show(&mut self, seen: &watch::Sender<Seen>) {
        let census = self.fleet.census();
        self.served |= self.fleet.serving() || (census.active == 0 && self.known);
        let tally = self.fleet.tally();
        let now = Seen { census, serving: self.served, refused: self.refused, tally };
        seen.send_if_modified(|seen| std::mem::replace(seen, now) != now);
    }

    fn carry_out(&mut self, output: Output) {
        follow::output(&output);
        let disk = self.parts.disk.clone();
        match output {
            Output::Note(note) => {
                match &note {
                    Note::SignInRefused(fault, _) => self.refused = Some(condition::refused(fault)),
                    Note::SignedIn => self.refused = None,
                    _ => {}
                }
                condition::note(self.parts.name.as_str(), &note);
                if let Some((user, state)) = condition::state(&note) {
                    let said = state.announce(&self.parts.installation, user, clock::wall());
                    self.parts.announcer.tell(said);
                }
            }
            Output::Hush(stream) => self.order(stream, Order::Stop),
            Output::Join(stream, user) => {
                if let Ok(target) = self.target(&user) {
                    self.order(stream, Order::Join(target));
                }
            }
            Output::Leave(stream, user) => self.order(stream, Order::Leave(user)),
            Output::Listen(stream, users) => self.listen(stream, &users),
            Output::Load(ticket, user, reading) => {
                condition::reading(self.parts.name.as_str(), &user, reading);
                self.work(
                    move |result| Input::Loaded(ticket, result),
                    Box::pin(async move { disk.load(user, clock::wall() + CLAIM).await }),
                );
            }
            Output::Look(ticket, user, lookup) => self.work(
                move |result| Input::Rows(ticket, result),
                Box::pin(async move { disk.look(user, lookup).await }),
            ),
            Output::Commit(ticket, commit) => {
                let errands = self.parts.errands.clone();
                let calendar = self.parts.name.clone();
                self.work(
                    move |result| Input::Committed(ticket, result),
                    Box::pin(async move {
                        let noticed = !commit.noticed.is_empty();
                        let written = condition::Written::of(&commit);
                        let counted = disk.commit(commit).await;
                        if counted == Ok(true) {
                            written.tell(calendar.as_str());
                        }
                        if noticed && counted == Ok(true) {
                            let _ = errands.send(Tell::Filed).await;
                        }
                        counted
                    }),
                );
            }
            Output::Homes(ticket, users, doubt) => self.homes(ticket, &users, doubt),
            Output::Ask(ticket, user, ask) => {
                let calendar = self.parts.calendar.clone();
                let target = self.targets.get(&user);
                let question = follow::Question::exchange(&user, &ask);
                self.work(
                    move |result| {
                        question.answered(&result);
                        Input::Got(ticket, result)
                    },
                    Box::pin(async move {
                        let (target, life) = target?;
                        let asked = life.of(put(calendar.as_ref(), &target, ask)).await;
                        asked.unwrap_or_else(|| Err(gone()))
                    }),
                );
            }
            Output::Key(ticket, user, want) => {
                let keys = self.parts.keys.clone();
                let question = follow::Question::key(&user, &want);
                self.work(
                    move |result| {
                        question.answered(&result);
                        Input::Keyed(ticket, result)
                    },
                    Box::pin(async move { key(keys.as_ref(), &user, want).await }),
                );
            }
        }
    }

    fn target(&self, user: &UserId) -> Result<Target, Fault> {
        self.targets.get(user).map(|(target, _)| target)
    }

    /// Every piece of work answers exactly once, also if it panics: a ticket without an answer
    /// would keep its mailbox waiting for ever.
    fn work<T: Send + 'static>(
        &mut self,
        input: impl FnOnce(Result<T, Fault>) -> Input + Send + 'static,
        work: BoxFuture<'static, Result<T, Fault>>,
    ) {
        let inputs = self.inputs.clone();
        self.tasks.spawn(async move {
            let result = AssertUnwindSafe(work).catch_unwind().await;
            let result = result.unwrap_or_else(|_| Err(Fault::retry("internal error")));
            let _ = inputs.send(input(result)).await;
        });
    }

    fn homes(&mut self, ticket: Ticket, users: &[UserId], doubt: Doubt) {
        let calendar = self.parts.calendar.clone();
        let targets: Vec<_> = users.iter().map(|user| self.target(user)).collect();
        let asked = users.len();
        self.work(
            move |result| {
                let homes = result.unwrap_or_else(|fault| vec![Err(fault); asked]);
                Input::Homes(ticket, homes)
            },
            Box::pin(async move {
                let known: Vec<_> = targets.iter().flatten().cloned().collect();
                let mut answers = calendar.homes(&known, doubt).await.into_iter();
                let missing = || Err(Fault::retry("no answer for the mailbox"));
                let answer = |target: Result<Target, Fault>| match target {
                    Ok(_) => answers.next().unwrap_or_else(missing),
                    Err(fault) => Err(fault),
                };
                Ok(targets.into_iter().map(answer).collect())
            }),
        );
    }

    fn order(&mut self, stream: StreamId, order: Order) {
        let Some(orders) = self.streams.get(&stream) else { return };
        if orders.try_send(order).is_err() {
            // It takes no orders: it ends, or the channel's end makes it end. Either way its end
            // comes as an input.
            self.streams.remove(&stream);
        }
    }

    fn listen(&mut self, stream: StreamId, users: &[UserId]) {
        let group: Vec<_> = users.iter().filter_map(|user| self.target(user).ok()).collect();
        let (orders, ordered) = mpsc::channel(ORDERS);
        self.streams.insert(stream, orders);
        let calendar = self.parts.calendar.clone();
        let inputs = self.inputs.clone();
        self.tasks.spawn(async move {
            let (hints, mut heard) = mpsc::channel(HINTS);
            let listening = AssertUnwindSafe(calendar.listen(group, ordered, hints)).catch_unwind();
            let forward = async {
                while let Some(hint) = heard.recv().await {
                    if inputs.send(Input::Hint(stream, hint)).await.is_err() {
                        break;
                    }
                }
            };
            let (end, ()) = tokio::join!(listening, forward);
            let end = end.unwrap_or_else(|_| ListenEnd::Failed(Fault::retry("internal error")));
            let _ = inputs.send(Input::Ended(stream, end)).await;
        });
    }

    /// Gives the subscriptions back. Passes under way end by themselves; what they did not commit
    /// is read again at the next start.
    async fn wind_up(mut self, mut inbox: mpsc::Receiver<Input>) {
        let mut left = self.streams.len();
        // The end of its orders tells a stream to stop.
        self.streams.clear();
        let ends = async {
            while left > 0 {
                match inbox.recv().await {
                    Some(Input::Ended(..)) => left -= 1,
                    Some(_) => {}
                    None => break,
                }
            }
        };
        // The server forgets by itself what is not given back in time.
        let _ = tokio::time::timeout(WIND_UP, ends).await;
        self.tasks.shutdown().await;
    }
}

async fn put(calendar: &dyn Calendar, target: &Target, ask: Ask) -> Result<Got, Fault> {
    match ask {
        Ask::Changes(cursor) => {
            // Who is read for the first time is verified: the mailbox is there, is open to us, and
            // its language is seen on the way.
            if cursor.is_none() {
                calendar.verify(target).await?;
            }
            calendar.changes(target, cursor.as_ref()).await.map(Got::Page)
        }
        Ask::Items(ids) => calendar.items(target, &ids).await.map(Got::Items),
        Ask::View(window) => calendar.view(target, window.from, window.to).await.map(Got::View),
    }
}

async fn key(
    keys: &dyn Keys,
    user: &UserId,
    want: Want,
) -> Result<(ResourceUri, Arc<dyn Sealer>), Fault> {
    let Bound { resource, key, .. } = match want {
        Want::Establish => keys.establish(user).await?,
        Want::Rotate(resource) => keys.rotate(&resource).await?,
        Want::Recall(resource, key) => keys.recall(&resource, &key).await?,
    };
    Ok((resource, key))
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
