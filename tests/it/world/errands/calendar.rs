//! The simulated Exchange: meetings whose places and bodies people and the connector write, with
//! versions, so that whoever writes on an old one meets a conflict.
//!
//! Of each text it knows what people wrote of it, beside what stands there now.

use std::collections::BTreeMap;
use std::sync::Arc;

use calway::model::{
    Answer, Body, Change, Cursor, Entry, Fault, Found, Invitation, InvitationKind, ItemId, Listing,
    Mark, Meeting, MeetingKind, NewMeeting, Next, Notify, Page, Plain, Reach, Response, Rewrite,
    Sensitivity, Span, Time, WriteFault, Written,
};

/// Where and what of an invitation.
#[derive(Clone, Debug, Default)]
pub struct Text {
    pub place: String,
    pub body: String,
    /// What people wrote of the body.
    pub written: String,
    pub mark: Option<Plain>,
    /// What the keyword that was typed last asks for; nothing once somebody typed a place without.
    pub wish: Option<(String, String)>,
    /// Words of the place beside the keyword.
    pub room: String,
    /// What was written for which request since somebody typed a place.
    pub writes: BTreeMap<String, u32>,
}

/// A meeting in one mailbox.
#[derive(Clone, Debug)]
pub struct Item {
    pub uid: String,
    pub version: u64,
    pub subject: String,
    pub start: Time,
    pub length: Span,
    /// How often it is, every day; 0 where it is no series.
    pub count: u64,
    pub text: Text,
    /// Those of a series that were changed by themselves, by where the pattern put them.
    pub apart: BTreeMap<Time, Text>,
    pub html: bool,
    pub mine: bool,
    pub invitees: usize,
    pub cancelled: bool,
    pub answer: Answer,
    pub made_by: Option<Arc<str>>,
}

impl Item {
    /// The text of one of them, by where the pattern put it; else of the whole.
    pub fn text(&self, at: Option<Time>) -> &Text {
        at.and_then(|at| self.apart.get(&at)).unwrap_or(&self.text)
    }

    fn text_mut(&mut self, at: Option<Time>) -> &mut Text {
        match at {
            Some(at) if self.apart.contains_key(&at) => self.apart.entry(at).or_default(),
            _ => &mut self.text,
        }
    }

    /// Where the pattern puts them.
    fn starts(&self) -> Vec<Time> {
        (0..self.count).map(|n| self.start + Span::DAY.times(n)).collect()
    }

    /// When the last of it is over.
    pub fn last_end(&self) -> Time {
        self.start + Span::DAY.times(self.count.saturating_sub(1)) + self.length
    }
}

/// A write that took effect.
#[derive(Clone, Debug)]
pub struct Write {
    pub address: String,
    pub id: String,
    pub at: Option<Time>,
    pub before: Item,
    pub notify: Notify,
}

#[derive(Debug, Default)]
pub struct Mailbox {
    pub items: BTreeMap<String, Item>,
    /// What was thrown away, and can still be found.
    thrown: BTreeMap<String, Item>,
    log: Vec<Change>,
}

/// All of them, by address.
#[derive(Debug, Default)]
pub struct Exchange {
    pub mailboxes: BTreeMap<String, Mailbox>,
    serial: u64,
    /// How often something was made under a mark.
    pub made: BTreeMap<Arc<str>, u32>,
    /// How often something was answered with these words.
    pub answers: BTreeMap<String, u32>,
    /// Changes of an invitation that took effect, for whoever watches.
    pub writes: Vec<Write>,
}

fn gone() -> Fault {
    Fault::new(Next::Gone, "ErrorItemNotFound")
}

fn version(item: &Item) -> Arc<str> {
    format!("CQ{}", item.version).into()
}

/// An id's item, and which of a series it names.
fn parts(id: &ItemId) -> (String, Option<Time>) {
    match id.0.split_once('#') {
        None => (id.0.to_string(), None),
        Some((id, at)) => (id.to_owned(), at.parse().ok().map(Time::from_ms)),
    }
}

fn named(id: &str, at: Option<Time>) -> ItemId {
    match at {
        None => ItemId(id.into()),
        Some(at) => ItemId(format!("{id}#{}", at.as_ms()).into()),
    }
}

