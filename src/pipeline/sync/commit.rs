//! The end of a page: what was staged becomes one commit.

use std::collections::BTreeMap;

use super::{Commit, Event, EventKind, Pass, Stage, Step};
use crate::model::Fault;
use crate::pipeline::limits::PAGES_PER_PASS;
use crate::pipeline::record;

impl Pass {
    /// `last`: everything that the page named is staged, so its cursor goes along.
    pub(super) fn commit(&mut self, last: bool) -> Result<Step, Fault> {
        let mut events = Vec::new();
        let mut sequence = self.loaded.sequence;
        let mut number = || {
            sequence += 1;
            sequence
        };
        let mut rows = Vec::with_capacity(self.staged.len());
        let mut staged = std::mem::take(&mut self.staged);
        for key in self.held_back(last) {
            self.staged.extend(staged.remove_entry(&key));
        }
        for (key, (row, event)) in staged {
            if let Some((kind, data)) = event {
                let sequence = number();
                events.push(Event { key: Some(key.clone()), kind, sequence, data });
            }
            self.index.insert(row.clone());
            rows.push(row);
        }
        // A record whose item got another id counts as removed until it is read again, so nothing
        // is dropped before everything is read.
        let removed = if last { std::mem::take(&mut self.removed) } else { BTreeMap::new() };
        let mut dropped = Vec::with_capacity(removed.len());
        for (key, series) in removed {
            self.index.remove(series, &key);
            let data = record::withdrawn(&key);
            let sequence = number();
            events.push(Event { key: Some(key.clone()), kind: EventKind::Delete, sequence, data });
            dropped.push(key);
        }
        let noticed = self.file_noticed(&mut rows)?;
        let whole = last && self.whole && self.listed;
        if whole && self.loaded.resend {
            let sequence = number();
            let data = record::complete(self.first_sequence);
            events.push(Event { key: None, kind: EventKind::Complete, sequence, data });
        }
        // Any listing compares all of it. What is ill is listed and asked for again next time.
        let window = (last && (self.listed || self.ill)).then(|| self.read_window());
        let cursor = if last { self.reached.take() } else { None };
        let stashed = match cursor {
            None => None,
            Some(cursor) => {
                let blob = self.installation.stash_cursor(&cursor)?;
                self.cursor = Some(cursor);
                Some(blob)
            }
        };
        self.loaded.sequence = sequence;
        self.stage = Stage::Committing { last };
        Ok(Step::Commit(Box::new(Commit {
            user: self.user.clone(),
            generation: self.loaded.generation,
            cursor: stashed,
            window,
            resent: whole && self.loaded.resend,
            keys: None,
            rows,
            dropped,
            events,
            noticed,
            sequence,
            trace: None,
        })))
    }

    pub(super) fn committed(&mut self, last: bool) -> Result<Step, Fault> {
        if !last {
            return self.next_read();
        }
        if self.whole && self.listed {
            self.loaded.resend = false;
        }
        self.whole = false;
        self.list_due = false;
        self.listed = false;
        self.listings = 0;
        self.series.clear();
        self.contested.clear();
        self.unread.clear();
        if self.feed_ended {
            return Ok(Step::Done { more: false });
        }
        if self.pages >= PAGES_PER_PASS {
            return Ok(Step::Done { more: true });
        }
        self.stage = Stage::Changes;
        Ok(self.ask_changes())
    }
}
