//! What whoever follows a user sees of the loops' work: each step, without a word of what it
//! carries.

use std::fmt;
use std::time::Instant;

use serde_json::{Value, json};

use crate::model::{Command, CommandId, Hint, UserId};
use crate::observe::tap;
use crate::pipeline::errand::{self, Advance};
use crate::pipeline::fleet::{Input, Output, Want};
use crate::pipeline::outbox::{Outgoing, Verdict};
use crate::pipeline::sync::Ask;
use crate::pipeline::tracking;

/// What came to a loop.
pub(super) fn input(input: &Input) {
    match input {
        Input::Hint(_, Hint::Changed(user)) => tap::tell(user.as_str(), "Exchange rings", &[]),
        Input::Hint(_, Hint::Refused(user, fault)) => {
            let cause = fault.to_string().into();
            tap::tell(user.as_str(), "a stream refuses the mailbox", &[("cause", cause)]);
        }
        Input::Stirred(user) => tap::tell(user.as_str(), "all of it is asked for again", &[]),
        _ => {}
    }
}

/// What a loop wants done.
pub(super) fn output(output: &Output) {
    let (user, what) = match output {
        Output::Load(_, user, reading) => {
            let fields = [("tracking_id", reading.trace.to_string().into())];
            return tap::tell(user.as_str(), "a reading begins", &fields);
        }
        Output::Listen(_, users) => {
            for user in users {
                tap::tell(user.as_str(), "a stream is opened", &[]);
            }
            return;
        }
        Output::Homes(_, users, _) => {
            for user in users {
                tap::tell(user.as_str(), "the directory is asked", &[]);
            }
            return;
        }
        Output::Join(_, user) => (user, "it joins a stream"),
        Output::Leave(_, user) => (user, "it leaves its stream"),
        Output::Commit(_, commit) => {
            let count = |number: usize| Value::from(number);
            let fields = [
                ("events", count(commit.events.len())),
                ("errands", count(commit.noticed.len())),
                ("sequence", commit.sequence.into()),
                ("tracking_id", commit.trace.map(|trace| trace.to_string()).into()),
            ];
            return tap::tell(commit.user.as_str(), "written to the disk", &fields);
        }
        _ => return,
    };
    tap::tell(user.as_str(), what, &[]);
}

/// A question that is on its way; its answer is told with how long it took.
pub(super) struct Question {
    user: UserId,
    what: &'static str,
    /// What belongs to it from the beginning.
    fields: Vec<(&'static str, Value)>,
    began: Instant,
}

impl Question {
    pub(super) fn exchange(user: &UserId, ask: &Ask) -> Self {
        let (what, items) = match ask {
            Ask::Changes(Some(_)) => ("Exchange is asked for changes", None),
            Ask::Changes(None) => ("Exchange is asked for all from the beginning", None),
            Ask::Items(ids) => ("Exchange is asked for items", Some(ids.len())),
            Ask::View(_) => ("Exchange is asked for the window's list", None),
        };
        let fields = items.map(|items| ("items", Value::from(items))).into_iter().collect();
        Self { user: user.clone(), what, fields, began: Instant::now() }
    }

    pub(super) fn key(user: &UserId, want: &Want) -> Self {
        let what = match want {
            Want::Establish => "the key server is asked for a first key",
            Want::Rotate(_) => "the key server is asked for a new key",
            Want::Recall(..) => "the key server is asked for today's key",
        };
        Self { user: user.clone(), what, fields: Vec::new(), began: Instant::now() }
    }

    /// What an errand asks, where somebody follows its user.
    pub(super) fn errand(errand: Option<Errand<'_>>, ask: &errand::Ask) -> Option<Self> {
        let errand = errand.filter(|(user, ..)| tap::is_followed(user.as_str()))?;
        let what = match ask {
            errand::Ask::FreeBusy(..) => "Exchange is asked when people are free",
            errand::Ask::Create(..) => "Exchange is told to make a meeting",
            errand::Ask::Created(_) => "Exchange is asked whether the meeting was made",
            errand::Ask::View(..) => "Exchange is asked for a list",
            errand::Ask::Items(_) | errand::Ask::Read(..) => "Exchange is asked for the meeting",
            errand::Ask::Respond { .. } => "Exchange is told the answer to an invitation",
            errand::Ask::Rewrite(_) => "Exchange is told to write into a meeting",
            errand::Ask::Zone => "Exchange is asked for the mailbox's zone",
            errand::Ask::Language => "Exchange is asked for the mailbox's language",
            errand::Ask::Key => "the key server is asked for a key",
        };
        let (user, fields) = (errand.0.clone(), about(errand));
        Some(Self { user, what, fields, began: Instant::now() })
    }

    pub(super) fn answered<T, F: fmt::Display>(&self, answer: &Result<T, F>) {
        if !tap::is_followed(self.user.as_str()) {
            return;
        }
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut fields = vec![("ms", Value::from(ms))];
        fields.extend(self.fields.iter().cloned());
        fields.push(match answer {
            Ok(_) => ("answer", "well".into()),
            Err(fault) => ("cause", fault.to_string().into()),
        });
        tap::tell(self.user.as_str(), self.what, &fields);
    }
}

/// Whose errand, its id, and its command's type.
type Errand<'a> = (&'a UserId, &'a CommandId, &'static str);

fn about((_, id, command): Errand<'_>) -> Vec<(&'static str, Value)> {
    vec![
        ("command", command.into()),
        ("command_id", id.as_str().into()),
        ("tracking_id", tracking::of(id.as_str()).to_string().into()),
    ]
}

/// What of an errand is written to the disk.
pub(super) fn advance(errand: Option<Errand<'_>>, advance: &Advance) {
    let Some(errand) = errand else { return };
    if !tap::is_followed(errand.0.as_str()) {
        return;
    }
    let what = match advance.done {
        true => "a command's end is written to the disk",
        false => "a command is written down as being sent",
    };
    tap::tell(errand.0.as_str(), what, &about(errand));
}

/// A command of the cloud was decided.
pub(super) fn decided(command: &Command, outcome: &str) {
    let user = command.kind.user();
    let Some(user) = user.filter(|user| tap::is_followed(user.as_str())) else { return };
    let fields = [
        ("command_id", command.id.as_str().into()),
        ("outcome", outcome.into()),
        ("tracking_id", tracking::of(command.id.as_str()).to_string().into()),
    ];
    tap::tell(user.as_str(), "a command of the cloud is decided", &fields);
}

/// The cloud's word on an event.
pub(super) fn sent(row: &Outgoing, verdict: &Verdict) {
    if !tap::is_followed(row.user.as_str()) {
        return;
    }
    let verdict = match verdict {
        Verdict::Stored => "stored",
        Verdict::Duplicate => "duplicate",
        Verdict::Stale => "stale",
        Verdict::Rejected(why) => why,
    };
    let fields = [
        ("event", json!(format!("{:?}", row.kind).to_lowercase())),
        ("sequence", row.sequence.into()),
        ("verdict", verdict.into()),
        ("tracking_id", row.trace.to_string().into()),
    ];
    tap::tell(row.user.as_str(), "the cloud answers for an event", &fields);
}
