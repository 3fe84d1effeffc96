//! Everything a connector needs to be started against the lab: an Exchange, a cloud with its key
//! server, and on disk a configuration, CA files and a folder of systemd-like credentials.
//!
//! It writes what an administrator would write, and starts whatever program it is given.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::process::Command;

use crate::cloud::{self, Cloud};
use crate::exchange::{self, Exchange, Sensitivity};
use crate::tls::Authority;

/// How a stage is set up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The Exchange server.
    pub exchange: exchange::Options,
    /// The cloud and its key server.
    pub cloud: cloud::Options,
    /// Ways to sign in at Exchange, as the configuration names them; empty: its default.
    pub auth: Vec<String>,
    /// How often unheard mailboxes are polled, in seconds; absent: the default.
    pub poll_seconds: Option<u64>,
    /// How often somebody is asked whether they are out of office; the connector's default
    /// without.
    pub presence_seconds: Option<u64>,
    /// The configuration names no server: Autodiscover does.
    pub find_servers: bool,
    /// What is logged, as the configuration names it; absent: the default.
    pub log: Option<String>,
}

/// A stage that is set up.
pub struct Stage {
    /// The Exchange server.
    pub exchange: Exchange,
    /// The cloud and its key server.
    pub cloud: Cloud,
    folder: PathBuf,
}

impl Stage {
    /// Starts the lab and writes the files into the folder, which is made.
    ///
    /// # Errors
    /// If a listener cannot be opened or a file not be written.
    pub async fn start(folder: &Path, mut options: Options) -> io::Result<Self> {
        let authority = Arc::new(Authority::new());
        options.exchange.authority.get_or_insert_with(|| authority.clone());
        options.cloud.authority.get_or_insert_with(|| authority.clone());
        let exchange = Exchange::start(options.exchange.clone()).await?;
        let cloud = Cloud::start(options.cloud.clone()).await?;
        let stage = Self { exchange, cloud, folder: folder.to_path_buf() };
        stage.write(&options)?;
        Ok(stage)
    }

    fn write(&self, options: &Options) -> io::Result<()> {
        let credentials = self.credentials();
        std::fs::create_dir_all(&credentials)?;
        let file = |name: &str, text: &str| std::fs::write(self.folder.join(name), text);
        file("exchange-ca.pem", &self.exchange.ca_pem())?;
        file("cloud-ca.pem", &self.cloud.ca_pem())?;
        file("kms-anchor.pem", &self.cloud.kms().anchor_pem())?;
        let (client_id, client_secret) = self.cloud.credentials();
        let secret = |name: &str, text: &str| std::fs::write(credentials.join(name), text);
        secret("calendar.hq.password", &options.exchange.password)?;
        secret("cloud.client_secret", &client_secret)?;
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key).map_err(|_| io::Error::other("no randomness"))?;
        secret("store.key", &URL_SAFE_NO_PAD.encode(key))?;
        file("calway.toml", &self.configuration(options, &client_id))
    }

    fn configuration(&self, options: &Options, client_id: &str) -> String {
        let path = |name: &str| toml(&self.folder.join(name).to_string_lossy());
        let mut text = String::new();
        if let Some(log) = &options.log {
            text += &format!("log = {}\n", toml(log));
        }
        if let Some(seconds) = options.poll_seconds {
            text += &format!("poll_seconds = {seconds}\n");
        }
        if let Some(seconds) = options.presence_seconds {
            text += &format!("presence_seconds = {seconds}\n");
        }
        text += &format!(
            "[[calendar]]\nname = \"hq\"\nkind = \"ews\"\naccount = {}\n{}\n\
             autodiscover = {}\nca_file = {}\nsystem_trust = false\n",
            toml(&options.exchange.account),
            match options.find_servers {
                true => format!(
                    "discover = {{ domains = [{}], srv = false }}",
                    toml(&options.exchange.domain)
                ),
                false => format!("url = {}", toml(&self.exchange.url())),
            },
            toml(&format!("{}/autodiscover/autodiscover.svc", self.exchange.origin())),
            path("exchange-ca.pem"),
        );
        if !options.auth.is_empty() {
            let ways: Vec<_> = options.auth.iter().map(|way| toml(way)).collect();
            text += &format!("auth = [{}]\n", ways.join(", "));
        }
        text += &format!(
            "\n[cloud]\nurl = {}\nconnector = {}\nauth = {{ kind = \"oauth\", client_id = {} }}\n\
             ca_file = {}\nsystem_trust = false\n\n[kms]\nurl = {}\nanchors_file = {}\n\n\
             [admin]\nsocket = {}\n\n[store]\npath = {}\n",
            toml(&self.cloud.url()),
            toml(&self.cloud.connector_id()),
            toml(client_id),
            path("cloud-ca.pem"),
            toml(&self.cloud.kms().url()),
            path("kms-anchor.pem"),
            path("admin.sock"),
            path("calway.db"),
        );
        text
    }

    /// The configuration's file.
    pub fn config(&self) -> PathBuf {
        self.folder.join("calway.toml")
    }

    /// The folder of secrets, as systemd would hand it over.
    pub fn credentials(&self) -> PathBuf {
        self.folder.join("credentials")
    }

    /// The folder of everything.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The command that runs the connector; it is killed when dropped.
    pub fn connector(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .arg("run")
            .arg("--config")
            .arg(self.config())
            .env("CREDENTIALS_DIRECTORY", self.credentials())
            .env_remove("NOTIFY_SOCKET")
            .env_remove("JOURNAL_STREAM")
            .kill_on_drop(true);
        command
    }
}

