//! Meetings between mailboxes: invitations, updates, answers and cancellations.

use std::sync::Arc;

use super::calendars::MailboxKind;
use super::draft::{Attendee, Draft, Response};
use super::item::{Exception, Field, Item, Person, free_busy_after};
use super::rooms::RoomRules;
use super::world::{Happening, World};

/// Who hears of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Nobody.
    Nobody,
    /// Everybody who is invited.
    All,
    /// Those who were added or taken off.
    Changed,
}

/// Who heard of a change.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// The meeting as they were told of it.
    pub(super) item: Option<Arc<Item>>,
    /// The one occurrence that it was about.
    pub(super) original_ms: Option<i64>,
    /// It takes place at another time, and has to be answered anew.
    pub(super) significant: bool,
    /// Got an invitation or an update of it.
    pub(super) invited: Vec<String>,
    /// Got a cancellation.
    pub(super) cancelled: Vec<String>,
}

fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

impl World {
    /// A new item of its owner.
    pub(super) fn create(
        &mut self,
        number: usize,
        mut draft: Draft,
        audience: &Audience,
    ) -> Option<(u64, Heard)> {
        let uid = match draft.uid.take() {
            Some(uid) => uid.into(),
            None => self.new_uid(),
        };
        for attendee in &mut draft.attendees {
            attendee.response = Response::Unknown;
        }
        if draft.culture.is_empty() {
            draft.culture = self.mailbox(number)?.culture().to_owned();
        }
        let organizer = draft.organizer.take();
        let own = organizer.is_none();
        let organizer = match organizer {
            Some((name, address)) => Arc::new(Person { name, address }),
            None => self.person(number)?,
        };
        let mut item = Item::new(draft, uid, organizer, own);
        item.sent = *audience != Audience::Nobody && !item.draft.attendees.is_empty();
        let key = self.insert(number, item)?;
        let heard = self.spread(number, key, &[], true, audience);
        Some((key, heard))
    }

    /// Changes a whole item or one occurrence of it, for its owner and for the audience.
    pub(super) fn edit(
        &mut self,
        number: usize,
        key: u64,
        original_ms: Option<i64>,
        draft: Draft,
        audience: &Audience,
    ) -> Option<Heard> {
        let item = self.item(number, key)?;
        let before = invited(item);
        let own = item.own;
        let mut significant = false;
        self.change(number, key, original_ms, |item| {
            let fields = match original_ms {
                None => item.set(draft),
                Some(original) => item.set_occurrence(original, draft),
            };
            significant = fields.contains(&Field::Time) || fields.contains(&Field::Recurrence);
            if item.own {
                item.sequence += u32::from(significant);
                item.sent |= *audience != Audience::Nobody && item.is_meeting();
            }
            // A meeting at another time has to be answered anew.
            if significant && item.own && *audience != Audience::Nobody {
                forget_answers(item, original_ms);
            }
            if item.own && item.my_response == Response::Unknown && item.is_meeting() {
                item.my_response = Response::Organizer;
            }
            fields
        })?;
        if !own {
            return Some(Heard::default());
        }
        // One occurrence at another time does not make the whole series unanswered.
        let anew = significant && original_ms.is_none();
        let mut heard = self.spread(number, key, &before, anew, audience);
        heard.significant = significant;
        heard.original_ms = original_ms;
        if let Some(original) = original_ms
            && let Some(one) = heard.item.as_ref().and_then(|item| item.occurrence(original))
        {
            // Who comes to other occurrences only is told nothing.
            let invited = &one.draft.attendees;
            heard.invited.retain(|to| invited.iter().any(|who| same(&who.address, to)));
        }
        Some(heard)
    }

