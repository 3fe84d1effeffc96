//! The lines of the index that a pass has seen: all of them, or those that it had to look up.

use std::collections::{BTreeMap, BTreeSet};

use super::{Lookup, Pass, Row};
use crate::model::{ItemId, RecordKey, Time};
use crate::pipeline::seal::Tag;

/// Lines by series, and in a series by record: whatever concerns a meeting is found by its UID, and
/// by its item where Exchange gave it another UID.
#[derive(Debug, Default)]
pub(super) struct Index {
    rows: BTreeMap<(Tag, RecordKey), Row>,
    /// Item, series, record.
    items: BTreeSet<(Tag, Tag, RecordKey)>,
    whole: bool,
}

impl Index {
    /// Whether every line is here.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Takes what was looked up. A line that this pass has written stays as it wrote it.
    pub(super) fn fill(&mut self, rows: Vec<Row>, lookup: &Lookup) {
        for row in rows {
            if self.get(row.series, &row.key).is_none() {
                self.insert(row);
            }
        }
        self.whole |= *lookup == Lookup::All;
    }

    pub(super) fn get(&self, series: Tag, key: &RecordKey) -> Option<&Row> {
        self.rows.get(&(series, key.clone()))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    pub(super) fn of_series(&self, series: Tag) -> impl Iterator<Item = &Row> {
        let first = (series, RecordKey::new(""));
        self.rows.range(first..).take_while(move |((of, _), _)| *of == series).map(|(_, row)| row)
    }

    pub(super) fn of_item(&self, item: Tag) -> impl Iterator<Item = &Row> {
        let first = (item, Tag::default(), RecordKey::new(""));
        let named = self.items.range(first..).take_while(move |(of, ..)| *of == item);
        named.filter_map(|(_, series, key)| self.get(*series, key))
    }

    pub(super) fn insert(&mut self, row: Row) {
        self.remove(row.series, &row.key);
        self.items.insert((row.item, row.series, row.key.clone()));
        self.rows.insert((row.series, row.key.clone()), row);
    }

    pub(super) fn remove(&mut self, series: Tag, key: &RecordKey) {
        if let Some(row) = self.rows.remove(&(series, key.clone())) {
            self.items.remove(&(row.item, series, row.key));
        }
    }
}

impl Pass {
    /// The records of an item, as they are by now.
    pub(super) fn of_item(&self, item: Tag) -> Vec<(Tag, RecordKey)> {
        // One that is staged may have got another item.
        let indexed = self.index.of_item(item).filter(|row| !self.staged.contains_key(&row.key));
        let staged = self.staged.values().map(|(row, _)| row).filter(|row| row.item == item);
        indexed.chain(staged).map(|row| (row.series, row.key.clone())).collect()
    }

    /// The hash by which a listing's line is compared with the index; zero where the provider names
    /// no version, which never counts as unchanged.
    pub(super) fn version(&self, item: &ItemId, version: &str, start: Time, end: Time) -> Tag {
        if version.is_empty() {
            return Tag::default();
        }
        let times = [start, end].map(|time| time.as_ms().to_be_bytes()).concat();
        let item = item.0.as_bytes();
        let parts = [b"version".as_slice(), item, version.as_bytes(), &times];
        let parts = [parts.as_slice(), &self.showing.mark()].concat();
        self.installation.tag(&parts)
    }
}
