//! Which version of the protocol the cloud announced: what it does not have is not sent to it.

use std::sync::atomic::{AtomicU32, Ordering};

use http::HeaderMap;

/// Of version 1, which the paths of the protocol name, the minor one.
#[derive(Debug, Default)]
pub(super) struct Announced(AtomicU32);

impl Announced {
    /// Every answer of the cloud names it; what others on the way answer does not.
    pub(super) fn hear(&self, headers: &HeaderMap) {
        let told = headers.get("relay-version").and_then(|value| value.to_str().ok());
        let minor = told.and_then(|told| told.trim().strip_prefix("1.")?.parse().ok());
        if let Some(minor) = minor {
            self.0.store(minor, Ordering::Relaxed);
        }
    }

    /// 0 before the first word: all versions have that.
    pub(super) fn minor(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_version_that_was_told_counts_and_what_is_none_does_not() {
        let announced = Announced::default();
        let heard = |told: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            let value = told.map(http::HeaderValue::from_static);
            headers
                .extend(value.map(|value| (http::HeaderName::from_static("relay-version"), value)));
            announced.hear(&headers);
            announced.minor()
        };
        assert_eq!(heard(None), 0);
        assert_eq!(heard(Some("1.2")), 2);
        for strange in [None, Some(""), Some("2.0"), Some("1"), Some("1.x"), Some("1.-1")] {
            assert_eq!(heard(strange), 2, "{strange:?}");
        }
        assert_eq!(heard(Some("1.12")), 12);
        assert_eq!(heard(Some("1.0")), 0, "a cloud that went back to an older program");
    }
}
