//! Whoever follows one user live: what happens of it, as lines of JSON, while they listen.
//!
//! It costs a look at one number where nobody follows. A listener that is too slow loses lines, and
//! is told how many; nobody waits for it.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tracing::Event;
use tracing::field::{Field, Visit};

/// Lines that wait for a listener.
const WAITING: usize = 256;

static FOLLOWERS: AtomicUsize = AtomicUsize::new(0);
static ALL: Mutex<Vec<Follower>> = Mutex::new(Vec::new());

struct Follower {
    user: String,
    lines: mpsc::Sender<Value>,
    dropped: Arc<AtomicU64>,
}

/// One who follows a user; until it is dropped.
#[derive(Debug)]
pub struct Tap {
    lines: mpsc::Receiver<Value>,
    dropped: Arc<AtomicU64>,
}

impl Tap {
    /// Follows this user, whether it is there or not.
    pub fn new(user: &str) -> Self {
        let (lines, inbox) = mpsc::channel(WAITING);
        let dropped = Arc::<AtomicU64>::default();
        let mut all = all();
        all.push(Follower { user: user.to_owned(), lines, dropped: dropped.clone() });
        FOLLOWERS.store(all.len(), Ordering::Relaxed);
        Self { lines: inbox, dropped }
    }

    /// The next line: a JSON object with `time`, `what`, and what belongs to it. Before it, where
    /// lines were lost, one that says how many: `{"dropped":3}`.
    pub async fn next(&mut self) -> Option<Value> {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            return Some(serde_json::json!({"time": now(), "dropped": dropped}));
        }
        self.lines.recv().await
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.lines.close();
        let mut all = all();
        all.retain(|one| !one.lines.is_closed());
        FOLLOWERS.store(all.len(), Ordering::Relaxed);
    }
}

fn all() -> MutexGuard<'static, Vec<Follower>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether somebody follows this user.
pub fn is_followed(user: &str) -> bool {
    FOLLOWERS.load(Ordering::Relaxed) > 0 && all().iter().any(|one| one.user == user)
}

/// Tells who follows this user what happened. `what` is a few words, `fields` belong to it; both
/// without anything of a person or a meeting.
pub fn tell(user: &str, what: &str, fields: &[(&str, Value)]) {
    if !is_followed(user) {
        return;
    }
    let mut line = Map::new();
    line.insert("time".into(), now().into());
    line.insert("what".into(), what.into());
    line.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    send(user, &Value::Object(line));
}

/// Passes a line of the journal on.
pub(super) fn pass_on(user: &str, event: &Event<'_>) {
    let mut line = Fields::default();
    line.0.insert("time".into(), now().into());
    event.record(&mut line);
    send(user, &Value::Object(line.0));
}

fn send(user: &str, line: &Value) {
    for one in all().iter().filter(|one| one.user == user) {
        if one.lines.try_send(line.clone()).is_err() {
            one.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        // Whose it is, and the journal's own number of the condition, say nothing here.
        let name = match field.name() {
            "USER_ID" | "MESSAGE_ID" => return,
            "message" => "what",
            name => name,
        };
        self.0.insert(name.to_ascii_lowercase(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
}

fn now() -> String {
    let now = jiff::Timestamp::try_from(SystemTime::now()).unwrap_or_default();
    format!("{now:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_listener_loses_lines_and_is_told_how_many() {
        let mut tap = Tap::new("u-slow");
        for number in 0..WAITING + 3 {
            tell("u-slow", "rang", &[("number", number.into())]);
            tell("u-other", "rang", &[]);
        }
        assert_eq!(tap.next().await.unwrap()["dropped"], 3);
        let first = tap.next().await.unwrap();
        assert_eq!((&first["what"], &first["number"]), (&"rang".into(), &0.into()));
        assert!(is_followed("u-slow") && !is_followed("u-other"));
        drop(tap);
        assert!(!is_followed("u-slow"));
    }
}
