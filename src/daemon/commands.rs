//! The command channel: each command decided, its outcome on the disk, then acknowledged.
//!
//! Commands are taken in their order: an activation and a deactivation of the same user must not
//! overtake each other. Those that came together are decided together, with one sync of the disk;
//! where one of them cannot be decided yet, those after it wait with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};

use super::disk::{Decided, Disk};
use super::intake::Tell;
use super::pulse::{LONG, Pulse};
use super::{clock, follow};
use crate::cloud::{Answered, ChannelEnd, Cloud, Heard};
use crate::condition;
use crate::kms::Keys;
use crate::model::{
    Address, Command, CommandId, Fault, KeyUri, Next, Outcome, Plain, Span, UserId,
};
use crate::observe::condition::{
    CHANNEL_CLOSED, CHANNEL_OPEN, COMMAND, COMMAND_WAITS, NO_CALENDAR, STORE_FAILS,
};
use crate::pipeline::command::{self, Decision, Effect, Need};
use crate::pipeline::limits::{CLOUD_RETRY, STORE_RETRY};
use crate::pipeline::pace::{Dice, Pace};
use crate::pipeline::seal::Installation;
use crate::pipeline::tracking;

/// Commands that may wait, and that are decided together; beyond them the channel is read no
/// further.
const QUEUE: usize = 64;

/// Which loop serves a mailbox.
#[derive(Clone, Default)]
pub(super) struct Switchboard {
    lines: Vec<Line>,
}

#[derive(Clone)]
struct Line {
    domains: BTreeSet<String>,
    /// Every loop of the calendar.
    loops: Vec<mpsc::Sender<Tell>>,
}

impl Line {
    async fn tell(&self, tell: Tell) {
        for one in &self.loops {
            let _ = one.send(tell.clone()).await;
        }
    }
}

impl Switchboard {
    pub(super) fn add(&mut self, domains: BTreeSet<String>, loops: Vec<mpsc::Sender<Tell>>) {
        self.lines.push(Line { domains, loops });
    }

    /// The calendar that names the domain; else the first that names none.
    fn line(&self, address: &Address) -> Option<usize> {
        let domain = address.domain().to_ascii_lowercase();
        let named = self.lines.iter().position(|line| line.domains.contains(&domain));
        named.or_else(|| self.lines.iter().position(|line| line.domains.is_empty()))
    }

    /// `command`: the one that asks for it; `None` at a start.
    pub(super) async fn activate(
        &self,
        user: UserId,
        address: Arc<Address>,
        command: Option<&CommandId>,
    ) {
        match self.line(&address) {
            Some(at) => {
                for (other, line) in self.lines.iter().enumerate() {
                    line.tell(match other == at {
                        true => Tell::Add(user.clone(), Arc::clone(&address)),
                        false => Tell::Remove(user.clone()),
                    })
                    .await;
                }
            }
            None => {
                let trace = command.map(|id| tracking::of(id.as_str()).to_string());
                condition!(error, NO_CALENDAR, USER_ID = user,
                    TRACKING_ID = trace.as_deref().unwrap_or("-"),;
                    "no calendar serves the domain of mailbox {user}");
            }
        }
    }

    pub(super) async fn all(&self, tell: impl Fn() -> Tell) {
        for line in &self.lines {
            line.tell(tell()).await;
        }
    }
}

/// What the loop needs.
pub(super) struct Parts {
    pub(super) cloud: Arc<dyn Cloud>,
    pub(super) keys: Arc<dyn Keys>,
    pub(super) disk: Disk,
    pub(super) installation: Arc<Installation>,
    pub(super) switchboard: Switchboard,
}

/// Runs until `stop` becomes true: opens the channel again whenever it breaks.
pub(super) async fn run(
    parts: Parts,
    (open, pulse): (watch::Sender<bool>, Pulse),
    mut stop: watch::Receiver<bool>,
) {
    let (mut pace, mut dice) = (Pace::default(), Dice::new(u64::from(std::process::id())));
    loop {
        let after = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            after = position(&parts.disk, &pulse) => after,
        };
        let (heard, inbox) = mpsc::channel(QUEUE);
        let (answers, outbox) = mpsc::channel(QUEUE);
        let channel = parts.cloud.channel(after, heard, outbox, stop.clone());
        let work = serve(&parts, inbox, answers, (&open, &pulse), &mut pace);
        let (end, ()) = tokio::join!(channel, work);
        open.send_replace(false);
        let Some((fault, asked)) = why(end) else { return };
        let now = clock::now().mono;
        let until = pace.fail(now, CLOUD_RETRY, asked, &mut dice);
        let wait = until.since(now);
        condition!(warn, CHANNEL_CLOSED, CAUSE = fault,;
            "the command channel is closed ({fault}); next try in {wait}");
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = pulse.through(tokio::time::sleep_until(clock::instant(until))) => {}
        }
    }
}

