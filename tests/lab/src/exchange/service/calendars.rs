//! The scripted side of the mailboxes: what people do in their calendars.

use std::sync::{Arc, MutexGuard};

use super::draft::{AttendeeKind, Draft, ItemId, Response, Sensitivity};
use super::ids::ItemName;
use super::item::now_ms;
use super::mailbox::Mailbox;
use super::meetings::Audience;
use super::rooms::RoomRules;
use super::world::{Happening, Shared, World};
use super::zone::Zone;

/// Whose mailbox it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MailboxKind {
    /// A person.
    #[default]
    User,
    /// A room, which accepts what it is invited to.
    Room,
}

/// Where a mailbox goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MovedTo {
    /// Another back end of this server.
    BackEnd(usize),
    /// Another server of the organisation; Autodiscover names this address of its EWS.
    Server(String),
    /// Away; Autodiscover redirects to this address, or to this Autodiscover.
    Cloud(String),
}

/// Where an address is, for Autodiscover and the front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// A mailbox of this server on this back end.
    BackEnd(usize),
    /// On another server of the organisation, with this address of EWS.
    Server(String),
    /// Moved away, to this address.
    Cloud(String),
    /// No such mailbox.
    Nowhere,
}

/// What the directory tells of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The primary SMTP address as it was added.
    pub address: String,
    /// The display name.
    pub name: String,
    /// Whose it is.
    pub kind: MailboxKind,
}

/// An attendee as [`Calendars::view`] shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownAttendee {
    /// The display name.
    pub name: String,
    /// The SMTP address.
    pub address: String,
    /// How it takes part.
    pub kind: AttendeeKind,
    /// What it answered, as this copy knows.
    pub response: Response,
}

/// One meeting of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// UID of the meeting, one for a whole series.
    pub uid: String,
    /// When it was to begin before anybody moved it, UTC milliseconds.
    pub original_start_ms: i64,
    /// UTC milliseconds.
    pub start_ms: i64,
    /// UTC milliseconds.
    pub end_ms: i64,
    /// The title.
    pub subject: String,
    /// The place.
    pub location: String,
    /// The body as stored.
    pub body: String,
    /// Whether the body is HTML.
    pub body_html: bool,
    /// Name and address.
    pub organizer: (String, String),
    /// Who is invited.
    pub attendees: Vec<ShownAttendee>,
    /// Whole days.
    pub all_day: bool,
    /// Part of a series.
    pub recurring: bool,
    /// Called off by its organiser.
    pub cancelled: bool,
    /// Who may read it.
    pub sensitivity: Sensitivity,
    /// The owner's own answer.
    pub my_response: Response,
}

impl Shown {
    /// A copy that was received knows what its owner answered, and of nobody else.
    fn note_own_answer(&mut self, address: &str) {
        if matches!(self.my_response, Response::Unknown | Response::Organizer) {
            return;
        }
        let own = self.attendees.iter_mut().filter(|one| one.address.eq_ignore_ascii_case(address));
        own.for_each(|one| one.response = self.my_response);
    }
}

/// Every mailbox of the simulated Exchange; clones share them.
///
/// The closures that edit a draft run while the server stands still: they must not call back.
#[derive(Clone, Debug)]
pub struct Calendars {
    shared: Arc<Shared>,
}

