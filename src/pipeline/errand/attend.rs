//! An invitation that was noticed: the cloud is asked for what its place asks for, or what is
//! ours is taken out of it, or nothing is to be done. Nothing here waits for the cloud.

use std::sync::Arc;

use super::judge::{self, Rules};
use super::noticed::{Noticed, Part};
use super::remark::{Remark, Why};
use super::seek::{Seek, Sought};
use super::update::{self, Came, Update};
use super::{Answer, Ask, Ending, Move, Stage, fault, out_of_turn, told, trouble};
use crate::model::{Invitation, InvitationKind, Mark, Now, Reach, Span, Time, UserId, WriteFault};
use crate::pipeline::decorate::{self, Language};
use crate::pipeline::keyword::{Asked, Verdict};
use crate::pipeline::limits::DECORATION_REACH;
use crate::pipeline::seal::{Installation, Sealer};

#[derive(Debug)]
enum Phase {
    /// The series to which an exception belongs.
    Before,
    /// The invitation itself.
    Read,
    /// What begins at that time, where the item is gone; of a series, whatever is left of it.
    Find,
    /// Which of these it is.
    Match,
    /// What it is asked for in.
    Language(Box<Invitation>, Asked),
    /// With what it is asked for.
    Key(Box<Invitation>, Asked, Language),
}

#[derive(Debug)]
pub(super) struct Course {
    noticed: Noticed,
    seek: Seek,
    installation: Arc<Installation>,
    rules: Rules,
    phase: Phase,
    reach: Reach,
    /// Whether the item was sought by its time already.
    sought: bool,
    /// Its series is attended to in its place.
    is_behind: bool,
    /// The mailbox's, where it was asked for.
    language: Option<Option<Arc<str>>>,
    update: Update,
    found: decorate::Found,
    remark: Option<Remark>,
}

impl Course {
    pub(super) fn new(
        now: Now,
        noticed: Noticed,
        user: UserId,
        stage: Stage,
        (rules, installation): (Rules, Arc<Installation>),
    ) -> Self {
        let id = noticed.record.clone();
        let reach = if noticed.part == Part::Series { Reach::Series } else { Reach::Item };
        Self {
            noticed,
            seek: Seek { installation: installation.clone(), user, id },
            installation,
            rules,
            phase: Phase::Read,
            reach,
            sought: false,
            is_behind: false,
            language: None,
            update: Update::new(now, stage),
            found: decorate::Found::default(),
            remark: None,
        }
    }

    fn read(&mut self, now: Now) -> Move {
        self.update.sent.look(now);
        let before = self.noticed.part == Part::Exception;
        self.phase = if before { Phase::Before } else { Phase::Read };
        let reach = if before { Reach::Series } else { self.reach };
        Move::Ask(Ask::Read(self.noticed.item.clone(), reach))
    }

    /// The item that was noticed is not there any more.
    fn gone(&mut self) -> Move {
        if self.sought {
            return nothing();
        }
        self.sought = true;
        self.phase = Phase::Find;
        let start = self.noticed.start;
        if self.noticed.part != Part::Series {
            return Move::Ask(Ask::View(start, start + Span::MINUTE));
        }
        let reach = i64::try_from(DECORATION_REACH.as_ms()).unwrap_or(0);
        let from = Time::from_ms(start.as_ms() - reach);
        Move::Ask(Ask::View(from, start + DECORATION_REACH))
    }

    fn sought(&mut self, now: Now, sought: Sought) -> Move {
        match sought {
            Sought::At(item, reach) => {
                (self.noticed.item, self.reach) = (item, reach);
                self.read(now)
            }
            Sought::Among(items) => {
                self.phase = Phase::Match;
                Move::Ask(Ask::Items(items))
            }
            Sought::Absent => nothing(),
        }
    }

    /// What is written into the series may reach this one too: then that goes first, and comes back
    /// here by the change that it is. Nobody else may have noticed it: this one may be alone in the
    /// window.
    fn behind(&mut self, now: Now, series: Box<Invitation>) -> Move {
        let key = judge::series_key(&self.installation, &self.seek.user, &series.uid);
        let verdict = self.rules.judge(&key, &series, false, now.wall);
        if matches!(verdict, Verdict::Ask(_) | Verdict::Change(_)) {
            self.is_behind = true;
            self.seek.id = key.clone();
            (self.noticed.record, self.noticed.part) = (key, Part::Series);
            (self.noticed.conference, self.reach) = (false, Reach::Series);
            return self.weigh(now, series);
        }
        self.phase = Phase::Read;
        Move::Ask(Ask::Read(self.noticed.item.clone(), self.reach))
    }

