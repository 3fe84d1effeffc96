//! Bodies with join details put in and taken out.

use super::*;

mod edits;
mod golden;
mod rows;
mod soup;

fn details() -> JoinDetails {
    JoinDetails::parse(&Plain::new(
        r#"{"kind": "space", "url": "https://meet.example/plan?a=1&b=2", "uri": "sip:42@meet.example",
            "number": "2551 204 7312", "password": "p<7>&\"Kq'", "host": "Greta Lind",
            "phones": [{"number": "+49 30 5550 1234", "label": "Berlin", "tollFree": true},
                       {"number": "+1 555 0100"}],
            "accessCode": "2551#", "title": "Harbour <b>plan</b>"}"#,
    ))
    .unwrap()
}

fn own_texts() -> OwnTexts {
    let text = OwnText {
        header: "Port Authority\nMind the <gap> & the tide".into(),
        footer: "Help: 5555".into(),
    };
    OwnTexts::new(None, [("en".to_owned(), text)]).unwrap()
}

fn english() -> Block {
    Block::new(&details(), Language::ENGLISH, &own_texts())
}

fn html(text: impl Into<String>) -> Body {
    Body { text: Plain::new(text), html: true }
}

fn plain(text: impl Into<String>) -> Body {
    Body { text: Plain::new(text), html: false }
}

fn decorated(body: &Body) -> Body {
    insert(body, &english(), &own_texts()).0
}

fn bare(body: &Body) -> (String, Found) {
    let (body, found) = remove(body, &own_texts());
    (body.text.reveal().to_owned(), found)
}

const NOTHING: Found = Found { blocks: 0, edited: 0, lone_lines: 0 };
const ONE: Found = Found { blocks: 1, edited: 0, lone_lines: 0 };
const EDITED: Found = Found { blocks: 1, edited: 1, lone_lines: 0 };

#[test]
fn the_place_of_a_keyword_gets_the_address_where_it_fits() {
    let keywords = crate::pipeline::keyword::Keywords::default();
    let asked = keywords.find(&Plain::new("Room 5 @webex; 3rd floor")).unwrap();
    let mut details = details();
    let (put, whole) = place(&asked, &details, Language::ENGLISH);
    assert_eq!(put.reveal(), "https://meet.example/plan?a=1&b=2");
    assert_eq!(whole.reveal(), "Room 5 https://meet.example/plan?a=1&b=2; 3rd floor");
    details.url = Some(Plain::new(format!("https://meet.example/{}", "x".repeat(300))));
    assert_eq!(place(&asked, &details, Language::ENGLISH).0.reveal(), "sip:42@meet.example");
    details.uri = None;
    let german = Language::find("de").unwrap();
    assert_eq!(place(&asked, &details, german).0.reveal(), "Harbour <b>plan</b>");
    details.title = Some(Plain::new("@meet"));
    let (put, whole) = place(&asked, &details, german);
    assert_eq!(put.reveal(), "An der Besprechung teilnehmen");
    assert_eq!(keywords.find(&whole), None);
    let endless = keywords.find(&Plain::new(format!("@webex {}", "😀".repeat(200)))).unwrap();
    let (put, whole) = place(&endless, &details, german);
    assert_eq!((put.reveal(), whole.reveal().encode_utf16().count()), ("", 254));
}

#[test]
fn what_is_written_is_what_the_verdict_of_the_next_reading_calls_done() {
    use crate::model::{RecordKey, Time};
    use crate::pipeline::keyword::{Invitation, Keywords, Mark, Verdict};
    let (keywords, meeting) = (Keywords::default(), RecordKey::new("record-1"));
    let place = Plain::new("Room 5 @webex:space @meet");
    let asked = keywords.find(&place).unwrap();
    let body = html("<p>a</p>");
    let language = own_texts().language(Some("de-CH"), None);
    let request =
        Request { meeting: &meeting, id: "r-1", before: 0, asked: &asked, body: &body, language };
    let written = decorate(&request, &details(), &own_texts());
    assert!(written.body.text.reveal().contains("Besprechungsnummer"));
    let mark = Mark::parse(written.mark.text().reveal()).unwrap();
    assert_eq!((&mark, &*mark.request), (&written.mark, "r-1"));
    let invitation = Invitation {
        meeting: &meeting,
        place: &written.place,
        own: true,
        cancelled: false,
        end: None,
        invitees: 3,
        joinable: true,
        mark: Some(&mark),
    };
    assert_eq!(keywords.judge(&invitation, Time::from_ms(0)), Verdict::Done);
    // The same again is the same, and other details are another block.
    let again = Request { body: &written.body, ..request };
    let again = decorate(&again, &details(), &own_texts());
    assert_eq!((&again.body, &again.mark, again.found), (&written.body, &written.mark, ONE));
    let other = JoinDetails { password: None, ..details() };
    assert_ne!(decorate(&request, &other, &own_texts()).mark.block, mark.block);
}

