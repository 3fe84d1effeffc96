//! Where in a page things are: our blocks, the quoted original, the end of what the sender wrote.
//!
//! A page is read once, with the elements that are open on a stack. That is not the tree that a
//! browser builds of tag soup, but near enough to it to find a place that is seen, and to take out
//! whole elements where the page is well formed. Nothing is ever taken by it that does not lie
//! between our own two lines, or in an element that bears our name.

use super::elements;
use super::page::{Kind, Tag, Tokens};
use super::separator::{self, Place};

/// What bears our name.
pub(super) const NAME: &str = "calway-join";

/// Elements of our name without our lines that are looked into; a page with more is none that a
/// client wrote.
const WITHOUT_LINES: usize = 32;

/// Beginnings of quoted messages that are looked at: the first counts that stands in no block of
/// ours, and those in a block are lines of an organisation's own header and footer.
const QUOTES: usize = 2_048;

/// A block of ours in a page, by its places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// What goes when it is taken out.
    pub(super) whole: Place,
    /// What stands between its lines; of one that lost its lines, everything.
    pub(super) inside: Place,
    /// Its last line; `None` of one that lost its lines.
    pub(super) last_line: Option<Place>,
}

/// A page, found out.
#[derive(Debug)]
pub(super) struct Outline {
    /// Where a new block goes: before the quoted original, or at the end.
    pub(super) place: usize,
    /// Blocks of ours before that, in their order, apart from each other.
    pub(super) blocks: Vec<Block>,
    /// Lines of ours before that without the other, outside of blocks.
    pub(super) lines: Vec<Place>,
    /// Tags before that which bear our name, outside of blocks.
    pub(super) names: Vec<Place>,
}

/// Reads a page. `knows` says of the content of an element of our name whether it is still ours
/// though it lost its lines.
pub(super) fn outline(page: &str, knows: &dyn Fn(&str) -> bool) -> Outline {
    let mut reader = Reader::new(page, knows);
    let mut tokens = Tokens::new(page);
    for token in tokens.by_ref() {
        let place = Place { start: token.start, end: token.end };
        match token.kind {
            Kind::Text(text) => reader.text(text, token.start),
            Kind::Begin(tag) => reader.begin(&tag, place),
            Kind::End(tag) => reader.end(&tag, &place),
            Kind::Mute => {}
        }
    }
    reader.finish(tokens.read_to())
}

/// An element that is open.
struct Open<'a> {
    tag: Tag<'a>,
    start: usize,
    /// Bears our name.
    ours: bool,
    /// How many blocks were found before it.
    found_before: usize,
}

/// A first line that waits for its last.
struct Begun {
    line: Place,
    /// The open elements in which nothing stands before it: where they start, and the depth of the
    /// outermost.
    starts: Vec<usize>,
    clean: usize,
    /// How many of the elements around it are still open.
    around: usize,
}

impl Begun {
    /// Where to cut so that the elements from a depth on go whole, if nothing else is in them.
    fn start(&self, depth: usize) -> usize {
        let index = depth.max(self.clean) - self.clean;
        self.starts.get(index).copied().unwrap_or(self.line.start)
    }
}

/// A block whose end may still grow, over the ends of elements in which nothing follows.
struct Growing {
    begun: Begun,
    block: Block,
    /// How many elements are open of those around its last line.
    depth: usize,
}

struct Reader<'a> {
    page: &'a str,
    knows: &'a dyn Fn(&str) -> bool,
    stack: Vec<Open<'a>>,
    /// In so many of them, from the outermost, something was seen; in the others nothing yet.
    seen: usize,
    begun: Option<Begun>,
    growing: Option<Growing>,
    blocks: Vec<Block>,
    lines: Vec<Place>,
    names: Vec<Place>,
    /// Where a quoted original may begin: that, and where something put before it is seen.
    quotes: Vec<(usize, usize)>,
    /// The same of a line that announces one, if what follows is a header.
    announced: Option<(usize, usize)>,
    /// Where the page's body ends, or the page.
    body_end: Option<usize>,
    page_end: Option<usize>,
    without_lines: usize,
    /// The outermost open element that does not show what is put into it: its depth and start.
    hidden: Option<(usize, usize)>,
}

