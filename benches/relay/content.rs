//! What stands in the calendars: the same meetings for everyone who is measured.

use std::fmt::Write as _;

use calway_lab::exchange::{Attendee, Calendars, Draft, ItemId, MailboxKind};

pub const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// How much there is to do.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub mailboxes: usize,
    /// Single meetings in each, all inside the window.
    pub meetings: usize,
    /// Edits one after the other.
    pub edits: usize,
    /// How long a paced stream of edits lasts, at most.
    pub stream_seconds: usize,
}

impl Size {
    pub const FULL: Self = Self { mailboxes: 20, meetings: 500, edits: 300, stream_seconds: 10 };
    /// To see whether it runs; its figures mean nothing.
    pub const SMALL: Self = Self { mailboxes: 2, meetings: 50, edits: 20, stream_seconds: 1 };

    pub fn items(&self) -> usize {
        self.mailboxes * self.meetings
    }
}

/// A small generator (SplitMix64) that a seed determines.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words.get(self.below(words.len())).copied().unwrap_or_default()
    }
}

/// One meeting that can be edited. Within a mailbox no two begin at the same time, so that user
/// and start, which are not sealed, say which record in the cloud it is.
#[derive(Clone, Debug)]
pub struct Item {
    pub user: String,
    pub address: String,
    pub id: ItemId,
    pub start_ms: i64,
}

/// Cloud ids and addresses.
pub fn users(size: Size) -> Vec<(String, String)> {
    let user = |n: usize| (format!("u-{n:03}"), format!("user{n:03}@corp.example"));
    (1..=size.mailboxes).map(user).collect()
}

/// The window that the configuration has by default, of the day of `now_ms`.
pub fn window(now_ms: i64) -> (i64, i64) {
    let midnight = now_ms - now_ms.rem_euclid(DAY_MS);
    (midnight - 7 * DAY_MS, midnight + 32 * DAY_MS)
}

/// Fills the calendars. Attendees have no mailbox here, so nothing is copied.
pub fn fill(calendars: &Calendars, size: Size, now_ms: i64) -> Vec<Item> {
    let mut dice = Dice(500);
    // More than a day away from both ends: a run over midnight has the same meetings in view.
    let first = window(now_ms).0 + 26 * 60 * MINUTE_MS;
    let apart = 108 * MINUTE_MS;
    let mut items = Vec::with_capacity(size.items());
    for (n, (user, address)) in users(size).into_iter().enumerate() {
        calendars.add_mailbox(&address, &format!("User {n}"), MailboxKind::User);
        for at in 0..size.meetings {
            let start_ms = first + apart * i64::try_from(at).unwrap_or_default();
            let id = calendars.create(&address, meeting(&mut dice, start_ms));
            items.push(Item { user: user.clone(), address: address.clone(), id, start_ms });
        }
    }
    items
}

const WORDS: &str = "budget review project customer quarter delivery the of and with for plan open \
                     questions status team draft contract next steps please bring numbers from \
                     last week decision needed before Friday schedule risk";
const FIRST: [&str; 8] = ["Anna", "Bela", "Chidi", "Dana", "Emre", "Freya", "Goran", "Hana"];
const LAST: [&str; 8] =
    ["Archer", "Baker", "Carver", "Draper", "Fisher", "Gardner", "Mason", "Weaver"];

fn words(dice: &mut Dice, count: usize) -> String {
    let all: Vec<_> = WORDS.split(' ').collect();
    let some: Vec<_> = (0..count).map(|_| dice.of(&all)).collect();
    some.join(" ")
}

fn meeting(dice: &mut Dice, start_ms: i64) -> Draft {
    let title_words = 3 + dice.below(4);
    let title = words(dice, title_words);
    let mut draft = Draft::meeting(&title, start_ms, 15 + 15 * (dice.below(4) as i64));
    draft.location = format!("Building {}, room {}", 1 + dice.below(9), 100 + dice.below(400));
    draft.body = page(dice);
    draft.body_html = true;
    for seat in 0..3 {
        let (first, last) = (dice.of(&FIRST), dice.of(&LAST));
        let name = format!("{first} {last}");
        let address = format!("{first}.{last}{seat}@partner.example").to_lowercase();
        draft.attendees.push(match seat {
            2 => Attendee::optional(&address, &name),
            _ => Attendee::required(&address, &name),
        });
    }
    draft
}

/// About 2 KiB of HTML as Outlook writes it: a head with styles, paragraphs, a list.
fn page(dice: &mut Dice) -> String {
    let mut page = String::from(
        "<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; \
         charset=utf-8\">\r\n<style type=\"text/css\">\r\np.MsoNormal { margin: 0cm; font-size: \
         11.0pt; font-family: Calibri, sans-serif }\r\n</style>\r\n</head>\r\n<body lang=\"EN-GB\">\
         \r\n<div class=\"WordSection1\">\r\n",
    );
    for _ in 0..3 {
        let text = words(dice, 28);
        let _ = write!(page, "<p class=\"MsoNormal\">{text}.<o:p></o:p></p>\r\n");
    }
    page.push_str("<ul style=\"margin-top:0cm\" type=\"disc\">\r\n");
    for _ in 0..6 {
        let text = words(dice, 9);
        let _ = write!(page, "<li class=\"MsoListParagraph\"><b>{text}</b> &amp; more</li>\r\n");
    }
    page.push_str("</ul>\r\n<p class=\"MsoNormal\">Kind regards<br>\r\n");
    let (first, last) = (dice.of(&FIRST), dice.of(&LAST));
    let _ = write!(page, "{first} {last}</p>\r\n</div>\r\n</body>\r\n</html>\r\n");
    page
}
