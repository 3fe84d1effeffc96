//! The simulated Exchange: EWS and Autodiscover over HTTPS, scripted from tests.
//!
//! `http` and `doors` are the front end (TLS, sign-in, faults of the line, affinity), `service` the
//! back ends (mailboxes, operations, streams). See the crate's page for what it can be told to do
//! wrong.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::tls::{Authority, LOOPBACK, Variant};

pub mod affinity;
pub mod auth;
mod autodiscover;
mod body;
mod control;
mod doors;
pub mod faults;
mod http;
pub mod log;
pub mod negotiate;
pub mod ntlm;
mod pages;
pub mod program;
pub mod service;

#[cfg(test)]
mod autodiscover_tests;
#[cfg(test)]
mod front_tests;
#[cfg(test)]
mod line;
#[cfg(test)]
mod stream_tests;

pub use auth::Gate;
pub use faults::{Fault, Faults, Match};
pub use log::AccessLog;
pub use negotiate::Negotiate;
pub use ntlm::ExtendedProtection;
pub use service::{
    Attendee, AttendeeKind, Calendars, Draft, ExtendedProperty, ItemId, Mail, MailboxKind, MovedTo,
    Oof, OofAudience, OofState, Prefix, Response, Sensitivity, ShownMail,
};

use doors::Doors;
use http::Front;

/// The forms of Autodiscover; each may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forms {
    /// GetUserSettings, and the header that tells of it.
    pub soap: bool,
    /// Plain XML.
    pub pox: bool,
    /// Version 2.
    pub json: bool,
}

impl Default for Forms {
    fn default() -> Self {
        Self { soap: true, pox: true, json: true }
    }
}

/// How the server is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The mail domain, and the domain of the host names.
    pub domain: String,
    /// The impersonation account, `DOMAIN\user`.
    pub account: String,
    /// Its password.
    pub password: String,
    /// Basic sign-in is offered.
    pub basic: bool,
    /// NTLM sign-in is offered.
    pub ntlm: bool,
    /// Sign-in by ticket is offered.
    pub negotiate: Option<Negotiate>,
    /// What is asked of NTLM's channel binding.
    pub protection: ExtendedProtection,
    /// Wrong passwords in a row that lock the account.
    pub lock_out_after: Option<u64>,
    /// Hosts behind the one address.
    pub back_ends: usize,
    /// What a client must do to meet the same host again.
    pub affinity: affinity::Rule,
    /// The forms of Autodiscover that are offered.
    pub autodiscover: Forms,
    /// Values that Autodiscover's GroupingInformation takes.
    pub groups: usize,
    /// Between two heartbeats of a silent stream.
    pub heartbeat: Duration,
    /// Streams of one mailbox (HangingConnectionLimit).
    pub hanging_connection_limit: usize,
    /// Subscriptions of one mailbox (EWSMaxSubscriptions).
    pub max_subscriptions: usize,
    /// Requests of one mailbox at once (EWSMaxConcurrency).
    pub max_concurrency: usize,
    /// Items of one answer of FindItem (EWSFindCountLimit); who asks for more is refused.
    pub find_limit: usize,
    /// Days of a calendar view that are listed within the server's minute; `None`: all.
    pub find_days: Option<i64>,
    /// TCP connections in all; beyond it requests meet 503.
    pub max_connections: usize,
    /// The SOAP prefix of answers.
    pub prefix: Prefix,
    /// The SOAP prefix of a stream's envelopes; `None` as `prefix`.
    pub stream_prefix: Option<Prefix>,
    /// Events between two streams of a subscription are kept for the second one.
    pub keep_events_between_streams: bool,
    /// A stream asked for good and unknown ids delivers for the good ones.
    pub mixed_ids_deliver: bool,
    /// Bodies that a client writes are kept otherwise: a page gets a head that names its character
    /// set, lines end in CR LF.
    pub rewrites_bodies: bool,
    /// The latest version that may be asked for; `None`: all that any server takes.
    pub newest_version: Option<&'static str>,
    /// What is wrong with the certificate.
    pub certificate: Variant,
    /// TLS is opened on the way to the server, which has another certificate than the one that
    /// clients see: a channel binding of theirs is a wrong one.
    pub bridged: bool,
    /// How far its clock is before the right time, in seconds; less than nothing: behind.
    pub clock_ahead: i64,
    /// Who signs the certificate; `None` makes one.
    pub authority: Option<Arc<Authority>>,
}

impl Default for Options {
    fn default() -> Self {
        let settings = service::Settings::default();
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            domain: "corp.example".to_owned(),
            account: "CORP\\svc-calway".to_owned(),
            password: "lab-password".to_owned(),
            basic: true,
            ntlm: true,
            negotiate: None,
            protection: ExtendedProtection::Allow,
            lock_out_after: None,
            back_ends: settings.back_ends,
            affinity: affinity::Rule::Cookie,
            autodiscover: Forms::default(),
            groups: 1,
            heartbeat: settings.heartbeat,
            hanging_connection_limit: settings.hanging_connection_limit,
            max_subscriptions: settings.max_subscriptions,
            max_concurrency: 27,
            find_limit: settings.find_limit,
            find_days: settings.find_days,
            max_connections: 10_000,
            prefix: settings.prefix,
            // As real servers write it; there are clients that read nothing else.
            stream_prefix: Some(Prefix::Default),
            keep_events_between_streams: settings.keep_events_between_streams,
            mixed_ids_deliver: settings.mixed_ids_deliver,
            rewrites_bodies: settings.rewrites_bodies,
            newest_version: None,
            certificate: Variant::Good,
            bridged: false,
            clock_ahead: 0,
            authority: None,
        }
    }
}

