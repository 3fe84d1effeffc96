//! What whoever follows a user sees of the loops' work: each step, without a word of what it
//! carries.

use std::time::Instant;

use serde_json::{Value, json};

use crate::model::{Fault, Hint, UserId};
use crate::observe::tap;
use crate::pipeline::fleet::{Input, Output, Want};
use crate::pipeline::outbox::{Outgoing, Verdict};
use crate::pipeline::sync::Ask;

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
    items: Option<usize>,
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
        Self { user: user.clone(), what, items, began: Instant::now() }
    }

    pub(super) fn key(user: &UserId, want: &Want) -> Self {
        let what = match want {
            Want::Establish => "the key server is asked for a first key",
            Want::Rotate(_) => "the key server is asked for a new key",
            Want::Recall(..) => "the key server is asked for today's key",
        };
        Self { user: user.clone(), what, items: None, began: Instant::now() }
    }

    pub(super) fn answered<T>(&self, answer: &Result<T, Fault>) {
        if !tap::is_followed(self.user.as_str()) {
            return;
        }
        let ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut fields = vec![("ms", Value::from(ms))];
        fields.extend(self.items.map(|items| ("items", items.into())));
        fields.push(match answer {
            Ok(_) => ("answer", "well".into()),
            Err(fault) => ("cause", fault.to_string().into()),
        });
        tap::tell(self.user.as_str(), self.what, &fields);
    }
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
