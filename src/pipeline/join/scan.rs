//! Where in a text links stand.
//!
//! **Promise.** One pass. A link is taken as far as it goes and not looked into again, and no more
//! than [`LINKS`] are told, so that no text takes longer than its length.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use aho_corasick::packed;
use memchr::memchr_iter;

use super::address::ADDRESS_BYTES;
use crate::pipeline::notes;

/// Links of one text that are looked at. An invitation has ten, a thread that was forwarded many
/// times a hundred.
pub const LINKS: usize = 1_024;

/// What stands behind the scheme of a link, the colon or the slash perhaps as a reference of HTML,
/// as those write it who escape more than they must; and what hides links.
const MARKS: [&str; 10] = [
    "://", ":&#47;", ":&#x2f;", ":&#x2F;", ":&sol;", "&#58;", "&#x3a;", "&#x3A;", "&colon;", "<!--",
];

/// Schemes that a link to a meeting has.
const SCHEMES: [&str; 5] = ["https", "http", "zoommtg", "zoomus", "msteams"];

struct Marks {
    /// Where the processor has the instructions for it.
    packed: Option<packed::Searcher>,
    any: Option<AhoCorasick>,
}

static ALL: LazyLock<Marks> = LazyLock::new(|| Marks {
    packed: packed::Searcher::new(MARKS),
    any: AhoCorasick::new(MARKS).ok(),
});

/// Tells each link of a text and where it stands, until nobody wants more.
pub(super) fn links<'a>(text: &'a str, html: bool, tell: &mut dyn FnMut(Cow<'a, str>)) {
    let mut links = Links { text, html, behind: 0, left: LINKS, endless: false };
    let marks = &*ALL;
    if let Some(packed) = &marks.packed {
        for hit in packed.find_iter(text) {
            if !links.hit(hit.pattern().as_usize(), hit.start(), hit.end(), tell) {
                return;
            }
        }
    } else if let Some(any) = &marks.any {
        for hit in any.find_iter(text) {
            if !links.hit(hit.pattern().as_usize(), hit.start(), hit.end(), tell) {
                return;
            }
        }
    }
}

struct Links<'a> {
    text: &'a str,
    html: bool,
    /// What stands before this was seen.
    behind: usize,
    left: usize,
    /// No comment ends from here on.
    endless: bool,
}

impl<'a> Links<'a> {
    /// Whether a colon and two slashes stand there, in whatever way each of them is written.
    fn is_opened(&self, start: usize) -> bool {
        const LONGEST: usize = 32;
        let rest = self.text.get(start..).unwrap_or_default();
        notes::resolve(beginning(rest, LONGEST)).starts_with("://")
    }

    /// Looks at a mark; whether to go on.
    fn hit(
        &mut self,
        mark: usize,
        start: usize,
        end: usize,
        tell: &mut dyn FnMut(Cow<'a, str>),
    ) -> bool {
        if start < self.behind {
            return true;
        }
        if MARKS.get(mark) == Some(&"<!--") {
            if self.html && !self.endless {
                let rest = self.text.get(end..).unwrap_or_default();
                let length = rest.find("-->");
                visit(length.unwrap_or(rest.len()));
                // One that nobody ends hides nothing, as in a browser.
                self.endless = length.is_none();
                self.behind = length.map_or(end, |length| end + length + 3);
            }
            return true;
        }
        if mark != 0 && !(self.html && self.is_opened(start)) {
            return true;
        }
        let before = self.text.get(..start).unwrap_or_default();
        let scheme = SCHEMES.iter().find(|own| {
            let begin = before.len().checked_sub(own.len());
            let word = begin.and_then(|begin| before.get(begin..));
            word.is_some_and(|word| word.eq_ignore_ascii_case(own))
        });
        let Some(scheme) = scheme else { return true };
        let begin = start - scheme.len();
        let (before, rest) = self.text.split_at_checked(begin).unwrap_or_default();
        let (link, length) = link(before, rest, self.html);
        self.behind = begin + length.max(1);
        if let Some(link) = link {
            self.left -= 1;
            tell(link);
        }
        self.left > 0
    }
}

/// The link that a text begins with, and how many bytes of it were seen.
fn link<'a>(before: &str, rest: &'a str, html: bool) -> (Option<Cow<'a, str>>, usize) {
    let window = beginning(rest, ADDRESS_BYTES + 1);
    let (line, before) = (before, before.chars().next_back());
    let quote = before.filter(|c| *c == '"' || *c == '\'');
    if let Some(quote) = quote
        && html
    {
        let end = window.find(quote);
        visit(end.unwrap_or(window.len()));
        let Some(end) = end else { return (None, window.len()) };
        let raw = window.get(..end).unwrap_or_default();
        return (attribute(raw), end);
    }
    if before == Some('<')
        && !html
        && let Some(whole) = folded(window)
    {
        let length = whole.1;
        return (Some(whole.0), length);
    }
    let end = extent(window);
    if end > ADDRESS_BYTES {
        // Too long for a link; what follows belongs to it.
        return (None, end);
    }
    if !html
        && before != Some('<')
        && let Some((whole, length)) = broken(line, window, end)
    {
        return (Some(Cow::Owned(trimmed(&whole).to_owned())), length);
    }
    let raw = window.get(..end).unwrap_or_default();
    if !html || !raw.contains('&') {
        return (Some(Cow::Borrowed(trimmed(raw))), end);
    }
    let decoded = notes::resolve(raw);
    let end_of = extent(&decoded);
    let text = trimmed(decoded.get(..end_of).unwrap_or_default());
    (Some(Cow::Owned(text.to_owned())), end)
}

