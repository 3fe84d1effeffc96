//! What is checked of the fleet and its streams while they run, and what was played.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use calway::model::{Span, Time, UserId};
use calway::pipeline::fleet::{StreamId, Ticket};

use super::super::play::Held;

/// Readings under way at one server.
const ASKS: usize = 10;
/// Calls of one stream under way.
const CALLS: usize = 4;

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A mailbox that has a subscription is served elsewhere from then on.
    Moved,
    /// A subscription is lost, and its stream goes on.
    Deaf,
    /// A server says that it is busy.
    Busy,
    /// A stream that stands breaks.
    Reset,
    /// Subscribe is not answered.
    Hung,
    /// A stream says nothing any more.
    Silent,
    /// A mailbox joins a stream that there is.
    Joined,
    /// One that is in a stream is active no more.
    Left,
    /// The time of a stream that some are in is over.
    RolledOver,
}

impl Kind {
    pub const ALL: [Self; 9] = [
        Self::Moved,
        Self::Deaf,
        Self::Busy,
        Self::Reset,
        Self::Hung,
        Self::Silent,
        Self::Joined,
        Self::Left,
        Self::RolledOver,
    ];
}

/// Eyes on all of them.
#[derive(Debug, Default)]
pub struct Watch {
    played: BTreeSet<Kind>,
    /// Who is asked about, at which server.
    asked: BTreeMap<Ticket, (Option<UserId>, usize)>,
    /// In which stream each mailbox is.
    seats: BTreeMap<UserId, StreamId>,
    /// Whose each subscription is.
    ids: BTreeMap<Arc<str>, StreamId>,
    /// Calls under way: to subscribe, and to give back.
    calls: BTreeMap<StreamId, (usize, usize)>,
    /// Edits that nobody read yet.
    unread: Vec<(Time, UserId)>,
    edits: usize,
    streams: usize,
}

impl Watch {
    pub fn played(&mut self, kind: Kind) {
        self.played.insert(kind);
    }

    pub fn was_played(&self, kind: Kind) -> bool {
        self.played.contains(&kind)
    }

    pub fn summary(&self) -> String {
        format!("{} streams, {} edits, {:?}", self.streams, self.edits, self.played)
    }

    /// A reading asks the server.
    pub fn asks(&mut self, ticket: Ticket, user: &UserId, server: usize) -> Held {
        if self.asked.values().any(|(of, _)| of.as_ref() == Some(user)) {
            return Err(format!("{user} is asked about twice at once"));
        }
        self.asked.insert(ticket, (Some(user.clone()), server));
        let open = self.asked.values().filter(|(_, at)| *at == server).count();
        if open > ASKS {
            Err(format!("{open} readings at once at server {server}"))
        } else {
            Ok(())
        }
    }

    pub fn answered(&mut self, ticket: Ticket) {
        self.asked.remove(&ticket);
    }

    /// The fleet puts it into this stream.
    pub fn sits(&mut self, user: &UserId, stream: StreamId) -> Held {
        match self.seats.insert(user.clone(), stream) {
            Some(other) => Err(format!("{user} is in stream {other} and is put into {stream}")),
            None => Ok(()),
        }
    }

    /// It is taken out of the stream.
    pub fn stands_up(&mut self, user: &UserId, stream: StreamId) -> bool {
        let sits = self.seats.get(user) == Some(&stream);
        if sits {
            self.seats.remove(user);
        }
        sits
    }

    /// In which stream it is.
    pub fn seat(&self, user: &UserId) -> Option<StreamId> {
        self.seats.get(user).copied()
    }

    /// Whether somebody is in it.
    pub fn has_seats(&self, stream: StreamId) -> bool {
        self.seats.values().any(|at| *at == stream)
    }

    /// The fleet has done with a stream.
    pub fn dissolved(&mut self, stream: StreamId) {
        self.seats.retain(|_, at| *at != stream);
    }

    /// A stream has no more calls.
    pub fn ended(&mut self, stream: StreamId) {
        self.calls.remove(&stream);
    }

    /// A stream subscribes one more.
    pub fn asks_for(&mut self, stream: StreamId) -> Held {
        let (asking, giving) = self.calls.entry(stream).or_default();
        *asking += 1;
        few(*asking + *giving)
    }

    /// It gives one back: those that hang do not count then.
    pub fn gives_back(&mut self, stream: StreamId) -> Held {
        let (_, giving) = self.calls.entry(stream).or_default();
        *giving += 1;
        few(*giving)
    }

    pub fn called(&mut self, stream: StreamId, gives_back: bool) {
        if let Some((asking, giving)) = self.calls.get_mut(&stream) {
            let calls = if gives_back { giving } else { asking };
            *calls = calls.saturating_sub(1);
        }
    }

    /// A subscription was made for a stream.
    pub fn subscribed(&mut self, id: &Arc<str>, stream: StreamId) {
        self.ids.insert(Arc::clone(id), stream);
    }

    /// A stream is asked for over these.
    pub fn opens(&mut self, stream: StreamId, ids: &[Arc<str>], reads: bool) -> Held {
        self.streams += 1;
        if reads {
            return Err(format!("a second request of stream {stream} beside the first"));
        }
        match ids.iter().find(|id| self.ids.get(*id) != Some(&stream)) {
            Some(id) => Err(format!("stream {stream} is opened with {id}, which is not its own")),
            None => Ok(()),
        }
    }

    pub fn edited(&mut self, now: Time, user: &UserId) {
        self.edits += 1;
        self.unread.push((now, user.clone()));
    }

    /// What stood in its calendar then is committed.
    pub fn read(&mut self, user: &UserId, until: Time) {
        self.unread.retain(|(at, of)| of != user || *at > until);
    }

    /// It is active no more.
    pub fn forget(&mut self, user: &UserId) {
        self.unread.retain(|(_, of)| of != user);
        for (of, _) in self.asked.values_mut() {
            // It counts for the server until it is answered.
            of.take_if(|of| of == user);
        }
    }

    /// Nothing waits for so long.
    pub fn all_read(&self, now: Time, within: Span) -> Held {
        match self.unread.iter().find(|(at, _)| now.since(*at) > within) {
            Some((at, user)) => {
                Err(format!("an edit of {user} is not read for {}", now.since(*at)))
            }
            None => Ok(()),
        }
    }
}

fn few(calls: usize) -> Held {
    if calls > CALLS { Err(format!("{calls} calls at once of one stream")) } else { Ok(()) }
}