impl<'a> Reader<'a> {
    fn new(page: &'a str, knows: &'a dyn Fn(&str) -> bool) -> Self {
        Self {
            page,
            knows,
            stack: Vec::new(),
            seen: 0,
            begun: None,
            growing: None,
            blocks: Vec::new(),
            lines: Vec::new(),
            names: Vec::new(),
            quotes: Vec::new(),
            announced: None,
            body_end: None,
            page_end: None,
            without_lines: 0,
            hidden: None,
        }
    }

    /// Something is seen here.
    fn content(&mut self) {
        self.grown();
        self.seen = self.stack.len();
    }

    fn grown(&mut self) {
        self.blocks.extend(self.growing.take().map(|growing| growing.block));
    }

    fn found(&self) -> usize {
        self.blocks.len() + usize::from(self.growing.is_some())
    }

    fn text(&mut self, text: &str, start: usize) {
        let mut from = 0;
        for (line, begins) in separator::all(text) {
            self.words(text.get(from..line.start).unwrap_or_default(), start + from);
            from = line.end;
            let line = Place { start: start + line.start, end: start + line.end };
            if begins { self.first_line(line) } else { self.last_line(line) }
        }
        self.words(text.get(from..).unwrap_or_default(), start + from);
    }

    fn words(&mut self, words: &str, start: usize) {
        let mut at = start;
        for line in words.split_inclusive('\n') {
            let start = at;
            at += line.len();
            if elements::is_blank(line) {
                continue;
            }
            if let Some(announced) = self.announced.take().filter(|_| elements::is_field(line)) {
                self.quotes.push(announced);
            }
            if elements::is_quote_line(line) {
                self.announced = Some(self.before(start));
            }
            self.content();
        }
    }

    fn first_line(&mut self, line: Place) {
        self.announced = None;
        let clean = self.seen;
        let starts = self.stack.iter().skip(clean).map(|open| open.start).collect();
        let begun = Begun { line, starts, clean, around: self.stack.len() };
        self.content();
        self.lines.extend(self.begun.replace(begun).map(|before| before.line));
    }

    fn last_line(&mut self, line: Place) {
        self.content();
        let Some(begun) = self.begun.take() else { return self.lines.push(line) };
        let whole = Place { start: begun.start(begun.around), end: line.end };
        let inside = Place { start: begun.line.end, end: line.start };
        let block = Block { whole, inside, last_line: Some(line) };
        self.growing = Some(Growing { begun, block, depth: self.stack.len() });
    }

    fn begin(&mut self, tag: &Tag<'a>, place: Place) {
        while self.stack.last().is_some_and(|open| elements::closes(tag, &open.tag)) {
            self.close(place.start, false);
        }
        if elements::begins_quote(tag) {
            self.quote(place.start);
        }
        if elements::is_seen(tag) {
            self.content();
        }
        let (ours, start) = (is_ours(tag), place.start);
        if ours {
            self.names.push(place);
        }
        if elements::is_void(tag) {
            return;
        }
        if self.hidden.is_none() && elements::hides(tag) {
            self.hidden = Some((self.stack.len(), start));
        }
        let found_before = self.found();
        self.stack.push(Open { tag: *tag, start, ours, found_before });
    }

    fn end(&mut self, tag: &Tag<'a>, place: &Place) {
        if tag.is("body") {
            self.body_end = Some(self.seen_at(place.start));
        }
        if tag.is("html") {
            self.page_end = Some(self.seen_at(place.start));
        }
        let Some(depth) = self.opened_by(tag) else { return };
        while self.stack.len() > depth + 1 {
            self.close(place.start, false);
        }
        self.close(place.end, true);
    }

    /// The depth of the element that an end tag ends.
    fn opened_by(&self, tag: &Tag<'_>) -> Option<usize> {
        /// Elements that are looked through; more are open in no page that people wrote.
        const FAR: usize = 256;
        for (depth, open) in self.stack.iter().enumerate().rev().take(FAR) {
            if open.tag.is(tag.name) {
                return Some(depth);
            }
            if elements::bars(&open.tag, tag) {
                return None;
            }
        }
        None
    }

