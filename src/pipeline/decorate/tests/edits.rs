//! Blocks that a client wrote anew, or that somebody edited.

use super::*;

/// As Word's engine keeps it: no ids, no classes of ours, paragraphs with spans in them.
fn as_word(page: &str) -> String {
    let start = page.find("<div id=\"calway-join\"").unwrap();
    let end = page.rfind("</div>").filter(|_| page.contains("</div>")).unwrap();
    let mut block = page.get(start..end).unwrap().to_owned();
    block = block.split_once('>').unwrap().1.to_owned();
    let styled = |style: &str| format!("<p style=\"{style}\"");
    block = block.replace(&styled("margin:0;font-size:8pt;color:#767676"), "<p class=MsoNormal");
    block =
        block.replace(&styled("margin:0 0 6pt 0"), "<p class=MsoNormal style='margin-bottom:6pt'");
    block = block.replace("</p>", "<o:p></o:p></p>\r\n").replace("<b>", "<b><span lang=EN>");
    block = block.replace("</b>", "</span></b>").replace("MsoNormal dir=\"ltr\">", "MsoNormal>");
    block = block.replace("v-=", "<span style='font-size:8.0pt'>v-=").replace("=-v", "=-v</span>");
    block = block.replace("^-=", "<span style='font-size:8.0pt'>^-=").replace("=-^", "=-^</span>");
    format!("{}{block}{}", page.get(..start).unwrap(), page.get(end + 6..).unwrap())
}

#[test]
fn a_block_that_word_wrote_anew_goes_without_a_trace_of_its_words() {
    let page =
        "<html><body><div class=WordSection1><p class=MsoNormal>Hello</p></div></body></html>";
    let with = decorated(&html(page));
    let rewritten = as_word(with.text.reveal());
    assert!(!rewritten.contains("calway"), "{rewritten}");
    let (text, found) = bare(&html(rewritten));
    assert_eq!(text, page.replace("</body>", "\r\n</body>"));
    assert_eq!(found, ONE, "not one word of it was changed");
}

#[test]
fn a_block_with_a_prefix_on_its_names_is_found() {
    let page = "<div>Hello</div>";
    let with = decorated(&html(page)).text.reveal().to_owned();
    let owa = with.replace("\"calway-join\"", "\"x_calway-join\"");
    assert_eq!(bare(&html(owa)), (page.to_owned(), ONE));
    let gmail = with.replace(" id=\"calway-join\"", "").replace("\"calway", "\"m_-471calway");
    assert_eq!(bare(&html(gmail)), (page.to_owned(), ONE));
    let bare_div = with.replace(" id=\"calway-join\" class=\"calway-join\"", "");
    let (text, found) = bare(&html(bare_div));
    assert_eq!(
        (text.as_str(), found.blocks),
        ("<div>Hello</div><div lang=\"en\" dir=\"ltr\"></div>", 1)
    );
}

#[test]
fn words_that_somebody_wrote_between_the_lines_are_kept() {
    let with = decorated(&html("<p>a</p>")).text.reveal().to_owned();
    let added = with.replace(
        "<p style=\"margin:0 0 6pt 0\">Meeting number",
        "<p>Dial in <i>early</i> &amp; mute!</p><img src=\"cid:1\"><p>Password: see mail of 4 May</p>\
         <p style=\"margin:0 0 6pt 0\">Meeting number",
    );
    assert_ne!(added, with);
    let (text, found) = bare(&html(added));
    assert_eq!(found, EDITED);
    assert_eq!(text, "<p>a</p><img src=\"cid:1\"><p dir=\"auto\">Dial in early &amp; mute!</p>");
    let with = decorated(&plain("a\n")).text.reveal().to_owned();
    let added =
        with.replace("Meeting number", "Dial in early\nMeeting link: (ask Bob)\nMeeting number");
    let (text, found) = bare(&plain(added));
    assert_eq!((text.as_str(), found), ("a\n\nDial in early\nMeeting link: (ask Bob)", EDITED));
}

#[test]
fn what_somebody_typed_behind_the_block_in_its_element_stays_as_it_is() {
    let with = decorated(&html("<p>a</p>")).text.reveal().to_owned();
    let (start, _) = with.rsplit_once("</div>").unwrap();
    let typed = format!("{start}<p>P.S. <b>bring</b> cake <img src=\"cid:2\"></p></div>");
    let (text, found) = bare(&html(typed));
    assert_eq!(found, ONE);
    assert_eq!(
        text,
        "<p>a</p><div id=\"\" class=\"\" lang=\"en\" dir=\"ltr\"><p>P.S. <b>bring</b> cake \
         <img src=\"cid:2\"></p></div>"
    );
    let cloned = "<div class=\"x_calway-join\">My own words, after Enter</div>";
    assert_eq!(bare(&html(cloned)).0, cloned.replace("calway-join", ""));
}

#[test]
fn a_block_that_lost_a_line_is_told_and_is_not_multiplied() {
    let with = decorated(&html("<p>a</p>")).text.reveal().to_owned();
    let at = with.find("^-=").unwrap();
    let end = at + with.get(at..).unwrap().find('<').unwrap();
    let mut lost = with.clone();
    lost.replace_range(at..end, "");
    // Its element still says where it ends.
    let (text, found) = bare(&html(lost.clone()));
    assert_eq!((text.as_str(), found.blocks), ("<p>a</p>", 1));
    // Nothing does.
    let lost = lost.replace(" id=\"calway-join\" class=\"calway-join\"", "");
    let (text, found) = bare(&html(lost.clone()));
    assert_eq!(found, Found { blocks: 0, edited: 0, lone_lines: 1 });
    assert!(text.contains("Meeting number") && !text.contains(separator::BEGIN), "{text}");
    let again = decorated(&html(lost));
    assert_eq!(again.text.reveal().matches(separator::BEGIN).count(), 1);
    assert_eq!(decorated(&again), again);
    let text = decorated(&plain("a")).text.reveal().replace(separator::BEGIN, "");
    assert_eq!(bare(&plain(text)).1, Found { blocks: 0, edited: 0, lone_lines: 1 });
}

#[test]
fn a_block_cut_out_and_put_elsewhere_by_hand_is_still_one() {
    let block = english().html();
    let page = format!("<div>{block}<p>a</p></div>{block}<p>b</p>");
    let (text, found) = bare(&html(page));
    assert_eq!((text.as_str(), found.blocks, found.edited), ("<div><p>a</p></div><p>b</p>", 2, 0));
}

#[test]
fn a_text_whose_line_ends_a_client_changed_is_found() {
    let with = decorated(&plain("a\r\nb")).text.reveal().replace("\r\n", "\n");
    assert_eq!(bare(&plain(with)), ("a\nb".to_owned(), ONE));
    let wrapped =
        decorated(&plain("a")).text.reveal().replace("Meeting in the", "Meeting in\r\nthe");
    assert_eq!(bare(&plain(wrapped)), ("a".to_owned(), ONE));
}

#[test]
fn words_around_lines_of_ours_that_flowed_together_stay() {
    let begin = separator::BEGIN;
    let end = separator::end_line("Password: x");
    let page = format!("<div>mine {begin}<br>Password: x</div><div>{end} yours</div>");
    let (text, found) = bare(&html(page));
    assert_eq!((text.as_str(), found.blocks), ("<div>mine </div><div> yours</div>", 1));
}
