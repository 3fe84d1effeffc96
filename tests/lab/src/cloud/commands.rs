//! Commands about meetings and what comes back of them, sealed and opened as a user's app does.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::Cloud;
use super::reports::{DECORATE_REQUEST, Report};

/// A guest of a [`NewMeeting`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guest {
    /// The address.
    pub email: String,
    /// The name; empty for none.
    pub name: String,
    /// `REQUIRED`, `OPTIONAL` or `RESOURCE`; empty for none.
    pub kind: String,
}

/// When a new meeting is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// At this time, RFC 3339 in UTC.
    At(String),
    /// In the first common free time of organiser and guests.
    Between {
        /// RFC 3339 in UTC.
        from: String,
        /// RFC 3339 in UTC.
        to: String,
        /// In working hours only; `None` says nothing about it.
        working_hours: Option<bool>,
    },
}

/// A meeting that a user wants to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMeeting {
    /// The title.
    pub subject: String,
    /// The body; empty for none.
    pub notes: String,
    /// The place; empty for none.
    pub location: String,
    /// Who is invited.
    pub guests: Vec<Guest>,
    /// `webex` and so on; empty for none.
    pub keyword: String,
    /// An IANA name; empty for none.
    pub time_zone: String,
    /// When.
    pub when: When,
    /// How long.
    pub minutes: u64,
}

impl NewMeeting {
    /// A meeting of half an hour.
    pub fn at(subject: &str, start: &str) -> Self {
        Self {
            subject: subject.into(),
            notes: String::new(),
            location: String::new(),
            guests: Vec::new(),
            keyword: String::new(),
            time_zone: String::new(),
            when: When::At(start.into()),
            minutes: 30,
        }
    }

    /// Invites somebody who has to come.
    pub fn invite(mut self, email: &str) -> Self {
        self.guests.push(Guest { email: email.into(), ..Guest::default() });
        self
    }

    fn sealed_part(&self) -> Value {
        let guest = |guest: &Guest| {
            let mut one = json!({"email": guest.email});
            put(&mut one, "name", &guest.name);
            put(&mut one, "type", &guest.kind);
            one
        };
        let guests: Vec<Value> = self.guests.iter().map(guest).collect();
        let mut part = json!({"subject": self.subject, "attendees": guests});
        put(&mut part, "notes", &self.notes);
        put(&mut part, "location", &self.location);
        put(&mut part, "keyword", &self.keyword);
        put(&mut part, "timeZone", &self.time_zone);
        part
    }
}

/// Sets a member unless it is empty.
fn put(object: &mut Value, name: &str, text: &str) {
    if !text.is_empty() {
        object[name] = json!(text);
    }
}

/// An answer that a user gives to a meeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The record's id.
    pub id: String,
    /// The record's start.
    pub start: String,
    /// `ACCEPTED`, `TENTATIVE` or `DECLINED`.
    pub response: String,
    /// Words with it; empty for none.
    pub comment: String,
    /// Whether the organiser is told; `None` says nothing about it.
    pub notify: Option<bool>,
}

/// How a command ended for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandResult {
    /// `done`, `refused` or `failed`.
    pub outcome: String,
    /// Why, if it was not done.
    pub reason: Option<String>,
    /// The record of the meeting concerned.
    pub id: Option<String>,
    /// Its start.
    pub start: Option<String>,
}

/// A request for join details, opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecorateRequest {
    /// The user.
    pub user: String,
    /// The id of the request.
    pub request_id: String,
    /// The record.
    pub id: String,
    /// What all occurrences have in common.
    pub series: String,
    /// RFC 3339, UTC.
    pub start: String,
    /// How long it lasts.
    pub minutes: u64,
    /// Whether it is about a series.
    pub recurring: bool,
    /// The keyword without its mark.
    pub keyword: String,
    /// `default`, `space`, `myroom` or `onetime`.
    pub mode: String,
    /// As the connector knows it; empty where it does not.
    pub language: String,
    /// The title; empty for none, or if it does not open.
    pub subject: String,
    /// The addresses of those who are invited, as far as they open.
    pub guests: Vec<String>,
}

impl DecorateRequest {
    /// Join details as a service would give them: a room that is the user's own and always the
    /// same, or one that is made for this request.
    pub fn details(&self) -> Value {
        let kind = if self.mode == "default" { "myroom" } else { self.mode.as_str() };
        let room = if kind == "myroom" { &self.user } else { &self.request_id };
        let room: String = room.chars().filter(char::is_ascii_alphanumeric).take(40).collect();
        json!({
            "kind": kind,
            "url": format!("https://meet.lab.example/{kind}/{room}?pwd=p7Kq"),
            "uri": format!("sip:{room}@meet.lab.example"),
            "number": "2551 204 7312",
            "password": "p7Kq",
            "phones": [{"number": "+49 30 5550 1234", "label": "Germany", "tollFree": false}],
            "accessCode": "2551204",
        })
    }
}

