//! The admin socket: JSON over HTTP on a Unix socket, where the system's word on who asks decides.
//!
//! Nothing of a meeting and no secret is ever shown. Users appear by their cloud id; an address is
//! only taken from a caller that names it.

mod rates;
mod reload;
mod rights;
mod secrets;
mod status;
mod trust;
mod users;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use self::rates::{Rates, Sums};
use self::rights::{Right, Rights};
use super::clock;
use super::commands::Switchboard;
use super::disk::Disk;
use super::intake::Seen;
use super::questions::Line;
use super::reload::Bell;
use super::rotation::Rotation;
use super::serve::{self, Asked, Listener, Peer, Reply, Service, not_found, refusal, wrong_method};
use super::uplink::Sent;
use crate::condition;
use crate::config::{AdminSettings, Settings};
use crate::model::Time;
use crate::observe::condition::{ADMIN_SOCKET_FAILS, ADMIN_USER_UNKNOWN};
use crate::observe::standing;

/// How often the totals are looked at for their rates.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);

/// What the socket shows, and whom it asks for it.
pub(super) struct Parts {
    pub(super) settings: AdminSettings,
    /// Says who may look.
    pub(super) in_force: watch::Receiver<Arc<Settings>>,
    /// Where the store lies.
    pub(super) store: std::path::PathBuf,
    pub(super) disk: Disk,
    /// One a calendar: the loop, and what it shows all the time.
    pub(super) calendars: Vec<(Line, watch::Receiver<Seen>)>,
    pub(super) switchboard: Switchboard,
    pub(super) cloud_well: watch::Receiver<bool>,
    pub(super) channel_open: watch::Receiver<bool>,
    pub(super) sent: watch::Receiver<Sent>,
    pub(super) ready: watch::Receiver<bool>,
    pub(super) reload: Bell,
    /// Told of each word about a host.
    pub(super) decided: Arc<Notify>,
    pub(super) rotation: Arc<Rotation>,
}

struct Admin {
    parts: Parts,
    rights: RwLock<Rights>,
    began: (Time, Instant),
    rates: Mutex<Rates>,
    traces: Arc<Semaphore>,
}

