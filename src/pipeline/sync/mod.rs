//! One mailbox read once: from its cursor and index to what has to be committed.
//!
//! **Promise.** After a pass ended well, the index holds exactly the meetings of the window as the
//! calendar had them at some moment after the pass began; each difference was put into a commit,
//! and the cursor went to the disk with or after the records it passed.
//!
//! ```text
//!            no cursor            window rolled, resend, master, unknown deletion
//!   start ──▶ Drain ──▶ Listing ◀───────────────┐
//!     │                    │                    │
//!     └──▶ Changes ──▶ Reading ──▶ (commit) ──▶ next page, or end
//! ```
//!
//! Of the index only what the changed items touch is looked up; all of it only for a listing.
//!
//! An item that may be well again soon keeps nobody waiting: the rest is committed, but the window
//! does not count as read, so that the next pass lists it and asks for the item again.
//!
//! A deletion names only an item. One that the index does not know is either a series or a meeting
//! outside the window; the listing of the window, one call, tells which.

mod commit;
mod index;
mod listing;
mod notice;
mod twins;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use self::index::Index;
use super::errand::Noticed;
use super::limits::{
    DRAIN_PAGES, ITEMS_PER_ASK, LISTINGS_PER_PAGE, STAGED_RECORDS, WINDOW_ENTRIES,
};
use super::seal::{InUse, Installation, Sealed, Tag};
use super::showing::Showing;
use super::window::Window;
use crate::model::{Change, Cursor, Fault, Found, ItemId, Next, Page, RecordKey, UserId};

pub use words::{Ask, Commit, Event, EventKind, Got, Keyed, Loaded, Lookup, Row, Shortfall, Step};

/// A pass under way.
#[derive(Debug)]
pub struct Pass {
    user: UserId,
    window: Window,
    installation: Arc<Installation>,
    showing: Arc<Showing>,
    sealer: Option<InUse>,
    /// Read, but not sealed yet: waits for the index and the key.
    unsealed: Vec<Found>,
    /// Told by the feed, but not followed yet: waits for the index.
    told: Vec<Change>,
    loaded: Facts,
    index: Index,
    stage: Stage,
    cursor: Option<Cursor>,
    /// The page's end; reached when its items are staged.
    reached: Option<Cursor>,
    feed_ended: bool,
    pages: usize,
    wanted: VecDeque<ItemId>,
    /// Series that changed: their occurrences are read again whatever their version says.
    series: BTreeSet<Tag>,
    list_due: bool,
    listed: bool,
    whole: bool,
    staged: BTreeMap<RecordKey, (Row, Option<(EventKind, Sealed)>)>,
    removed: BTreeMap<RecordKey, Tag>,
    /// What asks for something, to be filed with the next commit.
    sighted: BTreeMap<Tag, Noticed>,
    /// Of what is staged, what asks for something unless its series does; with what is to be filed
    /// then, where that was not.
    waiting: BTreeMap<RecordKey, (Tag, Option<Noticed>)>,
    /// Records of this page that more than one item makes.
    contested: BTreeSet<RecordKey>,
    first_sequence: u64,
    lost_once: bool,
    listings: usize,
    asked: usize,
    unreadable: Option<(usize, Fault)>,
    /// Items of this page that cannot be read: not asked for twice.
    unread: BTreeSet<ItemId>,
    /// One of them may be well again soon.
    ill: bool,
    /// What is left out as it cannot be read, here or in the readings before.
    skipped: BTreeSet<Tag>,
    shortfall: Shortfall,
    /// [`WINDOW_ENTRIES`].
    most: usize,
}

#[derive(Debug)]
struct Facts {
    generation: u64,
    window: Option<Window>,
    resend: bool,
    sequence: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Drain,
    Changes,
    Reading,
    Listing,
    /// In the index, for what comes then.
    Looking(Lookup, Then),
    Committing {
        last: bool,
    },
}

/// What waits for lines of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Follow,
    Stage,
    List,
}

