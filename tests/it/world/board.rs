//! The board between a discovery and the world: it writes down what it needs, and is told later.
//!
//! No runtime and no sockets: whoever plays polls the discovery by hand after each answer.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use calway::calendar::Ledger;
use calway::calendar::ews::Legs;
use calway::calendar::ews::discover::{Answer, Step};
use calway::model::{Address, Fault, Plain, Time, TrustEntry, Zone};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::watch;

/// Lines under their keys.
pub type Lines = Vec<(Plain, Option<Plain>)>;

/// Something that a discovery needs from outside.
#[derive(Clone, Debug)]
pub enum Errand {
    Step(Step),
    /// To be told when a hunt has taken too long.
    Tired,
    Recall,
    Keep(Lines),
    Trust,
    Meet(String, String),
    /// The time zones of these.
    Zones(Vec<Arc<Address>>),
}

/// What an errand came to.
#[derive(Clone, Debug)]
pub enum Word {
    Step(Answer),
    Lines(Result<Vec<Plain>, Fault>),
    Done(Result<(), Fault>),
    List(Result<Vec<TrustEntry>, Fault>),
    Zones(Vec<(Arc<Address>, Option<Option<Zone>>)>),
}

#[derive(Debug, Default)]
struct Notes {
    wall: Time,
    serial: u64,
    chance: u64,
    wanted: Vec<(u64, Errand)>,
    told: BTreeMap<u64, Word>,
}

/// The board of one life.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Notes>>);

impl Board {
    pub fn new(chance: u64) -> Self {
        let board = Self::default();
        board.notes().chance = chance;
        board
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of day.
    pub fn set_clock(&self, wall: Time) {
        self.notes().wall = wall;
    }

    /// What was written down since this was asked last.
    pub fn wanted(&self) -> Vec<(u64, Errand)> {
        std::mem::take(&mut self.notes().wanted)
    }

    /// What an errand came to.
    pub fn tell(&self, errand: u64, word: Word) {
        self.notes().told.insert(errand, word);
    }

    /// Writes an errand down, and waits for its word.
    pub fn send(&self, errand: Errand) -> impl Future<Output = Word> + Send + 'static {
        let id = {
            let mut notes = self.notes();
            notes.serial += 1;
            let id = notes.serial;
            notes.wanted.push((id, errand));
            id
        };
        let board = self.clone();
        poll_fn(move |_| match board.notes().told.remove(&id) {
            Some(word) => Poll::Ready(word),
            None => Poll::Pending,
        })
    }
}

fn crossed<T>() -> Result<T, Fault> {
    Err(Fault::refused("another errand's word"))
}

impl Legs for Board {
    fn go<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Answer> {
        let word = self.send(Errand::Step(step.clone()));
        async move {
            match word.await {
                Word::Step(answer) => answer,
                _ => Answer::Place(crossed()),
            }
        }
        .boxed()
    }

    fn tired(&self) -> BoxFuture<'_, ()> {
        self.send(Errand::Tired).map(drop).boxed()
    }

    fn chance(&self) -> u64 {
        let mut notes = self.notes();
        notes.chance = notes.chance.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        notes.chance
    }
}

impl Ledger for Board {
    fn now(&self) -> Time {
        self.notes().wall
    }

    fn recall(&self) -> BoxFuture<'_, Result<Vec<Plain>, Fault>> {
        let word = self.send(Errand::Recall);
        async move { if let Word::Lines(lines) = word.await { lines } else { crossed() } }.boxed()
    }

    fn keep(&self, lines: Lines) -> BoxFuture<'_, Result<(), Fault>> {
        let word = self.send(Errand::Keep(lines));
        async move { if let Word::Done(done) = word.await { done } else { crossed() } }.boxed()
    }

    fn trust(&self) -> BoxFuture<'_, Result<Vec<TrustEntry>, Fault>> {
        let word = self.send(Errand::Trust);
        async move { if let Word::List(list) = word.await { list } else { crossed() } }.boxed()
    }

    /// Nobody rings here: the list is read again when it is old.
    fn turns(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    fn meet<'a>(&'a self, host: &'a str, via: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        let word = self.send(Errand::Meet(host.to_owned(), via.to_owned()));
        async move { if let Word::Done(done) = word.await { done } else { crossed() } }.boxed()
    }
}
