//! What Prometheus and whoever supervises the service ask: `/metrics`, `/ready`, `/live`, on
//! loopback or a Unix socket, where the configuration says so.
//!
//! Everything is read where it stands when somebody asks; nothing is counted twice.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use http::{Method, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::clock;
use super::disk::Disk;
use super::intake::Seen;
use super::questions::{Line, Question};
use super::serve::{self, Asked, Listener, Peer, Reply, Service, not_found, wrong_method};
use super::uplink::Sent;
use crate::condition;
use crate::config::{MetricsListen, Settings};
use crate::model::{Span, Time};
use crate::observe::condition::METRICS_FAIL;
use crate::observe::metrics::{self as m, Scrape};
use crate::observe::standing;
use crate::pipeline::fleet::Survey;

/// A part that does not answer within this does not turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is shown, and who is asked for it.
pub(super) struct Parts {
    /// Says where to listen.
    pub(super) in_force: watch::Receiver<Arc<Settings>>,
    pub(super) store: std::path::PathBuf,
    pub(super) disk: Disk,
    pub(super) calendars: Vec<(Line, watch::Receiver<Seen>)>,
    pub(super) cloud_well: watch::Receiver<bool>,
    pub(super) channel_open: watch::Receiver<bool>,
    pub(super) sent: watch::Receiver<Sent>,
    pub(super) ready: watch::Receiver<bool>,
}

struct Metrics {
    parts: Parts,
    began: Time,
}

/// Runs until `stop` becomes true, and moves where the configuration says so. Where it cannot
/// listen, nothing else suffers.
pub(super) async fn run(parts: Parts, mut stop: watch::Receiver<bool>) {
    let mut in_force = parts.in_force.clone();
    let service = Arc::new(Metrics { parts, began: clock::wall() });
    loop {
        let place = in_force.borrow_and_update().metrics.clone();
        let moves = async {
            // At the end of the reload nobody says anything else any more.
            if in_force.wait_for(|now| now.metrics != place).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        // Of another place it is said anew.
        standing::board().over(METRICS_FAIL);
        let listening = listen(place.as_ref(), service.clone(), stop.clone());
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = listening => return,
            () = moves => {}
        }
    }
}

async fn listen(
    place: Option<&MetricsListen>,
    service: Arc<Metrics>,
    mut stop: watch::Receiver<bool>,
) {
    let listener = match place {
        None => None,
        Some(MetricsListen::Unix(path)) => Some(Listener::unix(path).await),
        Some(MetricsListen::Loopback(address)) => {
            Some(TcpListener::bind(address).await.map(Listener::Tcp))
        }
    };
    match listener {
        Some(Ok(listener)) => return serve::run(listener, service, stop).await,
        Some(Err(error)) => condition!(warn, METRICS_FAIL, CAUSE = error,;
            "nobody can ask for metrics ({error}); meetings are relayed all the same"),
        None => {}
    }
    let _ = stop.wait_for(|stop| *stop).await;
}

impl Service for Metrics {
    fn knows(&self, _: Peer) -> bool {
        true
    }

    fn answer(&self, asked: Asked) -> BoxFuture<'_, Reply> {
        async move {
            let path = asked.path.as_str();
            if !["/metrics", "/ready", "/live"].contains(&path) {
                return not_found();
            }
            if asked.method != Method::GET {
                return wrong_method("GET");
            }
            match path {
                "/metrics" => {
                    let kind = "text/plain; version=0.0.4; charset=utf-8";
                    serve::text(StatusCode::OK, kind, self.scrape().await.text())
                }
                "/ready" => said(*self.parts.ready.borrow(), ["ready\n", "not ready yet\n"]),
                _ => said(self.turns().await, ["live\n", "a loop does not turn\n"]),
            }
        }
        .boxed()
    }
}

