//! By which rules a hunt goes: the configuration's, and what is known.

use std::sync::PoisonError;

use super::{Discover, Discovery};
use crate::calendar::ews::discover::{Endpoint, Form, Hosts, Rules, Via, is_cloud};
use crate::model::TrustEntry;

impl Discovery {
    /// Looks for servers by these rules from now on, also where it has just looked in vain.
    pub(in crate::calendar::ews) fn retune(&self, discover: Option<Discover>) {
        *self.discover.write().unwrap_or_else(PoisonError::into_inner) = discover;
        self.homes().look_again();
    }

    fn discover(&self) -> Option<Discover> {
        self.discover.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether there is anything to be asked at all.
    pub(super) fn hunts(&self) -> bool {
        self.start.is_some() || self.discover().is_some()
    }

    pub(super) fn has_directory(&self) -> bool {
        self.discover().is_some_and(|discover| discover.scp.is_some())
    }

    pub(super) fn rules(
        &self,
        first: Option<Endpoint>,
        only_first: bool,
        trust: &[TrustEntry],
    ) -> Rules {
        let discover = self.discover();
        let is_fixed = discover.is_none();
        let discover = discover.unwrap_or_default();
        // A domain in Microsoft 365 has its hosts there.
        let here = discover.domains.iter().filter(|domain| !is_cloud(domain));
        let hosts = here.flat_map(|domain| {
            let domain = domain.to_ascii_lowercase();
            [format!("autodiscover.{domain}"), domain]
        });
        let start = self.start.clone();
        let configured = start.as_ref().and_then(|url| url.host()).map(str::to_owned);
        let vouched = hosts.chain(discover.trusted_hosts).chain(configured);
        let configured = start.map(|url| Endpoint { url, form: Form::Soap, via: Via::Configured });
        let first_directory = discover.scp.as_ref().and_then(|scp| scp.host.split_once('.'));
        // A parent without a dot would be a whole top-level domain.
        let near = first_directory.map(|(_, domain)| domain).filter(|near| near.contains('.'));
        let near = near.map(str::to_owned);
        Rules {
            directory: discover.scp.is_some(),
            directories: discover.domains.iter().cloned().chain(near).collect(),
            services: discover.srv,
            // The administrator's word comes before what answered last.
            first: configured.or(first),
            last: None,
            only_first: only_first || is_fixed,
            hosts: Hosts::new(vouched, trust.iter().cloned()),
            domains: discover.domains,
            seed: self.legs.chance(),
        }
    }
}