/// One mailbox in the answer to a free/busy question, opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FreeBusyItem {
    /// The address; empty if it does not open.
    pub email: String,
    /// `ok`, `unknown`, `denied` or `failed`.
    pub outcome: String,
    /// A digit for each interval.
    pub merged: String,
    /// Begin, end and kind of each time that is not free.
    pub busy: Vec<(String, String, String)>,
}

/// The answer to a free/busy question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FreeBusy {
    /// The question.
    pub request_id: String,
    /// The mailboxes in the order of the answer.
    pub items: Vec<FreeBusyItem>,
}

/// Requests for join details are answered as they come, until this is dropped.
#[derive(Debug)]
pub struct Decorating(JoinHandle<()>);

impl Drop for Decorating {
    fn drop(&mut self) {
        self.0.abort();
    }
}

const OWN: &str = "the lab's own key server answers its own people";

impl Cloud {
    /// Queues `meeting.create` of `user`, sealed; the id of the command.
    pub async fn create_meeting(&self, user: &str, meeting: &NewMeeting) -> String {
        let (sealed, key) = self.seal(user, &meeting.sealed_part().to_string()).await;
        let mut data = json!({
            "encryptionKeyUrl": key,
            "encryptedMeeting": sealed,
            "durationMinutes": meeting.minutes,
        });
        match &meeting.when {
            When::At(start) => data["start"] = json!(start),
            When::Between { from, to, working_hours } => {
                data["place"] = json!({"from": from, "to": to});
                if let Some(hours) = working_hours {
                    data["place"]["workingHours"] = json!(hours);
                }
            }
        }
        self.command("meeting.create", user, data)
    }

    /// Queues `meeting.respond` of `user`; the id of the command.
    pub async fn respond(&self, user: &str, reply: &Reply) -> String {
        let mut data = json!({
            "id": reply.id,
            "start": reply.start,
            "response": reply.response,
        });
        if !reply.comment.is_empty() {
            let (sealed, key) = self.seal(user, &reply.comment).await;
            data["encryptedComment"] = json!(sealed);
            data["encryptionKeyUrl"] = json!(key);
        }
        if let Some(notify) = reply.notify {
            data["notify"] = json!(notify);
        }
        self.command("meeting.respond", user, data)
    }

    /// Queues `freebusy.query` of `user` about these addresses from `start` to `end` (RFC 3339 in
    /// UTC); the ids of the command and of the question.
    pub async fn ask_free_busy(
        &self,
        user: &str,
        emails: &[&str],
        (start, end): (&str, &str),
        interval_minutes: Option<u64>,
    ) -> (String, String) {
        let connector = self.connector_id();
        let sealed = self.person(user).seal_all_for(emails, &connector).await;
        let (sealed, key) = sealed.expect(OWN);
        let request = Uuid::new_v4().to_string();
        let mut data = json!({
            "requestId": request,
            "start": start,
            "end": end,
            "emails": sealed,
            "encryptionKeyUrl": key,
        });
        if let Some(minutes) = interval_minutes {
            data["intervalMinutes"] = json!(minutes);
        }
        (self.command("freebusy.query", user, data), request)
    }

    /// Queues `meeting.decorate` in answer to a request, with join details sealed, or without any
    /// and for a reason; the id of the command.
    pub async fn decorate(
        &self,
        request: &DecorateRequest,
        details: Result<&Value, &str>,
    ) -> String {
        let mut data = json!({
            "requestId": request.request_id,
            "id": request.id,
            "start": request.start,
        });
        match details {
            Ok(details) => {
                let (sealed, key) = self.seal(&request.user, &details.to_string()).await;
                data["encryptionKeyUrl"] = json!(key);
                data["encryptedJoinDetails"] = json!(sealed);
            }
            Err(reason) => data["reason"] = json!(reason),
        }
        self.command("meeting.decorate", &request.user, data)
    }

