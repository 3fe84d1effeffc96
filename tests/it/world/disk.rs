//! The disk under a store: it fails before an operation and never in the middle of one, and watches
//! what is written.
//!
//! Engines: the stupid one alone, or it beside the real one on a file, both asked everything and
//! compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::PathBuf;

use calway::model::{CommandId, Fault, Outcome, RecordKey, Time, TrustEntry, UserId, Verdict};
use calway::pipeline::command::Decision;
use calway::pipeline::outbox::Outgoing;
use calway::pipeline::seal::{Stashed, Tag};
use calway::pipeline::sync::{Commit, Loaded, Lookup, Row};
use calway::store::sqlite::Sqlite;
use calway::store::{Backlog, Met, Settled, Shelf, Store as _};

use super::memory::Memory;

/// What a connector's life leaves behind.
#[derive(Debug)]
pub struct Disk {
    memory: Memory,
    sqlite: Option<Sqlite>,
    file: Option<PathBuf>,
    /// Full: whatever writes fails.
    pub full: bool,
    /// Highest sequence that each user was given.
    sequences: BTreeMap<UserId, u64>,
    /// Every record that ever was in a commit.
    keys: BTreeSet<(UserId, RecordKey)>,
    /// A promise that was broken.
    pub broken: Option<String>,
}

/// The calendar whose lines are kept.
const SHELF: &str = "hq";

fn full() -> Fault {
    Fault::retry("store: database or disk is full")
}

impl Disk {
    /// An empty one; with the real engine on this file too.
    pub fn new(file: Option<PathBuf>) -> Self {
        let sqlite = file.as_deref().map(Sqlite::open).and_then(Result::ok);
        Self {
            memory: Memory::default(),
            broken: (file.is_some() && sqlite.is_none()).then(|| "the file does not open".into()),
            sqlite,
            file,
            full: false,
            sequences: BTreeMap::new(),
            keys: BTreeSet::new(),
        }
    }

    /// Everything is gone, but whoever watches remembers the sequences.
    pub fn lose(&mut self) {
        self.memory = Memory::default();
        self.sqlite = None;
        for suffix in ["", "-wal", "-shm"] {
            if let Some(file) = &self.file {
                let mut name = file.clone().into_os_string();
                name.push(suffix);
                let _ = std::fs::remove_file(name);
            }
        }
    }

    /// As a start after a crash does.
    pub fn reopen(&mut self) {
        self.sqlite = None;
        if let Some(file) = &self.file {
            match Sqlite::open(file) {
                Ok(sqlite) => self.sqlite = Some(sqlite),
                Err(fault) => self.broken = Some(format!("the file does not open again: {fault}")),
            }
        }
    }

    fn both<T: PartialEq + Debug>(
        &mut self,
        call: &str,
        memory: impl FnOnce(&mut Memory) -> Result<T, Fault>,
        sqlite: impl FnOnce(&mut Sqlite) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let said = memory(&mut self.memory);
        if let Some(store) = &mut self.sqlite {
            let other = sqlite(store);
            if other != said {
                let words = format!("{call}: memory says {said:?}, sqlite {other:?}");
                self.broken.get_or_insert(words);
            }
        }
        said
    }

    /// Active mailboxes.
    pub fn mailboxes(&mut self) -> Result<Vec<(UserId, Stashed)>, Fault> {
        // Which comes first is told by the promises of a store; here it is who is there.
        self.both("mailboxes", |s| s.mailboxes().map(by_user), |s| s.mailboxes().map(by_user))
    }

    /// What a pass begins with.
    pub fn load(&mut self, user: &UserId) -> Result<Option<Loaded>, Fault> {
        self.both("load", |s| s.load(user), |s| s.load(user))
    }

    /// Lines of an index.
    pub fn rows(&mut self, user: &UserId, lookup: &Lookup) -> Result<Vec<Row>, Fault> {
        self.both("rows", |s| s.rows(user, lookup), |s| s.rows(user, lookup))
    }

