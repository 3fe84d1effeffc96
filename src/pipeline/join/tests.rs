//! How far the scanner reads, counted in bytes.

use super::scan::{LINKS, links, visited};
use super::*;

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
