//! The mark that a decorated invitation carries, in a property of our own that no client shows.

use std::sync::Arc;

use serde::Deserialize;

use super::Mode;
use crate::model::{Plain, RecordKey};

/// Bytes of a mark. A place that does not fit beside the rest is cut.
pub const MARK_BYTES: usize = 8 * 1024;

/// Bytes of what was put into the place. Six times that, if every one needs an escape, would not
/// fit; a place has no control characters.
const TEXT_BYTES: usize = 2 * 1024;

/// Characters from which on a client may have cut a place (PidLidLocation in Outlook: 255).
const CUT_CHARACTERS: usize = 250;

/// What was written into an invitation. It stays in the mailbox, so it may hold the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The meeting that it was written for: a copy of the invitation carries the mark too, but is
    /// another meeting.
    pub meeting: RecordKey,
    /// The request that the cloud answered, as its id says: the same again is done already.
    pub request: Arc<str>,
    /// The keyword that asked.
    pub keyword: Arc<str>,
    /// What was asked for.
    pub mode: Mode,
    /// What took the keyword's place: [`super::Place::with`].
    pub put: Plain,
    /// A digest of the block that was put into the body: the same details in the same words have
    /// the same.
    pub block: Arc<str>,
    /// How often this meeting had been written into before: the same words typed anew are asked for
    /// anew.
    pub before: u32,
}

#[derive(Deserialize)]
struct Read {
    v: u8,
    meeting: String,
    request: String,
    keyword: String,
    mode: String,
    put: String,
    block: String,
    #[serde(default)]
    before: u32,
}

impl Mark {
    /// As the property holds it: JSON, at most [`MARK_BYTES`].
    pub fn text(&self) -> Plain {
        let put = self.put.reveal();
        let ends = put.char_indices().map(|(at, c)| at + c.len_utf8());
        let end = ends.take_while(|end| *end <= TEXT_BYTES).last().unwrap_or_default();
        let put = put.get(..end).unwrap_or_default();
        Plain::new(
            serde_json::json!({
                "v": 1,
                "meeting": self.meeting.as_str(),
                "request": &*self.request,
                "keyword": &*self.keyword,
                "mode": self.mode.as_str(),
                "put": put,
                "block": &*self.block,
                "before": self.before,
            })
            .to_string(),
        )
    }

    /// What a property holds; `None` where it is none of ours, or of a later version.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MARK_BYTES {
            return None;
        }
        let read: Read = serde_json::from_str(text).ok()?;
        (read.v == 1).then_some(())?;
        Some(Self {
            meeting: RecordKey::new(read.meeting),
            request: read.request.into(),
            keyword: read.keyword.into(),
            mode: Mode::parse(&read.mode)?,
            put: Plain::new(read.put),
            block: read.block.into(),
            before: read.before,
        })
    }

    /// Whether a place still has what we wrote in it. Space does not count; of a place as long as
    /// clients cut it nobody can say that it was taken out.
    pub fn stands_in(&self, place: &Plain) -> bool {
        let place = squeezed(place.reveal());
        let put = squeezed(self.put.reveal());
        place.chars().count() >= CUT_CHARACTERS || (!put.is_empty() && place.contains(&put))
    }
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
