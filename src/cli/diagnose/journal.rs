//! Our unit's lines of the journal: what is known to be harmless of each.

use serde_json::{Map, Value};

use super::system::said;
use crate::cli::admin::Client;
use crate::observe::condition;
use crate::observe::scrub::{GONE, Scrub};

/// Fields that hold a name of ours or a number.
const NAMES: &[&str] = &[
    "CALENDAR",
    "COMMAND_ID",
    "EWS_REQUEST_ID",
    "MESSAGE_ID",
    "OF",
    "OUTCOME",
    "PRIORITY",
    "ROW",
    "SEVERITY",
    "SUPPRESSED",
    "TRACKING_ID",
    "USER_ID",
    // Of systemd, about the unit.
    "EXIT_CODE",
    "EXIT_STATUS",
    "JOB_RESULT",
    "JOB_TYPE",
    "UNIT_RESULT",
];

/// Fields whose plain words are worth having.
const TEXTS: &[&str] = &["CAUSE", "REASON", "VIA"];

/// One JSON object a line; or why there are none. The newest `most` of them.
pub(super) fn lines(client: &Client, most: u32, scrub: &Scrub) -> String {
    let most = format!("--lines={most}");
    let arguments = ["--unit=calway", "--output=json", "--no-pager", "--quiet", &most];
    let Some(text) = said(client, "journalctl", &arguments) else {
        return "{\"journal\":\"journalctl does not answer here\"}\n".into();
    };
    let mut out = String::new();
    for line in text.lines() {
        let Ok(Value::Object(fields)) = serde_json::from_str(line) else { continue };
        out += &Value::Object(harmless(&fields, scrub)).to_string();
        out.push('\n');
    }
    out
}

fn harmless(fields: &Map<String, Value>, scrub: &Scrub) -> Map<String, Value> {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let mut out = Map::new();
    let micros = text("__REALTIME_TIMESTAMP").and_then(|micros| micros.parse::<i64>().ok());
    let time = micros.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
    out.extend(time.map(|time| ("time".to_owned(), time.to_string().into())));
    let condition = text("CONDITION")
        .and_then(|name| condition::ALL.iter().find(|condition| condition.name == name));
    for name in NAMES {
        out.extend(text(name).map(|value| ((*name).to_owned(), Scrub::name(value).into())));
    }
    match condition {
        Some(condition) => {
            out.insert("CONDITION".into(), condition.name.into());
            for name in TEXTS {
                out.extend(text(name).map(|value| ((*name).to_owned(), scrub.text(value).into())));
            }
        }
        // A sentence of somebody else's: a library, the system.
        None => drop(out.insert("MESSAGE".into(), GONE.into())),
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_a_line_only_what_is_known_to_be_harmless_is_left() {
        let line = json!({"__REALTIME_TIMESTAMP": "1763777580000000", "CONDITION": "cloud-waits",
            "PRIORITY": "4", "CAUSE": "503 for ann@corp.example", "MESSAGE": "Merger",
            "_CMDLINE": "calway --password=x", "_HOSTNAME": "box", "USER_ID": "ann@corp.example"});
        let left = harmless(line.as_object().unwrap(), &Scrub::default());
        let left = Value::Object(left);
        assert_eq!(
            left,
            json!({"time": "2025-11-22T02:13:00Z", "CONDITION": "cloud-waits",
            "PRIORITY": "4", "CAUSE": "503 for […]", "USER_ID": "[…]"})
        );
        let other = json!({"CONDITION": "Merger", "CAUSE": "Merger", "MESSAGE": "Merger"});
        let left = harmless(other.as_object().unwrap(), &Scrub::default());
        assert_eq!(Value::Object(left), json!({"MESSAGE": "[…]"}));
    }
}
