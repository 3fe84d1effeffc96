//! The way from the disk to the cloud: at least once on the wire, once in effect.
//!
//! **Promise.** A row leaves the outbox only after the cloud answered for it: stored, duplicate or
//! stale take it away, rejected sets it aside and names it. Batches go out in the order of the
//! rows, one at a time. A batch that the cloud cannot take as a whole is halved until the one row
//! that it cannot take stands alone.
//!
//! ```text
//!   Idle ──wake──▶ Loading ──rows──▶ Sending ──verdicts──▶ Settling ──▶ Loading
//!    ▲               │ none            │ fault                 │ fault
//!    └───────────────┘                 └──▶ Waiting ◀──────────┘
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use super::limits::{BATCH_EVENTS, CLOUD_RETRY, STORE_RETRY};
use super::pace::{Dice, Pace};
use super::seal::Sealed;
use super::sync::EventKind;
use crate::model::{Fault, Next, Now, Time, Trace, UserId};

/// An event on the disk, waiting for the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its number in the outbox.
    pub row: i64,
    /// The event's id: the same whenever it is sent again.
    pub id: Arc<str>,
    /// Whose.
    pub user: UserId,
    /// What it says.
    pub kind: EventKind,
    /// Its place among the user's events.
    pub sequence: u64,
    /// When it was committed.
    pub time: Time,
    /// The `data`.
    pub data: Sealed,
    /// What it belongs to, for the journal.
    pub trace: Trace,
}

/// The cloud's answer for one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has it now.
    Stored,
    /// It had it before.
    Duplicate,
    /// It has something newer.
    Stale,
    /// It will never take it, for this reason.
    Rejected(String),
}

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// Something was committed, or the uplink has just begun.
    Wake,
    /// The rows that were asked for, in order.
    Loaded(Result<Vec<Outgoing>, Fault>),
    /// The cloud's answer, by event id.
    Answered(Result<BTreeMap<Arc<str>, Verdict>, Fault>),
    /// The disk's answer.
    Settled(Result<(), Fault>),
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Read the first rows.
    Load {
        /// At most this many.
        limit: usize,
    },
    /// Send these.
    Send(Vec<Outgoing>),
    /// Take these rows off the disk; set the others aside.
    Settle {
        /// Rows that the cloud answered for.
        done: Vec<i64>,
        /// Rows that it will never take, and why.
        aside: Vec<(i64, String)>,
    },
    /// Say that the cloud cannot be reached or does not want.
    Trouble(Fault),
    /// Say that it is well again.
    Well,
    /// Say that the disk takes or gives nothing. Told once.
    StoreFails(Fault),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Idle,
    Loading,
    Sending,
    Settling,
    Waiting(Time),
}

/// Rows that may go, and others to be set aside, with the reasons.
type Answered = (Vec<i64>, Vec<(i64, String)>);

/// The machine.
#[derive(Debug)]
pub struct Outbox {
    stage: Stage,
    woken: bool,
    limit: usize,
    sent: Vec<Outgoing>,
    /// Answered rows that the disk did not let go.
    unsettled: Option<Answered>,
    /// The cloud made trouble, and nothing has gone well since.
    troubled: bool,
    /// The disk makes trouble, which was told.
    store_fails: bool,
    pace: Pace,
    dice: Dice,
}

impl Outbox {
    /// Begins idle; the first [`Input::Wake`] sets it off.
    pub fn new(seed: u64) -> Self {
        Self {
            stage: Stage::Idle,
            woken: false,
            limit: BATCH_EVENTS,
            sent: Vec::new(),
            unsettled: None,
            troubled: false,
            store_fails: false,
            pace: Pace::default(),
            dice: Dice::new(seed),
        }
    }

    /// When it wants a [`Input::Tick`].
    pub fn wake_at(&self) -> Option<Time> {
        match self.stage {
            Stage::Waiting(until) => Some(until),
            _ => None,
        }
    }

