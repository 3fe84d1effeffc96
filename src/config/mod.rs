//! The configuration: as written, merged, validated. After that nothing is optional without meaning
//! and nobody checks again.
//!
//! `calway.toml` and beside it `calway.d/*.toml` in the order of their names; a later file's value
//! takes the place of an earlier one's. An unknown key or a wrong value is an error that names the
//! file and the key and says what is allowed.

mod admin;
mod connection;
mod decorate;
mod discover;
pub mod draft;
pub mod explain;
pub mod file;
mod join;
mod metrics;
mod place;
mod records;
pub mod redact;
pub mod reference;
pub mod secrets;
mod written;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::config as layered;
use http::Uri;

pub use self::admin::{AdminSettings, SOCKET};
pub use self::metrics::MetricsListen;
use self::written::{Written, WrittenCalendar, WrittenCloudAuth};
use crate::calendar::ews;
use crate::cloud;
use crate::model::{Address, CalendarName, Span};
use crate::net::proxy::Proxy;
use crate::net::tls::Trust;
use crate::observe::journal;
use crate::pipeline::decorate::OwnTexts;
use crate::pipeline::join::Rules;
use crate::pipeline::keyword::Keywords;
use crate::pipeline::limits;
use crate::pipeline::showing::Showing;
use crate::pipeline::window::Reach;

/// Everything that the daemon is told, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The calendars, one at least; names differ.
    pub calendars: Vec<CalendarSettings>,
    /// The cloud.
    pub cloud: cloud::Options,
    /// The key server.
    pub kms: KmsSettings,
    /// The window.
    pub reach: Reach,
    /// What of meetings is shown.
    pub showing: Arc<Showing>,
    /// What organisers write into a place to get join details.
    pub keywords: Arc<Keywords>,
    /// The organisation's words around join details, and its language.
    pub texts: Arc<OwnTexts>,
    /// How often an unheard mailbox is polled.
    pub poll: Span,
    /// How often each user is asked whether they are out of office.
    pub presence: Span,
    /// Where the store lies.
    pub store: PathBuf,
    /// What the journal holds.
    pub log: String,
    /// The file that it was read from.
    pub file: PathBuf,
    /// Each value, and where it came from.
    pub lines: Vec<explain::Line>,
    /// The admin socket.
    pub admin: AdminSettings,
    /// Where Prometheus may ask.
    pub metrics: Option<MetricsListen>,
}

/// One `[[calendar]]`.
#[derive(Clone, Debug)]
pub struct CalendarSettings {
    /// Its mailboxes' domains, lower case; empty: all that no other calendar names.
    pub domains: BTreeSet<String>,
    /// The account's keys for Kerberos, where it signs in by those and not by its password.
    pub keytab: Option<PathBuf>,
    /// Mailboxes that `calway check` tries our rights with, one of each domain.
    pub test_mailboxes: Vec<Arc<Address>>,
    /// Rooms in which `calway check` looks for what is left of invitations.
    pub test_rooms: Vec<Arc<Address>>,
    /// The provider's own part.
    pub ews: ews::Options,
}

/// `[kms]`.
#[derive(Clone, Debug)]
pub struct KmsSettings {
    /// Where messages are carried to; `/kms/…` is appended.
    pub url: Uri,
    /// PEM text of the authorities that may sign the key server's certificate.
    pub anchors: Vec<u8>,
    /// Where that text stands.
    pub anchors_file: PathBuf,
    /// Whose TLS certificates are accepted on the way.
    pub trust: Trust,
    /// The way through a proxy.
    pub proxy: Option<Proxy>,
}

/// What is wrong with the configuration: one sentence a mistake, each with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(Vec<String>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for Mistakes {}

/// Reads a file and its drop-ins.
///
/// # Errors
/// All mistakes that were found.
pub fn read(file: &Path) -> Result<Settings, Mistakes> {
    let texts = texts(file)?;
    let settings = validate(merge(file, &texts)?);
    let mut settings = settings.map_err(|mistakes| placed(file, &texts, &mistakes))?;
    settings.lines = explain::lines(&texts, &settings);
    settings.file = file.to_path_buf();
    Ok(settings)
}

/// The calendars alone, and where the store lies: for whoever looks at one thing at a time, before
/// the rest is configured.
///
/// # Errors
/// All mistakes that were found in them.
pub fn read_calendars(file: &Path) -> Result<(Vec<CalendarSettings>, PathBuf), Mistakes> {
    let texts = texts(file)?;
    let written = merge(file, &texts)?;
    let mut wrong = Vec::new();
    let found = calendars(&written, &mut wrong);
    if !wrong.is_empty() {
        return Err(placed(file, &texts, &wrong));
    }
    Ok((found, store_path(&written)))
}

