//! The story, and the proof of it: every check compares what the cloud's user opened with what
//! stands in the calendar at that moment.

mod asked;
mod keyword;

use std::fmt::Display;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use calway_lab::canary::Canaries;
use calway_lab::cloud::Cloud;
use calway_lab::exchange::service::{End, Pattern, Recurrence};
use calway_lab::exchange::{Attendee, Calendars, Draft, ItemId, MailboxKind, Oof, Response};
use calway_lab::people::Opened;
use calway_lab::stage::{Options, Stage, Tally};
use tokio::process::Child;

use super::screen::Screen;

const ALICE: (&str, &str) = ("7d3f0c1e-alice", "alice.archer@corp.example");
const BOB: (&str, &str) = ("b81e44d2-bob", "bob.baker@corp.example");
const PEOPLE: [(&str, &str); 2] = [ALICE, BOB];
const DAY_MS: i64 = 86_400_000;

/// No step of the story takes longer; what does is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// Planted where only Exchange and the user's app may show them.
const SECRETS: [&str; 11] = [
    "Merger with Fabrikam",
    "Board room, floor 9",
    "The offer is 41 million",
    "Alice Archer",
    "alice.archer",
    "Bob Baker",
    "bob.baker",
    "meet.example/j/4711?pwd=s3cr3t",
    "meet.lab.example/myroom",
    asked::REPLY,
    "Correct-Horse-Battery-9",
];

/// What the story came to.
#[derive(Debug, Default)]
pub(super) struct Sums {
    stored: u64,
    opened: usize,
    lost: usize,
    duplicated: usize,
    plaintext: usize,
    decorated: usize,
    created: usize,
    away: usize,
    p50: f64,
    p99: f64,
    broken: usize,
}

impl Sums {
    pub(super) fn held(&self) -> bool {
        let faults = self.lost + self.duplicated + self.plaintext + self.broken;
        faults == 0 && self.opened > 0 && self.stored > 0
    }

    pub(super) fn json(&self) -> String {
        serde_json::json!({
            "stored": self.stored,
            "opened": self.opened,
            "lost": self.lost,
            "duplicated": self.duplicated,
            "plaintext": self.plaintext,
            "decorated": self.decorated,
            "created": self.created,
            "away": self.away,
            "latency_ms": {"p50": tenths(self.p50), "p99": tenths(self.p99)},
        })
        .to_string()
    }
}

pub(super) struct Story {
    stage: Stage,
    screen: Screen,
    pause: Duration,
    connector: Child,
    sums: Sums,
    scene: usize,
}

impl Story {
    pub(super) async fn begin(
        folder: &Path,
        screen: Screen,
        pause: Duration,
    ) -> Result<Self, String> {
        let mut options = Options { log: Some("trace".into()), ..Options::default() };
        options.presence_seconds = Some(5);
        options.exchange.password = "Correct-Horse-Battery-9".into();
        let stage = Stage::start(folder, options).await.map_err(text)?;
        let calendars = stage.exchange.calendars();
        calendars.add_mailbox(ALICE.1, "Alice Archer", MailboxKind::User);
        calendars.add_mailbox(BOB.1, "Bob Baker", MailboxKind::User);
        let until = in_hours(72);
        calendars.set_oof(BOB.1, Oof::scheduled(in_hours(-1), until, asked::REPLY));
        let connector = start(&stage)?;
        Ok(Self { stage, screen, pause, connector, sums: Sums::default(), scene: 0 })
    }

    pub(super) async fn tell(&mut self) -> Result<Sums, String> {
        self.opening().await?;
        let meeting = self.appears().await?;
        self.moves(&meeting).await?;
        self.declines(&meeting).await?;
        self.series().await?;
        self.keyword().await?;
        self.created().await?;
        self.away().await?;
        self.cancels(&meeting).await?;
        self.exchange_away().await?;
        self.killed().await?;
        self.measured().await?;
        self.proof().await?;
        Ok(std::mem::take(&mut self.sums))
    }

    async fn opening(&mut self) -> Result<(), String> {
        let screen = self.screen;
        screen.title("Calway", "from Exchange to the cloud, sealed. All of it on this machine.");
        screen.fact("Exchange", &format!("{}  simulated, NTLM", self.stage.exchange.url()));
        screen.fact("Cloud", &format!("{}  simulated, holds no key", self.stage.cloud.url()));
        screen.fact("Key server", &format!("{}  simulated", self.stage.cloud.kms().url()));
        let pid = self.connector.id().unwrap_or_default();
        screen.fact("Connector", &format!("the real one: `calway run`, process {pid}"));
        self.next("Alice and Bob switch the service on").await;
        for (user, address) in PEOPLE {
            let command = self.stage.cloud.activate(user, address).await;
            let outcome = within(self.stage.cloud.outcome(&command)).await?;
            let name = user.rsplit('-').next().unwrap_or(user);
            let said = format!("command user.activate for {name}: {}", outcome.outcome);
            self.check(outcome.outcome == "done", &said);
        }
        let exchange = &self.stage.exchange;
        within(exchange.log().wait_for("GetStreamingEvents", 1)).await?;
        self.check(true, "one stream of notifications stands; both calendars were read once");
        Ok(())
    }

