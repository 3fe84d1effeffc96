//! `GET /v1/status`: how everything is.

use std::path::Path;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Admin;
use crate::daemon::clock;
use crate::daemon::intake::Seen;
use crate::daemon::questions::{Line, Question};
use crate::daemon::serve::{self, Reply};
use crate::model::{Span, Time, Verdict};
use crate::observe::condition::{Condition, HOST_WAITS, STORE_FAILS, fill, short};
use crate::observe::standing::{self, Standing};
use crate::pipeline::fleet::{Census, ServerView, Survey};

impl Admin {
    pub(super) async fn status(&self) -> Reply {
        serve::json(StatusCode::OK, &self.status_value().await)
    }

    pub(super) async fn status_value(&self) -> Value {
        let now = clock::wall();
        let mut calendars = Vec::new();
        let mut all = Census::default();
        // First: a loop says that something is wrong before it counts it.
        let conditions = self.conditions(now).await;
        for (line, seen) in &self.parts.calendars {
            let survey = line.ask(Question::Survey).await.unwrap_or_default();
            let seen = *seen.borrow();
            add(&mut all, seen.census);
            calendars.push(calendar(line, seen, &survey));
        }
        let sums = self.sums();
        let rates = {
            let rates = self.rates.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            rates.since(Instant::now(), &sums)
        };
        let ready = *self.parts.ready.borrow();
        let (began, since) = self.began;
        let writes = *self.parts.disk.writes.borrow();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "time": text(now),
            "time_ms": now.as_ms(),
            "started": text(began),
            "uptime_seconds": since.elapsed().as_secs(),
            "ready": ready,
            "well": ready && conditions.is_empty(),
            "mailboxes": mailboxes(all),
            "calendars": calendars,
            "cloud": self.cloud(),
            "outbox": self.outbox().await,
            "totals": sums.each().into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            "rates": rates.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
            "conditions": conditions,
            "store": store(&self.parts.store, writes),
            "process": process(),
        })
    }

    fn cloud(&self) -> Value {
        let sent = *self.parts.sent.borrow();
        json!({
            "takes_events": *self.parts.cloud_well.borrow(),
            "channel_open": *self.parts.channel_open.borrow(),
            "sent": sent.events,
            "last": sent.last.map(text),
            "disk_to_cloud_ms": quantiles(sent.to_cloud),
        })
    }

    async fn outbox(&self) -> Value {
        match self.parts.disk.backlog().await {
            Ok(backlog) => json!({
                "waiting": backlog.waiting,
                "oldest": backlog.oldest.map(text),
                "set_aside": backlog.aside,
            }),
            Err(fault) => json!({"unknown": fault.to_string()}),
        }
    }

    /// What is open, with what the trust list and the disk say themselves.
    async fn conditions(&self, now: Time) -> Vec<Value> {
        let mut standing = standing::board().standing(now);
        let waits = self.parts.disk.trust().await.unwrap_or_default();
        let waits = waits.iter().filter(|entry| entry.verdict == Verdict::Pending);
        let oldest = waits.clone().min_by_key(|entry| entry.since);
        standing.extend(oldest.map(|entry| {
            let (host, via) = (&entry.host, &entry.via);
            let one = bare(HOST_WAITS, (entry.since, now), waits.count(), host);
            Standing { cause: format!("{host} ({via})"), ..one }
        }));
        let is_told = |one: &Standing| one.condition == STORE_FAILS;
        if !*self.parts.disk.writes.borrow() && !standing.iter().any(is_told) {
            standing.push(bare(STORE_FAILS, (now, now), 1, ""));
        }
        standing.sort_by_key(|one| (one.condition.severity, one.since));
        standing.iter().map(condition).collect()
    }
}

fn bare(condition: Condition, (since, told): (Time, Time), count: usize, host: &str) -> Standing {
    let (calendar, cause) = (String::new(), String::new());
    let remedy = fill(condition.remedy, |field| (field == "HOST").then(|| host.to_owned()));
    Standing { condition, calendar, since, told, count, user: None, cause, remedy }
}

