//! Places with keywords, and what is done about them.

use proptest::prelude::*;

use super::*;
use crate::model::{RecordKey, Span, Time};
use crate::pipeline::samples::{NOON, cases};

fn own(name: &str, mode: &str) -> OwnKeyword {
    OwnKeyword { name: name.into(), mode: Some(mode.into()), enabled: None }
}

fn known() -> Keywords {
    Keywords::new(&[own("video", "onetime"), own("video2", "space")]).unwrap()
}

fn find(place: &str) -> Option<Asked> {
    known().find(&Plain::new(place))
}

/// `keyword:mode` and the place that is left.
fn asks(place: &str) -> (String, String) {
    let asked = find(place).unwrap_or_else(|| panic!("no keyword in {place}"));
    let what = format!("{}:{}", asked.keyword, asked.mode.as_str());
    (what, asked.place.with("").reveal().to_owned())
}

#[test]
fn a_keyword_is_found_wherever_it_stands_and_the_rest_stays_readable() {
    for (place, what, rest) in [
        ("@webex", "webex:myroom", ""),
        ("@meet", "meet:space", ""),
        ("@WEBEX", "webex:myroom", ""),
        ("@video", "video:onetime", ""),
        ("@video2", "video2:space", ""),
        ("Room 4711 @Webex:Space; 3rd floor", "webex:space", "Room 4711; 3rd floor"),
        ("@webex Room 4711", "webex:myroom", "Room 4711"),
        ("Room 4711 @webex", "webex:myroom", "Room 4711"),
        ("Room 4711; @meet:onetime", "meet:onetime", "Room 4711"),
        ("Room 4711;@meet:MYROOM;Canteen", "meet:myroom", "Room 4711;Canteen"),
        ("A; @webex; B", "webex:myroom", "A; B"),
        ("A / @webex / B", "webex:myroom", "A / B"),
        ("A - @webex", "webex:myroom", "A"),
        ("A (@webex)", "webex:myroom", "A"),
        ("A (@webex), B", "webex:myroom", "A, B"),
        ("A (via @webex) B", "webex:myroom", "A (via) B"),
        ("\"@webex\" A", "webex:myroom", "A"),
        ("Place: @webex.", "webex:myroom", "Place"),
        ("@webex:space: A", "webex:space", "A"),
        ("@webex -3 floor", "webex:myroom", "-3 floor"),
        ("@webex +49 30 1234", "webex:myroom", "+49 30 1234"),
        ("A  B @webex  C", "webex:myroom", "A  B C"),
        ("@webex\tA\u{a0}", "webex:myroom", "A"),
        // A mail address beside it stays.
        ("bob@webex.com @webex", "webex:myroom", "bob@webex.com"),
        ("@webex bob@webex.com", "webex:myroom", "bob@webex.com"),
        ("https://webex.com @webex", "webex:myroom", "https://webex.com"),
        ("Room 4/@webex", "webex:myroom", "Room 4"),
    ] {
        assert_eq!(asks(place), (what.to_owned(), rest.to_owned()), "{place}");
    }
}

#[test]
fn what_only_looks_like_a_keyword_is_left_alone() {
    for place in [
        "",
        "Room 4711",
        "bob@webex.com",
        "bob@webex",
        "bob.@webex.com",
        "@webexfoo",
        "@webex2",
        "@webex_team",
        "@webex-team",
        "@webex.com",
        "@webex.example.com",
        "@meetings",
        "@meetup",
        "@ webex",
        "webex",
        "@",
        "@@webex",
        "@webex@corp.example",
        "@webexé",
        "é@webex",
        "5@webex",
        "_@webex",
        "https://social.example/@webex",
        "social.example/@webex",
        "mailto:bob@webex",
        "＠webexfoo",
        "@wébex",
    ] {
        assert_eq!(find(place), None, "{place}");
    }
}

#[test]
fn scripts_without_spaces_and_from_right_to_left_are_read() {
    for (place, what, rest) in [
        ("＠Ｗｅｂｅｘ：Ｓｐａｃｅ", "webex:space", ""),
        ("会議室＠webex", "webex:myroom", "会議室"),
        ("第３会議室、＠meet：onetime、３階", "meet:onetime", "第３会議室、３階"),
        ("@webexで", "webex:myroom", "で"),
        ("회의실 @webex:myroom", "webex:myroom", "회의실"),
        ("غرفة ١٢، @webex", "webex:myroom", "غرفة ١٢"),
        ("\u{200f}@webex\u{200f} غرفة", "webex:myroom", "غرفة"),
        ("חדר 5 \u{2066}@webex:space\u{2069}", "webex:space", "חדר 5"),
        ("ห้อง5 @meet", "meet:space", "ห้อง5"),
        ("ห้องประชุม@meet", "meet:space", "ห้องประชุม"),
    ] {
        assert_eq!(asks(place), (what.to_owned(), rest.to_owned()), "{place}");
    }
}