    fn weigh(&mut self, now: Now, invitation: Box<Invitation>) -> Move {
        let (record, conference) = (&self.noticed.record, self.noticed.conference);
        match self.rules.judge(record, &invitation, conference, now.wall) {
            Verdict::Nothing | Verdict::Done => nothing(),
            Verdict::TakeOut => self.take_out(&invitation),
            Verdict::Ask(asked) | Verdict::Change(asked) => self.ask(invitation, asked),
            Verdict::Not(reason) => {
                if reason.is_told() {
                    self.remark = Some(Remark::Refused(Why::Judged(reason)));
                }
                nothing()
            }
        }
    }

    fn take_out(&mut self, invitation: &Invitation) -> Move {
        let sent = &mut self.update.sent;
        if let Some(next) = sent.unsettled().or_else(|| sent.settle()) {
            return next;
        }
        let (body, found) = decorate::remove(&invitation.body, &self.rules.texts);
        self.found = found;
        let body = (body != invitation.body).then_some(body);
        self.update.compose(update::rewrite(invitation, None, body, Mark::Remove))
    }

    fn ask(&mut self, invitation: Box<Invitation>, asked: Asked) -> Move {
        match self.rules.language(&invitation, self.language.as_ref()) {
            Some(language) => {
                self.phase = Phase::Key(invitation, asked, language);
                Move::Ask(Ask::Key)
            }
            None => {
                self.phase = Phase::Language(invitation, asked);
                Move::Ask(Ask::Language)
            }
        }
    }

    fn tell(
        &self,
        (invitation, asked): (&Invitation, &Asked),
        language: Language,
        sealer: &dyn Sealer,
    ) -> Move {
        let record = &self.noticed.record;
        // The first of a series may be years ago, or gone.
        let whole = invitation.kind == InvitationKind::Series;
        let request = told::Request {
            id: judge::request_id(&self.installation, record, asked, invitation),
            record,
            series: &judge::series_key(&self.installation, &self.seek.user, &invitation.uid),
            start: if whole { self.noticed.start } else { invitation.start },
            asked,
            language,
            hidden: self.rules.showing.hides(invitation.sensitivity),
            invitation,
        };
        match told::request(&request, sealer) {
            Ok(told) => Move::End(Ending::Answered(told)),
            Err(fault) => trouble(fault),
        }
    }

    fn failed(&mut self, failed: WriteFault) -> Move {
        let fault = fault(failed);
        if self.update.sent.is_in_doubt() {
            return Move::Again(fault);
        }
        if matches!(self.phase, Phase::Before | Phase::Read)
            && let Some(why) = judge::unreadable(&fault)
        {
            self.remark = Some(Remark::Refused(why));
        }
        trouble(fault)
    }
}

fn nothing() -> Move {
    Move::End(Ending::Done(None, None))
}

impl super::Course for Course {
    fn go_on(&mut self, now: Now) -> Move {
        self.update.pending().unwrap_or_else(|| self.read(now))
    }

    fn noted(&mut self, now: Now) -> Move {
        self.update.sent.note();
        self.go_on(now)
    }

    fn answered(&mut self, now: Now, answer: Result<Answer, WriteFault>) -> Move {
        if self.update.is_on_its_way() {
            return match self.update.answered(now, answer) {
                Came::Done => {
                    self.remark = Remark::of(self.found);
                    nothing()
                }
                Came::Anew => self.read(now),
                Came::Next(next) => next,
            };
        }
        match (std::mem::replace(&mut self.phase, Phase::Read), answer) {
            (Phase::Before | Phase::Read, Ok(Answer::Read(None))) => self.gone(),
            (Phase::Before, Ok(Answer::Read(Some(series)))) => self.behind(now, series),
            (Phase::Read, Ok(Answer::Read(Some(invitation)))) => self.weigh(now, invitation),
            (Phase::Find, Ok(Answer::View(listing))) => {
                let sought = match self.noticed.part {
                    Part::Series => self.seek.whenever(&listing),
                    _ => self.seek.at(self.noticed.start, &listing),
                };
                self.sought(now, sought)
            }
            (Phase::Match, Ok(Answer::Items(found))) => {
                let sought = self.seek.among(&found);
                self.sought(now, sought)
            }
            (Phase::Language(invitation, asked), Ok(Answer::Language(language))) => {
                self.language = Some(language);
                self.ask(invitation, asked)
            }
            (Phase::Key(invitation, asked, language), Ok(Answer::Key(sealer))) => {
                self.tell((&invitation, &asked), language, sealer.as_ref())
            }
            (phase, Err(failed)) => {
                self.phase = phase;
                self.failed(failed)
            }
            (_, Ok(_)) => out_of_turn(),
        }
    }

    fn is_in_doubt(&self) -> bool {
        self.update.sent.is_in_doubt()
    }

    fn is_anew(&self) -> bool {
        self.is_behind
    }

    fn remark(&mut self) -> Option<Remark> {
        self.remark.take()
    }
}
