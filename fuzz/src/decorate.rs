//! Bodies that join details are put into, those details themselves, and places with keywords: what
//! a sender wrote is never lost, and nobody's details become markup.

use std::sync::LazyLock;

use calway::model::{Body, Plain};
use calway::pipeline::decorate::{
    Block, Found, JoinDetails, Language, OwnText, OwnTexts, insert, remove,
};
use calway::pipeline::keyword::{Keywords, Mark};

static OWN: LazyLock<OwnTexts> = LazyLock::new(|| {
    let text = OwnText { header: "Port <Authority>".into(), footer: "Help: 5555".into() };
    OwnTexts::new(Some("de"), [("en".to_owned(), text)]).expect("own texts")
});

static BLOCK: LazyLock<Block> = LazyLock::new(|| {
    let details = r#"{"url": "https://meet.example/1", "number": "2551 204", "title": "Quay"}"#;
    let details = JoinDetails::parse(&Plain::new(details)).expect("details");
    Block::new(&details, Language::ENGLISH, &OWN)
});

/// Reads the bytes as a page, as a text, as details, as a place and as a mark.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for html in [true, false] {
        body(&Body { text: Plain::new(&*text), html });
    }
    details(&text);
    place(&text);
    if let Some(mark) = Mark::parse(&text) {
        assert!(Mark::parse(mark.text().reveal()).is_some());
    }
}

/// What is put in comes out, and everything else is as it was.
fn body(body: &Body) {
    let (bare, found) = remove(body, &OWN);
    let text = body.text.reveal();
    if !text.contains("-=-=") && !text.contains("calway-join") {
        assert_eq!((&bare, found), (body, Found::default()));
    }
    let (with, first) = insert(body, &BLOCK, &OWN);
    assert_eq!(first, found);
    assert_eq!(insert(&with, &BLOCK, &OWN).0, with, "twice is once");
    let (back, found) = remove(&with, &OWN);
    assert_eq!(back, bare);
    assert_eq!(found, Found { blocks: 1, ..Found::default() });
}

/// Whatever the cloud says, only our own elements and links stand in the page.
fn details(text: &str) {
    let Ok(details) = JoinDetails::parse(&Plain::new(text)) else { return };
    let empty = Body { text: Plain::default(), html: true };
    for language in [Language::ENGLISH, Language::find("ar").expect("Arabic")] {
        let block = Block::new(&details, language, &OWN);
        let (with, _) = insert(&empty, &block, &OWN);
        let page = with.text.reveal();
        for tag in page.split('<').skip(1) {
            let name = tag.split([' ', '>']).next().unwrap_or_default().trim_start_matches('/');
            assert!(["a", "b", "br", "div", "p", "span"].contains(&name), "{name}");
        }
        for link in page.split(" href=\"").skip(1) {
            let scheme = link.split(':').next().unwrap_or_default().to_ascii_lowercase();
            assert!(["https", "sip", "sips", "tel"].contains(&scheme.as_str()), "{scheme}");
        }
        assert_eq!(remove(&with, &OWN).0, empty);
    }
}

/// A place that was written asks for nothing any more.
fn place(text: &str) {
    let keywords = Keywords::default();
    let Some(asked) = keywords.find(&Plain::new(text)) else { return };
    for put in ["", "https://meet.example/1"] {
        let written = asked.place.with(put);
        assert!(keywords.find(&written).is_none());
        assert!(written.reveal().contains(put));
    }
}
