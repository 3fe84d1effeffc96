//! `calway user`: who is there, one mailbox's whole story, what happens of it just now.

use std::fmt::Write as _;
use std::io::Write as _;

use bytes::Bytes;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use super::admin::{Client, Place, part};
use super::{Failure, page};

/// List users, show one mailbox's whole story, follow one live, read one anew.
///
/// Who is active decides the cloud alone (its commands user.activate and user.deactivate), so
/// there is no command for it here. Whoever is not to be read at all, leave out of the service
/// account's right to impersonate: /usr/share/doc/calway/guide/exchange.md has its scope.
///
/// Asks the running daemon about users: the cloud's ids name them. An address finds its user, and
/// is noted nowhere.
#[derive(Args, Debug)]
pub(super) struct User {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    place: Place,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Show who is active, and how each mailbox is.
    List {
        /// Only those in this state: starting, streaming, polling or failing.
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Show one mailbox's whole story, and what happens next. Exit code 1 where it fails.
    Show {
        /// The cloud's id of the user, or the mailbox's address.
        user: String,
        /// All of it as one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Follow one mailbox live: each step, as it happens, until Ctrl-C.
    Trace {
        /// The cloud's id of the user, or the mailbox's address.
        user: String,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Read all of a mailbox's window anew, and send all of it to the cloud again.
    Resync {
        /// The cloud's id of the user, or the mailbox's address.
        user: String,
    },
}

impl User {
    pub(super) fn run(self) -> Result<(), Failure> {
        let client = self.place.client()?;
        match self.what {
            What::List { state, json } => list(&client, state.as_deref(), json),
            What::Show { user, json } => {
                let story = client.get(&format!("/v1/users/{}", part(&user)))?;
                match json {
                    true => println!("{story}"),
                    false => print!("{}", shown(&story)),
                }
                if story["state"] == "failing" { Err(Failure::Unwell) } else { Ok(()) }
            }
            What::Trace { user, json } => {
                client.follow(&format!("/v1/users/{}/trace", part(&user)), |line| {
                    let line = if json { line.to_string() } else { traced(line) };
                    let mut out = std::io::stdout();
                    // A reader that is gone ends it.
                    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
                })
            }
            What::Resync { user } => {
                let path = format!("/v1/users/{}/resync", part(&user));
                let told = client.ask(Method::POST, &path, Bytes::new())?;
                let id = told["user"].as_str().unwrap_or("?");
                println!("{id} is read anew, and all of it is sent again: calway user trace {id}");
                Ok(())
            }
        }
    }
}

fn list(client: &Client, state: Option<&str>, json: bool) -> Result<(), Failure> {
    let mut after: Option<String> = None;
    let mut first = true;
    loop {
        let state = state.map(|state| format!("state={}&", part(state))).unwrap_or_default();
        let after_part = after.map(|user| format!("after={}&", part(&user))).unwrap_or_default();
        let answer = client.get(&format!("/v1/users?{state}{after_part}limit=1000"))?;
        let users = answer["users"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut rows = Vec::new();
        if std::mem::take(&mut first) && !json {
            rows.push(["user", "state", "for", "calendar"].map(str::to_owned).to_vec());
        }
        for user in users {
            if json {
                println!("{user}");
                continue;
            }
            let text = |name: &str| user[name].as_str().unwrap_or("?").to_owned();
            let age = page::between(&user["since"], &answer["time"]).map(page::time);
            rows.push(vec![text("user"), text("state"), age.unwrap_or_default(), text("calendar")]);
        }
        print!("{}", page::table(&rows, 4));
        match answer["next"].as_str() {
            Some(last) => after = Some(last.to_owned()),
            None => return Ok(()),
        }
    }
}

/// A time of the day, and how long ago or ahead it is.
fn moment(time: &Value, now: &Value) -> String {
    let text = time.as_str().unwrap_or("?");
    match (page::between(time, now), page::between(now, time)) {
        (Some(ago), _) => format!("{text} ({} ago)", page::time(ago)),
        (_, Some(ahead)) => format!("{text} (in {})", page::time(ahead)),
        _ => text.to_owned(),
    }
}

fn shown(story: &Value) -> String {
    let now = &story["time"];
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let mut out = String::new();
    let age = page::between(&story["since"], now).map(page::time).unwrap_or_default();
    let (user, state) = (text(&story["user"]), text(&story["state"]));
    let code = match state.as_str() {
        "streaming" => "1;32",
        "failing" => "1;31",
        _ => "1;33",
    };
    let (user, state) = (page::ink("1", &user), page::ink(code, &state));
    let _ = writeln!(out, "{user} in {}: {state}, for {age}\n", text(&story["calendar"]));
    let begun = page::between(&story["started"], now);
    let begun = begun.map(|ago| format!(" ({} ago)", page::time(ago))).unwrap_or_default();
    let since = |time: &Value| match time.is_null() {
        true => format!("not since the start{begun}"),
        false => moment(time, now),
    };
    let mut line = |name: &str, what: &str| {
        let _ = writeln!(out, "{name:<13} {what}");
    };
    line("server", story["server"].as_str().unwrap_or("not known yet"));
    line("changes", &ear(story));
    line("last event", &since(&story["last_event"]));
    line("last reading", &since(&story["last_reading"]));
    line("last record", &since(&story["last_record"]));
    for (name, what) in store(&story["store"], now) {
        line(name, &what);
    }
    if story["window_cut"] == true {
        line("window", "not all of it is relayed: it holds too many meetings (window-cut)");
    }
    match (&story["trouble"], &story["last_fault"]) {
        (Value::Null, Value::Null) => line("last error", &format!("none since the start{begun}")),
        (Value::Null, fault) => {
            let when = moment(&fault["at"], now);
            line("last error", &format!("{} at {when}; it is well again", text(&fault["cause"])));
        }
        (trouble, fault) => {
            let times = trouble["times"].as_u64().unwrap_or(0);
            let times = page::count(times, "time");
            let when = moment(&fault["at"], now);
            let cause = text(&trouble["cause"]);
            line("last error", &format!("{cause}, {times} in a row, last at {when}"));
        }
    }
    for (at, next) in story["next"].as_array().into_iter().flatten().enumerate() {
        line(if at == 0 { "next" } else { "" }, &upcoming(next, now));
    }
    if !story["trouble"].is_null() {
        let trouble = &story["trouble"];
        let _ = writeln!(out, "\nWhat to do ({}):", text(&trouble["condition"]));
        out += &page::wrapped(trouble["hint"].as_str().unwrap_or_default(), 4, page::width());
        out += &page::wrapped(trouble["remedy"].as_str().unwrap_or_default(), 4, page::width());
    }
    out
}

fn ear(story: &Value) -> String {
    let stream = &story["stream"];
    match (stream["mailboxes"].as_u64(), story["streams_refuse_it"] == true) {
        (Some(1), _) => "a stream of its own".into(),
        (Some(others), _) => format!("a stream that {} mailboxes share", page::number(others)),
        (None, true) => "polled: streams refuse it again and again".into(),
        (None, false) => "polled".into(),
    }
}

fn store(store: &Value, now: &Value) -> Vec<(&'static str, String)> {
    if let Some(why) = store["unknown"].as_str() {
        return vec![("store", why.to_owned())];
    }
    let number = |name: &str| store[name].as_u64().unwrap_or(0);
    let mut lines = Vec::new();
    let records = page::count(number("records"), "record");
    let sequence = number("sequence");
    let again = match store["all_is_sent_again"] == true {
        true => "; all of them are to be sent again",
        false => "",
    };
    lines.push(("records", format!("{records}, up to sequence {sequence}{again}")));
    let waiting = page::count(number("waiting"), "event");
    let oldest = page::between(&store["oldest"], now);
    let oldest = oldest.map(|age| format!(", the oldest for {}", page::time(age)));
    let aside = number("set_aside");
    lines.push((
        "outbox",
        format!("{waiting} waiting{}; {aside} set aside", oldest.unwrap_or_default()),
    ));
    lines.push(("errands", format!("{} waiting", number("errands"))));
    let day = |value: &Value| value.as_str().and_then(|text| text.get(..10)).map(str::to_owned);
    let window = day(&store["window"]["from"]).zip(day(&store["window"]["to"]));
    lines.push(match window {
        Some((from, to)) => ("window", format!("{from} to {to}")),
        None => ("window", "not read yet".into()),
    });
    lines.push(("key", day(&store["key_of"]).map_or("none yet".into(), |day| format!("of {day}"))));
    lines
}

fn upcoming(next: &Value, now: &Value) -> String {
    let at = next["at"].as_str().map(|_| moment(&next["at"], now)).unwrap_or_default();
    match next["what"].as_str().unwrap_or_default() {
        "reading" => "it is being read".into(),
        "reading-waits-for-place" => "it is being read, and waits for a place at its server".into(),
        "turn" => "it is read as soon as its server has a place".into(),
        "turn-in-backlog" => {
            "it is read when its turn comes, after those that Exchange rang for".into()
        }
        "directory" if at.is_empty() => "the directory is asked where it is".into(),
        "directory" => format!("the directory is asked again at {at}"),
        "read" => format!("it is read at {at}"),
        "listen" => format!("a stream is tried again at {at}"),
        "server-rests" => format!("its server is asked nothing before {at}"),
        "sign-in" => format!("sign-in is tried again at {at}, or when the secret changes"),
        "ring" => "it is read when Exchange rings, and listed at midnight".into(),
        other => format!("{other} {at}"),
    }
}

/// For people: the time of day, what happened, and what belongs to it.
fn traced(line: &Value) -> String {
    let time = line["time"].as_str().unwrap_or_default();
    let time = time.split_once('T').map_or(time, |(_, time)| time.trim_end_matches('Z'));
    if let Some(dropped) = line["dropped"].as_u64() {
        return format!(
            "{time:<12}  ({} lost: this reader is too slow)",
            page::count(dropped, "line")
        );
    }
    let what = line["what"].as_str().unwrap_or("?");
    let fields = line.as_object().into_iter().flatten();
    let told = ["time", "what", "condition", "severity", "calendar"];
    let fields = fields.filter(|(name, _)| !told.contains(&name.as_str()));
    let fields = fields.map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name} {text}"),
        None => format!("{name} {value}"),
    });
    let fields = fields.collect::<Vec<_>>().join(", ");
    format!("{time:<12}  {what}{}{fields}", if fields.is_empty() { "" } else { ": " })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_story_of_a_mailbox_that_fails_ends_with_what_to_do() {
        let story = json!({
            "time": "2026-11-22T02:27:00Z", "user": "u-7", "calendar": "hq", "state": "failing",
            "since": "2026-11-22T02:13:00Z", "server": "1a2b3c4d", "stream": null,
            "last_reading": "2026-11-22T02:10:00Z",
            "trouble": {"condition": "mailbox-failing", "cause": "ErrorNonExistentMailbox",
                "times": 3, "hint": "there is no such mailbox", "remedy": "Check it."},
            "last_fault": {"cause": "ErrorNonExistentMailbox", "at": "2026-11-22T02:26:00Z"},
            "next": [{"what": "read", "at": "2026-11-22T02:40:00Z"}],
            "store": {"records": 12, "sequence": 99, "waiting": 0, "set_aside": 0, "errands": 0},
        });
        let shown = shown(&story);
        for line in [
            "u-7 in hq: failing, for 14 min",
            "last event    not since the start",
            "last reading  2026-11-22T02:10:00Z (17 min ago)",
            "last error    ErrorNonExistentMailbox, 3 times in a row, last at \
             2026-11-22T02:26:00Z (1 min ago)",
            "next          it is read at 2026-11-22T02:40:00Z (in 13 min)",
            "What to do (mailbox-failing):",
            "    there is no such mailbox",
        ] {
            assert!(shown.lines().any(|one| one == line), "{line}\n{shown}");
        }
    }

    #[test]
    fn a_traced_line_is_short_and_a_loss_is_told() {
        let line = json!({"time": "2026-11-22T02:27:00.123Z", "what": "Exchange is asked for items",
            "items": 7, "ms": 12, "answer": "well"});
        assert_eq!(
            traced(&line),
            "02:27:00.123  Exchange is asked for items: answer well, items 7, ms 12"
        );
        let lost = json!({"time": "2026-11-22T02:27:00.123Z", "dropped": 1});
        assert_eq!(traced(&lost), "02:27:00.123  (1 line lost: this reader is too slow)");
    }
}
