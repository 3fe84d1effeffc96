//! A place read for keywords, and made tidy where one stood.

use super::{Asked, Keyword, Mode, Place};
use crate::model::Plain;
use crate::pipeline::limits::KEYWORD_CHARACTERS;

/// What stands on both sides of a keyword and goes with it: brackets, quotes, and the marks that
/// begin and end a direction.
const PAIRS: [(char, char); 21] = [
    ('(', ')'),
    ('[', ']'),
    ('{', '}'),
    ('<', '>'),
    ('"', '"'),
    ('\'', '\''),
    ('“', '”'),
    ('„', '“'),
    ('‘', '’'),
    ('«', '»'),
    ('»', '«'),
    ('（', '）'),
    ('［', '］'),
    ('「', '」'),
    ('【', '】'),
    ('《', '》'),
    ('\u{2066}', '\u{2069}'),
    ('\u{2067}', '\u{2069}'),
    ('\u{2068}', '\u{2069}'),
    ('\u{202a}', '\u{202c}'),
    ('\u{202b}', '\u{202c}'),
];

/// What keeps the parts of a place apart.
const SEPARATORS: &str = ";,|·•–—、，；／｜・،؛";

/// What keeps parts apart only beside a space: elsewhere it belongs to a number or a word.
const WITH_SPACE: &str = "-+&:./\\：";

/// A keyword in a text.
struct Seen<'a> {
    keyword: &'a Keyword,
    mode: Option<Mode>,
    unknown_mode: bool,
    start: usize,
    end: usize,
}

pub(super) fn read(text: &str, known: &[Keyword]) -> Option<Asked> {
    let mut seen = all(text, known);
    let first = seen.next()?;
    let mut after: Option<String> = None;
    let mut from = first.end;
    let mut more = false;
    let piece = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    for other in seen {
        after = Some(appended(after, piece(from, other.start)));
        (from, more) = (other.end, true);
    }
    let after = appended(after, piece(from, text.len()));
    let hole = Hole::between(piece(0, first.start), &after);
    let place = Place {
        before: Plain::new(hole.left.trim_start()),
        left: hole.left_run.into(),
        right: hole.right_run.into(),
        after: Plain::new(hole.right.trim_end()),
    };
    Some(Asked {
        keyword: first.keyword.name.clone(),
        mode: first.mode.unwrap_or(first.keyword.mode),
        said: first.mode,
        place,
        more,
        unknown_mode: first.unknown_mode,
    })
}

/// The keywords of a text in their order.
fn all<'a>(text: &'a str, known: &'a [Keyword]) -> impl Iterator<Item = Seen<'a>> {
    let mut from = 0;
    let mut run = Run::default();
    std::iter::from_fn(move || {
        while let Some(rest) = text.get(from..) {
            let at = from + rest.find(['@', '＠'])?;
            run.read(text.get(from..at).unwrap_or_default());
            let rest = text.get(at..).unwrap_or_default();
            let mark = rest.chars().next().map_or(1, char::len_utf8);
            let found = run.ends_before_keyword().then(|| keyword(rest, mark, known)).flatten();
            from = at + found.as_ref().map_or(mark, |found| found.end);
            if let Some(found) = found {
                // What follows will stand apart from what came before.
                run = Run::default();
                return Some(Seen { start: at, end: from, ..found });
            }
            run.read(text.get(at..from).unwrap_or_default());
        }
        None
    })
}

/// What was read of a text since its last white space.
#[derive(Default)]
struct Run {
    last: Option<char>,
    /// A dot stood in it, as in the name of a host.
    dotted: bool,
    /// `//` stood in it.
    address: bool,
}

impl Run {
    fn read(&mut self, text: &str) {
        for c in text.chars() {
            if c.is_whitespace() {
                *self = Self::default();
                continue;
            }
            self.address |= c == '/' && self.last == Some('/');
            self.dotted |= c == '.';
            self.last = Some(c);
        }
    }

    /// Whether a keyword may begin here: not in an address of mail or of a page.
    fn ends_before_keyword(&self) -> bool {
        match self.last {
            None => true,
            Some('@' | '＠' | '_') => false,
            Some('/') => !self.address && !self.dotted,
            Some(c) => !self.address && !joins(c),
        }
    }
}

/// Whether a character beside a keyword makes it another word.
fn joins(c: char) -> bool {
    let c = narrow(c);
    c == '_' || c.is_numeric() || c.is_lowercase() || c.is_uppercase()
}

/// A full-width sign of ASCII as the one that it stands for.
fn narrow(c: char) -> char {
    let ascii = u32::from(c).checked_sub(0xfee0).filter(|code| (0x21..0x7f).contains(code));
    ascii.and_then(char::from_u32).unwrap_or(c)
}

