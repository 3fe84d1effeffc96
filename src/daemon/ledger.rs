//! What a calendar's provider keeps: sealed by the installation, on the disk.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::clock;
use super::disk::Disk;
use crate::calendar::Ledger;
use crate::condition;
use crate::model::{CalendarName, Fault, Plain, Time, TrustEntry};
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

impl Ledger for Book {
    fn now(&self) -> Time {
        clock::wall()
    }

    fn recall(&self) -> BoxFuture<'_, Result<Vec<Plain>, Fault>> {
        async move {
            let kept = self.disk.kept(self.calendar.clone()).await?;
            // What another installation sealed is of no use, and costs a question.
            Ok(kept.iter().filter_map(|line| self.installation.unstash(line).ok()).collect())
        }
        .boxed()
    }

    fn keep(&self, lines: Vec<(Plain, Option<Plain>)>) -> BoxFuture<'_, Result<(), Fault>> {
        async move {
            let sealed = lines.iter().map(|(key, line)| {
                let key = self.installation.tag(&[b"shelf", key.reveal().as_bytes()]);
                let line = line.as_ref().map(|line| self.installation.stash(line.reveal()));
                Ok((key, line.transpose()?))
            });
            let sealed = sealed.collect::<Result<Vec<_>, Fault>>()?;
            self.disk.keep(self.calendar.clone(), sealed).await
        }
        .boxed()
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
