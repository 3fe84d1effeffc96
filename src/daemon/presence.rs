//! Who is out of office: carries out what `pipeline::presence` decides.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::announce::Announcer;
use super::clock;
use super::intake::Tell;
use super::pulse::Pulse;
use super::targets::{Targets, gone};
use crate::calendar::Calendar;
use crate::condition;
use crate::model::{CalendarName, Fault, Span, Target};
use crate::observe::condition::{PRESENCE_FAILS, PRESENCE_IN_TIME, PRESENCE_LATE, PRESENCE_WELL};
use crate::pipeline::presence::{Input, Output, Presences};
use crate::pipeline::seal::Installation;

/// What the loop needs.
pub(super) struct Parts {
    pub(super) name: CalendarName,
    pub(super) calendar: Arc<dyn Calendar>,
    pub(super) installation: Arc<Installation>,
    pub(super) announcer: Announcer,
    /// How long a round takes.
    pub(super) every: Span,
}

struct Loop {
    parts: Parts,
    presences: Presences,
    targets: Targets,
    tasks: JoinSet<Input>,
}

/// Runs until `stop` becomes true.
pub(super) async fn run(
    parts: Parts,
    (mut tells, pulse): (mpsc::Receiver<Tell>, Pulse),
    mut stop: watch::Receiver<bool>,
) {
    let seed = u64::from(std::process::id());
    let presences = Presences::new(parts.installation.clone(), parts.every, seed);
    let (targets, tasks) = (Targets::default(), JoinSet::new());
    let mut all = Loop { parts, presences, targets, tasks };
    loop {
        pulse.beat();
        let wake = all.presences.wake_at();
        let input = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            Some(tell) = tells.recv() => {
                all.tell(tell);
                continue;
            }
            Some(seen) = all.tasks.join_next(), if !all.tasks.is_empty() => match seen {
                Ok(input) => input,
                Err(_) => continue,
            },
            () = clock::sleep_until(wake) => Input::Tick,
            () = pulse.rest() => continue,
        };
        all.take(input);
    }
}

impl Loop {
    fn tell(&mut self, tell: Tell) {
        match tell {
            Tell::Add(user, address) => {
                let target = Target { user: user.clone(), address };
                let before = self.targets.add(target.clone());
                if before.is_some_and(|before| before != target) {
                    self.take(Input::Removed(user.clone()));
                }
                self.take(Input::Added(user));
            }
            Tell::Remove(user) => {
                self.targets.remove(&user);
                self.take(Input::Removed(user));
            }
            Tell::Stir(user) => self.take(Input::Stirred(user)),
            Tell::StirAll => {
                for user in self.targets.users() {
                    self.take(Input::Stirred(user));
                }
            }
            Tell::Ruled(ruling) => self.take(Input::Ruled(ruling.presence)),
            Tell::Known | Tell::Filed | Tell::SecretChanged => {}
            Tell::TrustChanged | Tell::WayChanged | Tell::ReadAnew => {}
        }
    }

    fn take(&mut self, input: Input) {
        self.presences.handle(clock::now(), input);
        for output in self.presences.drain() {
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        let calendar = &self.parts.name;
        match output {
            Output::Ask(ticket, user) => {
                let provider = self.parts.calendar.clone();
                let target = self.targets.get(&user);
                // Each question has its answer, also if it panics.
                self.tasks.spawn(async move {
                    let asked = async {
                        let (target, life) = target?;
                        life.of(provider.absence(&target)).await.unwrap_or_else(|| Err(gone()))
                    };
                    let seen = AssertUnwindSafe(asked).catch_unwind().await;
                    let seen = seen.unwrap_or_else(|_| Err(Fault::retry("internal error")));
                    Input::Seen(ticket, seen)
                });
            }
            Output::Tell(one) => self.parts.announcer.tell(one),
            Output::Fails(fault) => {
                condition!(warn, PRESENCE_FAILS, CALENDAR = calendar, CAUSE = fault,
                    EWS_REQUEST_ID = fault.cause.id(),;
                    "calendar {calendar}: nobody's out-of-office settings can be read ({fault})");
            }
            Output::Late => {
                condition!(warn, PRESENCE_LATE, CALENDAR = calendar,;
                    "calendar {calendar}: who is out of office is seen late, as Exchange answers \
                     too slowly for so many mailboxes");
            }
            Output::InTime => {
                condition!(info, PRESENCE_IN_TIME, CALENDAR = calendar,;
                    "calendar {calendar}: who is out of office is seen in time again");
            }
            Output::Well => {
                condition!(info, PRESENCE_WELL, CALENDAR = calendar,;
                    "calendar {calendar}: out-of-office settings can be read again");
            }
        }
    }
}
