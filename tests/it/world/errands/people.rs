//! What people do to their own invitations, as they write them in Outlook.

use std::collections::BTreeMap;

use calway::model::{Answer, ItemId, Span, Time};

use super::super::dice::Dice;
use super::calendar::{Exchange, Item, Text};
use super::watch::{Kind, Watch};

/// Keywords, and what they ask for where nothing is said.
const KEYWORDS: [(&str, &str); 2] = [("webex", "myroom"), ("meet", "space")];
const MODES: [&str; 3] = ["space", "myroom", "onetime"];
/// An address of another service: whoever has it needs none of ours.
pub const FOREIGN: &str = "https://zoom.us/j/5551234567";
/// More are not written to.
pub const MOST_INVITEES: usize = 1_500;

/// What a place asks for, and its other words: a second, stupid reading.
pub fn typed(place: &str) -> (Option<(String, String)>, String) {
    let (mut wish, mut words) = (None, Vec::new());
    for word in place.split_whitespace() {
        let bare = word.trim_end_matches(';');
        let Some(keyword) = bare.strip_prefix('@') else {
            words.push(bare);
            continue;
        };
        let (name, mode) = keyword.split_once(':').unwrap_or((keyword, ""));
        let usual = KEYWORDS.iter().find(|(known, _)| *known == name).map_or("", |known| known.1);
        let mode = if mode.is_empty() { usual } else { mode };
        wish.get_or_insert((name.to_owned(), mode.to_owned()));
    }
    (wish, words.join(" "))
}

/// A place with a keyword in it.
fn asking(n: u64, dice: &mut Dice) -> String {
    let (name, _) = *dice.pick(&KEYWORDS).unwrap_or(&KEYWORDS[0]);
    let mode = match dice.one_in(2) {
        true => String::new(),
        false => format!(":{}", dice.pick(&MODES).unwrap_or(&MODES[0])),
    };
    match dice.of(0..4) {
        0 => format!("@{name}{mode}"),
        1 => format!("Room-{n} @{name}{mode}"),
        2 => format!("@{name}{mode} Room-{n}"),
        _ => format!("Room-{n}; @{name}{mode} Floor-{n}"),
    }
}

fn body(n: u64, html: bool, dice: &mut Dice) -> String {
    let foreign = if dice.one_in(25) { FOREIGN } else { "" };
    match html {
        false => format!("Dear all, par-{n} {foreign}\r\n\r\nYours\r\n-- \r\nSignature-{n}\r\n"),
        true => format!(
            "<html>\r\n<head><meta charset=\"utf-8\"><style>p{{margin:0}}</style></head>\r\n\
             <body lang=\"EN\">\r\n<p>Dear all, par-{n} {foreign}</p>\r\n<p><b>Yours</b>&nbsp;\
             <img src=\"cid:sig-{n}\"></p>\r\n</body>\r\n</html>\r\n"
        ),
    }
}

/// A new invitation.
pub fn invitation(n: u64, now: Time, dice: &mut Dice) -> Item {
    let html = dice.one_in(2);
    let written = body(n, html, dice);
    let place = if dice.one_in(3) { format!("Room-{n}") } else { asking(n, dice) };
    let (wish, room) = typed(&place);
    let mine = !dice.one_in(4);
    let hour = Span::HOUR.times(dice.of(30..200));
    let past = dice.one_in(20);
    let start = if past { now.midnight() - Span::DAY } else { now.midnight() + hour };
    let invitees = match dice.of(0..20) {
        0 => MOST_INVITEES + 1,
        1..5 => 0,
        n => n as usize,
    };
    Item {
        uid: format!("uid-{n}"),
        version: n,
        subject: format!("Title-{n}"),
        start,
        length: Span::MINUTE.times(30),
        count: if !past && dice.one_in(5) { dice.of(2..5) } else { 0 },
        text: Text { place, body: written.clone(), written, wish, room, ..Text::default() },
        apart: BTreeMap::new(),
        html,
        mine,
        invitees,
        cancelled: false,
        answer: if mine { Answer::Organizer } else { Answer::None },
        made_by: None,
    }
}

