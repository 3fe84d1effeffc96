//! Meeting messages as they lie in inboxes and among the sent items.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::draft::Response;
use super::ids::{FolderNumber, ItemName};
use super::item::{Instance, Item, Person, now_ms};
use super::mailbox::Mailbox;

/// The place of the inbox among the folders.
pub(super) const INBOX: FolderNumber = 3;
/// The place of the sent items among the folders.
pub(super) const SENT_ITEMS: FolderNumber = 6;

/// What a meeting message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// The first invitation, or one that has to be answered anew (`significant`), or words only.
    Request {
        new: bool,
        significant: bool,
    },
    Cancellation,
    Answer(Response),
}

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) folder: FolderNumber,
    pub(super) key: u64,
    pub(super) about: About,
    pub(super) from: Arc<Person>,
    pub(super) to: Arc<[Person]>,
    /// The meeting as its organiser had it when the message was written.
    pub(super) item: Arc<Item>,
    pub(super) original_ms: Option<i64>,
    /// The words that came with an answer.
    pub(super) comment: Option<(String, bool)>,
    pub(super) received_ms: i64,
    /// A newer one about the same meeting came.
    pub(super) outdated: bool,
}

impl About {
    /// `ItemClass`
    pub(super) fn class(self) -> &'static str {
        match self {
            About::Request { .. } => "IPM.Schedule.Meeting.Request",
            About::Cancellation => "IPM.Schedule.Meeting.Canceled",
            About::Answer(Response::Accept) => "IPM.Schedule.Meeting.Resp.Pos",
            About::Answer(Response::Tentative) => "IPM.Schedule.Meeting.Resp.Tent",
            About::Answer(_) => "IPM.Schedule.Meeting.Resp.Neg",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            About::Request { .. } => "",
            About::Cancellation => "Canceled: ",
            About::Answer(Response::Accept) => "Accepted: ",
            About::Answer(Response::Tentative) => "Tentative: ",
            About::Answer(_) => "Declined: ",
        }
    }
}

impl Letter {
    /// What it is about: the meeting, or one occurrence of it.
    pub(super) fn shown(&self) -> Instance<'_> {
        let one = self.original_ms.and_then(|original| self.item.occurrence(original));
        one.unwrap_or_else(|| self.item.whole())
    }

    /// When the occurrence that it is about was to begin.
    pub(super) fn original_ms(&self) -> Option<i64> {
        self.original_ms.or(self.item.orphan_ms)
    }

    pub(super) fn subject(&self) -> String {
        format!("{}{}", self.about.prefix(), self.shown().draft.subject)
    }

    /// `MeetingRequestType`
    pub(super) fn request_type(&self) -> &'static str {
        match self.about {
            About::Request { .. } if self.outdated => "Outdated",
            About::Request { new: true, .. } => "NewMeetingRequest",
            About::Request { significant: true, .. } => "FullUpdate",
            About::Request { .. } => "InformationalUpdate",
            _ => "None",
        }
    }
}

/// The messages of a mailbox, by key.
pub(super) type Letters = BTreeMap<u64, Arc<Letter>>;

impl Mailbox {
    /// Puts a message into its folder.
    pub(super) fn take_letter(&mut self, mut letter: Letter) {
        letter.key = self.new_key();
        letter.received_ms = now_ms();
        if letter.folder == INBOX && !matches!(letter.about, About::Answer(_)) {
            let same = |older: &Letter| {
                older.folder == INBOX
                    && older.item.uid == letter.item.uid
                    && older.original_ms == letter.original_ms
                    && !older.outdated
            };
            for older in self.letters.values_mut().filter(|older| same(older)) {
                Arc::make_mut(older).outdated = true;
            }
        }
        self.letters.insert(letter.key, Arc::new(letter));
    }

    /// Whether an invitation to this meeting has come before: by mail, or as a copy that a script
    /// put there and that is older than its last change.
    pub(super) fn was_invited(&self, uid: &str) -> bool {
        let copy = self.with_uid(uid).and_then(|key| self.get(key));
        if copy.is_some_and(|copy| copy.change > copy.created) {
            return true;
        }
        let requests = self.letters.values().filter(|one| one.folder == INBOX);
        requests
            .filter(|one| matches!(one.about, About::Request { .. }))
            .any(|one| *one.item.uid == *uid)
    }

    /// What a folder holds, oldest first.
    pub(super) fn letters(&self, folder: FolderNumber) -> impl Iterator<Item = &Arc<Letter>> {
        self.letters.values().filter(move |letter| letter.folder == folder)
    }

    /// The message that an id names.
    pub(super) fn letter(&self, name: &ItemName) -> Option<&Arc<Letter>> {
        let letter = self.letters.get(&name.key)?;
        (name.mailbox == self.guid && name.folder == letter.folder).then_some(letter)
    }

    /// Takes a message away.
    pub(super) fn drop_letter(&mut self, key: u64) -> Option<()> {
        self.letters.remove(&key).map(drop)
    }
}