fn condition(one: &Standing) -> Value {
    json!({
        "name": one.condition.name,
        "severity": one.condition.severity.as_str(),
        "calendar": (!one.calendar.is_empty()).then_some(&one.calendar),
        "since": text(one.since),
        "told": text(one.told),
        "count": one.count,
        "user": one.user,
        "cause": (!one.cause.is_empty()).then_some(&one.cause),
        "remedy": one.remedy,
    })
}

fn calendar(line: &Line, seen: Seen, survey: &Survey) -> Value {
    let &Survey { streams, demoted, ref servers, account_rests, to_disk, .. } = survey;
    json!({
        "name": line.calendar.as_str(),
        "mailboxes": mailboxes(seen.census),
        "serving": seen.serving,
        "signed_in": seen.refused.is_none(),
        "sign_in_again_seconds": account_rests.map(seconds),
        "streams": streams,
        "demoted": demoted,
        "event_to_disk_ms": quantiles(to_disk),
        "servers": servers.iter().map(server).collect::<Vec<_>>(),
    })
}

fn server(one: &ServerView) -> Value {
    json!({
        // A hash; it names no one.
        "id": short(one.key.as_str()),
        "mailboxes": one.mailboxes,
        "queued": one.queued,
        "requests_open": one.asking,
        "rests_seconds": one.rests.map(seconds),
    })
}

fn add(all: &mut Census, one: Census) {
    all.active += one.active;
    all.streaming += one.streaming;
    all.polling += one.polling;
    all.failing += one.failing;
    all.queued += one.queued;
}

fn mailboxes(census: Census) -> Value {
    let Census { active, streaming, polling, failing, queued } = census;
    json!({"active": active, "streaming": streaming, "polling": polling, "failing": failing,
           "queued": queued})
}

fn quantiles(spans: Option<(Span, Span)>) -> Value {
    spans.map_or(Value::Null, |(half, most)| json!({"p50": half.as_ms(), "p99": most.as_ms()}))
}

fn seconds(span: Span) -> u64 {
    span.as_ms().div_ceil(1_000)
}

/// RFC 3339, to the second.
pub(super) fn text(time: Time) -> String {
    let time = jiff::Timestamp::from_millisecond(time.as_ms()).unwrap_or_default();
    format!("{time:.0}")
}

fn store(path: &Path, writes: bool) -> Value {
    let size = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        std::fs::metadata(name).map_or(0, |facts| facts.len())
    };
    let disk = path.parent().and_then(|folder| nix::sys::statvfs::statvfs(folder).ok());
    let bytes = |blocks: u64, fragment: u64| blocks.saturating_mul(fragment);
    json!({
        "path": path.to_string_lossy(),
        "writes": writes,
        "bytes": size("") + size("-wal"),
        "disk_free_bytes": disk.map(|d| bytes(d.blocks_available(), d.fragment_size())),
        "disk_bytes": disk.map(|d| bytes(d.blocks(), d.fragment_size())),
    })
}

/// What the system knows of this process (proc(5)).
fn process() -> Value {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    json!({
        "pid": std::process::id(),
        "memory_bytes": kib("VmRSS:").map(|kib| kib * 1_024),
        "memory_most_bytes": kib("VmHWM:").map(|kib| kib * 1_024),
        "open_files": std::fs::read_dir("/proc/self/fd").map(Iterator::count).ok(),
        "open_files_limit": limits()["max_open_files"],
    })
}

/// What the system lets this process have (proc_pid_limits(5)): the soft limits.
pub(super) fn limits() -> Value {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limits = text.lines().skip(1).filter_map(|line| {
        let mut columns = line.split("  ").map(str::trim).filter(|column| !column.is_empty());
        let name = columns.next()?.to_lowercase().replace(' ', "_");
        let soft = columns.next()?;
        Some((name, soft.parse::<u64>().map_or_else(|_| soft.into(), Value::from)))
    });
    Value::Object(limits.collect())
}
