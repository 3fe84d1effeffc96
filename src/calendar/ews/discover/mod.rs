//! Where mailboxes are served: Autodiscover in the documented order, as a machine without sockets
//! and clocks.
//!
//! **Promise.** Nothing is sent to a host that is not trusted: one of the configured domains' own
//! (`<domain>`, `autodiscover.<domain>`), a configured one, one that the signed-in directory named,
//! or one that the trust list allows. Microsoft 365 is among them only where the configuration or
//! the trust list says so by name: a directory that names it is no reason. Every other host that a
//! redirect or a DNS record leads to is told as [`Note::Unknown`] and passed over, and so is a
//! blocked one. An EWS address that was told without a sign-in (the JSON of version 2) is taken
//! only where its host is trusted or below a configured domain.
//!
//! | | way | asked |
//! |---|---|---|
//! | 1 | service connection points, pointers for the domain and own site first | LDAP |
//! | 2 | `https://<domain>/autodiscover/…` | SOAP where offered, else POX |
//! | 3 | `https://autodiscover.<domain>/…` | the same |
//! | 4 | `http://autodiscover.<domain>/…`, without credentials | for a redirect |
//! | 5 | SRV `_autodiscover._tcp.<domain>` | SOAP, POX |
//! | 6 | POX at 2, where all that is known is a 401 of Windows | POX |
//! | 7 | the hosts that answered anything | the JSON of version 2 |
//!
//! Where two that the directory names were waited for in vain, the others of them come after 5: a
//! hunt has two minutes, and an organisation has sites that a firewall keeps from here.
//!
//! [`Hunt`] is asked for its [`Step`] with [`Hunt::step`] and told what came of it with
//! [`Hunt::answer`], one at a time, until it is done; a driver carries the steps out.

mod faults;
mod hosts;
mod hunt;
mod places;
mod points;
mod services;
mod trail;
mod ways;

#[cfg(test)]
mod hops_tests;
#[cfg(test)]
mod hunt_tests;
#[cfg(test)]
mod stranger_tests;
#[cfg(test)]
mod verdict_tests;

use std::sync::Arc;

use http::Uri;

use crate::model::{Address, Cause, Fault};

pub use self::hosts::Hosts;
pub(super) use self::hosts::is_cloud;
pub use self::hunt::{Hunt, Outcome};
pub use self::points::{FILTER, Point, Points, Server};
pub use self::services::Service;

use super::autodiscover::Place;
use super::get_user_settings::Told;

/// The cause of a mailbox that is in Microsoft 365 now.
pub const IN_THE_CLOUD: &str = Cause::IN_THE_CLOUD;
/// The cause where only a host that nobody allowed yet could tell.
pub const WAITS_FOR_TRUST: &str =
    "Autodiscover leads to a host that waits for a decision (calway trust list)";
/// The cause where only a blocked host could tell.
pub const BLOCKED: &str = "Autodiscover leads to a blocked host only (calway trust list)";

/// Redirects that are followed one after another, by address and by URL together.
pub const MOST_HOPS: u8 = 10;

/// The domain that a mailbox is looked for by.
pub fn domain_of(address: &Address) -> String {
    hosts::plain(address.domain())
}

/// What led to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The configuration.
    Configured,
    /// A service connection point.
    Directory,
    /// The mailbox's domain itself.
    Domain,
    /// `autodiscover.` before it.
    Host,
    /// A redirect of HTTP or of an answer.
    Redirect,
    /// The domain of an address that an answer redirected to.
    Address,
    /// An SRV record.
    Service,
}

impl Via {
    /// Its name, as people see it and the store keeps it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configured => "configuration",
            Self::Directory => "directory",
            Self::Domain => "domain",
            Self::Host => "autodiscover host",
            Self::Redirect => "redirect",
            Self::Address => "redirected address",
            Self::Service => "dns srv",
        }
    }

    /// The other way round.
    pub fn named(name: &str) -> Option<Self> {
        use Via::{Address, Configured, Directory, Domain, Host, Redirect, Service};
        [Configured, Directory, Domain, Host, Redirect, Address, Service]
            .into_iter()
            .find(|via| via.as_str() == name)
    }
}

