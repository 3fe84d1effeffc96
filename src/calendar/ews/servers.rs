//! The servers of a calendar: connections for each origin, one sign-in for them all.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Uri;
use tokio::time::Instant;

use super::codes;
use super::gate::SignIn;
use super::http::{Http, Limits};
use super::soap::{self, ServerVersion};
use super::versions::Versions;
use crate::model::{Fault, Span, Time};
use crate::net::{Connector, Origin};

/// Servers that are remembered beyond those in use; an organisation has some dozens. Redirects and
/// answers may name ever new ones.
const MOST: usize = 256;

/// One server, and the versions that it takes.
pub(super) struct Server {
    pub(super) http: Http,
    ews: Mutex<Versions>,
    autodiscover: Mutex<Versions>,
}

/// All of them; made when they are asked for first.
pub(super) struct Servers {
    connector: Connector,
    sign_in: Arc<SignIn>,
    limits: Mutex<Limits>,
    /// Hosts that are not sent a password as it is: web sites, more often than Exchange.
    sites: Mutex<Vec<String>>,
    /// With the time when each was asked for last.
    known: Mutex<HashMap<Origin, (Arc<Server>, Instant)>>,
    /// The EWS of the mailbox that was asked for last.
    last: Mutex<Option<Uri>>,
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Servers")
    }
}

impl Server {
    /// The version to ask EWS with.
    pub(super) fn version(&self, now: Time) -> ServerVersion {
        lock(&self.ews).ask_in(now)
    }

    /// Whether the request is to be sent once more, with the older version.
    pub(super) fn falls_back(&self, now: Time, asked: ServerVersion, fault: &Fault) -> bool {
        fault.cause.code == codes::INVALID_SERVER_VERSION && lock(&self.ews).refused(now, asked)
    }

    /// EWS answered in this version.
    pub(super) fn answered(&self, version: ServerVersion, xml: &[u8]) {
        hear(&mut lock(&self.ews), version, xml);
    }

    /// What is known of its Autodiscover, which is a service of its own and may be refused by it
    /// alone.
    pub(super) fn autodiscover(&self) -> MutexGuard<'_, Versions> {
        lock(&self.autodiscover)
    }

    /// For how long it wants to be left alone, if it does.
    pub(super) fn rests_for(&self) -> Option<Span> {
        self.http.turns.rests_for()
    }

    /// Hears from an answer whether the server wants to be left alone, and for how long.
    pub(super) fn heard(&self, fault: &Fault) {
        self.http.turns.heard(fault);
    }
}

