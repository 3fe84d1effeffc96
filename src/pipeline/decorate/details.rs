//! Join details: what the cloud answers to a keyword, and what of it may stand in an invitation.
//!
//! They come sealed, in `meeting.decorate`. Opened they are a JSON object of at most 64 KiB:
//!
//! ```json
//! {
//!   "kind": "myroom",
//!   "url": "https://meet.example.com/ada",
//!   "uri": "sip:ada@meet.example.com",
//!   "number": "2551 204 7312",
//!   "password": "p7Kq",
//!   "phones": [{"number": "+49 30 5550 1234", "label": "Germany", "tollFree": false}],
//!   "accessCode": "2551204",
//!   "host": "Ada Lovelace",
//!   "title": "Ada's room"
//! }
//! ```
//!
//! | member | | |
//! |---|---|---|
//! | `kind` | | `space`, `myroom` or `onetime`: what it is, whatever was asked for |
//! | `url` | `url` or `uri` must | `https:`, ASCII, without user or password, 2,048 bytes at most |
//! | `uri` | | `sip:` or `sips:`, ASCII, 256 bytes at most |
//! | `number` | | the meeting's number: 4 to 32 digits, with spaces or hyphens between them |
//! | `password` | | 128 characters at most |
//! | `phones` | | 20 at most |
//! | `phones[].number` | must | 3 to 20 digits, `+` before, ` -.()/` between them, 32 at most |
//! | `phones[].label` | | where one calls from: 100 characters at most |
//! | `phones[].tollFree` | | `true` where the call costs nothing |
//! | `accessCode` | | what the phone asks for: 32 digits, spaces, `#` and `*` at most |
//! | `host` | | who hosts it: 255 characters at most |
//! | `title` | | the name of the space or room: 255 characters at most |
//!
//! Empty texts and `null` are as if absent, members that are not known are passed over. No text has
//! control characters or line ends, nor the marks that turn the direction of what follows them
//! (U+202A to U+202E, U+2066 to U+2069). There is no member for a host's key or PIN: all invitees
//! read what is written.

use std::fmt;

use serde_json::{Map, Value};

use super::separator;
use crate::model::Plain;
use crate::pipeline::keyword::Mode;

/// Bytes of the JSON of join details.
pub const DETAILS_BYTES: usize = 64 * 1024;

/// Bytes of an `https:` address; longer ones are cut by clients on their way.
pub const URL_BYTES: usize = 2_048;

/// Bytes of a `sip:` address.
pub const URI_BYTES: usize = 256;

/// Phone numbers: more would push the agenda out of sight.
pub const PHONES: usize = 20;

/// Characters of a name, of a space or a person.
pub const NAME_CHARACTERS: usize = 255;

/// Characters of a password.
pub const PASSWORD_CHARACTERS: usize = 128;

/// Characters of where a phone number belongs to.
pub const LABEL_CHARACTERS: usize = 100;

/// Characters of a number that people dial or type.
pub const NUMBER_CHARACTERS: usize = 32;

/// How a meeting is joined, checked: whatever stands in it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinDetails {
    /// What kind of meeting it is, where the cloud says.
    pub kind: Option<Mode>,
    /// An `https:` address. This or `uri` is there.
    pub url: Option<Plain>,
    /// A `sip:` or `sips:` address for video systems.
    pub uri: Option<Plain>,
    /// The meeting's number, as people read it.
    pub number: Option<Plain>,
    /// The password.
    pub password: Option<Plain>,
    /// Numbers to call.
    pub phones: Vec<Phone>,
    /// What is asked for on the phone.
    pub access_code: Option<Plain>,
    /// The name of who hosts.
    pub host: Option<Plain>,
    /// The name of the space or room.
    pub title: Option<Plain>,
}

/// A phone number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    /// As people read it.
    pub number: Plain,
    /// Where one calls it from.
    pub label: Option<Plain>,
    /// Whether the call costs nothing.
    pub toll_free: bool,
}

/// What is wrong with join details: the member, and what is allowed. Never a value of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The member: `url`, `phones[3].number`; empty for the whole.
    pub member: String,
    /// What is allowed.
    pub why: &'static str,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.member.is_empty() {
            return write!(f, "join details: {}", self.why);
        }
        write!(f, "join details, {}: {}", self.member, self.why)
    }
}

impl std::error::Error for Wrong {}

impl JoinDetails {
    /// Reads what was opened.
    ///
    /// # Errors
    /// The first member that is missing or not as it must be.
    pub fn parse(opened: &Plain) -> Result<Self, Wrong> {
        let wrong = |why| Wrong { member: String::new(), why };
        if opened.reveal().len() > DETAILS_BYTES {
            return Err(wrong("more than 64 KiB"));
        }
        let Ok(Value::Object(object)) = serde_json::from_str(opened.reveal()) else {
            return Err(wrong("a JSON object is needed"));
        };
        let members = Members { place: String::new(), object: &object };
        let details = Self {
            kind: members.kind()?,
            url: members.text("url", URL, is_url)?,
            uri: members.text("uri", URI, is_uri)?,
            number: members.text("number", NUMBER, is_number)?,
            password: members.text("password", PASSWORD, |text| fits(text, PASSWORD_CHARACTERS))?,
            phones: members.phones()?,
            access_code: members.text("accessCode", CODE, is_code)?,
            host: members.text("host", NAME, |text| fits(text, NAME_CHARACTERS))?,
            title: members.text("title", NAME, |text| fits(text, NAME_CHARACTERS))?,
        };
        if details.url.is_none() && details.uri.is_none() {
            return Err(Wrong { member: "url".into(), why: "this or uri is needed" });
        }
        Ok(details)
    }
}

