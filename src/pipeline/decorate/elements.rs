//! What is known of HTML's elements, and how clients mark a message that is quoted.

use super::page::Tag;

const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
];

/// What people see without a word in it.
const OBJECTS: [&str; 9] =
    ["img", "hr", "input", "embed", "object", "video", "audio", "canvas", "svg"];

const HIDING: [&str; 12] = [
    "select", "option", "svg", "math", "template", "button", "object", "video", "audio", "canvas",
    "applet", "noscript",
];

/// What begins a paragraph of its own, and so ends one that is open.
const BLOCKS: [&str; 25] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "div",
    "dl",
    "fieldset",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "main",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "ul",
];

/// Elements that are closed by the next of their kind.
const ROWS: [&str; 8] = ["li", "dt", "dd", "td", "th", "tr", "option", "p"];

/// What an end tag within does not end, but of a table's own parts.
const WALLS: [&str; 5] = ["table", "td", "th", "caption", "template"];

const TABLE: [&str; 10] =
    ["table", "tbody", "thead", "tfoot", "tr", "td", "th", "caption", "body", "html"];

/// Elements that only change how text looks: their end does not end a paragraph around it.
const STYLES: [&str; 14] =
    ["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "span", "strong", "u", "tt"];

/// Whether it is something that people see by itself.
pub(super) fn is_seen(tag: &Tag<'_>) -> bool {
    tag.is_one_of(&OBJECTS) || tag.is("v:imagedata") || tag.is("v:shape")
}

/// Whether its content is not shown, or not as text: nothing may be put into it.
pub(super) fn hides(tag: &Tag<'_>) -> bool {
    let style = tag.attribute("style").map(squeezed).unwrap_or_default();
    tag.is_one_of(&HIDING) || style.contains("display:none") || style.contains("mso-hide:all")
}

/// A style without white space, in lower case; as much of it as matters.
fn squeezed(style: &str) -> String {
    let characters = style.chars().take(1_024).filter(|c| !c.is_whitespace());
    characters.map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether it has no content and no end tag. Of the names with a prefix (`o:p`, `v:shape`), which
/// are no HTML, those that end themselves.
pub(super) fn is_void(tag: &Tag<'_>) -> bool {
    tag.is_one_of(&VOID) || (tag.name.contains(':') && tag.ends_itself())
}

/// Whether a tag that begins ends an element that is open.
pub(super) fn closes(begins: &Tag<'_>, open: &Tag<'_>) -> bool {
    if open.is("p") {
        return begins.is_one_of(&BLOCKS);
    }
    let cell = |tag: &Tag<'_>| tag.is("td") || tag.is("th");
    if cell(open) {
        return cell(begins) || begins.is("tr");
    }
    let term = |tag: &Tag<'_>| tag.is("dt") || tag.is("dd");
    open.is_one_of(&ROWS) && (begins.is(open.name) || (term(open) && term(begins)))
}

/// Whether an element keeps an end tag within it from ending what is around it.
pub(super) fn bars(open: &Tag<'_>, end: &Tag<'_>) -> bool {
    let wall = open.is_one_of(&WALLS) && !end.is_one_of(&TABLE);
    wall || (end.is_one_of(&STYLES) && !open.is_one_of(&STYLES))
}

/// Whether it is a part of the page or of a table, beside which no paragraph can stand.
pub(super) fn is_frame(tag: &Tag<'_>) -> bool {
    tag.is_one_of(&TABLE) && !tag.is("table")
}

/// Whether nothing of a text is seen: white space, written as it is or as a reference.
pub(super) fn is_blank(text: &str) -> bool {
    const BLANK: [&str; 6] = ["nbsp;", "#160;", "#xa0;", "#xA0;", "#8203;", "zwnj;"];
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| {
            c.is_whitespace() || matches!(c, '\u{200b}' | '\u{200c}' | '\u{feff}' | '\u{ad}')
        });
        let Some(after) = rest.strip_prefix('&') else { return rest.is_empty() };
        let Some(after) = BLANK.iter().find_map(|name| after.strip_prefix(name)) else {
            return false;
        };
        rest = after;
    }
}

