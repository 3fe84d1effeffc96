//! The words of an invitation, as plain text.
//!
//! **Promise.** One pass over the body, which stops once there is enough: linear time, no more
//! memory than the text takes, and no input that it fails on. Lines stay lines, so that an agenda
//! stays one; markup, styles, scripts, comments and the page's head are left out. Where a link
//! leads is told behind its words, unless they say it themselves: `Join <https://meet.example/1>`.

mod characters;
mod lines;
mod tags;

pub(super) use self::characters::resolve;
use self::lines::Lines;
use self::tags::{Tag, Token, Tokens};
use super::limits::NOTES_BYTES;
use crate::model::{Body, Plain};

/// The text of a body.
#[derive(Debug)]
pub enum Notes<'a> {
    /// As it is.
    Held(&'a Plain),
    /// Made from a page.
    Made(Plain),
}

impl<'a> Notes<'a> {
    /// At least the first [`NOTES_BYTES`] of a body's text.
    pub fn of(body: &'a Body) -> Self {
        match body.html {
            false => Self::Held(&body.text),
            true => Self::Made(Plain::new(from_html(body.text.reveal()))),
        }
    }

    /// The text.
    pub fn text(&self) -> &Plain {
        match self {
            Self::Held(text) => text,
            Self::Made(text) => text,
        }
    }
}

fn from_html(page: &str) -> String {
    let lines = Lines::new(page.len().min(NOTES_BYTES));
    let mut reader = Reader { lines, ..Reader::default() };
    for token in Tokens::new(page) {
        if reader.lines.is_full() {
            break;
        }
        match token {
            Token::Text(text) if !reader.in_head => reader.lines.text(text),
            Token::Text(_) => {}
            Token::Begin(tag) => reader.begin(&tag),
            Token::End(tag) => reader.end(&tag),
        }
    }
    reader.leave_link();
    reader.lines.finish()
}

/// No page nests lists deeper, and be it that somebody tries.
const DEEPEST_LIST: usize = 16;

/// Where in the page the reading is.
#[derive(Default)]
struct Reader {
    lines: Lines,
    in_head: bool,
    /// What the last paragraph keeps around it.
    paragraph: Option<Block>,
    /// The lists that are open: the number of the last item of a numbered one.
    lists: Vec<Option<u32>>,
    /// Lists beyond [`DEEPEST_LIST`].
    deeper: usize,
    /// Where the link leads whose words are being read.
    link: Option<String>,
}

impl Reader {
    fn begin(&mut self, tag: &Tag<'_>) {
        let name = tag.name();
        let block = Block::of(name, tag);
        self.in_head = match name {
            "head" => true,
            "body" => false,
            // Who forgot to end the head meant to.
            _ => self.in_head && block.is_none(),
        };
        if self.in_head {
            return;
        }
        match name {
            "br" => self.lines.turn(),
            "td" | "th" => self.lines.cell(),
            "pre" => self.lines.keep_lines(true),
            "a" => self.enter_link(tag),
            "ul" => self.enter_list(None),
            "ol" => self.enter_list(Some(0)),
            "li" => self.item(),
            _ => {}
        }
        if name == "p" {
            self.paragraph = block;
        }
        self.separate(block);
    }

    fn end(&mut self, tag: &Tag<'_>) {
        let name = tag.name();
        match name {
            "head" => self.in_head = false,
            _ if self.in_head => return,
            "pre" => self.lines.keep_lines(false),
            "a" => self.leave_link(),
            "ul" | "ol" => self.leave_list(),
            _ => {}
        }
        // What its begin said of a paragraph holds for its end.
        let block = if name == "p" { self.paragraph } else { Block::of(name, tag) };
        self.separate(block);
    }

    fn separate(&mut self, block: Option<Block>) {
        match block {
            Some(Block::Line) => self.lines.line(),
            Some(Block::Paragraph) => self.lines.paragraph(),
            None => {}
        }
    }

    fn enter_list(&mut self, number: Option<u32>) {
        self.lines.line();
        if self.lists.len() < DEEPEST_LIST {
            self.lists.push(number);
        } else {
            self.deeper += 1;
        }
    }

    fn leave_list(&mut self) {
        match self.deeper.checked_sub(1) {
            Some(left) => self.deeper = left,
            None => drop(self.lists.pop()),
        }
        // An item without words.
        self.lines.begin_with(String::new());
    }

    fn item(&mut self) {
        let mark = match self.lists.last_mut() {
            Some(Some(number)) if self.deeper == 0 => {
                *number = number.saturating_add(1);
                format!("{number}. ")
            }
            _ => "- ".to_owned(),
        };
        self.lines.begin_with(mark);
    }

    fn enter_link(&mut self, tag: &Tag<'_>) {
        self.leave_link();
        self.link = tag.attribute("href").and_then(|href| shown_address(&href));
        self.lines.watch();
    }

    fn leave_link(&mut self) {
        let Some(address) = self.link.take() else { return };
        if !says(self.lines.watched(), &address) {
            self.lines.space();
            self.lines.text_as_it_is(&format!("<{address}>"));
        }
    }
}

/// What an element does to the lines around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Line,
    /// A blank line keeps it apart.
    Paragraph,
}

impl Block {
    fn of(name: &str, tag: &Tag<'_>) -> Option<Self> {
        match name {
            // Word writes each line as a paragraph, and a blank one where it wants one.
            "p" if tag.attribute("class").is_some_and(|class| class.starts_with("Mso")) => {
                Some(Self::Line)
            }
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "blockquote" => Some(Self::Paragraph),
            "address" | "article" | "aside" | "body" | "caption" | "center" | "dd" | "dir"
            | "div" | "dl" | "dt" | "fieldset" | "figure" | "footer" | "form" | "header" | "hr"
            | "li" | "main" | "menu" | "nav" | "ol" | "pre" | "section" | "table" | "tr" | "ul" => {
                Some(Self::Line)
            }
            _ => None,
        }
    }
}

/// Links that lead somewhere for whoever reads the text, cleaned of what a text would break.
fn shown_address(href: &str) -> Option<String> {
    const SCHEMES: [&str; 7] = ["https", "http", "sip", "sips", "h323", "tel", "mailto"];
    const LONGEST: usize = 4 * 1024;
    let href = href.trim();
    let (scheme, rest) = href.split_once(':')?;
    let known = SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let clean = !rest.chars().any(|c| c.is_whitespace() || c.is_control() || "<>".contains(c));
    (known && clean && !rest.is_empty() && href.len() <= LONGEST).then(|| href.to_owned())
}

fn begins(text: &str, with: &str) -> bool {
    text.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with))
}

/// Whether the words of a link are its address.
fn says(words: &str, address: &str) -> bool {
    let words = words.trim().trim_end_matches('/');
    let address = address.trim_end_matches('/');
    let rest = address.split_once(':').map_or(address, |(_, rest)| rest);
    let bare = rest.trim_start_matches("//");
    // Without its scheme a device's address looks like one of mail.
    let dialled = ["sip:", "sips:", "h323:"].iter().any(|scheme| begins(address, scheme));
    if words.eq_ignore_ascii_case(address) || words.eq_ignore_ascii_case(bare) && !dialled {
        return true;
    }
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit() || " +-()/.".contains(c));
    is_number(bare) && is_number(words) && !words.is_empty() && digits(words) == digits(bare)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