/// The value of an attribute as a browser takes it.
fn attribute(raw: &str) -> Option<Cow<'_, str>> {
    let broken = |c: char| c == '\n' || c == '\r' || c == '\t';
    let text = match raw.contains('&') {
        true => Cow::Owned(notes::resolve(raw)),
        false => Cow::Borrowed(raw),
    };
    let text = match text.contains(broken) {
        true => Cow::Owned(text.chars().filter(|c| !broken(*c)).collect()),
        false => text,
    };
    let ends = |c: char| c.is_whitespace() || c.is_control() || "<>\"".contains(c);
    let end = text.find(ends).unwrap_or(text.len());
    match text {
        Cow::Borrowed(text) => text.get(..end).map(Cow::Borrowed),
        Cow::Owned(text) => text.get(..end).map(|text| Cow::Owned(text.to_owned())),
    }
}

/// `<link>` whose lines were broken on the way (RFC 3986, appendix C).
fn folded(window: &str) -> Option<(Cow<'_, str>, usize)> {
    let end = window.find('>');
    visit(end.unwrap_or(window.len()));
    let end = end?;
    let raw = window.get(..end)?;
    if !raw.contains(['\r', '\n']) {
        return None;
    }
    let mut lines = raw.lines().map(str::trim);
    let whole = lines.all(|line| !line.is_empty() && extent(line) == line.len());
    let joined: String = raw.lines().map(str::trim).collect();
    (whole && joined.matches("://").count() == 1).then_some((Cow::Owned(joined), end))
}

/// A link that some mail program broke at the end of its lines without a word. That is believed
/// where its line has the length of such lines and the next one is nothing but more of a link; and
/// so on as long as lines have that length.
fn broken(before: &str, window: &str, end: usize) -> Option<(String, usize)> {
    const FULL: std::ops::RangeInclusive<usize> = 60..=80;
    let before = last(before, *FULL.end());
    let full = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + end;
    if !FULL.contains(&full) {
        return None;
    }
    let (mut whole, mut at, mut goes_on) = (window.get(..end)?.to_owned(), end, true);
    while goes_on {
        let rest = window.get(at..).unwrap_or_default();
        let next = rest.strip_prefix('\r').unwrap_or(rest).strip_prefix('\n');
        let Some(next) = next else { break };
        let line = beginning(next, full + 1);
        let line = line.get(..extent(line)).unwrap_or_default();
        let alone = next.get(line.len()..).is_none_or(|after| {
            after.is_empty() || after.starts_with('\n') || after.starts_with("\r\n")
        });
        let more = at > end
            || line.contains(['%', '&'])
            || (line.contains('=') && !whole.contains('?') && !line.contains('@'));
        let fits = (1..=full).contains(&line.len()) && line.contains(char::is_alphanumeric);
        if !alone || !more || !fits || line.contains("://") {
            break;
        }
        whole.push_str(line);
        at += rest.len() - next.len() + line.len();
        goes_on = line.len() == full;
    }
    (at > end && whole.len() <= ADDRESS_BYTES).then_some((whole, at))
}