fn said(well: bool, [yes, no]: [&'static str; 2]) -> Reply {
    match well {
        true => serve::text(StatusCode::OK, "text/plain", yes),
        false => serve::text(StatusCode::SERVICE_UNAVAILABLE, "text/plain", no),
    }
}

impl Metrics {
    /// Whether the disk's thread and each calendar's loop answer.
    async fn turns(&self) -> bool {
        let loops = self.parts.calendars.iter().map(|(line, _)| line.ask(Question::Survey));
        let all = async {
            let (disk, loops) = tokio::join!(self.parts.disk.backlog(), join_all(loops));
            // What the disk says may be a fault; that it says something shows that it turns.
            drop(disk);
            loops.iter().all(Option::is_some)
        };
        tokio::time::timeout(PATIENCE, all).await.unwrap_or(false)
    }

    async fn scrape(&self) -> Scrape {
        let mut scrape = Scrape::default();
        // First: a loop says that something is wrong before it counts it.
        let standing = standing::board().standing(clock::wall());
        scrape.put(m::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
        scrape.put(m::START_TIME, &[], self.began.as_ms() as f64 / 1_000.0);
        scrape.put(m::READY, &[], flag(*self.parts.ready.borrow()));
        for (line, seen) in &self.parts.calendars {
            let survey = tokio::time::timeout(PATIENCE, line.ask(Question::Survey)).await;
            calendar(&mut scrape, line.calendar.as_str(), *seen.borrow(), survey.ok().flatten());
        }
        self.cloud(&mut scrape).await;
        self.store(&mut scrape);
        for one in standing {
            let labels = [one.condition.name, one.condition.severity.as_str(), &one.calendar];
            scrape.put(m::CONDITION_OPEN, &labels, one.count as f64);
        }
        scrape
    }

    async fn cloud(&self, scrape: &mut Scrape) {
        let sent = *self.parts.sent.borrow();
        scrape.put(m::CLOUD_EVENTS, &[], sent.events as f64);
        for (quantile, span) in quantiles(sent.to_cloud) {
            scrape.put(m::DISK_TO_CLOUD, &[quantile], seconds(span));
        }
        scrape.put(m::CLOUD_WELL, &[], flag(*self.parts.cloud_well.borrow()));
        scrape.put(m::CHANNEL_OPEN, &[], flag(*self.parts.channel_open.borrow()));
        let backlog = tokio::time::timeout(PATIENCE, self.parts.disk.backlog()).await;
        if let Ok(Ok(backlog)) = backlog {
            let age = backlog.oldest.map(|oldest| clock::wall().since(oldest));
            scrape.put(m::OUTBOX, &[], backlog.waiting as f64);
            scrape.put(m::OUTBOX_AGE, &[], seconds(age.unwrap_or_default()));
            scrape.put(m::SET_ASIDE, &[], backlog.aside as f64);
        }
    }

    fn store(&self, scrape: &mut Scrape) {
        let path = &self.parts.store;
        let size = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            std::fs::metadata(name).map_or(0, |facts| facts.len())
        };
        scrape.put(m::STORE_WRITABLE, &[], flag(*self.parts.disk.writes.borrow()));
        scrape.put(m::STORE_BYTES, &[], (size("") + size("-wal")) as f64);
        let disk = path.parent().and_then(|folder| nix::sys::statvfs::statvfs(folder).ok());
        if let Some(disk) = disk {
            let free = disk.blocks_available() as f64 * disk.fragment_size() as f64;
            scrape.put(m::DISK_FREE, &[], free);
        }
        if let Some(bytes) = resident() {
            scrape.put(m::MEMORY, &[], bytes);
        }
    }
}

fn calendar(scrape: &mut Scrape, name: &str, seen: Seen, survey: Option<Survey>) {
    let (census, tally) = (seen.census, seen.tally);
    let mut put = |metric, value: f64| scrape.put(metric, &[name], value);
    put(m::MAILBOXES, census.active as f64);
    put(m::MAILBOXES_STREAMING, census.streaming as f64);
    put(m::MAILBOXES_POLLING, census.polling as f64);
    put(m::MAILBOXES_FAILING, census.failing as f64);
    put(m::MAILBOXES_QUEUED, census.queued as f64);
    put(m::SIGNED_IN, flag(seen.refused.is_none()));
    put(m::EXCHANGE_EVENTS, tally.events as f64);
    put(m::EXCHANGE_REQUESTS, tally.requests as f64);
    put(m::READINGS, tally.readings as f64);
    put(m::RECORDS, tally.records as f64);
    let Some(survey) = survey else { return };
    put(m::STREAMS, survey.streams as f64);
    for (quantile, span) in quantiles(survey.to_disk) {
        scrape.put(m::EVENT_TO_DISK, &[name, quantile], seconds(span));
    }
}

fn quantiles(spans: Option<(Span, Span)>) -> impl Iterator<Item = (&'static str, Span)> {
    spans.into_iter().flat_map(|(half, most)| [("0.5", half), ("0.99", most)])
}

fn seconds(span: Span) -> f64 {
    span.as_ms() as f64 / 1_000.0
}

fn flag(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// `VmRSS` of proc_pid_status(5), in bytes.
fn resident() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some((kib * 1_024) as f64)
}
