//! A page as text and tags, one after the other.

use super::characters;

/// A part of a page.
pub(super) enum Token<'a> {
    /// Text, references in it not yet resolved.
    Text(&'a str),
    /// `<name …>`, also where it ends itself.
    Begin(Tag<'a>),
    /// `</name>`
    End(Tag<'a>),
}

/// The longest name that is told; no element that matters has a longer one.
const LONGEST_NAME: usize = 10;

/// A tag's name and attributes.
pub(super) struct Tag<'a> {
    name: [u8; LONGEST_NAME],
    length: usize,
    attributes: &'a str,
}

impl<'a> Tag<'a> {
    fn new(name: &str, attributes: &'a str) -> Self {
        let mut tag = Self { name: [0; LONGEST_NAME], length: 0, attributes };
        if name.len() <= LONGEST_NAME {
            tag.length = name.len();
            for (own, given) in tag.name.iter_mut().zip(name.bytes()) {
                *own = given.to_ascii_lowercase();
            }
        }
        tag
    }

    /// In lower case; nothing where it is longer than any that matters.
    pub(super) fn name(&self) -> &str {
        let name = self.name.get(..self.length).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// The first attribute of this name, references resolved.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let mut rest = self.attributes;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
            if rest.is_empty() {
                return None;
            }
            // A stray '=' is part of a name, so that there is always something to go on from.
            let first = rest.chars().next().map_or(0, char::len_utf8);
            let end = rest.get(first..).and_then(|rest| {
                rest.find(|c: char| c.is_ascii_whitespace() || c == '=' || c == '/')
            });
            let (found, after) = rest.split_at(end.map_or(rest.len(), |end| end + first));
            let after = after.trim_start();
            let Some(value) = after.strip_prefix('=') else {
                rest = after;
                continue;
            };
            let (value, after) = value_of(value.trim_start());
            if found.eq_ignore_ascii_case(name) {
                return Some(characters::resolve(value));
            }
            rest = after;
        }
    }
}

/// A value, quoted or not, and what follows it.
fn value_of(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(text) = text.strip_prefix(quote) {
            return text.split_once(quote).unwrap_or((text, ""));
        }
    }
    let end = text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len());
    text.split_at(end)
}

/// What reads a page.
pub(super) struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(page: &'a str) -> Self {
        Self { rest: page }
    }

    /// Everything up to the first `end`, which is left out too; all where there is none.
    fn skip(&mut self, end: &str) {
        self.rest = self.rest.split_once(end).map_or("", |(_, after)| after);
    }

    /// The content of an element that holds no markup.
    fn skip_content(&mut self, name: &str) {
        while let Some((_, after)) = self.rest.split_once("</") {
            self.rest = after;
            let ends = after.get(..name.len()).is_some_and(|own| own.eq_ignore_ascii_case(name));
            let more = after.as_bytes().get(name.len()).is_some_and(u8::is_ascii_alphanumeric);
            if ends && !more {
                return self.skip(">");
            }
        }
        self.rest = "";
    }

    /// The rest of a tag, from behind its name, up to the `>` that ends it.
    fn attributes(&mut self) -> &'a str {
        let text = self.rest;
        let mut quote = None;
        let mut after_equals = false;
        for (at, byte) in text.bytes().enumerate() {
            match (quote, byte) {
                (Some(own), byte) if own == byte => quote = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') if after_equals => quote = Some(byte),
                (None, b'>') => {
                    self.rest = text.get(at + 1..).unwrap_or_default();
                    return text.get(..at).unwrap_or_default();
                }
                _ => {}
            }
            after_equals = byte == b'=' || (after_equals && byte.is_ascii_whitespace());
        }
        self.rest = "";
        ""
    }

    /// What `<` begins, `rest` being behind it; `None` where it is nothing that is told.
    fn markup(&mut self) -> Option<Token<'a>> {
        if self.rest.starts_with("!--") {
            self.skip("-->");
            return None;
        }
        if self.rest.starts_with(['!', '?']) {
            self.skip(">");
            return None;
        }
        let ends = self.rest.starts_with('/');
        let name = self.rest.strip_prefix('/').unwrap_or(self.rest);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == ':' || c == '-';
        let (name, after) = name.split_at(name.find(|c| !is_name(c)).unwrap_or(name.len()));
        self.rest = after;
        let attributes = self.attributes();
        let tag = Tag::new(name, attributes);
        if ends {
            return Some(Token::End(tag));
        }
        if matches!(tag.name(), "script" | "style" | "title" | "xml" | "iframe" | "textarea")
            && !attributes.ends_with('/')
        {
            self.skip_content(name);
            return None;
        }
        Some(Token::Begin(tag))
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        while !self.rest.is_empty() {
            let Some(after) = self.rest.strip_prefix('<') else {
                let end = memchr::memchr(b'<', self.rest.as_bytes()).unwrap_or(self.rest.len());
                let (text, after) = self.rest.split_at(end);
                self.rest = after;
                return Some(Token::Text(text));
            };
            let begins = |c: char| c.is_ascii_alphabetic() || c == '!' || c == '?';
            let end = after.strip_prefix('/').is_some_and(|name| name.starts_with(begins));
            if !after.starts_with(begins) && !end {
                // "a < b": no tag.
                let (text, _) = self.rest.split_at(1);
                self.rest = after;
                return Some(Token::Text(text));
            }
            self.rest = after;
            if let Some(token) = self.markup() {
                return Some(token);
            }
        }
        None
    }
}
