//! A CalendarItem of an answer becomes a meeting in one pass, without a tree in between
//! ([MS-OXWSMTGS] 2.2.4.5, [MS-OXWSCDATA]).

use std::sync::Arc;

use super::datetime;
use super::own::{self, Own};
use super::sync_folder_items::item_id;
use super::xml::{Element, Pull};
use crate::model::{
    Address, Answer, Body, Entry, Fault, Found, ItemId, Meeting, MeetingKind, Participant,
    ParticipantKind, ParticipantRole, Person, Plain, Sensitivity, Time,
};

/// Bytes of a body that are kept. A record has at most 64 KiB of its text, and a page's head before
/// that text may be large; forty items of 30 MiB, all of them whole, would end the process.
pub(super) const BODY_BYTES: usize = 1024 * 1024;

/// Bytes of any other text that are kept. Exchange holds no longer titles, places and names.
const LINE_BYTES: usize = 16 * 1024;

/// Participants that are kept, and the bytes of their names and addresses. A record has the first
/// thousand, and fewer where their names are long.
const PARTICIPANTS: usize = 2_000;

/// As [`PARTICIPANTS`].
const PARTICIPANTS_BYTES: usize = 1024 * 1024;

/// Reads the item that `element` begins; `owner` is whose copy it is, where that is known. The id
/// in the result is the item's own.
pub(super) fn item(
    pull: &mut Pull<'_>,
    element: &Element<'_>,
    owner: Option<&Address>,
) -> Result<Found, Fault> {
    if element.name() != "CalendarItem" {
        let mut id = None;
        while let Some(property) = pull.child()? {
            if property.name() == "ItemId" {
                id = item_id(&property);
            }
            pull.skip()?;
        }
        return Ok(Found::Other(id.unwrap_or_else(no_id)));
    }
    let mut draft = Draft::default();
    while let Some(property) = pull.child()? {
        draft.read(pull, &property)?;
    }
    draft.attendees.note(owner, draft.answer);
    Ok(draft.finish())
}

/// Reads the item that `element` begins as a line of a listing; nothing where it is no meeting.
pub(super) fn entry(pull: &mut Pull<'_>, element: &Element<'_>) -> Result<Option<Entry>, Fault> {
    let is_meeting = element.name() == "CalendarItem";
    let mut draft = Draft::default();
    while let Some(property) = pull.child()? {
        draft.read(pull, &property)?;
    }
    let (Some(item), Some(start), Some(end), true) =
        (draft.item, draft.start, draft.end, is_meeting)
    else {
        return Ok(None);
    };
    Ok(Some(Entry {
        uid: uid_or_id(draft.uid, &item),
        item,
        version: draft.version,
        recurring: draft.kind.is_part_of_series(),
        start,
        end: end.max(start),
    }))
}

/// An id for an item that names none; whoever asked by id knows better.
fn no_id() -> ItemId {
    ItemId(Arc::from(""))
}

/// Items that no Outlook made may lack a UID; what tells them apart then is their id.
pub(super) fn uid_or_id(uid: String, item: &ItemId) -> Plain {
    if uid.trim().is_empty() { Plain::new(&*item.0) } else { Plain::new(uid) }
}

/// [MS-OXWSMTGS] 2.2.5.1 CalendarItemTypeType.
#[derive(Clone, Copy, Default)]
enum Kind {
    #[default]
    Single,
    Occurrence,
    Exception,
    Master,
}

impl Kind {
    fn is_part_of_series(self) -> bool {
        !matches!(self, Self::Single)
    }
}

/// What was read so far. Properties may come in any order, twice, or not at all.
#[derive(Default)]
struct Draft {
    item: Option<ItemId>,
    version: Arc<str>,
    uid: String,
    kind: Kind,
    recurrence_id: Option<Time>,
    original_start: Option<Time>,
    start: Option<Time>,
    end: Option<Time>,
    all_day: bool,
    subject: String,
    location: String,
    body: Body,
    organizer: Option<Person>,
    attendees: Attendees,
    sensitivity: Sensitivity,
    cancelled: bool,
    last_modified: Option<Time>,
    conference: Conference,
    state: Option<u32>,
    answer: Option<Answer>,
    mark: Option<Plain>,
}