impl Pass {
    /// Begins. `window` is today's, `showing` what of a meeting is shown.
    ///
    /// # Errors
    /// If the stored cursor does not open: the store belongs to another installation.
    pub fn start(
        user: UserId,
        window: Window,
        loaded: Loaded,
        installation: Arc<Installation>,
        showing: Arc<Showing>,
    ) -> Result<(Self, Step), Fault> {
        let cursor = match &loaded.cursor {
            None => None,
            Some(blob) => Some(Cursor(installation.unstash(blob)?.reveal().into())),
        };
        let whole = cursor.is_none() || loaded.resend || loaded.window != Some(window);
        let stage = if cursor.is_none() { Stage::Drain } else { Stage::Changes };
        let pass = Self {
            user,
            window,
            installation,
            showing,
            sealer: None,
            unsealed: Vec::new(),
            told: Vec::new(),
            first_sequence: loaded.sequence + 1,
            loaded: Facts {
                generation: loaded.generation,
                window: loaded.window,
                resend: loaded.resend,
                sequence: loaded.sequence,
            },
            index: Index::default(),
            stage,
            cursor,
            reached: None,
            feed_ended: false,
            pages: 0,
            wanted: VecDeque::new(),
            series: BTreeSet::new(),
            list_due: whole,
            listed: false,
            whole,
            staged: BTreeMap::new(),
            removed: BTreeMap::new(),
            sighted: BTreeMap::new(),
            waiting: BTreeMap::new(),
            contested: BTreeSet::new(),
            lost_once: false,
            listings: 0,
            asked: 0,
            unreadable: None,
            unread: BTreeSet::new(),
            ill: false,
            skipped: BTreeSet::new(),
            shortfall: Shortfall::default(),
            most: WINDOW_ENTRIES,
        };
        let step = pass.ask_changes();
        Ok((pass, step))
    }

    /// Takes what came back.
    ///
    /// # Errors
    /// When sealing fails, or an answer does not fit the question.
    pub fn got(&mut self, got: Got) -> Result<Step, Fault> {
        match (self.stage.clone(), got) {
            (Stage::Drain, Got::Page(page)) => self.drained(page),
            (Stage::Changes, Got::Page(page)) => self.paged(page),
            (Stage::Listing, Got::View(listing)) => self.listed(listing),
            (Stage::Reading, Got::Items(found)) => self.read(found),
            (Stage::Reading, Got::Key(sealer)) => {
                self.sealer = Some(InUse::new(sealer));
                self.stage_found()
            }
            (Stage::Looking(lookup, then), Got::Rows(rows)) => {
                self.index.fill(rows, &lookup);
                self.seen(then)
            }
            (Stage::Committing { last }, Got::Committed) => self.committed(last),
            (stage, _) => Err(Fault::refused(format!("answer does not fit stage {stage:?}"))),
        }
    }

    /// How often an item could not be read for its own reasons, and the last reason.
    pub fn unreadable(&self) -> Option<&(usize, Fault)> {
        self.unreadable.as_ref()
    }

    /// Whether an item that could not be read may be well again soon: the mailbox is to be read
    /// again, although nothing changes.
    pub fn is_ill(&self) -> bool {
        self.ill
    }

    /// Takes a refusal of the cursor: the window is read anew, in this same pass. Any other fault,
    /// or a second refusal, ends the pass.
    ///
    /// # Errors
    /// The fault, if the pass is over.
    pub fn failed(&mut self, fault: Fault) -> Result<Step, Fault> {
        let feeding = matches!(self.stage, Stage::Drain | Stage::Changes);
        if fault.next != Next::CursorLost || !feeding || self.lost_once {
            return Err(fault);
        }
        self.lost_once = true;
        self.cursor = None;
        self.pages = 0;
        self.whole = true;
        self.list_due = true;
        self.listed = false;
        self.stage = Stage::Drain;
        Ok(self.ask_changes())
    }

    fn ask_changes(&self) -> Step {
        Step::Ask(Ask::Changes(self.cursor.clone()))
    }

    fn drained(&mut self, page: Page) -> Result<Step, Fault> {
        self.pages += 1;
        self.cursor = Some(page.cursor.clone());
        if !page.last && self.pages < DRAIN_PAGES {
            return Ok(self.ask_changes());
        }
        self.pages = 0;
        self.feed_ended = page.last;
        self.reached = Some(page.cursor);
        self.next_read()
    }

    fn paged(&mut self, page: Page) -> Result<Step, Fault> {
        self.pages += 1;
        self.feed_ended = page.last;
        // An empty page is not worth a write: reading on from the old cursor is harmless.
        if page.last && page.changes.is_empty() && !self.list_due {
            return Ok(Step::Done { more: false });
        }
        self.reached = Some(page.cursor);
        let deleted = |change: &Change| match change {
            Change::Delete(item) => Some(self.installation.item_tag(item)),
            Change::Upsert(_) => None,
        };
        let items = page.changes.iter().filter_map(deleted).collect();
        self.told = page.changes;
        self.look(Then::Follow, items, Vec::new())
    }

    /// Sees to it that the index has the lines of these.
    fn look(&mut self, then: Then, items: Vec<Tag>, series: Vec<Tag>) -> Result<Step, Fault> {
        let needed = !items.is_empty() || !series.is_empty() || then == Then::List;
        if self.index.is_whole() || !needed {
            return self.seen(then);
        }
        // All of it is needed soon where the window is to be listed.
        let lookup = match then == Then::List || self.list_due {
            true => Lookup::All,
            false => Lookup::Of { items, series },
        };
        self.stage = Stage::Looking(lookup.clone(), then);
        Ok(Step::Look(lookup))
    }