    /// Takes one occurrence out, for its owner and for the audience.
    pub(super) fn cut_out(
        &mut self,
        number: usize,
        key: u64,
        original_ms: i64,
        audience: &Audience,
    ) -> Option<Heard> {
        let item = self.item(number, key)?.clone();
        item.occurrence(original_ms)?;
        let (before, own) = (invited(&item), item.own);
        self.change(number, key, Some(original_ms), |item| {
            item.delete_occurrence(original_ms);
            vec![Field::Time]
        })?;
        if !own || *audience == Audience::Nobody {
            return Some(Heard::default());
        }
        for address in &before {
            self.withdraw_occurrence(address, &item.uid, original_ms);
        }
        let original_ms = Some(original_ms);
        Some(Heard { item: Some(item), original_ms, cancelled: before, ..Heard::default() })
    }

    /// The organiser calls a meeting off; its own copy goes too.
    pub(super) fn call_off(&mut self, number: usize, key: u64, how: Happening) -> Option<Heard> {
        let item = self.take(number, key, how)?;
        if !item.own {
            return Some(Heard::default());
        }
        let before = invited(&item);
        for address in &before {
            self.withdraw(address, &item.uid);
        }
        Some(Heard { item: Some(item), cancelled: before, ..Heard::default() })
    }

    /// An attendee answers, to a series or to one occurrence of it.
    pub(super) fn answer(
        &mut self,
        number: usize,
        key: u64,
        original_ms: Option<i64>,
        response: Response,
        tell_organizer: bool,
    ) -> Option<()> {
        let item = self.item(number, key)?;
        let (uid, organizer) = (item.uid.clone(), item.organizer.clone());
        let address = self.mailbox(number)?.address.clone();
        match (response, original_ms) {
            (Response::Decline, None) => {
                self.take(number, key, Happening::MovedAway)?;
            }
            (Response::Decline, Some(original)) => {
                self.change(number, key, original_ms, |item| {
                    item.delete_occurrence(original);
                    vec![Field::Time]
                })?;
            }
            _ => self.change(number, key, original_ms, |item| {
                note_own_answer(item, original_ms, response);
                vec![Field::FreeBusy]
            })?,
        }
        if tell_organizer
            && let Some(owner) = self.here(&organizer.address)
            && let Some(key) = self.mailbox(owner).and_then(|mailbox| mailbox.with_uid(&uid))
        {
            self.change(owner, key, original_ms, |item| {
                note_answer(item, original_ms, &address, response);
                Vec::new()
            });
        }
        Some(())
    }

    /// Brings the attendees' copies in line with the organiser's.
    fn spread(
        &mut self,
        number: usize,
        key: u64,
        before: &[String],
        significant: bool,
        audience: &Audience,
    ) -> Heard {
        let mut heard = Heard::default();
        let Some(item) = self.item(number, key).cloned() else { return heard };
        if *audience == Audience::Nobody || !item.own {
            return heard;
        }
        let now = invited(&item);
        for address in &now {
            let is_new = !before.iter().any(|old| same(old, address));
            if *audience == Audience::All || is_new {
                heard.invited.push(address.clone());
                self.deliver(&item, address, significant || is_new);
            }
        }
        for address in before {
            if !now.iter().any(|left| same(left, address)) {
                heard.cancelled.push(address.clone());
                self.withdraw(address, &item.uid);
            }
        }
        heard.item = Some(item);
        heard
    }

    /// Writes the copy of one attendee.
    fn deliver(&mut self, item: &Arc<Item>, address: &str, significant: bool) {
        let Some(number) = self.here(address) else { return };
        if same(&item.organizer.address, address) {
            return;
        }
        let Some(mailbox) = self.mailbox(number) else { return };
        let is_room = mailbox.kind == MailboxKind::Room;
        let rules = mailbox.rules;
        let key = match mailbox.with_uid(&item.uid) {
            Some(key) => {
                self.change(number, key, None, |copy| {
                    refresh(copy, item, address, significant, rules)
                });
                key
            }
            None => {
                let organizer = item.organizer.clone();
                let mut copy = Item::new(Draft::default(), item.uid.clone(), organizer, false);
                copy.sent = true;
                refresh(&mut copy, item, address, true, rules);
                let Some(key) = self.insert(number, copy) else { return };
                key
            }
        };
        if is_room {
            self.accept_all(number, key);
        }
    }