    /// Writes these.
    pub fn commit(&mut self, commits: &[Commit], now: Time) -> Result<Vec<bool>, Fault> {
        if self.full {
            return Err(full());
        }
        let counted =
            self.both("commit", |s| s.commit(commits, now), |s| s.commit(commits, now))?;
        for (commit, _) in commits.iter().zip(&counted).filter(|(_, counted)| **counted) {
            let highest = self.sequences.entry(commit.user.clone()).or_default();
            for event in &commit.events {
                if event.sequence <= *highest || event.sequence > commit.sequence {
                    let words = format!("{}: {} after {highest}", commit.user, event.sequence);
                    self.broken.get_or_insert(words);
                }
                *highest = event.sequence;
                self.keys.extend(event.key.clone().map(|key| (commit.user.clone(), key)));
            }
        }
        self.bounded();
        Ok(counted)
    }

    /// The outbox holds each record once, and one mark of completeness for each user.
    fn bounded(&mut self) {
        let waiting = self.backlog().map_or(0, |backlog| backlog.waiting + backlog.aside);
        let bound = self.keys.len() + self.sequences.len() + 8;
        if waiting > bound as u64 {
            self.broken.get_or_insert(format!("{waiting} events wait, bound is {bound}"));
        }
    }

    /// First rows of the outbox.
    pub fn outbox(&mut self, limit: usize, bytes: usize) -> Result<Vec<Outgoing>, Fault> {
        self.both("outbox", |s| s.outbox(limit, bytes), |s| s.outbox(limit, bytes))
    }

    /// Takes rows away.
    pub fn settle(&mut self, settled: &Settled) -> Result<(), Fault> {
        if self.full {
            return Err(full());
        }
        self.both("settle", |s| s.settle(settled), |s| s.settle(settled))
    }

    /// How a command ended.
    pub fn outcome(&mut self, id: &CommandId) -> Result<Option<Outcome>, Fault> {
        self.both("outcome", |s| s.outcome(id), |s| s.outcome(id))
    }

    /// Applies a decision.
    pub fn decide(&mut self, decision: &Decision, now: Time) -> Result<Outcome, Fault> {
        if self.full {
            return Err(full());
        }
        self.both("decide", |s| s.decide(decision, now), |s| s.decide(decision, now))
    }

    /// What waits.
    pub fn backlog(&mut self) -> Result<Backlog, Fault> {
        self.both("backlog", |s| s.backlog(), |s| s.backlog())
    }

    // ---- what a provider keeps ----

    /// The lines of its shelf.
    pub fn kept(&mut self) -> Result<Vec<Stashed>, Fault> {
        self.both("kept", |s| s.kept(SHELF), |s| s.kept(SHELF))
    }

    /// Puts lines onto it.
    pub fn keep(&mut self, lines: &[(Tag, Option<Stashed>)]) -> Result<(), Fault> {
        if self.full {
            return Err(full());
        }
        self.both("keep", |s| s.keep(SHELF, lines), |s| s.keep(SHELF, lines))
    }

    /// The trust list.
    pub fn trust(&mut self) -> Result<Vec<TrustEntry>, Fault> {
        self.both("trust", |s| s.trust(), |s| s.trust())
    }

    /// A host was met.
    pub fn meet(&mut self, host: &str, via: &str, now: Time) -> Result<Met, Fault> {
        if self.full {
            return Err(full());
        }
        self.both("meet", |s| s.meet(host, via, now), |s| s.meet(host, via, now))
    }

    /// An administrator's word.
    pub fn decide_trust(&mut self, host: &str, verdict: Verdict, now: Time) -> Result<(), Fault> {
        if self.full {
            return Err(full());
        }
        let words = |s: &mut dyn Shelf| s.decide_trust(host, verdict, now);
        self.both("decide_trust", |s| words(s), |s| words(s))
    }

    /// Every byte that a thief of the disk would find.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{:?}", self.memory).into_bytes();
        bytes.extend(self.memory.blobs());
        for suffix in ["", "-wal"] {
            if let Some(file) = &self.file {
                let mut name = file.clone().into_os_string();
                name.push(suffix);
                bytes.extend(std::fs::read(name).unwrap_or_default());
            }
        }
        bytes
    }
}

fn by_user(mut all: Vec<(UserId, Stashed)>) -> Vec<(UserId, Stashed)> {
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}
