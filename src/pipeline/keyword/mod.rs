//! Keywords in a place: what an organiser writes there to get join details, such as `@webex:space`.
//!
//! **Promise.** A keyword is found at the start, at the end and in the middle of a place, in any
//! case, beside room names and in texts of any direction; nothing else is taken for one: no mail
//! address, no address of a page, no longer word. Whatever is asked for is asked once: the place
//! that is written afterwards has no keyword left in it, and the invitation gets a [`Mark`] that
//! tells the place as written from a place that somebody changed.
//!
//! What a keyword looks like: `@` (or the full-width `＠`), its name, and behind it, where the
//! default is not meant, `:space`, `:myroom` or `:onetime`. No letter or digit of an alphabet with
//! upper and lower case touches it; those of other scripts may, as they are written without space.

mod mark;
mod place;
mod verdict;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use self::mark::{MARK_BYTES, Mark};
pub use self::verdict::{Invitation, Reason, Verdict};
use super::limits::{KEYWORD_CHARACTERS, KEYWORDS};
use crate::model::Plain;

/// What kind of meeting is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `:space`: a space of its own, which stays after the meeting.
    Space,
    /// `:myroom`: the organiser's personal room.
    MyRoom,
    /// `:onetime`: a meeting for this invitation alone.
    OneTime,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Space, Self::MyRoom, Self::OneTime];

    /// As people, the configuration and the cloud write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Space => "space",
            Self::MyRoom => "myroom",
            Self::OneTime => "onetime",
        }
    }

    /// The mode of a word, in any case.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str().eq_ignore_ascii_case(word))
    }
}

/// A keyword that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyword {
    /// Its name without `@`, lower case.
    pub name: Arc<str>,
    /// What it asks for where nothing behind it says otherwise.
    pub mode: Mode,
}

/// A keyword as an administrator writes it: `[[keyword]]` of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnKeyword {
    /// The name, with or without `@`.
    pub name: String,
    /// `space`, `myroom` or `onetime`; what a known keyword had before, else `myroom`.
    pub mode: Option<String>,
    /// Whether it is known; `false` takes `@webex` or `@meet` away.
    pub enabled: Option<bool>,
}

/// The keywords that are known. The default knows `@webex` (the personal room) and `@meet` (a
/// space).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keywords {
    known: Vec<Keyword>,
    /// All of them in words.
    print: String,
}

impl Default for Keywords {
    fn default() -> Self {
        let known = |name: &str, mode| Keyword { name: name.into(), mode };
        Self::of(vec![known("webex", Mode::MyRoom), known("meet", Mode::Space)])
    }
}

/// What a place asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The keyword's name, lower case.
    pub keyword: Arc<str>,
    /// What is asked for: what is said, else the keyword's default.
    pub mode: Mode,
    /// What stands behind the keyword, where something does.
    pub said: Option<Mode>,
    /// The place without any keyword, and where in it the first one stood.
    pub place: Place,
    /// More keywords stood in it: the first one counts, all are taken out.
    pub more: bool,
    /// Something that is no mode stands behind its colon (`@webex:spcae`): the default counts, and
    /// the words stay in the place.
    pub unknown_mode: bool,
}

/// A place in two parts, between which a keyword stood; both are tidy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// What stood before it.
    pub before: Plain,
    /// What stood behind it.
    pub after: Plain,
    /// The separators between what stood before it and the keyword.
    pub left: Arc<str>,
    /// Those between the keyword and what stood behind it.
    pub right: Arc<str>,
}

impl Place {
    /// The whole place with something where the keyword stood; nothing puts the two parts together.
    pub fn with(&self, put: &str) -> Plain {
        let (before, after) = (self.before.reveal(), self.after.reveal());
        let (mut left, mut right) = (&*self.left, &*self.right);
        if put.is_empty() {
            let between = place::joint(left, right, after);
            let between = if before.is_empty() || after.is_empty() { "" } else { between };
            return Plain::new(format!("{before}{between}{after}"));
        }
        let says = |run: &str| run.chars().any(|c| !c.is_whitespace());
        left = match (before.is_empty(), says(left)) {
            (true, _) => "",
            (false, true) => left,
            (false, false) => " ",
        };
        // What touches an address would be read as part of it.
        let apart = match right.strip_prefix([';', ',']).unwrap_or(right) {
            rest if rest.starts_with(char::is_whitespace) => "",
            _ => " ",
        };
        if after.is_empty() {
            right = "";
        }
        let apart = if after.is_empty() { "" } else { apart };
        Plain::new(format!("{before}{left}{put}{apart}{right}{after}"))
    }
}

impl Keywords {
    /// None at all.
    pub const NONE: Self = Self { known: Vec::new(), print: String::new() };

    fn of(known: Vec<Keyword>) -> Self {
        let each = known.iter().map(|one| format!("{}:{};", one.name, one.mode.as_str()));
        Self { print: each.collect(), known }
    }

    /// Differs between keywords that ask for anything different: part of a keyed hash.
    pub fn mark(&self) -> &[u8] {
        self.print.as_bytes()
    }

    /// The default ones with those of an administrator, which take the place of those that have
    /// their name.
    ///
    /// # Errors
    /// A sentence for each mistake, with its key, as the configuration shows them.
    pub fn new(own: &[OwnKeyword]) -> Result<Self, Vec<String>> {
        let mut known = Self::default().known;
        let mut names = BTreeSet::new();
        let mut wrong = Vec::new();
        for (at, one) in own.iter().enumerate() {
            let mut mistake = |key: &str, why: &str| {
                wrong.push(format!("keyword[{at}].{key}: {why}"));
            };
            let name = one.name.strip_prefix('@').unwrap_or(&one.name).to_ascii_lowercase();
            if !is_name(&name) {
                mistake("name", "a letter, then letters and digits, 32 at most, are allowed");
            } else if !names.insert(name.clone()) {
                mistake("name", "two keywords have the same");
            }
            let mode = match one.mode.as_deref().map(Mode::parse) {
                None => known.iter().find(|own| *own.name == *name).map(|own| own.mode),
                Some(Some(mode)) => Some(mode),
                Some(None) => {
                    mistake("mode", "\"space\", \"myroom\" and \"onetime\" are allowed");
                    continue;
                }
            };
            known.retain(|own| *own.name != *name);
            if one.enabled != Some(false) {
                let mode = mode.unwrap_or(Mode::MyRoom);
                known.push(Keyword { name: name.into(), mode });
            }
        }
        if known.len() > KEYWORDS {
            wrong.push(format!("keyword: {KEYWORDS} at most are allowed"));
        }
        if wrong.is_empty() { Ok(Self::of(known)) } else { Err(wrong) }
    }

    /// Those that are known.
    pub fn all(&self) -> &[Keyword] {
        &self.known
    }

    /// What a place asks for; `None` where it has no keyword. Linear in the length of the place.
    pub fn find(&self, place: &Plain) -> Option<Asked> {
        place::read(place.reveal(), &self.known)
    }
}

/// ASCII alone, so that what an administrator writes is what people type on any keyboard.
fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && name.len() <= KEYWORD_CHARACTERS
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
