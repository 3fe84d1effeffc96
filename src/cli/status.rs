//! `calway status`: how everything is.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::admin::Place;
use super::{Failure, page};

/// Show how the running service is, and what to do about what is wrong.
///
/// Asks the running daemon how it is: mailboxes, cloud, store, and which conditions are open, each
/// with what to do.
///
/// Exit codes: 0 all is well; 1 it is not ready, or a condition is open; 3 it cannot be reached; 4
/// this user may not ask.
#[derive(Args, Debug)]
pub(super) struct Status {
    /// All of it as one JSON object.
    #[arg(long)]
    json: bool,
    /// Again every two seconds, until Ctrl-C.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    place: Place,
}

/// How often `--watch` looks.
const AGAIN: Duration = Duration::from_secs(2);

impl Status {
    pub(super) fn run(self) -> Result<(), Failure> {
        let client = self.place.client()?;
        loop {
            let status = client.get("/v1/status")?;
            if self.watch && !self.json && std::io::stdout().is_terminal() {
                // To the upper left, and everything away.
                print!("\x1b[H\x1b[2J");
            }
            match self.json {
                true => println!("{status}"),
                false => print!("{}", shown(&status)),
            }
            if !self.watch {
                let well = status["well"].as_bool() == Some(true);
                return if well { Ok(()) } else { Err(Failure::Unwell) };
            }
            client.pause(AGAIN);
        }
    }
}

