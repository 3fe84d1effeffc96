//! A pull reader over answers that looks at local names only, and the writing of text.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

use crate::model::Fault;

/// The code of an answer that is no XML, or not the XML that was asked for. The reader's own words
/// are left out, as they may quote the answer.
pub(super) const MALFORMED: &str = "malformed answer";

/// The fault of such an answer: it may be whole the next time.
pub(super) fn malformed() -> Fault {
    Fault::retry(MALFORMED)
}

/// Bytes as text; what is not UTF-8 becomes U+FFFD.
pub(super) fn decode(xml: &[u8]) -> Cow<'_, str> {
    // The other looks at one byte after the other.
    std::str::from_utf8(xml).map_or_else(|_| String::from_utf8_lossy(xml), Cow::Borrowed)
}

/// Walks an answer from its top. Whoever gets a [`Element`] from [`Pull::child`] reads it to its
/// end before the next call: with [`Pull::text`], [`Pull::skip`], or [`Pull::child`] until `None`.
pub(super) struct Pull<'a> {
    xml: &'a str,
    reader: Reader<&'a [u8]>,
    depth: usize,
    /// The element last given is `<like this/>` and its end is still to be told.
    empty: bool,
}

/// An element's start.
pub(super) struct Element<'a>(BytesStart<'a>);

impl<'a> Pull<'a> {
    /// Starts before the first element.
    pub(super) fn new(xml: &'a str) -> Self {
        let mut reader = Reader::from_str(xml);
        reader.config_mut().allow_dangling_amp = true;
        Self { xml, reader, depth: 0, empty: false }
    }

    /// The next child of the element that is open, `None` at its end.
    pub(super) fn child(&mut self) -> Result<Option<Element<'a>>, Fault> {
        if std::mem::take(&mut self.empty) {
            return Ok(None);
        }
        loop {
            match self.event()? {
                Event::Start(start) => {
                    self.depth += 1;
                    return Ok(Some(Element(start)));
                }
                Event::Empty(start) => {
                    self.empty = true;
                    return Ok(Some(Element(start)));
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(None);
                }
                Event::Eof if self.depth == 0 => return Ok(None),
                Event::Eof => return Err(malformed()),
                _ => {}
            }
        }
    }

    /// The text of the open element to its end, references resolved, without the characters that
    /// XML 1.0 forbids; elements in it are left out.
    pub(super) fn text(&mut self) -> Result<String, Fault> {
        self.text_up_to(usize::MAX)
    }

    /// As [`Pull::text`]; of a longer one about the first `limit` bytes, and never more. The rest
    /// is read, and kept nowhere.
    pub(super) fn text_up_to(&mut self, limit: usize) -> Result<String, Fault> {
        let mut out = String::new();
        if std::mem::take(&mut self.empty) {
            return Ok(out);
        }
        loop {
            push_unescaped_up_to(&mut out, self.run(), limit);
            match self.event()? {
                Event::CData(text) => {
                    let room = limit.saturating_sub(out.len());
                    push_legal(&mut out, beginning(&text, room));
                }
                Event::Start(_) => {
                    self.depth += 1;
                    self.skip()?;
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(out);
                }
                Event::Eof => return Err(malformed()),
                _ => {}
            }
        }
    }

    /// The text up to the next mark, taken past the reader: it would give a body with its thousands
    /// of references in as many events.
    fn run(&mut self) -> &'a str {
        let left = self.reader.get_ref().len();
        let begin = self.xml.len().saturating_sub(left);
        let Some(rest) = self.xml.get(begin..) else { return "" };
        let (text, rest) = rest.split_at(memchr(b'<', rest.as_bytes()).unwrap_or(rest.len()));
        *self.reader.get_mut() = rest.as_bytes();
        text
    }

    /// Goes to the end of the open element.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        if std::mem::take(&mut self.empty) {
            return Ok(());
        }
        let mut open = 1_usize;
        while open > 0 {
            match self.event()? {
                Event::Start(_) => open += 1,
                Event::End(_) => open -= 1,
                Event::Eof => return Err(malformed()),
                _ => {}
            }
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    fn event(&mut self) -> Result<Event<'a>, Fault> {
        self.reader.read_event().map_err(|_| malformed())
    }
}

impl Element<'_> {
    /// Its name without the prefix.
    pub(super) fn name(&self) -> &str {
        let name = self.0.name().into_inner();
        let colon = name.bytes().rposition(|byte| byte == b':');
        colon.and_then(|at| name.get(at + 1..)).unwrap_or(name)
    }

    /// An attribute's value.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let attribute = self.0.try_get_attribute(name).ok().flatten()?;
        let mut value = String::with_capacity(attribute.value.len());
        push_unescaped(&mut value, &attribute.value);
        Some(value)
    }
}

