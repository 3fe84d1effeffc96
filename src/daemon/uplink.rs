//! From the outbox to the cloud: carries out what `pipeline::outbox` decides.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::watch;

use super::clock;
use super::disk::Disk;
use super::follow;
use super::pulse::{LONG, Pulse};
use crate::cloud::{self, Cloud, Received};
use crate::condition;
use crate::model::{Fault, Span, Time, Trace, UserId};
use crate::observe::condition::{
    CLOUD_WAITS, CLOUD_WELL, EVENT_ANSWERED, EVENT_SENT, EVENT_SET_ASIDE, STORE_FAILS,
};
use crate::pipeline::limits::BATCH_BYTES;
use crate::pipeline::outbox::{Input, Outbox, Outgoing, Output, Verdict};
use crate::pipeline::spread::Spread;
use crate::pipeline::sync::EventKind;
use crate::store::Settled;

/// What went to the cloud since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Events that it answered for.
    pub(super) events: u64,
    /// When it last did.
    pub(super) last: Option<Time>,
    /// From the disk to its answer: half of them, and 99 of 100, of the last minutes.
    pub(super) to_cloud: Option<(Span, Span)>,
}

/// Whose the rows are that went out last, and what they belong to.
type UnderWay = HashMap<i64, (UserId, Trace)>;

/// Where the loop shows how it is.
pub(super) struct Says {
    pub(super) well: watch::Sender<bool>,
    pub(super) sent: watch::Sender<Sent>,
    pub(super) took: Spread,
}

impl Says {
    fn sent(&mut self, rows: &[Outgoing], verdicts: &BTreeMap<Arc<str>, Verdict>) {
        let now = clock::now();
        let answered = rows.iter().filter_map(|row| Some((row, verdicts.get(&row.id)?)));
        let mut events = 0;
        for (row, verdict) in answered {
            follow::sent(row, verdict);
            events += 1;
            self.took.add(now.mono, now.wall.since(row.time));
        }
        let mut quantile = |share| self.took.quantile(now.mono, share);
        let to_cloud = quantile(0.5).zip(quantile(0.99));
        self.sent.send_modify(|sent| {
            *sent = Sent { events: sent.events + events, last: Some(now.wall), to_cloud };
        });
    }
}

/// Runs until `last` becomes true and nothing waits any more, or the cloud takes nothing. Who does
/// not wait so long drops it: a batch under way then is sent again at the next start, and the cloud
/// knows it.
pub(super) async fn run(
    disk: Disk,
    cloud: Arc<dyn Cloud>,
    (mut says, pulse): (Says, Pulse),
    mut last: watch::Receiver<bool>,
) {
    let mut looked = false;
    let mut outbox = Outbox::new(u64::from(std::process::id()));
    let mut next = Some(Input::Wake);
    let mut under_way = UnderWay::new();
    loop {
        pulse.beat();
        let input = match next.take() {
            Some(input) => input,
            None if looked => return,
            None if *last.borrow() => {
                looked = true;
                Input::Wake
            }
            None => {
                let wake = outbox.wake_at();
                tokio::select! {
                    _ = last.wait_for(|last| *last) => continue,
                    () = disk.filled.notified() => Input::Wake,
                    () = clock::sleep_until(wake) => Input::Tick,
                    () = pulse.rest() => continue,
                }
            }
        };
        for output in outbox.handle(clock::now(), input) {
            pulse.allow(LONG);
            let seen = (&mut says, &mut under_way);
            next = next.or(carry_out(&disk, cloud.as_ref(), seen, output).await);
        }
    }
}

