//! The trust list's verdicts: they are given over the admin socket, or `calway trust` writes them
//! into the store itself; they are taken up within a second or two.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};

use super::disk::Disk;
use super::intake::Tell;
use super::pulse::Pulse;
use crate::model::{TrustEntry, Verdict};

/// How often is asked whether another process wrote into the store, which costs microseconds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Lets everybody know of a verdict; runs until `stop`.
pub(super) async fn watch(
    (disk, pulse): (Disk, Pulse),
    (given, turns): (Arc<Notify>, watch::Sender<u64>),
    tells: Vec<mpsc::Sender<Tell>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut writes = None;
    let mut known = None;
    let mut told = false;
    loop {
        pulse.beat();
        let now = disk.foreign_writes().await.ok();
        if (now.is_some() && now != writes) || known.is_none() || told {
            // What could not be read is read again at the next look.
            if let Ok(list) = disk.trust().await {
                (writes, told) = (now, false);
                let verdicts = decided(&list);
                let before = known.replace(verdicts);
                if before.is_some() && before != known {
                    turns.send_modify(|turn| *turn += 1);
                    for tell in &tells {
                        let _ = tell.send(Tell::TrustChanged).await;
                    }
                }
            }
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = given.notified() => told = true,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// What an administrator said; a host that waits changes nothing.
fn decided(list: &[TrustEntry]) -> Vec<(String, Verdict)> {
    let decided = list.iter().filter(|entry| entry.verdict != Verdict::Pending);
    decided.map(|entry| (entry.host.clone(), entry.verdict)).collect()
}