    /// A room says yes to whatever it has not answered.
    fn accept_all(&mut self, number: usize, key: u64) {
        let Some(item) = self.item(number, key) else { return };
        let open = |response| response == Response::NoResponseReceived;
        if open(item.my_response) {
            self.answer(number, key, None, Response::Accept, true);
            return;
        }
        let unanswered: Vec<i64> = item
            .exceptions
            .iter()
            .filter(|(_, exception)| open(exception.my_response))
            .map(|(original, _)| *original)
            .collect();
        for original in unanswered {
            self.answer(number, key, Some(original), Response::Accept, true);
        }
    }

    /// Calls one occurrence of an attendee's copy off.
    fn withdraw_occurrence(&mut self, address: &str, uid: &str, original_ms: i64) {
        let Some(number) = self.here(address) else { return };
        let Some(mailbox) = self.mailbox(number) else { return };
        let Some(key) = mailbox.with_uid(uid) else { return };
        let is_room = mailbox.kind == MailboxKind::Room;
        if mailbox.get(key).is_some_and(|item| item.orphan_ms == Some(original_ms)) {
            self.withdraw(address, uid);
            return;
        }
        self.change(number, key, Some(original_ms), |copy| {
            if is_room {
                copy.delete_occurrence(original_ms);
            } else {
                make_exception(copy, original_ms);
                if let Some(exception) = copy.exceptions.get_mut(&original_ms) {
                    exception.cancelled = true;
                    mark_cancelled(&mut exception.draft);
                }
            }
            vec![Field::Subject, Field::Time]
        });
    }

    /// Calls the copy of one attendee off; a room just forgets it.
    fn withdraw(&mut self, address: &str, uid: &str) {
        let Some(number) = self.here(address) else { return };
        let Some(mailbox) = self.mailbox(number) else { return };
        let Some(key) = mailbox.with_uid(uid) else { return };
        if mailbox.kind == MailboxKind::Room {
            self.take(number, key, Happening::Deleted);
            return;
        }
        self.change(number, key, None, |copy| {
            copy.cancelled = true;
            copy.sequence += 1;
            mark_cancelled(&mut copy.draft);
            for exception in copy.exceptions.values_mut() {
                exception.cancelled = true;
                mark_cancelled(&mut exception.draft);
            }
            vec![Field::Subject, Field::FreeBusy]
        });
    }
}

fn mark_cancelled(draft: &mut Draft) {
    if !draft.subject.starts_with("Canceled: ") {
        draft.subject.insert_str(0, "Canceled: ");
    }
    draft.free_busy = super::draft::FreeBusy::Free;
}

/// Everybody who is invited to the item or to an occurrence of it.
fn invited(item: &Item) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let exceptional = item.exceptions.values().flat_map(|exception| &exception.draft.attendees);
    for attendee in item.draft.attendees.iter().chain(exceptional) {
        if !all.iter().any(|known| same(known, &attendee.address)) {
            all.push(attendee.address.clone());
        }
    }
    all
}

/// What an attendee gets of a draft; what is its own stays as it was.
fn copied(draft: &Draft, own: Option<&Draft>) -> Draft {
    let attendees = draft
        .attendees
        .iter()
        .map(|attendee| Attendee { response: Response::Unknown, ..attendee.clone() })
        .collect();
    Draft {
        attendees,
        uid: None,
        extended: own.map(|own| own.extended.clone()).unwrap_or_default(),
        reminder: own.map_or(draft.reminder, |own| own.reminder),
        ..draft.clone()
    }
}

