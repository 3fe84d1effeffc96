//! Links that a mail filter or a mail client rewrote, as they were before.
//!
//! **Promise.** At most [`DEEPEST`] rewritings are taken off, each in one pass, so that no link,
//! however malformed, takes longer than its length; what cannot be taken off says so.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::address::{Address, decoded, segments};
use super::proofpoint;

/// Rewritings of one link that are taken off. Each mail system on the way adds one; five were seen.
pub const DEEPEST: usize = 8;

/// What a link leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unwrapped {
    /// Nobody rewrote it.
    Plain,
    /// This.
    To(String),
    /// It was rewritten, and what it was cannot be read from it.
    Broken,
}

/// Who rewrites, and how.
pub(super) const REWRITERS: &[(&str, &[&str], Way)] = &[
    ("Microsoft Safe Links", &["*.safelinks.protection.outlook.com"], Way::Value(&["url"])),
    ("Microsoft Safe Links", &["*.safelinks.protection.office365.us"], Way::Value(&["url"])),
    ("Microsoft Safe Links", &["*.safelinks.protection.partner.outlook.cn"], Way::Value(&["url"])),
    ("Microsoft Safe Links", &["*.safelink.emails.azure.net"], Way::Value(&["destination"])),
    ("Microsoft Safe Links", &["statics.teams.cdn.office.net"], Way::Value(&["url"])),
    ("Proofpoint v1, v2, v3", &["urldefense.proofpoint.com"], Way::Proofpoint),
    ("Proofpoint v3", &["urldefense.com", "urldefense.us"], Way::Proofpoint),
    ("Mimecast", &["*.mimecast.com", "*.mimecastprotect.com"], Way::Mimecast),
    ("Barracuda", &["linkprotect.cudasvc.com"], Way::Value(&["a"])),
    ("Google", &["www.google.com", "google.com"], Way::ValueOn("/url", &["q", "url"])),
    ("Cisco Secure Email", &["secure-web.cisco.com"], Way::LastSegment),
    ("Trend Micro", &["*.trendmicro.com", "*.trendmicro.eu"], Way::Value(&["url"])),
    ("Sophos", &["*.protection.sophos.com"], Way::Base64("u")),
    ("FireEye, Trellix", &["*.fireeye.com", "*.trellix.com"], Way::Value(&["u"])),
    ("Symantec", &["clicktime.symantec.com", "*.symantec.com"], Way::Value(&["u"])),
    ("Cyren", &["clicktime.cloud.postoffice.net"], Way::Value(&["u"])),
    ("Avanan", &["avanan.url-protection.com", "*.url-protection.com"], Way::Value(&["o"])),
    ("Avanan", &["url.avanan.click", "*.avanan.click"], Way::Underscores),
    ("Check Point", &["protect.checkpoint.com"], Way::Underscores),
    ("Zix", &["link.zixcentral.com"], Way::Value(&["u"])),
    ("Libraesva", &["urlsand.esvalabs.com", "*.esvalabs.com"], Way::Value(&["u"])),
    ("TitanHQ", &["linklock.titanhq.com"], Way::Value(&["url"])),
    ("Slack", &["slack-redir.net"], Way::Value(&["url"])),
    ("LinkedIn", &["www.linkedin.com", "linkedin.com"], Way::ValueOn("/safety/go", &["url"])),
    ("LinkedIn", &["www.linkedin.com"], Way::ValueOn("/redir/redirect", &["url"])),
    ("Facebook", &["l.facebook.com", "lm.facebook.com"], Way::ValueOn("/l.php", &["u"])),
    ("VK", &["vk.com", "m.vk.com"], Way::ValueOn("/away.php", &["to"])),
    ("Yandex", &["sba.yandex.net", "sba.yandex.ru"], Way::Value(&["url"])),
    ("Mail.ru", &["checklink.mail.ru"], Way::Value(&["url"])),
    ("QQ Mail", &["mail.qq.com", "exmail.qq.com"], Way::Value(&["gourl"])),
];

