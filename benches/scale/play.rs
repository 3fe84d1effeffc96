//! One number of mailboxes from the first activation to a restart, measured on the way.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use calway_lab::stage::{Options, Stage};
use tokio::task::JoinHandle;

use crate::connector::Connector;
use crate::content::{self, Dice, Item, Size};
use crate::process;

/// What came out.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub mailboxes: usize,
    /// From the first activation to the last record in the cloud.
    pub first_seconds: f64,
    pub first_cpu: f64,
    pub lab_cpu: f64,
    /// From the first activation until all are listened to.
    pub all_streaming_seconds: f64,
    /// Signed in to the cloud, with nobody to serve.
    pub alone_kib: f64,
    pub idle_kib: f64,
    pub idle_cpu_second: f64,
    pub edits: usize,
    pub edit_cpu_ms: f64,
    pub edit_lab_cpu_ms: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub most_ms: f64,
    pub after_edits_kib: f64,
    /// After Exchange reset every connection.
    pub recovered_seconds: f64,
    pub first_edit_seconds: f64,
    pub last_edit_seconds: f64,
    pub recovery_cpu: f64,
    pub stop_seconds: f64,
    pub ready_seconds: f64,
    pub restart_streaming_seconds: f64,
    pub restart_cpu: f64,
    pub restart_kib: f64,
    pub store_mib: f64,
    pub requests: Vec<(String, u64)>,
}

/// Measures one size.
pub async fn play(size: Size, rate: usize) -> Result<Figures, String> {
    let (folder, kept) = folder(size.mailboxes)?;
    let figures = in_folder(&folder, size, rate).await;
    if !kept {
        let _ = std::fs::remove_dir_all(&folder);
    }
    figures
}