const URL: &str = "https:// with a host, ASCII without spaces, quotes and brackets, no user, \
                   2,048 bytes at most, is needed";
const URI: &str = "sip: or sips: with an address, ASCII without spaces, quotes and brackets, \
                   256 bytes at most, is needed";
const NUMBER: &str = "4 to 32 digits, with spaces or hyphens between them, are needed";
const CODE: &str = "digits, spaces, # and *, 32 at most, are needed";
const PASSWORD: &str = "128 characters at most, on one line, are allowed";
const NAME: &str = "255 characters at most, on one line, are allowed";
const LABEL: &str = "100 characters at most, on one line, are allowed";
const PHONE: &str = "a phone number with 3 to 20 digits, 32 characters at most, is needed";

/// The members of an object, each read once.
struct Members<'a> {
    /// What stands before their names.
    place: String,
    object: &'a Map<String, Value>,
}

impl Members<'_> {
    fn wrong(&self, name: &str, why: &'static str) -> Wrong {
        Wrong { member: format!("{}{name}", self.place), why }
    }

    /// A text, trimmed; `None` where it is absent or empty.
    fn text(
        &self,
        name: &str,
        why: &'static str,
        fits: impl Fn(&str) -> bool,
    ) -> Result<Option<Plain>, Wrong> {
        match self.object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) if fits(text.trim()) => Ok(Some(Plain::new(text.trim()))),
            Some(Value::String(_)) => Err(self.wrong(name, why)),
            Some(_) => Err(self.wrong(name, "a text is needed")),
        }
    }

    fn kind(&self) -> Result<Option<Mode>, Wrong> {
        match self.object.get("kind") {
            None | Some(Value::Null) => Ok(None),
            Some(kind) => match kind.as_str().and_then(Mode::parse) {
                None => Err(self.wrong("kind", "space, myroom or onetime is needed")),
                known => Ok(known),
            },
        }
    }

    fn phones(&self) -> Result<Vec<Phone>, Wrong> {
        let list = match self.object.get("phones") {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(list)) if list.len() <= PHONES => list,
            Some(_) => return Err(self.wrong("phones", "a list of 20 at most is needed")),
        };
        list.iter().enumerate().map(|(at, one)| self.phone(at, one)).collect()
    }

    fn phone(&self, at: usize, one: &Value) -> Result<Phone, Wrong> {
        let place = format!("phones[{at}]");
        let Value::Object(object) = one else {
            return Err(self.wrong(&place, "an object is needed"));
        };
        let members = Members { place: format!("{place}."), object };
        let number = members.text("number", PHONE, is_phone)?;
        Ok(Phone {
            number: number.ok_or_else(|| members.wrong("number", PHONE))?,
            label: members.text("label", LABEL, |text| fits(text, LABEL_CHARACTERS))?,
            toll_free: match object.get("tollFree") {
                None | Some(Value::Null) => false,
                Some(Value::Bool(free)) => *free,
                Some(_) => return Err(members.wrong("tollFree", "true or false is needed")),
            },
        })
    }
}

/// Whether a text may stand on a line beside others, and has so many characters at most.
fn fits(text: &str, most: usize) -> bool {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = |c: char| matches!(c, '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}');
    text.chars().count() <= most
        && !text.chars().any(|c| c.is_control() || turns(c) || breaks(c))
        && !marks(text)
}

/// Whether a text has a line in it that marks a block.
fn marks(text: &str) -> bool {
    separator::begins(text).is_some() || separator::ends(text).is_some()
}

/// ASCII that can stand in an address as it is, wherever a client looks for its end.
fn is_plain(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"<>\"'`\\^{|}".contains(&byte);
    text.bytes().all(fits) && !marks(text)
}

/// What follows a scheme, in any case.
fn after<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (own, rest) = text.split_at_checked(scheme.len())?;
    own.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn is_url(text: &str) -> bool {
    let Some(rest) = after(text, "https://").filter(|_| text.len() <= URL_BYTES) else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let named = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte));
    is_plain(text) && named && host.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

fn is_uri(text: &str) -> bool {
    let rest = after(text, "sips:").or_else(|| after(text, "sip:"));
    rest.is_some_and(|rest| !rest.is_empty()) && is_plain(text) && text.len() <= URI_BYTES
}

/// So many digits, with these marks between them.
fn digits(text: &str, marks: &str, least: usize, most: usize) -> bool {
    let count = text.bytes().filter(u8::is_ascii_digit).count();
    text.chars().all(|c| c.is_ascii_digit() || marks.contains(c))
        && (least..=most).contains(&count)
        && text.len() <= NUMBER_CHARACTERS
}

fn is_number(text: &str) -> bool {
    digits(text, " -", 4, NUMBER_CHARACTERS)
}

fn is_code(text: &str) -> bool {
    digits(text, " #*", 1, NUMBER_CHARACTERS)
}

fn is_phone(text: &str) -> bool {
    let (first, rest) = text.split_at_checked(1).unwrap_or_default();
    let plus = first == "+";
    digits(if plus { rest } else { text }, " -.()/", 3, 20) && text.len() <= NUMBER_CHARACTERS
}

#[cfg(test)]
#[path = "details_tests.rs"]
mod tests;
