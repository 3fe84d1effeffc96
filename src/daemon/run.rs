//! Start, READY, stop.
//!
//! Start and recovery are the same: what the store knows is put into the loops, and each mailbox is
//! read from its cursor on.

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use super::account::{self, Account, Refused};
use super::announce::Announcer;
use super::commands::{self, Switchboard};
use super::disk::Disk;
use super::intake::Tell;
use super::ledger::Book;
use super::pulse::Pulses;
use super::questions::Line;
use super::rotation::{self, Rotation};
use super::{
    admin, announce, clock, errands, health, intake, metrics, presence, reload, status, uplink,
    verdicts,
};
use crate::calendar::ews::Ews;
use crate::cloud::{Cloud, Link};
use crate::condition;
use crate::config::secrets::{CLIENT_SECRET, CLOUD_PROXY, Secrets};
use crate::config::{STOP_WITHIN, Settings};
use crate::kms::{self, Keys, Kms};
use crate::model::{Address, Fault, Span, UserId};
use crate::net::Trust;
use crate::observe::condition::{SHOWN_ANEW, STOPPING, STORE_DAMAGED, STORE_REBUILT};
use crate::observe::{journal, notify};
use crate::pipeline::fleet::Rules;
use crate::pipeline::seal::{Installation, Stashed};
use crate::pipeline::spread::Spread;
use crate::pipeline::{command, errand};
use crate::store::sqlite::{Mended, Sqlite};
use crate::store::{Store, is_damage};

/// Commands that may wait for an intake loop.
const TELLS: usize = 64;