    /// Answers every request for join details, those that came already as well, with what `details`
    /// says; `Err` is the reason why there are none. A request that comes again under its id is
    /// answered again, with the same.
    pub fn decorate_all(
        &self,
        details: impl Fn(&DecorateRequest) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Decorating {
        let (cloud, details) = (self.clone(), Arc::new(details));
        Decorating(tokio::spawn(async move {
            let mut answered: HashSet<(String, String)> = HashSet::new();
            let mut given: HashMap<(String, String), Result<Value, String>> = HashMap::new();
            loop {
                let mut new = Vec::new();
                cloud
                    .wait(|view| {
                        let all = view.reports().iter().filter(|one| one.kind == DECORATE_REQUEST);
                        let name = |one: &Report| (one.subject.clone(), one.event.clone());
                        new = all.filter(|one| !answered.contains(&name(one))).cloned().collect();
                        !new.is_empty()
                    })
                    .await;
                for report in new {
                    answered.insert((report.subject.clone(), report.event.clone()));
                    let request = cloud.open_request(&report.subject, &report.json).await;
                    let wish = (request.user.clone(), request.request_id.clone());
                    let said = given.entry(wish).or_insert_with(|| details(&request));
                    cloud.decorate(&request, said.as_ref().map_err(String::as_str)).await;
                }
            }
        }))
    }

    /// The requests for join details of `user` that came so far, in order, opened.
    pub async fn decorate_requests(&self, user: &str) -> Vec<DecorateRequest> {
        let reports = self.view(|view| {
            let all = view.reports_of(user, DECORATE_REQUEST).into_iter();
            all.cloned().collect::<Vec<_>>()
        });
        let mut opened = Vec::new();
        for report in reports {
            opened.push(self.open_request(user, &report.json).await);
        }
        opened
    }

    /// Waits for how the command `id` ended for good.
    pub async fn result(&self, id: &str) -> CommandResult {
        let mut found = None;
        self.wait(|view| {
            found = view.results(id).first().map(|report| report.json.clone());
            found.is_some()
        })
        .await;
        let json = found.unwrap_or_default();
        let word = |name: &str| json[name].as_str().map(str::to_owned);
        CommandResult {
            outcome: word("outcome").unwrap_or_default(),
            reason: word("reason"),
            id: word("id"),
            start: word("start"),
        }
    }

    /// Waits for the answer to the free/busy question `request` of `user`, and opens it.
    pub async fn free_busy(&self, user: &str, request: &str) -> FreeBusy {
        let mut found = None;
        self.wait(|view| {
            let all = view.reports_of(user, "calendar.free_busy");
            let mut answers = all.iter().rev().filter(|one| one.json["requestId"] == request);
            found = answers.next().map(|one| one.json.clone());
            found.is_some()
        })
        .await;
        let json = found.unwrap_or_default();
        let person = self.person(user);
        let key = json["encryptionKeyUrl"].as_str().unwrap_or_default();
        let word = |json: &Value, name: &str| json[name].as_str().unwrap_or_default().to_owned();
        let mut items = Vec::new();
        for item in json["calendarFreeBusyItems"].as_array().into_iter().flatten() {
            let email = person.open_text(key, &word(item, "email")).await.unwrap_or_default();
            let busy = item["items"].as_array().into_iter().flatten();
            let busy =
                busy.map(|one| (word(one, "start"), word(one, "end"), word(one, "busyType")));
            items.push(FreeBusyItem {
                email,
                outcome: word(item, "outcome"),
                merged: word(item, "merged"),
                busy: busy.collect(),
            });
        }
        FreeBusy { request_id: request.into(), items }
    }

    async fn seal(&self, user: &str, text: &str) -> (String, String) {
        let connector = self.connector_id();
        self.person(user).seal_for(text, &connector).await.expect(OWN)
    }

    async fn open_request(&self, user: &str, json: &Value) -> DecorateRequest {
        let person = self.person(user);
        let word = |json: &Value, name: &str| json[name].as_str().unwrap_or_default().to_owned();
        let key = word(json, "encryptionKeyUrl");
        let mut guests = Vec::new();
        for guest in json["encryptedParticipants"].as_array().into_iter().flatten() {
            guests.extend(person.open_text(&key, &word(guest, "encryptedEmailAddress")).await);
        }
        let subject = person.open_text(&key, &word(json, "encryptedSubject")).await;
        DecorateRequest {
            user: user.into(),
            request_id: word(json, "requestId"),
            id: word(json, "id"),
            series: word(json, "seriesId"),
            start: word(json, "start"),
            minutes: json["durationMinutes"].as_u64().unwrap_or(0),
            recurring: json["isRecurring"] == true,
            keyword: word(json, "keyword"),
            mode: word(json, "mode"),
            language: word(json, "language"),
            subject: subject.unwrap_or_default(),
            guests,
        }
    }
}
