//! Errands played against a simulated Exchange, disk and clock, with crashes and lost or late
//! answers: whatever happens, each takes effect once.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::tests::{UID, ada, create, filed, question, respond};
use super::*;
use crate::model::{
    Answer as Answered, Body, Engagement, Hours, InvitationKind, Mark, Now, Sensitivity, Span,
    When, WorkHours,
};
use crate::pipeline::pace::Dice;
use crate::pipeline::samples::{NOON, cases, installation, item, key, now, user};

/// A mailbox as the simulated Exchange has it.
#[derive(Default)]
pub struct Mailbox {
    /// By their marks, and when they were made to begin.
    pub made: Vec<(Arc<str>, Time)>,
    /// What was answered to the invitation, each time.
    pub responses: Vec<Response>,
    /// What may still take effect, and when.
    pub late: Vec<(Time, Ask)>,
    /// Questions, by what they are.
    pub asked: BTreeMap<&'static str, usize>,
    pub busy: Vec<Engagement>,
    /// Instead of that: digits alone.
    pub digits: Option<&'static str>,
    /// Whose free times cannot be seen for now: the organiser is the first.
    pub unseen: Vec<usize>,
    /// When they work: the organiser, and each who is invited, where that is told.
    pub hours: Vec<Option<WorkHours>>,
    /// A meeting of the mailbox's own.
    pub own: Option<Invitation>,
    /// Updates of it that took effect, and what each mailed: whether invitees were told.
    pub updates: Vec<Notify>,
}

impl Mailbox {
    pub fn take_effect(&mut self, ask: &Ask) {
        match ask {
            Ask::Create(meeting, mark) => self.made.push((mark.clone(), meeting.start)),
            Ask::Respond { response, .. } => self.responses.push(*response),
            Ask::Rewrite(change) => self.rewrite(change),
            _ => {}
        }
    }

    /// Nothing newer than what was read is overwritten.
    fn rewrite(&mut self, change: &Rewrite) {
        let fits = |own: &&mut Invitation| own.version == change.version;
        let Some(own) = self.own.as_mut().filter(fits) else { return };
        own.version = format!("{}+", own.version).into();
        own.body = change.body.clone().unwrap_or_else(|| own.body.clone());
        own.location = change.location.clone().unwrap_or_else(|| own.location.clone());
        match &change.mark {
            Mark::Keep => {}
            Mark::Set(mark) => own.mark = Some(mark.clone()),
            Mark::Remove => own.mark = None,
        }
        self.updates.push(change.notify);
    }

    /// Whether a write is refused, as somebody else was faster.
    fn is_conflict(&self, ask: &Ask) -> bool {
        let Ask::Rewrite(change) = ask else { return false };
        self.own.as_ref().is_none_or(|own| own.version != change.version)
    }

    pub fn at(&mut self, now: Time) {
        let late = std::mem::take(&mut self.late);
        for (at, ask) in late {
            if at <= now { self.take_effect(&ask) } else { self.late.push((at, ask)) }
        }
    }

    /// What is asked and changes nothing.
    pub fn read(&self, ask: &Ask) -> Answer {
        let uid = Plain::new(UID);
        let entry = |start| Entry {
            item: item("a"),
            version: "1".into(),
            uid: uid.clone(),
            recurring: false,
            start,
            end: start + Span::MINUTE.times(30),
        };
        let declined = self.responses.last() == Some(&Response::Declined);
        match ask {
            Ask::FreeBusy(all, _) => {
                let hours = |n: usize| self.hours.get(n).cloned().flatten();
                let engagements = self.busy.clone();
                let merged = Some(self.digits.unwrap_or("0").into());
                let one = FreeBusy { merged, engagements, hours: None };
                let one = |n| match self.unseen.contains(&n) {
                    true => Err(Fault::retry("ErrorServiceDiscoveryFailed")),
                    false => Ok(FreeBusy { hours: hours(n), ..one.clone() }),
                };
                Answer::FreeBusy((0..all.len()).map(one).collect())
            }
            Ask::Created(mark) => {
                let found = self.made.iter().find(|(made, _)| made == mark);
                Answer::Created(found.map(|(_, start)| entry(*start)))
            }
            Ask::View(from, to) if self.own.is_some() => {
                let own = self.own.iter().filter(|own| (*from..*to).contains(&own.start));
                let recurring = |own: &Invitation| own.kind != InvitationKind::Single;
                let line =
                    |own: &Invitation| Entry { recurring: recurring(own), ..entry(own.start) };
                Answer::View(Listing::from(own.map(line).collect::<Vec<_>>()))
            }
            Ask::Read(..) if self.own.is_some() => Answer::Read(self.own.clone().map(Box::new)),
            Ask::View(from, _) => {
                let all = if declined { Vec::new() } else { vec![entry(*from)] };
                Answer::View(Listing::from(all))
            }
            Ask::Read(..) => {
                let last = self.responses.last().map_or(Answered::None, |r| (*r).into());
                Answer::Read((!declined).then(|| Box::new(invitation(last))))
            }
            Ask::Items(_) => Answer::Items(Vec::new()),
            Ask::Zone => Answer::Zone(Some(Zone::fixed(-60))),
            Ask::Key => Answer::Key(key("today")),
            Ask::Language => Answer::Language(Some("de".into())),
            Ask::Create(..) | Ask::Respond { .. } | Ask::Rewrite(_) => Answer::Done,
        }
    }
}

