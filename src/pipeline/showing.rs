//! What of a meeting is shown, as an administrator decided: private meetings, and such without a
//! title; and what of it asks for something.
//!
//! **Promise.** What is not to be shown is not in the record, not even sealed, and a meeting of
//! which nothing is to be shown has no record. A change of these rules reaches every record: they
//! are part of each record's version, and the store knows by which ones it was filled.

use std::borrow::Cow;

use super::join::Rules;
use super::keyword::Keywords;
use crate::model::{Meeting, Sensitivity};

/// The longest title of [`Untitled::Text`], in characters.
pub const UNTITLED_CHARS: usize = 128;

/// How meetings are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Showing {
    /// Private meetings.
    pub private: Private,
    /// Meetings without a title.
    pub untitled: Untitled,
    /// How a meeting is joined.
    pub join: Rules,
    /// What organisers write into a place to get join details.
    pub keywords: Keywords,
}

/// What is shown of a meeting that Exchange calls private or confidential
/// ([MS-OXWSCDATA] SensitivityChoicesType). `Personal` is a label that hides nothing there either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Private {
    /// All of it.
    Full,
    /// When it is, and how private.
    #[default]
    Times,
    /// Nothing: there is no record of it.
    Nothing,
}

/// The title of a meeting that has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Untitled {
    /// It is left out.
    #[default]
    Omit,
    /// The organiser's name.
    Organizer,
    /// These words, [`UNTITLED_CHARS`] at most.
    Text(String),
}

impl Showing {
    /// Whether there is a record of a meeting at all.
    pub fn has_record(&self, meeting: &Meeting) -> bool {
        self.private != Private::Nothing || !is_private(meeting.sensitivity)
    }

    /// Whether no more than the times of a meeting are shown.
    pub fn is_times_only(&self, meeting: &Meeting) -> bool {
        self.hides(meeting.sensitivity)
    }

    /// Whether the words of a meeting that is so private are not shown.
    pub fn hides(&self, sensitivity: Sensitivity) -> bool {
        self.private != Private::Full && is_private(sensitivity)
    }

    /// The title of a meeting of which more than the times is shown.
    pub fn subject<'a>(&'a self, meeting: &'a Meeting) -> Cow<'a, str> {
        let own = meeting.subject.reveal();
        if !own.trim().is_empty() {
            return Cow::Borrowed(own);
        }
        match &self.untitled {
            Untitled::Omit => Cow::Borrowed(""),
            Untitled::Text(words) => Cow::Borrowed(words),
            Untitled::Organizer => Cow::Borrowed(meeting.organizer.as_ref().map_or("", |one| {
                let name = one.name.reveal();
                let address = one.address.as_ref().map_or("", |address| address.reveal());
                if name.trim().is_empty() { address } else { name }
            })),
        }
    }

    /// Differs between rules that show anything differently: parts of a keyed hash.
    pub fn mark(&self) -> [&[u8]; 5] {
        let private: &[u8] = match self.private {
            Private::Full => b"full",
            Private::Times => b"times",
            Private::Nothing => b"nothing",
        };
        let untitled = match &self.untitled {
            Untitled::Omit => b"".as_slice(),
            Untitled::Organizer => b"\0organizer",
            Untitled::Text(words) => words.as_bytes(),
        };
        let [table, rules] = self.join.mark();
        [private, untitled, table, rules, self.keywords.mark()]
    }
}

fn is_private(sensitivity: Sensitivity) -> bool {
    matches!(sensitivity, Sensitivity::Private | Sensitivity::Confidential)
}