/// The longest beginning of at most `limit` bytes that cuts no character, and no reference or end
/// of a line unless it is cut all the same.
fn beginning(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let head = text.get(..end).unwrap_or_default();
    let head = head.strip_suffix('\r').unwrap_or(head);
    match head.bytes().rev().take(LONGEST_REFERENCE).position(|byte| byte == b'&') {
        Some(back) if !head.as_bytes().ends_with(b";") => {
            head.get(..head.len() - back - 1).unwrap_or(head)
        }
        _ => head,
    }
}

/// As [`push_unescaped`], as long as `out` is not longer than `limit`. References only shrink, so
/// a page in HTML has room for more once its first part is resolved.
fn push_unescaped_up_to(out: &mut String, text: &str, limit: usize) {
    let mut rest = text;
    loop {
        let room = limit.saturating_sub(out.len());
        if rest.len() <= room {
            return push_unescaped(out, rest);
        }
        let head = beginning(rest, room);
        if head.len() < LONGEST_REFERENCE {
            return;
        }
        push_unescaped(out, head);
        rest = rest.get(head.len()..).unwrap_or_default();
    }
}

/// Appends text of an answer: references resolved, an ampersand that begins none kept as it is.
fn push_unescaped(out: &mut String, text: &str) {
    out.reserve(text.len());
    // Looked through once, and not again between any two references.
    let push = if is_plain(text) { String::push_str } else { push_legal };
    let mut done = 0;
    // No reference has an ampersand in it.
    for at in memchr_iter(b'&', text.as_bytes()) {
        let (Some(before), Some(after)) = (text.get(done..at), text.get(at + 1..)) else { break };
        push(out, before);
        let rest = match frequent(after) {
            Some((mark, after)) => {
                out.push(mark);
                after
            }
            None => match reference(after) {
                Some((name, after)) => {
                    push_reference(out, name);
                    after
                }
                None => {
                    out.push('&');
                    after
                }
            },
        };
        done = text.len() - rest.len();
    }
    push(out, text.get(done..).unwrap_or_default());
}

/// The references that a body in HTML is full of.
fn frequent(text: &str) -> Option<(char, &str)> {
    let (mark, length) = match text.as_bytes() {
        [b'l', b't', b';', ..] => ('<', 3),
        [b'g', b't', b';', ..] => ('>', 3),
        [b'a', b'm', b'p', b';', ..] => ('&', 4),
        [b'q', b'u', b'o', b't', b';', ..] => ('"', 5),
        _ => return None,
    };
    Some((mark, text.get(length..)?))
}

/// A reference has not more bytes.
const LONGEST_REFERENCE: usize = 32;

/// The name of the reference that begins here, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().take(LONGEST_REFERENCE).position(|byte| byte == b';')?;
    let (name, rest) = text.split_at_checked(end)?;
    let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'#');
    is_name.then_some((name, rest.get(1..)?))
}

fn push_reference(out: &mut String, name: &str) {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        out.extend(code.ok().and_then(char::from_u32).filter(|c| is_legal(*c)));
    } else if let Some(text) = resolve_predefined_entity(name) {
        out.push_str(text);
    } else {
        out.push('&');
        out.push_str(name);
        out.push(';');
    }
}

/// Whether XML 1.0 allows a character (production `Char`).
fn is_legal(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => c >= ' ',
    }
}

/// Whether every character of it is legal and no line ends with more than a line feed.
fn is_plain(text: &str) -> bool {
    first_doubtful(text).is_none()
}

/// Where the first byte is that may begin what cannot stay as it is.
fn first_doubtful(text: &str) -> Option<usize> {
    const PIECE: usize = 64;
    // 0xEF begins U+FFFE and U+FFFF in UTF-8. Pieces, so that many bytes are looked at in one step.
    let doubtful = |byte: u8| (byte < b' ' && byte != b'\n' && byte != b'\t') || byte == 0xef;
    let in_piece = |piece: &[u8]| piece.iter().fold(false, |found, byte| found | doubtful(*byte));
    let mut pieces = text.as_bytes().chunks(PIECE).enumerate();
    let (at, piece) = pieces.find(|(_, piece)| in_piece(piece))?;
    Some(at * PIECE + piece.iter().position(|byte| doubtful(*byte))?)
}

/// Appends characters as they stand, lines ended as XML wants it (section 2.11).
fn push_legal(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some((before, after)) = first_doubtful(rest).and_then(|at| rest.split_at_checked(at))
    {
        out.push_str(before);
        let mut characters = after.chars();
        match characters.next() {
            Some('\r') => {
                out.push('\n');
                rest = characters.as_str();
                rest = rest.strip_prefix('\n').unwrap_or(rest);
            }
            Some(c) => {
                if is_legal(c) {
                    out.push(c);
                }
                rest = characters.as_str();
            }
            None => return,
        }
    }
    out.push_str(rest);
}