    async fn appears(&mut self) -> Result<ItemId, String> {
        self.next("A meeting appears in Alice's calendar, Bob is invited").await;
        let mut draft = Draft::meeting("Merger with Fabrikam", in_hours(3), 45);
        draft.location = "https://meet.example/j/4711?pwd=s3cr3t".into();
        draft.body = "The offer is 41 million. Board room, floor 9, if the line is bad.".into();
        draft.attendees = vec![Attendee::required(BOB.1, "Bob Baker")];
        let (id, took) = self.edit(2, |calendars| calendars.create(ALICE.1, draft)).await?;
        self.show(ALICE.0, "Merger").await?;
        self.check_all(&format!("stored for both {} after Exchange had it", ms(took))).await?;
        Ok(id)
    }

    async fn moves(&mut self, meeting: &ItemId) -> Result<(), String> {
        self.next("Alice moves it by a day").await;
        let ((), took) = self
            .edit(2, |calendars| {
                calendars.update(ALICE.1, meeting, |draft| {
                    draft.start_ms += DAY_MS;
                    draft.end_ms += DAY_MS;
                });
            })
            .await?;
        self.show(ALICE.0, "Merger").await?;
        self.check_all(&format!("the same record, moved, {} later", ms(took))).await
    }

    async fn declines(&mut self, meeting: &ItemId) -> Result<(), String> {
        self.next("Bob declines").await;
        let uid = self.stage.exchange.calendars().uid(ALICE.1, meeting).unwrap_or_default();
        let ((), took) =
            self.edit(2, |calendars| calendars.respond(BOB.1, &uid, Response::Decline)).await?;
        self.show(ALICE.0, "Merger").await?;
        let said = format!("gone from Bob's list, his answer in Alice's, {} later", ms(took));
        self.check_all(&said).await
    }

    async fn series(&mut self) -> Result<(), String> {
        self.next("A weekly series; one occurrence is moved, another deleted").await;
        let mut draft = Draft::meeting("Board room, floor 9: weekly", in_hours(26), 30);
        draft.recurrence =
            Some(Recurrence { pattern: Pattern::Daily { interval: 7 }, end: End::After(4) });
        let start = draft.start_ms;
        let (master, _) = self.edit(4, |calendars| calendars.create(ALICE.1, draft)).await?;
        let (_, took) = self
            .edit(2, |calendars| {
                calendars.modify_occurrence(ALICE.1, &master, start + 7 * DAY_MS, |draft| {
                    draft.start_ms += 3_600_000;
                    draft.end_ms += 3_600_000;
                });
                calendars.delete_occurrence(ALICE.1, &master, start + 14 * DAY_MS);
            })
            .await?;
        self.show(ALICE.0, "weekly").await?;
        self.check_all(&format!("three occurrences, one of them moved, {} later", ms(took))).await
    }

    async fn cancels(&mut self, meeting: &ItemId) -> Result<(), String> {
        self.next("Alice calls the meeting off").await;
        let ((), took) = self.edit(1, |calendars| calendars.cancel(ALICE.1, meeting)).await?;
        self.check_all(&format!("withdrawn from her list {} later", ms(took))).await
    }

    async fn exchange_away(&mut self) -> Result<(), String> {
        self.next("Exchange is cut off; people go on editing; it comes back").await;
        let before = self.stage.cloud.view(|view| view.live(ALICE.0));
        self.stage.exchange.cut().await;
        let calendars = self.stage.exchange.calendars();
        for n in 0..5 {
            let draft = Draft::meeting("Merger with Fabrikam, again", in_hours(50 + n), 30);
            calendars.create(ALICE.1, draft);
        }
        self.screen.line("5 meetings were made while no notification could reach the connector");
        let begun = Instant::now();
        self.stage.exchange.restore().await;
        let cloud = self.stage.cloud.clone();
        within(cloud.wait(|view| view.live(ALICE.0) >= before + 5)).await?;
        let took = begun.elapsed();
        self.check_all(&format!("all of them there {} after Exchange was back", ms(took))).await
    }

