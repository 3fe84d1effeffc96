//! Addresses that a video device dials: `sip:`, `sips:`, `h323:`, and `12345@company.com`.

use memchr::memchr_iter;

use super::known::Known;
use super::scan::{beginning, last};
use crate::model::Meeting;

/// Bytes of the longest such address that is taken.
const ADDRESS_BYTES: usize = 320;

/// Addresses of one text that are looked at.
const ADDRESSES: usize = 512;

/// Bytes before an address in which a word may say what it is for.
const WORDS_BYTES: usize = 160;

/// Words that announce an address for a video device, in lower case, in the languages that
/// invitations were seen in. A mail address of digits alone has none of them before it.
const WORDS: [&str; 22] = [
    "sip",
    "h.323",
    "h323",
    "video",
    "vidéo",
    "vídeo",
    "wideo",
    "видео",
    "відео",
    "视频",
    "視訊",
    "ビデオ",
    "비디오",
    "βίντεο",
    "וידאו",
    "الفيديو",
    "room system",
    "endpoint",
    "raumsystem",
    "cihaz",
    "videó",
    "dial",
];

/// An address and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dialled {
    /// With its scheme.
    pub(super) uri: String,
    /// Id of the service on whose host it is.
    pub(super) service: Option<&'static str>,
}

/// In a place bare digits before a host are an address; in a body something must say so.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    Place,
    Body,
}

/// The first address of a text. An address of SIP goes before one of H.323.
pub(super) fn first(known: &Known, meeting: &Meeting, text: &str, place: Where) -> Option<Dialled> {
    let (mut behind, mut h323) = (0, None);
    for at in memchr_iter(b'@', text.as_bytes()).take(ADDRESSES) {
        if at < behind {
            continue;
        }
        let before = text.get(behind..at).unwrap_or_default();
        let length = before.bytes().rev().take(ADDRESS_BYTES).take_while(is_local).count();
        let local = before.get(before.len() - length..).unwrap_or_default();
        let begin = at - length;
        let host = host(text.get(at + 1..).unwrap_or_default());
        behind = at + 1 + host.len();
        let Some(found) = read(known, meeting, text, (begin, local, host), place) else { continue };
        if found.uri.starts_with("h323:") {
            h323 = h323.or(Some(found));
        } else {
            return Some(found);
        }
    }
    h323
}

fn is_local(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-+:%*#!".contains(byte)
}

/// The host that a text begins with, with a port and parameters as an address of SIP has them.
fn host(rest: &str) -> &str {
    let window = beginning(rest, ADDRESS_BYTES);
    let end = window
        .find(|c: char| !(c.is_ascii_alphanumeric() || ".-:;=_".contains(c)))
        .unwrap_or(window.len());
    window.get(..end).unwrap_or_default().trim_end_matches(['.', ':', ';', '-', '=', '_'])
}

fn read(
    known: &Known,
    meeting: &Meeting,
    text: &str,
    (begin, local, host): (usize, &str, &str),
    place: Where,
) -> Option<Dialled> {
    let name = host.split([':', ';']).next().unwrap_or_default().to_ascii_lowercase();
    if !name.contains('.') || name.contains("..") || local.len() + host.len() > ADDRESS_BYTES {
        return None;
    }
    let of = known.dials(&name).map(|service| service.id);
    let (scheme, user) = match local.rsplit_once(':') {
        Some((before, user)) => {
            let lower = before.to_ascii_lowercase();
            let scheme = ["sips", "sip", "h323"].into_iter().find(|own| lower.ends_with(own));
            // `mailto:` and words that a colon ends.
            (scheme, user)
        }
        None => (None, local),
    };
    let mail = local.to_ascii_lowercase().contains("mailto:");
    // Behind the number a passcode may stand, with a dot between.
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let digits = user.len() >= 3 && user.split('.').take(3).all(number);
    let told = || {
        let before = text.get(..begin).unwrap_or_default();
        announced(last(before, WORDS_BYTES))
    };
    if user.is_empty() || mail {
        return None;
    }
    let takes = match (scheme, place) {
        (Some(_), Where::Place) => true,
        // In a signature it is somebody's own.
        (Some(_), Where::Body) => digits || of.is_some() || !is_person(meeting, user, &name),
        (None, Where::Place) => digits,
        (None, Where::Body) => digits && (of.is_some() || told()),
    };
    // Chat clients write `conf:sip:…;gruu;…`, which no device dials.
    let dialled = !host.contains("gruu") && !host.contains(";opaque");
    let uri = || format!("{}:{user}@{host}", scheme.unwrap_or("sip"));
    (takes && dialled).then(|| Dialled { uri: uri(), service: of })
}

/// Whether it is the mail address of somebody who is asked to come, or who asks.
fn is_person(meeting: &Meeting, user: &str, host: &str) -> bool {
    let own = format!("{user}@{host}");
    let people = meeting.organizer.iter().chain(meeting.participants.iter().map(|p| &p.person));
    let mut addresses = people.filter_map(|person| person.address.as_ref());
    addresses.any(|address| address.reveal().eq_ignore_ascii_case(&own))
}

fn announced(before: &str) -> bool {
    let lower = before.to_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
}