/// Runs until `stop` becomes true. Where the socket cannot be opened, nothing else suffers.
pub(super) async fn run(parts: Parts, mut stop: watch::Receiver<bool>) {
    let socket = parts.settings.socket.clone();
    let listener = match Listener::unix(&socket).await {
        Ok(listener) => listener,
        Err(error) => {
            let place = socket.display();
            condition!(warn, ADMIN_SOCKET_FAILS, CAUSE = error,;
                "the admin socket {place} cannot be opened ({error}); meetings are relayed all \
                 the same");
            let _ = stop.wait_for(|stop| *stop).await;
            return;
        }
    };
    let rights = RwLock::new(rights_of(&parts.settings.users));
    let mut in_force = parts.in_force.clone();
    let mut users = parts.settings.users.clone();
    let began = (clock::wall(), Instant::now());
    let traces = Arc::new(Semaphore::new(users::TRACES));
    let admin = Arc::new(Admin { parts, rights, began, rates: Mutex::default(), traces });
    let sampling = async {
        let mut tick = tokio::time::interval(SAMPLE_EVERY);
        loop {
            tick.tick().await;
            admin.sample();
        }
    };
    let naming = async {
        while let Ok(now) = in_force.wait_for(|now| now.admin.users != users).await {
            users.clone_from(&now.admin.users);
            drop(now);
            *admin.rights.write().unwrap_or_else(PoisonError::into_inner) = rights_of(&users);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = serve::run(listener, admin.clone(), stop) => {}
        () = sampling => {}
        () = naming => {}
    }
}

fn rights_of(users: &[String]) -> Rights {
    // Of those who are named now it is said anew.
    standing::board().over(ADMIN_USER_UNKNOWN);
    let own = nix::unistd::Uid::effective().as_raw();
    Rights { own, lookers: users.iter().filter_map(|name| uid(name)).collect() }
}

/// A user of this system, by name or number.
fn uid(user: &str) -> Option<u32> {
    if let Ok(uid) = user.parse() {
        return Some(uid);
    }
    let found = nix::unistd::User::from_name(user).ok().flatten();
    if found.is_none() {
        condition!(warn, ADMIN_USER_UNKNOWN, NAME = user,;
            "[admin] users: this system knows no user {user}; it may not look");
    }
    found.map(|user| user.uid.as_raw())
}

impl Admin {
    fn sums(&self) -> Sums {
        let mut sums = Sums { sent: self.parts.sent.borrow().events, ..Sums::default() };
        for (_, seen) in &self.parts.calendars {
            sums.add(seen.borrow().tally);
        }
        sums
    }

    fn sample(&self) {
        let sums = self.sums();
        self.rates.lock().unwrap_or_else(PoisonError::into_inner).add(Instant::now(), sums);
    }

    fn right(&self, peer: Peer) -> Right {
        self.rights.read().unwrap_or_else(PoisonError::into_inner).of(peer)
    }

    async fn route(&self, asked: Asked) -> Reply {
        let right = self.right(asked.peer);
        if !right.covers(&asked.method) {
            let why = match right {
                Right::Look => "this user may look, and change nothing: ask as root",
                _ => "this user may not ask: ask as root, or name the user in users of [admin]",
            };
            return refusal(StatusCode::FORBIDDEN, "not-allowed", why);
        }
        let path: Option<Vec<String>> = asked.path.split('/').skip(1).map(plain).collect();
        let Some(path) = path else { return not_found() };
        let path: Vec<_> = path.iter().map(String::as_str).collect();
        let (get, post) = (Method::GET, Method::POST);
        match (path.as_slice(), &asked.method) {
            (["v1", "status"], method) if *method == get => self.status().await,
            (["v1", "diagnose"], method) if *method == get => self.diagnose().await,
            (["v1", "users"], method) if *method == get => self.list(&asked.query).await,
            (["v1", "users", who], method) if *method == get => self.show(who).await,
            (["v1", "users", who, "trace"], method) if *method == get => self.trace(who).await,
            (["v1", "users", who, "resync"], method) if *method == post => self.resync(who).await,
            (["v1", "reload"], method) if *method == post => self.reload().await,
            (["v1", "trust"], method) if *method == get => self.trusted().await,
            (["v1", "trust", host], &Method::PUT) => self.decide(host, &asked.body).await,
            (["v1", "trust", host], &Method::DELETE) => self.forget(host).await,
            (["v1", "status" | "diagnose" | "users" | "trust"], _) | (["v1", "users", _], _) => {
                wrong_method("GET")
            }
            (["v1", "users", _, "trace"], _) => wrong_method("GET"),
            (["v1", "users", _, "resync"] | ["v1", "reload"], _) => wrong_method("POST"),
            (["v1", "trust", _], _) => wrong_method("PUT, DELETE"),
            (["v1", "secrets"], method) if *method == get => secrets::list(&self.parts.rotation),
            (["v1", "secrets"], _) => wrong_method("GET"),
            (["v1", "secrets", name], &Method::PUT) => {
                let again = asked.query == "try-again";
                secrets::give(&self.parts.rotation, name, asked.body, again).await
            }
            (["v1", "secrets", _], _) => wrong_method("PUT"),
            _ => not_found(),
        }
    }
}

impl Service for Admin {
    fn knows(&self, peer: Peer) -> bool {
        self.right(peer) != Right::None
    }

    fn answer(&self, asked: Asked) -> BoxFuture<'_, Reply> {
        self.route(asked).boxed()
    }
}

/// A part of a path without its percent-encoding (RFC 3986, 2.1); `None` where it is not text.
fn plain(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next())?, digit(rest.next())?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_path_is_read_and_nonsense_is_none() {
        assert_eq!(plain("ann%40corp.example").as_deref(), Some("ann@corp.example"));
        assert_eq!(plain("%C3%9Cbung").as_deref(), Some("Übung"));
        assert_eq!(plain("a%2Fb").as_deref(), Some("a/b"));
        for bad in ["%", "%4", "%zz", "%ff", "a%f"] {
            assert_eq!(plain(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_user_that_the_system_does_not_know_is_nobody() {
        assert_eq!(uid("1000"), Some(1_000));
        assert_eq!(uid("root"), Some(0));
        assert_eq!(uid("no-such-user-here"), None);
    }
}
