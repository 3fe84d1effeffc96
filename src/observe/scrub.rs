//! What of a text may be given away to whoever helps: its plain words, small numbers and codes.
//! Everything else is taken out, whatever it is, so that nothing has to be recognised as personal.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Stands where something was taken out.
pub const GONE: &str = "[…]";

/// The longest plain word, in characters.
const WORD: usize = 20;

/// The longest number, in digits: longer ones join meetings.
const DIGITS: usize = 5;

/// Words that are not lower case, and say nothing of a person.
const KNOWN: &[&str] = &[
    "Autodiscover",
    "DNS",
    "EWS",
    "Exchange",
    "HTTP",
    "JSON",
    "KMS",
    "Kerberos",
    "LDAP",
    "Microsoft",
    "NTLM",
    "OAuth",
    "OS",
    "POX",
    "Protection",
    "SCP",
    "SOAP",
    "SPNEGO",
    "SQLITE_BUSY",
    "SQLITE_CANTOPEN",
    "SQLITE_CORRUPT",
    "SQLITE_FULL",
    "SQLITE_IOERR",
    "SQLITE_READONLY",
    "TCP",
    "TLS",
    "URL",
    "WebSocket",
    "XML",
    "No",
    "Permission",
    "Connection",
    "Extended",
];

/// Names: of conditions, of calendars, of users at the cloud.
const NAMES: &[&str] = &[
    "name",
    "severity",
    "state",
    "condition",
    "calendar",
    "user",
    "what",
    "id",
    "server",
    "version",
];

/// Texts of our own that whoever helps has, and that may be filled with somebody else's words.
const LEFT_OUT: &[&str] = &["remedy", "hint", "path"];

/// What may stay beside plain words.
#[derive(Clone, Debug, Default)]
pub struct Scrub {
    /// Hosts that the operator lets go out.
    pub hosts: BTreeSet<String>,
    /// What is taken out although it looks like a plain word: accounts and hosts of one part, in
    /// lower case.
    pub hidden: BTreeSet<String>,
}

impl Scrub {
    /// A text of which only what is harmless is left.
    pub fn text(&self, text: &str) -> String {
        let mut out: Vec<String> = Vec::new();
        for word in text.split_whitespace().take(200) {
            let word = self.word(word);
            // Several in a row say no more than one.
            if word != GONE || out.last().is_none_or(|last| last != GONE) {
                out.push(word);
            }
        }
        out.join(" ")
    }

    fn word(&self, word: &str) -> String {
        let mark = |c: char| "()[]{}<>.,;:!?\"'".contains(c);
        let core = word.trim_matches(mark);
        if core.is_empty() || self.is_harmless(core) { word.to_owned() } else { GONE.to_owned() }
    }

    fn is_harmless(&self, core: &str) -> bool {
        let folded = core.to_ascii_lowercase();
        if self.hosts.contains(&folded) {
            return true;
        }
        if self.hidden.contains(&folded) {
            return false;
        }
        let lower = |c: char| c.is_ascii_lowercase() || c == '-' || c == '\'';
        let plain = core.len() <= WORD && core.chars().all(lower);
        let number = core.len() <= DIGITS && core.bytes().all(|b| b.is_ascii_digit());
        let code = core
            .strip_prefix("Error")
            .is_some_and(|rest| rest.len() <= 60 && rest.chars().all(|c| c.is_ascii_alphabetic()));
        plain || number || code || is_request(core) || KNOWN.contains(&core)
    }

    /// A name that people do not choose for themselves; else nothing of it.
    pub fn name(text: &str) -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        match text.len() <= 128 && text.chars().all(fits) {
            true => text.to_owned(),
            false => GONE.to_owned(),
        }
    }

    /// The same of all texts in it; numbers and times stay.
    pub fn value(&self, value: &Value) -> Value {
        match value {
            Value::Array(all) => all.iter().map(|one| self.value(one)).collect(),
            Value::Object(fields) => {
                let mut out = Map::new();
                for (name, value) in fields {
                    if LEFT_OUT.contains(&name.as_str()) {
                        continue;
                    }
                    let value = match value {
                        Value::String(text) if NAMES.contains(&name.as_str()) => {
                            Self::name(text).into()
                        }
                        value => self.value(value),
                    };
                    out.insert(Self::name(name), value);
                }
                Value::Object(out)
            }
            Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => text.clone().into(),
            Value::String(text) => self.text(text).into(),
            plain => plain.clone(),
        }
    }
}

/// An id that Exchange gave a request (a UUID, RFC 9562).
fn is_request(core: &str) -> bool {
    let hex = |c: char| c.is_ascii_hexdigit() || c == '-';
    core.len() == 36 && core.chars().all(hex) && core.matches('-').count() == 4
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn codes_and_plain_words_stay_and_whatever_else_goes() {
        let scrub = Scrub {
            hosts: ["ex1.corp.example".to_owned()].into(),
            hidden: ["svc-calway", "fileserver"].map(str::to_owned).into(),
        };
        for (text, left) in [
            ("no connection in time", "no connection in time"),
            ("ErrorServerBusy, next try in 30 s", "ErrorServerBusy, next try in 30 s"),
            (
                "HTTP 503 (request 9f1c2d34-0000-4aaa-8bbb-0123456789ab)",
                "HTTP 503 (request 9f1c2d34-0000-4aaa-8bbb-0123456789ab)",
            ),
            ("mail to ann@corp.example failed", "mail to […] failed"),
            ("Merger with Fabrikam", "[…] with […]"),
            ("the password is Hunter2!", "the password is […]"),
            ("join https://meet.example/j/123456789?pwd=x", "join […]"),
            ("meeting 123456789", "meeting […]"),
            ("from ex1.corp.example and ex2.corp.example", "from ex1.corp.example and […]"),
            ("Übernahme, geheim", "[…] geheim"),
            ("no way to fileserver for svc-calway: denied", "no way to […] for […] denied"),
        ] {
            assert_eq!(scrub.text(text), left);
        }
    }

    #[test]
    fn of_what_is_shown_names_numbers_and_times_stay() {
        let shown = json!({"user": "u-7", "since": "2026-11-22T02:13:00Z", "count": 3,
            "cause": "the mailbox of Ann", "remedy": "Ask Ann.", "calendar": "ann@corp.example",
            "all": [{"path": "/home/ann"}]});
        let left = json!({"user": "u-7", "since": "2026-11-22T02:13:00Z", "count": 3,
            "cause": "the mailbox of […]", "calendar": "[…]", "all": [{}]});
        assert_eq!(Scrub::default().value(&shown), left);
    }
}
