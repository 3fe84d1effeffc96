//! What is checked while the play runs: bounds, pauses, who is asked, what is shown.

mod budget;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use calway::model::{Doubt, Fault, Hint, ListenEnd, Now, ServerKey, Span, Time, UserId};
use calway::pipeline::fleet::{Fleet, Input, Note, Output, StreamId};
use calway::pipeline::limits::{BATCH_EVENTS, GROUP_MEMBERS, STREAMS_OPENING};
use calway::pipeline::outbox::Outgoing;
use calway::pipeline::sync::Ask;

use self::budget::Budget;
use super::calendar::CANARY;
use super::play::Held;

/// Inputs in one second of virtual time that nothing but a busy loop needs, and for each mailbox.
const INPUTS_PER_SECOND: (u64, u64) = (600, 40);

/// A stream, as the fleet knows it.
#[derive(Debug)]
struct Stream {
    members: BTreeSet<UserId>,
    /// Those of its first members that nobody was told of yet.
    opening: BTreeSet<UserId>,
    server: Option<ServerKey>,
}

impl Stream {
    /// It is not in it any more; whether it was.
    fn drop(&mut self, user: &UserId) -> bool {
        self.opening.remove(user);
        self.members.remove(user)
    }
}

/// Eyes on a run.
#[derive(Debug, Default)]
pub struct Watch {
    active: BTreeSet<UserId>,
    /// Who is asked.
    pub budget: Budget,
    streams: BTreeMap<StreamId, Stream>,
    /// Mailboxes that the operator knows to fail, and why.
    pub named: BTreeMap<UserId, Fault>,
    cloud_quiet_until: Time,
    /// What this life sent: the highest sequence of each user, and all ids.
    highest: BTreeMap<UserId, u64>,
    sent: BTreeSet<Arc<str>>,
    second: i64,
    inputs_of_second: u64,
    /// All inputs.
    pub inputs: u64,
    /// All requests to Exchange.
    pub asks: u64,
    /// Of them: listings.
    pub views: u64,
    /// All streams that were opened.
    pub listens: u64,
    /// Mailboxes that joined a stream.
    pub joins: u64,
    /// What the outbox last said.
    pub cloud_well: bool,
}

/// Says what holds the canary, if it does.
pub fn no_canary(what: &str, text: &str) -> Held {
    let Some(at) = text.find(CANARY) else { return Ok(()) };
    let near: String = text.chars().skip(text[..at].chars().count().saturating_sub(60)).collect();
    Err(format!("plain text in {what}: {}", near.chars().take(120).collect::<String>()))
}

impl Watch {
    /// For a fleet of so many passes, so many of them for the backlog.
    pub fn new(passes: usize, backlog: usize) -> Self {
        Self { budget: Budget::new(passes, backlog), ..Self::default() }
    }

    /// A connector starts.
    pub fn born(&mut self) {
        self.cloud_quiet_until = Time::default();
        self.highest.clear();
        self.sent.clear();
    }

    /// It dies: nobody remembers the pauses.
    pub fn died(&mut self) {
        self.active.clear();
        self.streams.clear();
        self.named.clear();
        self.budget.died();
    }

    /// A mailbox is active.
    pub fn added(&mut self, user: &UserId) {
        self.active.insert(user.clone());
    }

    /// It is not.
    pub fn removed(&mut self, user: &UserId) {
        self.active.remove(user);
        self.named.remove(user);
        self.budget.removed(user);
        for stream in self.streams.values_mut() {
            stream.drop(user);
        }
    }

    /// Anything that could be printed.
    pub fn shown(&self, what: &impl Debug) -> Held {
        // What is told of a type is told each time, so that not all must be read.
        if !self.inputs.is_multiple_of(4) {
            return Ok(());
        }
        no_canary("something printed", &format!("{what:?}"))
    }

    /// Time goes on.
    pub fn passes_time(&mut self, mono: i64) -> Held {
        if mono / 1_000 != self.second {
            self.second = mono / 1_000;
            self.inputs_of_second = 0;
        }
        Ok(())
    }

    /// Some machine was moved.
    pub fn moved(&mut self) -> Held {
        self.inputs += 1;
        self.inputs_of_second += 1;
        let (some, each) = INPUTS_PER_SECOND;
        if self.inputs_of_second > some + each * self.active.len() as u64 {
            return Err(format!("a busy loop: {} inputs in a second", self.inputs_of_second));
        }
        Ok(())
    }

