//! Pages as people and programs write them, and the text that is left.

use proptest::prelude::*;

use super::*;
use crate::pipeline::samples::cases;

fn text(page: &str) -> String {
    from_html(page)
}

fn check(cases: &[(&str, &str)]) {
    for (page, expected) in cases {
        assert_eq!(text(page), *expected, "{page}");
    }
}

#[test]
fn an_invitation_from_outlook_keeps_its_lines() {
    let page = "<html xmlns:o=\"urn:schemas-microsoft-com:office:office\">\r\n<head>\r\n\
        <meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n\
        <meta name=\"Generator\" content=\"Microsoft Word 15 (filtered medium)\">\r\n\
        <style><!--\r\np.MsoNormal, li.MsoNormal { margin:0cm }\r\n--></style>\r\n\
        <!--[if gte mso 9]><xml><o:shapedefaults v:ext=\"edit\"/></xml><![endif]-->\r\n\
        <title>Not shown</title></head>\r\n\
        <body lang=\"DE\" link=\"#0563C1\" style='word-wrap:break-word'>\r\n\
        <div class=\"WordSection1\">\r\n\
        <p class=\"MsoNormal\">Hello&nbsp;all,<o:p></o:p></p>\r\n\
        <p class=\"MsoNormal\"><o:p>&nbsp;</o:p></p>\r\n\
        <p class=MsoNormal><span lang=EN-GB style='font-size:12.0pt'>the <b>num</b>bers\r\n\
        &amp; the <i>plan</i> &lt;draft&gt;:<o:p></o:p></span></p>\r\n\
        <ul style='margin-top:0cm' type=disc>\r\n\
        <li class=MsoListParagraph>first<o:p></o:p></li><li>second</li></ul>\r\n\
        <p class=MsoNormal>Gr&uuml;&szlig;e&#8230; &#x1F600;&#146;s</p></div></body></html>";
    let expected = "Hello all,\n\nthe numbers & the plan <draft>:\n- first\n- second\n\
        Gr\u{fc}\u{df}e\u{2026} \u{1f600}\u{2019}s";
    assert_eq!(text(page), expected);
}

#[test]
fn lines_and_blank_lines_are_those_of_a_browser() {
    check(&[
        ("one<br>two<br/>three<BR >four", "one\ntwo\nthree\nfour"),
        ("one<br><br><br><br>two", "one\n\ntwo"),
        ("<div>one</div><div><br></div><div>two<br></div><div>three</div>", "one\n\ntwo\nthree"),
        ("<p>one</p><p>two</p>\n\n<p></p><p>three</p>", "one\n\ntwo\n\nthree"),
        ("<h1>Agenda</h1>now <b>t</b><i>o</i> start", "Agenda\n\nnow to start"),
        ("  a \n\t b  <span> c</span> ", "a b c"),
        ("<pre>a\n  b\r\n\nc</pre>d\ne", "a\nb\n\nc\nd e"),
        (
            "<table><tr><td>09:00</td><td>Start</td></tr><tr><td>10:00<td>End</table>x",
            "09:00\tStart\n10:00\tEnd\nx",
        ),
        (
            "<ol><li>one<li>two<ul><li>deep</ul><li><p>three</p></ol><ul><li></li></ul>end",
            "1. one\n2. two\n- deep\n\n3. three\n\nend",
        ),
        ("<hr>\n<p>&nbsp;</p>x<p> &nbsp; </p>", "x"),
    ]);
}

#[test]
fn a_link_tells_where_it_leads_unless_its_words_do() {
    let join = "https://meet.example/j/1?a=b&amp;c=d";
    let page = format!("<p>Now <a class='x' href=\"{join}\"><b>join</b> here</a>!</p>");
    assert_eq!(text(&page), "Now join here <https://meet.example/j/1?a=b&c=d>!");
    check(&[
        ("<a href='https://meet.example/'>https://meet.example</a>.", "https://meet.example."),
        ("<li><a href=https://Meet.example>meet.example</a>", "- meet.example"),
        ("<a href='mailto:ann@corp.example'>ann@corp.example</a>", "ann@corp.example"),
        ("<a href='tel:+4930123'>+49 (30) 123</a>", "+49 (30) 123"),
        ("<a href='tel:+4930123'>Berlin</a>", "Berlin <tel:+4930123>"),
        ("<a href='sip:1@meet.example'><img src='cid:1'></a>", "<sip:1@meet.example>"),
        (
            "<a href='https://real.example/x'>https://shown.example/x</a>",
            "https://shown.example/x <https://real.example/x>",
        ),
        ("<a href='javascript:alert(1)'>a</a> <a href='#top'>b</a> <a name=c>c</a>", "a b c"),
        ("<a href='file://server/share'>d</a><a href='cid:x'>e</a><a href=''>f</a>", "def"),
        ("<a href='https://a.example/x y'>g</a>", "g"),
        (
            "<a href=https://a.example>1<a href=https://b.example>2",
            "1 <https://a.example>2 <https://b.example>",
        ),
        ("<a\nHREF = \"https://a.example\" title='>'>x</a>", "x <https://a.example>"),
    ]);
}

