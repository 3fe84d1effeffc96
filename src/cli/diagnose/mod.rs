//! `calway diagnose`: what helps to find a fault, in one file that may be given away.

mod journal;
mod system;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::admin::{Client, Place};
use super::{Failure, page};
use crate::config::{self, redact};
use crate::observe::condition;
use crate::observe::scrub::Scrub;

/// Pack what helps to find a fault into one file, without anything personal.
///
/// Packs status, open conditions, the configuration in force, our lines of the journal, and facts
/// of the system into a .tar.gz that only you can read. Accounts, addresses, names, words of
/// meetings and secrets are not in it, host names only with --with-hosts. It is made also while
/// the service does not run. Look into it before you give it away: it is text.
#[derive(Args, Debug)]
pub(super) struct Diagnose {
    /// The file to write; it must not be there. Without: calway-diagnose-<time>.tar.gz, here.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Let the names of hosts stay that the configuration names.
    #[arg(long)]
    with_hosts: bool,
    /// How many lines of the journal at most, the newest.
    #[arg(long, value_name = "N", default_value_t = 5_000)]
    lines: u32,
    #[command(flatten)]
    place: Place,
}

/// What stands in the file, by name.
type Parts = Vec<(&'static str, String)>;

const READ_ME: &str = "\
What helps to find a fault of calway.

version.json        which program this is
system.json         kernel, distribution, systemd, the unit's state, clock, memory, disk
configuration.json  every value in force and where it came from; texts are taken out
status.json         as calway status --json
failing.json        the stories of mailboxes that fail, as calway user show --json
limits.json         the limits that the system sets the service
conditions.json     the conditions that stand open
journal.json        our unit's lines of the journal: times, conditions, codes, no sentences

Taken out, and shown as […]: whatever is not a plain word, a small number, a code, a time, or a name
that the cloud or the configuration gave. Users appear by the cloud's ids.
";

impl Diagnose {
    pub(super) fn run(self) -> Result<(), Failure> {
        let client = self.place.client()?;
        let settings = config::read(self.place.config());
        let mut scrub = Scrub::default();
        match &settings {
            Ok(settings) => scrub.hidden = redact::words(settings),
            Err(_) => {
                let text = std::fs::read_to_string(self.place.config()).unwrap_or_default();
                scrub.hidden = redact::quoted_words(&text);
            }
        }
        if let (Ok(settings), true) = (&settings, self.with_hosts) {
            scrub.hosts = redact::hosts(settings);
        }
        let store = settings.as_ref().ok().map(|settings| settings.store.clone());
        let mut parts: Parts = vec![("read-me.txt", READ_ME.to_owned())];
        parts.push(("version.json", pretty(&version())));
        parts.push(("system.json", pretty(&system::facts(&client, store.as_deref()))));
        let configuration = match &settings {
            Ok(settings) => redact::redacted(settings, self.with_hosts),
            // What is wrong may name what stands there.
            Err(wrong) => mistakes(&wrong.to_string()),
        };
        parts.push(("configuration.json", pretty(&configuration)));
        let reached = state(&client, &scrub, &mut parts)?;
        let journal = journal::lines(&client, self.lines, &scrub);
        parts.push(("journal.json", journal));
        let path = self.output.unwrap_or_else(|| PathBuf::from(file_name()));
        pack(&path, &parts)
            .map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))?;
        tell(&path, &parts);
        if !reached {
            eprintln!("calway: the service does not answer: what it knows is not in the file");
        }
        Ok(())
    }
}

/// How many mistakes a configuration has, and the places of those that keep it from being read.
fn mistakes(wrong: &str) -> Value {
    let places = wrong.lines().filter_map(|line| {
        let (_, place) = line.split_once(" at line ")?;
        let end = place.find(|c: char| !(c.is_ascii_digit() || ", column".contains(c)));
        let place = end.and_then(|end| place.get(..end)).unwrap_or(place);
        Some(format!("line {}", place.trim_end_matches(|c: char| !c.is_ascii_digit())))
    });
    json!({"mistakes": wrong.lines().count(), "at": places.collect::<Vec<_>>(),
        "see": "calway check"})
}

/// What the daemon says; whether it does. One that does not let this user ask is told.
fn state(client: &Client, scrub: &Scrub, parts: &mut Parts) -> Result<bool, Failure> {
    let told = match client.get("/v1/diagnose") {
        Ok(told) => told,
        Err(Failure::NotAllowed(why)) => return Err(Failure::NotAllowed(why)),
        Err(_) => {
            parts.push(("status.json", pretty(&json!({"reached": false}))));
            return Ok(false);
        }
    };
    let told = scrub.value(&told);
    parts.push(("status.json", pretty(&told["status"])));
    parts.push(("failing.json", pretty(&told["failing"])));
    parts.push(("limits.json", pretty(&told["limits"])));
    parts.push(("conditions.json", pretty(&told["status"]["conditions"])));
    Ok(true)
}

fn version() -> Value {
    json!({
        "calway": env!("CARGO_PKG_VERSION"),
        "kerberos": cfg!(feature = "kerberos"),
        "demo": cfg!(feature = "demo"),
        "architecture": std::env::consts::ARCH,
        "conditions_known": condition::ALL.len(),
    })
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

fn file_name() -> String {
    let now = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    format!("calway-diagnose-{now}.tar.gz")
}

/// Writes a new file that only its owner can read; an old one, or a link, is left alone.
fn pack(path: &Path, parts: &Parts) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let written = write(&file, parts).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a file is of no use to anybody.
        let _ = std::fs::remove_file(path);
    }
    written
}

fn write(file: &File, parts: &Parts) -> std::io::Result<()> {
    let mut tar = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0);
    for (name, text) in parts {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(now);
        tar.append_data(&mut header, format!("calway-diagnose/{name}"), text.as_bytes())?;
    }
    tar.into_inner()?.finish()?.flush()
}

fn tell(path: &Path, parts: &Parts) {
    let rows =
        parts.iter().map(|(name, text)| vec![format!("  {name}"), page::bytes(text.len() as u64)]);
    print!("{}", page::table(&rows.collect::<Vec<_>>(), 1));
    println!("\nwritten to {}\nLook into it before you give it away.", path.display());
}
