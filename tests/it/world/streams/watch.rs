//! What is checked of one group's machine while it runs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use calway::calendar::ews::get_streaming_events::{MOST, StreamEvent};
use calway::calendar::ews::subscription::{Group, Input, Output};
use calway::model::{Fault, Hint, ListenEnd, Next, Span, Time, UserId};

use super::super::dice::Dice;
use super::super::play::Held;

/// Calls of a group under way at once.
const CALLS: usize = 4;
/// Streams opened within a minute.
const OPENS: usize = 12;
/// Longest wait for an edit to be heard, or its mailbox to be refused, after the last trouble.
const HEARD_WITHIN: Span = Span::MINUTE.times(3);
/// The same, whatever goes wrong.
const HEARD_AT_LAST: Span = Span::MINUTE.times(15);
/// A subscription that is lost in silence is found so late, and mended in the time above.
const OPENED_ANEW: Span = Span::MINUTE.times(9);
/// Whoever has a good subscription is without a stream for so long, beyond what a server asked for.
const DEAF_WITHIN: Span = Span::from_secs(20);
/// A call that is not answered for so long counts no more.
const HANGS_AFTER: Span = Span::from_secs(5);
/// Longest time that giving back takes.
const GIVES_BACK_WITHIN: Span = Span::from_secs(11);

/// What is said of a call that hangs.
const HANGS: &str = "no answer in time";

/// Eyes on a group.
#[derive(Debug)]
pub struct Watch {
    /// Those who are in, or are to be.
    wanted: BTreeSet<UserId>,
    /// Places of those who left.
    left: BTreeSet<usize>,
    /// What the last stream was opened with.
    opened: BTreeSet<Arc<str>>,
    ends_at: Time,
    told_to_stop: Option<Time>,
    /// Subscriptions that the group knows, by member.
    held: BTreeMap<usize, Arc<str>>,
    users: BTreeMap<usize, UserId>,
    /// Those that the server called bad.
    named: BTreeSet<String>,
    /// Those that may be bad: the server named none.
    doubted: BTreeSet<String>,
    /// Calls to subscribe under way, and since when.
    asking: BTreeMap<usize, Time>,
    giving: usize,
    refused: BTreeSet<UserId>,
    /// Given back though nobody called it bad.
    given_up: Option<String>,
    /// Edits that nobody heard yet.
    unheard: Vec<(Time, UserId)>,
    listening: BTreeSet<UserId>,
    opens: VecDeque<Time>,
    stands: bool,
    /// Something was wrong, last at this time.
    trouble: Option<Time>,
    bad: bool,
    /// The server ended a stream that should have been opened anew before that.
    closed_by_itself: bool,
    /// Nobody was left.
    emptied: bool,
    slow_until: i64,
    /// Some subscription was lost, and nobody told.
    silent: bool,
    ended: bool,
    /// What the group does now, it does as somebody's Subscribe failed, which concerns that one, or
    /// as the server rests, which says nothing of what is subscribed.
    blamed: Option<String>,
    /// Somebody's Subscribe hung, or somebody was served elsewhere: the next one led, or may have.
    led_anew: bool,
    /// What the group does now, it does as the first of several hung, before anybody was through.
    hangs_alone: bool,
    /// A stream ended, a call was answered, or the server wants its rest.
    stirred: Time,
    calls: usize,
    edits: usize,
}

impl Watch {
    pub fn new(wanted: BTreeSet<UserId>, start: i64, life: Span, bad: bool) -> Self {
        Self {
            wanted,
            left: BTreeSet::new(),
            opened: BTreeSet::new(),
            ends_at: Time::from_ms(start) + life,
            told_to_stop: None,
            held: BTreeMap::new(),
            users: BTreeMap::new(),
            named: BTreeSet::new(),
            doubted: BTreeSet::new(),
            asking: BTreeMap::new(),
            giving: 0,
            refused: BTreeSet::new(),
            given_up: None,
            unheard: Vec::new(),
            listening: BTreeSet::new(),
            opens: VecDeque::new(),
            stands: false,
            trouble: bad.then(|| Time::from_ms(start)),
            bad,
            closed_by_itself: false,
            emptied: false,
            slow_until: 0,
            silent: false,
            ended: false,
            blamed: None,
            led_anew: false,
            hangs_alone: false,
            stirred: Time::from_ms(start),
            calls: 0,
            edits: 0,
        }
    }

