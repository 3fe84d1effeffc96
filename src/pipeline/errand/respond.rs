//! An answer to an invitation: what the mailbox's own copy says decides whether it is to be sent.
//!
//! The invitation is known by its record, and looked for where it was said to begin. One that was
//! moved meanwhile is looked for around that: what is answered is the meeting, wherever it is now.

use std::sync::Arc;

use super::request::Respond;
use super::seek::{Seek, Sought};
use super::sent::Sent;
use super::{Answer, Ask, Course as _, Ending, Move, Stage, fault, out_of_turn, trouble};
use crate::model::{
    Invitation, ItemId, Now, Reach, Response, Span, Time, UserId, WriteFault, Written,
};
use crate::pipeline::limits::{ITEMS_PER_ASK, SOUGHT};
use crate::pipeline::seal::Installation;

/// Where it was sought: [`SOUGHT`].
const NOWHERE: &str = "there is no such meeting within 31 days of that time";

#[derive(Debug)]
enum Phase {
    /// What begins at that time.
    Find,
    /// What is around that time.
    Seek,
    /// Which of these it is. Of those around that time, these are to be read then.
    Match(Option<Vec<ItemId>>),
    /// What was answered so far; to the series as a whole, or to one item.
    Read(Reach),
    /// It is to be noted on the disk that it is being sent.
    Note(Written),
    Send(Written),
}

#[derive(Debug)]
pub(super) struct Course {
    wanted: Respond,
    seek: Seek,
    phase: Phase,
    sent: Sent,
    /// When it begins now.
    begins: Time,
}

impl Course {
    pub(super) fn new(
        now: Now,
        wanted: Respond,
        user: UserId,
        stage: Stage,
        installation: Arc<Installation>,
    ) -> Self {
        let seek = Seek { installation, user, id: wanted.id.clone() };
        let begins = wanted.start;
        Self { wanted, seek, phase: Phase::Find, sent: Sent::new(now, stage), begins }
    }

    fn sought(&mut self, sought: Sought) -> Move {
        match sought {
            Sought::At(item, reach) => self.read(item, reach),
            Sought::Among(items) => {
                self.phase = Phase::Match(None);
                Move::Ask(Ask::Items(items))
            }
            Sought::Absent => {
                self.phase = Phase::Seek;
                let start = self.wanted.start;
                Move::Ask(Ask::View(start - SOUGHT, start + SOUGHT))
            }
        }
    }

    fn sought_around(&mut self, sought: Sought) -> Move {
        match sought {
            Sought::At(item, reach) => self.read(item, reach),
            Sought::Among(mut items) => {
                let rest = items.split_off(items.len().min(ITEMS_PER_ASK));
                self.phase = Phase::Match(Some(rest));
                Move::Ask(Ask::Items(items))
            }
            Sought::Absent => self.absent(),
        }
    }

    fn read(&mut self, item: ItemId, reach: Reach) -> Move {
        self.phase = Phase::Read(reach);
        Move::Ask(Ask::Read(item, reach))
    }

    fn weigh(&mut self, now: Now, invitation: &Invitation) -> Move {
        if invitation.answer == self.wanted.response.into() {
            return self.done();
        }
        if invitation.mine {
            return Move::End(Ending::Refused("an organiser does not answer".into()));
        }
        if invitation.cancelled {
            return Move::End(Ending::Refused("the meeting was called off".into()));
        }
        if let Some(next) = self.sent.unsettled().or_else(|| self.sent.settle()) {
            return next;
        }
        let (item, version) = (invitation.item.clone(), invitation.version.clone());
        let written = Written { item, version };
        let noted = self.sent.is_noted();
        self.phase = if noted { Phase::Send(written) } else { Phase::Note(written) };
        self.go_on(now)
    }

    /// What was declined leaves the calendar.
    fn absent(&mut self) -> Move {
        if self.sent.is_noted() && self.wanted.response == Response::Declined {
            return self.done();
        }
        // It may have been answered before somebody threw it away.
        let absent = || match self.sent.is_noted() {
            true => Ending::Failed(format!("whether it took effect is not known: {NOWHERE}")),
            false => Ending::Refused(NOWHERE.into()),
        };
        self.sent.unsettled().unwrap_or_else(|| Move::End(absent()))
    }

    fn done(&self) -> Move {
        Move::End(Ending::Done(Some(self.wanted.id.clone()), Some(self.begins)))
    }
}

impl super::Course for Course {
    fn go_on(&mut self, now: Now) -> Move {
        match &self.phase {
            // What was read before a pause is read anew.
            Phase::Find | Phase::Seek | Phase::Match(_) | Phase::Read(_) => {
                self.phase = Phase::Find;
                self.sent.look(now);
                let start = self.wanted.start;
                Move::Ask(Ask::View(start, start + Span::MINUTE))
            }
            Phase::Note(_) => Move::Stage(None),
            Phase::Send(invitation) => Move::Ask(Ask::Respond {
                invitation: invitation.clone(),
                response: self.wanted.response,
                comment: self.wanted.comment.clone(),
                notify: self.wanted.notify,
            }),
        }
    }

    fn noted(&mut self, now: Now) -> Move {
        self.sent.note();
        match std::mem::replace(&mut self.phase, Phase::Find) {
            Phase::Note(invitation) => self.phase = Phase::Send(invitation),
            other => self.phase = other,
        }
        self.go_on(now)
    }

    fn answered(&mut self, now: Now, answer: Result<Answer, WriteFault>) -> Move {
        match (std::mem::replace(&mut self.phase, Phase::Find), answer) {
            (Phase::Find, Ok(Answer::View(listing))) => {
                let sought = self.seek.at(self.wanted.start, &listing);
                self.sought(sought)
            }
            (Phase::Seek, Ok(Answer::View(listing))) => {
                let sought = self.seek.around(self.wanted.start, &listing);
                self.sought_around(sought)
            }
            (Phase::Match(rest), Ok(Answer::Items(found))) => {
                match (self.seek.among(&found), rest) {
                    (Sought::Absent, Some(rest)) if !rest.is_empty() => {
                        self.sought_around(Sought::Among(rest))
                    }
                    (Sought::Absent, Some(_)) => self.absent(),
                    (sought, _) => self.sought(sought),
                }
            }
            (Phase::Read(_), Ok(Answer::Read(None))) => self.absent(),
            (Phase::Read(reach), Ok(Answer::Read(Some(invitation)))) => {
                if reach == Reach::Item {
                    self.begins = invitation.start;
                }
                self.weigh(now, &invitation)
            }
            (Phase::Send(_), Ok(Answer::Done)) => self.done(),
            (Phase::Send(_), Err(WriteFault::InDoubt(fault))) => self.sent.doubted(now, fault),
            (Phase::Send(_), Err(WriteFault::Conflict(fault))) => Move::Again(fault),
            (_, Err(failed)) if self.is_in_doubt() => Move::Again(fault(failed)),
            (_, Err(failed)) => trouble(fault(failed)),
            (_, Ok(_)) => out_of_turn(),
        }
    }

    fn is_in_doubt(&self) -> bool {
        self.sent.is_in_doubt()
    }
}

#[cfg(test)]
#[path = "respond_tests.rs"]
mod tests;