    /// Takes one input; the outputs are to be carried out in order.
    pub fn handle(&mut self, now: Now, input: Input) -> Vec<Output> {
        match (self.stage, input) {
            (Stage::Idle, Input::Wake) => self.load(),
            (_, Input::Wake) => {
                self.woken = true;
                Vec::new()
            }
            (Stage::Waiting(until), Input::Tick) if now.mono >= until => match &self.unsettled {
                // The cloud has answered for them: nothing is sent again.
                Some((done, aside)) => self.settle(done.clone(), aside.clone()),
                None => self.load(),
            },
            (Stage::Loading, Input::Loaded(loaded)) => self.loaded(now, loaded),
            (Stage::Sending, Input::Answered(answer)) => self.answered(now, answer),
            (Stage::Settling, Input::Settled(settled)) => self.settled(now, settled),
            _ => Vec::new(),
        }
    }

    fn load(&mut self) -> Vec<Output> {
        self.stage = Stage::Loading;
        self.woken = false;
        vec![Output::Load { limit: self.limit }]
    }

    fn loaded(&mut self, now: Now, loaded: Result<Vec<Outgoing>, Fault>) -> Vec<Output> {
        match loaded {
            Err(fault) => self.wait_for_store(now, fault),
            Ok(rows) if rows.is_empty() && self.woken => self.load(),
            Ok(rows) if rows.is_empty() => {
                self.stage = Stage::Idle;
                self.well()
            }
            Ok(rows) => {
                self.stage = Stage::Sending;
                self.sent.clone_from(&rows);
                vec![Output::Send(rows)]
            }
        }
    }

    fn answered(
        &mut self,
        now: Now,
        answer: Result<BTreeMap<Arc<str>, Verdict>, Fault>,
    ) -> Vec<Output> {
        let sent = std::mem::take(&mut self.sent);
        let verdicts = match answer {
            Ok(verdicts) => verdicts,
            Err(fault) if fault.next == Next::Refused && sent.len() > 1 => {
                self.limit = (sent.len() / 2).max(1);
                return self.load();
            }
            Err(fault) if fault.next == Next::Refused => {
                let aside = sent.iter().map(|row| (row.row, fault.to_string())).collect();
                return self.settle(Vec::new(), aside);
            }
            Err(fault) => {
                let (Next::Retry { after } | Next::BackOff { after }) = fault.next else {
                    return self.wait(now, None, fault);
                };
                return self.wait(now, after, fault);
            }
        };
        let (mut done, mut aside) = (Vec::new(), Vec::new());
        for row in &sent {
            match verdicts.get(&row.id) {
                Some(Verdict::Rejected(why)) => aside.push((row.row, why.clone())),
                Some(_) => done.push(row.row),
                // Not answered for: it stays and goes out again.
                None => {}
            }
        }
        if done.is_empty() && aside.is_empty() {
            let fault = Fault::retry("the cloud answered for none of the events");
            return self.wait(now, None, fault);
        }
        self.limit = (self.limit * 2).min(BATCH_EVENTS);
        self.pace.reset();
        self.settle(done, aside)
    }

    fn settle(&mut self, done: Vec<i64>, aside: Vec<(i64, String)>) -> Vec<Output> {
        self.stage = Stage::Settling;
        self.unsettled = Some((done.clone(), aside.clone()));
        vec![Output::Settle { done, aside }]
    }

    fn settled(&mut self, now: Now, settled: Result<(), Fault>) -> Vec<Output> {
        match settled {
            Ok(()) => {
                self.unsettled = None;
                let mut out = self.well();
                out.extend(self.load());
                out
            }
            Err(fault) => self.wait_for_store(now, fault),
        }
    }

    fn well(&mut self) -> Vec<Output> {
        self.store_fails = false;
        if std::mem::take(&mut self.troubled) { vec![Output::Well] } else { Vec::new() }
    }

    fn wait(&mut self, now: Now, after: Option<crate::model::Span>, fault: Fault) -> Vec<Output> {
        let until = self.pace.fail(now.mono, CLOUD_RETRY, after, &mut self.dice);
        self.stage = Stage::Waiting(until);
        self.troubled = true;
        vec![Output::Trouble(fault)]
    }

    fn wait_for_store(&mut self, now: Now, fault: Fault) -> Vec<Output> {
        self.stage = Stage::Waiting(now.mono + self.dice.jitter(STORE_RETRY));
        let told = std::mem::replace(&mut self.store_fails, true);
        if told { Vec::new() } else { vec![Output::StoreFails(fault)] }
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