impl Draft {
    /// Reads the property that `element` begins to its end.
    fn read(&mut self, pull: &mut Pull<'_>, element: &Element<'_>) -> Result<(), Fault> {
        match element.name() {
            "ItemId" => {
                self.item = item_id(element);
                self.version = element.attribute("ChangeKey").unwrap_or_default().into();
                pull.skip()?;
            }
            "Subject" => self.subject = line(pull)?,
            "Sensitivity" => self.sensitivity = sensitivity(&pull.text()?),
            "Body" => {
                let html = element.attribute("BodyType").is_some_and(|kind| kind == "HTML");
                self.body = Body { text: Plain::new(pull.text_up_to(BODY_BYTES)?), html };
            }
            "LastModifiedTime" => self.last_modified = datetime::read(&pull.text()?),
            "Start" => self.start = datetime::read(&pull.text()?),
            "End" => self.end = datetime::read(&pull.text()?),
            "OriginalStart" => self.original_start = datetime::read(&pull.text()?),
            "RecurrenceId" => self.recurrence_id = datetime::read(&pull.text()?),
            "IsAllDayEvent" => self.all_day = flag(&pull.text()?),
            "IsCancelled" => self.cancelled = flag(&pull.text()?),
            "Location" => self.location = line(pull)?,
            "CalendarItemType" => self.kind = kind(&pull.text()?),
            "UID" => self.uid = line(pull)?,
            "Organizer" => self.organizer = person(pull)?,
            "AppointmentState" => self.state = pull.text()?.trim().parse().ok(),
            "MyResponseType" => self.answer = Some(response(&pull.text()?)),
            "ExtendedProperty" => {
                if let Some((Own::Mark, value)) = own::read(pull)? {
                    self.mark = Some(Plain::new(value));
                }
            }
            name if self.attendees.read(name, pull)? => {}
            name if self.conference.read(name, pull)? => {}
            _ => pull.skip()?,
        }
        Ok(())
    }

    fn finish(self) -> Found {
        let item = self.item.unwrap_or_else(no_id);
        let uid = uid_or_id(self.uid, &item);
        let kind = match self.kind {
            Kind::Master => return Found::Master { item, uid },
            Kind::Single => MeetingKind::Single,
            Kind::Occurrence => MeetingKind::Occurrence,
            Kind::Exception => MeetingKind::Exception,
        };
        // Without its times it can be put nowhere.
        let (Some(start), Some(end)) = (self.start, self.end) else {
            return Found::Other(item);
        };
        let original_start = match kind {
            MeetingKind::Single => self.recurrence_id,
            _ => Some(self.recurrence_id.or(self.original_start).unwrap_or(start)),
        };
        let answer = self.answer.unwrap_or(Answer::Unknown);
        Found::Meeting(Box::new(Meeting {
            mine: is_own(self.state, answer, self.attendees.all.is_empty()),
            mark: self.mark,
            item,
            version: self.version,
            uid,
            kind,
            original_start,
            start,
            end: end.max(start),
            all_day: self.all_day,
            subject: Plain::new(self.subject),
            location: Plain::new(self.location),
            body: self.body,
            organizer: self.organizer,
            participants: self.attendees.all,
            sensitivity: self.sensitivity,
            cancelled: self.cancelled,
            last_modified: self.last_modified,
            conference: self.conference.address(),
        }))
    }
}

/// Who is asked to come, as far as they are kept.
#[derive(Default)]
pub(super) struct Attendees {
    pub(super) all: Vec<Participant>,
    /// Of all names and addresses.
    bytes: usize,
    /// How many there are, kept or not.
    pub(super) count: usize,
}

impl Attendees {
    /// What the owner answered stands beside the list, which says it of nobody but in the
    /// organiser's copy.
    fn note(&mut self, owner: Option<&Address>, answer: Option<Answer>) {
        let Some(answer) = answer.filter(|one| !matches!(one, Answer::Unknown | Answer::Organizer))
        else {
            return;
        };
        let own = |one: &&mut Participant| owner.is_some() && one.person.address.as_ref() == owner;
        self.all.iter_mut().filter(own).for_each(|one| one.answer = answer);
    }

