//! What a video device needs beside the address: Teams' conference id and tenant key, and the
//! number of a Webex meeting.

use memchr::memchr_iter;

use super::address::{Address, value};
use super::known::Known;
use super::scan::beginning;
use crate::model::Plain;

/// Bytes behind a tenant key in which the conference id stands.
const REACH_BYTES: usize = 400;

/// What a device needs. Each is there only where the invitation has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Digits of the Teams meeting for devices of other makers (Cloud Video Interop).
    pub teams_conference: Option<Plain>,
    /// The tenant key that goes with it: `name@host`.
    pub teams_tenant_key: Option<Plain>,
    /// Digits of the Webex meeting.
    pub webex_number: Option<Plain>,
}

/// Looks for what goes with a Teams meeting: in its invitation a key stands on a host that the
/// table names, the conference id behind it.
pub(super) fn teams(known: &Known, text: &str, links: &[String]) -> Device {
    for link in links {
        if let Some(found) = teams_link(link) {
            return found;
        }
    }
    let mut found = Device::default();
    let mut behind = 0;
    for at in memchr_iter(b'@', text.as_bytes()).take(256) {
        if at < behind {
            continue;
        }
        let before = text.get(behind..at).unwrap_or_default();
        let is_name = |c: &char| c.is_ascii_alphanumeric() || "._-".contains(*c);
        let name: usize = before.chars().rev().take(64).take_while(is_name).count();
        let rest = text.get(at + 1..).unwrap_or_default();
        let window = beginning(rest, 253);
        let of_host = |c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-');
        let length = window.find(of_host).unwrap_or(window.len());
        let host = window.get(..length).unwrap_or_default().trim_end_matches('.');
        behind = at + 1 + length;
        let known = known.dials(&host.to_ascii_lowercase()).is_some_and(|s| s.id == "teams");
        let key = text.get(at - name..at + 1 + host.len()).unwrap_or_default();
        let is_key = known || key.starts_with("teams@");
        if name == 0 || !is_key {
            continue;
        }
        let reach = beginning(rest.get(length..).unwrap_or_default(), REACH_BYTES);
        found.teams_conference = number(reach, 9..=13).map(Plain::new);
        if known || found.teams_conference.is_some() {
            found.teams_tenant_key = Some(Plain::new(key));
            return found;
        }
    }
    found
}

/// The page with instructions for other devices names both.
fn teams_link(link: &str) -> Option<Device> {
    let address = Address::parse(link)?;
    let plain = |text: &str| Plain::new(text);
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.len() >= 9;
    if address.host.ends_with("webex.com") && address.path.trim_end_matches('/') == "/msteams" {
        let conference = value(address.query, "confid").filter(|id| digits(id))?;
        let (key, domain) = (address.value("tenantkey")?, address.value("domain")?);
        return Some(Device {
            teams_conference: Some(plain(conference)),
            teams_tenant_key: Some(Plain::new(format!("{key}@{domain}"))),
            webex_number: None,
        });
    }
    None
}

/// The number of a Webex meeting: of its address for video devices, or of the text.
pub(super) fn webex(uri: Option<&str>, text: &str) -> Option<Plain> {
    let of_uri = uri.and_then(|uri| {
        let (user, host) = uri.strip_prefix("sip:")?.split_once('@')?;
        let digits = user.bytes().all(|byte| byte.is_ascii_digit()) && user.len() >= 9;
        (digits && host.ends_with(".webex.com")).then(|| user.to_owned())
    });
    of_uri.or_else(|| number(beginning(text, 64 * 1024), 9..=12)).map(Plain::new)
}

/// The first number behind a colon that has so many digits, perhaps in groups, and is no
/// telephone's.
fn number(text: &str, of: std::ops::RangeInclusive<usize>) -> Option<String> {
    let mut rest = text;
    while let Some(at) = rest.find([':', '：']) {
        let after = rest.get(at..)?.trim_start_matches([':', '：']);
        let from = after.trim_start_matches(|c: char| c.is_whitespace() || c == '*');
        let mut digits = String::new();
        let mut length = 0;
        for (at, c) in from.char_indices().take(40) {
            match c {
                c if c.is_ascii_digit() => {
                    digits.push(c);
                    length = at + 1;
                }
                ' ' | '\u{a0}' | '-' if !digits.is_empty() => {}
                _ => break,
            }
        }
        // Dates and times have other marks behind their digits.
        let next = from.get(length..).and_then(|rest| rest.chars().next());
        let ends = next.is_none_or(|c| !c.is_alphanumeric() && !".:/@".contains(c));
        if of.contains(&digits.len()) && ends {
            return Some(digits);
        }
        rest = after;
    }
    None
}
