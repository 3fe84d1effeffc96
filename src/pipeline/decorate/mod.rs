//! Join details put into the body of an invitation, and taken out again.
//!
//! **Promise.** Everything outside of what is put in stays byte for byte, and taking out restores
//! the body as it was, in whatever HTML or text, sound or not. Putting in twice is putting in once:
//! an earlier block goes first. A block that a client wrote anew, or that somebody edited, is found
//! all the same: by its two lines of text, by its element's id or class; words and pictures that
//! somebody added between them are kept, and [`Found`] tells of them. One pass, linear; no body
//! makes it fail.
//!
//! Where the block goes: behind everything that the sender wrote, signature included, and before
//! the message that is quoted, where one is recognised (Outlook, OWA, Apple, Gmail, Thunderbird,
//! Yahoo, Zimbra; in any language where dashes or underscores announce it). In a page that is
//! before the last `</body>`, and never within something that hides its content. Blocks in the
//! quoted message are history, and are left alone.

mod block;
pub mod details;
mod elements;
mod html;
mod known;
pub mod language;
mod outline;
mod page;
mod separator;
mod text;

use memchr::memmem;

pub use self::block::Block;
pub use self::details::JoinDetails;
use self::known::Known;
pub use self::language::{Language, OwnText, OwnTexts};
use super::keyword::{Asked, Mark};
use super::limits::PLACE_CHARACTERS;
use crate::model::{Body, Plain, RecordKey};

/// So often a body is read: what was taken out can bring lines of ours together that were nested,
/// and deeper ones were made by hand.
const ROUNDS: usize = 16;

/// What was found of ours in a body, before what is quoted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Blocks; they were taken out.
    pub blocks: usize,
    /// How many of them somebody had edited; what was not ours was kept.
    pub edited: usize,
    /// First or last lines without the other. They were taken out, but what is left of their block
    /// cannot be told from the sender's words, and stays: an administrator, or the organiser, is
    /// to hear of it.
    pub lone_lines: usize,
}

impl Found {
    fn and(self, more: Self) -> Self {
        Self {
            blocks: self.blocks + more.blocks,
            edited: self.edited + more.edited,
            lone_lines: self.lone_lines + more.lone_lines,
        }
    }
}

/// What is written into an invitation, all in one update: its body, its place, our mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writing {
    /// The whole body.
    pub body: Body,
    /// The whole place.
    pub place: Plain,
    /// For the property of our own: [`Mark::text`].
    pub mark: Mark,
    /// What was found of ours in the body before.
    pub found: Found,
}

/// What was asked for, and where.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The meeting's record key; of a series, that of the series.
    pub meeting: &'a RecordKey,
    /// The id of the request that the cloud answered.
    pub id: &'a str,
    /// How often it was written into before.
    pub before: u32,
    /// What the place asks for, as it is now.
    pub asked: &'a Asked,
    /// The body as it is now.
    pub body: &'a Body,
    /// The language to write in: [`OwnTexts::language`].
    pub language: Language,
}

/// The invitation with join details, whatever of ours it had before.
pub fn decorate(request: &Request<'_>, details: &JoinDetails, own: &OwnTexts) -> Writing {
    let block = Block::new(details, request.language, own);
    let (body, found) = insert(request.body, &block, own);
    let (put, place) = place(request.asked, details, request.language);
    let mark = Mark {
        meeting: request.meeting.clone(),
        request: request.id.into(),
        keyword: request.asked.keyword.clone(),
        mode: request.asked.mode,
        put,
        block: block.digest().into(),
        before: request.before,
    };
    Writing { body, place, mark, found }
}

/// What stands between the two lines of the first block of ours in a text or a page; nothing where
/// there is none.
pub fn inside(text: &str) -> Option<&str> {
    let start = memmem::find(text.as_bytes(), separator::BEGIN.as_bytes())?;
    let rest = text.get(start + separator::BEGIN.len()..)?;
    rest.get(..separator::ends(rest)?.start)
}

/// The body with a block in it, in the place of any earlier one, and what was found of those.
pub fn insert(body: &Body, block: &Block, own: &OwnTexts) -> (Body, Found) {
    let (bare, found) = remove(body, own);
    let text = match body.html {
        true => html::put(bare.text.reveal(), block, &Known::new(own)),
        false => text::put(bare.text.reveal(), block),
    };
    (Body { text: Plain::new(text), html: body.html }, found)
}

/// The body without any block of ours, and what was found of them. A body that has none comes back
/// as it is.
pub fn remove(body: &Body, own: &OwnTexts) -> (Body, Found) {
    let known = Known::new(own);
    let round = |text: &str| match body.html {
        true => html::take_out(text, &known),
        false => text::take_out(text, &known),
    };
    let (mut text, mut found) = round(body.text.reveal());
    for _ in 1..ROUNDS {
        if text == body.text.reveal() {
            break;
        }
        let (next, more) = round(&text);
        if next == text {
            break;
        }
        (text, found) = (next, found.and(more));
    }
    (Body { text: Plain::new(text), html: body.html }, found)
}

/// What takes the keyword's place: the address that people join by, so that clients and devices
/// find it there; where that would not fit, or there is none, words of the invitation's language
/// that say where to look. The first is what a [`super::keyword::Mark`] keeps, the second the whole
/// place, cut at [`PLACE_CHARACTERS`].
pub fn place(asked: &Asked, details: &JoinDetails, language: Language) -> (Plain, Plain) {
    let fits = |put: &Plain| {
        let whole = asked.place.with(put.reveal());
        (whole.reveal().encode_utf16().count() <= PLACE_CHARACTERS).then_some(whole)
    };
    let words = Plain::new(language.phrases().join.as_str());
    // A name with an `@` could be a keyword again.
    let title = details.title.as_ref().filter(|title| !title.reveal().contains(['@', '＠']));
    let addresses = [&details.url, &details.uri].into_iter().flatten();
    let candidates = addresses.chain(title);
    for put in candidates.chain([&words]) {
        if let Some(whole) = fits(put) {
            return (put.clone(), whole);
        }
    }
    // The organiser's own words are too long already.
    let whole = asked.place.with("");
    let mut units = 0;
    let fits = whole.reveal().chars().take_while(|c| {
        units += c.len_utf16();
        units <= PLACE_CHARACTERS
    });
    let cut: String = fits.collect();
    (Plain::default(), Plain::new(cut))
}

#[cfg(test)]
mod tests;