/// Somebody does something with an invitation of this mailbox.
pub fn act(
    exchange: &mut Exchange,
    address: &str,
    now: Time,
    (dice, watch): (&mut Dice, &mut Watch),
) -> String {
    let ids: Vec<String> = match exchange.mailboxes.get(address) {
        Some(mailbox) => mailbox.items.keys().cloned().collect(),
        None => Vec::new(),
    };
    let n = exchange.fresh();
    let Some(id) = dice.pick(&ids).filter(|_| ids.len() >= 8 || !dice.one_in(4)).cloned() else {
        let item = invitation(n, now, dice);
        return format!("makes {}", exchange.put(address, item));
    };
    let what = dice.of(0..16);
    if what == 15 {
        exchange.delete(address, &id);
        return format!("deletes {id}");
    }
    let mut did = "";
    exchange.change(address, &id, |item| did = alter(item, what, n, (dice, watch)));
    format!("{did} {id}")
}

/// Somebody does something with this invitation.
pub fn meddle(
    exchange: &mut Exchange,
    address: &str,
    item: &ItemId,
    (dice, watch): (&mut Dice, &mut Watch),
) -> &'static str {
    let id = item.0.split('#').next().unwrap_or_default().to_owned();
    let (n, what) = (exchange.fresh(), dice.of(0..15));
    let mut did = "nothing";
    exchange.change(address, &id, |item| did = alter(item, what, n, (dice, watch)));
    did
}

fn alter(
    item: &mut Item,
    what: u64,
    n: u64,
    (dice, watch): (&mut Dice, &mut Watch),
) -> &'static str {
    let starts: Vec<Time> = (0..item.count).map(|n| item.start + Span::DAY.times(n)).collect();
    let at = dice.pick(&starts).copied().filter(|_| dice.one_in(3));
    if let Some(at) = at {
        // Whoever changes one of a series makes it one by itself.
        let (wish, room) = typed(&item.text.place);
        let text = Text { wish, room, writes: BTreeMap::new(), ..item.text.clone() };
        item.apart.entry(at).or_insert(text);
        watch.played(Kind::Apart);
    }
    let text = match at {
        Some(at) => item.apart.entry(at).or_default(),
        None => &mut item.text,
    };
    match what {
        0..3 => {
            if text.wish.is_some() {
                watch.played(Kind::KeywordChanged);
            }
            let place = asking(n, dice);
            retype(text, place);
            "types a keyword into"
        }
        3..6 => {
            if text.mark.is_some() {
                watch.played(Kind::KeywordRemoved);
            }
            retype(text, format!("Room-{n}"));
            "types another place into"
        }
        6 => {
            text.place = format!("{}; Floor-{n}", text.place);
            text.room = format!("{} Floor-{n}", text.room);
            "says more of the place of"
        }
        7..11 => {
            write(text, n);
            "edits the body of"
        }
        11 => {
            text.body = text.written.clone();
            "throws out what is not its own of"
        }
        12 => {
            item.subject = format!("Title-{n}");
            "gives another title to"
        }
        13 if item.count == 0 => {
            item.start = item.start + Span::HOUR;
            "moves"
        }
        14 if dice.one_in(2) => {
            item.cancelled = true;
            "calls off"
        }
        _ => "touches",
    }
}

fn retype(text: &mut Text, place: String) {
    let (wish, room) = typed(&place);
    *text = Text { place, wish, room, writes: BTreeMap::new(), ..std::mem::take(text) };
}

/// Another word in one's own part: what stands elsewhere stays.
fn write(text: &mut Text, n: u64) {
    let Some(from) = text.written.find("par-") else { return };
    let word = text.written.get(from..).and_then(|rest| rest.split([' ', '<']).next());
    let Some(word) = word.map(str::to_owned) else { return };
    let new = format!("par-{n}");
    text.written = text.written.replacen(&word, &new, 1);
    text.body = text.body.replacen(&word, &new, 1);
}
