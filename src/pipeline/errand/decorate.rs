//! Join details that the cloud gives: written into the invitation that asked for them, once.
//!
//! What is there by now decides. Where something else is asked for, or nothing any more, the answer
//! is refused, and what is asked for now was asked of the cloud by itself.

use std::borrow::Cow;
use std::sync::Arc;

use super::judge::{self, Rules};
use super::remark::{Remark, Why};
use super::request::Decorate;
use super::seek::{Seek, Sought};
use super::update::{self, Came, Update};
use super::{Answer, Ask, Ending, Move, Stage, fault, out_of_turn, trouble};
use crate::model::{Invitation, ItemId, Mark, Now, Reach, Span, Time, UserId, WriteFault};
use crate::pipeline::decorate::{self, Found};
use crate::pipeline::keyword::{Asked, Verdict};
use crate::pipeline::limits::DECORATION_REACH;
use crate::pipeline::seal::Installation;

#[derive(Debug)]
enum Phase {
    /// What begins at that time.
    Find,
    /// Which of these it is.
    Match,
    /// Where else it is.
    Elsewhere,
    Read,
    /// What to write it in.
    Language(Box<Invitation>, Asked),
}

#[derive(Debug)]
pub(super) struct Course {
    wanted: Decorate,
    seek: Seek,
    installation: Arc<Installation>,
    rules: Rules,
    phase: Phase,
    /// The mailbox's, where it was asked for.
    language: Option<Option<Arc<str>>>,
    update: Update,
    found: Found,
    remark: Option<Remark>,
}

impl Course {
    pub(super) fn new(
        now: Now,
        wanted: Decorate,
        user: UserId,
        stage: Stage,
        (rules, installation): (Rules, Arc<Installation>),
    ) -> Self {
        let id = wanted.id.clone();
        Self {
            wanted,
            seek: Seek { installation: installation.clone(), user, id },
            installation,
            rules,
            phase: Phase::Find,
            language: None,
            update: Update::new(now, stage),
            found: Found::default(),
            remark: None,
        }
    }

    fn find(&mut self, now: Now) -> Move {
        if let Err(why) = &self.wanted.details {
            self.remark = Some(Remark::Refused(Why::Cloud(why.clone())));
            return self.done();
        }
        self.update.sent.look(now);
        self.phase = Phase::Find;
        let start = self.wanted.start;
        Move::Ask(Ask::View(start, start + Span::MINUTE))
    }

    /// It is not there at its time: it may have been moved, or the one occurrence was that was
    /// named of a series.
    fn elsewhere(&mut self) -> Move {
        self.phase = Phase::Elsewhere;
        let start = self.wanted.start.as_ms();
        let reach = i64::try_from(DECORATION_REACH.as_ms()).unwrap_or(0);
        let at = |ms: i64| Time::from_ms(ms);
        Move::Ask(Ask::View(at(start - reach), at(start + reach)))
    }

    fn read(&mut self, item: ItemId, reach: Reach) -> Move {
        self.phase = Phase::Read;
        Move::Ask(Ask::Read(item, reach))
    }

    fn absent(&mut self) -> Move {
        self.refused("there is no such meeting at that time")
    }

    /// Not before it is sure that nothing was written.
    fn refused(&mut self, why: impl Into<Cow<'static, str>>) -> Move {
        let unsettled = self.update.sent.unsettled();
        unsettled.unwrap_or_else(|| Move::End(Ending::Refused(why.into())))
    }

    fn weigh(&mut self, now: Now, invitation: Box<Invitation>) -> Move {
        let id = &self.wanted.id;
        let mark = judge::mark_of(id, &invitation);
        let asks = self.rules.showing.keywords.find(&invitation.location).is_some();
        if !asks && mark.is_some_and(|mark| mark.request == self.wanted.request) {
            self.remark = Remark::of(self.found);
            return self.done();
        }
        match self.rules.judge(id, &invitation, false, now.wall) {
            Verdict::Ask(asked) | Verdict::Change(asked) => {
                let own = judge::request_id(&self.installation, id, &asked, &invitation);
                if own != self.wanted.request {
                    return self.refused("something else is asked for by now");
                }
                self.write(invitation, asked)
            }
            Verdict::Nothing | Verdict::Done | Verdict::TakeOut => {
                self.refused("nothing is asked for any more")
            }
            Verdict::Not(reason) => {
                let next = self.refused(reason.to_string());
                if reason.is_told() && matches!(next, Move::End(_)) {
                    self.remark = Some(Remark::Refused(Why::Judged(reason)));
                }
                next
            }
        }
    }

