//! The names of hosts as they are compared: each host has one form.

use std::net::Ipv6Addr;

use idna::AsciiDenyList;

/// The longest name that DNS knows, in characters (RFC 1035, 2.3.4).
const LONGEST: usize = 253;
/// The longest part of it.
const LONGEST_PART: usize = 63;

/// The one form of a host's name: lower case, without the last dot, with other letters than ASCII's
/// as DNS has them (UTS 46); an IPv6 address as RFC 5952 writes it, without brackets. `None` where
/// it is no host: it is empty, carries a port, a scheme or a pattern.
pub fn plain(host: &str) -> Option<String> {
    let host = host.trim();
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Some(address) = inner.or_else(|| host.contains(':').then_some(host)) {
        let address = address.parse::<Ipv6Addr>().ok()?;
        return Some(address.to_canonical().to_string());
    }
    let name = match host.is_ascii() {
        true => host.to_ascii_lowercase(),
        false => {
            let name = idna::domain_to_ascii_cow(host.as_bytes(), AsciiDenyList::URL);
            name.ok()?.into_owned()
        }
    };
    // A last dot only says that the name is whole.
    let name = name.trim_end_matches('.');
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let part =
        |part: &str| !part.is_empty() && part.len() <= LONGEST_PART && part.chars().all(letter);
    (name.len() <= LONGEST && name.split('.').all(part)).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_has_one_form() {
        for (written, expected) in [
            ("mail.corp.example", Some("mail.corp.example")),
            (" Mail.CORP.example. ", Some("mail.corp.example")),
            ("büro.example", Some("xn--bro-hoa.example")),
            ("BÜRO.example", Some("xn--bro-hoa.example")),
            ("XN--BRO-HOA.example", Some("xn--bro-hoa.example")),
            ("mail。corp.example", Some("mail.corp.example")),
            ("ｍail.corp.example", Some("mail.corp.example")),
            ("[2001:DB8:0:0::1]", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[::ffff:192.0.2.1]", Some("192.0.2.1")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("_sip.corp.example", Some("_sip.corp.example")),
            ("mail.corp.example:443", None),
            ("[2001:db8::1]:443", None),
            ("[fe80::1%eth0]", None),
            ("https://mail.corp.example/", None),
            ("*.corp.example", None),
            ("ann@corp.example", None),
            ("a b", None),
            ("a..b", None),
            ("ö\0.example", None),
            ("", None),
            (".", None),
        ] {
            assert_eq!(plain(written).as_deref(), expected, "{written:?}");
        }
        assert_eq!(plain(&"a".repeat(64)), None);
        assert_eq!(plain(&["a".repeat(63).as_str(); 4].join(".")), None);
    }
}