async fn carry_out(
    disk: &Disk,
    cloud: &dyn Cloud,
    (says, under_way): (&mut Says, &mut UnderWay),
    output: Output,
) -> Option<Input> {
    match output {
        Output::Load { limit } => Some(Input::Loaded(disk.outbox(limit, BATCH_BYTES).await)),
        Output::Send(rows) => {
            let named = |row: &Outgoing| (row.row, (row.user.clone(), row.trace));
            *under_way = rows.iter().map(named).collect();
            let answered = send(cloud, &rows).await;
            if let Ok(verdicts) = &answered {
                says.sent(&rows, verdicts);
            }
            Some(Input::Answered(answered))
        }
        Output::Settle { done, aside } => {
            let settled = disk.settle(Settled { done, aside: aside.clone() }).await;
            for (row, reason) in aside.iter().filter(|_| settled.is_ok()) {
                let Some((user, trace)) = under_way.get(row) else { continue };
                condition!(error, EVENT_SET_ASIDE, USER_ID = user, ROW = row, REASON = reason,
                    TRACKING_ID = trace,;
                    "the cloud will never take event {row} ({reason}); it is kept in the store");
            }
            Some(Input::Settled(settled))
        }
        Output::Trouble(fault) => {
            says.well.send_replace(false);
            condition!(warn, CLOUD_WAITS, CAUSE = fault,;
                "events wait on the disk, the cloud does not take them ({fault})");
            None
        }
        Output::StoreFails(fault) => {
            condition!(error, STORE_FAILS, CAUSE = fault,;
                "the store does not let go what the cloud has ({fault}); nothing is sent twice");
            None
        }
        Output::Well => {
            says.well.send_replace(true);
            condition!(info, CLOUD_WELL,; "the cloud takes events again");
            None
        }
    }
}

async fn send(cloud: &dyn Cloud, rows: &[Outgoing]) -> Result<BTreeMap<Arc<str>, Verdict>, Fault> {
    let batch: Vec<_> = rows.iter().map(outgoing).collect();
    for Outgoing { user, id, trace, .. } in rows {
        condition!(debug, EVENT_SENT, USER_ID = user, EVENT_ID = id, TRACKING_ID = trace,;
            "event {id} goes to the cloud");
    }
    let verdicts = cloud.send(&batch).await?;
    let verdicts = verdicts.into_iter().map(|verdict| (verdict.id, received(verdict.result)));
    let verdicts: BTreeMap<_, _> = verdicts.collect();
    for Outgoing { user, id, trace, .. } in rows {
        let Some(verdict) = verdicts.get(id) else { continue };
        let word = word(verdict);
        condition!(debug, EVENT_ANSWERED, USER_ID = user, EVENT_ID = id, OUTCOME = word,
            TRACKING_ID = trace,; "the cloud answered for event {id}: {word}");
    }
    Ok(verdicts)
}

/// As the relay protocol calls it.
fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Stored => "stored",
        Verdict::Duplicate => "duplicate",
        Verdict::Stale => "stale",
        Verdict::Rejected(_) => "rejected",
    }
}

fn outgoing(row: &Outgoing) -> cloud::Outgoing {
    let kind = match row.kind {
        EventKind::Create => cloud::EventKind::Put { created: true },
        EventKind::Update => cloud::EventKind::Put { created: false },
        EventKind::Delete => cloud::EventKind::Delete,
        EventKind::Complete => cloud::EventKind::ResyncComplete,
        EventKind::Presence => cloud::EventKind::Presence,
        EventKind::State => cloud::EventKind::State,
        EventKind::Result => cloud::EventKind::Result,
        EventKind::FreeBusy => cloud::EventKind::FreeBusy,
        EventKind::Decorate => cloud::EventKind::Decorate,
    };
    cloud::Outgoing {
        id: row.id.clone(),
        kind,
        user: row.user.clone(),
        sequence: row.sequence,
        time: row.time,
        data: row.data.clone(),
        trace: row.trace,
    }
}

fn received(received: Received) -> Verdict {
    match received {
        Received::Stored => Verdict::Stored,
        Received::Duplicate => Verdict::Duplicate,
        Received::Stale => Verdict::Stale,
        Received::Rejected(why) => Verdict::Rejected(why),
    }
}
