//! Join details in a page.

use super::elements;
use super::known::Known;
use super::outline::{Block, NAME, Outline, outline};
use super::page::{self, Kind, Tag, Tokens};
use super::separator::{self, BEGIN, Place, cut};
use super::{Found, block};
use crate::model::{Body, Plain};
use crate::pipeline::limits::NOTES_BYTES;
use crate::pipeline::notes::Notes;

/// The page with a block put in.
pub(super) fn put(page: &str, block: &block::Block, known: &Known<'_>) -> String {
    let at = outline(page, &|inside| is_ours(inside, known)).place;
    let (before, after) = page.split_at_checked(at).unwrap_or((page, ""));
    format!("{before}{}{after}", block.html())
}

/// The page without our blocks, and what was found of them: one round of it.
pub(super) fn take_out(page: &str, known: &Known<'_>) -> (String, Found) {
    let Outline { blocks, lines, names, .. } = outline(page, &|inside| is_ours(inside, known));
    let mut found = Found { lone_lines: lines.len(), ..Found::default() };
    let mut cuts = Vec::new();
    for block in blocks {
        // More than a person would have written there: it is not ours to sort.
        if block.inside.end - block.inside.start > NOTES_BYTES {
            let first = block.inside.start - BEGIN.len().min(block.inside.start);
            let first = Place { start: first, end: block.inside.start };
            let lines = block.last_line.into_iter().flat_map(|last| [first.clone(), last]);
            cuts.extend(lines.map(|line| (line, String::new())));
            found.lone_lines += 2;
            continue;
        }
        let (instead, edited) = instead(page, &block, known);
        found.blocks += 1;
        found.edited += usize::from(edited);
        cuts.push((block.whole, instead));
    }
    cuts.extend(lines.into_iter().map(|line| (line, String::new())));
    for tag in names {
        let text = page.get(tag.start..tag.end).unwrap_or_default();
        let own = text.match_indices(NAME);
        cuts.extend(own.map(|(at, _)| {
            let start = tag.start + at;
            (Place { start, end: start + NAME.len() }, String::new())
        }));
    }
    cuts.sort_by_key(|(place, _)| place.start);
    (cut(page, &cuts), found)
}

/// What stays of a block: words and pictures that are not ours, and tags whose other half is not in
/// it. And whether there is any of that, or of our own words one is not as it was.
fn instead(page: &str, block: &Block, known: &Known<'_>) -> (String, bool) {
    let slice = |place: &Place| page.get(place.start..place.end).unwrap_or_default();
    let whole = slice(&block.whole);
    let inside = slice(&block.inside);
    let line = block.last_line.as_ref().map(slice);
    let untouched = line.is_some_and(|line| separator::vouches(line, &page::words(inside)));
    let (ends, begins, mut kept) = rest(whole);
    if !untouched {
        for line in words(inside).lines().filter(|line| !known.is_ours(line)) {
            kept.push_str(&format!("<p dir=\"auto\">{}</p>", block::escaped(line.trim())));
        }
    }
    (format!("{ends}{kept}{begins}"), !untouched || !kept.is_empty())
}

/// Whether an element of our name that lost its lines still has words of ours.
fn is_ours(inside: &str, known: &Known<'_>) -> bool {
    words(inside).lines().any(|line| !line.trim().is_empty() && known.is_ours(line))
}

/// The words of a part of a page, in lines.
fn words(part: &str) -> String {
    let body = Body { text: Plain::new(part), html: true };
    Notes::of(&body).text().reveal().to_owned()
}

/// Of a part of a page: the end tags and the begin tags whose other half is not in it, and the
/// pictures.
fn rest(part: &str) -> (String, String, String) {
    /// Elements that an end tag is looked for in.
    const FAR: usize = 64;
    let mut open: Vec<(Tag<'_>, &str)> = Vec::new();
    let (mut ends, mut pictures) = (String::new(), String::new());
    for token in Tokens::new(part) {
        let text = part.get(token.start..token.end).unwrap_or_default();
        match token.kind {
            Kind::Begin(tag) if tag.is("img") => pictures.push_str(text),
            Kind::Begin(tag) if !elements::is_void(&tag) => open.push((tag, text)),
            Kind::End(tag) => {
                let near = open.iter().enumerate().rev().take(FAR);
                match near.filter(|(_, (own, _))| own.is(tag.name)).map(|(at, _)| at).next() {
                    Some(at) => open.truncate(at),
                    None => ends.push_str(text),
                }
            }
            _ => {}
        }
    }
    let begins = open.into_iter().map(|(_, text)| text).collect();
    (ends, begins, pictures)
}