    pub fn summary(&self) -> String {
        format!("{} members, {} calls, {} edits", self.wanted.len(), self.calls, self.edits)
    }

    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Something goes wrong.
    pub fn trouble(&mut self, now: i64) {
        self.trouble = Some(Time::from_ms(now));
    }

    /// Calls fail from now on, or not.
    pub fn bad(&mut self, bad: bool) {
        self.bad = bad;
    }

    /// Some call takes until then.
    pub fn slow_until(&mut self, at: i64) {
        self.slow_until = self.slow_until.max(at);
    }

    /// Subscriptions are lost, and the stream does not know.
    pub fn lost_in_silence(&mut self) {
        self.silent = true;
    }

    /// Somebody edits: who, and under which subscription it is known.
    pub fn edited(&mut self, now: i64, dice: &mut Dice) -> Option<(UserId, Option<Arc<str>>)> {
        let user = self.somebody(dice)?;
        self.edits += 1;
        if !self.refused.contains(&user) {
            self.unheard.push((Time::from_ms(now), user.clone()));
        }
        let at = self.place(&user);
        Some((user, at.and_then(|at| self.held.get(&at).cloned())))
    }

    /// One who is in.
    pub fn somebody(&self, dice: &mut Dice) -> Option<UserId> {
        let wanted: Vec<_> = self.wanted.iter().collect();
        dice.pick(&wanted).map(|user| (*user).clone())
    }

    /// Whether this one is in.
    pub fn wants(&self, user: &UserId) -> bool {
        self.wanted.contains(user)
    }

    fn place(&self, user: &UserId) -> Option<usize> {
        let mine = |(at, of): &(&usize, &UserId)| *of == user && !self.left.contains(at);
        self.users.iter().filter(mine).map(|(at, _)| *at).max()
    }

    /// Whether anything should have happened before this time.
    pub fn overdue(&self, at: Time, reads: bool) -> Held {
        if !reads && at > self.stirred + DEAF_WITHIN && self.good().next().is_some() {
            let since = at.since(self.stirred);
            return Err(format!("good subscriptions are without a stream for {since}"));
        }
        let settled = if self.bad { at } else { self.trouble.unwrap_or_default() };
        let crowd = 500 * self.wanted.len() as u64;
        let grace = Span::from_ms(HEARD_WITHIN.as_ms() + crowd);
        for (edited, user) in &self.unheard {
            let due = (*edited + HEARD_AT_LAST).min((*edited).max(settled) + grace);
            let due = due.max(Time::from_ms(self.slow_until));
            let due = if self.silent { due.max(*edited + OPENED_ANEW + grace) } else { due };
            if at > due {
                return Err(format!("an edit of {user} is not heard for {}", at.since(*edited)));
            }
        }
        let late = |of: Time| at > of + GIVES_BACK_WITHIN;
        if late(self.ends_at) || self.told_to_stop.is_some_and(late) {
            return Err("it does not end when it should".into());
        }
        Ok(())
    }

    /// What the group is told.
    pub fn input(&mut self, now: Time, input: &Input) {
        self.blamed = None;
        self.hangs_alone = false;
        match input {
            Input::Subscribed { member, result } => {
                self.stirred = self.stirred.max(now);
                if let Err(fault) = result
                    && !matches!(fault.next, Next::SignIn | Next::Moved)
                    && self.good().next().is_some()
                {
                    self.blamed = Some(fault.to_string());
                }
                self.asking.remove(member);
                if let Err(fault) = result {
                    self.hangs(*member, fault);
                }
                match result {
                    Ok((id, _)) => {
                        self.held.insert(*member, id.as_str().into());
                    }
                    Err(_) => self.trouble = Some(now),
                }
            }
            Input::GivenBack => {
                self.stirred = self.stirred.max(now);
                self.giving -= 1;
            }
            Input::Broke(fault) => self.wrong(now, fault, &[]),
            Input::Rests(left) => {
                let fault = Fault::new(Next::BackOff { after: Some(*left) }, "it rests");
                self.wrong(now, &fault, &[]);
                let any = self.good().next().is_some();
                self.blamed = any.then(|| fault.to_string());
            }
            Input::Events(told) => {
                for event in told {
                    match event {
                        StreamEvent::Error { fault, ids } => self.wrong(now, fault, ids),
                        StreamEvent::Closed => {
                            self.closed_by_itself |= self.trouble.is_none();
                            self.trouble = Some(now);
                        }
                        StreamEvent::Opened => {
                            self.stands = true;
                            self.listening.clear();
                            self.doubted.retain(|id| !self.opened.contains(id.as_str()));
                        }
                        StreamEvent::Heartbeat | StreamEvent::Notification { .. } => {}
                    }
                }
            }
            Input::Stop => self.told_to_stop = self.told_to_stop.or(Some(now)),
            Input::Join(target) => {
                self.refused.remove(&target.user);
                self.wanted.insert(target.user.clone());
            }
            Input::Leave(user) => {
                self.left.extend(self.place(user));
                self.wanted.remove(user);
                self.unheard.retain(|(_, of)| of != user);
                // Whoever joins after that comes too late, and hears of the end.
                self.emptied |= self.wanted.is_subset(&self.refused);
            }
            Input::Heard | Input::Tick => {}
        }
    }

