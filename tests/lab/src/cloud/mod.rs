//! The cloud's side of the relay protocol (`docs/spec/relay.md`), with a key server and faults.
//!
//! The faults it can play are in [`faults::Fault`], the key server's in
//! [`crate::kms::faults::Fault`]. Besides: [`Cloud::cut`] and [`Cloud::restore`] (nothing
//! listens), [`Cloud::drop_connections`], [`Cloud::close_channel`], [`Cloud::revoke_tokens`].

mod channel;
mod commands;
mod control;
mod core;
mod event;
pub mod faults;
mod front;
mod ledger;
pub mod program;
mod recorder;
mod reports;
mod routes;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use self::core::Core;
use crate::kms::{self, Kms};
use crate::people::Person;
use crate::tls::{Authority, LOOPBACK};
pub use channel::{Command, Outcome, close};
pub use commands::{
    CommandResult, DecorateRequest, Decorating, FreeBusy, FreeBusyItem, Guest, NewMeeting, Reply,
    When,
};
pub use core::View;
use faults::Faults;
use front::Front;
pub use ledger::{Arrival, Stats, StoredRecord, Verdict};
pub use recorder::Received;
pub use reports::Report;
use routes::{KmsRoutes, MINOR, Routes};

/// The most events that a batch may hold.
pub const MOST_EVENTS: usize = 500;
/// The most bytes that a body may have.
pub const MOST_BYTES: usize = 1 << 20;

/// How a cloud is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The names that its certificate has beside those of this machine.
    pub names: Vec<String>,
    /// Where the key server listens besides `<cloud>/v1`, if it does.
    pub kms_listen: Option<SocketAddr>,
    /// The connector's id: its source, its user at the key server, its status address.
    pub connector_id: String,
    /// Its OAuth client id.
    pub client_id: String,
    /// Its OAuth client secret.
    pub client_secret: String,
    /// How long its tokens are good.
    pub token_life: Duration,
    /// Whose certificates the listeners present; a new authority if none is given.
    pub authority: Option<Arc<Authority>>,
    /// How many bytes of what comes in are kept.
    pub record_limit: usize,
    /// The key server. Its token table is the cloud's too.
    pub kms: kms::Options,
    /// The minor version of the protocol that it announces: what is newer it does not know.
    pub minor: u32,
}

impl Default for Options {
    fn default() -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen,
            names: Vec::new(),
            kms_listen: None,
            connector_id: "hq-1".into(),
            client_id: "hq-1".into(),
            client_secret: "lab-secret".into(),
            token_life: Duration::from_secs(3600),
            authority: None,
            record_limit: 256 << 20,
            kms: kms::Options::default(),
            minor: MINOR,
        }
    }
}

struct Inner {
    core: Arc<Core>,
    front: Front,
    kms_front: Option<Front>,
    authority: Arc<Authority>,
    people: Mutex<HashMap<String, Arc<Person>>>,
}

/// The cloud; a clone is the same one, and dropping the last stops it.
#[derive(Clone)]
pub struct Cloud(Arc<Inner>);

impl Cloud {
    /// Listens.
    pub async fn start(options: Options) -> io::Result<Self> {
        let authority = options.authority.clone().unwrap_or_default();
        let core = Arc::new(Core::new(&options, Kms::new(options.kms.clone())));
        let own = options.names.iter().map(String::as_str);
        let names: Vec<&str> = LOOPBACK.into_iter().chain(own).collect();
        let tls = authority.server_config(&names);
        let routes = Arc::new(Routes(core.clone()));
        let front = Front::start(options.listen, tls.clone(), routes).await?;
        let kms_front = match options.kms_listen {
            Some(listen) => {
                Some(Front::start(listen, tls, Arc::new(KmsRoutes(core.clone()))).await?)
            }
            None => None,
        };
        let people = Mutex::default();
        let inner = Inner { core, front, kms_front, authority, people };
        inner.core.kms.set_url(&inner.kms_url());
        Ok(Self(Arc::new(inner)))
    }

