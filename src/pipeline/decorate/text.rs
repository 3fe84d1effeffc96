//! Join details in plain text.

use super::elements::{is_field, is_quote_line};
use super::known::Known;
use super::separator::{self, Place, cut};
use super::{Found, block};

/// The text with a block put in.
pub(super) fn put(text: &str, block: &block::Block) -> String {
    // Blocks that are left stand in what is quoted, and so behind this.
    let (blocks, _) = ours(text);
    let wholes: Vec<_> = blocks.into_iter().map(|block| (block.whole, String::new())).collect();
    let quote = quote(&cut(text, &wholes));
    let (before, after) = text.split_at_checked(quote).unwrap_or((text, ""));
    let turn = if text.contains("\r\n") || !text.contains('\n') { "\r\n" } else { "\n" };
    format!("{before}{}{after}", block.text(turn))
}

/// The text without our blocks, and what was found of them: one round of it.
pub(super) fn take_out(text: &str, known: &Known<'_>) -> (String, Found) {
    let (blocks, lines) = ours(text);
    // What is quoted is looked for in the text without them.
    let wholes: Vec<_> = blocks.iter().map(|block| (block.whole.clone(), String::new())).collect();
    let quote = quote(&cut(text, &wholes));
    let mut found = Found::default();
    let mut cuts = Vec::new();
    let mut taken = 0;
    for block in blocks {
        if block.whole.start.saturating_sub(taken) > quote {
            break;
        }
        taken += block.whole.end - block.whole.start;
        let slice = |place: &Place| text.get(place.start..place.end).unwrap_or_default();
        let inside = slice(&block.inside);
        found.blocks += 1;
        let mut kept = String::new();
        if !separator::vouches(slice(&block.last_line), inside) {
            found.edited += 1;
            for line in inside.lines().filter(|line| !known.is_ours(line)) {
                kept.push_str(block.turn);
                kept.push_str(line);
            }
        }
        cuts.push((block.whole, kept));
    }
    let mut wholes = wholes.iter().map(|(whole, _)| whole).peekable();
    let mut taken = 0;
    for line in lines {
        while let Some(whole) = wholes.next_if(|whole| whole.end <= line.start) {
            taken += whole.end - whole.start;
        }
        if line.start.saturating_sub(taken) < quote {
            found.lone_lines += 1;
            cuts.push((line, String::new()));
        }
    }
    cuts.sort_by_key(|(place, _)| place.start);
    (cut(text, &cuts), found)
}

/// A block of ours in a text.
struct Block {
    /// With the turns of the line that came with it.
    whole: Place,
    inside: Place,
    last_line: Place,
    turn: &'static str,
}

/// Our blocks, and lines of ours without the other.
fn ours(text: &str) -> (Vec<Block>, Vec<Place>) {
    let (mut blocks, mut lines): (Vec<Block>, Vec<Place>) = (Vec::new(), Vec::new());
    let mut first: Option<Place> = None;
    for (line, begins) in separator::all(text) {
        if begins {
            lines.extend(first.replace(line));
            continue;
        }
        let Some(first) = first.take() else {
            lines.push(line);
            continue;
        };
        let inside = Place { start: first.end, end: line.start };
        let after = |at: usize| text.get(at..).unwrap_or_default();
        let turn = if after(first.end).starts_with("\r\n") { "\r\n" } else { "\n" };
        let floor = blocks.last().map_or(0, |block| block.whole.end);
        let before = text.get(floor..first.start).unwrap_or_default();
        let start = first.start - if before.ends_with(turn) { turn.len() } else { 0 };
        let end = line.end + if after(line.end).starts_with(turn) { turn.len() } else { 0 };
        blocks.push(Block { whole: Place { start, end }, inside, last_line: line, turn });
    }
    lines.extend(first);
    lines.sort_by_key(|line| line.start);
    (blocks, lines)
}

/// Where a message that is quoted begins; the end of the text if none does.
fn quote(text: &str) -> usize {
    let tail = quoted_tail(text);
    let mut at = 0;
    let mut before: [Line<'_>; 2] = [Line::default(), Line::default()];
    let mut announced = None;
    for line in text.split_inclusive('\n') {
        let own = Line { start: at, text: line.trim() };
        at += line.len();
        if let Some(start) = announced.filter(|_| is_field(own.text)) {
            return start;
        }
        if !own.text.is_empty() {
            announced = is_quote_line(own.text).then_some(own.start);
        }
        if own.text.starts_with('>') {
            // The line above says who wrote it, with or without a blank one between.
            let said = before.iter().rev().find(|line| !line.text.is_empty());
            let said = said.filter(|line| line.text.ends_with([':', '：']));
            match said {
                Some(line) => return line.start,
                None if own.start >= tail => return own.start,
                None => {}
            }
        }
        // Outlook's header: a row of underscores and two lines of a name and a value.
        let [rule, field] = &before;
        if rule.is_rule() && is_field(field.text) && is_field(own.text) {
            return rule.start;
        }
        let [_, last] = before;
        before = [last, own];
    }
    text.len()
}

/// From where on all lines are quoted, or blank.
fn quoted_tail(text: &str) -> usize {
    let mut tail = text.len();
    for line in text.split_inclusive('\n').rev() {
        let own = line.trim();
        if !own.is_empty() && !own.starts_with('>') {
            break;
        }
        tail -= line.len();
    }
    tail
}

#[derive(Default)]
struct Line<'a> {
    start: usize,
    text: &'a str,
}

impl Line<'_> {
    fn is_rule(&self) -> bool {
        self.text.len() >= 20 && self.text.bytes().all(|byte| byte == b'_')
    }
}