/// What finds the address to join alone, before the rest is configured.
///
/// # Errors
/// All mistakes that were found in it.
pub fn read_join(file: &Path) -> Result<Rules, Mistakes> {
    let mut wrong = Vec::new();
    let texts = texts(file)?;
    let rules = join::rules(&merge(file, &texts)?.join, &mut wrong);
    if wrong.is_empty() { Ok(rules) } else { Err(placed(file, &texts, &wrong)) }
}

/// Where the admin socket of the daemon is that this configuration is for. Who may look at the
/// daemon need not be allowed to read its configuration: then it is where it usually is.
pub fn admin_socket(file: &Path) -> PathBuf {
    let written = merged(file).ok();
    written.and_then(|written| written.admin.socket).unwrap_or_else(|| SOCKET.into())
}

fn placed(file: &Path, texts: &[(PathBuf, String)], mistakes: &[String]) -> Mistakes {
    Mistakes(mistakes.iter().map(|why| place::told(texts, file, why)).collect())
}

fn store_path(written: &Written) -> PathBuf {
    let path = written.store.path.clone();
    path.unwrap_or_else(|| "/var/lib/calway/calway.db".into())
}

/// As written, one file over the other.
fn merged(file: &Path) -> Result<Written, Mistakes> {
    merge(file, &texts(file)?)
}

/// The file and its drop-ins.
fn texts(file: &Path) -> Result<Vec<(PathBuf, String)>, Mistakes> {
    let mut files = vec![file.to_path_buf()];
    files.extend(drop_ins(file)?);
    let read = |path: PathBuf| match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(error) => Err(Mistakes(vec![file::unread(&path, &error)])),
    };
    files.into_iter().map(read).collect()
}

fn merge(file: &Path, texts: &[(PathBuf, String)]) -> Result<Written, Mistakes> {
    let mut builder = layered::Config::builder();
    let mut mistakes = Vec::new();
    for (path, text) in texts {
        // Each file alone first, so that a mistake is told with the file that it stands in.
        if let Err(why) = parse(text) {
            mistakes.push(format!("{}: {why}", path.display()));
        }
        builder = builder.add_source(layered::File::from_str(text, layered::FileFormat::Toml));
    }
    if !mistakes.is_empty() {
        return Err(Mistakes(mistakes));
    }
    builder
        .build()
        .and_then(layered::Config::try_deserialize)
        .map_err(|error| Mistakes(vec![format!("{}: {error}", file.display())]))
}

/// One text alone: whether its keys are known and their values of the right kind.
///
/// # Errors
/// The mistake, with its key.
pub fn parse(text: &str) -> Result<(), String> {
    let file = layered::File::from_str(text, layered::FileFormat::Toml);
    let keys = layered::Source::collect(&file).map_err(|error| told(&error))?;
    // Merging takes `a[9]` for a place in a list and makes room up to it, whatever the number.
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if let Some(key) = keys.keys().find(|key| !key.chars().all(plain)) {
        let why = format!("unknown field `{key}`");
        let line = place::line_of_refusal(text, &why);
        return Err(line.map_or(why.clone(), |line| format!("{why} (line {line})")));
    }
    layered::Config::builder()
        .add_source(file)
        .build()
        .and_then(layered::Config::try_deserialize::<Written>)
        .map(|_| ())
        .map_err(|error| {
            let why = told(&error);
            match place::line_of_refusal(text, &why) {
                Some(line) => format!("{why} (line {line})"),
                None => why,
            }
        })
}

/// What is wrong, and where, without what stands there: it may be a secret in a wrong place, and
/// mistakes go to the journal.
fn told(error: &layered::ConfigError) -> String {
    let whole = error.to_string();
    let shows = |line: &&str| {
        // `4 | password = …`, and the marks below it.
        let rest = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
        !rest.trim_start().starts_with('|')
    };
    let lines: Vec<_> = whole.lines().filter(shows).map(str::trim).collect();
    let words = lines.iter().filter(|line| !line.is_empty()).copied().collect::<Vec<_>>();
    without_values(&words.join(", ")).chars().take(2_000).collect()
}

/// `invalid type: string "…", expected …` without the string, which may hold quotes of its own.
fn without_values(words: &str) -> String {
    let Some((before, rest)) = words.split_once(": string \"") else { return words.to_owned() };
    let Some((_, after)) = rest.rsplit_once("\", expected") else {
        return format!("{before}: a string");
    };
    format!("{before}: a string, expected{after}")
}

fn drop_ins(file: &Path) -> Result<Vec<PathBuf>, Mistakes> {
    let folder = file.with_extension("d");
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(Mistakes(vec![format!("{}: cannot be read: {error}", folder.display())]));
        }
    };
    let mut files: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    Ok(files)
}