/// Bytes until something that no link has. Of other alphabets letters may be in one that people
/// are shown, but not those that are written without spaces between words.
fn extent(text: &str) -> usize {
    let end = extent_of(text);
    visit(end);
    end
}

fn extent_of(text: &str) -> usize {
    let mut rest = text;
    loop {
        let plain = rest.bytes().position(|byte| !is_of_link(byte)).unwrap_or(rest.len());
        rest = rest.get(plain..).unwrap_or_default();
        match rest.chars().next() {
            Some(c) if c > '\u{a0}' && c < '\u{2000}' && c.is_alphanumeric() => {
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
            }
            _ => return text.len() - rest.len(),
        }
    }
}

fn is_of_link(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"<>\"\\^`|[]".contains(&byte)
}

/// Bytes that were read beside the search for marks, counted for the tests.
#[cfg(test)]
pub(super) fn visited() -> usize {
    VISITED.with(std::cell::Cell::get)
}

#[cfg(test)]
std::thread_local! {
    static VISITED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

#[cfg(test)]
fn visit(bytes: usize) {
    VISITED.with(|visited| visited.set(visited.get() + bytes));
}

#[cfg(not(test))]
fn visit(_: usize) {}

/// Without what ends a sentence or a bracket around the link.
fn trimmed(link: &str) -> &str {
    const MARKS_IN_A_ROW: usize = 8;
    let mut link = link;
    for _ in 0..MARKS_IN_A_ROW {
        let shorter = link.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '~']);
        let shorter = match shorter.strip_suffix([')', '}']) {
            Some(inner) if !inner.contains(['(', '{']) => inner,
            _ => shorter,
        };
        if shorter.len() == link.len() {
            break;
        }
        link = shorter;
    }
    link
}

/// Links that people write without their scheme: told where the host is one that `named` knows.
pub(super) fn bare<'a>(text: &'a str, named: &dyn Fn(&str) -> bool, tell: &mut dyn FnMut(&'a str)) {
    const HOST_BYTES: usize = 100;
    let (mut behind, mut left) = (0, LINKS);
    for at in memchr_iter(b'/', text.as_bytes()) {
        if at < behind || left == 0 {
            continue;
        }
        let before = text.get(behind..at).unwrap_or_default();
        let of_host = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'.' || *byte == b'-';
        let length = before.bytes().rev().take(HOST_BYTES).take_while(of_host).count();
        let host = before.get(before.len() - length..).unwrap_or_default();
        let rest = before.get(..before.len() - length).unwrap_or_default();
        // Within another address it is none.
        let alone = rest.chars().next_back().is_none_or(|c| !"@/=%_+~&?#\\".contains(c));
        if !alone || !host.contains('.') || !named(&host.to_ascii_lowercase()) {
            continue;
        }
        let rest = text.get(at - length..).unwrap_or_default();
        let end = extent(beginning(rest, ADDRESS_BYTES));
        left -= 1;
        behind = at + end.saturating_sub(length).max(1);
        tell(trimmed(rest.get(..end).unwrap_or_default()));
    }
}

