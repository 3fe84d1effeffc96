//! Words put into lines: spaces and blank lines collapse, as in a browser.

use super::characters;
use crate::pipeline::limits::NOTES_BYTES;

/// A text that grows by words and turns of the line.
#[derive(Default)]
pub(super) struct Lines {
    out: String,
    /// Turns that come before the next word, two at most: one blank line.
    turns: usize,
    /// What comes before the next word of this line.
    space: Option<char>,
    /// The line has something that cannot be seen: a blank line that was meant.
    held: bool,
    /// What the next line begins with.
    mark: String,
    /// How many elements deep line ends count.
    kept: usize,
    watched: Watched,
}

/// Where words that are watched begin.
#[derive(Default)]
enum Watched {
    /// With the next one.
    #[default]
    Next,
    /// Here.
    From(usize),
}

impl Lines {
    /// With room for so many bytes.
    pub(super) fn new(capacity: usize) -> Self {
        Self { out: String::with_capacity(capacity), ..Self::default() }
    }

    /// Whether there is enough.
    pub(super) fn is_full(&self) -> bool {
        self.out.len() >= NOTES_BYTES
    }

    /// From now on.
    pub(super) fn watch(&mut self) {
        self.watched = Watched::Next;
    }

    /// The words since.
    pub(super) fn watched(&self) -> &str {
        match self.watched {
            Watched::Next => "",
            Watched::From(length) => self.out.get(length..).unwrap_or_default(),
        }
    }

    pub(super) fn finish(mut self) -> String {
        self.out.truncate(self.out.trim_end().len());
        self.out
    }

    /// Text of the page, references in it resolved.
    pub(super) fn text(&mut self, raw: &str) {
        let mut rest = raw;
        while let Some(at) = memchr::memchr(b'&', rest.as_bytes())
            && !self.is_full()
        {
            let (before, after) = rest.split_at(at);
            self.text_as_it_is(before);
            let after = after.get(1..).unwrap_or_default();
            let (c, after) = characters::reference(after).unwrap_or(('&', after));
            self.character(c);
            rest = after;
        }
        self.text_as_it_is(rest);
    }

    pub(super) fn text_as_it_is(&mut self, text: &str) {
        let mut rest = text;
        while !self.is_full() {
            let after = self.words(rest);
            if after.len() < rest.len() {
                rest = after;
                continue;
            }
            let mut characters = rest.chars();
            let Some(c) = characters.next() else { break };
            self.character(c);
            rest = characters.as_str();
        }
    }

    /// Goes on in the middle of a line as far as nothing collapses, and gives what is left.
    fn words<'a>(&mut self, text: &'a str) -> &'a str {
        if self.is_new() || self.space.is_some() {
            return text;
        }
        let room = NOTES_BYTES.saturating_sub(self.out.len());
        let bytes = text.as_bytes().iter().take(room);
        let mut after_space = false;
        let plain = bytes.take_while(|byte| {
            let goes_on = byte.is_ascii_graphic() || (**byte == b' ' && !after_space);
            after_space = **byte == b' ';
            goes_on
        });
        let length = plain.count();
        let (words, rest) = text.split_at_checked(length).unwrap_or(("", text));
        let words_alone = words.trim_end_matches(' ');
        if words_alone.is_empty() {
            return text;
        }
        if matches!(self.watched, Watched::Next) {
            self.watched = Watched::From(self.out.len() + words.len() - words.trim_start().len());
        }
        self.out.push_str(words_alone);
        if words_alone.len() < words.len() {
            self.space();
        }
        rest
    }

    fn character(&mut self, c: char) {
        match c {
            '\n' if self.kept > 0 => self.turn(),
            '\u{a0}' if self.is_new() => self.held = true,
            c if c.is_whitespace() => self.space(),
            // Marks that say nothing on paper.
            '\u{200b}' | '\u{feff}' | '\u{ad}' => {}
            c if c.is_control() => {}
            c => self.put(c),
        }
    }

    /// The next word is apart from the last.
    pub(super) fn space(&mut self) {
        if !self.is_new() && self.space.is_none() {
            self.space = Some(' ');
        }
    }

    /// The next word is another column.
    pub(super) fn cell(&mut self) {
        if !self.is_new() {
            self.space = Some('\t');
        }
    }

    /// The line ends here.
    pub(super) fn turn(&mut self) {
        let blank = self.is_new();
        self.turns = if blank { (self.turns + 1).min(2) } else { 1 };
        self.rest();
    }

    /// What follows begins a line.
    pub(super) fn line(&mut self) {
        if self.is_new() && self.held {
            self.turns = (self.turns + 1).min(2);
        }
        self.turns = self.turns.max(1);
        self.rest();
    }

    /// What follows begins a line after a blank one.
    pub(super) fn paragraph(&mut self) {
        self.turns = 2;
        self.rest();
    }

    /// The next line begins with this.
    pub(super) fn begin_with(&mut self, mark: String) {
        self.line();
        self.mark = mark;
    }

    /// From now on line ends of the page count, or no more.
    pub(super) fn keep_lines(&mut self, keep: bool) {
        self.kept = if keep { self.kept + 1 } else { self.kept.saturating_sub(1) };
    }

    fn rest(&mut self) {
        self.space = None;
        self.held = false;
    }

    /// Whether the line has no word yet.
    fn is_new(&self) -> bool {
        self.turns > 0 || self.out.is_empty()
    }

    fn put(&mut self, c: char) {
        if self.is_new() {
            if !self.out.is_empty() {
                self.out.extend(std::iter::repeat_n('\n', self.turns));
            }
            self.turns = 0;
            self.held = false;
            self.out.push_str(&std::mem::take(&mut self.mark));
        } else if let Some(space) = self.space.take() {
            self.out.push(space);
        }
        if matches!(self.watched, Watched::Next) {
            self.watched = Watched::From(self.out.len());
        }
        self.out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pipeline::samples::cases;

    proptest! {
        #![proptest_config(cases(512))]

        #[test]
        fn words_in_one_go_are_the_words_one_character_after_the_other(
            pieces in proptest::collection::vec(
                "[ -~]{0,3}|[ a\n\t\u{a0}\u{e4}\u{200b}]{0,6}",
                0..12,
            ),
            kept in any::<bool>(),
        ) {
            let (mut quick, mut slow) = (Lines::new(0), Lines::new(0));
            for lines in [&mut quick, &mut slow] {
                lines.keep_lines(kept);
            }
            for (at, piece) in pieces.iter().enumerate() {
                if at % 3 == 1 {
                    quick.watch();
                    slow.watch();
                }
                quick.text_as_it_is(piece);
                piece.chars().for_each(|c| slow.character(c));
                prop_assert_eq!(quick.watched(), slow.watched());
            }
            prop_assert_eq!(quick.finish(), slow.finish());
        }
    }
}
