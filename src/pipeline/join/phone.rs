//! A telephone number with its passcode, where an invitation has nothing better.

use memchr::{memchr_iter, memmem};

use super::scan::{beginning, last};
use crate::model::Plain;

/// Bytes behind a number in which its passcode may stand.
const REACH_BYTES: usize = 240;

/// Numbers of one text that are looked at.
const NUMBERS: usize = 256;

/// A number to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    /// `+` and digits.
    pub number: Plain,
    /// Digits, without a `#` at the end.
    pub passcode: Plain,
}

impl Phone {
    /// As a telephone dials it: `+4930123456,,123456#`.
    pub fn dialled(&self) -> Plain {
        Plain::new(format!("{},,{}#", self.number.reveal(), self.passcode.reveal()))
    }
}

/// The first number of a text that has a passcode; of several in a row, one for each country, the
/// first. Numbers without one are somebody's own.
pub(super) fn first(text: &str) -> Option<Phone> {
    let mut row: Option<(usize, usize, String)> = None;
    for (at, mark) in begins(text) {
        let (begin, end) = row.as_ref().map_or((0, 0), |(begin, end, _)| (*begin, *end));
        if at < end {
            continue;
        }
        let rest = text.get(at + mark..).unwrap_or_default();
        let (number, length) = digits(beginning(rest, 40), "\u{a0} -()./");
        if !(7..=15).contains(&number.len()) {
            continue;
        }
        let before = text.get(end..at).unwrap_or_default();
        let goes_on = row.is_some() && before.len() < 60 && before.matches('\n').count() < 2;
        let (begin, number) = match row.take() {
            Some((_, _, first)) if goes_on => (begin, first),
            _ => (at, number),
        };
        let rest = rest.get(length..).unwrap_or_default();
        let passcode = paused(rest)
            .or_else(|| announced(beginning(rest, REACH_BYTES)))
            .or_else(|| ended(last(text.get(..begin).unwrap_or_default(), REACH_BYTES / 2)));
        if let Some(passcode) = passcode {
            let number = Plain::new(format!("+{number}"));
            return Some(Phone { number, passcode: Plain::new(passcode) });
        }
        row = Some((begin, at + mark + length, number));
    }
    None
}

/// Where numbers of the whole world begin, and with how many bytes: `+`, or `00`.
fn begins(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let alone = |at: &usize| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        before.is_none_or(|byte| !byte.is_ascii_alphanumeric())
    };
    let plus = memchr_iter(b'+', bytes).take(NUMBERS).map(|at| (at, 1));
    let zeros = memmem::find_iter(bytes, "00").take(NUMBERS).filter(alone).map(|at| (at, 2));
    let mut all: Vec<_> = plus.chain(zeros).collect();
    all.sort_unstable();
    all
}

/// Digits, and what stands between them, without a zero in brackets, which is dialled at home; and
/// how many bytes all of it has.
fn digits(text: &str, between: &str) -> (String, usize) {
    let (mut found, mut length, mut skip) = (String::new(), 0, 0);
    for (at, c) in text.char_indices() {
        if at < skip {
            continue;
        }
        if text.get(at..).is_some_and(|rest| rest.starts_with("(0)")) {
            skip = at + 3;
        } else if c.is_ascii_digit() {
            found.push(c);
            length = at + 1;
        } else if !between.contains(c) {
            break;
        }
    }
    (found, length)
}

/// A passcode before the number: announced, and ended by `#`.
fn ended(before: &str) -> Option<String> {
    let (head, _) = before.rsplit_once('#')?;
    let (code, at) = head
        .char_indices()
        .rev()
        .map_while(|(at, c)| (c.is_ascii_digit() || c == ' ').then_some((c, at)))
        .fold((String::new(), head.len()), |(code, _), (c, at)| (format!("{c}{code}"), at));
    let code: String = code.chars().filter(char::is_ascii_digit).collect();
    let label = head.get(..at)?;
    ((3..=16).contains(&code.len()) && told(label)).then_some(code)
}

/// `,,123456#` right behind the number.
fn paused(rest: &str) -> Option<String> {
    let rest = rest.trim_start_matches(' ');
    let code = rest.strip_prefix([',', ';', 'p', 'w', 'x'])?;
    let code = code.trim_start_matches([',', ';', ' ', 'p', 'w', 'x', '*']);
    let (code, _) = digits(beginning(code, 40), "");
    (3..=16).contains(&code.len()).then_some(code)
}

/// A passcode that a `#` ends or a word announces, before another number begins.
fn announced(window: &str) -> Option<String> {
    let window = window.split('+').next().unwrap_or_default();
    let mut rest = window;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at_checked(at)?;
        let (code, length) = digits(from, "\u{a0} -");
        let after = from.get(length..).unwrap_or_default();
        let ended = after.trim_start().starts_with('#');
        let label = before.trim_end().ends_with([':', '：', '#', '=']) || told(before);
        if (3..=16).contains(&code.len()) && (ended || (label && told(before))) {
            return Some(code);
        }
        rest = after;
    }
    None
}

/// Words before a passcode, in lower case.
const WORDS: [&str; 38] = [
    "pin",
    "code",
    "passcode",
    "conference id",
    "meeting id",
    "access",
    "kennung",
    "konferenz-id",
    "zugang",
    "kennwort",
    "geheimzahl",
    "identifiant",
    "code d",
    "codice",
    "código",
    "clave",
    "contraseña",
    "senha",
    "toegangscode",
    "pincode",
    "kod",
    "kód",
    "hasło",
    "heslo",
    "код",
    "пароль",
    "пин",
    "κωδικός",
    "קוד",
    "رمز",
    "パスコード",
    "会议号",
    "密码",
    "암호",
    "暗証番号",
    "şifre",
    "adgangskode",
    "jelszó",
];

fn told(before: &str) -> bool {
    let lower = before.to_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialled(text: &str) -> Option<String> {
        first(text).map(|phone| phone.dialled().reveal().to_owned())
    }

    #[test]
    fn a_number_with_its_passcode_is_found() {
        for text in [
            "Dial +49 (30) 123-4567,,998877#",
            "tel:+49301234567,,998877#",
            "Phone: +49 30 1234567\r\nPIN: 998 877",
            "+49.30.123.4567 then enter 998877#",
            "Einwahl +49 30 1234567\nKonferenz-ID: 998 877#",
            "Konferenzcode 998 877#\nEinwahl 0049 (0)30 123 4567",
            "DE +49 30 1234567\nAT +43 1 2345678\nPIN: 998877#",
        ] {
            assert_eq!(dialled(text).as_deref(), Some("+49301234567,,998877#"), "{text}");
        }
    }

    #[test]
    fn a_number_of_somebody_is_nobodys_meeting() {
        for text in [
            "Ada, +49 30 1234567, office 4711",
            "Tel. +49 30 1234567\r\nFax +49 30 1234568",
            "1 + 2 = 3, code: 1234",
            "+49",
        ] {
            assert_eq!(dialled(text), None, "{text}");
        }
    }
}