/// Appends text to a request: marks escaped, characters that XML 1.0 forbids left out.
pub(super) fn push_escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Else the reader on the other side makes a space or nothing of them.
            '\t' => out.push_str("&#9;"),
            '\n' => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            c if is_legal(c) => out.push(c),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(xml: &str) -> Result<String, Fault> {
        let mut pull = Pull::new(xml);
        pull.child()?.expect("an element");
        pull.text()
    }

    #[test]
    fn text_is_resolved_and_cleaned() {
        for (xml, expected) in [
            ("<a/>", ""),
            ("<p:a>x &amp; y &lt;b&gt; &quot;&apos;</p:a>", "x & y <b> \"'"),
            ("<a>1&#x0;2&#0;3&#x1;4&#xFFFF;5&#x41;&#66;</a>", "12345AB"),
            ("<a>1\u{1}2\u{0}3\u{b}4\u{fffe}5\u{e000}\u{1f600}</a>", "12345\u{e000}\u{1f600}"),
            ("<a>one\r\ntwo<!-- no --> three<b>never</b> four</a>", "one\ntwo three four"),
            ("<a><![CDATA[<&amp;>]]></a>", "<&amp;>"),
            ("<a>R&D &unknown; &#xD83D; end</a>", "R&D &unknown;  end"),
            ("<a>1\r2&#xD;\r\n3&#13;</a>", "1\n2\r\n3\r"),
            ("<a>&; &#; &#x; &#-1; &a b; &amp</a>", "&;   &#-1; &a b; &amp"),
            ("<a>&lt;<!-- x -->&gt;<![CDATA[\r\n]]><?pi?>&amp;amp;</a>", "<>\n&amp;"),
        ] {
            assert_eq!(text_of(xml).as_deref(), Ok(expected), "{xml}");
        }
        let long = "ä&lt;\t\n".repeat(1_000);
        let expected = "ä<\t\n".repeat(1_000);
        assert_eq!(text_of(&format!("<a>{long}</a>")), Ok(expected));
        for bad in ["<a>", "<a>x", "<a><b></a>", "<a>x</b>", "<a>&#x"] {
            assert_eq!(
                text_of(bad).map_err(|fault| fault.cause.code),
                Err(MALFORMED.into()),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_long_text_is_cut_while_it_is_read_and_what_follows_it_is_found() {
        let cut = |inner: &str, limit| {
            let xml = format!("<a><b>{inner}</b><c>next</c></a>");
            let mut pull = Pull::new(&xml);
            pull.child().unwrap();
            pull.child().unwrap();
            let text = pull.text_up_to(limit).unwrap();
            assert!(text.capacity() <= 2 * limit.max(8), "{} of {limit}", text.capacity());
            assert_eq!(pull.child().unwrap().map(|next| next.name() == "c"), Some(true));
            assert_eq!(pull.text().unwrap(), "next");
            text
        };
        // References, lines and characters of every width, cut at every place.
        let raw = "&lt;p&gt;\r\n\u{e4}&#228;\u{20ac}&amp;\u{1f600}&unknown;".repeat(40);
        let whole = text_of(&format!("<a>{raw}</a>")).unwrap();
        for limit in 0..whole.len() {
            let text = cut(&raw, limit);
            assert!(whole.starts_with(&text) && text.len() <= limit, "{limit}");
            assert!(text.len() + 64 > limit, "{} of {limit}", text.len());
        }
        assert_eq!(cut(&raw, raw.len()), whole);
        let many = "<!-- --><![CDATA[0123456789]]>".repeat(1_000);
        assert_eq!(cut(&many, 25), "0123456789012345678901234");
        assert_eq!(cut(&"&".repeat(1_000), 100).len(), 99);
    }

    #[test]
    fn children_are_walked_without_regard_to_prefixes() {
        let xml = "<?xml version='1.0'?><s:a xmlns:s='u'> <t:b Id='1&amp;2' x:Id='no'/>t<c><d/></c>\
                   <e>5</e></s:a>";
        let mut pull = Pull::new(xml);
        assert_eq!(pull.child().unwrap().unwrap().name(), "a");
        let b = pull.child().unwrap().unwrap();
        assert_eq!((b.name(), b.attribute("Id").as_deref()), ("b", Some("1&2")));
        assert_eq!(b.attribute("none"), None);
        pull.skip().unwrap();
        assert_eq!(pull.child().unwrap().unwrap().name(), "c");
        pull.skip().unwrap();
        assert_eq!(pull.child().unwrap().unwrap().name(), "e");
        assert_eq!(pull.text().unwrap(), "5");
        assert!(pull.child().unwrap().is_none());
        assert!(pull.child().unwrap().is_none());
    }

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        push_escaped(&mut out, text);
        out
    }

    #[test]
    fn what_is_no_utf_8_is_read_all_the_same() {
        assert_eq!(decode("ä<b/>".as_bytes()), Cow::Borrowed("ä<b/>"));
        assert_eq!(decode(b"a\xffb"), "a\u{fffd}b");
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = "<a href=\"x\">R&D</a>\t\r\n\u{1f600} end";
        assert_eq!(text_of(&format!("<a>{}</a>", escaped(text))).as_deref(), Ok(text));
        assert_eq!(escaped("a\u{0}b\u{1f}c\u{ffff}d"), "abcd");
    }
}
