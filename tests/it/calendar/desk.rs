//! A server, a provider, and mailboxes that are read by passes; what they commit is compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use calway::calendar::Calendar;
use calway::calendar::ews::{Ews, Options};
use calway::model::{
    Address, CalendarName, Fault, KeyUri, RecordKey, Secret, Target, Time, UserId, Zone,
};
use calway::net::Trust;
use calway::pipeline::limits::{LINE_BYTES, NOTES_BYTES, PARTICIPANTS};
use calway::pipeline::seal::{Installation, Sealer};
use calway::pipeline::showing::{Private, Showing};
use calway::pipeline::sync::{
    Ask, Commit, EventKind, Got, Loaded, Lookup, Pass, Row, Shortfall, Step,
};
use calway::pipeline::window::{Reach, Window};
use calway_lab::exchange::service::{Shown, text_of_page};
use calway_lab::exchange::{self, Calendars, Exchange, MailboxKind, Response};
use serde_json::Value;

/// A server and a provider for it.
pub struct Desk {
    pub exchange: Exchange,
    pub ews: Ews,
}

impl Desk {
    pub async fn new() -> Self {
        Self::with(exchange::Options::default()).await
    }

    pub async fn with(server: exchange::Options) -> Self {
        let exchange = Exchange::start(server).await.expect("a free port");
        let url = exchange.url().parse().expect("an address");
        let mut options = Options::new(CalendarName::new("hq"), url, "CORP\\svc-calway");
        options.trust = Trust::only(exchange.ca_pem());
        let password = || Some(Secret::new("lab-password"));
        let ews = Ews::new(options, Box::new(password)).expect("good options");
        Self { exchange, ews }
    }

    pub fn calendars(&self) -> &Calendars {
        self.exchange.calendars()
    }

    /// The mailbox `name@corp.example` of a person.
    pub fn user(&self, name: &str) -> Book {
        self.mailbox(name, MailboxKind::User)
    }

    pub fn mailbox(&self, name: &str, kind: MailboxKind) -> Book {
        let address = format!("{name}@corp.example");
        self.calendars().add_mailbox(&address, name, kind);
        Book::new(name, address)
    }
}

/// One mailbox, and what was committed of it.
pub struct Book {
    pub address: String,
    pub target: Target,
    /// Where its midnights are.
    pub zone: Zone,
    /// What the cloud would hold.
    pub records: BTreeMap<RecordKey, Value>,
    /// Events that were sent, but for completions.
    pub sent: usize,
    /// The most lines of one commit.
    pub largest_commit: usize,
    /// What the last pass could not read.
    pub unreadable: usize,
    /// Whether some of that may be well again soon.
    pub ill: bool,
    /// What the last listing could not show.
    pub shortfall: Shortfall,
    installation: Arc<Installation>,
    loaded: Loaded,
    index: BTreeMap<RecordKey, Row>,
}

impl Book {
    fn new(name: &str, address: String) -> Self {
        let parsed = Address::parse(&address).expect("an address");
        let user = UserId::new(format!("user-{name}"));
        Self {
            address,
            target: Target { user, address: Arc::new(parsed) },
            zone: Zone::default(),
            records: BTreeMap::new(),
            sent: 0,
            largest_commit: 0,
            unreadable: 0,
            ill: false,
            shortfall: Shortfall::default(),
            installation: Arc::new(Installation::new(&[7; 32]).expect("a secret")),
            loaded: Loaded {
                generation: 1,
                cursor: None,
                window: None,
                resend: false,
                sequence: 0,
                keys: None,
            },
            index: BTreeMap::new(),
        }
    }

    /// A mailbox that is there, as if nothing of it had been read.
    pub fn of(desk: &Desk, name: &str) -> Self {
        let book = Self::new(name, format!("{name}@corp.example"));
        assert!(desk.calendars().info(&book.address).is_some(), "it is there");
        book
    }

    /// The only title there is.
    pub fn only_title(&self) -> String {
        let titles = self.records.values().filter_map(|one| one["encryptedSubject"].as_str());
        let titles: BTreeSet<_> = titles.collect();
        assert_eq!(titles.len(), 1, "{titles:?}");
        titles.into_iter().next().unwrap_or_default().to_owned()
    }

    pub fn window(&self, at: i64) -> Window {
        Window::at(Time::from_ms(at), Reach::default(), &self.zone)
    }

