//! The phrases of all languages, and which is chosen.

use std::collections::BTreeSet;

use super::*;
use crate::pipeline::decorate::separator;

fn phrases(of: &Phrases) -> [(&'static str, &str); 12] {
    [
        ("join", &of.join),
        ("link", &of.link),
        ("number", &of.number),
        ("password", &of.password),
        ("video", &of.video),
        ("phone", &of.phone),
        ("toll_free", &of.toll_free),
        ("code", &of.code),
        ("host", &of.host),
        ("space", &of.space),
        ("room", &of.room),
        ("keep", &of.keep),
    ]
}

/// The `{names}` in a phrase.
fn placeholders(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()).collect()
}

#[test]
fn every_language_has_every_phrase_with_the_same_placeholders() {
    let read: BTreeMap<String, Phrases> =
        serde_json::from_str(include_str!("phrases.json")).unwrap();
    assert!(read.len() >= 20, "{}", read.len());
    assert_eq!(read.len(), Language::all().count());
    let english = Language::ENGLISH.phrases();
    for language in Language::all() {
        let own = language.phrases();
        for ((name, text), (_, model)) in phrases(own).into_iter().zip(phrases(english)) {
            let place = format!("{} {name}: {text}", language.tag());
            assert!(!text.trim().is_empty() && text.trim() == text, "{place}");
            assert!(text.chars().count() <= 80, "{place}");
            assert_eq!(placeholders(text), placeholders(model), "{place}");
            assert!(!text.contains(['<', '>', '&', '"', '\n', '\t']), "{place}");
            assert!(!text.chars().any(char::is_control), "{place}");
            assert!(separator::begins(text).is_none() && separator::ends(text).is_none());
        }
        // Two rows with the same label could not be told apart.
        let labels: BTreeSet<_> =
            [&own.link, &own.number, &own.password, &own.video, &own.phone, &own.code, &own.host]
                .into_iter()
                .collect();
        assert_eq!(labels.len(), 7, "{}: a label stands there twice", language.tag());
    }
}

#[test]
fn arabic_and_hebrew_alone_go_from_right_to_left() {
    let rtl: Vec<_> = Language::all()
        .filter(|language| language.phrases().direction == Direction::Rtl)
        .map(Language::tag)
        .collect();
    assert_eq!(rtl, ["ar", "he"]);
}

#[test]
fn a_region_gets_its_language() {
    for (tag, language) in [
        ("de-CH", "de"),
        ("DE", "de"),
        ("en_GB", "en"),
        ("fr-CA", "fr"),
        ("pt", "pt-BR"),
        ("pt-BR", "pt-BR"),
        ("pt-PT", "pt-PT"),
        ("pt-AO", "pt-PT"),
        ("zh-CN", "zh-Hans"),
        ("zh", "zh-Hans"),
        ("zh-TW", "zh-Hant"),
        ("zh-HK", "zh-Hant"),
        ("zh-Hant-MO", "zh-Hant"),
        ("zh-Hans-HK", "zh-Hans"),
        ("zh-Hant", "zh-Hant"),
        ("nb-NO", "nb"),
        ("nn-NO", "nb"),
        ("no", "nb"),
        ("iw-IL", "he"),
        ("sr-Latn-RS", ""),
        ("xx", ""),
        ("", ""),
        ("d", ""),
        ("deutsch", ""),
    ] {
        assert_eq!(Language::find(tag).map_or("", Language::tag), language, "{tag}");
    }
    assert_eq!(Language::find(&"de-".repeat(100_000)), None);
}

#[test]
fn the_item_goes_before_the_mailbox_and_that_before_the_default() {
    let french = Language::find("fr").unwrap();
    let chosen = |item, mailbox| Language::choose(item, mailbox, french).tag();
    assert_eq!(chosen(Some("de-CH"), Some("it-IT")), "de");
    assert_eq!(chosen(None, Some("it-IT")), "it");
    assert_eq!(chosen(Some("sw-KE"), Some("it-IT")), "it", "no phrases in Swahili");
    assert_eq!(chosen(Some(""), None), "fr");
    assert_eq!(Language::choose(None, None, Language::default()).tag(), "en");
}

#[test]
fn own_texts_are_counted_in_characters() {
    let text = |words: String| OwnText { header: words, footer: String::new() };
    let fits = OwnTexts::new(Some("de"), [("de-AT".to_owned(), text("ä".repeat(1_024)))]).unwrap();
    let german = fits.language(None, None);
    assert_eq!((german.tag(), fits.of(german).header.len()), ("de", 2_048));
    assert_eq!(fits.of(Language::ENGLISH), &OwnText::default());
    let wrong = OwnTexts::new(None, [("de".to_owned(), text("ä".repeat(1_025)))]).unwrap_err();
    assert_eq!(wrong, ["decorate.text[0].header: 1025 characters, 1024 are allowed"]);
}

#[test]
fn own_texts_that_cannot_be_are_named_with_their_key() {
    let footer = |words: &str| OwnText { header: String::new(), footer: words.to_owned() };
    let texts = |all: &[(&str, &str)]| {
        let all: Vec<_> = all.iter().map(|(tag, text)| (tag.to_string(), footer(text))).collect();
        OwnTexts::new(Some("xx"), all).unwrap_err()
    };
    let wrong = texts(&[("qq", "x"), ("de", "a\u{7}"), ("de-CH", "y"), ("en", separator::BEGIN)]);
    assert!(wrong[0].starts_with("decorate.language: one of ar, cs, da, de"), "{wrong:?}");
    assert!(wrong[1].starts_with("decorate.text[0].language: one of"), "{wrong:?}");
    assert!(wrong[2].starts_with("decorate.text[1].footer: plain text"), "{wrong:?}");
    assert_eq!(wrong[3], "decorate.text[2].language: de stands there twice");
    assert!(wrong[4].starts_with("decorate.text[3].footer: the lines that mark"), "{wrong:?}");
    assert_eq!(wrong.len(), 5);
}

#[test]
fn the_guide_names_every_language() {
    let guide = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guide/keywords.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let named = guide.lines().find(|line| line.contains("There are words in")).unwrap();
    for language in Language::all() {
        assert!(named.contains(&format!("`{}`", language.tag())), "{}", language.tag());
    }
}
