//! The lines of the index that a pass has seen: all of them, or those that it had to look up.

use std::collections::BTreeMap;

use super::{Lookup, Row};
use crate::model::{ItemId, RecordKey, Time};
use crate::pipeline::seal::{Installation, Tag};

/// Lines by series, and in a series by record: whatever concerns a meeting is found by its UID.
#[derive(Debug, Default)]
pub(super) struct Index {
    rows: BTreeMap<(Tag, RecordKey), Row>,
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
            self.rows.entry((row.series, row.key.clone())).or_insert(row);
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

    pub(super) fn insert(&mut self, row: Row) {
        self.rows.insert((row.series, row.key.clone()), row);
    }

    pub(super) fn remove(&mut self, series: Tag, key: &RecordKey) {
        self.rows.remove(&(series, key.clone()));
    }
}

/// The hash by which a listing's line is compared with the index; zero where the provider names no
/// version, which never counts as unchanged.
pub(super) fn version(
    installation: &Installation,
    item: &ItemId,
    version: &str,
    start: Time,
    end: Time,
) -> Tag {
    if version.is_empty() {
        return Tag::default();
    }
    let times: Vec<u8> = [start, end].iter().flat_map(|time| time.as_ms().to_be_bytes()).collect();
    installation.tag(&[b"version", item.0.as_bytes(), version.as_bytes(), &times])
}
