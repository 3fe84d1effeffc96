//! Pages cut as browsers cut them, and as a tokenizer does that others wrote.

use proptest::prelude::*;

use super::*;
use crate::pipeline::samples::cases;

/// Tags, text and what is open, in one line.
fn shown(page: &str) -> String {
    let mut tokens = Tokens::new(page);
    let mut out = String::new();
    for token in tokens.by_ref() {
        assert!(token.start < token.end);
        out += &match token.kind {
            Kind::Text(text) => format!("[{text}]"),
            Kind::Begin(tag) => format!("<{}>", tag.name),
            Kind::End(tag) => format!("</{}>", tag.name),
            Kind::Mute => "~".to_owned(),
        };
    }
    match tokens.read_to() {
        to if to < page.len() => out + "…" + page.get(to..).unwrap(),
        _ => out,
    }
}

#[test]
fn a_page_is_cut_as_browsers_cut_it() {
    for (page, expected) in [
        ("a<b>c</b >d", "[a]<b>[c]</b>[d]"),
        ("a < b <3 <= c", "[a < b <3 <= c]"),
        ("<!-- <b> -->a<!-->b<!--->c<!-- --!>d", "~[a]~[b]~[c]~[d]"),
        ("<!DOCTYPE html><?xml?></ x>", "~~~"),
        ("</>a", "~[a]"),
        ("<![if !mso]><p><![endif]>", "~<p>~"),
        ("<!--[if mso]><p><![endif]--><p>", "~<p>"),
        ("<a title='>' href=\"</a>\">x</a>", "<a>[x]</a>"),
        ("<a b=c=\"d>e", "<a>[e]"),
        ("<a =\"b>c", "<a>[c]"),
        ("<a b=\"c\"d='>'>e", "<a>[e]"),
        ("<a/b=\">\">c", "<a>[c]"),
        ("<style>a</b>{</STYLE\n>x", "<style>~</STYLE>[x]"),
        ("<title></title>x", "<title></title>[x]"),
        ("<script>a</scriptx></script>", "<script>~</script>"),
        ("<textarea><p></textarea><p>", "<textarea>~</textarea><p>"),
        // What does not end is no token.
        ("a<b", "[a]…<b"),
        ("a<b c=\"", "[a]…<b c=\""),
        ("a<", "[a]…<"),
        ("a</", "[a]…</"),
        ("a<!-- b --", "[a]…<!-- b --"),
        ("a<!x", "[a]…<!x"),
        ("a<script>b</script", "[a]…<script>b</script"),
        ("a<plaintext>b</plaintext>", "[a]…<plaintext>b</plaintext>"),
        ("<o:p>&nbsp;</o:p>", "<o:p>[&nbsp;]</o:p>"),
        ("", ""),
    ] {
        assert_eq!(shown(page), expected, "{page}");
    }
}

#[test]
fn attributes_are_found_however_they_are_written() {
    let page = "<p a CLASS = 'x y' id=z/ title=\"&quot;\" class=second =e=f/g=h>";
    let Kind::Begin(tag) = Tokens::new(page).next().unwrap().kind else { panic!() };
    for (name, value) in [
        ("a", Some("")),
        ("class", Some("x y")),
        ("id", Some("z/")),
        ("Title", Some("&quot;")),
        ("=e", Some("f/g=h")),
        ("g", None),
        ("b", None),
    ] {
        assert_eq!(tag.attribute(name), value, "{name}");
    }
}

/// What html5gum, which passes the html5lib tests, makes of a page: names of tags and all text.
fn theirs(page: &str) -> (Vec<String>, String) {
    use html5gum::{DefaultEmitter, Token as Theirs, Tokenizer};
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let (mut tags, mut text, mut raw) = (Vec::new(), String::new(), false);
    for token in Tokenizer::new_with_emitter(page, emitter).flatten() {
        let name = |name: &[u8]| String::from_utf8_lossy(name).to_ascii_lowercase();
        match token {
            Theirs::StartTag(tag) => {
                raw = RAW.iter().any(|own| own.as_bytes() == &**tag.name);
                tags.push(name(&tag.name));
            }
            Theirs::EndTag(tag) => {
                raw = false;
                tags.push(format!("/{}", name(&tag.name)));
            }
            Theirs::String(own) if !raw => text += &String::from_utf8_lossy(&own.value),
            _ => {}
        }
    }
    (tags, text)
}

fn ours(page: &str) -> (Vec<String>, String) {
    let (mut tags, mut text) = (Vec::new(), String::new());
    for token in Tokens::new(page) {
        match token.kind {
            Kind::Begin(tag) => tags.push(tag.name.to_ascii_lowercase()),
            Kind::End(tag) => tags.push(format!("/{}", tag.name.to_ascii_lowercase())),
            Kind::Text(own) => text += own,
            Kind::Mute => {}
        }
    }
    (tags, text)
}

/// Pieces of pages. No references, as these are not resolved here, and nothing that makes a script
/// hide its own end, which is told in no mail.
pub(super) fn soup() -> impl Strategy<Value = String> {
    let piece = "<[a-c]|</[a-c]>|>|<p>|</p>|<p class=|\"|'|=|/| |\n|<!--|-->|--!>|<!|<\\?|</|<|-|\
                 <style>|</style>|<title>|</title >|<textarea\n>|</textarea>|<br>|<body>|</body>|\
                 <td>|</div>|<div id=x>|<plaintext>|[a-zäß€😀]{1,3}";
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases(2_048))]

    #[test]
    fn a_tokenizer_that_others_wrote_cuts_the_same_tags_and_text(page in soup()) {
        let mut tokens = Tokens::new(&page);
        tokens.by_ref().for_each(drop);
        // What stays open is told apart; the rest is the same to both.
        let read = page.get(..tokens.read_to()).unwrap();
        prop_assert_eq!(ours(&page), theirs(read), "{}", page);
    }

    #[test]
    fn what_stands_behind_a_token_reads_the_same_after_something_new(page in soup()) {
        let mut tokens = Tokens::new(&page);
        let all: Vec<_> = tokens.by_ref().collect();
        let to = tokens.read_to();
        for at in all.iter().map(|token| token.end).chain([0, to]) {
            // Not into what holds no tags: behind such a tag, and behind its content.
            let is_raw = |token: &Token<'_>| {
                let Kind::Begin(tag) = token.kind else { return false };
                RAW.iter().any(|raw| tag.is(raw))
            };
            let content = |pair: &[Token<'_>]| {
                is_raw(&pair[0]) && pair[1].kind == Kind::Mute && pair[1].end == at
            };
            if all.iter().any(|one| one.end == at && is_raw(one)) || all.windows(2).any(content) {
                continue;
            }
            let with = format!("{}<hr>{}", &page[..at], &page[at..]);
            let (mut tags, text) = ours(&with);
            let place = ours(&page[..at]).0.len();
            prop_assert_eq!(tags.remove(place), "hr");
            prop_assert_eq!((tags, text), ours(&page));
        }
    }
}

#[test]
fn a_page_of_megabytes_is_cut_in_time() {
    const LENGTH: usize = 1_000_000;
    for piece in ["<", "</", "<!--", "<a ", "<!-- -->", "--", "<a b='", "<p>", "</p", "<title>x"] {
        let page = piece.repeat(LENGTH / piece.len());
        assert!(Tokens::new(&page).count() <= LENGTH);
    }
    let page = format!("<script>{}", "</script".repeat(LENGTH / 8));
    assert_eq!(Tokens::new(&page).count(), 0);
}
