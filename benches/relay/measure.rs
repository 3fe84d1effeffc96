//! What is measured of a contestant: the first synchronisation, then how soon edits arrive.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use calway_lab::cloud::Arrival;
use calway_lab::stage::Stage;
use serde_json::Value;

use crate::content::{Dice, Item, Size, users};
use crate::contestant::Contestant;
use crate::process;

/// What came out for one contestant.
#[derive(Debug, Default)]
pub struct Figures {
    pub first: First,
    /// Edits one after the other.
    pub idle: Spread,
    /// Paced edits, by edits a second.
    pub paced: BTreeMap<usize, Paced>,
}

/// The first synchronisation.
#[derive(Debug, Default)]
pub struct First {
    pub items: usize,
    /// From the word to begin to the last record in the cloud, in seconds.
    pub seconds: f64,
    /// The contestant's.
    pub cpu: f64,
    /// The lab's own in the same time: what Exchange and the cloud cost here.
    pub lab_cpu: f64,
    pub peak_mib: f64,
    /// The records' JSON in the cloud, in bytes.
    pub stored: usize,
    /// Requests to Exchange by operation.
    pub requests: BTreeMap<String, u64>,
}

/// How long it took, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread {
    pub count: usize,
    pub p50: f64,
    pub p99: f64,
    pub most: f64,
}

impl Spread {
    fn of(mut took: Vec<Duration>) -> Self {
        took.sort();
        let ms = |took: Option<&Duration>| took.map_or(0.0, |one| one.as_secs_f64() * 1e3);
        let at = |percent: usize| ms(took.get((took.len() * percent).div_ceil(100).max(1) - 1));
        Self { count: took.len(), p50: at(50), p99: at(99), most: ms(took.last()) }
    }
}

/// A stream of edits at a steady pace, each of another meeting.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paced {
    pub edits: usize,
    pub spread: Spread,
    /// The contestant's CPU seconds from the first edit to the last record.
    pub cpu: f64,
}

/// What the cloud can see of a record, so that two contestants' can be compared: the length of
/// each sealed text, but of the notes, which each may take from a body in its own way.
pub type Shapes = BTreeMap<(String, String), Vec<usize>>;

/// Lets one contestant synchronise.
pub async fn first(stage: &Stage, one: &mut Contestant, size: Size) -> Result<First, String> {
    let own = std::process::id();
    let (cpu, lab_cpu) = (one.usage()?.cpu, process::usage(own)?.cpu);
    let users = users(size);
    let begun = Instant::now();
    one.begin(stage, &users).await?;
    let (cloud, items) = (stage.cloud.clone(), size.items());
    let all = cloud.wait(|view| view.stored() >= items as u64 && view.total_live() >= items);
    one.within(1800, "synchronise", all).await?;
    let (used, lab_used) = (one.usage()?, process::usage(own)?);
    let last = cloud.view(|view| {
        let last = view.arrivals().iter().rev().find(|one| is_record(one));
        last.map_or_else(Instant::now, |one| one.at)
    });
    Ok(First {
        items: cloud.view(|view| view.total_live()),
        seconds: last.duration_since(begun).as_secs_f64(),
        cpu: used.cpu - cpu,
        lab_cpu: lab_used.cpu - lab_cpu,
        peak_mib: used.peak_mib,
        stored: stored(stage, &users),
        requests: stage.exchange.log().counts().operations,
    })
}

fn stored(stage: &Stage, users: &[(String, String)]) -> usize {
    let length = |user: &String| {
        let records = stage.cloud.records(user);
        records.iter().map(|record| record.json.to_string().len()).sum::<usize>()
    };
    users.iter().map(|(user, _)| length(user)).sum()
}

fn is_record(arrival: &Arrival) -> bool {
    !arrival.record.is_empty()
}

/// The meetings with the ids of their records; the contestant has synchronised them.
pub fn targets(stage: &Stage, items: &[Item]) -> Result<Vec<(Item, String)>, String> {
    let mut records = HashMap::new();
    stage.cloud.view(|view| {
        for user in items.iter().map(|item| &item.user).collect::<HashSet<_>>() {
            for record in view.meetings(user) {
                let start = record.json["start"].as_str().unwrap_or_default();
                let start = start.parse::<jiff::Timestamp>().map_or(0, |at| at.as_millisecond());
                records.insert((user.clone(), start), record.id.clone());
            }
        }
    });
    let find = |item: &Item| {
        let found = records.get(&(item.user.clone(), item.start_ms));
        let record = found.ok_or("a meeting of the calendar has no record in the cloud")?;
        Ok((item.clone(), record.clone()))
    };
    items.iter().map(find).collect()
}

/// The shapes of all records.
pub fn shapes(stage: &Stage, size: Size) -> Shapes {
    stage.cloud.view(|view| {
        let mut shapes = Shapes::new();
        for (user, _) in users(size) {
            for record in view.meetings(&user) {
                let start = record.json["start"].as_str().unwrap_or_default().to_owned();
                shapes.insert((user.clone(), start), shape(&record.json));
            }
        }
        shapes
    })
}

