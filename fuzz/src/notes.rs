//! The text of a body that is a page: no markup is left in front of people, and it ends in time.

use calway::model::{Body, Plain};
use calway::pipeline::limits::NOTES_BYTES;
use calway::pipeline::notes::Notes;

/// One more line of a page may be taken than is kept.
const SLACK: usize = 64 * 1024;

/// Reads the bytes as a page, alone and within a page that is well.
pub fn check(bytes: &[u8]) {
    let page = String::from_utf8_lossy(bytes);
    let text = text_of(&page);
    assert!(text.len() <= page.len().max(1) * 8 + 64, "{} of {}", text.len(), page.len());
    assert!(text.len() <= NOTES_BYTES + SLACK, "{}", text.len());
    assert_eq!(text, text_of(&page), "the same each time");
    // What has neither markup nor references stays, but for its white space.
    if !page.contains(['<', '&']) && page.len() < NOTES_BYTES / 2 {
        assert_eq!(words(&text), words(&page));
    }
    // A script, a style and a comment are nobody's words, whatever stands in them.
    if !page.contains('<') {
        for (begin, end) in [("<script>", "</script>"), ("<style>", "</style>"), ("<!--", "-->")] {
            if page.contains("-->") || page.contains("--!>") {
                continue;
            }
            let hidden = text_of(&format!("<p>before</p>{begin} {page} {end}<p>behind</p>"));
            let shown: Vec<_> = hidden.split_whitespace().collect();
            assert_eq!(shown, ["before", "behind"], "{begin}");
        }
    }
}

/// Its words, without what says nothing on paper.
fn words(text: &str) -> Vec<String> {
    let mute = |c: &char| {
        (c.is_control() && !c.is_whitespace()) || ['\u{200b}', '\u{feff}', '\u{ad}'].contains(c)
    };
    let loud: String = text.chars().filter(|c| !mute(c)).collect();
    loud.split_whitespace().map(str::to_owned).collect()
}

fn text_of(page: &str) -> String {
    let body = Body { text: Plain::new(page), html: true };
    Notes::of(&body).text().reveal().to_owned()
}
