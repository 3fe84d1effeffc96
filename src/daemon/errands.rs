//! What commands began in Exchange: carries out what `pipeline::errand` decides.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::disk::Disk;
use super::intake::Tell;
use super::pulse::Pulse;
use super::stop::GIVEN_BACK_WITHIN;
use super::targets::{Targets, gone};
use super::{clock, follow};
use crate::calendar::Calendar;
use crate::condition;
use crate::kms::Keys;
use crate::model::{CalendarName, CommandId, Doubt, Fault, Next, Target, Time, UserId, WriteFault};
use crate::observe::condition::{
    DECORATION_EDITED, DECORATION_REFUSED, ERRAND_ENDED, ERRAND_GOES_ON, ERRAND_WAITS, STORE_FAILS,
};
use crate::pipeline::decorate::Found;
use crate::pipeline::errand::{Answer, Ask, Desk, Input, Note, Output, Remark, Rules};
use crate::pipeline::limits::STORE_RETRY;
use crate::pipeline::seal::{Installation, Sealer};
use crate::pipeline::tracking;

/// Errands that are read from the disk at once.
const PAGE: usize = 256;

/// What the loop needs.
pub(super) struct Parts {
    pub(super) name: CalendarName,
    pub(super) calendar: Arc<dyn Calendar>,
    pub(super) keys: Arc<dyn Keys>,
    pub(super) disk: Disk,
    pub(super) installation: Arc<Installation>,
    pub(super) rules: Rules,
}

struct Loop {
    parts: Parts,
    desk: Desk,
    targets: Targets,
    tasks: JoinSet<Input>,
    /// The last errand that was read from the disk.
    read: i64,
    /// When the disk is asked for more, where there may be more.
    unread: Option<Time>,
    known: bool,
}

/// Runs until `stop` becomes true. What is under way then is heard out, and what came of it is
/// written, as far as the time allows; the rest is looked for at the next start.
pub(super) async fn run(
    parts: Parts,
    (mut tells, pulse): (mpsc::Receiver<Tell>, Pulse),
    mut stop: watch::Receiver<bool>,
) {
    let seed = u64::from(std::process::id());
    let desk = Desk::new(parts.installation.clone(), parts.rules.clone(), seed);
    let (targets, tasks) = (Targets::default(), JoinSet::new());
    let mut all = Loop { parts, desk, targets, tasks, read: 0, unread: None, known: false };
    loop {
        pulse.beat();
        let wake = [all.desk.wake_at(), all.unread].into_iter().flatten().min();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            Some(tell) = tells.recv() => all.tell(tell),
            Some(input) = all.tasks.join_next(), if !all.tasks.is_empty() => {
                if let Ok(input) = input {
                    all.take(input);
                }
            }
            () = clock::sleep_until(wake) => all.take(Input::Tick),
            () = pulse.rest() => continue,
        }
        if all.unread.is_some_and(|at| at <= clock::now().mono) {
            all.read_more().await;
        }
    }
    let _ = tokio::time::timeout(GIVEN_BACK_WITHIN, all.wind_up()).await;
}

impl Loop {
    fn tell(&mut self, tell: Tell) {
        match tell {
            Tell::Add(user, address) => {
                let target = Target { user: user.clone(), address: address.clone() };
                let before = self.targets.add(target.clone());
                let same = before.as_ref() == Some(&target);
                if before.is_some() && !same {
                    self.take(Input::Removed(user.clone()));
                }
                self.take(Input::Added(user, address));
                // An errand of the new activation may have been read, and passed over, before.
                if self.known && !same {
                    (self.read, self.unread) = (0, Some(clock::now().mono));
                }
            }
            Tell::Remove(user) => {
                self.targets.remove(&user);
                self.take(Input::Removed(user));
            }
            Tell::Filed | Tell::Known => {
                self.known |= matches!(tell, Tell::Known);
                self.unread = Some(clock::now().mono);
            }
            Tell::Ruled(ruling) => {
                let (texts, showing) = (ruling.texts.clone(), ruling.showing.clone());
                self.take(Input::Ruled(Rules { texts, showing }));
            }
            Tell::Stir(_) | Tell::StirAll | Tell::SecretChanged => {}
            Tell::TrustChanged | Tell::WayChanged | Tell::ReadAnew => {}
        }
    }

