//! `/v1/users`: who is there, one mailbox's whole story, what happens of it just now, and reading
//! all of it anew.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::Admin;
use super::status::{limits, text};
use crate::daemon::clock;
use crate::daemon::intake::Tell;
use crate::daemon::questions::{Line, Question};
use crate::daemon::serve::{self, Reply, refusal};
use crate::model::{Address, Cause, CommandId, Fault, Outcome, Time, UserId};
use crate::observe::condition::{MAILBOX_FAILING, MAILBOX_IN_CLOUD, fill, hint, short};
use crate::observe::tap::Tap;
use crate::pipeline::command::{Decision, Effect};
use crate::pipeline::fleet::{Entry, Health, Story, Upcoming};
use crate::pipeline::sync::Loaded;
use crate::store::Outstanding;

/// Users of one page of the list.
const PAGE: usize = 1_000;

/// Those who are followed at once. A follower holds one of the server's places.
pub(super) const TRACES: usize = 4;

/// Stories of mailboxes that fail, of each calendar, for whoever helps.
const STORIES: usize = 50;

/// Lines on their way to a follower.
const LINES: usize = 16;

impl Admin {
    /// The parts of the query: `state`, `after`, `limit`.
    pub(super) async fn list(&self, query: &str) -> Reply {
        let (mut health, mut after, mut limit) = (None, None, PAGE);
        for (name, value) in query.split('&').filter_map(|one| one.split_once('=')) {
            let Some(value) = super::plain(value) else { return bad("the query is no text") };
            match name {
                "state" => {
                    let Some(one) = Health::ALL.into_iter().find(|one| one.name() == value) else {
                        return bad("state is starting, streaming, polling or failing");
                    };
                    health = Some(one);
                }
                "after" => after = Some(UserId::new(value)),
                "limit" => match value.parse::<usize>() {
                    Ok(wanted @ 1..=PAGE) => limit = wanted,
                    _ => return bad("limit is a number from 1 to 1000"),
                },
                _ => return bad("the query knows state, after and limit"),
            }
        }
        let mut all: Vec<(Entry, &Line)> = Vec::new();
        for (line, _) in &self.parts.calendars {
            let after = after.clone();
            let page = line.ask(|reply| Question::List(health, after, limit, reply)).await;
            all.extend(page.unwrap_or_default().into_iter().map(|entry| (entry, line)));
        }
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        let more = all.len() > limit || all.len() == limit;
        all.truncate(limit);
        let last = all.last().filter(|_| more).map(|(entry, _)| entry.user.as_str().to_owned());
        let users = all.iter().map(|(entry, line)| {
            json!({"user": entry.user.as_str(), "calendar": line.calendar.as_str(),
                   "state": entry.health.name(), "since": text(entry.since)})
        });
        let users: Vec<_> = users.collect();
        let time = text(clock::wall());
        serve::json(StatusCode::OK, &json!({"time": time, "users": users, "next": last}))
    }

    /// Who is meant, by id or address, and which loop has it.
    async fn find(&self, who: &str) -> Result<(Line, Story), Reply> {
        let address = match who.contains('@').then(|| Address::parse(who)).transpose() {
            Ok(address) => address,
            Err(why) => return Err(bad(why)),
        };
        for (line, _) in &self.parts.calendars {
            let user = match &address {
                // A user's id may look like an address.
                None => Some(UserId::new(who)),
                Some(address) => {
                    let address = address.clone();
                    let known = line.ask(|reply| Question::Whose(address, reply)).await.flatten();
                    Some(known.unwrap_or_else(|| UserId::new(who)))
                }
            };
            let Some(user) = user else { continue };
            let story = line.ask(|reply| Question::Story(user, reply)).await.flatten();
            if let Some(story) = story {
                return Ok((line.clone(), story));
            }
        }
        Err(refusal(
            StatusCode::NOT_FOUND,
            "no-such-user",
            "no such user is active here: calway user list shows the ids of those who are; \
             activation is the cloud's, by user.activate",
        ))
    }

    pub(super) async fn show(&self, who: &str) -> Reply {
        let (line, story) = match self.find(who).await {
            Ok(found) => found,
            Err(reply) => return reply,
        };
        let disk = &self.parts.disk;
        let kept = disk.known(story.user.clone()).await;
        serve::json(StatusCode::OK, &self.told(&line, &story, kept))
    }

    /// What helps to find a fault, for a file that leaves the house: the caller redacts it.
    pub(super) async fn diagnose(&self) -> Reply {
        let mut stories = Vec::new();
        for (line, _) in &self.parts.calendars {
            let failing = Some(Health::Failing);
            let page = line.ask(|reply| Question::List(failing, None, STORIES, reply)).await;
            for Entry { user, .. } in page.unwrap_or_default() {
                let asked = user.clone();
                let story = line.ask(|reply| Question::Story(asked, reply)).await.flatten();
                let Some(story) = story else { continue };
                let kept = self.parts.disk.known(user).await;
                stories.push(self.told(line, &story, kept));
            }
        }
        let status = self.status_value().await;
        let all = json!({"status": status, "failing": stories, "limits": limits()});
        serve::json(StatusCode::OK, &all)
    }

