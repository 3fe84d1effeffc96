//! The language of the table's shapes: compared from left to right, never tried again.

use super::address::{segments, value};
use super::table::{CLASSES, PAGES};

/// A shape, ready to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    path: Path,
    fragment: Option<Fragment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Path {
    segments: Vec<Vec<Piece>>,
    /// Whatever follows is welcome.
    open: bool,
    keys: Vec<Key>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fragment {
    Path(Path),
    Keys(Vec<Key>),
}

/// A key that must be there, with this value where one is named.
type Key = (&'static str, Option<&'static str>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(&'static str),
    Some { class: Class, least: usize, most: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Digits,
    Letters,
    Alnum,
    Caps,
    Token,
    Word,
    Room,
}

impl Shape {
    /// Reads a shape; nothing where it is not written as the table says.
    pub(super) fn parse(text: &'static str) -> Option<Self> {
        let (path, fragment) = match text.split_once('#') {
            Some((path, fragment)) => (path, Some(fragment)),
            None => (text, None),
        };
        let fragment = match fragment {
            Some(path) if path.starts_with('/') => Some(Fragment::Path(Path::parse(path)?)),
            Some(names) if !names.is_empty() => Some(Fragment::Keys(keys(names))),
            Some(_) => return None,
            None => None,
        };
        path.starts_with('/').then_some(())?;
        Some(Self { path: Path::parse(path)?, fragment })
    }

    /// Whether an address has this shape.
    pub(super) fn fits(&self, path: &str, query: &str, fragment: &str) -> bool {
        if !self.path.fits(path, query) {
            return false;
        }
        match &self.fragment {
            None => true,
            Some(Fragment::Keys(keys)) => has(fragment, keys),
            Some(Fragment::Path(own)) => {
                let (path, query) = fragment.split_once('?').unwrap_or((fragment, ""));
                own.fits(path, query)
            }
        }
    }
}

impl Path {
    fn parse(text: &'static str) -> Option<Self> {
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, keys(query)),
            None => (text, Vec::new()),
        };
        let mut all: Vec<&'static str> = segments(path).collect();
        let open = all.last() == Some(&"**");
        if open {
            all.pop();
        }
        let segments = all.into_iter().map(pieces).collect::<Option<_>>()?;
        Some(Self { segments, open, keys: query })
    }

    fn fits(&self, path: &str, query: &str) -> bool {
        let mut given = segments(path);
        for own in &self.segments {
            if !given.next().is_some_and(|segment| fits(own, segment)) {
                return false;
            }
        }
        (self.open || given.next().is_none()) && has(query, &self.keys)
    }
}

fn keys(query: &'static str) -> Vec<Key> {
    let pair = |pair: &'static str| match pair.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (pair, None),
    };
    query.split('&').map(pair).collect()
}

fn has(query: &str, keys: &[Key]) -> bool {
    keys.iter().all(|(key, wanted)| match (value(query, key), wanted) {
        (Some(_), Some("")) => true,
        (Some(given), Some(wanted)) => given.eq_ignore_ascii_case(wanted),
        (Some(given), None) => !given.is_empty(),
        (None, _) => false,
    })
}

fn pieces(segment: &'static str) -> Option<Vec<Piece>> {
    if segment == "*" {
        return Some(vec![Piece::Some { class: Class::Word, least: 1, most: usize::MAX }]);
    }
    let mut all = Vec::new();
    let mut rest = segment;
    while !rest.is_empty() {
        let (text, after) = rest.split_once('{').unwrap_or((rest, ""));
        if !text.is_empty() {
            all.push(Piece::Text(text));
        }
        if after.is_empty() {
            break;
        }
        let (class, after) = after.split_once('}')?;
        all.push(piece(class)?);
        rest = after;
    }
    Some(all)
}

fn piece(text: &str) -> Option<Piece> {
    let (name, range) = text.split_once(':').unwrap_or((text, "1-"));
    let at = CLASSES.iter().position(|(own, _)| *own == name)?;
    let class = [
        Class::Digits,
        Class::Letters,
        Class::Alnum,
        Class::Caps,
        Class::Token,
        Class::Word,
        Class::Room,
    ];
    let (least, most) = match range.split_once('-') {
        Some((least, "")) => (least.parse().ok()?, usize::MAX),
        Some((least, most)) => (least.parse().ok()?, most.parse().ok()?),
        None => (range.parse().ok()?, range.parse().ok()?),
    };
    Some(Piece::Some { class: *class.get(at)?, least, most })
}