    fn seen(&mut self, then: Then) -> Result<Step, Fault> {
        match then {
            Then::Follow => self.follow(),
            Then::Stage => self.stage_found(),
            Then::List => {
                self.listings += 1;
                self.stage = Stage::Listing;
                Ok(Step::Ask(Ask::View(self.window)))
            }
        }
    }

    fn follow(&mut self) -> Result<Step, Fault> {
        for change in std::mem::take(&mut self.told) {
            match change {
                Change::Upsert(item) => {
                    if !self.wanted.contains(&item) {
                        self.wanted.push_back(item);
                    }
                }
                Change::Delete(item) => {
                    self.wanted.retain(|wanted| *wanted != item);
                    self.skipped.remove(&self.installation.item_tag(&item));
                    self.list_due |= !self.gone(&item);
                }
            }
        }
        self.next_read()
    }

    /// An item is not in the calendar any more; whether a record was made of it.
    fn gone(&mut self, item: &ItemId) -> bool {
        let known = self.of_item(self.installation.item_tag(item));
        let is_known = !known.is_empty();
        for (series, key) in known {
            self.withdraw(series, &key);
        }
        is_known
    }

    fn remove(&mut self, series: Tag, key: &RecordKey) {
        self.staged.remove(key);
        self.waiting.remove(key);
        if self.index.get(series, key).is_some() {
            self.removed.insert(key.clone(), series);
        }
    }

    /// Reads on: items first, then the listing if one is due, then the commit.
    fn next_read(&mut self) -> Result<Step, Fault> {
        if self.staged.len() >= STAGED_RECORDS && !self.wanted.is_empty() {
            return self.commit(false);
        }
        if !self.wanted.is_empty() {
            let count = self.wanted.len().min(ITEMS_PER_ASK);
            let batch: Vec<_> = self.wanted.drain(..count).collect();
            self.stage = Stage::Reading;
            self.asked = batch.len();
            return Ok(Step::Ask(Ask::Items(batch)));
        }
        if self.list_due && !self.listed {
            if self.listings >= LISTINGS_PER_PAGE {
                return Err(Fault::refused("the listing keeps naming masters of series"));
            }
            return self.look(Then::List, Vec::new(), Vec::new());
        }
        self.commit(true)
    }

    fn series_tag(&self, uid: &str) -> Tag {
        self.installation.tag(&[b"series", uid.as_bytes()])
    }

    fn read(&mut self, found: Vec<Found>) -> Result<Step, Fault> {
        if found.len() != self.asked {
            return Err(Fault::retry(format!("{} of {} items", found.len(), self.asked)));
        }
        let (mut items, mut series) = (Vec::new(), Vec::new());
        // Nothing is looked up where all of the index is here.
        for found in found.iter().filter(|_| !self.index.is_whole()) {
            match found {
                Found::Meeting(meeting) => {
                    series.push(self.series_tag(meeting.uid.reveal()));
                    items.push(self.installation.item_tag(&meeting.item));
                }
                Found::Missing(item) | Found::Other(item) => {
                    items.push(self.installation.item_tag(item));
                }
                Found::Master { .. } | Found::Unreadable(..) => {}
            }
        }
        self.unsealed = found;
        self.look(Then::Stage, items, series)
    }

    fn stage_found(&mut self) -> Result<Step, Fault> {
        self.stage = Stage::Reading;
        let meets = |found: &Found| matches!(found, Found::Meeting(_));
        if self.sealer.is_none() && self.unsealed.iter().any(meets) {
            return Ok(Step::Key);
        }
        for found in std::mem::take(&mut self.unsealed) {
            self.skips(&found);
            match found {
                Found::Meeting(meeting) => self.stage_meeting(&meeting)?,
                Found::Master { uid, .. } => {
                    let tag = self.series_tag(uid.reveal());
                    self.series.insert(tag);
                    self.list_due = true;
                    self.listed = false;
                }
                Found::Unreadable(item, fault) => self.unread(item, fault),
                // An item that vanished between page and reading was never in the index, or is
                // removed just now: its deletion comes with the next page of the feed.
                Found::Missing(item) | Found::Other(item) => {
                    self.gone(&item);
                }
            }
        }
        self.next_read()
    }

    fn unread(&mut self, item: ItemId, fault: Fault) {
        // What was known of it stays, unless the cloud is about to forget what is not sent again.
        if self.loaded.resend {
            self.gone(&item);
        }
        self.ill |= matches!(fault.next, Next::Retry { .. });
        let count = self.unreadable.take().map_or(0, |(count, _)| count);
        self.unreadable = Some((count + 1, fault));
        self.unread.insert(item);
        // It may be a series, whose occurrences can be read all the same.
        self.list_due = true;
    }
}

#[cfg(test)]
mod tests;
