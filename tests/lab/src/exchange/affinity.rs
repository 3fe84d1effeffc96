//! Which of the back ends behind the one address answers a request.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderMap;
use http::header::COOKIE;

/// The cookie that names a back end.
pub const COOKIE_NAME: &str = "X-BackEndOverrideCookie";
/// The header without which the cookie is neither given nor taken.
pub const PREFER: &str = "X-PreferServerAffinity";
/// The header that names the mailbox whose back end is meant.
pub const ANCHOR: &str = "X-AnchorMailbox";

/// How much a client must do to meet the same back end again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rule {
    /// Preference and cookie; everything else goes round. Stricter than Exchange, whose anchor
    /// alone often suffices until a database moves.
    #[default]
    Cookie,
    /// Preference and cookie, else the back end of the anchor's mailbox, else round.
    Anchor,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The back end, from 0.
    pub back_end: usize,
    /// Whether the answer gives the cookie.
    pub give_cookie: bool,
}

/// The front's choice among back ends.
#[derive(Debug)]
pub struct Router {
    back_ends: usize,
    rule: Rule,
    domain: String,
    next: AtomicUsize,
}

impl Router {
    /// Chooses among `back_ends` hosts of `domain`; at least one.
    pub fn new(back_ends: usize, rule: Rule, domain: &str) -> Self {
        let domain = domain.to_owned();
        Self { back_ends: back_ends.max(1), rule, domain, next: AtomicUsize::new(0) }
    }

    /// Chooses by the request's headers; `home` knows the back end of a mailbox.
    pub fn route(&self, headers: &HeaderMap, home: impl FnOnce(&str) -> Option<usize>) -> Route {
        let prefer = headers
            .get(PREFER)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        if prefer && let Some(back_end) = self.named(headers) {
            return Route { back_end, give_cookie: false };
        }
        let anchored = (prefer && self.rule == Rule::Anchor)
            .then(|| headers.get(ANCHOR)?.to_str().ok())
            .flatten()
            .and_then(home)
            .filter(|back_end| *back_end < self.back_ends);
        let back_end =
            anchored.unwrap_or_else(|| self.next.fetch_add(1, Ordering::AcqRel) % self.back_ends);
        Route { back_end, give_cookie: prefer }
    }

    /// The host name of a back end, `ex02.corp.example`.
    pub fn host(&self, back_end: usize) -> String {
        format!("ex{:02}.{}", back_end + 1, self.domain)
    }

    /// The value of `Set-Cookie` that binds a client to a back end.
    pub fn set_cookie(&self, back_end: usize) -> String {
        format!("{COOKIE_NAME}={}; path=/; secure; HttpOnly", self.value(back_end))
    }

    /// Exchange names the host and its build, 15.2.1118.
    fn value(&self, back_end: usize) -> String {
        format!("{}~1942062622", self.host(back_end))
    }

    fn named(&self, headers: &HeaderMap) -> Option<usize> {
        let value = headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.split_once('='))
            .find(|(name, _)| name.trim() == COOKIE_NAME)
            .map(|(_, value)| value.trim())?;
        (0..self.back_ends).find(|back_end| self.value(*back_end) == value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn without_preference_and_cookie_requests_go_round() {
        let router = Router::new(3, Rule::Cookie, "corp.example");
        let cookie = router.set_cookie(2);
        let cookie = cookie.split(';').next().unwrap();
        for sent in [vec![], vec![("cookie", cookie)], vec![(ANCHOR, "a@corp.example")]] {
            let sent = headers(&sent);
            let met: Vec<_> = (0..3).map(|_| router.route(&sent, |_| Some(1)).back_end).collect();
            assert_eq!(met, [0, 1, 2]);
        }
    }

    #[test]
    fn the_cookie_that_was_given_binds() {
        let router = Router::new(3, Rule::Cookie, "corp.example");
        let first = router.route(&headers(&[(PREFER, "True")]), |_| None);
        assert!(first.give_cookie);
        let cookie = router.set_cookie(first.back_end);
        let cookie = format!("other=1; {}; more=2", cookie.split(';').next().unwrap());
        let sent = headers(&[(PREFER, "true"), ("cookie", &cookie)]);
        for _ in 0..4 {
            let route = router.route(&sent, |_| None);
            assert_eq!(route, Route { back_end: first.back_end, give_cookie: false });
        }
    }

    #[test]
    fn a_cookie_of_no_back_end_is_replaced() {
        let router = Router::new(2, Rule::Cookie, "corp.example");
        let cookie = format!("{COOKIE_NAME}=ex09.corp.example~1942062622");
        let sent = headers(&[(PREFER, "true"), ("cookie", &cookie)]);
        assert!(router.route(&sent, |_| None).give_cookie);
    }

    #[test]
    fn an_anchor_leads_home_where_the_rule_says_so() {
        let router = Router::new(3, Rule::Anchor, "corp.example");
        let sent = headers(&[(PREFER, "true"), (ANCHOR, "a@corp.example")]);
        for _ in 0..2 {
            let route = router.route(&sent, |address| (address == "a@corp.example").then_some(2));
            assert_eq!(route, Route { back_end: 2, give_cookie: true });
        }
    }
}