/// Why the daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It was told to (SIGTERM, SIGINT).
    Asked,
    /// A loop ended that never should; systemd starts it again.
    LoopEnded,
    /// The store is damaged; the next start sets it aside.
    StoreDamaged,
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// What kept it from starting, with what to do.
pub async fn run(settings: Settings, secrets: Arc<Secrets>) -> Result<Reason, Fault> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| Fault::retry(e.to_string()))?;
    let hangup = signal(SignalKind::hangup()).map_err(|e| Fault::retry(e.to_string()))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|e| Fault::retry(e.to_string()))?;
    let installation = Arc::new(Installation::new(&*secrets.store_key()?)?);
    // A copy before the layout changes, and a look at every page of a file that was found damaged,
    // take their time.
    notify::starting(Duration::from_secs(900));
    let store = open_store(&settings)?;
    let mut known = {
        let mut store = store;
        let mark = reload::mark(&installation, &settings.showing);
        let read = store.mailboxes().and_then(|all| {
            // The mark is made with the installation's key as well: a wrong one writes nothing.
            if let Some((_, first)) = all.first() {
                address(&installation, first)?;
            }
            Ok((all, store.shown_as(mark)?))
        });
        let (mailboxes, changed) = match read {
            Err(fault) if is_damage(&fault) => {
                store.give_up();
                condition!(error, STORE_DAMAGED, CAUSE = fault,;
                    "{fault}; the next start sets the file aside and begins anew");
                return Ok(Reason::StoreDamaged);
            }
            read => read?,
        };
        if changed && !mailboxes.is_empty() {
            condition!(info, SHOWN_ANEW,; "what is shown of meetings was not the same before: all \
                calendars are listed again");
        }
        let disk = Disk::start(Box::new(store)).map_err(|e| Fault::retry(e.to_string()))?;
        (disk, mailboxes)
    };
    let mut settings = settings;
    let refused = Refused::new(known.0.clone(), installation.clone());
    cloud_proxy(&mut settings, &secrets, &refused)?;
    let link = Arc::new(link(&settings, &secrets)?);
    let keys: Arc<dyn Keys> = Arc::new(key_client(&settings, &link)?);
    let cloud: Arc<dyn Cloud> = link;
    let (stopper, stop) = watch::channel(false);
    let mut loops = JoinSet::new();
    let mut switchboard = Switchboard::default();
    let (mut views, mut lines) = (Vec::new(), Vec::new());
    let accounts = account::all(&settings.calendars, &secrets, &refused)?;
    let (turn, turns) = watch::channel(0);
    let mut pulses = Pulses::default();
    let mut tellers = Vec::new();
    let mut judges = rotation::of_cloud(&settings.cloud);
    let announcer = Announcer::default();
    for (calendar, account) in settings.calendars.iter().zip(accounts) {
        let mut pulse = |what: &str| pulses.of(format!("{what} {}", calendar.ews.name));
        let (errand, tasks) = mpsc::channel(TELLS);
        let (tells, seen, parts) = calendar_parts(
            &account,
            &settings,
            &keys,
            (&known.0, &errand),
            (&installation, &turns, &announcer),
        )?;
        let (tell, inbox) = tells;
        tellers.push(tell.clone());
        judges.append(&mut rotation::of_calendar(&account, &parts.calendar));
        loops.spawn(account::watch(account, tell.clone(), stop.clone()));
        let (presence, asks) = mpsc::channel(TELLS);
        let presences = presence_parts(&parts, settings.presence);
        loops.spawn(presence::run(presences, (asks, pulse("presence")), stop.clone()));
        let errands = errand_parts(&parts, &settings);
        loops.spawn(errands::run(errands, (tasks, pulse("errands")), stop.clone()));
        switchboard.add(calendar.domains.clone(), vec![tell, presence, errand]);
        let (questions, asked) = mpsc::channel(TELLS);
        lines.push((Line { calendar: parts.name.clone(), questions }, seen.1.clone()));
        views.push(seen.1);
        let seen = (seen.0, pulse("intake"));
        loops.spawn(intake::run(parts, (inbox, asked), seen, stop.clone()));
    }
    recall(&installation, std::mem::take(&mut known.1), &switchboard).await?;
    let disk = known.0;
    let rotation = Arc::new(Rotation::new(secrets, judges));
    loops.spawn(rotation.clone().run(stop.clone()));
    loops.spawn(announce::run(announcer, (disk.clone(), pulses.of("announce")), stop.clone()));
    let decided = Arc::<Notify>::default();
    let news = (decided.clone(), turn);
    let verdicts = (disk.clone(), pulses.of("verdicts"));
    loops.spawn(verdicts::watch(verdicts, news, tellers, stop.clone()));
    loops.spawn(health::run(disk.clone(), settings.store.clone(), stop.clone()));
    let (well, cloud_well) = watch::channel(true);
    let (open, channel_open) = watch::channel(false);
    let (sent, cloud_has) = watch::channel(uplink::Sent::default());
    let (ready, is_ready) = watch::channel(false);
    let says = uplink::Says { well, sent, took: Spread::default() };
    let says = (says, pulses.of("uplink"));
    loops.spawn(uplink::run(disk.clone(), cloud.clone(), says, stop.clone()));
    let (bell, asks) = reload::Bell::new();
    let parts = admin::Parts {
        reload: bell,
        settings: settings.admin.clone(),
        store: settings.store.clone(),
        disk: disk.clone(),
        calendars: lines,
        switchboard: switchboard.clone(),
        cloud_well: cloud_well.clone(),
        channel_open: channel_open.clone(),
        sent: cloud_has,
        ready: is_ready.clone(),
        decided,
        rotation,
    };
    let metrics = metrics::Parts {
        listen: settings.metrics.clone(),
        store: parts.store.clone(),
        disk: disk.clone(),
        calendars: parts.calendars.clone(),
        cloud_well: cloud_well.clone(),
        channel_open: channel_open.clone(),
        sent: parts.sent.clone(),
        ready: is_ready.clone(),
    };
    loops.spawn(metrics::run(metrics, stop.clone()));
    loops.spawn(admin::run(parts, stop.clone()));
    let parts = reload::Parts {
        in_force: watch::channel(Arc::new(settings.clone())).0,
        settings,
        switchboard: switchboard.clone(),
        disk: disk.clone(),
        installation: installation.clone(),
        ready: is_ready,
    };
    loops.spawn(reload::run(parts, (hangup, asks), stop.clone()));
    let parts = commands::Parts {
        cloud: cloud.clone(),
        keys,
        disk: disk.clone(),
        installation,
        switchboard,
    };
    loops.spawn(commands::run(parts, (open, pulses.of("commands")), stop.clone()));
    let views = status::Views { intakes: views, cloud_well, channel_open, ready, pulses };
    let mut damage = disk.damage.subscribe();
    loops.spawn(status::run(views, disk, cloud, stop));
    let reason = tokio::select! {
        _ = terminate.recv() => Reason::Asked,
        _ = interrupt.recv() => Reason::Asked,
        _ = loops.join_next() => Reason::LoopEnded,
        _ = damage.wait_for(Option::is_some) => Reason::StoreDamaged,
    };
    if let Some(why) = damage.borrow().as_ref() {
        condition!(error, STORE_DAMAGED, CAUSE = why,;
            "{why}; the next start sets the file aside and begins anew");
    }
    notify::stopping();
    condition!(info, STOPPING,; "stopping: subscriptions are given back");
    let _ = stopper.send(true);
    let ended = async { while loops.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(STOP_WITHIN - Duration::from_secs(1), ended).await;
    journal::stop();
    Ok(reason)
}

/// Opens the store; a damaged one is set aside before.
fn open_store(settings: &Settings) -> Result<Sqlite, Fault> {
    let path = settings.store.display();
    let named = |fault: Fault| Fault::told(fault.next, format!("{path}: {fault}"));
    let (store, mended) = Sqlite::open_or_mend(&settings.store, clock::wall()).map_err(named)?;
    if let Some(Mended { aside, why, kept }) = mended {
        let file = aside.display();
        condition!(error, STORE_REBUILT, CAUSE = why, FILE = file,;
            "the store was damaged ({why}) and lies in {file} now; a new one is begun with {kept} \
             lines of it, and the cloud activates the mailboxes anew");
    }
    Ok(store)
}