    async fn killed(&mut self) -> Result<(), String> {
        self.next("The connector is killed (SIGKILL) in the middle of 40 edits").await;
        let before = self.stage.cloud.view(|view| view.live(BOB.0));
        for n in 0..40 {
            let draft = Draft::meeting("Merger with Fabrikam, part", in_hours(80 + n), 15);
            self.stage.exchange.calendars().create(BOB.1, draft);
            if n == 12 {
                let cloud = self.stage.cloud.clone();
                within(cloud.wait(|view| view.live(BOB.0) > before)).await?;
            }
            if n == 20 {
                self.connector.kill().await.map_err(text)?;
                self.screen.line(&format!(
                    "killed after 21 edits; the cloud had {} of them",
                    self.stage.cloud.view(|view| view.live(BOB.0)) - before
                ));
            }
        }
        let begun = Instant::now();
        self.connector = start(&self.stage)?;
        let cloud = self.stage.cloud.clone();
        within(cloud.wait(|view| view.live(BOB.0) >= before + 40)).await?;
        let took = begun.elapsed();
        self.check_all(&format!("started again: all 40 there {} later", ms(took))).await
    }

    async fn measured(&mut self) -> Result<(), String> {
        self.next("100 edits, one after the other: how long until the cloud has each").await;
        let streams = self.stage.exchange.log().count("GetStreamingEvents");
        within(self.stage.exchange.log().wait_for("GetStreamingEvents", streams.max(1))).await?;
        let draft = Draft::meeting("Merger with Fabrikam, timed", in_hours(30), 15);
        let (id, _) = self.edit(1, |calendars| calendars.create(ALICE.1, draft)).await?;
        let mut took = Vec::new();
        for n in 0..100 {
            let ((), one) = self
                .edit(1, |calendars| {
                    calendars.update(ALICE.1, &id, |draft| {
                        draft.subject = format!("Merger with Fabrikam, timed {n}");
                    });
                })
                .await?;
            took.push(one);
        }
        took.sort();
        let at = |part: usize| took.get(took.len() * part / 100).copied().unwrap_or_default();
        (self.sums.p50, self.sums.p99) = (at(50).as_secs_f64() * 1e3, at(99).as_secs_f64() * 1e3);
        let said = format!("half within {}, 99 of 100 within {}", ms(at(50)), ms(at(99)));
        self.check_all(&said).await
    }

    async fn proof(&mut self) -> Result<(), String> {
        self.next("The proof").await;
        let _ = self.connector.kill().await;
        let tally = self.tally().await?;
        let received = self.stage.cloud.received();
        let mut canaries = Canaries::new(SECRETS);
        canaries.plant(BOB.1);
        let mut found = Vec::new();
        for piece in &received.pieces {
            found.extend(canaries.search(piece, "what the cloud received"));
        }
        let credentials = self.stage.credentials();
        let (files, on_disk) = canaries
            .search_folder(self.stage.folder(), |path| path == credentials)
            .map_err(text)?;
        found.extend(on_disk);
        let stats = self.stage.cloud.stats();
        self.sums.stored = stats.stored;
        self.sums.opened = tally.opened;
        self.sums.lost = tally.lost.len();
        self.sums.duplicated =
            tally.extra.len() + usize::try_from(stats.duplicated_visible).unwrap_or(usize::MAX);
        self.sums.plaintext = found.len();
        let said = format!(
            "{} meetings stand in the calendars, {} were opened by their users, {} lost, {} twice",
            tally.expected, tally.opened, self.sums.lost, self.sums.duplicated
        );
        self.check(tally.is_exact(), &said);
        let said = format!(
            "{} planted texts, looked for in {} KiB that the cloud got and {files} files of the \
             connector: {} found",
            SECRETS.len() + 1,
            received.len() / 1024,
            found.len()
        );
        self.check(found.is_empty() && received.complete, &said);
        for sighting in found.iter().take(10) {
            let place = &sighting.place;
            self.screen.line(&format!("  {:?} as {} in {place}", sighting.text, sighting.disguise));
        }
        self.screen.line("");
        Ok(())
    }

    // ---- the telling ----

    async fn next(&mut self, title: &str) {
        if self.scene > 0 && !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
        self.scene += 1;
        self.screen.scene(self.scene, title);
    }

    fn check(&mut self, held: bool, said: &str) {
        self.sums.broken += usize::from(!held);
        self.screen.check(held, said);
    }