/// Where in a rewritten link the link stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// Percent-encoded in the first of these keys.
    Value(&'static [&'static str]),
    /// As `Value`, on this path alone.
    ValueOn(&'static str, &'static [&'static str]),
    /// Base64 in this key.
    Base64(&'static str),
    /// Percent-encoded as the last segment of the path.
    LastSegment,
    /// As it is, between `___` and `___`.
    Underscores,
    /// Proofpoint's three.
    Proofpoint,
    /// In `url`; `domain` tells no more than the host, which has pages of help as well.
    Mimecast,
}

/// Takes all rewritings off.
pub(super) fn unwrap(address: &Address<'_>) -> Unwrapped {
    let mut found = once(address);
    for _ in 1..DEEPEST {
        let next = match &found {
            Unwrapped::To(text) => Address::parse(text).map(|address| once(&address)),
            _ => return found,
        };
        match next {
            Some(Unwrapped::Plain) | None => return found,
            Some(next) => found = next,
        }
    }
    // Somebody nests on purpose.
    match &found {
        Unwrapped::To(text)
            if Address::parse(text).is_some_and(|a| once(&a) != Unwrapped::Plain) =>
        {
            Unwrapped::Broken
        }
        _ => found,
    }
}

fn once(address: &Address<'_>) -> Unwrapped {
    let host = address.host.as_str();
    let is = |own: &&str| match own.strip_prefix("*.") {
        Some(below) => host.strip_suffix(below).is_some_and(|rest| rest.ends_with('.')),
        None => *own == host,
    };
    for (_, hosts, way) in REWRITERS {
        if !hosts.iter().any(&is) {
            continue;
        }
        let on = |path: &str| address.path.trim_end_matches('/').eq_ignore_ascii_case(path);
        let link = match way {
            Way::ValueOn(path, _) if !on(path) => continue,
            Way::Value(keys) | Way::ValueOn(_, keys) => {
                keys.iter().find_map(|key| decoded(address.value(key)?))
            }
            Way::Base64(key) => address.value(key).and_then(base64),
            Way::LastSegment => decoded(address.last_segment()),
            Way::Underscores => underscores(address.whole),
            Way::Proofpoint => proofpoint::read(address),
            Way::Mimecast if !is_mimecast(address) => return Unwrapped::Plain,
            Way::Mimecast => ["url", "u"].iter().find_map(|key| decoded(address.value(key)?)),
        };
        return link.and_then(link_or_none).map_or(Unwrapped::Broken, Unwrapped::To);
    }
    Unwrapped::Plain
}

/// Only what is a link comes out; a browser would not follow anything else either.
fn link_or_none(text: String) -> Option<String> {
    let mut text = text.trim().to_owned();
    // Encoded once more than needed.
    for _ in 0..2 {
        let begin = text.get(..10).unwrap_or_default().to_ascii_lowercase();
        if begin.starts_with("http%") || begin.starts_with("https%") {
            text = decoded(&text)?;
        }
    }
    let begins = |scheme: &str| {
        text.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
    };
    let clean = !text.contains(|c: char| c.is_control() || c.is_whitespace() || "<>\"".contains(c));
    let text = match begins("https://") || begins("http://") || begins("zoommtg://") {
        true => text.clone(),
        false if begins("https:/") => text.replacen(":/", "://", 1),
        false => return None,
    };
    (clean && Address::parse(&text).is_some()).then_some(text)
}

fn base64(value: &str) -> Option<String> {
    let text = decoded(value)?;
    let text = text.trim_end_matches('=');
    let bytes = STANDARD_NO_PAD.decode(text).or_else(|_| URL_SAFE_NO_PAD.decode(text)).ok()?;
    String::from_utf8(bytes).ok()
}

fn underscores(whole: &str) -> Option<String> {
    let (_, rest) = whole.split_once("/___")?;
    let (link, _) = rest.split_once("___")?;
    Some(link.to_owned())
}

/// Their own pages are no rewritten links.
fn is_mimecast(address: &Address<'_>) -> bool {
    let first = segments(address.path).next();
    first.is_some_and(|first| first == "s" || first == "r") || address.value("url").is_some()
}
