//! The address behind the Join button.
//!
//! Known so far: a conference property, and a place that is itself one address. The table of
//! meeting services, bodies and rewritten links have their place here.

pub mod table;

use crate::model::{Meeting, Plain};

/// How a meeting is joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Join {
    /// `sip:` or `sips:` address.
    pub uri: Option<Plain>,
    /// `https:` address.
    pub url: Option<Plain>,
}

impl Join {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.uri.is_none() && self.url.is_none()
    }
}

/// Finds the address. The conference property goes before the place.
pub fn join(meeting: &Meeting) -> Join {
    let mut found = Join::default();
    for source in [&meeting.conference, &meeting.location] {
        let text = source.reveal().trim();
        if text.is_empty() || text.len() > 2_048 || text.contains(char::is_whitespace) {
            continue;
        }
        let scheme = text.split(':').next().unwrap_or_default().to_ascii_lowercase();
        match scheme.as_str() {
            "https" if found.url.is_none() => found.url = Some(Plain::new(text)),
            "sip" | "sips" if found.uri.is_none() => found.uri = Some(Plain::new(text)),
            _ => {}
        }
    }
    found
}
