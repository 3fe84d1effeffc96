//! The simulated cloud: gives join details for requests, has wishes of its users, and remembers
//! what it was told of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use calway::model::{
    Command, CommandId, CommandKind, Hours, KeyUri, Notify, Outcome, RecordKey, Response, Time,
    UserId, Wanted, When, Wish,
};
use calway::pipeline::outbox::Outgoing;
use calway::pipeline::seal::Sealer as _;
use serde_json::{Value, json};

use super::super::keys::Mark;
use super::super::play::Held;

/// A request for join details.
#[derive(Clone, Debug)]
pub struct Asked {
    pub user: UserId,
    pub record: String,
    pub start: String,
    pub keyword: String,
    pub mode: String,
    /// It was answered, with details.
    pub answered: bool,
}

/// What a command is for, as whoever watches has to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Other,
    Create,
    Respond(Response),
    Decorate,
}

#[derive(Clone, Debug)]
pub struct Sent {
    pub command: Command,
    pub what: What,
    pub outcome: Option<Outcome>,
    pub results: Vec<Value>,
}

/// The cloud.
#[derive(Debug, Default)]
pub struct Cloud {
    pub commands: Vec<Sent>,
    pub requests: BTreeMap<String, Asked>,
    /// Who is to be relayed, by the last command.
    pub wanted: BTreeSet<UserId>,
    /// Events by their ids.
    seen: BTreeSet<Arc<str>>,
    /// One in so many requests gets no details, ever.
    pub refuses_one_in: u64,
}

/// A number of a request's id, the same each time.
pub fn bent(request: &str) -> u64 {
    request.bytes().fold(7, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)))
}

/// Where the meeting of a request is joined.
pub fn url(request: &str) -> String {
    format!("https://join.example/{:016x}", bent(request))
}

fn key(user: &UserId) -> KeyUri {
    KeyUri::new(format!("kms://kms.example/keys/of-{user}"))
}

fn sealed(user: &UserId, text: &str) -> String {
    Mark::new(key(user).as_str()).seal(text).unwrap_or_default()
}

impl Cloud {
    pub fn refuses(&self, request: &str) -> bool {
        self.refuses_one_in > 0 && bent(request) % self.refuses_one_in == 1
    }

    /// Takes an event; the request that it is, if it is one.
    ///
    /// # Errors
    /// If a promise was broken.
    pub fn take(&mut self, row: &Outgoing) -> Held<Option<String>> {
        if !self.seen.insert(row.id.clone()) {
            return Ok(None);
        }
        let data: Value = serde_json::from_str(row.data.json()).map_err(|e| e.to_string())?;
        if let Some(result) = data.get("commandResult") {
            let id = result["commandId"].as_str().unwrap_or_default();
            let sent = self.commands.iter_mut().find(|sent| sent.command.id.as_str() == id);
            let sent = sent.ok_or_else(|| format!("a result of {id}, which nobody sent"))?;
            sent.results.push(result.clone());
            if sent.results.len() > 1 {
                return Err(format!("two results of one command: {:?}", sent.results));
            }
        }
        let Some(asked) = data.get("calendarDecorateRequest") else { return Ok(None) };
        let word = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
        let request = word("requestId");
        let new = Asked {
            user: row.user.clone(),
            record: word("id"),
            start: word("start"),
            keyword: word("keyword"),
            mode: word("mode"),
            answered: false,
        };
        let known = self.requests.entry(request.clone()).or_insert_with(|| new.clone());
        let same = (&known.record, &known.keyword, &known.mode);
        if same != (&new.record, &new.keyword, &new.mode) {
            return Err(format!("{known:?} and {new:?} have the same id"));
        }
        known.start = new.start;
        Ok(Some(request))
    }

    fn command(&mut self, kind: CommandKind, what: What) -> Command {
        let sequence = self.commands.len() as u64 + 1;
        let command = Command { id: CommandId::new(format!("command-{sequence}")), sequence, kind };
        let (outcome, results) = (None, Vec::new());
        self.commands.push(Sent { command: command.clone(), what, outcome, results });
        command
    }