    /// Passes until nothing is left to be read.
    pub async fn read(&mut self, desk: &Desk, at: i64) -> Result<(), Fault> {
        while self.pass(desk, self.window(at)).await? {}
        Ok(())
    }

    /// As [`Book::read`], and what came of it is the calendar.
    pub async fn check(&mut self, desk: &Desk, at: i64, what: &str) {
        self.read(desk, at).await.unwrap_or_else(|fault| panic!("{what}: {fault}"));
        self.compare(desk, at, what);
    }

    /// Whether more is to come.
    async fn pass(&mut self, desk: &Desk, window: Window) -> Result<bool, Fault> {
        let (user, installation) = (self.target.user.clone(), self.installation.clone());
        let all = Arc::new(Showing { private: Private::Full, ..Showing::default() });
        let (mut pass, mut step) =
            Pass::start(user, window, self.loaded.clone(), installation, all)?;
        pass.remember(self.shortfall);
        let (ews, target) = (&desk.ews, self.target.clone());
        loop {
            let got = match step {
                Step::Ask(Ask::Changes(cursor)) => {
                    ews.changes(&target, cursor.as_ref()).await.map(Got::Page)
                }
                Step::Ask(Ask::Items(ids)) => ews.items(&target, &ids).await.map(Got::Items),
                Step::Ask(Ask::View(window)) => {
                    ews.view(&target, window.from, window.to).await.map(Got::View)
                }
                Step::Look(lookup) => Ok(Got::Rows(self.look(&lookup))),
                Step::Key => Ok(Got::Key(Arc::new(Open(KeyUri::new("kms://kms.example/keys/1"))))),
                Step::Commit(commit) => {
                    self.commit(*commit);
                    Ok(Got::Committed)
                }
                Step::Done { more } => {
                    self.unreadable = pass.unreadable().map_or(0, |(count, _)| *count);
                    (self.ill, self.shortfall) = (pass.is_ill(), pass.shortfall());
                    return Ok(more);
                }
            };
            step = match got {
                Ok(got) => pass.got(got)?,
                Err(fault) => pass.failed(fault)?,
            };
        }
    }

    fn look(&self, lookup: &Lookup) -> Vec<Row> {
        let wanted = |row: &&Row| match lookup {
            Lookup::All => true,
            Lookup::Of { items, series } => {
                items.contains(&row.item) || series.contains(&row.series)
            }
        };
        self.index.values().filter(wanted).cloned().collect()
    }

    fn commit(&mut self, commit: Commit) {
        self.largest_commit = self.largest_commit.max(commit.rows.len());
        if commit.cursor.is_some() {
            self.loaded.cursor = commit.cursor;
        }
        self.loaded.window = commit.window.or(self.loaded.window);
        self.loaded.sequence = commit.sequence;
        for row in commit.rows {
            self.index.insert(row.key.clone(), row);
        }
        for key in &commit.dropped {
            self.index.remove(key);
        }
        for event in commit.events {
            let Some(key) = event.key else { continue };
            self.sent += 1;
            if event.kind == EventKind::Delete {
                assert!(self.records.remove(&key).is_some(), "what was not there is withdrawn");
                continue;
            }
            let mut data: Value = serde_json::from_str(event.data.json()).expect("JSON");
            let record = data["calendarMeetingExternal"].take();
            assert_eq!(record["id"], key.as_str());
            let old = self.records.insert(key, record);
            assert_eq!(event.kind == EventKind::Update, old.is_some(), "new or known");
        }
    }

    /// Every record with this title.
    pub fn titled(&self, title: &str) -> Vec<&Value> {
        self.records.values().filter(|record| record["encryptedSubject"] == title).collect()
    }

    /// The only record with this title.
    pub fn only(&self, title: &str) -> &Value {
        let found = self.titled(title);
        assert_eq!(found.len(), 1, "{title}: {:#?}", self.lines());
        found[0]
    }

    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.records.values().map(said).collect();
        lines.sort();
        lines
    }

    /// The records are what the calendar shows.
    pub fn compare(&self, desk: &Desk, at: i64, what: &str) {
        let window = self.window(at);
        let (from, to) = (window.from.as_ms(), window.to.as_ms());
        let view = desk.calendars().view(&self.address, from, to);
        let mut expected: Vec<String> =
            view.iter().filter(|one| !one.cancelled).map(shown).collect();
        expected.sort();
        let found = self.lines();
        let lost: Vec<_> = expected.iter().filter(|line| !found.contains(line)).collect();
        let extra: Vec<_> = found.iter().filter(|line| !expected.contains(line)).collect();
        assert!(lost.is_empty() && extra.is_empty(), "{what}: lost {lost:#?}, extra {extra:#?}");
        assert_eq!(found.len(), expected.len(), "{what}: {found:#?}");
        let series = |record: &Value| record["seriesId"].as_str().map(str::len) == Some(43);
        assert!(self.records.values().all(series), "{what}: each names its series");
    }
}