impl Calendars {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }

    /// A new mailbox with an empty calendar; an address that exists keeps what it has.
    pub fn add_mailbox(&self, address: &str, name: &str, kind: MailboxKind) {
        let back_ends = self.shared.settings.back_ends;
        self.shared.world().add(address, name, kind, back_ends);
    }

    pub(in crate::exchange) fn listened(&self) -> usize {
        self.shared.world().desk.listened()
    }

    /// Takes the mailbox away; its streams and subscriptions fail.
    pub fn remove_mailbox(&self, address: &str) {
        self.shared.world().remove(address);
    }

    /// Moves the mailbox; its streams and subscriptions fail.
    pub fn move_mailbox(&self, address: &str, to: MovedTo) {
        let mut world = self.shared.world();
        let Some(number) = world.number(address) else { return };
        let Some(mailbox) = world.mailbox_mut(number) else { return };
        match to {
            MovedTo::BackEnd(back_end) => {
                mailbox.back_end = back_end;
                (mailbox.cloud, mailbox.elsewhere) = (None, None);
            }
            MovedTo::Server(url) => mailbox.elsewhere = Some(url.into()),
            MovedTo::Cloud(address) => mailbox.cloud = Some(address.into()),
        }
        world.drop_subscriptions(number, "ErrorReadEventsFailed");
    }

    /// The zone of the mailbox's working hours, by Windows or IANA id. Unknown ids change nothing.
    pub fn set_zone(&self, address: &str, id: &str) {
        let mut world = self.shared.world();
        if let (Some(number), Some(zone)) = (world.number(address), Zone::find(id))
            && let Some(mailbox) = world.mailbox_mut(number)
        {
            mailbox.zone = Some(zone);
        }
    }

    /// What a room does to invitations from now on.
    pub fn set_room_rules(&self, address: &str, rules: RoomRules) {
        let mut world = self.shared.world();
        if let Some(number) = world.number(address)
            && let Some(mailbox) = world.mailbox_mut(number)
        {
            mailbox.rules = rules;
        }
    }

    /// The mailbox has no calendar any more, or one again: `ErrorFolderNotFound`.
    pub fn lose_calendar(&self, address: &str, lost: bool) {
        let mut world = self.shared.world();
        if let Some(number) = world.number(address)
            && let Some(mailbox) = world.mailbox_mut(number)
        {
            mailbox.lost_calendar = lost;
        }
    }

    /// Changed occurrences tell an original start that is off by so much, as was seen with other
    /// zones than UTC.
    pub fn skew_original_starts(&self, address: &str, by_ms: i64) {
        let mut world = self.shared.world();
        if let Some(number) = world.number(address)
            && let Some(mailbox) = world.mailbox_mut(number)
        {
            mailbox.skew_ms = by_ms;
        }
    }

    /// GetItem answers with this code for the item and its occurrences, or with them again.
    pub fn spoil(&self, address: &str, id: &ItemId, code: Option<&'static str>) {
        let mut world = self.shared.world();
        let Some((number, key)) = find(&world, address, id) else { return };
        let Some(mailbox) = world.mailbox_mut(number) else { return };
        match code {
            Some(code) => drop(mailbox.spoilt.insert(key, code)),
            None => drop(mailbox.spoilt.remove(&key)),
        }
    }

    /// `ErrorImpersonateUserDenied` for this mailbox, or no more.
    pub fn deny_impersonation(&self, address: &str, denied: bool) {
        let mut world = self.shared.world();
        if let Some(number) = world.number(address)
            && let Some(mailbox) = world.mailbox_mut(number)
        {
            mailbox.denied = denied;
        }
    }

    /// `ErrorImpersonationDenied` for the service account, whomever it names.
    pub fn forbid_impersonation(&self, forbidden: bool) {
        self.shared.world().impersonation_forbidden = forbidden;
    }

    /// Where an address is.
    pub fn whereabouts(&self, address: &str) -> Whereabouts {
        let world = self.shared.world();
        match world.number(address).and_then(|number| world.mailbox(number)) {
            None => Whereabouts::Nowhere,
            Some(mailbox) => match (&mailbox.cloud, &mailbox.elsewhere) {
                (Some(to), _) => Whereabouts::Cloud(to.to_string()),
                (None, Some(url)) => Whereabouts::Server(url.to_string()),
                (None, None) => Whereabouts::BackEnd(mailbox.back_end),
            },
        }
    }

    /// What the directory tells of an address.
    pub fn info(&self, address: &str) -> Option<Info> {
        let world = self.shared.world();
        let mailbox = world.mailbox(world.number(address)?)?;
        Some(Info {
            address: mailbox.address.to_string(),
            name: mailbox.name.to_string(),
            kind: mailbox.kind,
        })
    }

    /// A new item of its owner; copies arrive in the calendars of attendees that exist here.
    /// The id is empty when the address has no mailbox.
    pub fn create(&self, address: &str, draft: Draft) -> ItemId {
        let mut world = self.shared.world();
        let created = world
            .here(address)
            .and_then(|number| Some((number, world.create(number, draft, &Audience::All)?.0)))
            .and_then(|(number, key)| Some(world.mailbox(number)?.name_of(key, None).encode()));
        ItemId(created.unwrap_or_default())
    }

    /// Changes an item and what its attendees have of it. Unknown ids change nothing.
    pub fn update(&self, address: &str, id: &ItemId, edit: impl FnOnce(&mut Draft)) {
        let mut world = self.shared.world();
        let Some((number, key)) = find(&world, address, id) else { return };
        let Some(item) = world.item(number, key) else { return };
        let mut draft = item.draft.clone();
        edit(&mut draft);
        world.edit(number, key, None, draft, &Audience::All);
    }

    /// A delegate changes somebody's item: it is told twice, and has the delegate's name.
    pub fn update_as(
        &self,
        delegate: &str,
        address: &str,
        id: &ItemId,
        edit: impl FnOnce(&mut Draft),
    ) {
        self.update(address, id, edit);
        let mut world = self.shared.world();
        let Some((number, key)) = find(&world, address, id) else { return };
        let Some(mailbox) = world.mailbox_mut(number) else { return };
        mailbox.change_item(key, None, now_ms(), |item| {
            item.modified_by = Some(delegate.into());
            Vec::new()
        });
        world.tell(number, key, Happening::Modified);
    }

    /// A delegate answers for somebody: Outlook does not change the tentative item that Exchange
    /// made of the invitation, but puts another in its place.
    pub fn respond_as(
        &self,
        delegate: &str,
        attendee: &str,
        uid: &str,
        response: Response,
    ) -> ItemId {
        self.respond(attendee, uid, response);
        let Some(id) = self.find(attendee, uid) else { return ItemId(String::new()) };
        let id = self.move_out_and_back(attendee, &id);
        self.update_as(delegate, attendee, &id, |_| ());
        id
    }

    /// Deletes this copy, nobody is told.
    pub fn delete(&self, address: &str, id: &ItemId) {
        let mut world = self.shared.world();
        if let Some((number, key)) = find(&world, address, id) {
            world.take(number, key, Happening::Deleted);
        }
    }

    /// The organiser calls the meeting off: users keep a cancelled copy, rooms none.
    pub fn cancel(&self, address: &str, id: &ItemId) {
        let mut world = self.shared.world();
        if let Some((number, key)) = find(&world, address, id) {
            world.call_off(number, key, Happening::Deleted);
        }
    }

    /// An attendee answers; `Decline` takes its copy away.
    pub fn respond(&self, attendee: &str, uid: &str, response: Response) {
        self.respond_to(attendee, uid, None, response);
    }

    /// An attendee answers for one occurrence; `Decline` takes it out of its copy.
    pub fn respond_occurrence(
        &self,
        attendee: &str,
        uid: &str,
        original_start_ms: i64,
        response: Response,
    ) {
        self.respond_to(attendee, uid, Some(original_start_ms), response);
    }

    fn respond_to(&self, attendee: &str, uid: &str, original: Option<i64>, response: Response) {
        let mut world = self.shared.world();
        let Some(number) = world.here(attendee) else { return };
        let Some(key) = world.mailbox(number).and_then(|mailbox| mailbox.with_uid(uid)) else {
            return;
        };
        world.answer(number, key, original, response, true);
    }

    /// Changes one occurrence of a series.
    pub fn modify_occurrence(
        &self,
        address: &str,
        master: &ItemId,
        original_start_ms: i64,
        edit: impl FnOnce(&mut Draft),
    ) {
        let mut world = self.shared.world();
        let Some((number, key)) = find(&world, address, master) else { return };
        let Some(mut draft) =
            world.item(number, key).and_then(|item| item.occurrence_draft(original_start_ms))
        else {
            return;
        };
        edit(&mut draft);
        world.edit(number, key, Some(original_start_ms), draft, &Audience::All);
    }

    /// Deletes one occurrence of a series; attendees keep a cancelled one, rooms none.
    pub fn delete_occurrence(&self, address: &str, master: &ItemId, original_start_ms: i64) {
        let mut world = self.shared.world();
        if let Some((number, key)) = find(&world, address, master) {
            world.cut_out(number, key, original_start_ms, &Audience::All);
        }
    }

    /// The item leaves the calendar and comes back: the same meeting under another id.
    pub fn move_out_and_back(&self, address: &str, id: &ItemId) -> ItemId {
        let mut world = self.shared.world();
        let renewed = find(&world, address, id).and_then(|(number, key)| {
            let new = world.mailbox_mut(number)?.renew(key)?;
            world.tell(number, key, Happening::MovedAway);
            world.tell(number, new, Happening::Created);
            Some(world.mailbox(number)?.name_of(new, None).encode())
        });
        ItemId(renewed.unwrap_or_default())
    }

    /// The UID of an item.
    pub fn uid(&self, address: &str, id: &ItemId) -> Option<String> {
        let world = self.shared.world();
        let (number, key) = find(&world, address, id)?;
        Some(world.item(number, key)?.uid.to_string())
    }

    /// The id of the item with this UID.
    pub fn find(&self, address: &str, uid: &str) -> Option<ItemId> {
        let world = self.shared.world();
        let mailbox = world.mailbox(world.here(address)?)?;
        Some(ItemId(mailbox.name_of(mailbox.with_uid(uid)?, None).encode()))
    }

    /// What an item says, its own properties too.
    pub fn read(&self, address: &str, id: &ItemId) -> Option<Draft> {
        let world = self.shared.world();
        let (number, key) = find(&world, address, id)?;
        Some(world.item(number, key)?.draft.clone())
    }

    /// How many items the calendar has, a series being one.
    pub fn count(&self, address: &str) -> usize {
        let world = self.shared.world();
        world.here(address).and_then(|number| world.mailbox(number)).map_or(0, Mailbox::len)
    }

    /// What the calendar shows between two UTC times, by a slow reading of its own.
    pub fn view(&self, address: &str, from_ms: i64, to_ms: i64) -> Vec<Shown> {
        let items: Vec<_> = {
            let world = self.shared.world();
            let mailbox = world.here(address).and_then(|number| world.mailbox(number));
            mailbox.map(|mailbox| mailbox.items().cloned().collect()).unwrap_or_default()
        };
        let mut shown = super::view::shown(&items, from_ms, to_ms);
        shown.iter_mut().for_each(|one| one.note_own_answer(address));
        shown
    }

    /// Every sync state of the mailbox becomes invalid, as after a restore.
    pub fn forget_sync_states(&self, address: &str) {
        let mut world = self.shared.world();
        if let Some(number) = world.number(address)
            && let Some(mailbox) = world.mailbox_mut(number)
        {
            mailbox.forget_sync_states();
        }
    }

    /// Every subscription of the mailbox is gone without a word, as after a restart of a back end.
    /// A stream that is open learns it.
    pub fn forget_subscriptions(&self, address: &str) {
        self.end_subscriptions(address, "ErrorSubscriptionNotFound");
    }

    /// Every subscription of the mailbox is gone; a stream that is open learns it by this
    /// `ResponseCode`, and goes on with the others that it carries.
    pub fn end_subscriptions(&self, address: &str, code: &'static str) {
        let mut world = self.shared.world();
        if let Some(number) = world.number(address) {
            world.drop_subscriptions(number, code);
        }
    }

    /// Every subscription of the mailbox is gone in silence: a stream that carries it goes on with
    /// its heartbeats, and only the next one that is asked for learns it.
    pub fn lose_subscriptions(&self, address: &str) {
        let mut world = self.shared.world();
        if let Some(number) = world.number(address) {
            world.lose_subscriptions(number);
        }
    }

    /// Somebody else opens a stream on the subscriptions of the mailbox, and leaves again: the one
    /// that carried them ends with `ErrorNewEventStreamConnectionOpened`.
    pub fn take_over_subscriptions(&self, address: &str) {
        let mut world = self.shared.world();
        if let Some(number) = world.number(address) {
            world.take_over_subscriptions(number);
        }
    }

    /// Open streams.
    pub fn open_streams(&self) -> usize {
        self.shared.world().open_streams()
    }

    /// Subscriptions of a mailbox.
    pub fn subscriptions(&self, address: &str) -> usize {
        let world = self.shared.world();
        let mailbox = world.number(address).and_then(|number| world.mailbox(number));
        mailbox.map_or(0, |mailbox| mailbox.subscriptions.len())
    }

    /// Real servers write the elements inside a stream's lists in the messages namespace, their
    /// schema says types. `true` follows the schema.
    pub fn write_streams_by_schema(&self, by_schema: bool) {
        self.shared.streams_by_schema.store(by_schema, std::sync::atomic::Ordering::Release);
    }
}

fn find(world: &World, address: &str, id: &ItemId) -> Option<(usize, u64)> {
    let number = world.here(address)?;
    let name = ItemName::decode(&id.0)?;
    let item = world.mailbox(number)?.named(&name)?;
    Some((number, item.key))
}
