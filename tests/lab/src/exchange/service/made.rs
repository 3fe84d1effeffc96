//! Folders that somebody made in a mailbox, and what was put into them. They stand beside the
//! calendar: no feed, no stream and no free/busy tells of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::folder_names::localized;
use super::ids::FolderNumber;
use super::item::{Item, now_ms};
use super::mailbox::{CALENDAR, FOLDERS, Mailbox};

/// One of them.
#[derive(Debug)]
pub(super) struct Made {
    name: String,
    class: String,
    parent: FolderNumber,
    items: BTreeMap<u64, Arc<Item>>,
}

/// A folder as it shows, whoever made it.
#[derive(Debug)]
pub(super) struct Look<'a> {
    /// The distinguished name; empty for one that somebody made.
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) class: &'a str,
    pub(super) parent: FolderNumber,
    pub(super) count: usize,
}

impl Mailbox {
    /// A folder, if there is one of this number.
    pub(super) fn look(&self, number: FolderNumber) -> Option<Look<'_>> {
        if let Some(folder) = FOLDERS.get(usize::from(number)) {
            let count = match number {
                CALENDAR => self.len(),
                _ => self.letters(number).count(),
            };
            let (id, class) = (folder.id, folder.class);
            let name = localized(id, self.culture()).unwrap_or(folder.name);
            return Some(Look { id, name, class, parent: folder.parent, count });
        }
        let made = self.made.get(&number)?;
        let (name, class) = (made.name.as_str(), made.class.as_str());
        Some(Look { id: "", name, class, parent: made.parent, count: made.items.len() })
    }

    /// The numbers of all folders.
    pub(super) fn folders(&self) -> impl Iterator<Item = FolderNumber> {
        let own = (0..FOLDERS.len()).filter_map(|number| FolderNumber::try_from(number).ok());
        own.chain(self.made.keys().copied())
    }

    /// A new folder; nothing where the parent has one of that name.
    pub(super) fn make_folder(
        &mut self,
        parent: FolderNumber,
        name: &str,
        class: &str,
    ) -> Option<FolderNumber> {
        let taken = self
            .folders()
            .filter_map(|number| self.look(number))
            .any(|folder| folder.parent == parent && folder.name.eq_ignore_ascii_case(name));
        // Numbers are not given twice: an id of a folder that is gone stays unknown.
        let number = FolderNumber::try_from(FOLDERS.len()).ok()?.checked_add(self.folders_made)?;
        if taken {
            return None;
        }
        self.folders_made += 1;
        let (name, class) = (name.to_owned(), class.to_owned());
        self.made.insert(number, Made { name, class, parent, items: BTreeMap::new() });
        Some(number)
    }

    /// Takes a folder away with everything in it; false for one that nobody made.
    pub(super) fn drop_folder(&mut self, number: FolderNumber) -> bool {
        let known = self.made.remove(&number).is_some();
        let below: Vec<_> = self
            .made
            .iter()
            .filter(|(_, made)| known && made.parent == number)
            .map(|(number, _)| *number)
            .collect();
        for number in below {
            self.drop_folder(number);
        }
        known
    }

    /// Puts an item into a folder that somebody made.
    pub(super) fn put(&mut self, folder: FolderNumber, mut item: Item) -> Option<u64> {
        let key = self.new_key();
        let made = self.made.get_mut(&folder)?;
        item.key = key;
        item.folder = folder;
        item.created_ms = now_ms();
        item.modified_ms = item.created_ms;
        made.items.insert(key, Arc::new(item));
        Some(key)
    }

    /// What such a folder holds.
    pub(super) fn kept(&self, folder: FolderNumber) -> impl Iterator<Item = &Arc<Item>> {
        self.made.get(&folder).into_iter().flat_map(|made| made.items.values())
    }

    /// An item of such a folder, by its key alone.
    pub(super) fn kept_item(&self, key: u64) -> Option<&Arc<Item>> {
        self.made.values().find_map(|made| made.items.get(&key))
    }
}