fn validate(written: Written) -> Result<Settings, Vec<String>> {
    let mut wrong = Vec::new();
    let calendars = calendars(&written, &mut wrong);
    let cloud = cloud_part(&written, &mut wrong);
    let kms = cloud.as_ref().and_then(|cloud| kms_part(&written, cloud, &mut wrong));
    let past_days = written.window.past_days.unwrap_or(Reach::default().past_days);
    let future_days = written.window.future_days.unwrap_or(Reach::default().future_days);
    if past_days > 60 {
        wrong.push("window.past_days: 0 to 60 days are allowed".into());
    }
    if !(1..=366).contains(&future_days) {
        wrong.push("window.future_days: 1 to 366 days are allowed".into());
    }
    let poll = written.poll_seconds.unwrap_or(60);
    if !(5..=3_600).contains(&poll) {
        wrong.push("poll_seconds: 5 to 3600 seconds are allowed".into());
    }
    let join = join::rules(&written.join, &mut wrong);
    let presence = written.presence_seconds.map_or(limits::PRESENCE, Span::from_secs);
    if !(Span::from_secs(5)..=Span::HOUR).contains(&presence) {
        wrong.push("presence_seconds: 5 to 3600 seconds are allowed".into());
    }
    let keywords = decorate::keywords(&written.keyword, &mut wrong);
    let rules = (join, keywords.clone());
    let showing = Arc::new(records::showing(&written.records, rules, &mut wrong));
    let keywords = Arc::new(keywords);
    let texts = Arc::new(decorate::texts(&written.decorate, &mut wrong));
    let store = store_path(&written);
    let log = written.log.unwrap_or_else(|| "info".into());
    wrong.extend(journal::check(&log).err());
    let admin = admin::admin(&written.admin, &mut wrong);
    let metrics = metrics::listen(&written.metrics, &mut wrong);
    match (cloud, kms) {
        (Some(cloud), Some(kms)) if wrong.is_empty() => Ok(Settings {
            calendars,
            cloud,
            kms,
            reach: Reach { past_days, future_days },
            showing,
            keywords,
            texts,
            poll: Span::from_secs(poll),
            presence,
            store,
            log,
            file: PathBuf::new(),
            lines: Vec::new(),
            admin,
            metrics,
        }),
        _ => Err(wrong),
    }
}

fn calendars(written: &Written, wrong: &mut Vec<String>) -> Vec<CalendarSettings> {
    let mut names = BTreeSet::new();
    if written.calendar.is_empty() {
        wrong.push("calendar: at least one [[calendar]] is needed".into());
    }
    let mut out = Vec::new();
    for (at, one) in written.calendar.iter().enumerate() {
        let mut mistakes = Vec::new();
        let name = one.name.clone().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            mistakes.push("name: letters, digits, - and _ are allowed, one at least".to_owned());
        } else if !names.insert(name.clone()) {
            mistakes.push("name: two calendars have the same".to_owned());
        }
        let settings = calendar(one, &name, &mut mistakes);
        wrong.extend(mistakes.iter().map(|why| format!("calendar[{at}].{why}")));
        out.extend(settings);
    }
    out
}

fn calendar(
    one: &WrittenCalendar,
    name: &str,
    wrong: &mut Vec<String>,
) -> Option<CalendarSettings> {
    if one.kind.as_deref().unwrap_or("ews") != "ews" {
        wrong.push("kind: this version knows \"ews\"".into());
    }
    let account = one.account.clone().unwrap_or_default();
    if account.is_empty() {
        wrong.push(r"account: CORP\svc-calway or svc-calway@corp.example is needed".into());
    }
    if one.url.is_none() && one.discover.is_none() {
        wrong.push("url: https://…/EWS/Exchange.asmx is needed, or discover".into());
    }
    let url = one.url.as_ref().map(|url| https(url, "url", wrong));
    let domains: Vec<_> = one.domains.iter().flatten().map(|d| d.to_ascii_lowercase()).collect();
    let discover = one.discover.as_ref().and_then(|one| discover::discover(one, &domains, wrong));
    let autodiscover = one.autodiscover.as_ref().and_then(|url| https(url, "autodiscover", wrong));
    let auth = connection::ways(one.auth.as_ref(), one.keytab.as_deref(), wrong);
    let pins = &one.pinned_certificate.0;
    let trust = connection::trust(
        one.ca_file.as_ref(),
        one.system_trust,
        pins,
        "pinned_certificate",
        wrong,
    );
    let proxy = connection::proxy(one.proxy.as_ref(), one.proxy_auth.as_ref(), "", wrong);
    let connections = one.connections.unwrap_or(10);
    if !(1..=100).contains(&connections) {
        wrong.push("connections: 1 to 100 are allowed; Microsoft's advice is 10".into());
    }
    let test_mailboxes = tested(one.test_mailboxes.as_ref(), "test_mailboxes", wrong);
    let test_rooms = tested(one.test_rooms.as_ref(), "test_rooms", wrong);
    let name = CalendarName::new(name);
    let mut options = match (url, &discover) {
        (Some(url), _) => ews::Options::new(name, url?, account),
        (None, Some(found)) => ews::Options::discovering(name, found.clone(), account),
        (None, None) => return None,
    };
    options.discover = discover;
    options.auth = auth;
    options.trust = trust;
    options.proxy = proxy;
    options.max_connections = connections;
    options.autodiscover = autodiscover;
    Some(CalendarSettings {
        domains: domains.into_iter().collect(),
        keytab: one.keytab.clone(),
        test_mailboxes,
        test_rooms,
        ews: options,
    })
}

