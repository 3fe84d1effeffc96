//! How far the scanner reads, counted in bytes.

use super::scan::{LINKS, links, visited};
use super::*;
use crate::model::Body;
use crate::pipeline::decorate::{self, Block, JoinDetails, Language, OwnText, OwnTexts};
use crate::pipeline::samples;

#[test]
fn what_is_read_grows_with_the_text_and_not_with_its_square() {
    for piece in [
        "https://",
        "https://a ",
        "<https://a ",
        "\"https://a",
        "'https://a'",
        "://",
        "<!--",
        "<!-- -->",
        "https://a>",
        "<https://a\n",
        "&#58;//",
        "https&#58;//a ",
        "https://a.example/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n%\n",
        "https://a.example/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n\
         %xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
        "https:&#47;&#47;a ",
        ":&#x2F;",
        "https://a.example/x)))) ",
    ] {
        for html in [false, true] {
            let mut counts = Vec::new();
            for size in [256 * 1024, 1024 * 1024, 5 * 1024 * 1024] {
                let text = piece.repeat(size / piece.len());
                let before = visited();
                let mut told = 0;
                links(&text, html, &mut |_| told += 1);
                assert!(told <= LINKS);
                counts.push(visited() - before);
            }
            // Beyond the text itself: as many windows as there are links.
            let most = 2 * LINKS * (ADDRESS_BYTES + 1);
            for (size, count) in [256 * 1024, 1024 * 1024, 5 * 1024 * 1024].into_iter().zip(counts)
            {
                assert!(count <= 3 * size + most, "{piece:?}, {html}: {count} of {size}");
            }
        }
    }
}

#[test]
fn a_link_that_a_record_would_cut_is_none_rather_than_half() {
    let link =
        |length: usize| format!("https://acme.zoom.us/j/98765432101?pwd={}", "x".repeat(length));
    for (link, is_there) in [(link(4_000), true), (link(5_000), false)] {
        let body = Body { text: Plain::new(link.as_str()), html: false };
        let found = Rules::TABLE.join(&Meeting { body, ..samples::meeting("uid", "item") });
        assert_eq!(found.url.is_some(), is_there);
        let conference = Plain::new(link);
        let found = Rules::TABLE.join(&Meeting { conference, ..samples::meeting("uid", "item") });
        assert_eq!(found.url.is_some(), is_there);
    }
}

#[test]
fn another_table_or_other_rules_have_another_mark() {
    let rule = |pattern: &str| {
        let (name, template) = ("own".to_owned(), "https://a.example/$0".to_owned());
        let written = Written { name, pattern: pattern.into(), priority: 0, template };
        Rules::new(vec![Rule::new(written).unwrap()])
    };
    assert_eq!(rule("a").mark(), rule("a").mark());
    assert_ne!(rule("a").mark(), rule("b").mark());
    assert_ne!(rule("a").mark(), Rules::TABLE.mark());
    assert_eq!(Rules::new(Vec::new()).mark(), Rules::TABLE.mark());
}

#[test]
fn the_order_of_sources_and_rules_is_the_one_that_is_published() {
    let (teams, zoom) =
        ("https://teams.live.com/meet/9876543210123", "https://zoom.us/j/98765432101");
    let (jitsi, other) = ("https://meet.jit.si/Budget", "https://video.corp.example/budget");
    let join = |conference: &str, location: &str, body: &str| {
        let body = Body { text: Plain::new(body), html: false };
        let (conference, location) = (Plain::new(conference), Plain::new(location));
        let meeting = Meeting { conference, location, body, ..samples::meeting("uid", "item") };
        let found = Rules::TABLE.join(&meeting);
        let rule = found.chosen.map(|chosen| chosen.rule.to_string()).unwrap_or_default();
        (found.url.map(|url| url.reveal().to_owned()).unwrap_or_default(), rule)
    };
    let is = |found: (String, String), url: &str, rule: &str| {
        assert_eq!((found.0.as_str(), found.1.as_str()), (url, rule));
    };
    is(join(teams, zoom, jitsi), teams, "conference-meeting");
    is(join(other, zoom, jitsi), other, "conference-unlisted");
    is(join("", zoom, jitsi), zoom, "location-meeting");
    is(join("", other, jitsi), jitsi, "body-meeting");
    is(join("", other, other), other, "location-unlisted");
    is(join("", "Room 5", other), "", "");
    is(join("", "4711@vc.example.com", other), "", "location-sip");
    is(join("", "Room 5", "sip:4711@vc.example.com"), "", "body-sip");
    is(join("", "+49 30 1234567, PIN: 4711#", ""), "", "location-phone");
    is(join("", "https://maps.google.com/?q=1", ""), "", "");
}

#[test]
fn what_the_connector_wrote_is_joined_whatever_its_host() {
    let ours = "https://meet.cloud.example/room/7?a=1&b=2";
    let details = format!("{{\"url\": \"{ours}\"}}");
    let details = JoinDetails::parse(&Plain::new(details)).unwrap();
    let help = "Help: https://help.corp.example";
    let texts = OwnText { header: help.into(), footer: help.into() };
    let texts = OwnTexts::new(None, [("en".to_owned(), texts)]).unwrap();
    let block = Block::new(&details, Language::ENGLISH, &texts);
    let zoom = "https://zoom.us/j/98765432101";
    for html in [false, true] {
        let agenda = Body { text: Plain::new(format!("See {zoom} and {ours}")), html };
        let written = decorate::insert(&agenda, &block, &texts).0;
        let join = |location: &str, body: &Body| {
            let (location, body) = (Plain::new(location), body.clone());
            let meeting = Meeting { location, body, ..samples::meeting("uid", "item") };
            let found = Rules::TABLE.join(&meeting);
            let rule = found.chosen.map(|chosen| chosen.rule.to_string()).unwrap_or_default();
            (found.url.map(|url| url.reveal().to_owned()).unwrap_or_default(), rule)
        };
        let is = |url: &str, rule: &str| (url.to_owned(), rule.to_owned());
        let place = format!("Room 5 {ours}; 3rd floor");
        assert_eq!(join(&place, &written), is(ours, "location-written"), "{html}");
        assert_eq!(join(&place, &agenda), is(zoom, "body-meeting"), "{html}");
        assert_eq!(join("Room 5", &written), is(zoom, "body-meeting"), "{html}");
        let other = format!("{zoom} {ours}");
        assert_eq!(join(&other, &written), is(zoom, "location-meeting"), "{html}");
        let help = "Room 5, https://status.corp.example";
        assert_eq!(join(help, &written), is(zoom, "body-meeting"), "{html}");
    }
}
