//! Any body at all.

use proptest::prelude::*;

use super::*;
use crate::pipeline::samples::cases;

/// Tags that browsers mend, quotes, what hides, and lines of ours.
fn soup() -> impl Strategy<Value = String> {
    let block = english().html();
    let pieces = prop_oneof![
        12 => "</?(p|div|b|a|td|tr|table|ul|li|span|body|html|head|blockquote|pre)>",
        2 => "<(div id=x|blockquote type=cite|div class=gmail_quote)>",
        1 => "<(hr|br|img src=\"cid:1\"|option)>",
        3 => "</?(select|svg|button|o:p|h1|center|textarea|style|title|script|template)>",
        2 => "<(div style='display:none'|body dir=rtl|p title='>')>?",
        1 => "<(td class=\"a|v:f /|!DOCTYPE html)>?",
        2 => "(<!--|-->|<!\\[if !mso\\]>|<!\\[endif\\]>|<!\\[CDATA\\[|\\]\\]>|<\\?xml)",
        2 => "(<|</|>|\"|'|&|&am|&#)",
        6 => "[a-z \r\n\t]{0,6}",
        4 => "\\PC{0,4}",
        1 => Just("<plaintext>".to_owned()),
        1 => Just("-----Original Message-----\n".to_owned()),
        1 => Just("From: a\n".to_owned()),
        1 => Just("> a:\n> b\n".to_owned()),
        1 => Just("________________________\nFrom: a\nTo: b\n".to_owned()),
    ];
    let ours = prop_oneof![
        Just(separator::BEGIN.to_owned()),
        Just(separator::end_line("x")),
        Just("<div id=calway-join>".to_owned()),
        Just("<a class='x_calway-join'>".to_owned()),
        Just("Password: x".to_owned()),
        Just(block),
    ];
    let any = prop_oneof![30 => pieces, 1 => ours];
    proptest::collection::vec(any, 0..40).prop_map(|pieces| pieces.concat())
}

fn without_ours(text: &str) -> bool {
    !text.contains("-=-=") && !text.contains("calway-join")
}

proptest! {
    #![proptest_config(cases(1_500))]

    #[test]
    fn any_body_comes_back_byte_for_byte(text in soup(), is_html in any::<bool>()) {
        let body = Body { text: Plain::new(text.as_str()), html: is_html };
        let (bare_body, found) = remove(&body, &own_texts());
        if without_ours(&text) {
            prop_assert_eq!(bare_body.text.reveal(), text.as_str());
            prop_assert_eq!(found, NOTHING);
        }
        let with = decorated(&body);
        let (back, found) = remove(&with, &own_texts());
        prop_assert_eq!(back.text.reveal(), bare_body.text.reveal(), "{:?}", with.text.reveal());
        prop_assert_eq!(found, ONE);
        prop_assert_eq!(decorated(&with), with);
    }

    #[test]
    fn any_text_at_all_comes_back(text in "\\PC*|[\\x00-\\x7f]{0,40}", is_html in any::<bool>()) {
        let body = Body { text: Plain::new(text), html: is_html };
        let with = decorated(&body);
        let start = with.text.reveal().find(separator::BEGIN).unwrap();
        prop_assert!(body.text.reveal().len() + 200 < with.text.reveal().len());
        prop_assert!(start <= body.text.reveal().len() + 200);
        prop_assert_eq!(remove(&with, &own_texts()), (body, ONE));
    }

    #[test]
    fn no_word_of_the_sender_is_lost_when_a_block_is_cut_anywhere(
        cut in 0_usize..3_000, length in 0_usize..40, typed in "[a-z]{12}",
    ) {
        // Somebody deletes a stretch in or around the block and types a word there.
        let with = decorated(&html("<p>before</p><p>after</p>")).text.reveal().to_owned();
        let at = (0..=cut.min(with.len())).rev().find(|at| with.is_char_boundary(*at)).unwrap();
        let to = (at..=(at + length).min(with.len())).rev().find(|to| with.is_char_boundary(*to));
        let mut edited = with;
        let place = edited.get(..at).unwrap().rfind('>').map_or(0, |at| at + 1);
        edited.replace_range(at..to.unwrap(), "");
        let place = if place > edited.len() { edited.len() } else { place };
        edited.insert_str(place, &format!("<p>{typed}</p>"));
        let (bare, _) = remove(&html(edited.clone()), &own_texts());
        prop_assert!(bare.text.reveal().contains(&typed), "{edited}\n{}", bare.text.reveal());
    }
}