#[test]
fn a_text_gets_the_block_at_its_end_and_before_what_is_quoted() {
    for (before, quoted) in [
        ("", ""),
        ("Agenda", ""),
        ("Agenda\r\n1. x\r\n", ""),
        ("Agenda\n1. x\n", ""),
        ("Agenda\n\n", "-----Ursprünglicher Termin-----\nVon: x\n"),
        ("Agenda\r\n", "On 4 Aug 2026, Ben wrote:\r\n> When?\r\n"),
        ("Agenda\n", "> When?\n"),
        ("Agenda\n\n", "________________________________\nFrom: Ben\nSent: today\n"),
        // A row of underscores alone is no quote, nor is a dash.
        ("________________________________\nAgenda - x\n-- \nGreta", ""),
        // Nor is a heading, nor something that only looks quoted.
        ("---- Agenda ----\n1. Quay: 3\n", ""),
        ("> bring a torch\nand come\n", ""),
    ] {
        let body = plain(format!("{before}{quoted}"));
        let with = decorated(&body);
        let text = with.text.reveal();
        assert!(text.starts_with(before) && text.ends_with(quoted), "{text}");
        let turn = if before.contains('\n') && !before.contains("\r\n") { "\n" } else { "\r\n" };
        let begin = format!("{before}{turn}{}", separator::BEGIN);
        assert!(text.starts_with(&begin), "{text}");
        assert_eq!(bare(&with), (body.text.reveal().to_owned(), ONE));
        assert_eq!(decorated(&with), with, "twice is once");
    }
}

#[test]
fn a_body_of_ours_in_a_quoted_message_is_history() {
    let old = decorated(&html("<p>old</p>"));
    let quoted = format!("<p>new</p><blockquote type=cite>{}</blockquote>", old.text.reveal());
    assert_eq!(bare(&html(quoted.clone())), (quoted.clone(), NOTHING));
    assert_eq!(bare(&decorated(&html(quoted.clone()))), (quoted, ONE));
    let old = decorated(&plain("old"));
    let lines: String = old.text.reveal().lines().map(|line| format!("> {line}\n")).collect();
    let quoted = format!("new\nBen wrote:\n{lines}");
    assert_eq!(bare(&plain(quoted.clone())), (quoted.clone(), NOTHING));
    assert_eq!(bare(&decorated(&plain(quoted.clone()))), (quoted, ONE));
}

#[test]
fn a_heading_between_dashes_is_no_quoted_message() {
    let page = "<p>Hello</p><p>---- Agenda ----</p><p>1. the quay</p>";
    let with = decorated(&html(page));
    assert!(with.text.reveal().starts_with(page), "{}", with.text.reveal());
    let quoted = "<p>---- Original message ----</p><p><b>From:</b> Ben</p>";
    let with = decorated(&html(format!("<p>Hello</p>{quoted}")));
    assert!(with.text.reveal().ends_with(quoted), "{}", with.text.reveal());
    // Words of ours do not make it one.
    let own = OwnText { header: "From: the harbour".into(), footer: String::new() };
    let own = OwnTexts::new(None, [("en".to_owned(), own)]).unwrap();
    let body = html("<p>---- Agenda ----</p>");
    let (with, _) = insert(&body, &Block::new(&details(), Language::ENGLISH, &own), &own);
    assert_eq!(remove(&with, &own), (body, ONE));
}

#[test]
fn a_second_block_takes_the_place_of_the_first() {
    let other = JoinDetails { url: Some(Plain::new("https://meet.example/other")), ..details() };
    let german = Language::find("de").unwrap();
    let other = Block::new(&other, german, &own_texts());
    for body in [html("<p>a</p>"), plain("a")] {
        let (changed, found) = insert(&decorated(&body), &other, &own_texts());
        assert_eq!(found, ONE);
        assert!(changed.text.reveal().contains("https://meet.example/other"));
        assert!(!changed.text.reveal().contains("meet.example/plan"));
        assert_eq!(bare(&changed), (body.text.reveal().to_owned(), ONE));
    }
}

#[test]
fn hostile_bodies_are_written_in_time() {
    const LENGTH: usize = 100_000;
    let begin = format!("{}\n", separator::BEGIN);
    let end = format!("{}\n", separator::end_line("x"));
    let both = format!("{begin}{end}");
    let long: Vec<String> = [
        "<div>",
        "</div>",
        "<p>",
        "<b>",
        "</b>",
        "<b><p>",
        "<div><p>x</p>",
        "<!-- -->",
        "<table><td>",
        "<a class=calway-join>",
        "<div id=calway-join>",
        "<div id=calway-join></div>",
        "&nbsp;",
        "-----x y z-----\n",
        "> x\n",
        "<button>",
        "<blockquote type=cite>",
        "😀",
        "<div>\n",
        &begin,
        &end,
        &both,
    ]
    .iter()
    .map(|piece| piece.repeat(LENGTH / piece.len()))
    .collect();
    for text in long {
        for body in [html(text.clone()), plain(text.clone())] {
            let with = decorated(&body);
            assert!(with.text.reveal().contains("meet.example/plan"));
        }
    }
    let deep = format!("{}{}", "<div>".repeat(20_000), both);
    decorated(&html(deep.clone() + &"</div>".repeat(20_000)));
    decorated(&html(deep.clone() + &deep));
    // In nothing of it anything is seen before the quotes, of which many are looked at.
    decorated(&html("<b>".repeat(LENGTH) + &"<div class=gmail_quote>".repeat(3_000)));
    let lone = plain(both.repeat(20_000) + &begin.repeat(20_000));
    let (rest, found) = bare(&lone);
    assert_eq!((found.blocks, found.lone_lines), (20_000, 20_000));
    assert_eq!(rest.trim(), "");
    let large = html(
        "<p class=MsoNormal>The quay, the crane and 😀 &amp; the tide.</p>\r\n".repeat(50_000),
    );
    assert_eq!(remove(&decorated(&large), &own_texts()), (large, ONE));
}
