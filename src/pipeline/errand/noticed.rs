//! An invitation that a reading of the calendar noticed: kept as an errand of our own, of which
//! nobody outside hears.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::model::{CommandId, Fault, ItemId, RecordKey, Time};
use crate::pipeline::seal::{Installation, Stashed, Tag};

/// What the ids of such errands begin with; no command of the cloud has one like it.
const PREFIX: &str = "attend:";

/// An invitation that is to be looked at: its place asks for something, or lost what was put there.
/// What it is by now shows when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noticed {
    /// The item that was read: of a series one of its occurrences. Where it is gone meanwhile, the
    /// meeting may stand in another one at [`Noticed::start`].
    pub item: ItemId,
    /// The record of what is meant: the series as a whole, or the item.
    pub record: RecordKey,
    /// What is meant.
    pub part: Part,
    /// Start of the item, UTC.
    pub start: Time,
    /// Whether a conference property of the item names an address to join.
    pub conference: bool,
}

/// What of a calendar an invitation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A meeting that is no part of a series.
    Single,
    /// A series as a whole.
    Series,
    /// One of a series that was changed by itself. Its series comes first: where that asks as
    /// well, what is written there may reach this one too.
    Exception,
}

/// As it stands on the disk, under the stash's seal.
#[derive(Serialize, Deserialize)]
struct Kept {
    item: String,
    record: String,
    part: String,
    start: i64,
    #[serde(default)]
    conference: bool,
}

/// What a commit files: the errand's id, which is the same for the same `tag`, and its body.
///
/// # Errors
/// The fault of the cipher.
pub fn file(
    noticed: &Noticed,
    installation: &Installation,
    tag: Tag,
) -> Result<(CommandId, Stashed), Fault> {
    let kept = Kept {
        item: noticed.item.0.to_string(),
        record: noticed.record.as_str().to_owned(),
        part: match noticed.part {
            Part::Single => "single",
            Part::Series => "series",
            Part::Exception => "exception",
        }
        .to_owned(),
        start: noticed.start.as_ms(),
        conference: noticed.conference,
    };
    let json = serde_json::to_string(&kept).map_err(|_| Fault::refused("errand: not JSON"))?;
    let id = CommandId::new(format!("{PREFIX}{}", tag.hex()));
    Ok((id, installation.stash(&Zeroizing::new(json))?))
}

/// The tag under which it was filed.
pub(super) fn tag(id: &CommandId) -> Option<Tag> {
    let hex = id.as_str().strip_prefix(PREFIX)?;
    let mut tag = Tag::default();
    for (at, byte) in tag.0.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(tag)
}

/// What was filed.
///
/// # Errors
/// `Refused` where it does not open, or is of no use.
pub(in crate::pipeline) fn open(
    body: &Stashed,
    installation: &Installation,
) -> Result<Noticed, Fault> {
    let useless = || Fault::refused("what is kept of the invitation is of no use");
    let plain = installation.unstash(body)?;
    let kept: Kept = serde_json::from_str(plain.reveal()).map_err(|_| useless())?;
    Ok(Noticed {
        item: ItemId(kept.item.into()),
        record: RecordKey::new(kept.record),
        part: match kept.part.as_str() {
            "single" => Part::Single,
            "series" => Part::Series,
            "exception" => Part::Exception,
            _ => return Err(useless()),
        },
        start: Time::from_ms(kept.start),
        conference: kept.conference,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation() -> Installation {
        Installation::new(&[7; 32]).unwrap()
    }

    fn noticed(part: Part) -> Noticed {
        Noticed {
            item: ItemId("AAMk/+==".into()),
            record: RecordKey::new("record"),
            part,
            start: Time::from_ms(1_781_000_000_000),
            conference: part == Part::Series,
        }
    }

    #[test]
    fn what_was_noticed_comes_back_as_it_was() {
        for part in [Part::Single, Part::Series, Part::Exception] {
            let (id, body) = file(&noticed(part), &installation(), Tag([171; 16])).unwrap();
            assert_eq!(id.as_str(), format!("attend:{}", "ab".repeat(16)));
            assert_eq!(open(&body, &installation()), Ok(noticed(part)));
            assert_eq!(tag(&id), Some(Tag([171; 16])));
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_not_guessed() {
        let stash = |json: &str| installation().stash(json).unwrap();
        let good = r#"{"item":"i","record":"r","part":"single","start":0}"#;
        assert!(open(&stash(good), &installation()).is_ok());
        for json in ["", "{}", &good.replace("single", "later")] {
            assert!(open(&stash(json), &installation()).is_err(), "{json}");
        }
    }
}
