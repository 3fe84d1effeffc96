//! How far redirects were followed: ten at most, and never in a circle.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::MOST_HOPS;
use crate::model::Fault;

/// The way to one question.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    hops: u8,
    /// Hashes: a place may be a person's address.
    seen: Vec<u64>,
}

fn hash(place: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    place.to_ascii_lowercase().hash(&mut hasher);
    hasher.finish()
}

impl Trail {
    /// It passes here, without a redirect.
    #[must_use]
    pub(super) fn past(&self, place: &str) -> Self {
        let mut longer = self.clone();
        longer.seen.push(hash(place));
        longer
    }

    /// One redirect further.
    ///
    /// # Errors
    /// [`Next::Refused`](crate::model::Next) where it was there before, or it is one too many.
    pub(super) fn to(&self, place: &str) -> Result<Self, Fault> {
        if self.seen.contains(&hash(place)) {
            return Err(Fault::refused("Autodiscover redirects in a circle"));
        }
        if self.hops >= MOST_HOPS {
            return Err(Fault::refused("Autodiscover redirects more than ten times"));
        }
        let mut longer = self.past(place);
        longer.hops += 1;
        Ok(longer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_redirects_are_followed_and_no_circle() {
        let mut trail = Trail::default().past("https://a.example/0");
        for hop in 1..=10 {
            trail = trail.to(&format!("https://a.example/{hop}")).unwrap();
        }
        assert!(trail.to("https://a.example/11").is_err());
        let trail = Trail::default().past("https://a.example/").to("https://b.example/").unwrap();
        assert!(trail.to("https://A.example/").is_err());
        assert!(trail.to("https://c.example/").is_ok());
    }

    #[test]
    fn a_trail_does_not_show_whose_it_is() {
        let trail = Trail::default().past("ann@corp.example").to("bob@corp.example").unwrap();
        assert!(!format!("{trail:?}").contains("corp"), "{trail:?}");
    }
}
