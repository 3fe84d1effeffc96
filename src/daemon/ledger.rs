//! What a calendar's provider keeps: sealed by the installation, on the disk.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::clock;
use super::disk::Disk;
use crate::calendar::Ledger;
use crate::condition;
use crate::model::{CalendarName, Fault, Plain, Secret, Time, TrustEntry};
use crate::net::gate::{Mark, Memory};
use crate::observe::condition::{HOST_WAITS, TRUST_LIST_FULL};
use crate::pipeline::seal::Installation;
use crate::store::{MOST_PENDING, Met};

/// The ledger of one `[[calendar]]`.
pub(super) struct Book {
    pub(super) calendar: CalendarName,
    pub(super) disk: Disk,
    pub(super) installation: Arc<Installation>,
    /// Grows with each verdict.
    pub(super) turns: watch::Receiver<u64>,
}

/// The memory of an account's secrets of one kind, for all calendars that sign in with it.
pub(super) struct Refusals {
    shelf: CalendarName,
    disk: Disk,
    installation: Arc<Installation>,
}

impl Refusals {
    /// Those of `account`. No calendar can have a name with a colon.
    pub(super) fn of(
        kind: &str,
        account: &str,
        disk: &Disk,
        installation: &Arc<Installation>,
    ) -> Self {
        let tag = installation.tag(&[b"account", kind.as_bytes(), account.as_bytes()]);
        let hex: String = tag.0.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            shelf: CalendarName::new(format!("account:{hex}")),
            disk: disk.clone(),
            installation: Arc::clone(installation),
        }
    }
}

impl Memory for Refusals {
    fn now(&self) -> Time {
        clock::wall()
    }

    fn mark(&self, secret: &Secret) -> Mark {
        self.installation.tag(&[b"secret", secret.reveal().as_bytes()]).0
    }

    fn recall(&self) -> BoxFuture<'_, Result<Vec<Plain>, Fault>> {
        recall(&self.disk, &self.installation, &self.shelf).boxed()
    }

    fn keep(&self, lines: Vec<(Plain, Option<Plain>)>) -> BoxFuture<'_, Result<(), Fault>> {
        keep(&self.disk, &self.installation, &self.shelf, lines).boxed()
    }
}

/// What another installation sealed is of no use, and costs a question.
async fn recall(
    disk: &Disk,
    installation: &Installation,
    shelf: &CalendarName,
) -> Result<Vec<Plain>, Fault> {
    let kept = disk.kept(shelf.clone()).await?;
    Ok(kept.iter().filter_map(|line| installation.unstash(line).ok()).collect())
}

async fn keep(
    disk: &Disk,
    installation: &Installation,
    shelf: &CalendarName,
    lines: Vec<(Plain, Option<Plain>)>,
) -> Result<(), Fault> {
    let sealed = lines.iter().map(|(key, line)| {
        let key = installation.tag(&[b"shelf", key.reveal().as_bytes()]);
        let line = line.as_ref().map(|line| installation.stash(line.reveal()));
        Ok((key, line.transpose()?))
    });
    let sealed = sealed.collect::<Result<Vec<_>, Fault>>()?;
    disk.keep(shelf.clone(), sealed).await
}

impl Ledger for Book {
    fn now(&self) -> Time {
        clock::wall()
    }

    fn recall(&self) -> BoxFuture<'_, Result<Vec<Plain>, Fault>> {
        recall(&self.disk, &self.installation, &self.calendar).boxed()
    }

    fn keep(&self, lines: Vec<(Plain, Option<Plain>)>) -> BoxFuture<'_, Result<(), Fault>> {
        keep(&self.disk, &self.installation, &self.calendar, lines).boxed()
    }

    fn trust(&self) -> BoxFuture<'_, Result<Vec<TrustEntry>, Fault>> {
        self.disk.trust().boxed()
    }

    fn turns(&self) -> watch::Receiver<u64> {
        self.turns.clone()
    }

    fn meet<'a>(&'a self, host: &'a str, via: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        async move {
            let met = self.disk.meet(host.to_owned(), via.to_owned()).await?;
            if met == Met::Known {
                return Ok(());
            }
            condition!(warn, HOST_WAITS, CALENDAR = self.calendar, HOST = host, VIA = via,;
                "discovery leads to {host} ({via}), which nobody vouched for: nothing is sent \
                 there until it is allowed (calway trust allow {host}) or blocked");
            if let Met::InPlaceOf(other) = met {
                condition!(warn, TRUST_LIST_FULL, CALENDAR = self.calendar, HOST = other,;
                    "{MOST_PENDING} hosts wait for a decision (calway trust list): {other}, which \
                     waited longest, made room");
            }
            Ok(())
        }
        .boxed()
    }
}