fn folder(mailboxes: usize) -> Result<(PathBuf, bool), String> {
    let chosen = std::env::var_os("CALWAY_SCALE_FOLDER").map(PathBuf::from);
    let kept = chosen.is_some();
    let base = chosen.unwrap_or_else(std::env::temp_dir);
    let folder = base.join(format!("calway-scale-{}-{mailboxes}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    Ok((folder, kept))
}

async fn in_folder(folder: &std::path::Path, size: Size, rate: usize) -> Result<Figures, String> {
    let mut options = Options { log: Some("warn".to_owned()), ..Options::default() };
    options.exchange.max_connections = 19_000;
    options.cloud.record_limit = 1 << 20;
    let stage = Stage::start(folder, options).await.map_err(|error| error.to_string())?;
    note(size, "filling the calendars");
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let items = content::fill(stage.exchange.calendars(), size, now_ms);
    let mut figures = Figures { mailboxes: size.mailboxes, ..Figures::default() };
    let mut one = Connector::start(&stage)?;
    first(&stage, &mut one, size, &mut figures).await?;
    idle(&mut one, size, &mut figures).await?;
    let arrivals = Arrivals::watch(&stage);
    let targets = targets(&stage, &items)?;
    edits(&stage, &mut one, &arrivals, &targets, (size, rate), &mut figures).await?;
    eprintln!("{figures:?}");
    recovery(&stage, &mut one, &arrivals, &targets, size, &mut figures).await?;
    figures.stop_seconds = one.stop().await?.as_secs_f64();
    restart(&stage, size, &mut figures).await?;
    arrivals.end();
    let bytes = std::fs::metadata(folder.join("calway.db")).map_or(0, |facts| facts.len());
    figures.store_mib = bytes as f64 / f64::from(1 << 20);
    figures.requests = stage.exchange.log().counts().operations.into_iter().collect();
    Ok(figures)
}

fn note(size: Size, words: &str) {
    eprintln!("{} mailboxes: {words}", size.mailboxes);
}

/// Seconds that are allowed for something that all mailboxes do.
fn patience(size: Size) -> u64 {
    120 + size.mailboxes as u64 / 20
}

async fn first(
    stage: &Stage,
    one: &mut Connector,
    size: Size,
    figures: &mut Figures,
) -> Result<(), String> {
    let cloud = stage.cloud.clone();
    one.within(60, "sign in to the cloud", cloud.wait(|view| view.channel_open())).await?;
    figures.alone_kib = one.resident_kib()?;
    note(size, "activating");
    let users = content::users(size);
    let (cpu, lab_cpu) = (one.usage()?.cpu, process::usage(std::process::id())?.cpu);
    let begun = Instant::now();
    stage.cloud.activate_many(&users).await;
    note(size, "first synchronisation");
    // Each mailbox's records, and the word that there are no others.
    let stored = (size.items() + size.mailboxes) as u64;
    let all = cloud.wait(|view| view.stored() >= stored);
    one.within(patience(size), "synchronise", all).await?;
    figures.first_seconds = begun.elapsed().as_secs_f64();
    figures.first_cpu = one.usage()?.cpu - cpu;
    figures.lab_cpu = process::usage(std::process::id())?.cpu - lab_cpu;
    note(size, "until all are listened to");
    one.listens(stage, patience(size), size.mailboxes).await?;
    figures.all_streaming_seconds = begun.elapsed().as_secs_f64();
    Ok(())
}

async fn idle(one: &mut Connector, size: Size, figures: &mut Figures) -> Result<(), String> {
    note(size, "at rest");
    one.within(60, "rest", tokio::time::sleep(Duration::from_secs(10))).await?;
    let cpu = one.usage()?.cpu;
    one.within(60, "rest", tokio::time::sleep(Duration::from_secs(10))).await?;
    figures.idle_cpu_second = (one.usage()?.cpu - cpu) / 10.0;
    figures.idle_kib = one.resident_kib()?;
    Ok(())
}

/// When which record came to the cloud: each edit that waits for its record, and those that came.
struct Arrivals {
    open: Arc<Mutex<Open>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Open {
    waiting: HashMap<(String, String), Instant>,
    took: Vec<Duration>,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Arrivals {
    /// Follows the cloud while edits are made.
    fn watch(stage: &Stage) -> Self {
        let open: Arc<Mutex<Open>> = Arc::default();
        let (cloud, into) = (stage.cloud.clone(), Arc::clone(&open));
        let mut seen = cloud.view(|view| view.arrivals().len());
        let task = tokio::spawn(async move {
            let follow = cloud.wait(|view| {
                let new = view.arrivals().get(seen..).unwrap_or_default();
                seen += new.len();
                let mut open = into.lock().unwrap_or_else(PoisonError::into_inner);
                for arrival in new {
                    let key = (arrival.subject.clone(), arrival.record.clone());
                    let Some(edited) = open.waiting.remove(&key) else { continue };
                    open.took.push(arrival.at.duration_since(edited));
                    open.first.get_or_insert(arrival.at);
                    open.last = Some(arrival.at);
                }
                false
            });
            follow.await;
        });
        Self { open, task }
    }

    fn with<T>(&self, read: impl FnOnce(&mut Open) -> T) -> T {
        read(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Edits a meeting, unless its last edit still waits for its record.
    fn edit(&self, stage: &Stage, (item, record): &(Item, String), mark: usize) {
        let key = (item.user.clone(), record.clone());
        let before = self.with(|open| match open.waiting.contains_key(&key) {
            true => true,
            false => open.waiting.insert(key, Instant::now()).is_some(),
        });
        if before {
            return;
        }
        stage.exchange.calendars().update(&item.address, &item.id, |draft| {
            let title = draft.subject.split(" (").next().unwrap_or_default().to_owned();
            draft.subject = format!("{title} ({mark})");
        });
    }

    async fn all(&self) {
        while self.with(|open| !open.waiting.is_empty()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn end(self) {
        self.task.abort();
    }
}

/// The meetings with the ids of their records: within a mailbox no two begin at the same time.
fn targets(stage: &Stage, items: &[Item]) -> Result<Vec<(Item, String)>, String> {
    stage.cloud.view(|view| {
        let mut targets = Vec::with_capacity(items.len());
        for item in items {
            let meetings = view.meetings(&item.user);
            let same = |start: &str| {
                start.parse::<jiff::Timestamp>().is_ok_and(|t| t.as_millisecond() == item.start_ms)
            };
            let found = meetings
                .iter()
                .find(|record| record.json["start"].as_str().is_some_and(same))
                .ok_or("a meeting of the calendar has no record in the cloud")?;
            targets.push((item.clone(), found.id.clone()));
        }
        let mut dice = Dice(7);
        for place in (1..targets.len()).rev() {
            targets.swap(place, dice.below(place + 1));
        }
        Ok(targets)
    })
}

async fn edits(
    stage: &Stage,
    one: &mut Connector,
    arrivals: &Arrivals,
    targets: &[(Item, String)],
    (size, rate): (Size, usize),
    figures: &mut Figures,
) -> Result<(), String> {
    note(size, "edits");
    let (cpu, lab_cpu) = (one.usage()?.cpu, process::usage(std::process::id())?.cpu);
    let begun = tokio::time::Instant::now();
    for (n, target) in targets.iter().cycle().take(size.edits).enumerate() {
        tokio::time::sleep_until(begun + Duration::from_secs_f64(n as f64 / rate as f64)).await;
        arrivals.edit(stage, target, n);
    }
    let offered = begun.elapsed().as_secs_f64() * rate as f64;
    one.within(120, "relay all edits", arrivals.all()).await?;
    let mut took = arrivals.with(|open| std::mem::take(&mut open.took));
    enough(size, took.len(), offered)?;
    took.sort();
    let ms = |percent: usize| {
        let place = (took.len() * percent).div_ceil(100).max(1) - 1;
        took.get(place).map_or(0.0, |took| took.as_secs_f64() * 1e3)
    };
    figures.edits = took.len();
    (figures.p50_ms, figures.p99_ms, figures.most_ms) = (ms(50), ms(99), ms(100));
    let each = 1e3 / took.len().max(1) as f64;
    figures.edit_cpu_ms = (one.usage()?.cpu - cpu) * each;
    figures.edit_lab_cpu_ms = (process::usage(std::process::id())?.cpu - lab_cpu) * each;
    figures.after_edits_kib = one.resident_kib()?;
    Ok(())
}

/// A meeting whose last edit is still on its way is not edited again: whoever is slow would be
/// offered less. `offered`: so many were to be made in the time that making them took.
fn enough(size: Size, done: usize, offered: f64) -> Result<(), String> {
    note(size, &format!("{done} edits of {} offered, in the time of {offered:.0}", size.edits));
    match done as f64 >= 0.99 * offered.max(size.edits as f64) {
        true => Ok(()),
        false => Err(format!("{done} edits of {} offered are less than 99 %", size.edits)),
    }
}

/// Every connection is reset at once, and people go on editing.
async fn recovery(
    stage: &Stage,
    one: &mut Connector,
    arrivals: &Arrivals,
    targets: &[(Item, String)],
    size: Size,
    figures: &mut Figures,
) -> Result<(), String> {
    note(size, "every connection is reset");
    let cpu = one.usage()?.cpu;
    arrivals.with(|open| (open.first, open.last) = (None, None));
    let begun = Instant::now();
    stage.exchange.drop_connections();
    // Which may be over sooner than anybody sees it.
    let gone = async {
        while stage.exchange.listened() == size.mailboxes {
            tokio::task::yield_now().await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(200), gone).await;
    for (n, target) in targets.iter().take(500).enumerate() {
        arrivals.edit(stage, target, 1_000_000 + n);
    }
    one.listens(stage, patience(size), size.mailboxes).await?;
    figures.recovered_seconds = begun.elapsed().as_secs_f64();
    one.within(patience(size), "relay all edits", arrivals.all()).await?;
    let (first, last) = arrivals.with(|open| (open.first, open.last));
    let after = |at: Option<Instant>| at.map_or(0.0, |at| (at - begun).as_secs_f64());
    (figures.first_edit_seconds, figures.last_edit_seconds) = (after(first), after(last));
    figures.recovery_cpu = one.usage()?.cpu - cpu;
    Ok(())
}

/// The same again with all mailboxes known.
async fn restart(stage: &Stage, size: Size, figures: &mut Figures) -> Result<(), String> {
    note(size, "starting again");
    let mut one = Connector::start(stage)?;
    let ready = one.ready(patience(size)).await?;
    figures.ready_seconds = (ready - one.started).as_secs_f64();
    one.listens(stage, patience(size), size.mailboxes).await?;
    figures.restart_streaming_seconds = one.started.elapsed().as_secs_f64();
    figures.restart_cpu = one.usage()?.cpu;
    one.within(60, "rest", tokio::time::sleep(Duration::from_secs(10))).await?;
    figures.restart_kib = one.resident_kib()?;
    one.stop().await.map(drop)
}