    fn hangs(&mut self, member: usize, fault: &Fault) {
        let late = fault.cause.code == HANGS;
        let mine = self.users.get(&member);
        let others =
            self.wanted.iter().any(|user| !self.refused.contains(user) && mine != Some(user));
        let nobody = self.held.is_empty() && self.asking.is_empty() && self.told_to_stop.is_none();
        self.hangs_alone = late && others && nobody && !self.led_anew;
        self.led_anew |= late || fault.next == Next::Moved;
    }

    fn wrong(&mut self, now: Time, fault: &Fault, ids: &[String]) {
        self.trouble = Some(now);
        self.led_anew |= fault.next == Next::Moved;
        if let Next::BackOff { after } | Next::Retry { after } = fault.next {
            let rest = after.unwrap_or_default();
            self.stirred = self.stirred.max(now + rest + Span::from_ms(rest.as_ms() / 4));
        }
        self.stands = false;
        if !ids.is_empty() {
            self.named.extend(ids.iter().cloned());
        } else if fault.cause.code.starts_with("Error") {
            self.doubted.extend(self.held.values().map(ToString::to_string));
        }
    }

    /// What the group wants.
    pub fn output(&mut self, now: Time, output: &Output, group: &Group, reads: bool) -> Held {
        match output {
            Output::Subscribe(member) => self.subscribes(now, *member, group),
            Output::GiveBack { member, id } => {
                self.calls += 1;
                self.giving += 1;
                if self.held.get(member) != Some(id) {
                    return Err(format!("{id} is given back and is not held"));
                }
                self.held.remove(member);
                if !self.is_doubtful(id) && !self.left.contains(member) {
                    self.given_up = Some(id.to_string());
                }
                // What hangs keeps nobody from being given back.
                let hangs = |since: &Time| now >= *since + HANGS_AFTER;
                self.few_calls(self.asking.values().filter(|since| !hangs(since)).count())
            }
            Output::Open(ids) => self.opens(now, ids, reads),
            Output::Close => {
                self.stands = false;
                self.stirred = self.stirred.max(now);
                // Before anything is given back, and before the end.
                match &self.blamed {
                    Some(why) => Err(format!("all are closed, although they are good: {why}")),
                    None => Ok(()),
                }
            }
            Output::Tell(hint) => self.tells(hint),
            Output::End(end) => self.ends(now, end),
        }
    }

    fn is_doubtful(&self, id: &str) -> bool {
        self.named.contains(id) || self.doubted.contains(id)
    }

    /// Those that have a subscription with which nothing is wrong.
    fn good(&self) -> impl Iterator<Item = &Arc<str>> {
        let good =
            self.held.iter().filter(|(at, id)| !self.left.contains(at) && !self.is_doubtful(id));
        good.map(|(_, id)| id)
    }

    fn few_calls(&self, asking: usize) -> Held {
        let calls = asking + self.giving;
        if calls > CALLS { Err(format!("{calls} calls at once")) } else { Ok(()) }
    }

    fn subscribes(&mut self, now: Time, member: usize, group: &Group) -> Held {
        self.calls += 1;
        let Some(target) = group.target(member) else { return Err("nobody to subscribe".into()) };
        if self.told_to_stop.is_some() {
            return Err("it subscribes though it was told to stop".into());
        }
        if let Some(id) = self.held.get(&member)
            && !self.is_doubtful(id)
        {
            return Err(format!("{id} is good, and subscribed anew"));
        }
        self.held.remove(&member);
        self.users.insert(member, target.user.clone());
        if !self.wanted.contains(&target.user) {
            return Err(format!("{} left, and is subscribed", target.user));
        }
        // The place of one who left is somebody else's now, once all others are used.
        self.left.remove(&member);
        if self.refused.contains(&target.user) {
            return Err(format!("{} was refused, and is asked for", target.user));
        }
        let first = self.held.values().all(|id| self.named.contains(id.as_ref()));
        let others = self.asking.keys().any(|at| !self.left.contains(at));
        let alone = !others && group.anchor() == Some(target);
        if first && !alone {
            return Err("somebody is subscribed before the anchor".into());
        }
        if self.asking.insert(member, now).is_some() {
            return Err("it is subscribed twice at once".into());
        }
        self.few_calls(self.asking.len())
    }