fn amount(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// Which program, since when, and how the mailboxes of each calendar are.
pub(super) fn head(status: &Value, ink: fn(&str, &str) -> String) -> String {
    let ready = match status["ready"] == true {
        true => ink("1;32", "ready"),
        false => ink("1;33", "not ready yet"),
    };
    let up = page::time(amount(&status["uptime_seconds"]));
    let version = status["version"].as_str().unwrap_or("?");
    format!("calway {version}: {ready}, running for {up}\n\n{}\n", calendars(status))
}

/// The cloud, the outbox, the store, the process, and how long things take.
pub(super) fn facts(status: &Value) -> String {
    let facts = [
        ("cloud", cloud(status)),
        ("outbox", outbox(status)),
        ("store", store(&status["store"])),
        ("process", process(&status["process"])),
    ];
    let mut out = String::new();
    for (name, fact) in facts {
        let _ = writeln!(out, "{name:<8} {fact}");
    }
    for (name, delay) in ["delay", ""].into_iter().zip(delays(status)) {
        let _ = writeln!(out, "{name:<8} {delay}");
    }
    out
}

fn shown(status: &Value) -> String {
    let rates = rates(&status["rates"]);
    let (head, facts) = (head(status, page::ink), facts(status));
    format!("{head}{facts}{:<8} {rates}\n\n{}", "rates", conditions(status))
}

fn calendars(status: &Value) -> String {
    let head = ["calendar", "mailboxes", "streaming", "polling", "failing", "waiting", "streams"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for one in status["calendars"].as_array().into_iter().flatten() {
        let mut row = vec![one["name"].as_str().unwrap_or("?").to_owned()];
        for name in ["active", "streaming", "polling", "failing", "queued"] {
            row.push(page::number(amount(&one["mailboxes"][name])));
        }
        row.push(page::number(amount(&one["streams"])));
        rows.push(row);
    }
    let mut out = page::table(&rows, 1);
    for one in status["calendars"].as_array().into_iter().flatten() {
        let name = one["name"].as_str().unwrap_or("?");
        if let Some(seconds) = one["sign_in_again_seconds"].as_u64() {
            let _ = writeln!(
                out,
                "{name}: sign-in was refused; tried again in {}, or when the \
                 secret changes",
                page::time(seconds)
            );
        }
        for server in one["servers"].as_array().into_iter().flatten() {
            let Some(seconds) = server["rests_seconds"].as_u64() else { continue };
            let id = server["id"].as_str().unwrap_or("?");
            let of = page::number(amount(&server["mailboxes"]));
            let rest = page::time(seconds);
            let _ = writeln!(out, "{name}: server {id} ({of} mailboxes) is left alone for {rest}");
        }
    }
    out
}

fn cloud(status: &Value) -> String {
    let cloud = &status["cloud"];
    let words = match (cloud["takes_events"] == true, cloud["channel_open"] == true) {
        (true, true) => "takes events and sends commands",
        (true, false) => "takes events; the command channel is closed",
        (false, true) => "does not take events; the command channel is open",
        (false, false) => "is not reached",
    };
    let sent = page::count(amount(&cloud["sent"]), "event");
    let last = page::between(&cloud["last"], &status["time"]);
    let last = last.map(|ago| format!(", the last {} ago", page::time(ago)));
    format!("{words}; {sent} sent{}", last.unwrap_or_default())
}

fn outbox(status: &Value) -> String {
    let outbox = &status["outbox"];
    if let Some(why) = outbox["unknown"].as_str() {
        return why.to_owned();
    }
    let waiting = amount(&outbox["waiting"]);
    let age = page::between(&outbox["oldest"], &status["time"]).filter(|_| waiting > 0);
    let age = age.map(|age| format!(", the oldest for {}", page::time(age))).unwrap_or_default();
    let aside = page::number(amount(&outbox["set_aside"]));
    format!("{} waiting{age}; {aside} set aside", page::count(waiting, "event"))
}

fn store(store: &Value) -> String {
    let path = store["path"].as_str().unwrap_or("?");
    let size = page::bytes(amount(&store["bytes"]));
    let (free, all) = (amount(&store["disk_free_bytes"]), amount(&store["disk_bytes"]));
    let share = (free * 100).checked_div(all).unwrap_or(0);
    let writes = if store["writes"] == true { "" } else { "; IT CANNOT BE WRITTEN" };
    format!("{path}: {size}; {} of its disk free ({share} %){writes}", page::bytes(free))
}

fn process(process: &Value) -> String {
    format!(
        "pid {}, {} of memory (at most {}), {} of {} files open",
        amount(&process["pid"]),
        page::bytes(amount(&process["memory_bytes"])),
        page::bytes(amount(&process["memory_most_bytes"])),
        page::number(amount(&process["open_files"])),
        page::number(amount(&process["open_files_limit"])),
    )
}

fn rates(rates: &Value) -> String {
    let names = ["events", "readings", "requests", "records", "sent"];
    let rate = |name| rates[name].as_f64().unwrap_or(0.0);
    let each = names.map(|name| format!("{:.1} {name}", rate(name)));
    format!("{} a second, over the last minute", each.join(", "))
}

fn delays(status: &Value) -> Vec<String> {
    let calendars = status["calendars"].as_array();
    // The slowest calendar's.
    let slowest = calendars.into_iter().flatten().map(|one| &one["event_to_disk_ms"]);
    let slowest = slowest.max_by_key(|ms| amount(&ms["p99"])).unwrap_or(&Value::Null);
    let parts = [
        ("Exchange's event to our disk", slowest),
        ("our disk to the cloud's answer", &status["cloud"]["disk_to_cloud_ms"]),
    ];
    let told = |(what, ms): (&str, &Value)| {
        let half = page::millis(ms["p50"].as_u64()?);
        let most = page::millis(ms["p99"].as_u64()?);
        Some(format!("{what}: half within {half}, 99 % within {most}"))
    };
    parts.into_iter().filter_map(told).collect()
}

fn conditions(status: &Value) -> String {
    let Some(all) = status["conditions"].as_array().filter(|all| !all.is_empty()) else {
        return "No condition is open.\n".into();
    };
    let mut out = match all.len() {
        1 => "1 condition is open:\n".to_owned(),
        more => format!("{more} conditions are open:\n"),
    };
    for one in all {
        out.push('\n');
        out += &condition(one, &status["time"]);
    }
    out
}

/// One condition: its name, since when, whom it concerns, why, and what to do.
fn condition(one: &Value, now: &Value) -> String {
    let text = |name: &str| one[name].as_str().unwrap_or_default();
    let width = page::width();
    let mut out = line(one, now, page::ink);
    out += &page::wrapped(text("cause"), 9, width);
    out += &page::wrapped(text("remedy"), 9, width);
    out
}

/// Its first line.
pub(super) fn line(one: &Value, now: &Value, ink: fn(&str, &str) -> String) -> String {
    let text = |name: &str| one[name].as_str();
    let severity = text("severity").unwrap_or("?");
    let code = match severity {
        "critical" | "error" => "1;31",
        _ => "1;33",
    };
    let severity = ink(code, &format!("{:<8}", severity.to_uppercase()));
    let name = ink("1", text("name").unwrap_or("?"));
    let calendar = text("calendar").map(|of| format!(" ({of})")).unwrap_or_default();
    let age = page::between(&one["since"], now).map(page::time).unwrap_or_default();
    let whom = match (amount(&one["count"]), text("user")) {
        (1, Some(user)) => format!(": user {user}"),
        (count, Some(user)) => format!(": {} users, as {user}", page::number(count)),
        (0 | 1, None) => String::new(),
        (count, None) => format!(": {} of them", page::number(count)),
    };
    format!("{severity} {name}{calendar}, for {age}{whom}\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_condition_says_what_it_is_whom_it_concerns_and_what_to_do() {
        let one = json!({"name": "mailbox-failing", "severity": "warning", "calendar": "hq",
            "since": "2026-11-22T02:13:00Z", "count": 3, "user": "u-7",
            "cause": "ErrorNonExistentMailbox", "remedy": "Check the mailbox."});
        assert_eq!(
            condition(&one, &json!("2026-11-22T02:27:30Z")),
            "WARNING  mailbox-failing (hq), for 14 min: 3 users, as u-7\n         \
             ErrorNonExistentMailbox\n         Check the mailbox.\n"
        );
    }

    #[test]
    fn a_daemon_of_another_version_is_shown_as_far_as_it_is_understood() {
        let shown = shown(&json!({"version": "9.9", "calendars": 7, "conditions": {}}));
        assert!(shown.starts_with("calway 9.9: not ready yet"), "{shown}");
        assert!(shown.contains("is not reached"), "{shown}");
    }
}