pub fn invitation(answer: Answered) -> Invitation {
    Invitation {
        item: item("a"),
        version: "1".into(),
        uid: Plain::new(UID),
        kind: InvitationKind::Single,
        original_start: None,
        start: NOON + Span::DAY,
        end: NOON + Span::DAY + Span::HOUR,
        last_end: Some(NOON + Span::DAY + Span::HOUR),
        subject: Plain::new("Budget"),
        location: Plain::default(),
        body: Body::default(),
        language: "".into(),
        organizer: None,
        mine: false,
        answer,
        invited: true,
        invitees: 1,
        participants: Vec::new(),
        sensitivity: Sensitivity::Normal,
        conference: Plain::default(),
        cancelled: false,
        mark: None,
    }
}

/// The program, its disk and Exchange.
pub struct Play {
    pub clock: Now,
    pub dice: Dice,
    pub desk: Desk,
    pub rules: Rules,
    pub disk: Vec<Filed>,
    pub told: Vec<Told>,
    /// What rows do not say any more.
    pub anew: Vec<Tag>,
    pub mailbox: Mailbox,
    /// Answers on their way.
    pub coming: Vec<(Time, Input)>,
    /// Nothing fails any more.
    pub calm: bool,
    /// What people do meanwhile.
    pub edit: Option<fn(&mut Mailbox, &mut Dice)>,
    pub notes: Vec<Note>,
}

impl Play {
    pub fn new(seed: u64, disk: Vec<Filed>) -> Self {
        let mut play = Self {
            clock: now(0),
            dice: Dice::new(seed),
            desk: Desk::new(installation(), Rules::default(), seed),
            rules: Rules::default(),
            disk,
            told: Vec::new(),
            anew: Vec::new(),
            mailbox: Mailbox::default(),
            coming: Vec::new(),
            calm: false,
            edit: None,
            notes: Vec::new(),
        };
        play.begin();
        play
    }

    /// The program starts, also after a crash: what it was waiting for is lost, what Exchange was
    /// asked for is not.
    pub fn begin(&mut self) {
        self.coming.clear();
        self.desk = Desk::new(installation(), self.rules.clone(), self.dice.roll());
        self.desk.handle(self.clock, Input::Added(user(1), ada()));
        self.desk.handle(self.clock, Input::Filed(self.disk.clone()));
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        !self.calm && self.dice.below(n) == 0
    }

    pub fn carry_out(&mut self, output: Output) {
        let soon = self.clock.mono + Span::from_ms(self.dice.below(2_000));
        match output {
            Output::Ask(ticket, of, ask) => {
                assert_eq!(of, user(1));
                let answer = self.ask(&ask);
                self.coming.push((soon, Input::Answered(ticket, answer)));
            }
            Output::Advance(ticket, advance) => {
                // The disk fails before, or after it wrote.
                let (before, after) = (self.one_in(6), self.one_in(6));
                let fails = || Err(Fault::retry("store: SQLITE_FULL"));
                let there = if before { fails() } else { Ok(self.write(&advance)) };
                let there = if after { fails() } else { there };
                self.coming.push((soon, Input::Advanced(ticket, there)));
            }
            Output::Note(note) => self.notes.push(note),
        }
    }

    pub fn write(&mut self, advance: &Advance) -> bool {
        let is_it = |one: &Filed| one.row == advance.row && one.id == advance.id;
        let Some(at) = self.disk.iter().position(is_it) else { return false };
        self.disk[at].stage = advance.stage;
        if let Some(body) = &advance.body {
            self.disk[at].body = body.clone();
        }
        self.told.extend(advance.told.iter().cloned());
        self.anew.extend(advance.anew);
        if advance.done {
            self.disk.remove(at);
        }
        true
    }