fn shape(record: &Value) -> Vec<usize> {
    let length = |value: &Value| value.as_str().map_or(0, str::len);
    let person =
        |value: &Value| [length(&value["encryptedEmailAddress"]), length(&value["encryptedName"])];
    let mut shape = vec![
        record["durationMinutes"].as_u64().unwrap_or_default() as usize,
        length(&record["encryptedSubject"]),
        length(&record["encryptedLocation"]),
        usize::from(length(&record["encryptedNotes"]) > 0),
    ];
    shape.extend(person(&record["encryptedOrganizer"]));
    let participants = record["encryptedParticipants"].as_array();
    let mut participants: Vec<_> = participants.into_iter().flatten().map(person).collect();
    participants.sort_unstable();
    shape.extend(participants.into_iter().flatten());
    shape
}

fn edit(stage: &Stage, item: &Item, mark: usize) {
    stage.exchange.calendars().update(&item.address, &item.id, |draft| {
        draft.subject = format!("{} ({mark})", draft.subject);
    });
}

/// Waits until all of these edits are in the cloud; how long each took.
async fn all_arrive(
    stage: &Stage,
    one: &mut Contestant,
    mut edited: HashMap<(String, String), Instant>,
    mut seen: usize,
    seconds: u64,
) -> Result<Vec<Duration>, String> {
    let mut took = Vec::with_capacity(edited.len());
    let cloud = stage.cloud.clone();
    let all = cloud.wait(|view| {
        let new = view.arrivals().get(seen..).unwrap_or_default();
        seen += new.len();
        for arrival in new {
            let key = (arrival.subject.clone(), arrival.record.clone());
            took.extend(edited.remove(&key).map(|edit| arrival.at.duration_since(edit)));
        }
        edited.is_empty()
    });
    one.within(seconds, "relay all edits", all).await?;
    Ok(took)
}

/// Edits a meeting in every mailbox, again and again until all are heard of at once: a mailbox
/// that is not listened to yet would be polled after a minute.
pub async fn warm_up(
    stage: &Stage,
    one: &mut Contestant,
    targets: &[(Item, String)],
) -> Result<(), String> {
    let mut last = Ok(Vec::new());
    for mark in 0..20 {
        let seen = stage.cloud.view(|view| view.arrivals().len());
        let mut edited = HashMap::new();
        for (item, record) in targets {
            // One of each mailbox: the first that comes.
            if !edited.keys().any(|(user, _)| *user == item.user) {
                edited.insert((item.user.clone(), record.clone()), Instant::now());
                edit(stage, item, mark);
            }
        }
        last = all_arrive(stage, one, edited, seen, 5).await;
        if last.is_ok() {
            break;
        }
    }
    last.map(drop)
}

/// Edits one after the other, each when the one before is in the cloud.
pub async fn one_by_one(
    stage: &Stage,
    one: &mut Contestant,
    targets: &[(Item, String)],
    edits: usize,
) -> Result<Spread, String> {
    let mut dice = Dice(300);
    let mut took = Vec::with_capacity(edits);
    for mark in 0..edits {
        let (item, record) = targets.get(dice.below(targets.len())).ok_or("nothing to edit")?;
        let seen = stage.cloud.view(|view| view.arrivals().len());
        let begun = Instant::now();
        edit(stage, item, mark);
        let mut arrived = None;
        let cloud = stage.cloud.clone();
        let comes = cloud.wait(|view| {
            let new = view.arrivals().get(seen..).unwrap_or_default();
            arrived = new.iter().find(|a| a.record == *record).map(|a| a.at);
            arrived.is_some()
        });
        one.within(60, "relay an edit", comes).await?;
        took.extend(arrived.map(|at| at.duration_since(begun)));
    }
    Ok(Spread::of(took))
}

/// Edits at a steady pace, each of another meeting so that none hides another's record.
pub async fn paced(
    stage: &Stage,
    one: &mut Contestant,
    targets: &[(Item, String)],
    rate: usize,
    seconds: usize,
) -> Result<Paced, String> {
    let mut chosen: Vec<_> = targets.iter().collect();
    let mut dice = Dice(rate as u64);
    for place in (1..chosen.len()).rev() {
        chosen.swap(place, dice.below(place + 1));
    }
    chosen.truncate((rate * seconds).min(targets.len()));
    let seen = stage.cloud.view(|view| view.arrivals().len());
    let cpu = one.usage()?.cpu;
    let begun = tokio::time::Instant::now();
    let mut edited = HashMap::with_capacity(chosen.len());
    for (n, (item, record)) in chosen.iter().enumerate() {
        tokio::time::sleep_until(begun + Duration::from_secs_f64(n as f64 / rate as f64)).await;
        edited.insert((item.user.clone(), record.clone()), Instant::now());
        edit(stage, item, n);
    }
    let edits = edited.len();
    let took = all_arrive(stage, one, edited, seen, 600).await?;
    let cpu = one.usage()?.cpu - cpu;
    Ok(Paced { edits, spread: Spread::of(took), cpu })
}