/// Why the channel is closed, and the least wait before it is opened again; nothing where it was
/// told to stop.
fn why(end: ChannelEnd) -> Option<(Fault, Option<Span>)> {
    let fault = match end {
        ChannelEnd::Stopped => return None,
        // Two with one name would take it from each other every second.
        ChannelEnd::Replaced => {
            let next = Next::Retry { after: Some(Span::MINUTE) };
            Fault::new(next, "another connector took the channel")
        }
        ChannelEnd::Failed(fault) => fault,
    };
    let asked = match fault.next {
        Next::Retry { after } | Next::BackOff { after } => after,
        Next::SignIn => Some(Span::MINUTE),
        _ => None,
    };
    Some((fault, asked))
}

async fn position(disk: &Disk, pulse: &Pulse) -> u64 {
    loop {
        pulse.beat();
        match disk.channel_position().await {
            Ok(position) => return position,
            Err(fault) => store_fails(&fault).await,
        }
    }
}

async fn store_fails(fault: &Fault) {
    condition!(error, STORE_FAILS, CAUSE = fault,; "the store does not answer ({fault})");
    pause(STORE_RETRY).await;
}

async fn pause(span: Span) {
    tokio::time::sleep(std::time::Duration::from_millis(span.as_ms())).await;
}

async fn serve(
    parts: &Parts,
    mut inbox: mpsc::Receiver<Heard>,
    answers: mpsc::Sender<Answered>,
    (open, pulse): (&watch::Sender<bool>, &Pulse),
    pace: &mut Pace,
) {
    let mut came = Vec::with_capacity(QUEUE);
    while pulse.through(inbox.recv_many(&mut came, QUEUE)).await > 0 {
        let mut commands = Vec::with_capacity(came.len());
        for heard in came.drain(..) {
            match heard {
                Heard::Open => {
                    pace.reset();
                    open.send_replace(true);
                    condition!(info, CHANNEL_OPEN,; "the command channel is open");
                }
                Heard::Command(command) => commands.push(command),
            }
        }
        if obey(parts, &commands, &answers, pulse).await.is_none() {
            return;
        }
    }
}

/// Decides commands, however often the key server or the disk must be asked. `None`: the channel
/// broke meanwhile, what is not answered comes again. It is given up only before something is
/// decided, as what is on the disk must be told to the intake too.
async fn obey(
    parts: &Parts,
    mut commands: &[Command],
    answers: &mpsc::Sender<Answered>,
    pulse: &Pulse,
) -> Option<()> {
    let mut pace = Pace::default();
    while let Some(first) = commands.first() {
        pulse.allow(LONG);
        let (steps, late) = tokio::select! {
            () = answers.closed() => return None,
            known = prepare(parts, commands) => known,
        };
        let (outcomes, failed) = carry_out(parts, steps).await;
        let (done, left) = commands.split_at(outcomes.len().min(commands.len()));
        for (command, outcome) in done.iter().zip(outcomes) {
            answers.send(answered(command, outcome)).await.ok()?;
            pace.reset();
        }
        commands = left;
        let (Some(fault), Some(command)) = (failed.or(late), commands.first()) else { continue };
        let now = clock::now().mono;
        let mut dice = Dice::new(first.sequence);
        let wait = pace.fail(now, CLOUD_RETRY, None, &mut dice).since(now);
        condition!(warn, COMMAND_WAITS, COMMAND_ID = command.id, CAUSE = fault,
            TRACKING_ID = tracking::of(command.id.as_str()),;
            "command {} waits ({fault}); next try in {wait}", command.id);
        tokio::select! {
            () = answers.closed() => return None,
            () = pulse.through(pause(wait)) => {}
        }
    }
    Some(())
}

fn answered(command: &Command, outcome: Outcome) -> Answered {
    let word = match &outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Refused(why) => format!("refused: {why}"),
    };
    follow::decided(command, &word);
    condition!(info, COMMAND, COMMAND_ID = command.id, OUTCOME = word,
        TRACKING_ID = tracking::of(command.id.as_str()),;
        "command {}: {word}", command.id);
    Answered { id: command.id.clone(), sequence: command.sequence, outcome }
}

