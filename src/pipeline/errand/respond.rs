//! An answer to an invitation: what the mailbox's own copy says decides whether it is to be sent.

use std::sync::Arc;

use super::request::Respond;
use super::{Answer, Ask, Ending, Move, Stage, fault, out_of_turn, trouble};
use crate::model::{
    Fault, Found, Invitation, ItemId, Listing, Reach, Response, Span, Time, UserId, WriteFault,
    Written,
};
use crate::pipeline::limits::ITEMS_PER_ASK;
use crate::pipeline::record;
use crate::pipeline::seal::Installation;

#[derive(Debug)]
enum Phase {
    /// What begins at that time.
    Find,
    /// Which of these it is.
    Match,
    /// What was answered so far.
    Read,
    /// It is to be noted on the disk that it is being sent.
    Note(Written),
    Send(Written),
}

#[derive(Debug)]
pub(super) struct Course {
    wanted: Respond,
    user: UserId,
    installation: Arc<Installation>,
    phase: Phase,
    /// It was noted that it is being sent.
    noted: bool,
    /// Until then an older request may take effect.
    quiet: Option<Time>,
    /// What left the doubt: it says what to do where nothing took effect.
    doubt: Option<Fault>,
    looked: Time,
}

impl Course {
    pub(super) fn new(
        now: Time,
        wanted: Respond,
        user: UserId,
        stage: Stage,
        installation: Arc<Installation>,
    ) -> Self {
        let noted = stage == Stage::Sending;
        let quiet = noted.then_some(now + WriteFault::SETTLED_AFTER);
        Self {
            wanted,
            user,
            installation,
            phase: Phase::Find,
            noted,
            quiet,
            doubt: None,
            looked: now,
        }
    }

    pub(super) fn is_in_doubt(&self) -> bool {
        self.quiet.is_some()
    }

    pub(super) fn go_on(&mut self, now: Time) -> Move {
        match &self.phase {
            // What was read before a pause is read anew.
            Phase::Find | Phase::Match | Phase::Read => {
                self.phase = Phase::Find;
                self.looked = now;
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

    pub(super) fn noted(&mut self, now: Time) -> Move {
        self.noted = true;
        match std::mem::replace(&mut self.phase, Phase::Find) {
            Phase::Note(invitation) => self.phase = Phase::Send(invitation),
            other => self.phase = other,
        }
        self.go_on(now)
    }

    pub(super) fn answered(&mut self, now: Time, answer: Result<Answer, WriteFault>) -> Move {
        match (std::mem::replace(&mut self.phase, Phase::Find), answer) {
            (Phase::Find, Ok(Answer::View(listing))) => self.listed(&listing),
            (Phase::Match, Ok(Answer::Items(found))) => {
                let found = found.iter().find_map(|one| self.is_meant(one));
                match found {
                    Some(item) => self.read(item, Reach::Item),
                    None => self.absent(),
                }
            }
            (Phase::Read, Ok(Answer::Read(None))) => self.absent(),
            (Phase::Read, Ok(Answer::Read(Some(invitation)))) => self.weigh(now, &invitation),
            (Phase::Send(_), Ok(Answer::Done)) => self.done(),
            (Phase::Send(_), Err(WriteFault::InDoubt(fault))) => {
                let quiet = now + WriteFault::SETTLED_AFTER;
                self.doubt = Some(fault);
                self.quiet = Some(quiet);
                Move::Wait(quiet)
            }
            (Phase::Send(_), Err(WriteFault::Conflict(fault))) => Move::Again(fault),
            (_, Err(failed)) if self.is_in_doubt() => Move::Again(fault(failed)),
            (_, Err(failed)) => trouble(fault(failed)),
            (_, Ok(_)) => out_of_turn(),
        }
    }

    fn listed(&mut self, listing: &Listing) -> Move {
        let key = |uid, original| self.installation.record_key(&self.user, uid, original);
        let (start, id) = (self.wanted.start, &self.wanted.id);
        let then: Vec<_> = listing.entries.iter().filter(|one| one.start == start).collect();
        for entry in &then {
            if key(&entry.uid, None) == *id {
                let reach = if entry.recurring { Reach::Series } else { Reach::Item };
                return self.read(entry.item.clone(), reach);
            }
            if entry.recurring && key(&entry.uid, Some(entry.start)) == *id {
                return self.read(entry.item.clone(), Reach::Item);
            }
        }
        // An occurrence that was moved, or a single one of a series to which its owner was invited.
        let rest: Vec<_> = then.iter().map(|one| one.item.clone()).take(ITEMS_PER_ASK).collect();
        if rest.is_empty() {
            return self.absent();
        }
        self.phase = Phase::Match;
        Move::Ask(Ask::Items(rest))
    }

    fn is_meant(&self, found: &Found) -> Option<ItemId> {
        let Found::Meeting(meeting) = found else { return None };
        let key = record::key(&self.installation, &self.user, meeting);
        (key == self.wanted.id).then(|| meeting.item.clone())
    }

    fn read(&mut self, item: ItemId, reach: Reach) -> Move {
        self.phase = Phase::Read;
        Move::Ask(Ask::Read(item, reach))
    }

    fn weigh(&mut self, now: Time, invitation: &Invitation) -> Move {
        if invitation.answer == self.wanted.response.into() {
            return self.done();
        }
        if invitation.mine {
            return Move::End(Ending::Refused("an organiser does not answer"));
        }
        if invitation.cancelled {
            return Move::End(Ending::Refused("the meeting was called off"));
        }
        if let Some(wait) = self.unsettled() {
            return wait;
        }
        self.quiet = None;
        if let Some(fault) = self.doubt.take() {
            return trouble(fault);
        }
        let (item, version) = (invitation.item.clone(), invitation.version.clone());
        let written = Written { item, version };
        self.phase = if self.noted { Phase::Send(written) } else { Phase::Note(written) };
        self.go_on(now)
    }

    /// What was declined leaves the calendar.
    fn absent(&mut self) -> Move {
        if self.noted && self.wanted.response == Response::Declined {
            return self.done();
        }
        if let Some(wait) = self.unsettled() {
            return wait;
        }
        Move::End(Ending::Refused("there is no such meeting at that time"))
    }

    fn unsettled(&mut self) -> Option<Move> {
        let quiet = self.quiet.filter(|quiet| self.looked < *quiet)?;
        self.phase = Phase::Find;
        Some(Move::Wait(quiet))
    }

    fn done(&self) -> Move {
        Move::End(Ending::Done(Some(self.wanted.id.clone()), Some(self.wanted.start)))
    }
}
