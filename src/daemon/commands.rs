//! The command channel: each command decided, its outcome on the disk, then acknowledged.
//!
//! Commands are taken in their order, one at a time: an activation and a deactivation of the same
//! user must not overtake each other.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::{mpsc, watch};

use super::clock;
use super::disk::Disk;
use super::intake::Tell;
use crate::cloud::{Answered, ChannelEnd, Cloud, Heard};
use crate::condition;
use crate::kms::Keys;
use crate::model::{Address, Command, Fault, Next, Outcome, Span, UserId};
use crate::observe::condition::{CHANNEL_CLOSED, CHANNEL_OPEN, COMMAND, NO_CALENDAR, STORE_FAILS};
use crate::pipeline::command::{self, Effect, Need};
use crate::pipeline::limits::{CLOUD_RETRY, STORE_RETRY};
use crate::pipeline::pace::{Dice, Pace};
use crate::pipeline::seal::Installation;

/// Commands that may wait; beyond them the channel is read no further.
const QUEUE: usize = 64;

/// Which loop serves a mailbox.
#[derive(Clone, Default)]
pub(super) struct Switchboard {
    lines: Vec<Line>,
}

#[derive(Clone)]
struct Line {
    domains: BTreeSet<String>,
    tells: mpsc::Sender<Tell>,
}

impl Switchboard {
    pub(super) fn add(&mut self, domains: BTreeSet<String>, tells: mpsc::Sender<Tell>) {
        self.lines.push(Line { domains, tells });
    }

    /// The calendar that names the domain; else the first that names none.
    fn line(&self, address: &Address) -> Option<&Line> {
        let domain = address.domain().to_ascii_lowercase();
        let named = self.lines.iter().find(|line| line.domains.contains(&domain));
        named.or_else(|| self.lines.iter().find(|line| line.domains.is_empty()))
    }

    pub(super) async fn activate(&self, user: UserId, address: Arc<Address>) {
        match self.line(&address) {
            Some(line) => {
                for other in &self.lines {
                    if !other.tells.same_channel(&line.tells) {
                        let _ = other.tells.send(Tell::Remove(user.clone())).await;
                    }
                }
                let _ = line.tells.send(Tell::Add(user, address)).await;
            }
            None => condition!(error, NO_CALENDAR, USER_ID = user,;
                "no calendar serves the domain of mailbox {user}"),
        }
    }

