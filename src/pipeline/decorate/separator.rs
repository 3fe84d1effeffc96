//! The two lines that stand around join details in every body.
//!
//! They are text, because text is what every client keeps: Word's engine, OWA and Gmail rename or
//! drop ids, classes and comments. They are short and have no space, so that nobody wraps them, and
//! the second holds a check of the words between them, so that a block that nobody edited is told
//! from one that somebody did, however its markup was written anew.

/// The first line.
pub(super) const BEGIN: &str = "v-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-=-v";

/// The last line, up to its check and behind it.
const END: (&str, &str) = ("^-=-=-=-=-=-=-=-", "-=-=-=-=-=-^");

/// Characters of a check.
const CHECK: usize = 8;

/// Where something stands in a text, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Where the first line stands in a text.
pub(super) fn begins(text: &str) -> Option<Place> {
    text.find(BEGIN).map(|start| Place { start, end: start + BEGIN.len() })
}

/// Where the last line stands in a text, whatever its check.
pub(super) fn ends(text: &str) -> Option<Place> {
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| rest.find(END.0)) {
        let start = from + found;
        from = start + END.0.len();
        let check = text.get(from..from + CHECK).filter(|check| is_check(check));
        let behind = text.get(from + CHECK..).is_some_and(|rest| rest.starts_with(END.1));
        if check.is_some() && behind {
            return Some(Place { start, end: from + CHECK + END.1.len() });
        }
    }
    None
}

/// All lines of ours in a text, in their order, and whether each is a first one.
pub(super) fn all(text: &str) -> impl Iterator<Item = (Place, bool)> {
    let mut from = 0;
    let moved = |place: Place, by: usize| Place { start: place.start + by, end: place.end + by };
    let find = move |from: usize, begins: bool| {
        let rest = text.get(from..)?;
        let found = if begins { self::begins(rest) } else { ends(rest) };
        found.map(|place| moved(place, from))
    };
    // Each is looked for once and kept until its turn comes.
    let (mut first, mut last) = (find(0, true), find(0, false));
    std::iter::from_fn(move || {
        if first.as_ref().is_some_and(|place| place.start < from) {
            first = find(from, true);
        }
        if last.as_ref().is_some_and(|place| place.start < from) {
            last = find(from, false);
        }
        let begins = match (&first, &last) {
            (Some(first), Some(last)) => first.start < last.start,
            (None, None) => return None,
            (first, _) => first.is_some(),
        };
        let place = if begins { first.clone()? } else { last.clone()? };
        from = place.end;
        Some((place, begins))
    })
}

/// A text in which others stand in the place of some parts, which come in their order; what
/// overlaps an earlier one stays.
pub(super) fn cut(text: &str, cuts: &[(Place, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (place, instead) in cuts.iter().filter(|(place, _)| place.start < place.end) {
        let Some(before) = text.get(from..place.start) else { continue };
        out.push_str(before);
        out.push_str(instead);
        from = place.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// The last line of a block with these words.
pub(super) fn end_line(words: &str) -> String {
    format!("{}{}{}", END.0, check(words), END.1)
}

/// Whether a last line says that the block has these words and no others.
pub(super) fn vouches(line: &str, words: &str) -> bool {
    line.get(END.0.len()..END.0.len() + CHECK).is_some_and(|own| own == check(words))
}

fn is_check(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// FNV-1a over the letters and digits, in 32 bits: it finds an edit, it keeps no secret. Space and
/// marks do not count, as clients change those by themselves.
fn check(words: &str) -> String {
    let mut sum = 0x811c_9dc5_u32;
    let mut bytes = [0; 4];
    for c in words.chars().filter(|c| c.is_alphanumeric()) {
        for byte in c.encode_utf8(&mut bytes).bytes() {
            sum = (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
    format!("{sum:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_line_is_found_and_vouches_for_its_words() {
        let line = end_line("Join 42");
        let text = format!("{} xxxxxxxx\nä {line} b", END.0);
        let place = ends(&text).unwrap();
        assert_eq!(text.get(place.start..place.end), Some(line.as_str()));
        assert!(vouches(&line, "  Join:\t42\n"));
        assert!(!vouches(&line, "Join 43"));
        assert!(!vouches(END.0, "Join 42"));
        assert_eq!(ends(END.0), None);
        assert_eq!(begins(&format!("ä{BEGIN}")), Some(Place { start: 2, end: 2 + BEGIN.len() }));
    }

    #[test]
    fn no_client_wraps_a_line_that_marks() {
        assert!(BEGIN.len() < 60 && end_line("x").len() < 60);
        assert!(!BEGIN.contains(END.0) && !end_line("x").contains(BEGIN));
    }
}