#[test]
fn the_first_of_several_counts_and_none_is_left() {
    let asked = find("A @webex:onetime, @meet; B @webex").unwrap();
    assert_eq!((&*asked.keyword, asked.mode, asked.more), ("webex", Mode::OneTime, true));
    assert_eq!(asked.place.with("").reveal(), "A; B");
    let asked = find("@meet @webex").unwrap();
    assert_eq!((&*asked.keyword, asked.place.with("").reveal()), ("meet", ""));
    assert_eq!(asks("@webex:space:onetime A"), ("webex:space".into(), "A".into()));
    assert_eq!(asks("A @webex @meet; B").1, "A; B");
}

#[test]
fn a_mode_that_is_none_is_told_and_its_words_stay() {
    let asked = find("@webex:spcae Room 5").unwrap();
    assert_eq!((asked.mode, asked.said, asked.unknown_mode), (Mode::MyRoom, None, true));
    assert_eq!(find("@webex:Space").unwrap().said, Some(Mode::Space));
    assert_eq!(asked.place.with("").reveal(), "spcae Room 5");
    assert!(!find("@webex: Room 5").unwrap().unknown_mode);
    assert!(find("@webex:spaceship").unwrap().unknown_mode);
}

#[test]
fn what_takes_the_place_of_a_keyword_touches_nothing() {
    for (place, expected) in [
        ("@webex", "URL"),
        ("Room 4711 @webex; 3rd floor", "Room 4711 URL; 3rd floor"),
        ("Room 4711;@webex;3rd floor", "Room 4711;URL ;3rd floor"),
        ("A / @webex / B", "A / URL / B"),
        ("A (@webex)", "A URL"),
        ("@webex (A)", "URL (A)"),
        ("会議室＠webex、３階", "会議室 URL 、３階"),
    ] {
        assert_eq!(find(place).unwrap().place.with("URL").reveal(), expected, "{place}");
    }
}

#[test]
fn an_administrators_keywords_go_before_ours() {
    let off = OwnKeyword { name: "@Meet".into(), mode: None, enabled: Some(false) };
    let webex = OwnKeyword { name: "WebEx".into(), mode: Some("Space".into()), enabled: None };
    let plain = OwnKeyword { name: "zoomraum".into(), ..OwnKeyword::default() };
    let known = Keywords::new(&[off, webex, plain]).unwrap();
    let shown: Vec<_> =
        known.all().iter().map(|one| format!("{}:{}", one.name, one.mode.as_str())).collect();
    assert_eq!(shown, ["webex:space", "zoomraum:myroom"]);
    assert_eq!(known.find(&Plain::new("@meet")), None);
}

#[test]
fn a_keyword_that_cannot_be_is_named_with_its_key() {
    let wrong = Keywords::new(&[
        own("", "space"),
        own("2go", "space"),
        own("tv room", "space"),
        own("x", "personal"),
        own("tv", "space"),
        own("TV", "space"),
        own(&"x".repeat(33), "space"),
    ])
    .unwrap_err();
    let name = "name: a letter, then letters and digits, 32 at most, are allowed";
    assert_eq!(
        wrong,
        [
            format!("keyword[0].{name}"),
            format!("keyword[1].{name}"),
            format!("keyword[2].{name}"),
            "keyword[3].mode: \"space\", \"myroom\" and \"onetime\" are allowed".to_owned(),
            "keyword[5].name: two keywords have the same".to_owned(),
            format!("keyword[6].{name}"),
        ]
    );
    let many: Vec<_> = (0..KEYWORDS).map(|n| own(&format!("k{n}"), "space")).collect();
    assert_eq!(Keywords::new(&many).unwrap_err(), ["keyword: 50 at most are allowed"]);
}

#[test]
fn other_keywords_have_another_mark() {
    let with = |all: &[OwnKeyword]| Keywords::new(all).unwrap().mark().to_vec();
    let all = [
        Keywords::NONE.mark().to_vec(),
        with(&[]),
        with(&[own("webex", "space")]),
        with(&[own("tv", "space")]),
    ];
    for (at, one) in all.iter().enumerate() {
        assert_eq!(all.iter().position(|other| other == one), Some(at));
    }
    assert_eq!(Keywords::default().mark(), with(&[]));
}

fn key() -> RecordKey {
    RecordKey::new("record-1")
}