    /// Edits, and waits until the cloud has so many versions of records more: how long that took.
    async fn edit<T>(
        &mut self,
        versions: usize,
        edit: impl FnOnce(&Calendars) -> T,
    ) -> Result<(T, Duration), String> {
        let cloud = self.stage.cloud.clone();
        let before = cloud.view(|view| view.arrivals().len());
        let begun = Instant::now();
        let made = edit(self.stage.exchange.calendars());
        within(cloud.wait(|view| view.arrivals().len() >= before + versions)).await?;
        let last = cloud.view(|view| view.arrivals().last().map(|arrival| arrival.at));
        Ok((made, last.map_or_else(|| begun.elapsed(), |last| last.duration_since(begun))))
    }

    /// Settles, then compares everything.
    async fn check_all(&mut self, said: &str) -> Result<(), String> {
        let until = Instant::now() + Duration::from_secs(20);
        let mut tally = self.tally().await?;
        while !tally.is_exact() && Instant::now() < until {
            let cloud = self.stage.cloud.clone();
            let before = cloud.stats().stored;
            let more = cloud.wait(|view| view.stored() > before);
            let _ = tokio::time::timeout(Duration::from_secs(1), more).await;
            tally = self.tally().await?;
        }
        self.check(tally.is_exact(), said);
        for wrong in tally.lost.iter().map(|one| format!("missing: {one}")) {
            self.screen.line(&wrong);
        }
        for wrong in tally.extra.iter().map(|one| format!("too much: {one}")) {
            self.screen.line(&wrong);
        }
        Ok(())
    }

    async fn tally(&self) -> Result<Tally, String> {
        let midnight = now_ms() - now_ms().rem_euclid(DAY_MS);
        self.stage.tally(&PEOPLE, midnight - 7 * DAY_MS, midnight + 32 * DAY_MS).await
    }

    async fn show(&self, user: &str, title: &str) -> Result<(), String> {
        let person = self.stage.cloud.person(user);
        let meetings = person.meetings().await?;
        let Some(meeting) = meetings.iter().find(|meeting| meeting.subject.contains(title)) else {
            return Ok(());
        };
        let cloud = sealed(&self.stage.cloud, user, &meeting.id);
        self.screen.sides(&opened(meeting), &cloud);
        Ok(())
    }
}

fn opened(meeting: &Opened) -> Vec<String> {
    let mut lines = vec![
        meeting.subject.clone(),
        format!("{}, {} minutes", meeting.start, meeting.minutes),
        meeting.location.clone(),
        meeting.notes.lines().next().unwrap_or_default().to_owned(),
    ];
    if let Some(organizer) = &meeting.organizer {
        lines.push(format!("called by {} <{}>", organizer.name, organizer.address));
    }
    for one in &meeting.participants {
        lines.push(format!("{} <{}> {}", one.name, one.address, one.response));
    }
    if !meeting.join_url.is_empty() {
        lines.push(format!("[ Join ] {}", meeting.join_url));
    }
    lines
}

fn sealed(cloud: &Cloud, user: &str, id: &str) -> Vec<String> {
    let records = cloud.records(user);
    let Some(record) = records.iter().find(|record| record.id == id) else { return Vec::new() };
    let text = |field: &str| match record.json.get(field) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "–".to_owned(),
    };
    let mut lines = vec![
        format!("encryptedSubject {}", text("encryptedSubject")),
        format!("start {}, {} minutes", text("start"), text("durationMinutes")),
        format!("encryptedLocation {}", text("encryptedLocation")),
        format!("encryptedNotes {}", text("encryptedNotes")),
        format!("encryptedOrganizer {}", text("encryptedOrganizer")),
        format!("encryptedParticipants {}", text("encryptedParticipants")),
        format!("id {id}"),
    ];
    lines.push(format!("encryptionKeyUrl {}", text("encryptionKeyUrl")));
    lines
}

fn start(stage: &Stage) -> Result<Child, String> {
    let program = std::env::current_exe().map_err(text)?;
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(stage.folder().join("connector.log"))
        .map_err(text)?;
    stage.connector(program).stderr(log).spawn().map_err(text)
}

async fn within<T>(wait: impl Future<Output = T>) -> Result<T, String> {
    let late =
        |_| "waited a minute in vain; the connector's log says more (use --state)".to_owned();
    tokio::time::timeout(PATIENCE, wait).await.map_err(late)
}

fn text(error: impl Display) -> String {
    error.to_string()
}

fn ms(duration: Duration) -> String {
    match duration.as_secs_f64() * 1e3 {
        ms if ms < 100.0 => format!("{ms:.1} ms"),
        ms if ms < 10_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A full minute, some hours from now.
fn in_hours(hours: i64) -> i64 {
    now_ms() / 60_000 * 60_000 + hours * 3_600_000
}
