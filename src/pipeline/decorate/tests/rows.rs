//! What people read.

use super::*;
use crate::pipeline::keyword::Mode;
use crate::pipeline::notes::Notes;

fn read(block: &Block) -> String {
    let body = html(block.html());
    Notes::of(&body).text().reveal().to_owned()
}

#[test]
fn the_block_says_what_the_details_say() {
    let text = read(&english());
    let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
    let end = *lines.last().unwrap();
    assert_eq!(
        lines,
        [
            separator::BEGIN,
            "Port Authority",
            "Mind the <gap> & the tide",
            "Join the meeting <https://meet.example/plan?a=1&b=2>",
            "Meeting in the space Harbour <b>plan</b>",
            "Meeting link: https://meet.example/plan?a=1&b=2",
            "Meeting number: 2551 204 7312",
            "Password: p<7>&\"Kq'",
            "Video address: 42@meet.example <sip:42@meet.example>",
            "Join by phone:",
            "+49 30 5550 1234 (Berlin, toll-free)",
            "+1 555 0100",
            "Access code: 2551#",
            "Host: Greta Lind",
            "Help: 5555",
            "Please do not change anything between these lines.",
            end,
        ]
    );
    // A text says the same, but for the link, whose address it has in a row of its own.
    let text = english().text("\n");
    let text: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(text[3], "Join the meeting");
    assert_eq!(text[8], "Video address: 42@meet.example");
    assert_eq!((&text[..3], &text[4..8]), (&lines[..3], &lines[4..8]));
    assert_eq!(text[9..16], lines[9..16]);
}

#[test]
fn a_personal_room_names_its_host_once() {
    let details = JoinDetails { kind: Some(Mode::MyRoom), ..details() };
    let text = read(&Block::new(&details, Language::find("de").unwrap(), &OwnTexts::default()));
    assert!(text.contains("Besprechung im persönlichen Raum von Greta Lind"), "{text}");
    assert!(!text.contains("Gastgeber"), "{text}");
}

#[test]
fn links_lead_where_they_should_and_nowhere_else() {
    let page = english().html();
    let links: Vec<_> = page.split("href=\"").skip(1).map(|rest| rest.split('"').next()).collect();
    assert_eq!(
        links.into_iter().flatten().collect::<Vec<_>>(),
        [
            "https://meet.example/plan?a=1&amp;b=2",
            "https://meet.example/plan?a=1&amp;b=2",
            "sip:42@meet.example",
            "tel:+493055501234",
            "tel:+15550100",
        ]
    );
}

#[test]
fn hostile_details_bring_no_markup_of_their_own() {
    const EVIL: &str = "</p></div><script>alert(1)</script><img src=x onerror=alert(1)>\
                        \" onclick=\"alert(1)' --> ]]> &lt;b&gt; <!--";
    let json = serde_json::json!({
        "kind": "space", "url": "https://meet.example/-->;&quot;", "password": EVIL, "host": EVIL,
        "title": EVIL, "phones": [{"number": "+1 555", "label": EVIL.get(..90)}],
    });
    let details = JoinDetails::parse(&Plain::new(json.to_string()));
    assert_eq!(details.unwrap_err().member, "url", "no brackets in an address");
    let mut json = json;
    json["url"] = "https://meet.example/--;&quot;%22".into();
    json["password"] = EVIL.get(..120).into();
    let details = JoinDetails::parse(&Plain::new(json.to_string())).unwrap();
    let own = OwnText { header: EVIL.into(), footer: EVIL.into() };
    let own = OwnTexts::new(None, [("en".to_owned(), own)]).unwrap();
    let block = Block::new(&details, Language::ENGLISH, &own);
    let page = block.html();
    let tags: std::collections::BTreeSet<_> = page
        .split('<')
        .skip(1)
        .map(|tag| tag.split([' ', '>']).next().unwrap().trim_start_matches('/'))
        .collect();
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), ["a", "b", "div", "p", "span"]);
    for canary in ["<script", "<img", "onclick=\"", "<!--"] {
        assert!(!page.contains(canary), "{canary}: {page}");
    }
    // Its words are read as they are, and it comes out whole.
    assert!(read(&block).contains("<script>alert(1)</script>"));
    for body in [html("<p>a</p>"), plain("a")] {
        let (with, _) = insert(&body, &block, &own);
        assert_eq!(remove(&with, &own), (body, ONE));
    }
}

#[test]
fn a_language_from_right_to_left_keeps_numbers_and_addresses_readable() {
    let page = Block::new(&details(), Language::find("ar").unwrap(), &OwnTexts::default()).html();
    assert!(
        page.starts_with("<div id=\"calway-join\" class=\"calway-join\" lang=\"ar\" dir=\"rtl\">")
    );
    assert!(page.contains("<a dir=\"ltr\" href=\"https:"), "{page}");
    assert_eq!(
        page.matches("dir=\"ltr\">v-=").count() + page.matches("dir=\"ltr\">^-=").count(),
        2
    );
}
