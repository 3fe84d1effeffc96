//! Every condition that the journal can name.
//!
//! What a line of the journal says of one event stands where it is written; what a condition is,
//! why it happens and what to do about it stands here, once, for `journalctl -x` (the catalog is
//! `systemd/calway.catalog`), the reference page and `calway status`.

mod cloud;
mod exchange;
mod mailbox;
mod notes;
mod service;

use super::severity::Severity;

pub use self::cloud::*;
pub use self::exchange::*;
pub use self::mailbox::*;
pub use self::notes::{Written, hint, note, reading, refused, short, state};
pub use self::service::*;

/// A condition: what it is called for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its stable name.
    pub name: &'static str,
    /// The same in words, without a full stop.
    pub subject: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Its MESSAGE_ID (128 bits, hexadecimal).
    pub message_id: &'static str,
    /// The fields that each of its lines has beside those that all have, in their order.
    pub fields: &'static [&'static str],
    /// What happened. `@FIELD@` stands for the value of a field ([`fill`]), as in the three texts.
    pub what: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

impl Condition {
    /// # Panics
    /// At compile time, where a line is written with other fields than its entry names: the
    /// catalog's text would have holes.
    pub const fn is_written_with(self, fields: &[&str]) {
        assert!(fields.len() == self.fields.len(), "the fields are not those of the condition");
        let mut at = 0;
        while at < fields.len() {
            let same = Severity::is_same(self.fields[at], fields[at]);
            assert!(same, "the fields are not those of the condition");
            at += 1;
        }
    }
}

/// A list of conditions with its `ALL`: the sentence above an entry is its subject.
macro_rules! conditions {
    ($(#[doc = $subject:literal] $id:ident = $name:literal $severity:ident $message_id:literal
        [$($field:ident)*] what $what:literal cause $cause:literal remedy $remedy:literal;)*) => {
        use super::Condition;
        use crate::observe::severity::Severity;

        $(#[doc = $subject] pub const $id: Condition = Condition {
            name: $name,
            subject: $subject.trim_ascii(),
            severity: Severity::$severity,
            message_id: $message_id,
            fields: &[$(stringify!($field)),*],
            what: $what,
            cause: $cause,
            remedy: $remedy,
        };)*
        pub(super) const ALL: &[Condition] = &[$($id),*];
    };
}
use conditions;

/// All of them, by what they are about.
pub const THEMES: &[(&str, &[Condition])] = &[
    ("The service", service::ALL),
    ("Exchange", exchange::ALL),
    ("Single mailboxes", mailbox::ALL),
    ("The cloud and its commands", cloud::ALL),
];

const COUNT: usize = {
    let (mut count, mut at) = (0, 0);
    while at < THEMES.len() {
        count += THEMES[at].1.len();
        at += 1;
    }
    count
};

/// All of them.
pub const ALL: &[Condition] = &{
    let mut all = [service::READY; COUNT];
    let (mut theme, mut to) = (0, 0);
    while theme < THEMES.len() {
        let mut at = 0;
        while at < THEMES[theme].1.len() {
            all[to] = THEMES[theme].1[at];
            (at, to) = (at + 1, to + 1);
        }
        theme += 1;
    }
    all
};

/// The fields of conditions, with what stands in them.
pub const FIELDS: &[(&str, &str)] = &[
    ("CALENDAR", "The name of the `[[calendar]]`."),
    ("CAUSE", "Why, as the other side called it. Never a title, a name or an address of a person."),
    ("COMMAND_ID", "The cloud's id of a command, or our own of what an invitation asked for."),
    ("EWS_REQUEST_ID", "Exchange's id of the request, for its logs; `-` where it gave none."),
    ("EVENTS", "How many events."),
    ("EVENT_ID", "The id of an event, as the cloud has it."),
    ("FILE", "A file of the service."),
    ("GROUP", "The number of a group of mailboxes that share streams, as long as there is one."),
    ("HOST", "A host that discovery was led to."),
    ("KEYS", "Keys of the configuration by their places, as `calendar[0].url`."),
    ("NAME", "A name that stands in the configuration."),
    ("LOOP", "A part of the program that works by itself, as `uplink` or `intake hq`."),
    ("OF", "The name of another condition."),
    ("OUTBOX", "How many events wait in the store for the cloud."),
    ("OUTCOME", "How a command ended, or what the cloud did with an event."),
    ("PLACE", "A place in the program's text."),
    ("REASON", "Why, or why not, in a word or the cloud's sentence."),
    ("ROW", "The number of an event in the store."),
    ("SECRET", "The name of a secret, as `calway secret` has it."),
    (
        "SERVER",
        "A server of Exchange, as `calway status` and `calway discover` name it; `directory` where \
         it is that.",
    ),
    ("SUPPRESSED", "How many lines were left out."),
    (
        "TRACKING_ID",
        "The same in all lines of one change, from Exchange's event to the cloud's answer, and of \
         one command; the trace id of its events' `traceparent`. `-` where it is not known.",
    ),
    ("USER_ID", "Whose mailbox, by the cloud's id of the user; `calway user show` finds it."),
    ("VIA", "What led there."),
];