    /// Nothing more is asked, and whatever was asked has its answer written.
    async fn wind_up(&mut self) {
        while let Some(input) = self.tasks.join_next().await {
            let Ok(input) = input else { continue };
            self.desk.handle(clock::now(), input);
            let answered = self.desk.drain().into_iter();
            let rest: Vec<_> = answered.filter(|one| !matches!(one, Output::Ask(..))).collect();
            rest.into_iter().for_each(|output| self.carry_out(output));
        }
    }

    async fn read_more(&mut self) {
        self.unread = None;
        loop {
            match self.parts.disk.errands(self.read, PAGE).await {
                Ok(filed) => {
                    let Some(last) = filed.last() else { return };
                    self.read = last.row;
                    self.take(Input::Filed(filed));
                }
                Err(fault) => {
                    condition!(error, STORE_FAILS, CAUSE = fault,;
                        "the store does not answer ({fault})");
                    self.unread = Some(clock::now().mono + STORE_RETRY);
                    return;
                }
            }
        }
    }

    fn take(&mut self, input: Input) {
        self.desk.handle(clock::now(), input);
        for output in self.desk.drain() {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Ask(ticket, user, ask) => {
                let (calendar, keys) = (self.parts.calendar.clone(), self.parts.keys.clone());
                let (disk, target) = (self.parts.disk.clone(), self.targets.get(&user));
                let writes = ask.writes();
                let question = follow::Question::errand(self.desk.errand(ticket), &ask);
                // Each question has its answer, also if it panics.
                self.tasks.spawn(async move {
                    let asked = async {
                        let (target, life) = target.map_err(WriteFault::NoEffect)?;
                        let asked = async {
                            match ask {
                                Ask::Key => key(keys.as_ref(), &disk, &target.user)
                                    .await
                                    .map(Answer::Key)
                                    .map_err(WriteFault::NoEffect),
                                ask => put(calendar.as_ref(), &target, ask).await,
                            }
                        };
                        // Its errand ended with it, whatever becomes of what was sent.
                        let asked = life.of(asked).await;
                        asked.unwrap_or_else(|| Err(WriteFault::NoEffect(gone())))
                    };
                    let answer = AssertUnwindSafe(asked).catch_unwind().await;
                    let answer = answer.unwrap_or_else(|_| {
                        let fault = Fault::retry("internal error");
                        Err(match writes {
                            true => WriteFault::InDoubt(fault),
                            false => WriteFault::NoEffect(fault),
                        })
                    });
                    if let Some(question) = question {
                        question.answered(&answer.as_ref().map_err(WriteFault::fault));
                    }
                    Input::Answered(ticket, answer)
                });
            }
            Output::Advance(ticket, advance) => {
                follow::advance(self.desk.errand(ticket), &advance);
                let disk = self.parts.disk.clone();
                self.tasks.spawn(async move {
                    let there = AssertUnwindSafe(disk.advance(advance)).catch_unwind().await;
                    let there = there.unwrap_or_else(|_| Err(Fault::retry("internal error")));
                    Input::Advanced(ticket, there)
                });
            }
            Output::Note(note) => self.note(&note),
        }
    }

    fn note(&self, note: &Note) {
        let calendar = &self.parts.name;
        match note {
            Note::Ended(user, id, what, how) => {
                condition!(info, ERRAND_ENDED, CALENDAR = calendar, USER_ID = user,
                    COMMAND_ID = id, OUTCOME = how, TRACKING_ID = tracking::of(id.as_str()),;
                    "command {id}: {what} {how}");
            }
            Note::Waits(user, id, fault) => {
                condition!(warn, ERRAND_WAITS, CALENDAR = calendar, USER_ID = user,
                    COMMAND_ID = id, CAUSE = fault, EWS_REQUEST_ID = fault.cause.id(),
                    TRACKING_ID = tracking::of(id.as_str()),;
                    "command {id} waits ({fault}); it is tried again");
            }
            Note::Remark(user, id, remark) => self.remark(user, id, remark),
            Note::GoesOn(user, id) => {
                condition!(info, ERRAND_GOES_ON, CALENDAR = calendar, USER_ID = user,
                    COMMAND_ID = id, TRACKING_ID = tracking::of(id.as_str()),;
                    "command {id} goes on");
            }
        }
    }