impl Options {
    fn settings(&self) -> service::Settings {
        service::Settings {
            prefix: self.prefix,
            stream_prefix: self.stream_prefix,
            heartbeat: self.heartbeat,
            back_ends: self.back_ends,
            hanging_connection_limit: self.hanging_connection_limit,
            find_limit: self.find_limit,
            find_days: self.find_days,
            max_subscriptions: self.max_subscriptions,
            keep_events_between_streams: self.keep_events_between_streams,
            mixed_ids_deliver: self.mixed_ids_deliver,
            rewrites_bodies: self.rewrites_bodies,
            release: service::Release::of(self.newest_version),
        }
    }

    /// `DOMAIN\user` as `user@domain`; an account by address is its own.
    fn own_address(&self) -> String {
        match self.account.rsplit_once('\\') {
            Some((_, user)) => format!("{user}@{}", self.domain),
            None => self.account.clone(),
        }
    }

    fn front(&self, origin: String, end_point: &[u8]) -> Front {
        let faults = Faults::default();
        let domain = self.account.split_once('\\').map_or("CORP", |(domain, _)| domain);
        let server = ntlm::Server {
            domain: domain.to_ascii_uppercase(),
            dns_domain: self.domain.clone(),
            computer: "EX01".to_owned(),
            protection: self.protection,
            binding: ntlm::channel_binding(end_point),
        };
        let gate = Gate::new(self.basic, self.ntlm, server, &self.account, &self.password);
        Front {
            service: service::Service::new(self.settings(), faults.clone()),
            faults,
            log: AccessLog::default(),
            gate: gate.lock_out_after(self.lock_out_after).negotiating(self.negotiate.clone()),
            router: affinity::Router::new(self.back_ends, self.affinity, &self.domain),
            account: self.account.clone(),
            own_address: self.own_address(),
            origin,
            autodiscover: self.autodiscover,
            clock_ahead: self.clock_ahead,
            groups: self.groups,
            max_concurrency: self.max_concurrency,
            running: std::sync::Mutex::default(),
            streams: Arc::new(AtomicUsize::new(0)),
        }
    }
}

/// A running server; clones are handles to the same one, and it stops with the last of them.
#[derive(Clone)]
pub struct Exchange {
    inner: Arc<Inner>,
}

struct Inner {
    front: Arc<Front>,
    doors: Arc<Doors>,
    ca_pem: String,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.doors.close();
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl Exchange {
    /// Starts a server on the current Tokio runtime. The certificate is good for loopback
    /// addresses, `localhost`, the domain, and its `autodiscover.` and `mail.` hosts.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let authority = options.authority.clone().unwrap_or_default();
        let own = ["", "autodiscover.", "mail."].map(|host| format!("{host}{}", options.domain));
        let names: Vec<&str> = LOOPBACK.into_iter().chain(own.iter().map(String::as_str)).collect();
        let leaf = authority.issue(&names, options.certificate);
        let mut reached = listener.local_addr()?;
        if reached.ip().is_unspecified() {
            reached.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let origin = format!("https://{reached}");
        let end_point = match options.bridged {
            true => authority.leaf(&names).end_point(),
            false => leaf.end_point(),
        };
        let front = Arc::new(options.front(origin, &end_point));
        let acceptor = TlsAcceptor::from(leaf.server_config());
        let doors = Doors::open(listener, Arc::clone(&front), acceptor, options.max_connections)?;
        Ok(Self { inner: Arc::new(Inner { front, doors, ca_pem: authority.pem() }) })
    }

    /// `https://127.0.0.1:PORT/EWS/Exchange.asmx`.
    pub fn url(&self) -> String {
        format!("{}/EWS/Exchange.asmx", self.inner.front.origin)
    }

    /// `https://127.0.0.1:PORT`.
    pub fn origin(&self) -> &str {
        &self.inner.front.origin
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.inner.doors.address()
    }

    /// The root that vouches for the server's certificate.
    pub fn ca_pem(&self) -> String {
        self.inner.ca_pem.clone()
    }

    /// What people do in their calendars.
    pub fn calendars(&self) -> &Calendars {
        self.inner.front.service.calendars()
    }

    /// Which Exchange it is; it may become another one.
    pub fn release(&self) -> &service::Release {
        self.inner.front.service.release()
    }

    /// What goes wrong next.
    pub fn faults(&self) -> &Faults {
        &self.inner.front.faults
    }

    /// Sign-in: change the password, unlock the account.
    pub fn gate(&self) -> &Gate {
        &self.inner.front.gate
    }

    /// What was asked of it.
    pub fn log(&self) -> AccessLog {
        self.inner.front.log.clone()
    }

    /// Connections are refused and the open ones reset, until [`Exchange::restore`].
    pub async fn cut(&self) {
        self.inner.doors.cut().await;
    }

    /// Back again on the same port.
    ///
    /// # Panics
    /// If somebody else has taken the port meanwhile.
    pub async fn restore(&self) {
        self.inner.doors.restore().await.expect("the port is free again");
    }

    /// Resets all open connections; new ones are welcome.
    pub fn drop_connections(&self) {
        self.inner.doors.drop_connections();
    }

    /// Streams whose body is still being sent.
    pub fn open_streams(&self) -> usize {
        self.inner.front.streams.load(Ordering::Acquire)
    }

    /// Subscriptions that a stream tells of. Counting takes time with many of them.
    pub fn listened(&self) -> usize {
        self.calendars().listened()
    }

    /// TCP connections.
    pub fn open_connections(&self) -> usize {
        self.inner.doors.open_connections()
    }
}