/// A text with the values of its fields in the place of `@FIELD@`; what has none stays.
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('@') {
        out.push_str(before);
        let named = after.split_once('@').filter(|(name, _)| is_field(name));
        match named.and_then(|(name, after)| Some((value(name)?, after))) {
            Some((value, after)) => {
                out.push_str(&value);
                rest = after;
            }
            None => {
                out.push('@');
                rest = after;
            }
        }
    }
    out + rest
}

fn is_field(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
}

/// Writes a condition; the macro keeps field names the same everywhere. The level is that of the
/// condition's severity and the fields are those of its entry, or it does not compile.
#[macro_export]
macro_rules! condition {
    ($level:ident, $condition:expr, $($field:ident = $value:expr,)* ; $($text:tt)+) => {{
        const { $condition.severity.is_written_as(stringify!($level)) };
        const { $condition.is_written_with(&[$(stringify!($field)),*]) };
        tracing::$level!(
            target: $condition.severity.target(),
            MESSAGE_ID = $condition.message_id,
            CONDITION = $condition.name,
            SEVERITY = $condition.severity.as_str(),
            $($field = %$value,)*
            $($text)+
        )
    }};
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_ids_are_unique_and_well_formed() {
        let names: BTreeSet<_> = ALL.iter().map(|c| c.name).collect();
        let ids: BTreeSet<_> = ALL.iter().map(|c| c.message_id).collect();
        assert_eq!(names.len(), ALL.len());
        assert_eq!(ids.len(), ALL.len());
        for condition in ALL {
            let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            assert!(condition.message_id.len() == 32 && condition.message_id.chars().all(hex));
            let texts = [condition.what, condition.cause, condition.remedy];
            assert!(texts.iter().all(|text| text.ends_with('.')), "{}", condition.name);
            assert!(!condition.subject.ends_with('.'), "{}", condition.name);
        }
    }

    #[test]
    fn what_stops_everything_until_somebody_acts_is_critical() {
        let critical = ALL.iter().filter(|one| one.severity == Severity::Critical);
        let critical: BTreeSet<_> = critical.map(|one| one.name).collect();
        let known = ["proxy-refuses", "sign-in-refused", "store-fails"];
        assert!(known.iter().all(|name| critical.contains(name)), "{critical:?}");
    }

    #[test]
    fn a_text_names_only_fields_that_are_written_and_explained() {
        let explained: BTreeSet<_> = FIELDS.iter().map(|(name, _)| *name).collect();
        let mut used = BTreeSet::new();
        for one in ALL {
            let words = [one.what, one.cause, one.remedy].join(" ");
            let missing = std::cell::RefCell::new(Vec::new());
            fill(&words, |field| {
                if !one.fields.contains(&field) {
                    missing.borrow_mut().push(field.to_owned());
                }
                Some(String::new())
            });
            assert_eq!(*missing.borrow(), Vec::<String>::new(), "{}", one.name);
            used.extend(one.fields.iter().copied());
        }
        assert_eq!(used, explained);
    }

    #[test]
    fn whatever_concerns_one_reading_command_or_event_can_be_followed() {
        // Of streams, which no reading and no command began.
        let of_streams = [LISTENING.name, MAILBOX_DEMOTED.name];
        for one in ALL.iter().filter(|one| !of_streams.contains(&one.name)) {
            let concerns = ["USER_ID", "COMMAND_ID", "EVENT_ID", "ROW"];
            let concerns = one.fields.iter().any(|field| concerns.contains(field));
            assert!(!concerns || one.fields.contains(&"TRACKING_ID"), "{}", one.name);
        }
    }

    #[test]
    fn whatever_is_wrong_has_something_to_do() {
        let wrong = ALL.iter().filter(|one| one.severity <= Severity::Warning);
        for one in wrong {
            assert!(!one.remedy.starts_with("Nothing to do"), "{}", one.name);
        }
    }

    #[test]
    fn a_text_is_filled_and_what_is_not_a_field_stays() {
        let value = |name: &str| (name == "HOST").then(|| "a.example".to_owned());
        assert_eq!(fill("allow @HOST@ or @HOST@.", value), "allow a.example or a.example.");
        assert_eq!(fill("@NOTHING@ @ me@here.example", value), "@NOTHING@ @ me@here.example");
    }

    #[test]
    fn a_line_without_a_field_of_its_condition_does_not_compile() {
        let written = |fields: &[&str]| {
            std::panic::catch_unwind(|| HOST_WAITS.is_written_with(fields)).is_ok()
        };
        assert!(written(&["CALENDAR", "HOST", "VIA"]));
        assert!(!written(&["CALENDAR", "HOST"]));
        assert!(!written(&["CALENDAR", "HOST", "CAUSE"]));
        assert!(!written(&["CALENDAR", "HOST", "VIA", "CAUSE"]));
    }
}