impl Exchange {
    pub fn fresh(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub fn put(&mut self, address: &str, item: Item) -> String {
        let id = format!("i-{}", self.fresh());
        let mailbox = self.mailboxes.entry(address.to_owned()).or_default();
        mailbox.items.insert(id.clone(), item);
        mailbox.log.push(Change::Upsert(ItemId(id.as_str().into())));
        id
    }

    /// Somebody changes something of an item.
    pub fn change(&mut self, address: &str, id: &str, change: impl FnOnce(&mut Item)) {
        let version = self.fresh();
        let Some(mailbox) = self.mailboxes.get_mut(address) else { return };
        let Some(item) = mailbox.items.get_mut(id) else { return };
        change(item);
        item.version = version;
        mailbox.log.push(Change::Upsert(ItemId(id.into())));
    }

    pub fn delete(&mut self, address: &str, id: &str) {
        let Some(mailbox) = self.mailboxes.get_mut(address) else { return };
        mailbox.thrown.extend(mailbox.items.remove_entry(id));
        mailbox.log.push(Change::Delete(ItemId(id.into())));
    }

    fn mailbox(&self, address: &str) -> Result<&Mailbox, Fault> {
        self.mailboxes.get(address).ok_or_else(|| Fault::new(Next::Gone, "ErrorNonExistentMailbox"))
    }

    // ---- what is read ----

    pub fn changes(&self, address: &str, cursor: Option<&Cursor>) -> Result<Page, Fault> {
        let log = &self.mailbox(address)?.log;
        let from = cursor.map_or(0, |cursor| cursor.0.parse().unwrap_or(0));
        let mut changes: Vec<Change> = Vec::new();
        for change in log.get(from..).unwrap_or_default() {
            if !changes.contains(change) {
                changes.push(change.clone());
            }
        }
        Ok(Page { changes, cursor: Cursor(log.len().to_string().into()), last: true })
    }

    pub fn items(&self, address: &str, ids: &[ItemId]) -> Result<Vec<Found>, Fault> {
        let mailbox = self.mailbox(address)?;
        let found = |id: &ItemId| {
            let (name, at) = parts(id);
            let Some(item) = mailbox.items.get(&name) else { return Found::Missing(id.clone()) };
            let is_there = at.is_none_or(|at| item.starts().contains(&at));
            match (item.count, at) {
                _ if !is_there => Found::Missing(id.clone()),
                (1.., None) => {
                    Found::Master { item: id.clone(), uid: Plain::new(item.uid.clone()) }
                }
                _ => Found::Meeting(Box::new(meeting(id, item, at))),
            }
        };
        Ok(ids.iter().map(found).collect())
    }

    pub fn view(&self, address: &str, from: Time, to: Time) -> Result<Listing, Fault> {
        let mut entries = Vec::new();
        for (id, item) in &self.mailbox(address)?.items {
            let starts: Vec<_> = match item.count {
                0 => vec![(item.start, None)],
                _ => item.starts().into_iter().map(|at| (at, Some(at))).collect(),
            };
            for (start, at) in starts {
                let end = start + item.length;
                if start < to && end > from {
                    entries.push(Entry {
                        item: named(id, at),
                        version: version(item),
                        uid: Plain::new(item.uid.clone()),
                        recurring: at.is_some(),
                        start,
                        end,
                    });
                }
            }
        }
        Ok(entries.into())
    }

    pub fn invitation(
        &self,
        address: &str,
        id: &ItemId,
        reach: Reach,
    ) -> Result<Option<Invitation>, Fault> {
        let (name, at) = parts(id);
        let Some(item) = self.mailbox(address)?.items.get(&name) else { return Ok(None) };
        let at = match (reach, at) {
            (Reach::Series, None) if item.count == 0 => {
                return Err(Fault::refused("ErrorInvalidRecurrence: no series"));
            }
            (Reach::Series, _) => None,
            (Reach::Item, at) => at.filter(|_| item.count > 0),
        };
        if at.is_some_and(|at| !item.starts().contains(&at)) {
            return Ok(None);
        }
        Ok(Some(invitation(&name, item, at)))
    }

    pub fn created(&self, address: &str, mark: &str) -> Result<Option<Entry>, Fault> {
        let mailbox = self.mailbox(address)?;
        let mut all = mailbox.items.iter().chain(&mailbox.thrown);
        let found = all.find(|(_, item)| item.made_by.as_deref() == Some(mark));
        Ok(found.map(|(id, item)| Entry {
            item: named(id, None),
            version: version(item),
            uid: Plain::new(item.uid.clone()),
            recurring: item.count > 0,
            start: item.start,
            end: item.start + item.length,
        }))
    }

    // ---- what is written ----

    pub fn rewrite(&mut self, address: &str, rewrite: &Rewrite) -> Result<Written, WriteFault> {
        let (name, at) = parts(&rewrite.item);
        let serial = self.fresh();
        let mailbox = self.mailboxes.get_mut(address);
        let item = mailbox.and_then(|mailbox| mailbox.items.get_mut(&name));
        let item = item.ok_or_else(|| WriteFault::NoEffect(gone()))?;
        if rewrite.version != version(item) {
            let fault = Fault::retry("ErrorIrresolvableConflict");
            return Err(WriteFault::Conflict(fault));
        }
        let before = item.clone();
        if let Some(at) = at.filter(|_| item.count > 0) {
            // What is written into one of a series makes it one by itself.
            let text = item.text.clone();
            item.apart.entry(at).or_insert(text);
        }
        let text = item.text_mut(at);
        if let Some(place) = &rewrite.location {
            text.place = place.reveal().to_owned();
        }
        if let Some(body) = &rewrite.body {
            text.body = body.text.reveal().to_owned();
        }
        match &rewrite.mark {
            Mark::Keep => {}
            Mark::Set(mark) => text.mark = Some(mark.clone()),
            Mark::Remove => text.mark = None,
        }
        item.version = serial;
        let written = Written { item: rewrite.item.clone(), version: version(item) };
        let (address, notify) = (address.to_owned(), rewrite.notify);
        if let Some(mailbox) = self.mailboxes.get_mut(&address) {
            mailbox.log.push(Change::Upsert(ItemId(name.as_str().into())));
        }
        self.writes.push(Write { address, id: name, at, before, notify });
        Ok(written)
    }

    pub fn create(&mut self, address: &str, new: &NewMeeting, mark: &str) -> Written {
        let n = self.fresh();
        let body = new.body.text.reveal().to_owned();
        let place = new.location.reveal().to_owned();
        let (wish, room) = super::people::typed(&place);
        let item = Item {
            uid: format!("uid-{n}"),
            version: n,
            subject: new.subject.reveal().to_owned(),
            start: new.start,
            length: new.end.since(new.start),
            count: 0,
            text: Text { place, written: body.clone(), body, wish, room, ..Text::default() },
            apart: BTreeMap::new(),
            html: new.body.html,
            mine: true,
            invitees: new.invitees.len(),
            cancelled: false,
            answer: Answer::Organizer,
            made_by: Some(mark.into()),
        };
        *self.made.entry(mark.into()).or_default() += 1;
        let version = version(&item);
        let id = self.put(address, item);
        Written { item: named(&id, None), version }
    }

    pub fn respond(
        &mut self,
        address: &str,
        to: &Written,
        response: Response,
        comment: &str,
    ) -> Result<(), WriteFault> {
        let (name, _) = parts(&to.item);
        let items = self.mailboxes.get(address).map(|mailbox| &mailbox.items);
        let item = items.and_then(|items| items.get(&name));
        let item = item.ok_or_else(|| WriteFault::NoEffect(gone()))?;
        if item.mine {
            let fault = Fault::refused("ErrorCalendarIsOrganizerForAccept");
            return Err(WriteFault::NoEffect(fault));
        }
        *self.answers.entry(comment.to_owned()).or_default() += 1;
        match response {
            Response::Declined => self.delete(address, &name),
            other => self.change(address, &name, |item| item.answer = other.into()),
        }
        Ok(())
    }
}

fn invitation(id: &str, item: &Item, at: Option<Time>) -> Invitation {
    let text = item.text(at);
    let start = at.unwrap_or(item.start);
    let kind = match at {
        Some(at) if item.apart.contains_key(&at) => InvitationKind::Exception,
        Some(_) => InvitationKind::Occurrence,
        None if item.count > 0 => InvitationKind::Series,
        None => InvitationKind::Single,
    };
    Invitation {
        item: named(id, at),
        version: version(item),
        uid: Plain::new(item.uid.clone()),
        kind,
        original_start: at,
        start,
        end: start + item.length,
        last_end: Some(if at.is_some() { start + item.length } else { item.last_end() }),
        subject: Plain::new(item.subject.clone()),
        location: Plain::new(text.place.clone()),
        body: Body { text: Plain::new(text.body.clone()), html: item.html },
        language: "en-GB".into(),
        organizer: None,
        mine: item.mine,
        answer: item.answer,
        invited: item.invitees > 0,
        invitees: item.invitees,
        cancelled: item.cancelled,
        mark: text.mark.clone().or_else(|| item.text.mark.clone()),
        participants: Vec::new(),
        sensitivity: Sensitivity::Normal,
        conference: Plain::default(),
    }
}

fn meeting(id: &ItemId, item: &Item, at: Option<Time>) -> Meeting {
    let text = item.text(at);
    let start = at.unwrap_or(item.start);
    let kind = match at {
        Some(at) if item.apart.contains_key(&at) => MeetingKind::Exception,
        Some(_) => MeetingKind::Occurrence,
        None => MeetingKind::Single,
    };
    Meeting {
        item: id.clone(),
        version: version(item),
        uid: Plain::new(item.uid.clone()),
        kind,
        original_start: at,
        start,
        end: start + item.length,
        all_day: false,
        subject: Plain::new(item.subject.clone()),
        location: Plain::new(text.place.clone()),
        body: Body { text: Plain::new(text.body.clone()), html: item.html },
        organizer: None,
        participants: Vec::new(),
        sensitivity: Sensitivity::Normal,
        cancelled: item.cancelled,
        last_modified: None,
        conference: Plain::default(),
        mine: item.mine,
        mark: text.mark.clone().or_else(|| item.text.mark.clone()),
    }
}
