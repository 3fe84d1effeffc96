//! An address of the web, taken apart as far as the table looks at it (RFC 3986).

/// Bytes of the longest address that is looked at: what rewriters nest has its place in it.
pub const ADDRESS_BYTES: usize = 8 * 1024;

/// Bytes of a host's name (RFC 1035).
const HOST_BYTES: usize = 253;

/// An address and its parts.
#[derive(Clone, Debug)]
pub(super) struct Address<'a> {
    /// As it was found.
    pub(super) whole: &'a str,
    /// Lower case, without a port and without a last dot.
    pub(super) host: String,
    /// From the first `/` on, or nothing.
    pub(super) path: &'a str,
    /// Without its `?`.
    pub(super) query: &'a str,
    /// Without its `#`.
    pub(super) fragment: &'a str,
}

impl<'a> Address<'a> {
    /// Takes `scheme://host…` apart; nothing where it has no host that could be one.
    pub(super) fn parse(whole: &'a str) -> Option<Self> {
        if whole.len() > ADDRESS_BYTES {
            return None;
        }
        let (scheme, rest) = whole.split_once("://")?;
        // Otherwise it is another address, with this one somewhere within.
        if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end)?;
        // What stands before an `@` is nobody's host, however much it looks like one.
        let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = host(authority)?;
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        Some(Self { whole, host, path, query, fragment })
    }

    /// As everybody writes it: scheme and host in lower case, and no dot behind the host.
    pub(super) fn canonical(&self) -> String {
        let whole = || {
            let (scheme, rest) = self.whole.split_once("://")?;
            let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
            let (authority, rest) = rest.split_at_checked(end)?;
            let (name, port) = match authority.rsplit_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (authority, None),
            };
            let plain = name.strip_suffix('.').unwrap_or(name) == self.host;
            if plain && !name.ends_with('.') && !scheme.contains(char::is_uppercase) {
                return None;
            }
            let port = port.map(|port| format!(":{port}")).unwrap_or_default();
            let same = name.strip_suffix('.').unwrap_or(name).to_lowercase() == self.host;
            let scheme = scheme.to_ascii_lowercase();
            same.then(|| format!("{scheme}://{}{port}{rest}", self.host))
        };
        whole().unwrap_or_else(|| self.whole.to_owned())
    }

    /// The value of a key of the query, as it stands there.
    pub(super) fn value(&self, key: &str) -> Option<&'a str> {
        value(self.query, key)
    }

    /// The last segment of the path.
    pub(super) fn last_segment(&self) -> &'a str {
        segments(self.path).last().unwrap_or_default()
    }
}

fn host(authority: &str) -> Option<String> {
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) => return None,
        None => authority,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let fits = |c: char| c.is_alphanumeric() || c == '-' || c == '.' || c == '_';
    let whole = !name.starts_with('.') && name.contains('.') && !name.contains("..");
    (whole && name.len() <= HOST_BYTES && name.chars().all(fits)).then(|| name.to_lowercase())
}

/// The segments of a path that are not empty.
pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// The value of a key of a query; case does not matter.
pub(super) fn value<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| {
        // Text that was made of a page by others keeps its references at times.
        let pair = pair.strip_prefix("amp;").unwrap_or(pair);
        let (own, value) = pair.split_once('=').unwrap_or((pair, ""));
        own.eq_ignore_ascii_case(key).then_some(value)
    })
}

/// Percent-encoding taken back; what is none stays. Nothing where that is no UTF-8, nor where the
/// text ends within it: that was cut.
pub(super) fn decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', _, _) if after.len() < 2 => return None,
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or_default());
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_the_one_that_a_browser_goes_to() {
        let host = |text: &str| Address::parse(text).map(|address| address.host);
        assert_eq!(host("https://Acme.Zoom.us:443/j/1").as_deref(), Some("acme.zoom.us"));
        assert_eq!(host("https://zoom.us@evil.example/j/1").as_deref(), Some("evil.example"));
        assert_eq!(host("https://zoom.us.?x").as_deref(), Some("zoom.us"));
        assert_eq!(host("https://evil.example\\@zoom.us/").as_deref(), Some("evil.example"));
        for none in [
            "https&#58;//a.b/?https://zoom.us/j/1",
            "https://",
            "https://localhost/x",
            "https://a..b/",
            "https://a.b:x/",
            "a.b/c",
        ] {
            assert_eq!(host(none), None, "{none}");
        }
    }

    #[test]
    fn an_address_is_told_as_everybody_writes_it() {
        let told = |text: &str| Address::parse(text).unwrap().canonical();
        assert_eq!(told("HTTPS://Acme.Zoom.us:443/J/1?A"), "https://acme.zoom.us:443/J/1?A");
        assert_eq!(told("https://zoom.us./j/1"), "https://zoom.us/j/1");
        assert_eq!(told("https://zoom.us/j/1"), "https://zoom.us/j/1");
    }

    #[test]
    fn parts_and_values_are_told_as_they_stand() {
        let address = Address::parse("https://a.example//b/c/?x=1&amp;Y=%2F&z#f?g").unwrap();
        assert_eq!((address.path, address.query), ("//b/c/", "x=1&amp;Y=%2F&z"));
        assert_eq!((address.fragment, address.last_segment()), ("f?g", "c"));
        let value = |key| address.value(key);
        assert_eq!((value("y"), value("z"), value("f")), (Some("%2F"), Some(""), None));
    }

    #[test]
    fn what_is_no_percent_encoding_stays() {
        assert_eq!(decoded("a%2Fb%zz").as_deref(), Some("a/b%zz"));
        assert_eq!((decoded("a%2"), decoded("a%")), (None, None));
        assert_eq!(decoded("%c3%a4").as_deref(), Some("ä"));
        assert_eq!(decoded("%ff"), None);
    }
}