    fn write(&mut self, invitation: Box<Invitation>, asked: Asked) -> Move {
        let sent = &mut self.update.sent;
        if let Some(next) = sent.unsettled().or_else(|| sent.settle()) {
            return next;
        }
        let Some(language) = self.rules.language(&invitation, self.language.as_ref()) else {
            self.phase = Phase::Language(invitation, asked);
            return Move::Ask(Ask::Language);
        };
        let Ok(details) = &self.wanted.details else { return out_of_turn() };
        let earlier = judge::mark_of(&self.wanted.id, &invitation);
        let request = decorate::Request {
            meeting: &self.wanted.id,
            id: &self.wanted.request,
            before: earlier.map_or(0, |mark| mark.before.saturating_add(1)),
            asked: &asked,
            body: &invitation.body,
            language,
        };
        let writing = decorate::decorate(&request, details, &self.rules.texts);
        self.found = writing.found;
        let (place, body) = (Some(writing.place), Some(writing.body));
        let mark = Mark::Set(writing.mark.text());
        self.update.compose(update::rewrite(&invitation, place, body, mark))
    }

    fn done(&self) -> Move {
        Move::End(Ending::Done(Some(self.wanted.id.clone()), Some(self.wanted.start)))
    }

    fn sought(&mut self, sought: Sought) -> Move {
        match sought {
            Sought::At(item, reach) => self.read(item, reach),
            Sought::Among(items) => {
                self.phase = Phase::Match;
                Move::Ask(Ask::Items(items))
            }
            Sought::Absent => self.elsewhere(),
        }
    }

    fn failed(&mut self, failed: WriteFault, reading: bool) -> Move {
        let fault = fault(failed);
        if self.update.sent.is_in_doubt() {
            return Move::Again(fault);
        }
        if reading && let Some(why) = judge::unreadable(&fault) {
            let said = why.to_string();
            self.remark = Some(Remark::Refused(why));
            return Move::End(Ending::Failed(said));
        }
        trouble(fault)
    }
}

impl super::Course for Course {
    // What was read before a pause is read anew.
    fn go_on(&mut self, now: Now) -> Move {
        self.update.pending().unwrap_or_else(|| self.find(now))
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
                    self.done()
                }
                Came::Anew => self.find(now),
                Came::Next(next) => next,
            };
        }
        match (std::mem::replace(&mut self.phase, Phase::Find), answer) {
            (Phase::Find, Ok(Answer::View(listing))) => {
                let sought = self.seek.at(self.wanted.start, &listing);
                self.sought(sought)
            }
            (Phase::Match, Ok(Answer::Items(found))) => {
                let sought = self.seek.among(&found);
                self.sought(sought)
            }
            (Phase::Elsewhere, Ok(Answer::View(listing))) => match self.seek.whenever(&listing) {
                Sought::At(item, reach) => self.read(item, reach),
                Sought::Among(_) | Sought::Absent => self.absent(),
            },
            (Phase::Read, Ok(Answer::Read(None))) => self.absent(),
            (Phase::Read, Ok(Answer::Read(Some(invitation)))) => self.weigh(now, invitation),
            (Phase::Language(invitation, asked), Ok(Answer::Language(language))) => {
                self.language = Some(language);
                self.write(invitation, asked)
            }
            (phase, Err(failed)) => self.failed(failed, matches!(phase, Phase::Read)),
            (_, Ok(_)) => out_of_turn(),
        }
    }

    fn is_in_doubt(&self) -> bool {
        self.update.sent.is_in_doubt()
    }

    fn remark(&mut self) -> Option<Remark> {
        self.remark.take()
    }
}
