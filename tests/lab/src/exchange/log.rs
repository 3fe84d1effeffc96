//! What was asked of the simulated Exchange, for tests to count and to wait for.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Serialize;
use tokio::sync::watch;

use super::auth::Scheme;

/// How many entries are kept; older ones are only counted.
pub const KEPT: usize = 10_000;

/// One request and its answer.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// When the answer began.
    #[serde(skip)]
    pub at: Instant,
    /// The operation (`SyncFolderItems`, `Autodiscover.POX` …), empty where none was read.
    pub operation: String,
    /// The impersonated mailbox as the client wrote it.
    pub mailbox: Option<String>,
    /// Other mailboxes that the request named (whose free/busy, whose folder), in lower case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<String>,
    /// The HTTP status; 0 where the connection was cut before one.
    pub status: u16,
    /// The first `ResponseCode`, the fault's code, or why the front refused.
    pub code: String,
    /// The back end that answered, from 0.
    pub back_end: Option<usize>,
    /// How the client had signed in; `None` where it had not.
    pub scheme: Option<Scheme>,
    /// The number of the TCP connection, from 1.
    pub connection: u64,
    /// The request's body in bytes.
    pub received: usize,
    /// The client's `User-Agent`.
    pub agent: String,
    /// The client's `X-AnchorMailbox`.
    pub anchor: Option<String>,
}

/// How often something happened.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// Answers by operation; requests refused with 401 are not among them.
    pub operations: BTreeMap<String, u64>,
    /// Answers by `ResponseCode`.
    pub codes: BTreeMap<String, u64>,
    /// 401 without credentials, or in the middle of an NTLM handshake.
    pub challenges: u64,
    /// 401 because credentials were refused, by reason.
    pub refusals: BTreeMap<String, u64>,
    /// TCP connections accepted.
    pub connections: u64,
    /// The most TCP connections open at once.
    pub most_connections: usize,
    /// The most requests to EWS at once, streams once they have begun not counted.
    pub most_running: usize,
}

/// How often each mailbox, by its address in lower case, was the business of which operation.
pub type Touched = BTreeMap<String, BTreeMap<String, u64>>;

#[derive(Debug, Default)]
struct Book {
    entries: VecDeque<Entry>,
    counts: Counts,
    touched: HashMap<String, BTreeMap<String, u64>>,
}

#[derive(Debug)]
struct Inner {
    book: Mutex<Book>,
    written: watch::Sender<u64>,
}

/// The newest requests and all counts; clones share them.
#[derive(Clone, Debug)]
pub struct AccessLog {
    inner: Arc<Inner>,
}

impl Default for AccessLog {
    fn default() -> Self {
        let written = watch::Sender::new(0);
        Self { inner: Arc::new(Inner { book: Mutex::default(), written }) }
    }
}