    /// Reads one of the three lists to its end; false where the property is none of them.
    pub(super) fn read(&mut self, name: &str, pull: &mut Pull<'_>) -> Result<bool, Fault> {
        let (kind, role) = match name {
            "RequiredAttendees" => (ParticipantKind::Person, ParticipantRole::Required),
            "OptionalAttendees" => (ParticipantKind::Person, ParticipantRole::Optional),
            "Resources" => (ParticipantKind::Room, ParticipantRole::Required),
            _ => return Ok(false),
        };
        while pull.child()?.is_some() {
            self.count += 1;
            let mut who = None;
            let mut answer = Answer::Unknown;
            while let Some(element) = pull.child()? {
                match element.name() {
                    "Mailbox" => who = mailbox(pull)?,
                    "ResponseType" => answer = response(&pull.text()?),
                    _ => pull.skip()?,
                }
            }
            let Some(person) = who else { continue };
            let address = person.address.as_ref().map_or("", |address| address.reveal());
            self.bytes += person.name.reveal().len() + address.len();
            if self.bytes <= PARTICIPANTS_BYTES && self.all.len() < PARTICIPANTS {
                self.all.push(Participant { person, kind, role, answer });
            }
        }
        Ok(true)
    }
}

/// The properties that name an address to join.
#[derive(Default)]
pub(super) struct Conference {
    join_url: String,
    net_show_url: String,
}

impl Conference {
    /// Reads one of them to its end; false where the property is none of them.
    pub(super) fn read(&mut self, name: &str, pull: &mut Pull<'_>) -> Result<bool, Fault> {
        match name {
            "JoinOnlineMeetingUrl" => self.join_url = line(pull)?,
            "NetShowUrl" => self.net_show_url = line(pull)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The newer one, where it says something.
    pub(super) fn address(self) -> Plain {
        let newer = !self.join_url.trim().is_empty();
        Plain::new(if newer { self.join_url } else { self.net_show_url })
    }
}

/// A text that nobody needs whole where it is too long.
pub(super) fn line(pull: &mut Pull<'_>) -> Result<String, Fault> {
    pull.text_up_to(LINE_BYTES)
}

/// `<Organizer><Mailbox>…`.
pub(super) fn person(pull: &mut Pull<'_>) -> Result<Option<Person>, Fault> {
    let mut who = None;
    while let Some(element) = pull.child()? {
        match element.name() {
            "Mailbox" => who = mailbox(pull)?,
            _ => pull.skip()?,
        }
    }
    Ok(who)
}

/// [MS-OXWSCDATA] 2.2.4.31 EmailAddressType; nothing where it names nobody.
fn mailbox(pull: &mut Pull<'_>) -> Result<Option<Person>, Fault> {
    let (mut name, mut address, mut routing) = (String::new(), String::new(), String::new());
    while let Some(element) = pull.child()? {
        match element.name() {
            "Name" => name = line(pull)?,
            "EmailAddress" => address = line(pull)?,
            "RoutingType" => routing = line(pull)?,
            _ => pull.skip()?,
        }
    }
    let smtp = matches!(routing.trim(), "" | "SMTP" | "smtp");
    let address = if smtp { Address::parse(&address).ok() } else { None };
    if name.trim().is_empty() && address.is_none() {
        return Ok(None);
    }
    Ok(Some(Person { name: Plain::new(name), address }))
}

pub(super) fn flag(text: &str) -> bool {
    matches!(text.trim(), "true" | "1")
}

/// Whether an item is its organiser's own copy; `else_own` where neither its state nor what its
/// owner answered tells. [MS-OXOCAL] 2.2.1.10: the state of a copy that was received has its second
/// bit.
pub(super) fn is_own(state: Option<u32>, answer: Answer, else_own: bool) -> bool {
    match (state, answer) {
        (Some(state), _) => state & 2 == 0,
        (None, Answer::Organizer) => true,
        (None, Answer::Unknown) => else_own,
        (None, _) => false,
    }
}

fn kind(text: &str) -> Kind {
    match text.trim() {
        "Occurrence" => Kind::Occurrence,
        "Exception" => Kind::Exception,
        "RecurringMaster" => Kind::Master,
        _ => Kind::Single,
    }
}

pub(super) fn sensitivity(text: &str) -> Sensitivity {
    match text.trim() {
        "Personal" => Sensitivity::Personal,
        "Private" => Sensitivity::Private,
        "Confidential" => Sensitivity::Confidential,
        _ => Sensitivity::Normal,
    }
}

pub(super) fn response(text: &str) -> Answer {
    match text.trim() {
        "Organizer" => Answer::Organizer,
        "Tentative" => Answer::Tentative,
        "Accept" => Answer::Accepted,
        "Decline" => Answer::Declined,
        "NoResponseReceived" => Answer::None,
        _ => Answer::Unknown,
    }
}

#[cfg(test)]
#[path = "convert_tests.rs"]
mod tests;
