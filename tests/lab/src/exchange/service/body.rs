//! Bodies as HTML and as text, each made from the other as a client asks.

use super::draft::Draft;
use super::envelope::{Writer, escape};
use super::shape::BodyKind;

/// Writes a body element.
pub(super) fn write(out: &mut Writer, tag: &str, draft: &Draft, kind: BodyKind) {
    let html = match kind {
        BodyKind::Best => draft.body_html,
        BodyKind::Html => true,
        BodyKind::Text => false,
    };
    let kind = if html { "HTML" } else { "Text" };
    out.start(tag, &[("BodyType", kind), ("IsTruncated", "false")]);
    if html == draft.body_html {
        escape(&mut out.text, &draft.body);
    } else if html {
        escape(&mut out.text, &to_html(&draft.body));
    } else {
        escape(&mut out.text, &to_text(&draft.body));
    }
    out.close(tag);
}

const META: &str = "<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">";

/// A body as a server keeps it that does not keep what it was given: lines end in CR LF, and a page
/// has a head that names the character set.
pub(super) fn rewritten(body: &str, is_html: bool) -> String {
    let lines = body.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    if !is_html {
        return lines;
    }
    let lower = lines.to_ascii_lowercase();
    if lower.contains("charset=utf-8") {
        return lines;
    }
    let after = |tag: &str| {
        let at = lower.find(tag)?;
        Some(at + lower.get(at..)?.find('>')? + 1)
    };
    let mut page = lines.clone();
    match (after("<head>").or_else(|| after("<head ")), after("<html")) {
        (Some(at), _) => page.insert_str(at, &format!("\r\n{META}")),
        (None, Some(at)) => page.insert_str(at, &format!("\r\n<head>\r\n{META}\r\n</head>")),
        (None, None) => {
            let head = format!("<html>\r\n<head>\r\n{META}\r\n</head>\r\n<body>\r\n");
            page = format!("{head}{lines}\r\n</body>\r\n</html>\r\n");
        }
    }
    page
}

/// Text as the page that Exchange makes of it.
pub(super) fn to_html(text: &str) -> String {
    let mut page = String::from(
        "<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; \
         charset=utf-8\">\r\n</head>\r\n<body>\r\n<div class=\"PlainText\">",
    );
    for c in text.chars() {
        match c {
            '&' => page.push_str("&amp;"),
            '<' => page.push_str("&lt;"),
            '>' => page.push_str("&gt;"),
            '\n' => page.push_str("<br>\r\n"),
            '\r' => {}
            c => page.push(c),
        }
    }
    page.push_str("</div>\r\n</body>\r\n</html>\r\n");
    page
}

/// The text of a page, without its head.
pub fn to_text(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    let mut hidden: Option<&str> = None;
    while let Some((before, after)) = rest.split_once('<') {
        if hidden.is_none() {
            push_words(&mut text, before);
        }
        let (tag, after) = after.split_once('>').unwrap_or((after, ""));
        let name = tag.trim_start_matches('/').split([' ', '\t', '\r', '\n', '/']).next();
        let name = name.unwrap_or_default().to_ascii_lowercase();
        match (hidden, name.as_str()) {
            (None, "head" | "style" | "script") if !tag.starts_with('/') => {
                hidden = ["head", "style", "script"].into_iter().find(|own| *own == name);
            }
            (Some(own), other) if own == other && tag.starts_with('/') => hidden = None,
            (None, "br" | "p" | "div" | "tr" | "li" | "h1" | "h2" | "h3")
                if !text.is_empty() && !text.ends_with('\n') =>
            {
                text.push_str("\r\n");
            }
            _ => {}
        }
        rest = after;
    }
    if hidden.is_none() {
        push_words(&mut text, rest);
    }
    text.trim().to_owned()
}

fn push_words(text: &mut String, raw: &str) {
    let mut decoded = raw.to_owned();
    for (name, value) in
        [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")]
    {
        if decoded.contains(name) {
            decoded = decoded.replace(name, value);
        }
    }
    for c in decoded.chars() {
        if c.is_whitespace() {
            if !text.is_empty() && !text.ends_with([' ', '\n']) {
                text.push(' ');
            }
        } else {
            text.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_was_rewritten_is_not_rewritten_again() {
        for page in ["<p>a\nb</p>", "<html><body>a</body></html>", "<HTML><HEAD></HEAD>a</HTML>"] {
            let once = rewritten(page, true);
            assert!(once.contains("charset=utf-8") && !once.replace("\r\n", "").contains('\n'));
            assert_eq!(rewritten(&once, true), once);
        }
        assert_eq!(rewritten("a\nb\r\nc", false), "a\r\nb\r\nc");
    }

    #[test]
    fn a_page_loses_its_tags_and_its_head() {
        let page = "<html><head><style>p {x}</style></head><body><p>One &amp; two</p>\
                    <p>three<br>four</p></body></html>";
        assert_eq!(to_text(page), "One & two\r\nthree\r\nfour");
        assert_eq!(to_text(&to_html("a < b\nc & d")), "a < b\r\nc & d");
    }
}
