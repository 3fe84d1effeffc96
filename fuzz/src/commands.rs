//! The cloud's words: frames of the command channel, and the answer to a batch.

use std::sync::{Arc, LazyLock};

use calway::cloud::{Answered, EventKind, Outgoing, Received, wire};
use calway::model::{CommandKind, Outcome, Time, UserId};
use calway::pipeline::seal::Sealed;

static SENT: LazyLock<Vec<Outgoing>> = LazyLock::new(|| {
    ["a.1", "b.1", "a.2"]
        .into_iter()
        .zip(1..)
        .map(|(id, sequence)| Outgoing {
            id: Arc::from(id),
            kind: EventKind::Put { created: true },
            user: UserId::new("u-1"),
            sequence,
            time: Time::from_ms(1_800_000_000_000),
            data: Sealed::restored("{}"),
            trace: calway::model::Trace([1; 16]),
        })
        .collect()
});

/// Reads the bytes as a frame and as an answer.
pub fn check(bytes: &[u8]) {
    verdicts(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        frame(text);
    }
}

/// A verdict stands only for what was sent, once, in its order.
fn verdicts(bytes: &[u8]) {
    let Ok(verdicts) = wire::verdicts(bytes, &SENT) else { return };
    assert!(!verdicts.is_empty());
    let mut sent = SENT.iter();
    for verdict in &verdicts {
        assert!(sent.any(|event| event.id == verdict.id), "in the order of the batch, once");
        if let Received::Rejected(reason) = &verdict.result {
            assert!(reason.chars().count() <= 200 && !reason.chars().any(char::is_control));
        }
    }
}

/// A command can be answered: its outcome is a frame that names it.
fn frame(text: &str) {
    let Some(command) = wire::command(text) else { return };
    // Members that nobody reads may hold numbers that nobody can.
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(text) {
        assert_eq!(json["id"], command.id.as_str());
        if let CommandKind::Activate { sealed_address, key, .. } = &command.kind {
            assert_eq!(json["data"]["encryptedEmailAddress"], sealed_address.as_str());
            assert_eq!(json["data"]["encryptionKeyUrl"], key.as_str());
        }
    }
    assert_eq!(wire::command(text).as_ref(), Some(&command));
    is_name(command.id.as_str());
    let outcome = match &command.kind {
        CommandKind::Unknown { why } => Outcome::Refused(why.reveal().to_owned()),
        CommandKind::Activate { user, .. } | CommandKind::Deactivate { user } => {
            is_name(user.as_str());
            Outcome::Done
        }
        CommandKind::Resend { user } => {
            assert!(user.as_ref().is_none_or(|user| user.as_str() != "*"));
            Outcome::Done
        }
        CommandKind::Errand(wish) => {
            is_name(wish.user.as_str());
            assert!(wish.sealed.len() <= 100 && (wish.sealed.is_empty() || wish.key.is_some()));
            Outcome::Done
        }
        CommandKind::Ping => Outcome::Done,
    };
    let answered = Answered { id: command.id.clone(), sequence: command.sequence, outcome };
    let told = wire::outcome(&wire::source("c-1"), &answered).expect("a frame");
    assert_eq!(wire::outcome(&wire::source("c-1"), &answered).as_ref(), Ok(&told));
    let json: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(json["type"], "command.outcome");
    assert_eq!(json["data"]["commandId"], command.id.as_str());
    assert_eq!(json["data"]["sequence"], wire::sequence_text(command.sequence));
}

fn is_name(text: &str) {
    assert!(!text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control));
}
