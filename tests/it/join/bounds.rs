//! No invitation is too large, too deep or too broken to be read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use calway::cli::join_test::message;
use calway::model::{Body, Meeting, Plain};
use calway::pipeline::join::{DEEPEST, Join, LINKS, Rules};
use proptest::prelude::*;

const ZOOM: &str = "https://acme.zoom.us/j/98765432101?pwd=abc";

fn meeting(body: impl Into<String>, html: bool) -> Meeting {
    let mail = message::read(b"From: Ada <ada@corp.example>\r\n\r\n").unwrap();
    Meeting { body: Body { text: Plain::new(body), html }, ..mail }
}

fn join(body: impl Into<String>, html: bool) -> Join {
    Rules::default().join(&meeting(body, html))
}

fn url(body: impl Into<String>, html: bool) -> Option<String> {
    join(body, html).url.map(|url| url.reveal().to_owned())
}

#[test]
fn the_link_at_the_end_of_five_megabytes_is_found() {
    let line = "The numbers of the last quarter, open questions and the next steps: see below.\r\n";
    let text = line.repeat(5 * 1024 * 1024 / line.len()) + ZOOM;
    assert_eq!(url(text, false).as_deref(), Some(ZOOM));
    let line =
        "<p class=\"MsoNormal\">The numbers of the last quarter &amp; the next steps</p>\r\n";
    let page = line.repeat(5 * 1024 * 1024 / line.len());
    let page = format!("{page}<a href=\"{ZOOM}\">Join</a>");
    assert_eq!(url(page, true).as_deref(), Some(ZOOM));
}

#[test]
fn five_megabytes_of_whatever_begins_a_link_end_soon() {
    for piece in [
        "https://",
        "https://a ",
        "<https://a ",
        "\"https://a",
        "://",
        "<!--",
        "@",
        "1@",
        "1@a.b ",
        "sip:1@a.b ",
        "+",
        "+49 30 1234567 ",
        "00",
        "a.b/",
        "zoom.us/j/",
        "&#58;//",
        ":&#x2F;",
        "&amp;",
        ":",
        "https://www.google.com/url?q=",
        "https://zoom.us/j/98765432 ",
        "teams@a.b: ",
        "video ",
    ] {
        for html in [false, true] {
            let found = join(piece.repeat(5 * 1024 * 1024 / piece.len()), html);
            assert!(found.phone.is_none(), "{piece}");
        }
    }
}

#[test]
fn of_links_without_end_the_first_thousand_count() {
    let others = |count: usize| "https://corp.example/page ".repeat(count);
    assert_eq!(url(others(LINKS - 1) + ZOOM, false).as_deref(), Some(ZOOM));
    assert_eq!(url(others(LINKS) + ZOOM, false), None);
}

fn wrapped(link: &str, way: usize) -> String {
    let mut encoded = String::new();
    for byte in link.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => encoded.push(char::from(byte)),
            byte => encoded += &format!("%{byte:02X}"),
        }
    }
    match way % 6 {
        0 => format!("https://eur01.safelinks.protection.outlook.com/?url={encoded}&data=05%7C01"),
        1 => format!("https://linkprotect.cudasvc.com/url?a={encoded}&c=E,1"),
        2 => format!("https://www.google.com/url?q={encoded}&sa=D"),
        3 => {
            let link = encoded.replace('%', "-");
            format!("https://urldefense.proofpoint.com/v2/url?u={link}&d=DwMF")
        }
        4 => format!("https://urldefense.proofpoint.com/v1/url?u={encoded}&k=x"),
        _ => {
            format!("https://eu.protection.sophos.com/?d=x&u={}&i=1", URL_SAFE_NO_PAD.encode(link))
        }
    }
}

#[test]
fn rewritten_links_are_taken_back_as_deep_as_promised_and_no_deeper() {
    // Percent-encoding grows by threes, which the length of a link bounds before the depth does.
    let google = |link: &str| format!("https://www.google.com/url?q={link}");
    let mut link = ZOOM.to_owned();
    for depth in 1..=DEEPEST + 2 {
        link = google(&link);
        let expected = (depth <= DEEPEST).then_some(ZOOM);
        assert_eq!(url(link.as_str(), false).as_deref(), expected, "{depth}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn whoever_rewrote_a_link_in_whatever_order_it_is_found(
        ways in proptest::collection::vec(0_usize..6, 0..4),
    ) {
        let link = ways.iter().fold(ZOOM.to_owned(), |link, way| wrapped(&link, *way));
        prop_assume!(link.len() <= 8_000);
        prop_assert_eq!(url(format!("Join <{link}>"), false), Some(ZOOM.to_owned()));
        let page = link.replace('&', "&amp;");
        prop_assert_eq!(url(format!("<a href=\"{page}\">x</a>"), true), Some(ZOOM.to_owned()));
    }

    #[test]
    fn a_rewritten_link_that_was_cut_or_bent_is_no_other_persons_meeting(
        way in 0_usize..6, at in 0_usize..200, byte in "[%a-z0-9=_*~-]",
    ) {
        let mut link = wrapped(ZOOM, way);
        let at = at.min(link.len());
        link.replace_range(at..(at + 1).min(link.len()), &byte);
        for text in [link.get(..at).unwrap_or_default(), link.as_str()] {
            if let Some(found) = url(text, false) {
                prop_assert!(found.len() <= text.len().max(ZOOM.len()) + 8, "{}", found);
            }
        }
    }

    #[test]
    fn no_text_is_too_odd(
        text in "(https?://|zoom\\.us/j/|[0-9]{3,12}|@|sip:|h323:|\\+49|<a href=\"|\
                 &#?[a-z0-9]{1,3};|%[0-9A-Fa-f]{0,2}|__;|\\*\\*.|[ -~äß点。\n]){0,40}",
        html in any::<bool>(),
    ) {
        let found = join(text.as_str(), html);
        prop_assert_eq!(found, join(text, html));
    }
}