#[test]
fn what_nobody_sees_is_left_out() {
    check(&[
        ("a<script>if (1 < 2 && '</p>') {}</script >b", "ab"),
        ("a<STYLE>p > b {}</sTyLe>b", "ab"),
        ("a<!-- b > <p>c</p> -->d<![if !vml]>e<![endif]><?xml:namespace prefix='o'?>f", "adef"),
        ("<head><title>t</title>x</head>y", "y"),
        ("<html><head><meta charset=utf-8>who forgot the end<p>z", "z"),
        ("a\u{200b}b&shy;c\u{feff}d\u{1}e&#1;f", "abcdef"),
        ("<xml><w:View>Normal</w:View></xml>text", "text"),
    ]);
}

#[test]
fn references_are_resolved_and_what_is_none_stays() {
    check(&[
        (
            "AT&T &copy &lt;b&gt; &amp;amp; &nosuch; &; & &#; &#xZ;",
            "AT&T &copy <b> &amp; &nosuch; &; & &#; &#xZ;",
        ),
        (
            "&Auml;&eacute;&yuml;&nbsp;&euro;&ndash;&bull;&check;",
            "\u{c4}\u{e9}\u{ff} \u{20ac}\u{2013}\u{2022}\u{2713}",
        ),
        ("&#65;&#x42&#128;&#0;&#xD800;&#99999999999;", "AB\u{20ac}\u{fffd}\u{fffd}\u{fffd}"),
    ]);
}

#[test]
fn broken_markup_costs_no_more_than_itself() {
    check(&[
        ("1 < 2, 3 > 2, a<b", "1 < 2, 3 > 2, a"),
        ("<>a</>b</ c>d<3", "<>a</>b</ c>d<3"),
        ("a<b title='x>y' c=>d</b", "ad"),
        ("x</p></div></ul></ol></a></pre>y", "x\ny"),
        ("a<!-- never ends", "a"),
        ("a<script>never ends", "a"),
        ("", ""),
        ("<p>", ""),
    ]);
}

#[test]
fn a_page_of_megabytes_is_read_until_there_is_enough() {
    let long = format!("<body>{}</body>", "<p>0123456789</p>".repeat(300_000));
    let found = text(&long);
    assert!((NOTES_BYTES - 16..NOTES_BYTES + 16).contains(&found.len()), "{}", found.len());
    assert!(found.starts_with("0123456789\n\n0123456789"));
    assert!(text(&"word ".repeat(1_000_000)).len() <= NOTES_BYTES);
    assert!(text(&"\u{e9}&eacute;".repeat(100_000)).len() <= NOTES_BYTES + 1);
}

#[test]
fn no_page_takes_longer_than_its_length() {
    // Each of these would be quadratic for a reader that looks back or ahead: minutes.
    for part in [
        "<",
        "</",
        "<a",
        "<a ",
        "<a b=",
        "<a b='",
        "<a b=c>",
        "&",
        "&#",
        "&#1",
        "<!--",
        "<!",
        "<?",
        "<script></",
        "<script>",
        "<a href=https://a.example>",
        "<ul>",
        "<pre>",
        "<li>",
        "\u{a0}",
        "<head>",
        "<p class=",
        "<x y z>",
        "</a>",
        "<style></styl>",
    ] {
        let page = part.repeat(300_000 / part.len());
        assert!(text(&page).len() <= NOTES_BYTES + 8_192, "{part}");
        text(&format!("<script>{page}"));
        text(&format!("<a {page}>x</a>"));
    }
}

#[test]
fn a_text_stays_as_it_is() {
    let body = Body { text: Plain::new("1 < 2 &amp;\r\n  <p>"), html: false };
    assert_eq!(Notes::of(&body).text(), &body.text);
    let body = Body { text: Plain::new("1 &lt; 2"), html: true };
    assert_eq!(Notes::of(&body).text().reveal(), "1 < 2");
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn whatever_the_page_is_a_text_comes_of_it(
        page in "(<|>|</|<!--|-->|<a href=|'|\"|&#|&|;|=|/){0,30}|\\PC{0,60}|\
            (<|>|</|p|li|ul|div|head|body|pre|script|x|\u{e9}| |\n){0,60}",
    ) {
        let found = text(&page);
        prop_assert!(found.len() <= page.len() * 4 + 8, "{}", found.len());
        prop_assert!(!found.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
        prop_assert!(!found.contains("\n\n\n"));
        prop_assert_eq!(found.trim_end(), found.as_str());
    }

    #[test]
    fn words_outlive_any_markup(words in prop::collection::vec("[a-zé]{1,8}", 0..20)) {
        let page: String = words.iter().enumerate().map(|(n, word)| match n % 5 {
            0 => format!("<p>{word}</p>"),
            1 => format!("<div x='>'>{word}<br></div>"),
            2 => format!(" {word}<!-- x --> "),
            3 => format!("<li><b>{word}</b></li>"),
            _ => format!("<td>{word}</td>"),
        }).collect();
        let found = text(&page);
        let left: Vec<&str> = found.split_whitespace().filter(|word| *word != "-").collect();
        prop_assert_eq!(left, words);
    }
}