fn judged(place: &str, mark: Option<&Mark>, change: impl Fn(&mut Invitation<'_>)) -> Verdict {
    let (key, place) = (key(), Plain::new(place));
    let mut invitation = Invitation {
        meeting: &key,
        place: &place,
        own: true,
        cancelled: false,
        end: Some(NOON + Span::HOUR),
        invitees: 12,
        joinable: false,
        mark,
    };
    change(&mut invitation);
    Keywords::default().judge(&invitation, NOON)
}

fn mark(put: &str) -> Mark {
    Mark {
        meeting: key(),
        request: "r-1".into(),
        keyword: "webex".into(),
        mode: Mode::Space,
        put: Plain::new(put),
        block: "0123456789abcdef".into(),
        before: 3,
    }
}

#[test]
fn an_invitation_is_decorated_once() {
    let asked = find("Room 5 @webex").unwrap();
    assert_eq!(judged("Room 5 @webex", None, |_| {}), Verdict::Ask(asked.clone()));
    assert_eq!(judged("Room 5", None, |_| {}), Verdict::Nothing);
    let ours = mark("https://meet.example/1");
    for place in ["https://meet.example/1", "Room  5;  https://meet.example/1 and so on"] {
        assert_eq!(judged(place, Some(&ours), |_| {}), Verdict::Done, "{place}");
    }
    assert_eq!(judged("Room 5", Some(&ours), |_| {}), Verdict::TakeOut);
    assert_eq!(judged("Room 5 @webex", Some(&ours), |_| {}), Verdict::Change(asked));
    let long = "x".repeat(255);
    assert_eq!(judged(&long, Some(&ours), |_| {}), Verdict::Done, "a client cut it");
}

#[test]
fn a_copy_of_a_decorated_invitation_is_another_meeting() {
    let mut other = mark("https://meet.example/1");
    other.meeting = RecordKey::new("record-2");
    assert_eq!(judged("https://meet.example/1", Some(&other), |_| {}), Verdict::Nothing);
    assert!(matches!(judged("@meet", Some(&other), |_| {}), Verdict::Ask(_)));
}

#[test]
fn every_reason_against_writing_has_its_name() {
    let ours = mark("https://meet.example/1");
    let not = |change: &dyn Fn(&mut Invitation<'_>)| match judged("@webex", None, change) {
        Verdict::Not(reason) => reason.as_str(),
        other => panic!("{other:?}"),
    };
    assert_eq!(not(&|one| one.own = false), "not-organizer");
    assert_eq!(not(&|one| one.cancelled = true), "cancelled");
    assert_eq!(not(&|one| one.end = Some(NOON)), "past");
    assert_eq!(not(&|one| one.invitees = 1_501), "too-many-invitees");
    assert_eq!(not(&|one| one.joinable = true), "already-joinable");
    // At the limit, and without an end.
    let fits = |one: &mut Invitation<'_>| (one.invitees, one.end) = (1_500, None);
    assert!(matches!(judged("@webex", None, fits), Verdict::Ask(_)));
    // Our own details do not stand in the way of new ones, and taking out has its limits too.
    let joinable = |one: &mut Invitation<'_>| one.joinable = true;
    assert!(matches!(judged("@webex", Some(&ours), joinable), Verdict::Change(_)));
    let over = |one: &mut Invitation<'_>| one.end = Some(Time::from_ms(0));
    assert_eq!(judged("", Some(&ours), over), Verdict::Not(Reason::Past));
    assert_eq!(judged("", None, over), Verdict::Nothing, "nobody asked");
    assert!(Reason::ALL.iter().filter(|reason| !reason.is_told()).count() == 1);
}

#[test]
fn a_mark_comes_back_as_it_was_written() {
    let ours = mark("https://meet.example/1?a=\"b\"");
    let text = ours.text();
    assert_eq!(Mark::parse(text.reveal()), Some(ours.clone()));
    assert!(text.reveal().len() < MARK_BYTES);
    for strange in ["", "{}", "[1]", &text.reveal().replace("\"v\":1", "\"v\":2")] {
        assert_eq!(Mark::parse(strange), None, "{strange}");
    }
    assert_eq!(Mark::parse(&" ".repeat(MARK_BYTES + 1)), None);
    let endless = mark(&"\"ä".repeat(100_000));
    let text = endless.text();
    assert!(text.reveal().len() < MARK_BYTES, "{}", text.reveal().len());
    assert!(Mark::parse(text.reveal()).is_some());
    assert!(!format!("{ours:?}").contains("meet.example"), "a mark is personal");
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn no_keyword_is_left_in_what_is_written_and_nothing_else_is_lost(
        pieces in proptest::collection::vec(
            "@webex|@meet|@Webex:space|＠ＭＥＥＴ|:onetime|[ ;,/()\"-]{1,3}|[a-z@.]{0,4}|\\PC{0,3}",
            0..12,
        ),
    ) {
        let place = pieces.concat();
        let Some(asked) = find(&place) else { return Ok(()) };
        for put in ["", "https://meet.example/1"] {
            let written = asked.place.with(put);
            prop_assert!(find(written.reveal()).is_none(), "{place:?} {:?}", written.reveal());
            prop_assert!(written.reveal().contains(put));
        }
        let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
        let left = letters(asked.place.with("").reveal());
        prop_assert!(left < letters(&place), "{place:?}");
        prop_assert!(left + 12 * 12 >= letters(&place), "{place:?}");
    }
}

#[test]
fn a_place_without_end_is_read_in_time() {
    let place = "@webex ".repeat(20_000) + &"@".repeat(100_000) + &"(".repeat(100_000);
    assert!(find(&place).unwrap().more);
    let place = "A; (".repeat(20_000) + "@webex" + &") @meet".repeat(20_000);
    assert!(find(&place).unwrap().more);
}