/// Takes in what an answer tells of versions. Most servers are not asked in an old one, and their
/// answers are not looked at twice.
pub(super) fn hear(versions: &mut Versions, version: ServerVersion, xml: &[u8]) {
    versions.accepted(version);
    if versions.is_old()
        && let Some(build) = soap::build(xml)
    {
        versions.reports(build);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Servers {
    pub(super) fn new(
        connector: Connector,
        sign_in: Arc<SignIn>,
        limits: Limits,
        sites: Vec<String>,
    ) -> Self {
        let (known, last) = Default::default();
        let (limits, sites) = (Mutex::new(limits), Mutex::new(sites));
        Self { connector, sign_in, limits, sites, known, last }
    }

    /// The server that an address leads to.
    ///
    /// # Errors
    /// [`Next::Refused`](crate::model::Next) where it is not one of https.
    pub(super) fn at(&self, url: &Uri) -> Result<Arc<Server>, Fault> {
        let origin = Origin::of(url)?;
        let mut known = lock(&self.known);
        if !known.contains_key(&origin) {
            self.make_room(&mut known);
        }
        let (server, used) = known.entry(origin).or_insert_with_key(|origin| {
            let (connector, sign_in) = (self.connector.clone(), Arc::clone(&self.sign_in));
            let limits = lock(&self.limits).clone();
            let http = Http::new(connector, origin.clone(), sign_in, limits);
            http.take_basic(!is_site(&lock(&self.sites), origin));
            let (ews, autodiscover) = (Mutex::default(), Mutex::default());
            (Arc::new(Server { http, ews, autodiscover }), Instant::now())
        });
        *used = Instant::now();
        Ok(Arc::clone(server))
    }

    /// The server of a mailbox.
    ///
    /// # Errors
    /// As [`Servers::at`].
    pub(super) fn of_mailbox(&self, url: &Uri) -> Result<Arc<Server>, Fault> {
        let server = self.at(url)?;
        let mut last = lock(&self.last);
        if last.as_ref() != Some(url) {
            *last = Some(url.clone());
        }
        Ok(server)
    }

    /// The EWS of the mailbox that was asked for last.
    pub(super) fn asked_last(&self) -> Option<Uri> {
        lock(&self.last).clone()
    }

    /// Forgets the server that nobody asked for longest, with its connections and how it is signed
    /// in to. One that is in use stays, and so does one that rests.
    fn make_room(&self, known: &mut HashMap<Origin, (Arc<Server>, Instant)>) {
        while known.len() >= MOST {
            let idle = known.iter().filter(|(_, (server, _))| {
                Arc::strong_count(server) == 1 && !server.http.turns.is_resting()
            });
            let oldest = idle.min_by_key(|(_, (_, used))| *used).map(|(origin, _)| origin.clone());
            let Some(origin) = oldest else { return };
            known.remove(&origin);
            self.sign_in.forget_way(&origin);
        }
    }

    /// So many requests at once, and no password as it is for these, from now on.
    pub(super) fn retune(&self, connections: usize, sites: Vec<String>) {
        let known = lock(&self.known);
        lock(&self.limits).connections = connections;
        for (origin, (server, _)) in known.iter() {
            server.http.turns.resize(connections);
            server.http.take_basic(!is_site(&sites, origin));
        }
        *lock(&self.sites) = sites;
    }

    pub(super) fn sign_in(&self) -> &SignIn {
        &self.sign_in
    }

    pub(super) fn connector(&self) -> &Connector {
        &self.connector
    }
}

fn is_site(sites: &[String], origin: &Origin) -> bool {
    sites.iter().any(|site| site.eq_ignore_ascii_case(origin.host()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::calendar::ews::{Auth, Gates};
    use crate::model::{Next, Secret};
    use crate::net::Trust;

    fn servers() -> Servers {
        let second = Duration::from_secs(1);
        let password = Box::new(|| Some(Secret::new("x")));
        let ways = vec![Auth::Basic];
        let sign_in = SignIn::new("svc".into(), ways, password, None, Gates::new(second));
        let limits = Limits { connections: 1, streams: 1, request_timeout: second };
        let connector = Connector::new(Trust::default().client().unwrap(), second);
        Servers::new(connector, Arc::new(sign_in), limits, Vec::new())
    }

    fn url(n: usize) -> Uri {
        format!("https://h{n}.example/EWS").parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn ever_new_hosts_do_not_fill_the_memory_and_push_nobody_out_who_is_in_use() {
        let servers = servers();
        let used = servers.at(&url(0)).unwrap();
        let busy = Fault::new(Next::BackOff { after: Some(Span::HOUR) }, "ErrorServerBusy");
        servers.at(&url(1)).unwrap().heard(&busy);
        for n in 2..2_000 {
            tokio::time::advance(Duration::from_millis(1)).await;
            let origin = Origin::of(&url(n)).unwrap();
            servers.at(&url(n)).unwrap();
            servers.sign_in.set_way(&origin, Auth::Basic);
        }
        assert_eq!(lock(&servers.known).len(), MOST);
        assert!(Arc::ptr_eq(&used, &servers.at(&url(0)).unwrap()));
        assert!(servers.at(&url(1)).unwrap().http.turns.is_resting(), "its rest is not forgotten");
        let way = |n| servers.sign_in.way(&Origin::of(&url(n)).unwrap());
        assert_eq!((way(2), way(1_999)), (None, Some(Auth::Basic)));
    }
}