/// Seals so that a test can read.
#[derive(Debug)]
struct Open(KeyUri);

impl Sealer for Open {
    fn key_uri(&self) -> &KeyUri {
        &self.0
    }

    fn seal(&self, plain: &str) -> Result<String, Fault> {
        Ok(plain.to_owned())
    }
}

/// What a record says.
fn said(record: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let person = |value: &Value| {
        let address = text(&value["encryptedEmailAddress"]).to_lowercase();
        format!("{}<{address}>", text(&value["encryptedName"]))
    };
    let none = Vec::new();
    let people = record["encryptedParticipants"].as_array().unwrap_or(&none);
    let mut people: Vec<String> = people
        .iter()
        .map(|one| format!("{} {}", person(one), text(&one["responseType"])))
        .collect();
    people.sort();
    line(
        &text(&record["start"]),
        record["durationMinutes"].as_i64().unwrap_or(-1),
        [&text(&record["encryptedSubject"]), &text(&record["encryptedLocation"])],
        &person(&record["encryptedOrganizer"]),
        &people.join(", "),
        record["isRecurring"] == true,
        &text(&record["meetingSensitivity"]),
        &words(&text(&record["encryptedNotes"])),
    )
}

/// The same of the calendar.
fn shown(one: &Shown) -> String {
    let mut people: Vec<String> = one
        .attendees
        .iter()
        .filter(|who| !(who.name.is_empty() && who.address.is_empty()))
        .take(PARTICIPANTS)
        .map(|who| {
            let address = who.address.to_lowercase();
            format!("{}<{address}> {}", legal(&who.name), response(who.response))
        })
        .collect();
    people.sort();
    let start = jiff::Timestamp::from_millisecond(one.start_ms).expect("a time");
    let notes = match one.body_html {
        true => text_of_page(&one.body),
        false => one.body.clone(),
    };
    let (name, address) = &one.organizer;
    line(
        &start.to_string(),
        (one.end_ms - one.start_ms) / 60_000,
        [cut(&legal(&one.subject), LINE_BYTES), cut(&legal(&one.location), LINE_BYTES)],
        &format!("{name}<{}>", address.to_lowercase()),
        &people.join(", "),
        one.recurring,
        &format!("{:?}", one.sensitivity).to_uppercase(),
        &words(cut(&legal(&notes), NOTES_BYTES)),
    )
}

#[allow(clippy::too_many_arguments)]
fn line(
    start: &str,
    minutes: i64,
    titles: [&str; 2],
    organizer: &str,
    people: &str,
    recurring: bool,
    sensitivity: &str,
    notes: &str,
) -> String {
    let [subject, location] = titles;
    let blank = |text: &str| if text.trim().is_empty() { String::new() } else { text.to_owned() };
    format!(
        "{start} {minutes} min {:?} at {:?}, {organizer}: {people}; recurring {recurring}, \
         {sensitivity}, notes {notes:?}",
        blank(subject),
        blank(location)
    )
}

/// How lines are turned and links shown is its writer's business.
fn words(text: &str) -> String {
    let words = text.split_whitespace().filter(|word| *word != "-" && !word.starts_with('<'));
    words.collect::<Vec<_>>().join(" ")
}

/// Without what XML cannot hold.
fn legal(text: &str) -> String {
    let allowed = |c: &char| match c {
        '\t' | '\n' | '\r' => true,
        c => *c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'),
    };
    text.chars().filter(allowed).collect()
}

fn cut(text: &str, limit: usize) -> &str {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn response(response: Response) -> &'static str {
    match response {
        Response::Unknown => "UNKNOWN_RESPONSE",
        Response::Organizer => "ORGANIZER",
        Response::Tentative => "TENTATIVE",
        Response::Accept => "ACCEPTED",
        Response::Decline => "DECLINED",
        Response::NoResponseReceived => "NO_RESPONSE",
    }
}