    /// The innermost element ends here; `told`: by its own end tag.
    fn close(&mut self, end: usize, told: bool) {
        let Some(open) = self.stack.pop() else { return };
        let depth = self.stack.len();
        self.seen = self.seen.min(depth);
        self.hidden = self.hidden.filter(|(hidden, _)| *hidden < depth);
        if let Some(begun) = &mut self.begun {
            begun.around = begun.around.min(depth);
        }
        if open.ours && told && self.found() == open.found_before {
            return self.without_lines(open.start, end);
        }
        let Some(growing) = &mut self.growing else { return };
        // Elements that began behind it are none of its.
        if depth >= growing.depth {
            return;
        }
        growing.depth = depth;
        if depth >= growing.begun.around {
            growing.block.whole.end = end;
        } else if growing.begun.clean > depth {
            // Something stands before it in there.
            self.grown();
        } else if open.ours && told {
            growing.block.whole = Place { start: growing.begun.start(depth), end };
            self.grown();
        }
    }

    /// An element of our name in which no block stands.
    fn without_lines(&mut self, start: usize, end: usize) {
        self.without_lines += 1;
        let content = self.page.get(start..end).unwrap_or_default();
        if self.without_lines > WITHOUT_LINES || !(self.knows)(content) {
            return;
        }
        self.grown();
        if self.begun.as_ref().is_some_and(|begun| begun.line.start > start) {
            self.lines.extend(self.begun.take().map(|begun| begun.line));
        }
        let whole = Place { start, end };
        self.blocks.push(Block { inside: whole.clone(), whole, last_line: None });
    }

    /// Where something that is put here is seen: not in what hides its content.
    fn seen_at(&self, at: usize) -> usize {
        self.hidden.map_or(at, |(_, start)| start)
    }

    /// A quoted message begins here.
    fn quote(&mut self, at: usize) {
        if self.quotes.len() < QUOTES {
            let place = self.before(at);
            self.quotes.push(place);
        }
    }

    /// A place, or that of the outermost element which holds nothing before it; and where something
    /// put before that is seen.
    fn before(&self, at: usize) -> (usize, usize) {
        /// Parts of tables that are looked through; more stand open in no page that people wrote.
        const FAR: usize = 256;
        let mut empty = self.stack.iter().skip(self.seen).take(FAR);
        let outermost = empty.find(|open| !elements::is_frame(&open.tag));
        let at = outermost.map_or(at, |open| open.start);
        (at, self.seen_at(at).min(at))
    }

    fn finish(mut self, read_to: usize) -> Outline {
        self.grown();
        self.lines.extend(self.begun.take().map(|begun| begun.line));
        let end = self.body_end.or(self.page_end).unwrap_or_else(|| self.seen_at(read_to));
        self.blocks.sort_by_key(|block| block.whole.start);
        let mut blocks: Vec<Block> = Vec::new();
        for block in self.blocks {
            if blocks.last().is_none_or(|last| last.whole.end <= block.whole.start) {
                blocks.push(block);
            }
        }
        let within = |at: usize| {
            let next = blocks.partition_point(|block| block.whole.start <= at);
            next.checked_sub(1).and_then(|at| blocks.get(at)).is_some_and(|one| one.whole.end > at)
        };
        let quote = self.quotes.iter().find(|(at, _)| !within(*at));
        let place = quote.map_or(end, |(_, seen)| (*seen).min(end));
        let free = |place_of: &Place| place_of.start < place && !within(place_of.start);
        let (mut lines, mut names) = (self.lines, self.names);
        lines.retain(free);
        lines.sort_by_key(|line| line.start);
        names.retain(free);
        blocks.retain(|block| block.whole.start < place);
        Outline { place, blocks, lines, names }
    }
}

/// What clients put before names: nothing, OWA `x_`, Gmail `m_` and a number.
fn is_prefix(text: &str) -> bool {
    let number = text.strip_prefix("m_").map(|text| text.strip_prefix('-').unwrap_or(text));
    let is_number = number.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    text.is_empty() || text.ends_with('_') || is_number
}

/// Whether an element bears our name, as it is or with such a prefix.
fn is_ours(tag: &Tag<'_>) -> bool {
    ["id", "class", "name"].iter().any(|name| {
        let words = tag.attribute(name).unwrap_or_default().split_ascii_whitespace();
        words.take(16).any(|word| word.strip_suffix(NAME).is_some_and(is_prefix))
    })
}
