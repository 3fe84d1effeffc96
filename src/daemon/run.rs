//! Start, READY, stop.
//!
//! Start and recovery are the same: what the store knows is put into the loops, and each mailbox is
//! read from its cursor on.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::signal::unix::{Signal, SignalKind, signal};
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
use super::reload::InUse;
use super::rotation::{self, Rotation};
use super::stop::{Running, Words};
use super::{
    admin, announce, clock, errands, health, intake, metrics, presence, reload, status, uplink,
    verdicts,
};
use crate::calendar::ews::Ews;
use crate::cloud::{Cloud, Link};
use crate::condition;
use crate::config::Settings;
use crate::config::secrets::{CLIENT_SECRET, CLOUD_PROXY, Secrets};
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
    let mut words = Words::listen()?;
    let hangup = signal(SignalKind::hangup()).map_err(|e| Fault::retry(e.to_string()))?;
    let installation = Arc::new(Installation::new(&*secrets.store_key()?)?);
    // A copy before the layout changes, and a look at every page of a file that was found damaged,
    // take their time.
    notify::starting(Duration::from_secs(900));
    let opening = {
        let (settings, installation) = (settings.clone(), installation.clone());
        tokio::task::spawn_blocking(move || open(&settings, &installation))
    };
    let opened = tokio::select! {
        opened = opening => opened.map_err(|_| Fault::retry("internal error"))??,
        // Whatever it does is one transaction, or a file beside it: it may end at any time.
        () = words.heard() => {
            notify::stopping("stopping: the start is given up");
            condition!(info, STOPPING,; "stopping: the start is given up");
            return Ok(Reason::Asked);
        }
    };
    let Some((disk, mailboxes)) = opened else { return Ok(Reason::StoreDamaged) };
    let mut damage = disk.damage.subscribe();
    let (mut running, switchboard, begins) =
        begin(settings, (secrets, installation.clone()), disk.clone(), hangup)?;
    let reason = tokio::select! {
        () = words.heard() => Reason::Asked,
        broken = recall(&installation, mailboxes, &switchboard) => {
            broken?;
            begins.into_iter().for_each(|one| drop(running.loops.spawn(one)));
            tokio::select! {
                () = words.heard() => Reason::Asked,
                () = running.broken() => Reason::LoopEnded,
                _ = damage.wait_for(Option::is_some) => Reason::StoreDamaged,
            }
        }
    };
    if let Some(why) = damage.borrow().as_ref() {
        condition!(error, STORE_DAMAGED, CAUSE = why,;
            "{why}; the next start sets the file aside and begins anew");
    }
    tokio::select! {
        () = running.stop(disk.close()) => {}
        // What is committed is on the disk.
        () = words.heard() => notify::stopping("stopping: at once"),
    }
    journal::stop();
    Ok(reason)
}

/// The store, and the mailboxes that it knows; `None` where it is damaged.
type Opened = Option<(Disk, Vec<(UserId, Stashed)>)>;

fn open(settings: &Settings, installation: &Installation) -> Result<Opened, Fault> {
    let mut store = open_store(settings)?;
    let mark = reload::mark(installation, &settings.showing);
    let read = store.mailboxes().and_then(|all| {
        // The mark is made with the installation's key as well: a wrong one writes nothing.
        if let Some((_, first)) = all.first() {
            address(installation, first)?;
        }
        Ok((all, store.shown_as(mark)?))
    });
    let (mailboxes, changed) = match read {
        Err(fault) if is_damage(&fault) => {
            store.give_up();
            condition!(error, STORE_DAMAGED, CAUSE = fault,;
                "{fault}; the next start sets the file aside and begins anew");
            return Ok(None);
        }
        read => read?,
    };
    if changed && !mailboxes.is_empty() {
        condition!(info, SHOWN_ANEW,; "what is shown of meetings was not the same before: all \
            calendars are listed again");
    }
    let disk = Disk::start(Box::new(store)).map_err(|e| Fault::retry(e.to_string()))?;
    Ok(Some((disk, mailboxes)))
}

/// A loop that begins when all mailboxes are known.
type Later = BoxFuture<'static, ()>;