    pub(super) async fn all(&self, tell: impl Fn() -> Tell) {
        for line in &self.lines {
            let _ = line.tells.send(tell()).await;
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
pub(super) async fn run(parts: Parts, open: watch::Sender<bool>, mut stop: watch::Receiver<bool>) {
    let (mut pace, mut dice) = (Pace::default(), Dice::new(u64::from(std::process::id())));
    loop {
        let after = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            after = position(&parts.disk) => after,
        };
        let (heard, inbox) = mpsc::channel(QUEUE);
        let (answers, outbox) = mpsc::channel(QUEUE);
        let channel = parts.cloud.channel(after, heard, outbox, stop.clone());
        let work = serve(&parts, inbox, answers, &open, &mut pace);
        let (end, ()) = tokio::join!(channel, work);
        open.send_replace(false);
        let fault = match end {
            ChannelEnd::Stopped => return,
            ChannelEnd::Replaced => Fault::retry("another connector took the channel"),
            ChannelEnd::Failed(fault) => fault,
        };
        let asked = match fault.next {
            Next::Retry { after } | Next::BackOff { after } => after,
            Next::SignIn => Some(Span::MINUTE),
            _ => None,
        };
        let now = clock::now().mono;
        let until = pace.fail(now, CLOUD_RETRY, asked, &mut dice);
        let wait = until.since(now);
        condition!(warn, CHANNEL_CLOSED, CAUSE = fault,;
            "the command channel is closed ({fault}); next try in {wait}");
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep_until(clock::instant(until)) => {}
        }
    }
}

async fn position(disk: &Disk) -> u64 {
    loop {
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
    open: &watch::Sender<bool>,
    pace: &mut Pace,
) {
    let mut came = Vec::with_capacity(QUEUE);
    while inbox.recv_many(&mut came, QUEUE).await > 0 {
        tokio::select! {
            () = answers.closed() => return,
            () = fetch_keys(parts, &came) => {}
        }
        for heard in came.drain(..) {
            match heard {
                Heard::Open => {
                    pace.reset();
                    open.send_replace(true);
                    condition!(info, CHANNEL_OPEN,; "the command channel is open");
                }
                Heard::Command(command) => {
                    let Some(answer) = obey(parts, &command, &answers).await else { return };
                    if answers.send(answer).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// Asks for the keys of several commands at once; the key server's client remembers them. Thousands
/// of mailboxes that are activated together would wait for one answer after the other.
async fn fetch_keys(parts: &Parts, came: &[Heard]) {
    let sealed = |heard: &Heard| match heard {
        Heard::Command(command) => match command::decide(command) {
            Need::Open { jwe, key } => Some((jwe, key)),
            Need::Nothing(_) => None,
        },
        Heard::Open => None,
    };
    let sealed: Vec<_> = came.iter().filter_map(sealed).collect();
    if sealed.len() > 1 {
        // What fails here is asked for again when its turn comes.
        join_all(sealed.iter().map(|(jwe, key)| parts.keys.open(key, jwe))).await;
    }
}

/// Decides a command, however often the key server or the disk must be asked. `None`: the channel
/// broke meanwhile, the command comes again. It is given up only between two tries, as what is on
/// the disk must be told to the intake too.
async fn obey(
    parts: &Parts,
    command: &Command,
    answers: &mpsc::Sender<Answered>,
) -> Option<Answered> {
    let mut pace = Pace::default();
    let mut dice = Dice::new(command.sequence);
    let outcome = loop {
        match try_obey(parts, command).await {
            Ok(outcome) => break outcome,
            Err(fault) => {
                let now = clock::now().mono;
                let wait = pace.fail(now, CLOUD_RETRY, None, &mut dice).since(now);
                condition!(warn, COMMAND, COMMAND_ID = command.id, CAUSE = fault,;
                    "command {} waits ({fault}); next try in {wait}", command.id);
                tokio::select! {
                    () = answers.closed() => return None,
                    () = pause(wait) => {}
                }
            }
        }
    };
    let word = match &outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Refused(why) => format!("refused: {why}"),
    };
    condition!(info, COMMAND, COMMAND_ID = command.id,; "command {}: {word}", command.id);
    Some(Answered { id: command.id.clone(), sequence: command.sequence, outcome })
}

async fn try_obey(parts: &Parts, command: &Command) -> Result<Outcome, Fault> {
    if let Some(outcome) = parts.disk.outcome(command.id.clone()).await? {
        return Ok(outcome);
    }
    let decision = match command::decide(command) {
        Need::Nothing(decision) => decision,
        Need::Open { jwe, key } => {
            let opened = parts.keys.open(&key, &jwe).await;
            command::opened(command, &parts.installation, opened)?
        }
    };
    let effect = decision.effect.clone();
    let outcome = parts.disk.decide(decision).await?;
    match effect {
        Effect::None => {}
        Effect::Activate { user, address } => {
            let address = command::address(&parts.installation, &address)?;
            parts.switchboard.activate(user, address).await;
        }
        Effect::Deactivate { user } => {
            parts.switchboard.all(|| Tell::Remove(user.clone())).await;
        }
        Effect::Resend { user: Some(user) } => {
            parts.switchboard.all(|| Tell::Stir(user.clone())).await;
        }
        Effect::Resend { user: None } => parts.switchboard.all(|| Tell::StirAll).await,
    }
    Ok(outcome)
}
