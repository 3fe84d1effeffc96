//! `calway secret list`: names, places and times; never a value.

use std::time::SystemTime;

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Desk;
use super::set::forget_previous;
use crate::cli::Failure;
use crate::config::secrets::{Kind, PREVIOUS, Place};

/// Which secrets there are, and which the configuration needs. Of one that has worked meanwhile the
/// one before, which was kept for that, is taken away.
#[derive(Args, Debug)]
pub(super) struct List {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

struct Line {
    name: String,
    place: Option<(Kind, String)>,
    since: Option<SystemTime>,
    needed: bool,
    previous: bool,
}

impl List {
    pub(super) fn run(self, desk: &Desk) -> Result<(), Failure> {
        let mut lines = lines(desk)?;
        tidy(desk, &mut lines);
        if self.json {
            for line in &lines {
                println!("{}", line.json());
            }
            return Ok(());
        }
        if lines.is_empty() {
            println!("There are none, and no configuration that needs some: calway setup");
            return Ok(());
        }
        let wide = lines.iter().map(|line| line.name.len()).max().unwrap_or_default();
        for line in &lines {
            println!("{}", line.words(wide));
        }
        Ok(())
    }
}

fn lines(desk: &Desk) -> Result<Vec<Line>, Failure> {
    let needed = desk.needed()?.unwrap_or_default();
    let mut names: Vec<String> = needed.iter().map(|one| one.name.clone()).collect();
    let kinds = match desk.store {
        Some(store) => vec![Kind::from(store)],
        None => vec![Kind::Systemd, Kind::Keyutils, Kind::SecretService],
    };
    let open = kinds.into_iter().filter_map(|kind| Place::open(kind, &desk.root, None).ok());
    let places: Vec<Place> = open.collect();
    for place in places.iter().filter(|place| place.kind() == Kind::Systemd) {
        let folder = place.files().file("");
        let told = |error| Failure::Failed(format!("{}: {error}", folder.display()));
        for name in place.files().names().map_err(told)? {
            let name = name.strip_suffix(PREVIOUS).unwrap_or(&name).to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let line = |name: String| {
        let has = |name: &str| places.iter().find(|place| place.has(name).unwrap_or_default());
        let (place, previous) = (has(&name), has(&format!("{name}{PREVIOUS}")).is_some());
        Line {
            place: place.map(|place| (place.kind(), place.says(&name))),
            since: place.and_then(|place| place.since(&name)),
            needed: needed.iter().any(|one| one.name == name),
            previous,
            name,
        }
    };
    Ok(names.into_iter().map(line).collect())
}

/// Whether the running connector has seen the one that is stored work.
pub(super) fn settled(desk: &Desk, place: &Place, name: &str) -> bool {
    if !desk.socket().exists() {
        return false;
    }
    let known = desk.daemon().and_then(|daemon| daemon.get("/v1/secrets"));
    known.is_ok_and(|known| works(&known, name, place.since(name)))
}

/// Whether it has worked since it was written, by what the running connector knows.
fn works(known: &Value, name: &str, since: Option<SystemTime>) -> bool {
    let all = known["secrets"].as_array().map_or(&[][..], Vec::as_slice);
    let one = all.iter().find(|one| one["name"] == name);
    let settled = one.and_then(|one| one["settled"].as_str()?.parse::<Timestamp>().ok());
    let written = since.and_then(|at| Timestamp::try_from(at).ok());
    settled.zip(written).is_some_and(|(at, since)| at > since)
}

/// The running connector knows which of them have worked since they were written.
fn tidy(desk: &Desk, lines: &mut [Line]) {
    if !lines.iter().any(|line| line.previous) {
        return;
    }
    let Ok(place) = desk.place(None) else { return };
    let Ok(answer) = desk.daemon().and_then(|daemon| daemon.get("/v1/secrets")) else { return };
    let mut tidied = false;
    for line in lines.iter_mut().filter(|line| line.previous) {
        if works(&answer, &line.name, line.since)
            && forget_previous(&place, &line.name).is_ok_and(|gone| gone)
        {
            line.previous = false;
            tidied = true;
        }
    }
    if tidied {
        let _ = desk.tell_service(&place);
    }
}

impl Line {
    fn json(&self) -> Value {
        let store = self.place.as_ref().map(|(kind, _)| match kind {
            Kind::Systemd => "systemd",
            Kind::Keyutils => "keyutils",
            Kind::SecretService => "secret-service",
        });
        let since = self.since.and_then(|at| Timestamp::try_from(at).ok());
        json!({
            "name": self.name,
            "store": store,
            "where": self.place.as_ref().map(|(_, place)| place),
            "since": since.map(|at| format!("{at:.0}")),
            "needed": self.needed,
            "missing": self.needed && self.place.is_none(),
            "previous": self.previous,
        })
    }

    fn words(&self, wide: usize) -> String {
        let name = &self.name;
        let Some((_, place)) = &self.place else {
            let verb = if name == "store.key" { "generate" } else { "set" };
            return format!("{name:wide$}  MISSING: calway secret {verb} {name}");
        };
        let since = self.since.and_then(|at| Timestamp::try_from(at).ok());
        let since = since.map(|at| at.to_zoned(jiff::tz::TimeZone::system()));
        let since = since.map(|at| format!(", since {}", at.strftime("%Y-%m-%d %H:%M")));
        let mut words = format!("{name:wide$}  {place}{}", since.unwrap_or_default());
        if !self.needed {
            words += " (the configuration does not need it)";
        }
        if self.previous {
            words += "; the one before it is kept until this one has worked";
        }
        words
    }
}