/// Puts all loops together and lets them run.
fn begin(
    mut settings: Settings,
    (secrets, installation): (Arc<Secrets>, Arc<Installation>),
    disk: Disk,
    hangup: Signal,
) -> Result<(Running, Switchboard, Vec<Later>), Fault> {
    let refused = Refused::new(disk.clone(), installation.clone());
    cloud_proxy(&mut settings, &secrets, &refused)?;
    let link = link(&settings, &secrets)?;
    let kms = Arc::new(key_client(&settings, &link)?);
    let keys: Arc<dyn Keys> = kms.clone();
    let cloud: Arc<dyn Cloud> = Arc::new(link.clone());
    let cloud_options = watch::Sender::new(settings.cloud.clone());
    let (stopper, stop) = watch::channel(false);
    let (last, sends) = watch::channel(false);
    let mut running =
        Running { loops: JoinSet::new(), last: JoinSet::new(), tell: [stopper, last] };
    let loops = &mut running.loops;
    let mut switchboard = Switchboard::default();
    let mut lines = Vec::new();
    let accounts = account::all(&settings.calendars, &secrets, &refused)?;
    let (turn, turns) = watch::channel(0);
    let mut pulses = Pulses::default();
    let mut tellers = Vec::new();
    let mut in_use = Vec::new();
    let mut judges = rotation::of_cloud(&cloud_options.subscribe());
    let announcer = Announcer::default();
    for (calendar, account) in settings.calendars.iter().zip(accounts) {
        let mut pulse = |what: &str| pulses.of(format!("{what} {}", calendar.ews.name));
        let (errand, tasks) = mpsc::channel(TELLS);
        let (tells, seen, (parts, ews)) = calendar_parts(
            &account,
            &settings,
            &keys,
            (&disk, &errand),
            (&installation, &turns, &announcer),
        )?;
        in_use.push(reload::Calendar { ews, proxy: account.proxy.clone() });
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
        lines.push((Line { calendar: parts.name.clone(), questions }, seen.1));
        let seen = (seen.0, pulse("intake"));
        loops.spawn(intake::run(parts, (inbox, asked), seen, stop.clone()));
    }
    let rotation = Arc::new(Rotation::new(secrets.clone(), judges));
    let decided = Arc::<Notify>::default();
    let (well, cloud_well) = watch::channel(true);
    let (opens, channel_open) = watch::channel(false);
    let (sent, cloud_has) = watch::channel(uplink::Sent::default());
    let (ready, is_ready) = watch::channel(false);
    let (remark, remarked) = watch::channel(String::new());
    let in_force = watch::Sender::new(Arc::new(settings.clone()));
    let (bell, asks) = reload::Bell::new();
    let intakes = lines.iter().map(|(line, seen)| (line.calendar.clone(), seen.clone())).collect();
    let (well_too, opens_too) = (cloud_well.clone(), channel_open.clone());
    let admin = admin::Parts {
        reload: bell,
        settings: settings.admin.clone(),
        in_force: in_force.subscribe(),
        store: settings.store.clone(),
        disk: disk.clone(),
        calendars: lines,
        switchboard: switchboard.clone(),
        cloud_well: cloud_well.clone(),
        channel_open: channel_open.clone(),
        sent: cloud_has,
        ready: is_ready.clone(),
        decided: decided.clone(),
        rotation: rotation.clone(),
    };
    let metrics = metrics::Parts {
        in_force: in_force.subscribe(),
        store: settings.store.clone(),
        disk: disk.clone(),
        calendars: admin.calendars.clone(),
        cloud_well,
        channel_open,
        sent: admin.sent.clone(),
        ready: is_ready.clone(),
    };
    let verdicts = (disk.clone(), pulses.of("verdicts"));
    let says = uplink::Says { well, sent, took: Spread::default() };
    let commands = commands::Parts {
        cloud: cloud.clone(),
        keys,
        disk: disk.clone(),
        installation: installation.clone(),
        switchboard: switchboard.clone(),
    };
    let store = settings.store.clone();
    let reloads = reload::Parts {
        in_use: InUse { calendars: in_use, link, kms, cloud: cloud_options, secrets, refused },
        in_force,
        settings,
        switchboard: switchboard.clone(),
        disk: disk.clone(),
        installation,
        ready: is_ready,
        remark,
    };
    let uplinks = (says, pulses.of("uplink"));
    running.last.spawn(uplink::run(disk.clone(), cloud.clone(), uplinks, sends));
    let mut begins: Vec<Later> = vec![
        rotation.run(stop.clone()).boxed(),
        announce::run(announcer, (disk.clone(), pulses.of("announce")), stop.clone()).boxed(),
        verdicts::watch(verdicts, (decided, turn), tellers, stop.clone()).boxed(),
        health::run(disk.clone(), store, stop.clone()).boxed(),
        metrics::run(metrics, stop.clone()).boxed(),
        admin::run(admin, stop.clone()).boxed(),
        reload::run(reloads, (hangup, asks), stop.clone()).boxed(),
        commands::run(commands, (opens, pulses.of("commands")), stop.clone()).boxed(),
    ];
    let views = status::Views {
        intakes,
        cloud_well: well_too,
        channel_open: opens_too,
        remark: remarked,
        ready,
        pulses,
        watchdog: status::Watchdog::of_systemd(),
    };
    begins.push(status::run(views, disk, cloud, stop).boxed());
    Ok((running, switchboard, begins))
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
    let proxy = account::armed(proxy, CLOUD_PROXY, secrets, Some(refused))?;
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
    (intake::Parts, Arc<Ews>),
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
    let ews = Arc::new(ews);
    let passes = account.options.max_connections;
    let rules = Rules {
        reach: settings.reach,
        passes,
        backlog: reload::backlog(passes),
        poll: settings.poll,
        seed: u64::from(std::process::id()),
    };
    let parts = intake::Parts {
        name: account.options.name.clone(),
        calendar: ews.clone(),
        keys: keys.clone(),
        disk,
        installation,
        rules,
        showing: settings.showing.clone(),
        announcer: announcer.clone(),
        errands: errands.clone(),
    };
    Ok((mpsc::channel(TELLS), watch::channel(intake::Seen::default()), (parts, ews)))
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