    /// What is told of one mailbox. Its last record is on the disk; the rest is of this run.
    fn told(&self, line: &Line, story: &Story, kept: Kept) -> Value {
        let changed = kept.as_ref().ok().and_then(|(_, waits)| waits.changed);
        let failing = story.trouble.as_ref();
        let failing = failing.map(|(cause, times)| trouble(line, story, cause, *times));
        let mut told = json!({
            "time": text(clock::wall()),
            "started": text(self.began.0),
            "user": story.user.as_str(),
            "calendar": line.calendar.as_str(),
            "state": story.health.name(),
            "since": text(story.since),
            "server": story.server.as_ref().map(|key| short(key.as_str())),
            "stream": story.stream.map(|(id, members)| json!({"id": id, "mailboxes": members})),
            "streams_refuse_it": story.demoted,
            "last_event": story.event.map(text),
            "last_reading": story.read.map(text),
            "last_record": story.record.or(changed).map(text),
            "trouble": failing,
            "last_fault": story.fault.as_ref().map(|(cause, at)| json!({"cause": cause,
                "at": text(*at)})),
            "window_cut": story.cut,
            "next": story.next.iter().map(upcoming).collect::<Vec<_>>(),
        });
        told["store"] = match kept {
            Ok((loaded, waits)) => disk(loaded.as_ref(), waits),
            Err(fault) => json!({"unknown": fault.to_string()}),
        };
        told
    }

    pub(super) async fn resync(&self, who: &str) -> Reply {
        let (line, story) = match self.find(who).await {
            Ok(found) => found,
            Err(reply) => return reply,
        };
        let user = story.user;
        let decision = Decision {
            // None of the cloud's: its channel counts from one.
            id: CommandId::new(format!("local.{}", uuid::Uuid::new_v4())),
            sequence: 0,
            effect: Effect::Resend { user: Some(user.clone()) },
            outcome: Outcome::Done,
        };
        let decided = self.parts.disk.decide(vec![decision]).await;
        if let Some(fault) = decided.fault {
            let why = format!("the store does not take it now ({fault})");
            return refusal(StatusCode::SERVICE_UNAVAILABLE, "store-fails", &why);
        }
        self.parts.switchboard.all(|| Tell::Stir(user.clone())).await;
        let (user, calendar) = (user.as_str(), line.calendar.as_str());
        serve::json(StatusCode::ACCEPTED, &json!({"user": user, "calendar": calendar}))
    }

    pub(super) async fn trace(&self, who: &str) -> Reply {
        let story = match self.find(who).await {
            Ok((_, story)) => story,
            Err(reply) => return reply,
        };
        let Ok(place) = Arc::clone(&self.traces).try_acquire_owned() else {
            let why = "four are followed already: end one of them";
            return refusal(StatusCode::SERVICE_UNAVAILABLE, "too-many", why);
        };
        let tap = Tap::new(story.user.as_str());
        let (lines, outbox) = mpsc::channel(LINES);
        let first = json!({"time": text(clock::wall()), "what": "following",
            "user": story.user.as_str(), "state": story.health.name()});
        tokio::spawn(follow(tap, first, lines, place));
        serve::lines(outbox)
    }
}

/// Ends when the caller hangs up.
async fn follow(
    mut tap: Tap,
    first: Value,
    lines: mpsc::Sender<Bytes>,
    _place: OwnedSemaphorePermit,
) {
    let mut next = Some(first);
    while let Some(line) = next.take() {
        if lines.send(format!("{line}\n").into()).await.is_err() {
            return;
        }
        next = tokio::select! {
            () = lines.closed() => return,
            line = tap.next() => line,
        };
    }
}

fn bad(why: &str) -> Reply {
    refusal(StatusCode::BAD_REQUEST, "bad-request", why)
}

type Kept = Result<(Option<Loaded>, Outstanding), Fault>;

fn trouble(line: &Line, story: &Story, cause: &str, times: u8) -> Value {
    let condition = match cause == Cause::IN_THE_CLOUD {
        true => MAILBOX_IN_CLOUD,
        false => MAILBOX_FAILING,
    };
    let remedy = fill(condition.remedy, |field| match field {
        "USER_ID" => Some(story.user.as_str().to_owned()),
        "CALENDAR" => Some(line.calendar.as_str().to_owned()),
        "CAUSE" => Some(cause.to_owned()),
        _ => None,
    });
    let hint = hint(cause);
    json!({"condition": condition.name, "cause": cause, "times": times,
           "hint": (!hint.is_empty()).then_some(hint), "remedy": remedy})
}

fn disk(loaded: Option<&Loaded>, waits: Outstanding) -> Value {
    let window = loaded.and_then(|loaded| loaded.window);
    json!({
        "sequence": loaded.map(|loaded| loaded.sequence),
        "activation": loaded.map(|loaded| loaded.generation),
        "was_read": loaded.map(|loaded| loaded.cursor.is_some()),
        "all_is_sent_again": loaded.map(|loaded| loaded.resend),
        "window": window.map(|window| json!({"from": text(window.from), "to": text(window.to)})),
        "key_of": loaded.and_then(|loaded| loaded.keys.as_ref()).map(|keys| text(keys.day)),
        "records": waits.records,
        "waiting": waits.events,
        "oldest": waits.oldest.map(text),
        "set_aside": waits.aside,
        "errands": waits.errands,
    })
}

fn upcoming(next: &Upcoming) -> Value {
    let (what, at): (_, Option<Time>) = match *next {
        Upcoming::Reading => ("reading", None),
        Upcoming::Place => ("reading-waits-for-place", None),
        Upcoming::Turn(true) => ("turn", None),
        Upcoming::Turn(false) => ("turn-in-backlog", None),
        Upcoming::Directory => ("directory", None),
        Upcoming::Read(at) => ("read", Some(at)),
        Upcoming::Seek(at) => ("directory", Some(at)),
        Upcoming::Listen(at) => ("listen", Some(at)),
        Upcoming::ServerRests(at) => ("server-rests", Some(at)),
        Upcoming::SignIn(at) => ("sign-in", Some(at)),
        Upcoming::Ring => ("ring", None),
    };
    json!({"what": what, "at": at.map(text)})
}