/// The keyword that a text begins with; `mark` is the length of its `@`.
fn keyword<'a>(text: &str, mark: usize, known: &'a [Keyword]) -> Option<Seen<'a>> {
    let rest = text.get(mark..)?;
    let (name, end) = word(rest);
    let keyword = known.iter().find(|own| *own.name == *name)?;
    if !is_apart(rest.get(end..)?) {
        return None;
    }
    let mut seen = Seen { keyword, mode: None, unknown_mode: false, start: 0, end: mark + end };
    // More than one: the first counts, as among keywords.
    while let Some(rest) = text.get(seen.end..).and_then(|rest| rest.strip_prefix([':', '：'])) {
        let (name, end) = word(rest);
        let behind = rest.get(end..).unwrap_or_default();
        match Mode::parse(&name).filter(|_| is_apart(behind)) {
            Some(mode) => {
                seen.mode = seen.mode.or(Some(mode));
                seen.end = text.len() - behind.len();
            }
            None => {
                seen.unknown_mode = !name.is_empty();
                if seen.unknown_mode {
                    seen.end = text.len() - rest.len();
                }
                break;
            }
        }
    }
    Some(seen)
}

/// The ASCII letters and digits that a text begins with, full-width ones too, in lower case, and
/// how many bytes they are. Anything longer than a name is none.
fn word(text: &str) -> (String, usize) {
    let mut name = String::new();
    for (at, c) in text.char_indices() {
        let own = narrow(c);
        if !own.is_ascii_alphanumeric() || name.len() > KEYWORD_CHARACTERS {
            return (name, at);
        }
        name.push(own.to_ascii_lowercase());
    }
    (name, text.len())
}

/// Whether a name ends where this begins: not in the middle of a word or of a host's name.
fn is_apart(rest: &str) -> bool {
    let mut characters = rest.chars();
    match characters.next() {
        Some('.' | '-' | '．' | '－') => !characters.next().is_some_and(joins),
        Some('@' | '＠') => false,
        Some(c) => !joins(c),
        None => true,
    }
}

/// A text to which a part is added that a keyword kept apart from it.
fn appended(text: Option<String>, part: &str) -> String {
    let Some(mut text) = text else { return part.to_owned() };
    let hole = Hole::between(&text, part);
    let joint = joint(hole.left_run, hole.right_run, hole.right);
    let tail = format!("{joint}{}", hole.right);
    let left = hole.left.len();
    text.truncate(left);
    text.push_str(&tail);
    text
}

/// Two parts made tidy, and the separators that stood where they meet.
struct Hole<'a> {
    left: &'a str,
    left_run: &'a str,
    right_run: &'a str,
    right: &'a str,
}

impl<'a> Hole<'a> {
    fn between(left: &'a str, right: &'a str) -> Self {
        let mut hole = Self { left, left_run: "", right_run: "", right };
        loop {
            let (left, own) = cut_end(hole.left);
            (hole.left, hole.left_run) = (left, if own.is_empty() { hole.left_run } else { own });
            let (own, right) = cut_start(hole.right);
            (hole.right_run, hole.right) =
                (if own.is_empty() { hole.right_run } else { own }, right);
            let ends = hole.left.chars().next_back().zip(hole.right.chars().next());
            let Some((open, close)) = ends.filter(|pair| PAIRS.contains(pair)) else {
                return hole;
            };
            hole.left = hole.left.strip_suffix(open).unwrap_or(hole.left);
            hole.right = hole.right.strip_prefix(close).unwrap_or(hole.right);
            (hole.left_run, hole.right_run) = ("", "");
        }
    }
}

/// What goes between two parts: what stood there, if it says more than that they are apart.
pub(super) fn joint<'a>(left: &'a str, right: &'a str, after: &str) -> &'a str {
    let says = |run: &str| run.chars().any(|c| !c.is_whitespace());
    match (says(right), says(left)) {
        (true, _) => right,
        (false, true) => left,
        (false, false) if after.starts_with([')', ']', '}', '"', '’', '”', '）']) => "",
        (false, false) => " ",
    }
}

/// A text without the separators at its end, and those.
fn cut_end(text: &str) -> (&str, &str) {
    let mut end = text.len();
    let mut spaced = true;
    for (at, c) in text.char_indices().rev() {
        let goes = is_separator(c) || (WITH_SPACE.contains(c) && spaced);
        if !goes {
            break;
        }
        spaced |= c.is_whitespace();
        end = at;
    }
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// As [`cut_end`], at the start.
fn cut_start(text: &str) -> (&str, &str) {
    let mut start = 0;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let spaced = rest.clone().next().is_none_or(char::is_whitespace);
        let goes = is_separator(c) || (WITH_SPACE.contains(c) && spaced);
        if !goes {
            break;
        }
        start = text.len() - rest.as_str().len();
    }
    text.split_at_checked(start).unwrap_or(("", text))
}

fn is_separator(c: char) -> bool {
    // The marks of a direction that have no end say nothing where nothing stands.
    let mute = matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{200b}' | '\u{feff}');
    c.is_whitespace() || mute || SEPARATORS.contains(c)
}