    /// What the fleet is told.
    pub fn input(&mut self, now: Now, input: &Input) -> Held {
        self.moved()?;
        match input {
            Input::Got(ticket, result) => {
                self.budget.answered(now, *ticket, result.as_ref().err());
            }
            Input::Homes(ticket, homes) => self.budget.found(now, *ticket, homes),
            Input::Hint(stream, Hint::Refused(user, fault)) => {
                if let Some(stream) = self.streams.get_mut(stream)
                    && stream.drop(user)
                {
                    self.budget.stream_trouble(now, Some(user), fault);
                }
            }
            Input::Hint(_, Hint::Changed(user)) => self.budget.rings(user),
            Input::Hint(stream, Hint::Listening(user)) => {
                if let Some(stream) = self.streams.get_mut(stream) {
                    stream.opening.remove(user);
                }
            }
            Input::Ended(stream, end) => {
                if let (Some(stream), ListenEnd::Failed(fault)) = (self.streams.remove(stream), end)
                {
                    self.budget.stream_trouble(now, stream.members.first(), fault);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What the fleet wants.
    pub fn output(&mut self, now: Now, output: &Output) -> Held {
        match output {
            Output::Homes(ticket, users, doubt) => {
                self.are_active(users)?;
                self.budget.seeks(now, *ticket, users, *doubt != Doubt::None)?;
            }
            Output::Ask(ticket, user, _) => {
                self.asks += 1;
                self.views += u64::from(matches!(output, Output::Ask(_, _, Ask::View(_))));
                self.are_active(std::slice::from_ref(user))?;
                self.budget.asks(now, *ticket, user)?;
            }
            Output::Listen(stream, users) => {
                self.listens += 1;
                self.are_active(users)?;
                self.budget.streams(now, users)?;
                if let Some(user) = users.iter().find(|user| self.is_in_a_stream(user)) {
                    return Err(format!("{user} is in two streams"));
                }
                self.listens_to(*stream, users)?;
            }
            Output::Join(stream, user) => self.joins(now, *stream, user)?,
            Output::Leave(stream, user) => {
                let stream = self.streams.get_mut(stream);
                let was_in = stream.is_some_and(|stream| stream.drop(user));
                if !was_in && self.active.contains(user) {
                    return Err(format!("{user} leaves a stream that it is not in"));
                }
            }
            Output::Hush(stream) => {
                self.streams.remove(stream);
            }
            Output::Note(Note::MailboxFailing(user, fault, _)) => {
                self.named.insert(user.clone(), fault.clone());
            }
            Output::Note(Note::MailboxWell(user, _)) => {
                self.named.remove(user);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether it is listened to, or soon will be.
    pub fn is_in_a_stream(&self, user: &UserId) -> bool {
        self.streams.values().any(|stream| stream.members.contains(user))
    }

    fn listens_to(&mut self, id: StreamId, users: &[UserId]) -> Held {
        let home = users.first().and_then(|user| self.budget.home(user));
        let server = home.map(|home| home.server.clone());
        let of = |stream: &&Stream| stream.server == server && !stream.opening.is_empty();
        let opening = self.streams.values().filter(of).count();
        if opening >= STREAMS_OPENING {
            return Err(format!("{opening} streams are being opened at {server:?}, and one more"));
        }
        let members: BTreeSet<_> = users.iter().cloned().collect();
        self.streams.insert(id, Stream { opening: members.clone(), members, server });
        self.fits(id)
    }

    fn joins(&mut self, now: Now, id: StreamId, user: &UserId) -> Held {
        self.joins += 1;
        self.are_active(std::slice::from_ref(user))?;
        if self.is_in_a_stream(user) {
            return Err(format!("{user} joins and is in a stream"));
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            return Err(format!("{user} joins a stream that is not there"));
        };
        stream.members.insert(user.clone());
        let members: Vec<_> = stream.members.iter().cloned().collect();
        self.budget.streams(now, &members)?;
        self.fits(id)
    }

    fn fits(&self, id: StreamId) -> Held {
        let members = self.streams.get(&id).map_or(0, |stream| stream.members.len());
        match members {
            0 => Err("a stream of nobody".into()),
            1..=GROUP_MEMBERS => Ok(()),
            members => Err(format!("a stream of {members} members")),
        }
    }

    fn are_active(&self, users: &[UserId]) -> Held {
        match users.iter().find(|user| !self.active.contains(*user)) {
            Some(user) => Err(format!("{user} is not active and is asked for")),
            None => Ok(()),
        }
    }

    /// Each stream is of one group, as it was told last.
    pub fn grouped(&self) -> Held {
        for (id, stream) in &self.streams {
            let homes = stream.members.iter().filter_map(|user| self.budget.home(user));
            let groups: BTreeSet<_> =
                homes.map(|home| (home.server.clone(), home.group.clone())).collect();
            if groups.len() > 1 {
                return Err(format!("stream {id} mixes {groups:?}"));
            }
        }
        Ok(())
    }

    /// The fleet after an input.
    pub fn fleet(&mut self, now: Now, fleet: &Fleet) -> Held {
        if fleet.wake_at(now) <= now.mono {
            return Err("the fleet wants to be woken in the past".into());
        }
        if self.inputs.is_multiple_of(100) {
            self.shown(fleet)?;
        }
        Ok(())
    }

    /// The cloud asks for a pause, which the connector learns at that time.
    pub fn cloud_asks(&mut self, at: Time, wait: Span) {
        self.cloud_quiet_until = at + wait.min(Span::HOUR);
    }

    /// A batch goes out.
    pub fn sends(&mut self, now: Now, rows: &[Outgoing]) -> Held {
        for row in rows {
            no_canary("an event", row.data.json())?;
            let highest = self.highest.entry(row.user.clone()).or_default();
            if self.sent.insert(row.id.clone()) && row.sequence <= *highest {
                return Err(format!("{} is sent after sequence {highest}", row.id));
            }
            *highest = row.sequence.max(*highest);
        }
        if rows.is_empty() || rows.len() > BATCH_EVENTS {
            return Err(format!("a batch of {}", rows.len()));
        }
        if rows.windows(2).any(|pair| pair[0].row >= pair[1].row) {
            return Err("a batch out of order".into());
        }
        if now.mono < self.cloud_quiet_until {
            return Err("the cloud is sent to before its pause is over".into());
        }
        Ok(())
    }
}
