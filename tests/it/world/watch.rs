//! What is checked while the play runs: bounds, pauses, who is asked, what is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use calway::model::{Fault, Hint, ListenEnd, Next, Now, Span, Time, UserId};
use calway::pipeline::fleet::{Fleet, Input, Output, StreamId, Ticket};
use calway::pipeline::limits::{BATCH_EVENTS, GROUP_MEMBERS};
use calway::pipeline::outbox::Outgoing;
use calway::pipeline::sync::Ask;

use super::calendar::CANARY;
use super::play::Held;

/// Inputs in one second of virtual time that nothing but a busy loop needs.
const INPUTS_PER_SECOND: u64 = 600;

/// The least wait after sign-in was refused.
const SIGNED_OUT: Span = Span::from_secs(720);

/// Eyes on a run.
#[derive(Debug, Default)]
pub struct Watch {
    passes: usize,
    active: BTreeSet<UserId>,
    /// Requests to Exchange under way; true: sent after the last pause began.
    asked: BTreeMap<Ticket, bool>,
    quiet_until: Time,
    /// Of it: because sign-in was refused, which another secret ends.
    signed_out_until: Time,
    /// After a pause one alone tries, until it was answered well.
    probing: bool,
    streams: BTreeMap<StreamId, BTreeSet<UserId>>,
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
    /// For a fleet of so many passes.
    pub fn new(passes: usize) -> Self {
        Self { passes, ..Self::default() }
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
        self.asked.clear();
        self.streams.clear();
        self.quiet_until = Time::default();
        self.signed_out_until = Time::default();
        self.probing = false;
    }

    /// A mailbox is active.
    pub fn added(&mut self, user: &UserId) {
        self.active.insert(user.clone());
    }

    /// It is not.
    pub fn removed(&mut self, user: &UserId) {
        self.active.remove(user);
    }

    /// Anything that could be printed.
    pub fn shown(&self, what: &impl Debug) -> Held {
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
        if self.inputs_of_second > INPUTS_PER_SECOND {
            return Err(format!("a busy loop: {} inputs in a second", self.inputs_of_second));
        }
        Ok(())
    }

    /// What the fleet is told.
    pub fn input(&mut self, now: Now, input: &Input) -> Held {
        self.moved()?;
        match input {
            Input::Got(ticket, result) => {
                let fault = result.as_ref().err().cloned();
                self.answered(now, *ticket, fault);
            }
            Input::Homes(_, homes) => {
                // The directory's being busy pauses nobody else; a refused sign-in everybody.
                for fault in homes.iter().filter_map(|home| home.as_ref().err()) {
                    if fault.next == Next::SignIn {
                        self.pause(now, fault);
                    }
                }
            }
            Input::Hint(stream, Hint::Refused(user, _)) => {
                if let Some(members) = self.streams.get_mut(stream) {
                    members.remove(user);
                }
            }
            Input::Ended(stream, end) => {
                if let (Some(_), ListenEnd::Failed(fault)) = (self.streams.remove(stream), end) {
                    self.pause(now, fault);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn answered(&mut self, now: Now, ticket: Ticket, fault: Option<Fault>) {
        let since_pause = self.asked.remove(&ticket).unwrap_or(false);
        match fault {
            Some(fault) => self.pause(now, &fault),
            None if since_pause => self.probing = false,
            None => {}
        }
    }

    /// The account's secret changed.
    pub fn secret_changed(&mut self) {
        self.signed_out_until = Time::default();
    }

    fn pause(&mut self, now: Now, fault: &Fault) {
        if fault.next == Next::SignIn {
            self.signed_out_until = self.signed_out_until.max(now.mono + SIGNED_OUT);
            self.probing = true;
            return;
        }
        let wait = match fault.next {
            Next::BackOff { after } => {
                after.unwrap_or_default().min(Span::HOUR).max(Span::from_ms(800))
            }
            _ => return,
        };
        self.quiet_until = self.quiet_until.max(now.mono + wait);
        self.probing = true;
        for since_pause in self.asked.values_mut() {
            *since_pause = false;
        }
    }

    /// What the fleet wants.
    pub fn output(&mut self, now: Now, output: &Output) -> Held {
        match output {
            Output::Homes(_, users, _) => {
                if now.mono < self.signed_out_until {
                    return Err("homes are asked for though sign-in was refused".into());
                }
                self.are_active(users)?;
            }
            Output::Ask(ticket, user, _) => {
                self.asks += 1;
                self.views += u64::from(matches!(output, Output::Ask(_, _, Ask::View(_))));
                self.may_ask(now, std::slice::from_ref(user))?;
                self.asked.insert(*ticket, true);
                if self.asked.len() > self.passes {
                    return Err(format!("{} requests under way", self.asked.len()));
                }
                if self.probing && self.asked.values().filter(|since| **since).count() > 1 {
                    return Err("more than one tries after a pause".into());
                }
            }
            Output::Listen(stream, users) => {
                self.listens += 1;
                self.may_ask(now, users)?;
                if users.is_empty() || users.len() > GROUP_MEMBERS {
                    return Err(format!("a stream of {} members", users.len()));
                }
                let taken = |user: &&UserId| self.streams.values().any(|m| m.contains(*user));
                if let Some(user) = users.iter().find(taken) {
                    return Err(format!("{user} is in two streams"));
                }
                self.streams.insert(*stream, users.iter().cloned().collect());
            }
            Output::Join(stream, user) => {
                self.may_ask(now, std::slice::from_ref(user))?;
                if self.streams.values().any(|members| members.contains(user)) {
                    return Err(format!("{user} is in two streams"));
                }
                let Some(members) = self.streams.get_mut(stream) else {
                    return Err(format!("{user} joins a stream that is not there"));
                };
                members.insert(user.clone());
                if members.len() > GROUP_MEMBERS {
                    return Err(format!("a stream of {} members", members.len()));
                }
            }
            Output::Leave(stream, user) => {
                if !self.streams.get_mut(stream).is_some_and(|members| members.remove(user)) {
                    return Err(format!("{user} leaves a stream that it is not in"));
                }
            }
            Output::Hush(stream) => {
                self.streams.remove(stream);
            }
            _ => {}
        }
        Ok(())
    }

    fn are_active(&self, users: &[UserId]) -> Held {
        match users.iter().find(|user| !self.active.contains(*user)) {
            Some(user) => Err(format!("{user} is not active and is asked for")),
            None => Ok(()),
        }
    }

    fn may_ask(&self, now: Now, users: &[UserId]) -> Held {
        self.are_active(users)?;
        let until = self.quiet_until.max(self.signed_out_until);
        if now.mono < until {
            let left = until.since(now.mono);
            return Err(format!("{users:?} is asked for {left} before the pause is over"));
        }
        Ok(())
    }

    /// The fleet after an input.
    pub fn fleet(&mut self, now: Now, fleet: &Fleet) -> Held {
        if fleet.running() > self.passes {
            return Err(format!("{} passes under way", fleet.running()));
        }
        if fleet.wake_at(now) <= now.mono {
            return Err("the fleet wants to be woken in the past".into());
        }
        if self.inputs.is_multiple_of(101) {
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
