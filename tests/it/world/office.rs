//! The administrator and his list, and the second, stupid opinion on who may be sent what.

use std::collections::{BTreeMap, BTreeSet};

use calway::calendar::ews::discover::{Answer, Step};
use calway::model::{Span, TrustEntry, Verdict};
use http::Uri;

use super::dice::Dice;
use super::network::{CLOUD, DOMAIN, OTHER, PARTNERS, THIEVES};
use super::play::Held;

/// A hunt may have begun with the list of before, and waited for another one.
const HEARD_WITHIN: Span = Span::from_secs(300);

/// A request for a mailbox goes by a list that is no older than half a minute.
const STOPS_WITHIN: Span = Span::from_secs(60);

/// Who was vouched for by whom.
#[derive(Debug, Default)]
pub struct Office {
    /// By the directory, at any time.
    named: BTreeSet<String>,
    /// By the administrator, at any time.
    allowed: BTreeSet<String>,
    /// Since when (monotonic) a host is blocked, and everybody could have heard of it.
    blocked: BTreeMap<String, i64>,
}

/// The host of an address.
pub fn host_of(url: &Uri) -> String {
    url.host().unwrap_or_default().to_ascii_lowercase()
}

impl Office {
    /// What he will say now, of hosts that wait and of others. He is no fool.
    pub fn choose(
        &self,
        list: &[TrustEntry],
        calm: bool,
        dice: &mut Dice,
    ) -> Vec<(String, Verdict)> {
        let mut words = Vec::new();
        let honest = PARTNERS.iter().map(|host| (*host).to_owned());
        let honest = honest.chain([format!("autodiscover.{OTHER}")]);
        let servers = (0..3).map(|n| format!("ex{n}.{DOMAIN}"));
        for host in honest.chain(servers) {
            let entry = list.iter().find(|entry| entry.host == host).map(|entry| entry.verdict);
            let verdict = match entry {
                // Whoever was not met is not on his list.
                Some(Verdict::Allowed) | None if calm => continue,
                Some(_) if calm => Verdict::Allowed,
                Some(Verdict::Pending) if dice.one_in(2) => Verdict::Allowed,
                Some(Verdict::Blocked) if dice.one_in(2) => Verdict::Allowed,
                Some(Verdict::Allowed) | None if dice.one_in(25) => Verdict::Blocked,
                _ => continue,
            };
            words.push((host, verdict));
        }
        for entry in list.iter().filter(|entry| THIEVES.contains(&entry.host.as_str())) {
            if entry.verdict == Verdict::Pending && dice.one_in(3) {
                words.push((entry.host.clone(), Verdict::Blocked));
            }
        }
        words
    }

    /// He said so, and it stands on the disk.
    pub fn decided(&mut self, host: &str, verdict: Verdict, now: i64) {
        if verdict == Verdict::Blocked {
            self.blocked.entry(host.to_owned()).or_insert(now);
        } else {
            self.allowed.insert(host.to_owned());
            self.blocked.remove(host);
        }
    }

    /// The list could not be read: whoever has an old one goes on with it.
    pub fn unread(&mut self, now: i64) {
        for since in self.blocked.values_mut() {
            *since = now;
        }
    }

    /// The list is lost, and with it what a directory said.
    pub fn lose(&mut self) {
        *self = Self::default();
    }

    fn stopped(&self, host: &str, now: i64, within: Span) -> bool {
        self.blocked.get(host).is_some_and(|since| now - since > within.as_ms() as i64)
    }

    /// Whether this may go out.
    pub fn may_go(&self, step: &Step, now: i64) -> Held {
        may_go(step, |host| {
            let vouched = self.named.contains(host) || self.allowed.contains(host);
            (vouched || is_own(host)) && !self.stopped(host, now, HEARD_WITHIN)
        })
    }

    /// Whether a mailbox may be asked for there.
    pub fn may_ask(&self, url: &Uri, now: i64) -> Held {
        let host = host_of(url);
        if !host.ends_with(&format!(".{DOMAIN}")) {
            return Err(format!("{host} is asked for a mailbox"));
        }
        if self.stopped(&host, now, STOPS_WITHIN) {
            return Err(format!("{host} is asked for a mailbox, and is blocked"));
        }
        Ok(())
    }

    /// What a directory names is vouched for.
    pub fn learns(&mut self, answer: &Answer) {
        self.named.extend(named(answer));
    }
}

fn is_own(host: &str) -> bool {
    host == DOMAIN || host == format!("autodiscover.{DOMAIN}")
}

/// Hosts that a directory vouches for; for Microsoft 365 it cannot.
pub fn named(answer: &Answer) -> Vec<String> {
    let Answer::Points(Ok(found)) = answer else { return Vec::new() };
    let urls = found.points.iter().flat_map(|point| &point.bindings);
    let urls = urls.filter_map(|text| text.parse::<Uri>().ok());
    let hosts = urls.filter(|url| url.scheme_str() == Some("https")).map(|url| host_of(&url));
    hosts.filter(|host| host != CLOUD).collect()
}

/// Whether a step may go out, where these are vouched for beside the domain's own hosts.
pub fn may_go(step: &Step, is_vouched_for: impl Fn(&str) -> bool) -> Held {
    let url = match step {
        Step::Search(server) => {
            let name = server.as_ref().map(|server| server.host.as_str()).unwrap_or_default();
            return match name.is_empty() || name.ends_with(&format!(".{DOMAIN}")) {
                true => Ok(()),
                false => Err(format!("the directory {name} is searched")),
            };
        }
        Step::Services(_) => return Ok(()),
        Step::LookPlain(url) => {
            let own = host_of(url) == format!("autodiscover.{DOMAIN}");
            return match own && url.scheme_str() == Some("http") {
                true => Ok(()),
                false => Err(format!("{url} is looked at")),
            };
        }
        Step::Look(url) | Step::Settings(url, _) | Step::Pox(url, _) | Step::Json(url, _) => url,
    };
    let host = host_of(url);
    if url.scheme_str() != Some("https") || !is_vouched_for(&host) {
        return Err(format!("{host} is sent {step:?}, and nobody vouched for it"));
    }
    Ok(())
}
