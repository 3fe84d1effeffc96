//! A page as tags and text with their places, as a browser's tokenizer cuts it.
//!
//! **Promise.** The places of the tokens never overlap and come in order; what lies between two of
//! them are comments and the like. Whatever stands behind a token reads the same if a token is put
//! there. One pass, linear. What the WHATWG's tokenizer would still wait for at the end of the page
//! (an open tag, comment or script) is no token: [`Tokens::open`] says where it begins.

use crate::pipeline::notes;

/// A part of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: Kind<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// Text, character references in it as they are.
    Text(&'a str),
    /// `<name …>`; whether it ends itself is said by its element, not by its `/`.
    Begin(Tag<'a>),
    /// `</name>`
    End(Tag<'a>),
    /// A comment, a doctype, CDATA: nobody sees it.
    Mute,
}

/// A tag's name as it is written, and its attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    pub(super) name: &'a str,
    attributes: &'a str,
}

impl<'a> Tag<'a> {
    /// Whether the name is this, in any case.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    pub(super) fn is_one_of(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.is(name))
    }

    /// Whether it is written as one that ends itself: `<name …/>`.
    pub(super) fn ends_itself(&self) -> bool {
        self.attributes.ends_with('/')
    }

    /// The first attribute of this name as it is written, references in it not resolved.
    pub(super) fn attribute(&self, name: &str) -> Option<&'a str> {
        let space = |c: char| c.is_ascii_whitespace() || c == '/';
        let mut rest = self.attributes.trim_start_matches(space);
        while !rest.is_empty() {
            // A '=' in front is part of the name.
            let end = rest.char_indices().skip(1).find(|(_, c)| space(*c) || *c == '=');
            let (own, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
            let after = after.trim_start_matches(|c: char| c.is_ascii_whitespace());
            let (value, after) = match after.strip_prefix('=') {
                Some(after) => value(after.trim_start_matches(|c: char| c.is_ascii_whitespace())),
                None => ("", after),
            };
            if own.eq_ignore_ascii_case(name) {
                return Some(value);
            }
            rest = after.trim_start_matches(space);
        }
        None
    }
}

/// All text of a part of a page, references resolved, whatever stands between it.
pub(super) fn words(part: &str) -> String {
    let texts = Tokens::new(part).filter_map(|token| match token.kind {
        Kind::Text(text) => Some(notes::resolve(text)),
        _ => None,
    });
    texts.collect()
}

/// A value and what follows it.
fn value(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(text) = text.strip_prefix(quote) {
            return text.split_once(quote).unwrap_or((text, ""));
        }
    }
    let end = text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len());
    text.split_at(end)
}