fn tested(written: Option<&Vec<String>>, key: &str, wrong: &mut Vec<String>) -> Vec<Arc<Address>> {
    let addresses = written.into_iter().flatten().map(|text| Address::parse(text));
    let (good, bad): (Vec<_>, Vec<_>) = addresses.partition(Result::is_ok);
    if !bad.is_empty() {
        wrong.push(format!("{key}: addresses like alice@corp.example are needed"));
    }
    good.into_iter().flatten().map(Arc::new).collect()
}

fn cloud_part(written: &Written, wrong: &mut Vec<String>) -> Option<cloud::Options> {
    let Some(one) = &written.cloud else {
        wrong.push("cloud: a section [cloud] with url, connector and auth is needed".into());
        return None;
    };
    let url = match &one.url {
        None => {
            wrong.push("cloud.url: https://… is needed".into());
            None
        }
        Some(url) => https(url, "cloud.url", wrong),
    };
    let client_id = match &one.auth {
        Some(WrittenCloudAuth::Oauth { client_id }) if !client_id.is_empty() => client_id.clone(),
        _ => {
            wrong.push("cloud.auth: { kind = \"oauth\", client_id = \"…\" } is needed".into());
            return None;
        }
    };
    let connector = one.connector.clone().unwrap_or_else(|| client_id.clone());
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    if connector.is_empty() || connector.len() > 128 || !connector.chars().all(fits) {
        wrong.push("cloud.connector (or client_id): 1 to 128 letters, digits, - . _ ~".into());
    }
    let mut options = cloud::Options::new(url?, connector, client_id);
    let (pins, key) = (&one.pinned_certificate.0, "cloud.pinned_certificate");
    options.trust = connection::trust(one.ca_file.as_ref(), one.system_trust, pins, key, wrong);
    options.proxy = connection::proxy(one.proxy.as_ref(), one.proxy_auth.as_ref(), "cloud.", wrong);
    Some(options)
}

fn kms_part(
    written: &Written,
    cloud: &cloud::Options,
    wrong: &mut Vec<String>,
) -> Option<KmsSettings> {
    let one = &written.kms;
    let url = match &one.url {
        Some(url) => https(url, "kms.url", wrong)?,
        None => {
            let base = cloud.url.to_string();
            https(&format!("{}/v1", base.trim_end_matches('/')), "kms.url", wrong)?
        }
    };
    let Some(file) = &one.anchors_file else {
        wrong.push("kms.anchors_file: a PEM file with the key server's authority is needed".into());
        return None;
    };
    let anchors = match std::fs::read(file) {
        Ok(pem) => pem,
        Err(error) => {
            wrong.push(format!("kms.anchors_file: {}: {error}", file.display()));
            return None;
        }
    };
    let own = one.ca_file.is_some() || one.system_trust.is_some();
    let trust = match own {
        true => connection::trust(one.ca_file.as_ref(), one.system_trust, &[], "", wrong),
        false => cloud.trust.clone(),
    };
    let (anchors_file, proxy) = (file.clone(), cloud.proxy.clone());
    Some(KmsSettings { url, anchors, anchors_file, trust, proxy })
}

fn https(text: &str, key: &str, wrong: &mut Vec<String>) -> Option<Uri> {
    let uri = text.parse::<Uri>().ok();
    let uri = uri.filter(|uri| uri.scheme_str() == Some("https") && uri.host().is_some());
    if uri.is_none() {
        wrong.push(format!("{key}: an address that begins with https:// is needed"));
    }
    uri
}

/// How long the daemon waits for what is on its way when it is told to stop.
pub const STOP_WITHIN: Duration = Duration::from_secs(10);
