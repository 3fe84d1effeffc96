//! Meetings become rows and events; and two items that make one record.
//!
//! A calendar may hold an item twice (imported again, copied, left over by a device): one UID, one
//! record. Which of them it shows is always the same one, whatever is read first. The row of such a
//! record names no version, so that every listing reads both again; and when the one that it shows
//! goes, the window is listed and the other takes its place.

use std::sync::Arc;

use super::notice::Sighting;
use super::{EventKind, Pass, Row};
use crate::model::{Fault, Meeting, MeetingKind, RecordKey};
use crate::pipeline::record;
use crate::pipeline::seal::Tag;

impl Pass {
    pub(super) fn stage_meeting(&mut self, meeting: &Meeting) -> Result<(), Fault> {
        let key = record::key(&self.installation, &self.user, meeting);
        let series = self.series_tag(meeting.uid.reveal());
        let item = self.installation.item_tag(&meeting.item);
        // A series that became a single meeting keeps its item, and the feed names no occurrence.
        // Where there is a series beside it all the same, a listing shows it.
        let alone = meeting.kind == MeetingKind::Single && meeting.original_start.is_none();
        if alone && !self.listed {
            self.list_due |= self.remove_others(series, &key);
        }
        // Exchange was seen to tell another original start once an occurrence was changed, and
        // gives a UID to an item that had none.
        for (series, other) in self.of_item(item) {
            if other != key {
                self.withdraw(series, &other);
            }
        }
        let holder = self.row(series, &key).map(|row| (row.item, row.version));
        let twin = holder.map(|(holder, _)| holder).filter(|holder| *holder != item);
        let sighting = self.sight(meeting, &key);
        if !self.holds(meeting) || !self.showing.has_record(meeting) {
            // The record of a twin is not this one's to withdraw.
            if twin.is_none() {
                self.withdraw(series, &key);
            }
            if let Some(sighting) = sighting.filter(|_| self.holds(meeting)) {
                self.file_rowless(sighting);
            }
            return Ok(());
        }
        if let Some(twin) = twin {
            self.contested.insert(key.clone());
            if twin > item {
                self.contest(series, &key);
                return Ok(());
            }
        }
        // Only a listing can tell that there is no other any more.
        let was_contested = !self.listed && holder == Some((item, Tag::default()));
        let version = if was_contested || self.contested.contains(&key) {
            Tag::default()
        } else {
            let (start, end) = (meeting.start, meeting.end);
            self.version(&meeting.item, &meeting.version, start, end)
        };
        let row = Row { key, item, series, version, digest: Tag::default(), asked: None };
        self.stage(meeting, row, sighting)
    }

    /// `row` has all but its digest and what it asks for.
    fn stage(
        &mut self,
        meeting: &Meeting,
        row: Row,
        sighting: Option<Sighting>,
    ) -> Result<(), Fault> {
        let key = row.key.clone();
        self.removed.remove(&key);
        let showing = Arc::clone(&self.showing);
        let shown = record::Shown::new(meeting, &showing);
        let digest = record::digest(&self.installation, &shown);
        let row = Row { digest, asked: self.asked(&row, sighting), ..row };
        let old = self.index.get(row.series, &key);
        let waits = self.waiting.contains_key(&key);
        if old == Some(&row) && !self.loaded.resend && !waits {
            self.staged.remove(&key);
            return Ok(());
        }
        let event = match old {
            Some(old) if old.digest == row.digest && !self.loaded.resend => None,
            Some(_) => Some(EventKind::Update),
            None => Some(EventKind::Create),
        };
        let event = match event {
            None => None,
            Some(kind) => {
                let Some(sealer) = &self.sealer else {
                    return Err(Fault::retry("no key to seal with"));
                };
                let data = record::record(&self.installation, &**sealer, &self.user, &key, &shown)?;
                Some((kind, data))
            }
        };
        self.staged.insert(key, (row, event));
        Ok(())
    }

    /// The row of a record, as it is by now.
    fn row(&self, series: Tag, key: &RecordKey) -> Option<&Row> {
        if self.removed.contains_key(key) {
            return None;
        }
        let staged = self.staged.get(key).map(|(row, _)| row);
        staged.or_else(|| self.index.get(series, key))
    }

    /// Marks a record that shows one of several items.
    fn contest(&mut self, series: Tag, key: &RecordKey) {
        if let Some((row, _)) = self.staged.get_mut(key) {
            row.version = Tag::default();
        } else if let Some(row) = self.index.get(series, key)
            && row.version != Tag::default()
        {
            let row = Row { version: Tag::default(), ..row.clone() };
            self.staged.insert(key.clone(), (row, None));
        }
    }

    /// Withdraws a record whose item shows no more; another item may have waited behind it.
    pub(super) fn withdraw(&mut self, series: Tag, key: &RecordKey) {
        if self.row(series, key).is_some_and(|row| row.version == Tag::default()) {
            (self.list_due, self.listed) = (true, false);
        }
        self.remove(series, key);
    }

    /// Withdraws other records of the series; whether there were any.
    fn remove_others(&mut self, series: Tag, key: &RecordKey) -> bool {
        let staged = self.staged.values().map(|(row, _)| row).filter(|row| row.series == series);
        let others: Vec<_> = self
            .index
            .of_series(series)
            .chain(staged)
            .filter(|row| row.key != *key)
            .map(|row| row.key.clone())
            .collect();
        for other in &others {
            self.remove(series, other);
        }
        !others.is_empty()
    }
}