/// Brings a copy in line with the organiser's item, and says which fields changed.
fn refresh(
    copy: &mut Item,
    item: &Item,
    address: &str,
    significant: bool,
    rules: RoomRules,
) -> Vec<Field> {
    let invites = |draft: &Draft| draft.attendees.iter().any(|who| same(&who.address, address));
    if significant {
        copy.my_response = Response::NoResponseReceived;
        copy.reply_ms = None;
    }
    copy.cancelled = false;
    copy.sequence = item.sequence;
    copy.orphan_ms = None;
    let mut source = &item.draft;
    if !invites(&item.draft)
        && let Some((original, exception)) =
            item.exceptions.iter().find(|(_, exception)| invites(&exception.draft))
    {
        // Invited to one occurrence only: it stands alone in this calendar.
        copy.orphan_ms = Some(*original);
        source = &exception.draft;
    }
    let mut draft = copied(source, Some(&copy.draft));
    rules.apply(&mut draft, &item.organizer);
    draft.free_busy = free_busy_after(copy.my_response, source.free_busy);
    let old = copy.exceptions.clone();
    let declined = copy.deleted.clone();
    let mut fields = copy.set(draft);
    copy.exceptions.clear();
    copy.deleted.clear();
    if copy.orphan_ms.is_some() {
        return fields;
    }
    for original in &item.deleted {
        // What was called off stays to be seen until its owner deletes it.
        match old.get(original).filter(|own| own.cancelled) {
            Some(own) => drop(copy.exceptions.insert(*original, own.clone())),
            None => drop(copy.deleted.insert(*original)),
        }
    }
    if !significant {
        copy.deleted.extend(declined);
    }
    for (original, exception) in &item.exceptions {
        if !invites(&exception.draft) {
            copy.deleted.insert(*original);
        } else if !copy.deleted.contains(original) {
            let own = old.get(original);
            let mut exception = copied_exception(exception, own, copy);
            rules.apply(&mut exception.draft, &item.organizer);
            copy.exceptions.insert(*original, exception);
        }
    }
    fields.push(Field::Recurrence);
    fields
}

/// An attendee's answer to an occurrence holds as long as its time does.
fn copied_exception(exception: &Exception, own: Option<&Exception>, copy: &Item) -> Exception {
    let my_response = match own {
        Some(own) if own.draft.start_ms == exception.draft.start_ms => own.my_response,
        _ => Response::NoResponseReceived,
    };
    let mut draft = copied(&exception.draft, own.map(|own| &own.draft));
    draft.free_busy = free_busy_after(my_response, exception.draft.free_busy);
    draft.time_zone.clone_from(&copy.draft.time_zone);
    Exception { draft, cancelled: exception.cancelled, my_response }
}

fn forget_answers(item: &mut Item, original_ms: Option<i64>) {
    let forget = |draft: &mut Draft| {
        for attendee in &mut draft.attendees {
            attendee.response = Response::Unknown;
        }
    };
    match original_ms {
        None => forget(&mut item.draft),
        Some(original) => {
            if let Some(exception) = item.exceptions.get_mut(&original) {
                forget(&mut exception.draft);
            }
        }
    }
}

/// Makes an occurrence an exception that says the same.
fn make_exception(item: &mut Item, original_ms: i64) {
    if !item.exceptions.contains_key(&original_ms)
        && let Some(draft) = item.occurrence_draft(original_ms)
    {
        item.set_occurrence(original_ms, draft);
    }
}

fn note_own_answer(item: &mut Item, original_ms: Option<i64>, response: Response) {
    let intended = super::draft::FreeBusy::Busy;
    let free_busy = free_busy_after(response, intended);
    item.reply_ms = Some(super::item::now_ms());
    if let Some(original) = original_ms {
        make_exception(item, original);
        if let Some(exception) = item.exceptions.get_mut(&original) {
            exception.my_response = response;
            exception.draft.free_busy = free_busy;
        }
        return;
    }
    item.my_response = response;
    item.draft.free_busy = free_busy;
    for exception in item.exceptions.values_mut() {
        exception.my_response = response;
        exception.draft.free_busy = free_busy;
    }
}

fn note_answer(item: &mut Item, original_ms: Option<i64>, address: &str, response: Response) {
    let note = |draft: &mut Draft| {
        for attendee in &mut draft.attendees {
            if same(&attendee.address, address) {
                attendee.response = response;
            }
        }
    };
    if let Some(original) = original_ms {
        make_exception(item, original);
        if let Some(exception) = item.exceptions.get_mut(&original) {
            note(&mut exception.draft);
        }
        return;
    }
    note(&mut item.draft);
    for exception in item.exceptions.values_mut() {
        note(&mut exception.draft);
    }
}
