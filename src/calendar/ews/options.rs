//! What a `[[calendar]]` of kind `ews` is told.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;

use super::{Auth, Discover, Gates, Tickets};
use crate::model::CalendarName;
use crate::net::dial::Dial;
use crate::net::{Proxy, Trust};

/// How an account signs in where nothing else is said: Kerberos where this build has it.
#[cfg(feature = "kerberos")]
pub const DEFAULT_WAYS: &[Auth] = &[Auth::Negotiate, Auth::Ntlm, Auth::Basic];
/// How an account signs in where nothing else is said: Kerberos where this build has it.
#[cfg(not(feature = "kerberos"))]
pub const DEFAULT_WAYS: &[Auth] = &[Auth::Ntlm, Auth::Basic];

/// What a `[[calendar]]` of kind `ews` is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name in the configuration.
    pub name: CalendarName,
    /// `https://host/EWS/Exchange.asmx`, where one serves all; else Autodiscover names them.
    pub url: Option<Uri>,
    /// SOAP Autodiscover (`https://host/autodiscover/autodiscover.svc`): asked before every other
    /// place, and the only one where `discover` is absent.
    pub autodiscover: Option<Uri>,
    /// How servers are found. Beside a `url` only for the groups: which mailboxes may share a
    /// stream.
    pub discover: Option<Discover>,
    /// Where hosts are.
    pub dial: Dial,
    /// The account that may impersonate: `DOMAIN\user` or `user@domain`.
    pub account: String,
    /// How it signs in; the first that the server offers.
    pub auth: Vec<Auth>,
    /// Where [`Auth::Negotiate`] has its tickets from.
    pub tickets: Option<Arc<dyn Tickets>>,
    /// Whose certificates are accepted.
    pub trust: Trust,
    /// The way out, where there is no straight one.
    pub proxy: Option<Proxy>,
    /// Requests at once; streams come on top.
    pub max_connections: usize,
    /// Streams at once.
    pub max_streams: usize,
    /// From the first packet to the end of the TLS handshake.
    pub connect_timeout: Duration,
    /// From a request to the end of its answer. The server itself gives up after 60 to 100 s.
    pub request_timeout: Duration,
    /// A stream is dead after so long without a byte; heartbeats come every 45 s.
    pub silence: Duration,
    /// A stream is opened anew after so long, by chance between these two. The server would end
    /// it after 30 minutes only, but a subscription that it dropped in silence shows when the
    /// stream is opened, and is to be noticed within 10.
    pub roll_over: (Duration, Duration),
    /// Subscriptions are made anew after so many openings.
    pub openings: u32,
    /// A refused password is tried again after so long even if it has not changed.
    pub sign_in_pause: Duration,
    /// What is known of the account's secrets, where others sign in with them, too.
    pub gates: Option<Gates>,
}

impl Options {
    /// What is right for most.
    pub fn new(name: CalendarName, url: Uri, account: impl Into<String>) -> Self {
        Self { url: Some(url), ..Self::discovering(name, Discover::default(), account) }
            .without_discovery()
    }

    /// The domains' own hosts, where the configuration does not name them as servers.
    pub(super) fn sites(&self) -> Vec<String> {
        let Some(discover) = &self.discover else { return Vec::new() };
        let urls = [&self.url, &self.autodiscover].into_iter().flatten();
        let named: Vec<&str> = urls.filter_map(Uri::host).collect();
        let trusted = |site: &str| discover.trusted_hosts.iter().any(|host| host == site);
        let sites = discover.domains.iter().filter(|site| !trusted(site));
        sites.filter(|site| !named.contains(&site.as_str())).cloned().collect()
    }

    fn without_discovery(mut self) -> Self {
        self.discover = None;
        self
    }

    /// The same, for servers that are to be found.
    pub fn discovering(name: CalendarName, discover: Discover, account: impl Into<String>) -> Self {
        Self {
            name,
            url: None,
            autodiscover: None,
            discover: Some(discover),
            dial: Dial::default(),
            account: account.into(),
            auth: vec![Auth::Ntlm, Auth::Basic],
            tickets: None,
            trust: Trust::default(),
            proxy: None,
            max_connections: 10,
            max_streams: 512,
            connect_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(100),
            silence: Duration::from_secs(90),
            roll_over: (Duration::from_secs(7 * 60), Duration::from_secs(9 * 60)),
            openings: 40,
            sign_in_pause: Duration::from_secs(60 * 60),
            gates: None,
        }
    }
}