    fn remark(&self, user: &UserId, id: &CommandId, remark: &Remark) {
        let (calendar, trace) = (&self.parts.name, tracking::of(id.as_str()));
        match remark {
            Remark::Refused(why) => {
                let reason = why.name();
                condition!(warn, DECORATION_REFUSED, CALENDAR = calendar, USER_ID = user,
                    COMMAND_ID = id, REASON = reason, CAUSE = why, TRACKING_ID = trace,;
                    "an invitation of mailbox {user} gets no join details ({reason}): {why}");
            }
            Remark::Edited(Found { edited, lone_lines, .. }) => {
                condition!(warn, DECORATION_EDITED, CALENDAR = calendar, USER_ID = user,
                    COMMAND_ID = id, TRACKING_ID = trace,;
                    "join details in an invitation of mailbox {user} had been edited: {edited} \
                     blocks, {lone_lines} lines that mark one without the other");
            }
        }
    }
}

async fn put(calendar: &dyn Calendar, target: &Target, ask: Ask) -> Result<Answer, WriteFault> {
    let read = WriteFault::NoEffect;
    match ask {
        Ask::FreeBusy(mailboxes, window) => {
            let all = calendar.free_busy(target, &mailboxes, &window).await;
            all.map(Answer::FreeBusy).map_err(read)
        }
        Ask::Create(meeting, mark) => {
            calendar.create(target, &meeting, &mark).await.map(|_| Answer::Done)
        }
        Ask::Created(mark) => {
            calendar.created(target, &mark).await.map(Answer::Created).map_err(read)
        }
        Ask::View(from, to) => {
            calendar.view(target, from, to).await.map(Answer::View).map_err(read)
        }
        Ask::Items(ids) => calendar.items(target, &ids).await.map(Answer::Items).map_err(read),
        Ask::Read(item, reach) => {
            let found = calendar.for_writing(target, &item, reach).await.map_err(read)?;
            Ok(Answer::Read(found.map(Box::new)))
        }
        Ask::Respond { invitation, response, comment, notify } => calendar
            .respond(target, &invitation, response, comment.as_ref(), notify)
            .await
            .map(|()| Answer::Done),
        Ask::Rewrite(change) => calendar.rewrite(target, &change).await.map(|_| Answer::Done),
        Ask::Language => calendar.language(target).await.map(Answer::Language).map_err(read),
        Ask::Zone => {
            let home = calendar.homes(std::slice::from_ref(target), Doubt::None).await;
            let none = || Err(Fault::retry("no answer for the mailbox"));
            let home = home.into_iter().next().unwrap_or_else(none);
            home.map(|home| Answer::Zone(home.zone)).map_err(read)
        }
        Ask::Key => Err(read(Fault::retry("a calendar has no keys"))),
    }
}

/// The user's key of the day; where there is none of today, one more of its resource.
async fn key(keys: &dyn Keys, disk: &Disk, user: &UserId) -> Result<Arc<dyn Sealer>, Fault> {
    let lost = |fault: &Fault| fault.next == Next::KeyLost;
    let Some(known) = disk.keyed(user.clone()).await? else {
        return keys.establish(user).await.map(|bound| bound.key);
    };
    if known.day == clock::wall().midnight() {
        match keys.recall(&known.resource, &known.key).await {
            Ok(bound) => return Ok(bound.key),
            Err(fault) if lost(&fault) => {}
            Err(fault) => return Err(fault),
        }
    }
    match keys.rotate(&known.resource).await {
        Err(fault) if lost(&fault) => keys.establish(user).await.map(|bound| bound.key),
        bound => bound.map(|bound| bound.key),
    }
}