/// The longest beginning of at most so many bytes that ends between two characters.
pub(super) fn beginning(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The longest end of at most so many bytes that begins between two characters.
pub(super) fn last(text: &str, most: usize) -> &str {
    let mut begin = text.len().saturating_sub(most);
    while !text.is_char_boundary(begin) {
        begin += 1;
    }
    text.get(begin..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, html: bool) -> Vec<String> {
        let mut all = Vec::new();
        links(text, html, &mut |link| all.push(link.into_owned()));
        all
    }

    #[test]
    fn a_link_in_a_sentence_ends_where_people_see_it_end() {
        for (text, link) in [
            ("Join: https://zoom.us/j/1?pwd=a.B_c.", "https://zoom.us/j/1?pwd=a.B_c"),
            ("(https://a.example/x)", "https://a.example/x"),
            ("https://a.example/x_(y), then", "https://a.example/x_(y)"),
            ("<https://a.example/x>", "https://a.example/x"),
            ("Beitreten<https://a.example/x\r\n /y?z=1>", "https://a.example/x/y?z=1"),
            ("「https://a.example/x」で", "https://a.example/x"),
            ("https://a.example/x点击", "https://a.example/x"),
            ("https://a.example/Büro-5, ", "https://a.example/Büro-5"),
            ("Joinhttps://a.example/x", "https://a.example/x"),
            ("[https://a.example/x](https://b.example)", "https://a.example/x"),
            ("zoommtg://zoom.us/join?confno=1", "zoommtg://zoom.us/join?confno=1"),
        ] {
            assert_eq!(all(text, false).first().map(String::as_str), Some(link), "{text}");
        }
        assert!(all("ftp://a.example/x file:///etc", false).is_empty());
    }

    #[test]
    fn a_link_that_was_broken_at_the_end_of_its_lines_is_whole_again() {
        let guid = "0123456789abcdef-0123456789abcdef-ab";
        let link = format!(
            "https://a.example/l/meetup-join/19%3ameeting_{}%40thread.v2/0\
             ?context=%7b%22Tid%22%3a%22{guid}%22%2c%22Oid%22%3a%22{guid}%22%7d",
            "Nz".repeat(24)
        );
        for (width, end) in [(60, "\n"), (72, "\r\n"), (76, "\n"), (80, "\r\n")] {
            let text = format!("Beitreten: {link}");
            let lines: Vec<_> =
                text.as_bytes().chunks(width).map(String::from_utf8_lossy).collect();
            for behind in
                ["", "________", "Teams", "a@b.example", "Kennung: 5%", "https://c.example"]
            {
                let text = format!("Hallo,{end}{}{end}{behind}{end}", lines.join(end));
                assert_eq!(all(&text, false).first(), Some(&link), "{text}");
            }
        }
        let long = format!("https://a.example/j/5?pwd={}", "z".repeat(44));
        for behind in
            ["________", "Teams", "a@b.example", "ID: 5%", "", "PIN=5", "https://b.example/%"]
        {
            let text = format!("{long}\r\n{behind}\r\n");
            assert_eq!(all(&text, false).first(), Some(&long), "{text}");
        }
        let short = "https://a.example/x\r\n?y=%20z";
        assert_eq!(all(short, false), ["https://a.example/x"]);
    }

    #[test]
    fn a_link_of_a_page_is_what_a_browser_would_open() {
        for (page, link) in [
            (r#"<a href="https://a.example/?x=1&amp;y=2">J</a>"#, "https://a.example/?x=1&y=2"),
            ("<a href='https://a.example/?x=\"'>J</a>", "https://a.example/?x="),
            ("<a href=https://a.example/x>J</a>", "https://a.example/x"),
            ("<p>&lt;https://a.example/x&gt;</p>", "https://a.example/x"),
            ("<a href=\"https&#58;//a.example/x\">", "https://a.example/x"),
            ("<a href=\"https&#58;//a.example/x?\0https://b.example\">", "https://a.example/x?"),
            ("<a href=\"https:&#x2F;&#x2F;a.example&#x2F;x?y&#x3D;z\">", "https://a.example/x?y=z"),
            ("<p>https:&#47;&#47;a.example&#47;x</p>", "https://a.example/x"),
            ("<a href='https&#x3A;//a.example/x'>", "https://a.example/x"),
            ("<a href=https&colon;&sol;/a.example/x>", "https://a.example/x"),
            ("<a href=\"https://a.example/\r\nx\">", "https://a.example/x"),
        ] {
            let found = all(page, true);
            assert_eq!(found.first().map(String::as_str), Some(link), "{page}");
        }
        assert!(all("https:&#47;&#47;a.example/x", false).is_empty(), "that is no page");
        assert!(all("<p>https:&#47; &#47;a.example/x https&#58;a</p>", true).is_empty());
        assert!(all("<!-- <a href=\"https://a.example\"> -->", true).is_empty());
        assert_eq!(all("<!-- <a href=\"https://a.example\">", true).len(), 1);
    }

    #[test]
    fn a_text_full_of_links_is_not_looked_at_for_ever() {
        assert_eq!(all(&"https://a.example ".repeat(5_000), false).len(), LINKS);
        assert!(all(&format!("https://a.example/{}", "x".repeat(9_000)), false).is_empty());
        assert!(all(&"://".repeat(100_000), false).is_empty());
    }

    #[test]
    fn a_host_that_is_known_needs_no_scheme() {
        let mut found = Vec::new();
        let named = |host: &str| host == "meet.google.com";
        let text = "meet.google.com/abc-defg-hij, a@meet.google.com/x other.example/y";
        bare(text, &named, &mut |link| found.push(link));
        assert_eq!(found, ["meet.google.com/abc-defg-hij"]);
    }
}
