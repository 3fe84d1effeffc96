//! Whom credentials may be sent to.

use std::collections::HashMap;

use crate::model::{TrustEntry, Verdict};
use crate::net::name;

/// Hosts below these belong to Microsoft 365, where impersonation by an on-premises account ends.
const CLOUD: [&str; 9] = [
    "cloud.microsoft",
    "outlook.com",
    "office365.com",
    "office365.us",
    "onmicrosoft.com",
    "onmicrosoft.us",
    "outlook.cn",
    "onmschina.cn",
    "outlook.office.com",
];

/// The hosts that are vouched for, and the trust list.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    vouched: Vec<String>,
    /// By a directory, for one hunt.
    named: Vec<String>,
    listed: HashMap<String, Verdict>,
}

/// How a host stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It may be asked.
    Trusted,
    /// Nobody vouched for it.
    Unknown,
    /// It is passed over.
    Blocked,
    /// Microsoft 365.
    Cloud,
}

impl Hosts {
    /// `vouched` are host names, or `*.example.com` for all below; the list's verdicts come on top.
    pub fn new(
        vouched: impl IntoIterator<Item = String>,
        listed: impl IntoIterator<Item = TrustEntry>,
    ) -> Self {
        let mut verdicts = HashMap::new();
        for TrustEntry { host, verdict, .. } in listed {
            // Where a host stands there twice, in an old form and in its own, what blocks counts.
            let known = verdicts.entry(plain(&host)).or_insert(verdict);
            if *known != Verdict::Blocked {
                *known = verdict;
            }
        }
        let vouched = vouched.into_iter().map(|host| plain(&host)).collect();
        Self { vouched, named: Vec::new(), listed: verdicts }
    }

    /// Whether an administrator blocked the host of this address.
    pub fn blocks(&self, url: &http::Uri) -> bool {
        let blocks = |verdict: &Verdict| *verdict == Verdict::Blocked;
        self.listed.values().any(blocks)
            && self.standing(url.host().unwrap_or_default()) == Standing::Blocked
    }

    /// One that the directory names, for this hunt.
    pub(super) fn name(&mut self, host: &str) {
        let host = plain(host);
        if !self.named.contains(&host) {
            self.named.push(host);
        }
    }

    /// An administrator's word is the last; what blocks stands above what vouches. Half of an
    /// organisation may be in Microsoft 365, and the directory names it: our account's password is
    /// of no use there, and none of its business.
    pub(super) fn standing(&self, host: &str) -> Standing {
        let host = plain(host);
        match self.listed.get(&host) {
            Some(Verdict::Blocked) => return Standing::Blocked,
            Some(Verdict::Allowed) => return Standing::Trusted,
            Some(Verdict::Pending) | None => {}
        }
        if self.vouched.iter().any(|known| covers(known, &host)) {
            Standing::Trusted
        } else if is_cloud(&host) {
            Standing::Cloud
        } else if self.named.contains(&host) {
            Standing::Trusted
        } else {
            Standing::Unknown
        }
    }
}

/// A host, or `*.` and a domain, as they are compared. What is no host's name is like no other.
pub(super) fn plain(host: &str) -> String {
    let below = host.strip_prefix("*.").and_then(name::plain).map(|domain| format!("*.{domain}"));
    let plain = below.or_else(|| name::plain(host));
    plain.unwrap_or_else(|| host.trim_end_matches('.').to_ascii_lowercase())
}

fn covers(known: &str, host: &str) -> bool {
    match known.strip_prefix("*.") {
        Some(domain) => is_below(host, domain),
        None => known == host,
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether a host is one of these domains, or below one.
pub(super) fn is_within(host: &str, domains: &[String]) -> bool {
    let host = plain(host);
    domains.iter().map(|domain| plain(domain)).any(|own| host == own || is_below(&host, &own))
}

/// Whether a host or a mail domain belongs to Microsoft 365.
pub(in crate::calendar::ews) fn is_cloud(host: &str) -> bool {
    let host = plain(host);
    CLOUD.iter().any(|domain| host == *domain || is_below(&host, domain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Time;

    fn entry(host: &str, verdict: Verdict) -> TrustEntry {
        TrustEntry { host: host.into(), verdict, via: "redirect".into(), since: Time::default() }
    }

    #[test]
    fn only_who_was_vouched_for_is_trusted() {
        let listed = [
            entry("allowed.example", Verdict::Allowed),
            entry("pending.example", Verdict::Pending),
            entry("bad.corp.example", Verdict::Blocked),
            entry("::1", Verdict::Allowed),
            entry("[::2]", Verdict::Blocked),
            entry("büro.example", Verdict::Allowed),
        ];
        let vouched = ["Corp.example", "*.mail.example", "*.corp.example"].map(str::to_owned);
        let mut hosts = Hosts::new(vouched, listed);
        for named in ["ex1.corp.example", "Autodiscover-s.outlook.com.", "pending.example"] {
            hosts.name(named);
        }
        for (host, expected) in [
            ("corp.EXAMPLE", Standing::Trusted),
            ("a.mail.example", Standing::Trusted),
            ("a.b.mail.example", Standing::Trusted),
            ("mail.example", Standing::Unknown),
            ("evilmail.example", Standing::Unknown),
            ("allowed.example", Standing::Trusted),
            ("ex1.corp.example.", Standing::Trusted),
            ("pending.example", Standing::Trusted),
            ("bad.corp.example", Standing::Blocked),
            ("evilcorp.example", Standing::Unknown),
            ("corp.example.evil.example", Standing::Unknown),
            ("autodiscover-s.outlook.com", Standing::Cloud),
            ("notoutlook.com", Standing::Unknown),
            ("bad.corp.example.", Standing::Blocked),
            ("Corp.example.", Standing::Trusted),
            ("outlook.com.", Standing::Cloud),
            ("[::1]", Standing::Trusted),
            ("[0:0::2]", Standing::Blocked),
            ("xn--bro-hoa.example", Standing::Trusted),
            ("other.example", Standing::Unknown),
        ] {
            assert_eq!(hosts.standing(host), expected, "{host}");
        }
        assert!(is_cloud("Outlook.Office365.com."));
    }
}
