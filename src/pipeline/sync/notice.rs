//! What a meeting asks for beside being shown: noticed while it is read, filed with its row.
//!
//! **Promise.** Whatever an organiser's own meeting asks for is filed once, in the transaction that
//! writes the row of its record; the same is not filed again while the row says so. What nobody
//! asks of it any more is forgotten, so that the same asked anew is filed anew.
//!
//! Of a series one is filed, whichever of its occurrences are in the window. One of them that was
//! changed by itself waits while its series asks, and what it asked for before is forgotten: what
//! is written into the series may reach it, and the series that was written into is read again, and
//! it with it. What of the series asks is known when everything is read, so these are decided last.
//!
//! A private meeting of which nothing is shown has no row, but its organiser asked all the same: it
//! is filed each time it is read.

use super::{Pass, Row};
use crate::model::{CommandId, Fault, Meeting, MeetingKind, RecordKey, Span};
use crate::pipeline::errand::{self, Noticed, Part};
use crate::pipeline::keyword::Mark;
use crate::pipeline::limits::STAGED_RECORDS;
use crate::pipeline::seal::{Stashed, Tag};

/// A meeting that asks for something.
#[derive(Debug)]
pub(super) struct Sighting {
    noticed: Noticed,
    /// Of what it asks for.
    tag: Tag,
}

impl Pass {
    /// What of a meeting asks to be looked at: a keyword in the place of the organiser's own copy,
    /// or a place out of which somebody took what we had put there. `key` is its record's.
    pub(super) fn sight(&self, meeting: &Meeting, key: &RecordKey) -> Option<Sighting> {
        if !meeting.mine || meeting.cancelled {
            return None;
        }
        let asked = self.showing.keywords.find(&meeting.location);
        if asked.is_none() && meeting.mark.is_none() {
            return None;
        }
        let (part, record) = match meeting.kind {
            MeetingKind::Single => (Part::Single, key.clone()),
            MeetingKind::Exception => (Part::Exception, key.clone()),
            MeetingKind::Occurrence => {
                (Part::Series, self.installation.record_key(&self.user, &meeting.uid, None))
            }
        };
        // A copy of a meeting has the mark of the one it was copied from, and an occurrence that
        // was changed by itself may have that of its series: once it has, it may ask for itself.
        let mark = meeting.mark.as_ref().and_then(|mark| Mark::parse(mark.reveal()));
        let own = mark.as_ref().filter(|mark| mark.meeting == record);
        let stands = own.is_none_or(|mark| mark.stands_in(&meeting.location));
        if asked.is_none() && stands {
            return None;
        }
        let (keyword, mode) = asked.map(|asked| (asked.keyword, asked.mode.as_str())).unzip();
        let before = mark.as_ref().map_or(0, |mark| mark.before).to_be_bytes();
        let request = mark.map(|mark| mark.request);
        let (item, numbers) = match part {
            // Of every occurrence the same.
            Part::Series => {
                let day = i64::try_from(Span::DAY.as_ms()).unwrap_or(i64::MAX);
                let length = meeting.end.as_ms() - meeting.start.as_ms();
                ("", [meeting.start.as_ms().rem_euclid(day), length])
            }
            Part::Single | Part::Exception => {
                (&*meeting.item.0, [meeting.start.as_ms(), meeting.end.as_ms()])
            }
        };
        let numbers = numbers.map(i64::to_be_bytes).concat();
        let mut tag = self.installation.tag(&[
            b"asked",
            record.as_str().as_bytes(),
            item.as_bytes(),
            meeting.subject.reveal().as_bytes(),
            meeting.location.reveal().as_bytes(),
            keyword.as_deref().unwrap_or_default().as_bytes(),
            mode.unwrap_or_default().as_bytes(),
            request.as_deref().unwrap_or_default().as_bytes(),
            &before,
            &numbers,
        ]);
        let [.., last] = &mut tag.0;
        *last = (*last & !1) | u8::from(part == Part::Exception);
        let noticed = Noticed {
            item: meeting.item.clone(),
            record,
            part,
            start: meeting.start,
            conference: !meeting.conference.is_blank(),
        };
        Some(Sighting { noticed, tag })
    }

    /// Takes what there is no row of.
    pub(super) fn file_rowless(&mut self, sighting: Sighting) {
        self.sighted.insert(sighting.tag, sighting.noticed);
    }

    /// What the row of a meeting says that it asks for; what it did not say before is filed with
    /// the next commit, or waits for the last one.
    pub(super) fn asked(&mut self, row: &Row, sighting: Option<Sighting>) -> Option<Tag> {
        self.waiting.remove(&row.key);
        let Sighting { noticed, tag } = sighting?;
        let known = self.index.of_series(row.series).any(|row| row.asked == Some(tag));
        if noticed.part == Part::Exception {
            self.waiting.insert(row.key.clone(), (tag, (!known).then_some(noticed)));
            return None;
        }
        if !known {
            self.sighted.entry(tag).or_insert(noticed);
        }
        Some(tag)
    }

    /// Which of those that wait go on waiting over a commit that is not the last: not so many that
    /// there would be nothing to commit.
    pub(super) fn held_back(&self, last: bool) -> Vec<RecordKey> {
        let most = if last { 0 } else { STAGED_RECORDS / 2 };
        self.waiting.keys().take(most).cloned().collect()
    }

    /// The errands of a commit with these rows, which are in the index by now.
    pub(super) fn file_noticed(
        &mut self,
        rows: &mut [Row],
    ) -> Result<Vec<(CommandId, Stashed)>, Fault> {
        for row in rows {
            let Some((tag, noticed)) = self.waiting.remove(&row.key) else { continue };
            let of_series = |tag: Tag| tag.0.last().is_some_and(|last| last & 1 == 0);
            if self.index.of_series(row.series).any(|row| row.asked.is_some_and(of_series)) {
                continue;
            }
            row.asked = Some(tag);
            self.index.insert(row.clone());
            self.sighted.extend(noticed.map(|noticed| (tag, noticed)));
        }
        let sighted = std::mem::take(&mut self.sighted);
        sighted.iter().map(|(tag, one)| errand::file(one, &self.installation, *tag)).collect()
    }
}
