//! A question for free times: asked as often as it takes, as it changes nothing.

use super::request::Question;
use super::{Answer, Ask, Ending, Move, fault, out_of_turn, told, trouble};
use crate::model::{CommandId, Fault, FreeBusy, Next, Now, WriteFault};
use crate::pipeline::limits::QUESTION_TRIES;

#[derive(Debug)]
pub(super) struct Course {
    id: CommandId,
    question: Question,
    /// One for each mailbox; nothing where it is to be asked for.
    answers: Vec<Option<Result<FreeBusy, Fault>>>,
    tries: u8,
}

impl Course {
    pub(super) fn new(id: CommandId, question: Question) -> Self {
        let answers = vec![None; question.mailboxes.len()];
        Self { id, question, answers, tries: 0 }
    }

    fn seen(&mut self, all: Vec<Result<FreeBusy, Fault>>) -> Move {
        self.tries += 1;
        let (last, mut passing) = (self.tries >= QUESTION_TRIES, None);
        let open = self.answers.iter_mut().filter(|answer| answer.is_none());
        for (place, answer) in open.zip(all) {
            match answer {
                Err(fault) if !last && may_pass(&fault) => passing = Some(fault),
                answer => *place = Some(answer),
            }
        }
        match passing {
            Some(fault) => Move::Again(fault),
            None if self.answers.iter().any(Option::is_none) => {
                Move::Again(Fault::retry("not every mailbox was answered for"))
            }
            None => self.next(),
        }
    }

    fn next(&self) -> Move {
        if self.answers.iter().all(Option::is_some) {
            return Move::Ask(Ask::Key);
        }
        let all = self.question.mailboxes.iter().zip(&self.answers);
        let open = all.filter(|(_, answer)| answer.is_none());
        let open = open.map(|(mailbox, _)| mailbox.clone()).collect();
        Move::Ask(Ask::FreeBusy(open, self.question.window))
    }
}

impl super::Course for Course {
    fn go_on(&mut self, _: Now) -> Move {
        self.next()
    }

    fn answered(&mut self, _: Now, answer: Result<Answer, WriteFault>) -> Move {
        match answer {
            Ok(Answer::FreeBusy(all)) => self.seen(all),
            Ok(Answer::Key(sealer)) => {
                let answers: Vec<_> = self.answers.iter().flatten().cloned().collect();
                match told::free_busy(&self.id, &self.question, &answers, sealer.as_ref()) {
                    Ok(told) => Move::End(Ending::Answered(told)),
                    Err(fault) => trouble(fault),
                }
            }
            Ok(_) => out_of_turn(),
            Err(failed) => trouble(fault(failed)),
        }
    }
}

fn may_pass(fault: &Fault) -> bool {
    matches!(fault.next, Next::Retry { .. } | Next::BackOff { .. } | Next::Moved)
}