/// In which form a place is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// GetUserSettings.
    Soap,
    /// Plain XML.
    Pox,
    /// Version 2.
    Json,
}

impl Form {
    /// Its name, as people see it and the store keeps it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Soap => "soap",
            Self::Pox => "pox",
            Self::Json => "json",
        }
    }

    /// The other way round.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Soap, Self::Pox, Self::Json].into_iter().find(|form| form.as_str() == name)
    }
}

/// A place that answered for mailboxes of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Its address.
    pub url: Uri,
    /// How it is asked.
    pub form: Form,
    /// What led to it.
    pub via: Via,
}

/// Where a mailbox is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its EWS.
    pub ews: Uri,
    /// Mailboxes with the same text, and the same outside address below, may share a stream.
    pub grouping: Option<String>,
    /// Its EWS as seen from outside, as it is written.
    pub external: Option<String>,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Search a directory for service connection points; the configured one where none is named.
    Search(Option<Server>),
    /// Ask DNS for the SRV records of this name.
    Services(String),
    /// GET, https, without credentials and without following anything.
    Look(Uri),
    /// The same over http.
    LookPlain(Uri),
    /// GetUserSettings, signed in.
    Settings(Uri, Vec<Arc<Address>>),
    /// POX, signed in.
    Pox(Uri, Arc<Address>),
    /// GET of version 2, without credentials.
    Json(Uri, Arc<Address>),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of [`Step::Search`].
    Points(Result<Points, Fault>),
    /// Of [`Step::Services`].
    Services(Result<Vec<Service>, Fault>),
    /// Of [`Step::Look`] and [`Step::LookPlain`].
    Seen(Result<Seen, Fault>),
    /// Of [`Step::Settings`]: one for each user, in the order asked.
    Settings(Result<Vec<Result<Told, Fault>>, Fault>),
    /// Of [`Step::Pox`] and [`Step::Json`].
    Place(Result<Place, Fault>),
}

/// The head of an answer to somebody who did not sign in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its status.
    pub status: u16,
    /// `X-SOAP-Enabled` says yes: this is Exchange, and SOAP is offered.
    pub soap: bool,
    /// It offers NTLM or Negotiate, which web sites do not.
    pub windows: bool,
    /// `Location`.
    pub location: Option<String>,
}

/// What is worth telling on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A host that nobody vouched for; nothing was sent there.
    Unknown {
        /// The host.
        host: String,
        /// What led to it.
        via: Via,
    },
    /// A host that is blocked was passed over.
    Blocked {
        /// The host.
        host: String,
    },
    /// A way leads to Microsoft 365, which our credentials do not open.
    Cloud {
        /// The host.
        host: String,
        /// What led to it.
        via: Via,
    },
}

/// What a hunt may do.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Domains whose own hosts are asked; lower case.
    pub domains: Vec<String>,
    /// There is a directory to be searched.
    pub directory: bool,
    /// Domains whose directories are searched where another one points to them: the configured
    /// ones, and that of the first directory. Elsewhere somebody has to allow it.
    pub directories: Vec<String>,
    /// DNS is asked for SRV records.
    pub services: bool,
    /// The place that is asked before everything else: the configured one, or the one that
    /// answered last.
    pub first: Option<Endpoint>,
    /// The place that the directory named last, longer ago: asked only where the directory is out
    /// of reach, as it names nothing that was taken from it.
    pub last: Option<Endpoint>,
    /// Nothing but that place is asked.
    pub only_first: bool,
    /// Whom we trust.
    pub hosts: Hosts,
    /// The chance of this hunt.
    pub seed: u64,
}