    /// The base of every address: `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.0.front.address())
    }

    /// The root that the listeners' certificates lead to.
    pub fn ca_pem(&self) -> String {
        self.0.authority.pem()
    }

    /// The key server; [`Kms::url`] is where a client finds it.
    pub fn kms(&self) -> &Kms {
        &self.0.core.kms
    }

    /// The connector's id, which is its user at the key server as well.
    pub fn connector_id(&self) -> String {
        self.0.core.connector.clone()
    }

    /// The connector's OAuth client id and secret.
    pub fn credentials(&self) -> (String, String) {
        (self.0.core.client_id.clone(), self.0.core.client_secret.clone())
    }

    /// The rules of what goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.0.core.faults
    }

    /// The app of `user`, who is known to the token table from now on.
    pub fn person(&self, user: &str) -> Arc<Person> {
        let mut people = self.0.people.lock().unwrap_or_else(PoisonError::into_inner);
        people.entry(user.into()).or_insert_with(|| Arc::new(self.new_person(user))).clone()
    }

    fn new_person(&self, user: &str) -> Person {
        let (tokens, name) = (self.0.core.tokens.clone(), user.to_owned());
        let kept = Mutex::new(String::new());
        let bearer = move || {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if tokens.owner(&kept).is_none() {
                *kept = tokens.issue(&name, Duration::from_secs(24 * 3600));
            }
            kept.clone()
        };
        Person::at(user, &self.url(), &self.ca_pem(), self.kms(), bearer)
    }

    /// Seals `address` with a key that `user`'s own app makes and shares with the connector,
    /// queues `user.activate` with it, and answers the command's id.
    pub async fn activate(&self, user: &str, address: &str) -> String {
        let person = self.person(user);
        let connector = &self.0.core.connector;
        let (sealed, key) = person
            .seal_for(address, connector)
            .await
            .expect("the lab's own key server answers its own people");
        self.command(
            "user.activate",
            user,
            json!({"encryptedEmailAddress": sealed, "encryptionKeyUrl": key}),
        )
    }

    /// [`Cloud::activate`] for many users, by one administrator's app with one key for each; the
    /// ids of the commands in the same order.
    pub async fn activate_many(&self, users: &[(String, String)]) -> Vec<String> {
        let administrator = self.person("administrator");
        let connector = &self.0.core.connector;
        let mut ids = Vec::with_capacity(users.len());
        for (user, address) in users {
            let (sealed, key) = administrator
                .seal_for(address, connector)
                .await
                .expect("the lab's own key server answers its own people");
            let data = json!({"encryptedEmailAddress": sealed, "encryptionKeyUrl": key});
            ids.push(self.command("user.activate", user, data));
        }
        ids
    }

    /// Queues `user.deactivate`.
    pub fn deactivate(&self, user: &str) -> String {
        self.command("user.deactivate", user, json!({}))
    }

    /// Queues `records.resend` for one user, or for all with `*`.
    pub fn resend(&self, user: &str) -> String {
        self.command("records.resend", user, json!({}))
    }

    /// Queues any command and answers its id. `user.activate` admits its subject at once.
    pub fn command(&self, kind: &str, subject: &str, data: Value) -> String {
        self.0.core.command(kind, subject, data)
    }

    /// Expects events of `user` without a command.
    pub fn admit(&self, user: &str) {
        self.0.core.admit(user);
    }

    /// Waits for the outcome of the command `id`.
    pub async fn outcome(&self, id: &str) -> Outcome {
        let mut found = None;
        self.wait(|view| {
            found = view.outcome(id).cloned();
            found.is_some()
        })
        .await;
        found.unwrap_or(Outcome { outcome: "unknown".into(), reason: None })
    }

    /// Waits until `condition` holds; it is asked again after every change.
    pub async fn wait(&self, condition: impl FnMut(&View<'_>) -> bool) {
        self.0.core.wait(condition).await;
    }

    /// Reads what the cloud knows now.
    pub fn view<T>(&self, read: impl FnOnce(&View<'_>) -> T) -> T {
        self.0.core.view(read)
    }

    /// Every record of `user`, tombstones too.
    pub fn records(&self, user: &str) -> Vec<StoredRecord> {
        self.view(|view| view.records(user))
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.view(|view| view.stats())
    }

    /// Every byte that came in so far.
    pub fn received(&self) -> Received {
        self.0.core.recorder.received()
    }

    /// Ends the open channel with a code.
    pub fn close_channel(&self, code: u16) {
        self.0.core.close_channel(code);
    }

    /// Ends every token of the connector.
    pub fn revoke_tokens(&self) {
        self.0.core.tokens.revoke(&self.0.core.connector);
    }

    /// Stops listening and ends every connection, with the key server's own listener.
    pub async fn cut(&self) {
        self.0.front.cut().await;
        self.cut_kms().await;
    }

    /// Listens again on the same ports.
    pub async fn restore(&self) -> io::Result<()> {
        self.restore_kms().await?;
        self.0.front.restore().await
    }

    /// Cuts off the key server's own listener alone, if it has one.
    pub async fn cut_kms(&self) {
        if let Some(front) = &self.0.kms_front {
            front.cut().await;
        }
    }

    /// Brings the key server's own listener back.
    pub async fn restore_kms(&self) -> io::Result<()> {
        match &self.0.kms_front {
            Some(front) => front.restore().await,
            None => Ok(()),
        }
    }

    /// Ends every connection and goes on listening.
    pub fn drop_connections(&self) {
        self.0.front.drop_connections();
        if let Some(front) = &self.0.kms_front {
            front.drop_connections();
        }
    }
}

impl Inner {
    fn kms_url(&self) -> String {
        match &self.kms_front {
            Some(front) => format!("https://{}", front.address()),
            None => format!("https://{}/v1", self.front.address()),
        }
    }
}

#[cfg(test)]
mod tests;