    pub fn activate(&mut self, user: &UserId, address: &str) -> Command {
        self.wanted.insert(user.clone());
        let sealed_address = sealed(user, address);
        let (user, key) = (user.clone(), key(user));
        self.command(CommandKind::Activate { user, sealed_address, key }, What::Other)
    }

    pub fn deactivate(&mut self, user: &UserId) -> Command {
        self.wanted.remove(user);
        self.command(CommandKind::Deactivate { user: user.clone() }, What::Other)
    }

    pub fn resend(&mut self, user: &UserId) -> Command {
        self.command(CommandKind::Resend { user: Some(user.clone()) }, What::Other)
    }

    fn wish(&mut self, user: &UserId, wanted: Wanted, texts: &[&str], what: What) -> Command {
        let sealed: Vec<_> = texts.iter().map(|text| sealed(user, text)).collect();
        let key = (!sealed.is_empty()).then(|| key(user));
        let wish = Wish { user: user.clone(), what: wanted, sealed, key };
        self.command(CommandKind::Errand(Box::new(wish)), what)
    }

    pub fn create(&mut self, user: &UserId, when: When, n: u64, keyword: bool) -> Command {
        let guest = json!([{"email": "guest@corp.example", "name": "Guest"}]);
        let mut meeting = json!({"subject": format!("Title-{n}"), "notes": format!("par-{n} x"),
            "location": format!("Room-{n}"), "attendees": guest});
        if keyword {
            meeting["keyword"] = json!("webex:space");
        }
        let wanted = Wanted::Create { when, minutes: 30 };
        self.wish(user, wanted, &[&meeting.to_string()], What::Create)
    }

    pub fn between(from: Time, to: Time) -> When {
        When::Between(from, to, Hours::Any)
    }

    pub fn respond(
        &mut self,
        user: &UserId,
        (id, start): (RecordKey, Time),
        response: Response,
    ) -> Command {
        let words = comment(self.commands.len() + 1);
        let wanted = Wanted::Respond { id, start, response, notify: Notify::All };
        self.wish(user, wanted, &[&words], What::Respond(response))
    }

    /// Answers a request, with details that may be others than before.
    pub fn answer(&mut self, request: &str, other: bool) -> Option<Command> {
        let refuses = self.refuses(request);
        let asked = self.requests.get_mut(request)?;
        asked.answered |= !refuses;
        let Asked { user, record, start, .. } = asked.clone();
        let id = RecordKey::new(record);
        let start = super::play::time(&start)?;
        let request_id: Arc<str> = request.into();
        let number = if other { "2551 204 7312" } else { "2551 204 7313" };
        let details = json!({"url": url(request), "number": number, "title": "A space"});
        let reason = refuses.then(|| "no licence".into());
        let wanted = Wanted::Decorate { request: request_id, id, start, reason };
        let text = details.to_string();
        let texts: &[&str] = if refuses { &[] } else { &[&text] };
        Some(self.wish(&user, wanted, texts, What::Decorate))
    }

    pub fn acknowledge(&mut self, id: &CommandId, outcome: &Outcome) -> Held {
        let sent = self.commands.iter_mut().find(|sent| sent.command.id == *id);
        let sent = sent.ok_or_else(|| format!("nobody sent {id}"))?;
        match &sent.outcome {
            Some(known) if known != outcome => Err(format!("{id}: {known:?}, then {outcome:?}")),
            _ => {
                sent.outcome = Some(outcome.clone());
                Ok(())
            }
        }
    }

    /// What is sent when the channel opens.
    pub fn open(&self) -> Vec<Command> {
        let open = self.commands.iter().filter(|sent| sent.outcome.is_none());
        open.map(|sent| sent.command.clone()).collect()
    }
}

/// The words with the answer of a command.
pub fn comment(n: usize) -> String {
    format!("words-{n}-end")
}