/// The key server is reached through the cloud's proxy.
fn cloud_proxy(
    settings: &mut Settings,
    secrets: &Arc<Secrets>,
    refused: &Refused,
) -> Result<(), Fault> {
    let Some(proxy) = settings.cloud.proxy.take() else { return Ok(()) };
    if proxy.account.is_some() {
        secrets.get(CLOUD_PROXY)?;
    }
    let secrets = secrets.clone();
    let proxy = proxy.with_password(move || secrets.get(CLOUD_PROXY).ok());
    let proxy = proxy.remembering(|name| refused.memory("proxy", name));
    settings.cloud.proxy = Some(proxy.clone());
    settings.kms.proxy = Some(proxy);
    Ok(())
}

fn link(settings: &Settings, secrets: &Arc<Secrets>) -> Result<Link, Fault> {
    // Asked once now, so that a missing secret is told at the start and not in the night.
    secrets.get(CLIENT_SECRET)?;
    let secrets = secrets.clone();
    Link::new(settings.cloud.clone(), Box::new(move || secrets.get(CLIENT_SECRET).ok()))
}

fn key_client(settings: &Settings, link: &Link) -> Result<Kms, Fault> {
    let mut options = kms::Options::new(
        settings.kms.url.clone(),
        settings.cloud.connector.clone(),
        Trust::only(settings.kms.anchors.clone()),
        Arc::new(clock::wall),
    );
    options.trust = settings.kms.trust.clone();
    options.proxy = settings.kms.proxy.clone();
    Kms::new(options, link.bearer())
}

type Wires = (
    (mpsc::Sender<intake::Tell>, mpsc::Receiver<intake::Tell>),
    (watch::Sender<intake::Seen>, watch::Receiver<intake::Seen>),
    intake::Parts,
);

fn calendar_parts(
    account: &Account,
    settings: &Settings,
    keys: &Arc<dyn Keys>,
    (disk, errands): (&Disk, &mpsc::Sender<Tell>),
    (installation, turns, announcer): (&Arc<Installation>, &watch::Receiver<u64>, &Announcer),
) -> Result<Wires, Fault> {
    let (disk, installation) = (disk.clone(), installation.clone());
    let book = Book {
        calendar: account.options.name.clone(),
        disk: disk.clone(),
        installation: installation.clone(),
        turns: turns.clone(),
    };
    let ews = Ews::keeping(account.options.clone(), account.password(), Arc::new(book))?;
    let passes = account.options.max_connections;
    let rules = Rules {
        reach: settings.reach,
        passes,
        // Two of ten places stay free for what a person has just done.
        backlog: (passes * 4 / 5).max(1),
        poll: settings.poll,
        seed: u64::from(std::process::id()),
    };
    let parts = intake::Parts {
        name: account.options.name.clone(),
        calendar: Arc::new(ews),
        keys: keys.clone(),
        disk,
        installation,
        rules,
        showing: settings.showing.clone(),
        announcer: announcer.clone(),
        errands: errands.clone(),
    };
    Ok((mpsc::channel(TELLS), watch::channel(intake::Seen::default()), parts))
}

fn presence_parts(intake: &intake::Parts, every: Span) -> presence::Parts {
    presence::Parts {
        name: intake.name.clone(),
        calendar: intake.calendar.clone(),
        installation: intake.installation.clone(),
        announcer: intake.announcer.clone(),
        every,
    }
}

fn errand_parts(intake: &intake::Parts, settings: &Settings) -> errands::Parts {
    errands::Parts {
        name: intake.name.clone(),
        calendar: intake.calendar.clone(),
        keys: intake.keys.clone(),
        disk: intake.disk.clone(),
        installation: intake.installation.clone(),
        rules: errand::Rules { texts: settings.texts.clone(), showing: settings.showing.clone() },
    }
}

fn address(installation: &Installation, stashed: &Stashed) -> Result<Arc<Address>, Fault> {
    command::address(installation, stashed).map_err(|fault| {
        Fault::refused(format!(
            "{fault}: give back the store.key that the store was made with, or move the store \
             away; the cloud activates the mailboxes anew then"
        ))
    })
}

async fn recall(
    installation: &Installation,
    mailboxes: Vec<(UserId, Stashed)>,
    switchboard: &Switchboard,
) -> Result<(), Fault> {
    for (user, stashed) in mailboxes {
        switchboard.activate(user, address(installation, &stashed)?, None).await;
    }
    switchboard.all(|| Tell::Known).await;
    Ok(())
}