    fn opens(&mut self, now: Time, ids: &[Arc<str>], reads: bool) -> Held {
        if reads {
            return Err("a second stream beside the first".into());
        }
        if ids.is_empty() || ids.len() > MOST {
            return Err(format!("a stream of {}", ids.len()));
        }
        if let Some(id) = &self.given_up {
            return Err(format!("{id} was good, and given up"));
        }
        let stays = |(at, _): &(&usize, &Arc<str>)| !self.left.contains(at);
        let held: BTreeSet<&str> =
            self.held.iter().filter(stays).map(|(_, id)| id.as_ref()).collect();
        if let Some(id) = ids.iter().find(|id| !held.contains(id.as_ref())) {
            return Err(format!("{id} is not ours any more"));
        }
        let good = |id: &&&str| !self.is_doubtful(id);
        if let Some(id) =
            held.iter().filter(good).find(|id| !ids.iter().any(|other| other.as_ref() == **id))
        {
            return Err(format!("{id} is good, and left out"));
        }
        if let Some(id) = ids.iter().find(|id| self.named.contains(id.as_ref())) {
            return Err(format!("{id} is bad, and asked for again"));
        }
        if self.closed_by_itself {
            return Err("a stream lived until the server ended it".into());
        }
        self.opened = ids.iter().cloned().collect();
        self.opens.push_back(now);
        self.opens.retain(|at| now.since(*at) < Span::MINUTE);
        if self.opens.len() > OPENS {
            return Err(format!("{} streams in a minute", self.opens.len()));
        }
        Ok(())
    }

    fn tells(&mut self, hint: &Hint) -> Held {
        let user = match hint {
            Hint::Changed(user) => user,
            Hint::Listening(user) => {
                if !self.stands {
                    return Err(format!("{user} is told listening, and no stream stands"));
                }
                self.listening.insert(user.clone());
                user
            }
            Hint::Refused(user, _) => {
                if !self.refused.insert(user.clone()) && self.wanted.contains(user) {
                    return Err(format!("{user} is refused twice"));
                }
                user
            }
        };
        self.unheard.retain(|(_, of)| of != user);
        Ok(())
    }

    /// The stream stands: whoever is in it was told so.
    pub fn all_told(&self) -> Held {
        let good = self.held.iter().filter(|(at, id)| {
            self.opened.contains(*id) && !self.is_doubtful(id) && !self.left.contains(at)
        });
        let mut good = good.filter_map(|(at, _)| self.users.get(at));
        match good.find(|user| self.stands && !self.listening.contains(*user)) {
            Some(user) => Err(format!("the stream stands and {user} does not know")),
            None => Ok(()),
        }
    }

    fn ends(&mut self, now: Time, end: &ListenEnd) -> Held {
        self.ended = true;
        if self.hangs_alone && matches!(end, ListenEnd::Failed(why) if why.cause.code == HANGS) {
            return Err("one hangs, and nobody has a stream".into());
        }
        match end {
            ListenEnd::RollOver if now < self.ends_at && !self.emptied => {
                Err("it rolls over before its time".into())
            }
            ListenEnd::Stopped if self.told_to_stop.is_none() => Err("nobody stopped it".into()),
            ListenEnd::Failed(fault) if self.trouble.is_none() => {
                Err(format!("it failed ({fault}) though all was well"))
            }
            _ => Ok(()),
        }
    }

    /// The end: nothing of ours is left at the server, where that could be done.
    pub fn all_given_back(&self, now: Time, end: &ListenEnd, lives: impl Fn(&str) -> bool) -> Held {
        let quiet = matches!(
            end,
            ListenEnd::Failed(Fault { next: Next::BackOff { .. } | Next::SignIn, .. })
        );
        let late = now.as_ms() < self.slow_until + GIVES_BACK_WITHIN.as_ms() as i64;
        let named = |id: &str| self.named.contains(id);
        let left = self.held.values().find(|id| lives(id) && !named(id));
        match left {
            Some(id) if !quiet && !late => Err(format!("{id} is left behind")),
            _ => Ok(()),
        }
    }
}