/// A TOML basic string.
fn toml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// How the cloud compares with the calendar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Meetings that the window shows.
    pub expected: usize,
    /// Meetings that their users opened, wholly.
    pub opened: usize,
    /// Meetings of the calendar that a user does not see as they are.
    pub lost: Vec<String>,
    /// What a user sees and the calendar does not have, or twice.
    pub extra: Vec<String>,
}

impl Tally {
    /// Whether the cloud holds exactly the calendar.
    pub fn is_exact(&self) -> bool {
        self.lost.is_empty() && self.extra.is_empty() && self.opened == self.expected
    }
}

impl Stage {
    /// Lets each user open what the cloud has for them, and compares it with what their mailbox
    /// shows between two times (the window: `from` and `to` in milliseconds).
    ///
    /// # Errors
    /// If a user's app cannot reach the cloud or the key server.
    pub async fn tally(
        &self,
        people: &[(&str, &str)],
        from: i64,
        to: i64,
    ) -> Result<Tally, String> {
        let mut tally = Tally::default();
        for (user, address) in people {
            let mut shown: Vec<String> = self
                .exchange
                .calendars()
                .view(address, from, to)
                .iter()
                .filter(|shown| !shown.cancelled)
                .map(expected)
                .collect();
            tally.expected += shown.len();
            for meeting in self.cloud.person(user).meetings().await? {
                let seen = seen(&meeting);
                tally.opened += usize::from(meeting.unreadable.is_empty());
                match shown.iter().position(|one| *one == seen) {
                    Some(at) => drop(shown.swap_remove(at)),
                    None => tally.extra.push(format!("{user}: {seen}")),
                }
            }
            tally.lost.extend(shown.into_iter().map(|one| format!("{user}: {one}")));
        }
        Ok(tally)
    }
}

/// What is to be seen of a meeting; of a private one no more than when it is.
fn expected(shown: &exchange::service::Shown) -> String {
    let mut shown = shown.clone();
    if matches!(shown.sensitivity, Sensitivity::Private | Sensitivity::Confidential) {
        shown.attendees.clear();
        for words in [&mut shown.subject, &mut shown.location, &mut shown.body] {
            words.clear();
        }
    }
    let mut people: Vec<_> = shown
        .attendees
        .iter()
        .map(|a| format!("{}<{}>{}", a.name, a.address.to_lowercase(), response(a.response)))
        .collect();
    people.sort();
    let start = jiff::Timestamp::from_millisecond(shown.start_ms).unwrap_or_default();
    format!(
        "{start} {} min {:?} at {:?}, {}, recurring {}, {:?}, notes {:?}",
        (shown.end_ms - shown.start_ms) / 60_000,
        shown.subject,
        shown.location,
        people.join(" "),
        shown.recurring,
        shown.sensitivity,
        notes(&shown),
    )
}

fn seen(meeting: &crate::people::Opened) -> String {
    let mut people: Vec<_> = meeting
        .participants
        .iter()
        .map(|a| format!("{}<{}>{}", a.name, a.address.to_lowercase(), a.response))
        .collect();
    people.sort();
    let mut sensitivity = meeting.sensitivity.to_lowercase();
    if let Some(first) = sensitivity.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    format!(
        "{} {} min {:?} at {:?}, {}, recurring {}, {}, notes {:?}",
        meeting.start,
        meeting.minutes,
        meeting.subject,
        meeting.location,
        people.join(" "),
        meeting.recurring,
        sensitivity,
        words(&meeting.notes),
    )
}

fn notes(shown: &exchange::service::Shown) -> String {
    match shown.body_html {
        true => words(&exchange::service::text_of_page(&shown.body)),
        false => words(&shown.body),
    }
}

/// What a text says: how lines are turned, items marked and links shown is its writer's business.
fn words(text: &str) -> String {
    let words = text.split_whitespace().filter(|word| *word != "-" && !word.starts_with('<'));
    words.collect::<Vec<_>>().join(" ")
}

fn response(response: exchange::Response) -> &'static str {
    match response {
        exchange::Response::Unknown => "UNKNOWN_RESPONSE",
        exchange::Response::Organizer => "ORGANIZER",
        exchange::Response::Tentative => "TENTATIVE",
        exchange::Response::Accept => "ACCEPTED",
        exchange::Response::Decline => "DECLINED",
        exchange::Response::NoResponseReceived => "NO_RESPONSE",
    }
}