fn fits(own: &[Piece], segment: &str) -> bool {
    let mut rest = segment;
    for piece in own {
        let after = match piece {
            Piece::Text(text) => {
                let begin = rest.get(..text.len());
                begin.filter(|begin| begin.eq_ignore_ascii_case(text)).map(|_| text.len())
            }
            Piece::Some { class, least, most } => {
                let taken: usize = rest
                    .chars()
                    .take_while(|c| class.has(*c))
                    .take(*most)
                    .map(char::len_utf8)
                    .sum();
                let text = rest.get(..taken).unwrap_or_default();
                (text.chars().count() >= *least && class.allows(text)).then_some(taken)
            }
        };
        let Some(after) = after.and_then(|taken| rest.get(taken..)) else { return false };
        rest = after;
    }
    rest.is_empty()
}

impl Class {
    fn has(self, c: char) -> bool {
        match self {
            Self::Digits => c.is_ascii_digit(),
            Self::Letters => c.is_ascii_alphabetic(),
            Self::Alnum | Self::Token => c.is_ascii_alphanumeric(),
            Self::Caps => c.is_ascii_uppercase() || c.is_ascii_digit(),
            Self::Word | Self::Room => true,
        }
    }

    /// What a text as a whole must have.
    fn allows(self, text: &str) -> bool {
        match self {
            Self::Caps => text.bytes().any(|byte| byte.is_ascii_uppercase()),
            Self::Token => text.bytes().any(|byte| byte.is_ascii_digit()),
            Self::Room => {
                let name = text.to_ascii_lowercase();
                let is_page = PAGES.binary_search(&name.as_str()).is_ok() || is_file(&name);
                !is_page && name.contains(char::is_alphanumeric)
            }
            _ => true,
        }
    }
}

/// `index.html`, `robots.txt`: pages, not rooms. A person's name has a dot as well.
fn is_file(name: &str) -> bool {
    const ENDINGS: [&str; 12] =
        ["html", "htm", "php", "aspx", "asp", "jsp", "txt", "ico", "png", "jpg", "pdf", "xml"];
    name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::join::table;

    fn fits(shape: &'static str, address: &str) -> bool {
        let (rest, fragment) = address.split_once('#').unwrap_or((address, ""));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        Shape::parse(shape).unwrap().fits(path, query, fragment)
    }

    #[test]
    fn a_shape_takes_what_it_says_and_no_more() {
        for (shape, good, bad) in [
            ("/j/{digits:9-11}", "/J/123456789/?pwd=x", "/j/12345678"),
            ("/j/{digits:9-11}", "//j//12345678901", "/j/123456789012"),
            ("/j/{digits:9-11}", "/j/123456789#x", "/j/123456789/more"),
            ("/{letters:3}-{letters:4}", "/abc-defg", "/abc-def"),
            ("/{caps:5-8}", "/AB12C", "/ab12c"),
            ("/{token:8}", "/abcdefg1", "/abcdefgh"),
            ("/{room}", "/anna.weber", "/Pricing"),
            ("/{room}", "/b%C3%BCro", "/index.html"),
            ("/x/**", "/x", "/y"),
            ("/x/*/**", "/x/1/2/3", "/x"),
            ("/a?k", "/a?z=1&k=2", "/a?k="),
            ("/a?k=join", "/a?k=Join", "/a?k=leave"),
            ("/#/j/{digits}", "/#/j/12?x", "/#/k/12"),
            ("/call#key", "/call/#key=x", "/call/#kez=x"),
            ("/v{digits}/m{digits}", "/v15/m123", "/v15/123"),
        ] {
            assert!(fits(shape, good), "{shape} takes {good}");
            assert!(!fits(shape, bad), "{shape} does not take {bad}");
        }
    }

    #[test]
    fn a_shape_that_says_nothing_is_refused() {
        for bad in ["j", "/{digit}", "/{digits", "/{digits:x}", "/a#"] {
            assert_eq!(Shape::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_shape_of_the_table_is_well_written() {
        for service in table::services() {
            for shape in service.rows.iter().flat_map(|row| row.shapes) {
                assert!(Shape::parse(shape).is_some(), "{}: {shape}", service.id);
            }
        }
        assert!(PAGES.is_sorted(), "looked up by halves");
    }
}