/// Elements whose content is text up to their end tag.
const RAW: [&str; 9] =
    ["script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "plaintext"];

/// What reads a page.
#[derive(Clone)]
pub(super) struct Tokens<'a> {
    page: &'a str,
    at: usize,
    /// The element whose content comes next, to its end tag.
    raw: Option<&'a str>,
    /// Where something begins that does not end.
    open: Option<usize>,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(page: &'a str) -> Self {
        Self { page, at: 0, raw: None, open: None }
    }

    /// After the last token: how far the page was read, which is all of it unless something stays
    /// open.
    pub(super) fn read_to(&self) -> usize {
        self.open.unwrap_or(self.page.len())
    }

    fn rest(&self) -> &'a str {
        self.page.get(self.at..).unwrap_or_default()
    }

    fn token(&mut self, start: usize, end: usize, kind: Kind<'a>) -> Option<Token<'a>> {
        self.at = end;
        Some(Token { start, end, kind })
    }

    /// Nothing more: what begins here does not end.
    fn leave_open(&mut self, start: usize) -> Option<Token<'a>> {
        self.open = Some(start);
        self.at = self.page.len();
        None
    }

    /// The content of an element that has no tags but its own end, which is left for the next call.
    fn content(&mut self, name: &'a str) -> Option<Token<'a>> {
        let start = self.at;
        let rest = self.rest();
        let mut from = 0;
        while let Some(found) = rest.get(from..).and_then(|rest| rest.find("</")) {
            let end = from + found;
            from = end + 2;
            let after = rest.get(from..).unwrap_or_default();
            let own = after.get(..name.len()).is_some_and(|own| own.eq_ignore_ascii_case(name));
            let next = after.as_bytes().get(name.len());
            if own && next.is_some_and(|byte| byte.is_ascii_whitespace() || b"/>".contains(byte)) {
                self.raw = None;
                let end = start + end;
                return match end > start {
                    true => self.token(start, end, Kind::Mute),
                    false => self.markup(start),
                };
            }
        }
        None
    }

    fn text(&mut self, start: usize) -> Option<Token<'a>> {
        let rest = self.rest();
        let mut from = 0;
        let mut end = rest.len();
        while let Some(found) = rest.get(from..).and_then(|rest| rest.find('<')) {
            let at = from + found;
            let after = rest.get(at + 1..).unwrap_or_default();
            // At the very end it could still become a tag.
            if begins(after) || after.is_empty() || after == "/" {
                end = at;
                break;
            }
            from = at + 1;
        }
        let text = rest.get(..end).unwrap_or_default();
        self.token(start, start + end, Kind::Text(text))
    }

    /// What `<` at `start` begins.
    fn markup(&mut self, start: usize) -> Option<Token<'a>> {
        let rest = self.page.get(start..).unwrap_or_default();
        let after = rest.get(1..).unwrap_or_default();
        if after.is_empty() || after == "/" {
            return self.leave_open(start);
        }
        if let Some(text) = after.strip_prefix("!--") {
            return match comment(text) {
                Some(length) => self.token(start, start + 4 + length, Kind::Mute),
                None => self.leave_open(start),
            };
        }
        let ends = after.starts_with('/');
        let name = after.strip_prefix('/').unwrap_or(after);
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            // A doctype, an instruction, and whatever else browsers take for a comment.
            return match after.find('>') {
                Some(end) => self.token(start, start + end + 2, Kind::Mute),
                None => self.leave_open(start),
            };
        }
        let stop = |c: char| c.is_ascii_whitespace() || c == '/' || c == '>';
        let (name, attributes) = name.split_at(name.find(stop).unwrap_or(name.len()));
        let Some(length) = tag_end(attributes) else { return self.leave_open(start) };
        let end = self.page.len() - attributes.len() + length + 1;
        let tag = Tag { name, attributes: attributes.get(..length).unwrap_or_default() };
        if ends {
            return self.token(start, end, Kind::End(tag));
        }
        if RAW.iter().any(|raw| tag.is(raw)) {
            self.raw = Some(name);
            self.at = end;
            // Content that does not end takes its tag with it.
            if tag.is("plaintext") || self.clone().content(name).is_none() {
                return self.leave_open(start);
            }
        }
        self.token(start, end, Kind::Begin(tag))
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let start = self.at;
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        if let Some(name) = self.raw {
            return self.content(name);
        }
        match rest.strip_prefix('<') {
            Some(after) if begins(after) || after.is_empty() || after == "/" => self.markup(start),
            _ => self.text(start),
        }
    }
}

/// Whether what stands behind a `<` makes it the beginning of something.
fn begins(after: &str) -> bool {
    let mut bytes = after.bytes();
    match bytes.next() {
        Some(b'!' | b'?') => true,
        // `</>` is nothing, but not text either.
        Some(b'/') => bytes.next().is_some(),
        Some(byte) => byte.is_ascii_alphabetic(),
        None => false,
    }
}

/// How long a comment is whose beginning was read, with its end.
fn comment(text: &str) -> Option<usize> {
    for early in [">", "->"] {
        if text.starts_with(early) {
            return Some(early.len());
        }
    }
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find("--")?;
        let rest = text.get(at + 2..).unwrap_or_default();
        for (end, length) in [(">", 3), ("!>", 4)] {
            if rest.starts_with(end) {
                return Some(at + length);
            }
        }
        from = at + 1;
    }
}

/// Where a tag's reading is, by the states of the WHATWG's tokenizer.
enum Reading {
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Value,
    Quoted(u8),
}

/// Where the `>` of a tag stands, its name being read.
fn tag_end(text: &str) -> Option<usize> {
    use Reading::{AfterName, BeforeName, BeforeValue, Name, Quoted, Value};
    let mut reading = BeforeName;
    for (at, byte) in text.bytes().enumerate() {
        let space = byte.is_ascii_whitespace();
        reading = match (reading, byte) {
            (Quoted(own), byte) if own == byte => BeforeName,
            (Quoted(own), _) => Quoted(own),
            (_, b'>') => return Some(at),
            (BeforeValue, _) if space => BeforeValue,
            (BeforeValue, b'"' | b'\'') => Quoted(byte),
            (Value, _) if space => BeforeName,
            (BeforeValue | Value, _) => Value,
            (Name | AfterName, b'=') => BeforeValue,
            (Name | AfterName, _) if space => AfterName,
            (BeforeName, _) if space => BeforeName,
            (_, b'/') => BeforeName,
            _ => Name,
        };
    }
    None
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