impl AccessLog {
    /// The entries still kept, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        self.book().entries.iter().cloned().collect()
    }

    /// The entries of one operation still kept, oldest first.
    pub fn of(&self, operation: &str) -> Vec<Entry> {
        let book = self.book();
        book.entries.iter().filter(|entry| entry.operation == operation).cloned().collect()
    }

    /// All counts since the start or the last [`AccessLog::clear`].
    pub fn counts(&self) -> Counts {
        self.book().counts.clone()
    }

    /// How often `operation` was answered.
    pub fn count(&self, operation: &str) -> u64 {
        self.book().counts.operations.get(operation).copied().unwrap_or(0)
    }

    /// Every mailbox that was impersonated or named since the start or the last
    /// [`AccessLog::clear`], with the operations; refused requests are among them.
    pub fn touched(&self) -> Touched {
        let book = self.book();
        book.touched.iter().map(|(address, how)| (address.clone(), how.clone())).collect()
    }

    /// What was asked of one mailbox, by operation.
    pub fn touches(&self, address: &str) -> BTreeMap<String, u64> {
        self.book().touched.get(&address.to_ascii_lowercase()).cloned().unwrap_or_default()
    }

    /// How often credentials were refused, for whatever reason.
    pub fn refusals(&self) -> u64 {
        self.book().counts.refusals.values().sum()
    }

    /// Forgets everything, counts as well.
    pub fn clear(&self) {
        *self.book() = Book::default();
    }

    /// Waits until `operation` was answered at least `n` times.
    pub async fn wait_for(&self, operation: &str, n: u64) {
        self.wait(|log| log.count(operation) >= n).await;
    }

    /// Waits until `done` holds; it is asked again after each request.
    pub async fn wait(&self, mut done: impl FnMut(&AccessLog) -> bool) {
        let mut written = self.inner.written.subscribe();
        while !done(self) {
            if written.changed().await.is_err() {
                return;
            }
        }
    }

    pub(super) fn connected(&self, open: usize) {
        let mut book = self.book();
        book.counts.connections += 1;
        book.counts.most_connections = book.counts.most_connections.max(open);
        drop(book);
        self.tell();
    }

    pub(super) fn running(&self, at_once: usize) {
        let mut book = self.book();
        book.counts.most_running = book.counts.most_running.max(at_once);
    }

    /// Writes an answered request.
    pub(super) fn answered(&self, entry: Entry) {
        let mut book = self.book();
        *book.counts.operations.entry(entry.operation.clone()).or_default() += 1;
        *book.counts.codes.entry(entry.code.clone()).or_default() += 1;
        book.keep(entry);
        drop(book);
        self.tell();
    }

    /// Writes a 401; `entry.code` says why credentials were refused, empty where none were.
    pub(super) fn unauthorized(&self, entry: Entry) {
        let mut book = self.book();
        if entry.code.is_empty() {
            book.counts.challenges += 1;
        } else {
            *book.counts.refusals.entry(entry.code.clone()).or_default() += 1;
        }
        book.keep(entry);
        drop(book);
        self.tell();
    }

    fn tell(&self) {
        self.inner.written.send_modify(|written| *written += 1);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.inner.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn keep(&mut self, entry: Entry) {
        let own = entry.mailbox.as_deref().map(str::to_ascii_lowercase);
        let named = entry.named.iter().filter(|named| own.as_ref() != Some(named)).cloned();
        for address in own.iter().cloned().chain(named) {
            let operations = self.touched.entry(address).or_default();
            match operations.get_mut(&entry.operation) {
                Some(count) => *count += 1,
                None => drop(operations.insert(entry.operation.clone(), 1)),
            }
        }
        if self.entries.len() == KEPT {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(operation: &str, code: &str) -> Entry {
        Entry {
            at: Instant::now(),
            operation: operation.to_owned(),
            mailbox: None,
            named: Vec::new(),
            status: 200,
            code: code.to_owned(),
            back_end: None,
            scheme: None,
            connection: 1,
            received: 0,
            agent: String::new(),
            anchor: None,
        }
    }

    #[tokio::test]
    async fn a_waiter_wakes_when_the_count_is_reached() {
        let log = AccessLog::default();
        let waiter = tokio::spawn({
            let log = log.clone();
            async move { log.wait_for("GetItem", 2).await }
        });
        log.answered(entry("GetItem", "NoError"));
        log.answered(entry("FindItem", "NoError"));
        assert_eq!(log.count("GetItem"), 1);
        log.answered(entry("GetItem", "ErrorItemNotFound"));
        waiter.await.unwrap();
        assert_eq!(log.counts().codes["ErrorItemNotFound"], 1);
    }

    #[test]
    fn only_the_newest_entries_are_kept_and_all_are_counted() {
        let log = AccessLog::default();
        for _ in 0..=KEPT {
            log.answered(entry("GetItem", "NoError"));
        }
        log.unauthorized(entry("", "wrong password"));
        log.unauthorized(entry("", ""));
        assert_eq!(log.entries().len(), KEPT);
        assert_eq!(log.count("GetItem"), KEPT as u64 + 1);
        assert_eq!((log.refusals(), log.counts().challenges), (1, 1));
    }
}
