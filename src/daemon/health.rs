//! Whether the store is whole: every page of it is looked at after the start, and daily. Beside the
//! store's own thread, so that nobody waits for it.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;

use super::disk::Disk;
use crate::store::sqlite::Sqlite;

/// A start has better things to read.
const FIRST: Duration = Duration::from_secs(10 * 60);

/// What nobody reads for weeks may be damaged as well.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs until `stop` becomes true.
pub(super) async fn run(disk: Disk, store: PathBuf, mut stop: watch::Receiver<bool>) {
    let mut wait = FIRST;
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(std::mem::replace(&mut wait, EVERY)) => {}
        }
        let path = store.clone();
        let looked = tokio::task::spawn_blocking(move || Sqlite::check_file(&path));
        let found = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            found = looked => found,
        };
        // What cannot be read now is looked at tomorrow; whoever uses it says so meanwhile.
        if let Ok(Ok(Some(why))) = found {
            disk.give_up(why).await;
        }
    }
}