/// What is to be done about a command.
enum Step {
    /// It came again.
    Known(Outcome),
    /// To be written, and then told to the intake.
    Decide(Box<Decision>, Tale),
}

/// What the intake is told of a decision.
enum Tale {
    Nothing,
    Activated(UserId, Arc<Address>),
    Deactivated(UserId),
    Resend(Option<UserId>),
    Filed,
}

/// What is to be done about the first commands, and why no more is known. The key server is asked
/// for the keys of all of them at once: thousands of mailboxes that are activated together would
/// wait for one answer after the other.
async fn prepare(parts: &Parts, commands: &[Command]) -> (Vec<Step>, Option<Fault>) {
    let ids = commands.iter().map(|command| command.id.clone()).collect();
    let known = match parts.disk.outcomes(ids).await {
        Ok(known) => known,
        Err(fault) => return (Vec::new(), Some(fault)),
    };
    let steps = commands.iter().zip(known).map(async |(command, known)| match known {
        Some(outcome) => Ok(Step::Known(outcome)),
        None => step(parts, command).await,
    });
    let mut ready = Vec::with_capacity(commands.len());
    for step in join_all(steps).await {
        match step {
            Ok(step) => ready.push(step),
            Err(fault) => return (ready, Some(fault)),
        }
    }
    (ready, None)
}

async fn step(parts: &Parts, command: &Command) -> Result<Step, Fault> {
    let decision = match command::decide(command) {
        Need::Nothing(decision) => decision,
        Need::Open { jwes, key } => {
            let opened = open(parts, &key, &jwes).await;
            command::opened(command, &parts.installation, opened)?
        }
    };
    let tale = match &decision.effect {
        Effect::None => Tale::Nothing,
        Effect::Activate { user, address } => {
            Tale::Activated(user.clone(), command::address(&parts.installation, address)?)
        }
        Effect::Deactivate { user } => Tale::Deactivated(user.clone()),
        Effect::Resend { user } => Tale::Resend(user.clone()),
        Effect::Errand { .. } => Tale::Filed,
    };
    Ok(Step::Decide(Box::new(decision), tale))
}

/// One key opens them all: the key server is asked for it once.
async fn open(parts: &Parts, key: &KeyUri, jwes: &[String]) -> Result<Vec<Plain>, Fault> {
    let mut opened = Vec::with_capacity(jwes.len());
    for jwe in jwes {
        opened.push(parts.keys.open(key, jwe).await?);
    }
    Ok(opened)
}

/// Writes what is to be written and tells the intake of it. The outcomes of the first commands,
/// and why there are no more.
async fn carry_out(parts: &Parts, steps: Vec<Step>) -> (Vec<Outcome>, Option<Fault>) {
    let decision = |step: &Step| match step {
        Step::Decide(decision, _) => Some((**decision).clone()),
        Step::Known(_) => None,
    };
    let decisions: Vec<_> = steps.iter().filter_map(decision).collect();
    let Decided { outcomes: mut made, fault } = match decisions.is_empty() {
        true => Decided { outcomes: Vec::new(), fault: None },
        false => parts.disk.decide(decisions).await,
    };
    let mut made = made.drain(..);
    let mut outcomes = Vec::with_capacity(steps.len());
    for step in steps {
        match step {
            Step::Known(outcome) => outcomes.push(outcome),
            Step::Decide(decision, tale) => {
                let Some(outcome) = made.next() else { break };
                tell(parts, tale, &decision.id).await;
                outcomes.push(outcome);
            }
        }
    }
    (outcomes, fault)
}

async fn tell(parts: &Parts, tale: Tale, command: &CommandId) {
    let switchboard = &parts.switchboard;
    match tale {
        Tale::Nothing => {}
        Tale::Activated(user, address) => {
            switchboard.activate(user, address, Some(command)).await;
        }
        Tale::Deactivated(user) => {
            switchboard.all(|| Tell::Remove(user.clone())).await;
            parts.keys.forget();
        }
        Tale::Resend(Some(user)) => switchboard.all(|| Tell::Stir(user.clone())).await,
        Tale::Filed => switchboard.all(|| Tell::Filed).await,
        Tale::Resend(None) => switchboard.all(|| Tell::StirAll).await,
    }
}

#[cfg(test)]
#[path = "commands_tests.rs"]
mod tests;