    pub fn ask(&mut self, ask: &Ask) -> Result<Answer, WriteFault> {
        let name = match ask {
            Ask::Create(..) => "create",
            Ask::Respond { .. } => "respond",
            Ask::FreeBusy(..) => "free busy",
            Ask::Rewrite(_) => "rewrite",
            _ => "other",
        };
        *self.mailbox.asked.entry(name).or_default() += 1;
        if self.one_in(4) {
            let next = match self.dice.below(3) {
                0 => Next::BackOff { after: Some(Span::from_secs(self.dice.below(30))) },
                1 => Next::SignIn,
                _ => Next::Retry { after: None },
            };
            return Err(WriteFault::NoEffect(Fault::new(next, "ErrorServerBusy")));
        }
        if self.mailbox.is_conflict(ask) {
            let code = "ErrorIrresolvableConflict";
            return Err(WriteFault::Conflict(Fault::retry(code)));
        }
        if !ask.writes() || self.calm {
            self.mailbox.take_effect(ask);
            return Ok(self.mailbox.read(ask));
        }
        let doubt = || Err(WriteFault::InDoubt(Fault::retry("connection reset")));
        match self.dice.below(5) {
            0 => doubt(),
            1 => {
                self.mailbox.take_effect(ask);
                doubt()
            }
            // A server works at most a minute on a request; nothing of it is answered.
            2 => {
                let at = self.clock.mono + Span::from_ms(self.dice.below(60_000));
                self.mailbox.late.push((at, ask.clone()));
                doubt()
            }
            _ => {
                self.mailbox.take_effect(ask);
                Ok(Answer::Done)
            }
        }
    }

    /// One thing happens; false where nothing is left to happen.
    pub fn step(&mut self) -> bool {
        for output in self.desk.drain() {
            self.carry_out(output);
        }
        if let Some(edit) = self.edit.filter(|_| self.one_in(6)) {
            edit(&mut self.mailbox, &mut self.dice);
        }
        if self.one_in(12) {
            self.clock.mono = self.clock.mono + Span::from_ms(self.dice.below(5_000));
            self.begin();
            return true;
        }
        let next = self.coming.iter().enumerate().min_by_key(|(_, (at, _))| *at);
        let next = next.map(|(at, (time, _))| (*time, Some(at)));
        let wake = self.desk.wake_at().map(|time| (time, None));
        let Some((at, which)) = [next, wake].into_iter().flatten().min_by_key(|(at, _)| *at) else {
            return false;
        };
        let later = at.since(self.clock.mono);
        let (mono, wall) = (self.clock.mono + later, self.clock.wall + later);
        self.clock = Now { mono, wall };
        self.mailbox.at(mono);
        let input = which.map_or(Input::Tick, |at| self.coming.remove(at).1);
        self.desk.handle(self.clock, input);
        true
    }

    /// Until all is done, with trouble at first.
    pub fn run(mut self, trouble: usize) -> Self {
        for n in 0..10_000 {
            self.calm = n >= trouble;
            if !self.step() && self.calm {
                break;
            }
        }
        assert_eq!(self.disk, [], "every errand ends");
        self.mailbox.at(self.clock.mono + Span::HOUR);
        self
    }

    /// What was said, without what is around it.
    pub fn results(&self) -> Vec<serde_json::Value> {
        let json = |told: &Told| serde_json::from_str(told.data.json()).unwrap();
        self.told.iter().map(json).collect()
    }
}

proptest! {
    #![proptest_config(cases(400))]

    /// Whatever is lost, late or killed: one meeting is made, and that is told once.
    #[test]
    fn a_meeting_is_made_exactly_once(seed: u64, trouble in 0..120usize, placed: bool) {
        let start = NOON + Span::DAY;
        let between = When::Between(start, start + Span::DAY, Hours::Any);
        let when = if placed { between } else { When::At(start) };
        let play = Play::new(seed, vec![filed(1, create(when))]).run(trouble);
        prop_assert_eq!(play.mailbox.made.len(), 1, "{:?}", play.mailbox.made);
        prop_assert_eq!(play.mailbox.made[0].1, start);
        let told = play.results();
        prop_assert_eq!(told.len(), 1);
        prop_assert_eq!(&told[0]["commandResult"]["outcome"], "done");
        prop_assert_eq!(&told[0]["commandResult"]["commandId"], "c-1");
    }

    /// The same for an answer: the organiser gets one mail.
    #[test]
    fn an_invitation_is_answered_once(seed: u64, trouble in 0..120usize, which in 0..3usize) {
        let response = [Response::Accepted, Response::Tentative, Response::Declined][which];
        let play = Play::new(seed, vec![filed(1, respond(response))]).run(trouble);
        prop_assert_eq!(&play.mailbox.responses, &[response]);
        let told = play.results();
        prop_assert_eq!(told.len(), 1);
        prop_assert_eq!(&told[0]["commandResult"]["outcome"], "done");
    }

    /// Several of one mailbox: each once, in their order.
    #[test]
    fn what_writes_into_one_mailbox_goes_in_order(seed: u64, trouble in 0..120usize) {
        let at = |n| filed(n, create(When::At(NOON + Span::HOUR.times(n.unsigned_abs()))));
        let all = vec![at(1), at(2), filed(3, question(&["ben@corp.example"])), at(4)];
        let play = Play::new(seed, all).run(trouble);
        let starts: Vec<_> = play.mailbox.made.iter().map(|(_, start)| *start).collect();
        prop_assert_eq!(starts, [1, 2, 4].map(|n| NOON + Span::HOUR.times(n)));
        prop_assert_eq!(play.told.len(), 4);
    }
}
