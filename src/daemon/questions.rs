//! What a loop is asked about its mailboxes: it answers from what it has, and nothing changes.

use tokio::sync::{mpsc, oneshot};

use super::clock;
use super::targets::Targets;
use crate::model::{Address, CalendarName, UserId};
use crate::pipeline::fleet::{Entry, Fleet, Health, Story, Survey};

/// A question, and where its answer goes. Whoever does not wait any more is no trouble.
pub(super) enum Question {
    /// How all of it is.
    Survey(oneshot::Sender<Survey>),
    /// The first mailboxes after a name, of one health or of any, at most so many.
    List(Option<Health>, Option<UserId>, usize, oneshot::Sender<Vec<Entry>>),
    /// How one is.
    Story(UserId, oneshot::Sender<Option<Story>>),
    /// Whose address this is.
    Whose(Address, oneshot::Sender<Option<UserId>>),
}

/// The loop's side.
pub(super) fn answer(fleet: &mut Fleet, targets: &Targets, question: Question) {
    let now = clock::now();
    match question {
        Question::Survey(reply) => drop(reply.send(fleet.survey(now))),
        Question::List(health, after, limit, reply) => {
            drop(reply.send(fleet.list(health, after.as_ref(), limit)));
        }
        Question::Story(user, reply) => drop(reply.send(fleet.story(now, &user))),
        Question::Whose(address, reply) => drop(reply.send(targets.whose(&address))),
    }
}

/// The loop of one calendar, as it is asked.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) calendar: CalendarName,
    pub(super) questions: mpsc::Sender<Question>,
}

impl Line {
    /// The answer; `None` where the loop has ended.
    pub(super) async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Question,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.questions.send(question(reply)).await.ok()?;
        answer.await.ok()
    }
}