/// Whether a tag begins a message that is quoted, as the clients write it.
pub(super) fn begins_quote(tag: &Tag<'_>) -> bool {
    /// OWA; Outlook on phones; Thunderbird; Gmail; Yahoo; Proton; Zimbra; Exchange's own.
    const NAMES: [&str; 13] = [
        "divrplyfwdmsg",
        "appendonsend",
        "mail-editor-reference-message-container",
        "ms-outlook-mobile-reference-message",
        "moz-cite-prefix",
        "moz-forward-container",
        "gmail_quote",
        "gmail_quote_container",
        "gmail_extra",
        "yahoo_quoted",
        "protonmail_quote",
        "zwchr",
        "outlookmessageheader",
    ];
    if tag.is("blockquote") {
        return tag.attribute("type").is_some_and(|kind| kind.eq_ignore_ascii_case("cite"));
    }
    if !tag.is("div") && !tag.is("hr") {
        return false;
    }
    let named = ["id", "class"].iter().any(|name| {
        let words = tag.attribute(name).unwrap_or_default().split_ascii_whitespace();
        words.take(16).any(|word| {
            let word = word.strip_prefix("x_").unwrap_or(word);
            NAMES.iter().any(|name| word.eq_ignore_ascii_case(name))
        })
    });
    named || is_word_header(tag) || is_owa_rule(tag)
}

/// The line that OWA draws above the header of what is quoted.
fn is_owa_rule(tag: &Tag<'_>) -> bool {
    let style = tag.attribute("style").map(squeezed).unwrap_or_default();
    tag.is("hr") && tag.attribute("tabindex").is_some() && style.contains("width:98%")
}

/// The line that Word draws above the header of what is quoted: a border at the top, in the colour
/// of the one version or the other, and no other.
fn is_word_header(tag: &Tag<'_>) -> bool {
    let Some(style) = tag.attribute("style").filter(|_| tag.is("div")) else { return false };
    let style = squeezed(style);
    let line = ["border-top:solid#e1e1e1", "border-top:solid#b5c4df"];
    style.contains("border:none") && line.iter().any(|line| style.contains(line))
}

/// Whether a line is a name and a value, as in the header of a message: `From: …`, in whatever
/// language.
pub(super) fn is_field(line: &str) -> bool {
    let name = line.split_once([':', '：']).map(|(name, _)| name.trim());
    name.is_some_and(|name| {
        !name.is_empty()
            && name.chars().count() <= 24
            && name.chars().all(|c| c.is_alphabetic() || " .'’-".contains(c))
    })
}

/// Whether a line of text may stand above a message that is quoted: words between two rows of
/// dashes, in whatever language. It does if a field follows; people write headings so, too.
pub(super) fn is_quote_line(line: &str) -> bool {
    let line = line.trim();
    let dashes = |text: &str| text.bytes().take_while(|byte| *byte == b'-').count();
    let (before, after) = (dashes(line), line.bytes().rev().take_while(|b| *b == b'-').count());
    if !(4..=20).contains(&before) || !(4..=20).contains(&after) || line.len() > 200 {
        return false;
    }
    let words = line.get(before..line.len().saturating_sub(after)).unwrap_or_default();
    let letters = words.chars().filter(|c| c.is_alphabetic()).count();
    letters >= 3 && words.chars().all(|c| c.is_alphanumeric() || " '’´`.:&;#".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_above_a_quoted_message_is_known_in_any_language() {
        for line in [
            "-----Original Appointment-----",
            "-----Original Message-----",
            "-----Ursprünglicher Termin-----",
            "  ---- Message d'origine ----  ",
            "-----元の予定-----",
            "---------- Forwarded message ---------",
        ] {
            assert!(is_quote_line(line), "{line}");
        }
        for line in
            ["", "----------", "- a -", "-----", "----- 5 -----", "---- a ---- b ----", "--"]
        {
            assert!(!is_quote_line(line), "{line}");
        }
    }

    #[test]
    fn what_nobody_sees_is_blank() {
        for text in ["", " \n", "&nbsp;", "\u{a0}&#160; &#xA0;", "\u{200b}"] {
            assert!(is_blank(text), "{text:?}");
        }
        for text in ["a", "&nbsp", "&amp;", "&nbsp;x", "."] {
            assert!(!is_blank(text), "{text:?}");
        }
    }
}
