//! The client of a key server: asks with patience, keeps a shared key, hands out content keys.

use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use crate::kms::anchor::{Anchors, Server};
use crate::kms::carrier::{Carrier, Trouble};
use crate::kms::content::{Recent, Remembered};
use crate::kms::jose::{Agreement, Bad};
use crate::kms::messages::{self, Ask, Asker, Given, Reply};
use crate::kms::session::Session;
use crate::kms::{Bound, ContentKey, Keys};
use crate::model::{Fault, KeyUri, Next, Plain, ResourceUri, Secret, Span, Time, UserId};
use crate::net::{Bearer, Client, Connector, Proxy, Trust, tls};

/// Tells the time, for what certificates and keys say of it.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// How long an answer is waited for. The usual is what the protocol's public clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The first wait; each one after is twice as long.
    pub first: Duration,
    /// Before a wait of this length the shared key is agreed on anew, and waits begin again.
    pub renew: Duration,
    /// After this much in all it is given up.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(6),
            renew: Duration::from_secs(32),
            total: Duration::from_secs(96),
        }
    }
}

/// Where the key server is and how to speak with it.
#[derive(Clone)]
pub struct Options {
    /// Its address, up to `/kms`.
    pub url: Uri,
    /// Our account there.
    pub user_id: String,
    /// Our name for this installation.
    pub client_id: String,
    /// Who may vouch for the key server's static key.
    pub anchors: Trust,
    /// The host in its `kms://` names. Where it is not given, the first one that is vouched for is
    /// kept to.
    pub host: Option<String>,
    /// Who may vouch for the TLS server.
    pub trust: Trust,
    /// The way through a proxy.
    pub proxy: Option<Proxy>,
    /// For everything up to the end of the TLS handshake.
    pub connect_timeout: Duration,
    /// How long an answer is waited for.
    pub patience: Patience,
    /// How many messages may be under way at once.
    pub in_flight: usize,
    /// How many unbound keys are asked for at once.
    pub stock: u32,
    /// How many keys of others are remembered.
    pub remembered: usize,
    /// Tells the time.
    pub clock: Clock,
}

impl Options {
    /// The usual ones.
    pub fn new(url: Uri, user_id: impl Into<String>, anchors: Trust, clock: Clock) -> Self {
        Self {
            url,
            user_id: user_id.into(),
            client_id: uuid::Uuid::new_v4().to_string(),
            anchors,
            host: None,
            trust: Trust::default(),
            proxy: None,
            connect_timeout: Duration::from_secs(10),
            patience: Patience::default(),
            in_flight: 16,
            stock: 20,
            remembered: 4096,
            clock,
        }
    }
}

fn anchors(roots: RootCertStore, host: Option<String>) -> Anchors {
    Anchors { roots, algorithms: tls::provider().signature_verification_algorithms, host }
}

/// A key from the stock that can wait to be bound for less than this is thrown away.
const SHORTEST_LIFE: Span = Span::MINUTE;

/// The client of one key server.
pub struct Kms {
    options: Options,
    anchors: RwLock<Arc<Anchors>>,
    carrier: Carrier,
    bearer: Bearer,
    turns: Semaphore,
    host: OnceLock<String>,
    session: Mutex<Option<Arc<Session>>>,
    stock: Mutex<Vec<Given>>,
    recent: Recent,
}

impl fmt::Debug for Kms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kms({})", self.options.url)
    }
}

impl Kms {
    /// A client; nothing is opened before the first call.
    ///
    /// # Errors
    /// [`Next::Refused`] where an option is wrong, with what is.
    pub fn new(options: Options, bearer: Bearer) -> Result<Self, Fault> {
        let connector = Connector::new(options.trust.client()?, options.connect_timeout)
            .through(options.proxy.clone());
        let carrier = Carrier::new(
            Client::new(connector, options.in_flight),
            &options.url,
            &options.user_id,
            options.patience.total,
        )?;
        let anchors = anchors(options.anchors.roots()?, options.host.clone());
        Ok(Self {
            anchors: RwLock::new(Arc::new(anchors)),
            carrier,
            bearer,
            turns: Semaphore::new(options.in_flight.max(1)),
            host: OnceLock::new(),
            session: Mutex::default(),
            stock: Mutex::default(),
            recent: Recent::new(options.remembered),
            options,
        })
    }

    /// Goes this way from now on.
    pub fn reroute(&self, tls: Arc<ClientConfig>, proxy: Option<Proxy>) {
        self.carrier.reroute(tls, proxy);
    }

    /// From now on these may vouch for the key server; the key that is shared with it is agreed on
    /// anew.
    pub async fn reanchor(&self, roots: RootCertStore) {
        let anchors = Arc::new(anchors(roots, self.options.host.clone()));
        *self.anchors.write().unwrap_or_else(PoisonError::into_inner) = anchors;
        *self.session.lock().await = None;
    }

    fn judge(&self, served: &[u8], now: Time) -> Result<Server, Bad> {
        let anchors = Arc::clone(&self.anchors.read().unwrap_or_else(PoisonError::into_inner));
        anchors.judge(served, now)
    }

    /// Whether the key server can be reached, is who it says and knows us.
    ///
    /// # Errors
    /// As any other call.
    pub async fn ping(&self) -> Result<(), Fault> {
        self.ask(Ask::Ping).await.map(|_| ())
    }

    /// Who the key server says it is, judged by the anchors; nothing is agreed on with it.
    ///
    /// # Errors
    /// As any other call.
    pub async fn inspect(&self) -> Result<Server, Fault> {
        let token = (self.bearer)(None).await?;
        let judged = self.carrier.static_key(&token).await.and_then(|served| {
            let server = self.judge(&served, (self.options.clock)())?;
            self.keep_to(&server)?;
            Ok(server)
        });
        judged.map_err(|trouble| match trouble {
            Trouble::Fault(fault) => fault,
            Trouble::Token => Fault::new(Next::SignIn, "KMS: 401, the token is refused"),
            Trouble::Reset => Fault::retry("KMS: it forgets the shared key at once"),
        })
    }

    /// Asks; a token that is refused is replaced once, and so is a shared key that the server
    /// forgot. What comes back is a success or a redirection.
    async fn ask(&self, ask: Ask<'_>) -> Result<Zeroizing<Vec<u8>>, Fault> {
        // Patience begins with one's turn: a queue of ours is not the server's silence.
        let _turn = self.turns.acquire().await.map_err(|_| Fault::retry("KMS: closed"))?;
        let started = Instant::now();
        let mut refused: Option<Secret> = None;
        let mut reset = false;
        loop {
            let token = (self.bearer)(refused.clone()).await?;
            let trouble = match self.patiently(ask, &token, started).await {
                Ok(text) => {
                    let reply = Reply::read(&text).map_err(|bad| Fault::retry(bad.0))?;
                    match reply.status {
                        200..=399 => {
                            drop(reply);
                            return Ok(text);
                        }
                        401 => Trouble::Token,
                        _ => Trouble::Fault(reply.fault()),
                    }
                }
                Err(trouble) => trouble,
            };
            match trouble {
                Trouble::Fault(fault) => return Err(fault),
                Trouble::Token if refused.is_some() => {
                    return Err(Fault::new(Next::SignIn, "KMS: 401, the token is refused"));
                }
                Trouble::Token => refused = Some(token),
                Trouble::Reset if reset => {
                    return Err(Fault::retry("KMS: it forgets the shared key at once"));
                }
                Trouble::Reset => reset = true,
            }
        }
    }

    /// Asks until an answer comes or patience ends.
    async fn patiently(
        &self,
        ask: Ask<'_>,
        token: &Secret,
        started: Instant,
    ) -> Result<Zeroizing<Vec<u8>>, Trouble> {
        let Patience { first, renew, total } = self.options.patience;
        let mut wait = first;
        loop {
            let left = total.saturating_sub(started.elapsed());
            if left.is_zero() {
                return Err(Fault::retry("KMS: no answer in time").into());
            }
            let mut used = None;
            match timeout(wait.min(left), self.once(ask, token, &mut used)).await {
                Ok(result) => return result,
                Err(_) => wait *= 2,
            }
            if wait >= renew {
                if let Some(session) = used {
                    self.forget(&session).await;
                }
                wait = first;
            }
        }
    }

    async fn once(
        &self,
        ask: Ask<'_>,
        token: &Secret,
        used: &mut Option<Arc<Session>>,
    ) -> Result<Zeroizing<Vec<u8>>, Trouble> {
        let session = &*used.insert(self.session(token).await?);
        let request_id = uuid::Uuid::new_v4().to_string();
        let text = messages::request(ask, self.asker(token), &request_id)?;
        let sealed = session.seal(&text)?;
        let destination = &session.server.destination;
        let delivered = self.carrier.deliver(token, destination, &sealed).await?;
        let found = session.find(&delivered, &request_id);
        if matches!(found, Err(Trouble::Reset)) {
            self.forget(session).await;
        }
        found
    }

    fn asker<'a>(&'a self, token: &'a Secret) -> Asker<'a> {
        Asker {
            client_id: &self.options.client_id,
            user_id: &self.options.user_id,
            bearer: token.reveal(),
        }
    }

    /// The shared key; one caller agrees on it, the others wait for it.
    async fn session(&self, token: &Secret) -> Result<Arc<Session>, Trouble> {
        let mut held = self.session.lock().await;
        if let Some(session) = held.as_ref().filter(|session| session.is_good()) {
            return Ok(Arc::clone(session));
        }
        *held = None;
        let session = Arc::new(self.agree(token).await?);
        *held = Some(Arc::clone(&session));
        Ok(session)
    }

    async fn forget(&self, session: &Arc<Session>) {
        let mut held = self.session.lock().await;
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, session)) {
            *held = None;
        }
    }

    async fn agree(&self, token: &Secret) -> Result<Session, Trouble> {
        let served = self.carrier.static_key(token).await?;
        let now = (self.options.clock)();
        let server = self.judge(&served, now)?;
        self.keep_to(&server)?;
        let agreement = Agreement::new()?;
        let request_id = uuid::Uuid::new_v4().to_string();
        let ask = Ask::Agree { destination: &server.destination, half: agreement.public() };
        let text = messages::request(ask, self.asker(token), &request_id)?;
        let sealed = server.key.seal(&text)?;
        let delivered = self.carrier.deliver(token, &server.destination, &sealed).await?;
        Session::agree(server, agreement, &delivered, &request_id, now)
    }

    /// A host that was vouched for once is not exchanged for another.
    fn keep_to(&self, server: &Server) -> Result<(), Bad> {
        if *self.host.get_or_init(|| server.host.clone()) == server.host {
            return Ok(());
        }
        Err(Bad("the static key is of another host than before"))
    }

    /// An unbound key; taken out of the stock for good, as it may be bound by then even if the
    /// answer that says so is lost.
    async fn unbound(&self) -> Result<Given, Fault> {
        let mut stock = self.stock.lock().await;
        let soon = (self.options.clock)() + SHORTEST_LIFE;
        while let Some(given) = stock.pop() {
            if given.expires.is_none_or(|end| end > soon) {
                return Ok(given);
            }
        }
        let text = self.ask(Ask::CreateKeys { count: self.options.stock.max(1) }).await?;
        *stock = read(&text, Reply::keys)?;
        stock.pop().ok_or_else(|| Fault::retry("KMS: no key was made"))
    }

    async fn empty_stock(&self) {
        self.stock.lock().await.clear();
    }

    async fn establish_with(&self, user: &UserId, given: Given) -> Result<Bound, Fault> {
        let text = self.ask(Ask::CreateResource { key: &given.uri, user }).await?;
        let resource = read(&text, |reply| reply.resource(&given.uri))?;
        // Binding gives the key another end, and only the key itself tells it.
        let text = self.ask(Ask::ReadKey { key: given.uri.as_str() }).await?;
        let answered = read(&text, Reply::key)?;
        confirmed(resource, given, &answered)
    }

    async fn bind(&self, resource: &ResourceUri, given: Given) -> Result<Bound, Fault> {
        let text = self.ask(Ask::BindKey { key: &given.uri, resource }).await?;
        let answered = read(&text, Reply::key)?;
        confirmed(resource.clone(), given, &answered)
    }

    /// A key by its name, asked for and then remembered; one redirection is followed.
    async fn read_key(&self, uri: &KeyUri) -> Result<Remembered, Fault> {
        if !messages::is_name(uri.as_str()) {
            return Err(Fault::refused("a key's name is not kms://host/…"));
        }
        let mut text = self.ask(Ask::ReadKey { key: uri.as_str() }).await?;
        let target = read(&text, |reply| Ok(reply.redirect().map(str::to_owned)))?;
        if let Some(target) = &target {
            if !messages::is_name(target) {
                return Err(Fault::retry("KMS: a redirection that leads nowhere"));
            }
            text = self.ask(Ask::ReadKey { key: target }).await?;
        }
        let given = read(&text, Reply::key)?;
        if given.uri != *uri && target.as_deref() != Some(given.uri.as_str()) {
            return Err(Fault::retry("KMS: it gave another key than asked for"));
        }
        let key = ContentKey::new(uri.clone(), given.octets)
            .map_err(|bad| Fault::retry(format!("KMS: {bad}")))?
            .expiring(given.expires);
        let found =
            Remembered { key: Arc::new(key), resource: given.resource, until: given.expires };
        self.recent.put(uri.clone(), found.clone());
        Ok(found)
    }

    async fn recall_key(&self, resource: &ResourceUri, uri: &KeyUri) -> Result<Bound, Fault> {
        // Never from memory: the question is whether the key may still be used.
        let known = self.read_key(uri).await.map_err(lost)?;
        if known.resource.as_ref() != Some(resource) {
            return Err(Fault::new(Next::KeyLost, "KMS: the key is bound to another resource"));
        }
        if known.until.is_some_and(|until| until <= (self.options.clock)()) {
            return Err(Fault::new(Next::KeyLost, "KMS: the key has expired"));
        }
        Ok(Bound { resource: resource.clone(), key: known.key, until: known.until })
    }

    async fn open_with(&self, uri: &KeyUri, jwe: &str) -> Result<Plain, Fault> {
        let known = match self.recent.get(uri) {
            Some(known) => known,
            None => self.read_key(uri).await.map_err(unopenable)?,
        };
        let text = known.key.open(jwe).map_err(|bad| Fault::refused(bad.0))?;
        match std::str::from_utf8(&text) {
            Ok(text) => Ok(Plain::new(text)),
            Err(_) => Err(Fault::refused("what is sealed is not UTF-8")),
        }
    }
}

fn read<'a, T>(
    text: &'a [u8],
    what: impl FnOnce(&Reply<'a>) -> Result<T, Bad>,
) -> Result<T, Fault> {
    Reply::read(text)
        .and_then(|reply| what(&reply))
        .map_err(|bad| Fault::retry(format!("KMS: {bad}")))
}

/// A key that may seal: the server itself says what it is bound to, and until when.
fn confirmed(resource: ResourceUri, given: Given, answered: &Given) -> Result<Bound, Fault> {
    if answered.uri != given.uri || answered.resource.as_ref() != Some(&resource) {
        return Err(Fault::retry("KMS: the key is not bound as asked"));
    }
    let key = ContentKey::new(given.uri, given.octets)
        .map_err(|bad| Fault::retry(format!("KMS: {bad}")))?
        .expiring(answered.expires);
    Ok(Bound { resource, key: Arc::new(key), until: answered.expires })
}

/// For a key or resource that was ours: whatever takes it from us, it must be made anew.
fn lost(fault: Fault) -> Fault {
    match fault.next {
        Next::Denied | Next::Gone => Fault { next: Next::KeyLost, ..fault },
        _ => fault,
    }
}

/// For somebody else's key: what is sealed with it stays sealed.
fn unopenable(fault: Fault) -> Fault {
    match fault.next {
        Next::Gone | Next::KeyLost => Fault { next: Next::Refused, ..fault },
        _ => fault,
    }
}

impl Keys for Kms {
    fn establish<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<Bound, Fault>> {
        Box::pin(async move {
            let given = self.unbound().await?;
            match self.establish_with(user, given).await {
                Err(fault) if fault.next == Next::KeyLost => {
                    self.empty_stock().await;
                    self.establish_with(user, self.unbound().await?).await
                }
                result => result,
            }
        })
    }

    fn rotate<'a>(&'a self, resource: &'a ResourceUri) -> BoxFuture<'a, Result<Bound, Fault>> {
        Box::pin(async move {
            let given = self.unbound().await?;
            match self.bind(resource, given).await.map_err(lost) {
                // It may be the stock that is lost, and not the resource.
                Err(fault) if fault.next == Next::KeyLost => {
                    self.empty_stock().await;
                    self.bind(resource, self.unbound().await?).await.map_err(lost)
                }
                result => result,
            }
        })
    }

    fn recall<'a>(
        &'a self,
        resource: &'a ResourceUri,
        key: &'a KeyUri,
    ) -> BoxFuture<'a, Result<Bound, Fault>> {
        Box::pin(self.recall_key(resource, key))
    }

    fn open<'a>(&'a self, key: &'a KeyUri, jwe: &'a str) -> BoxFuture<'a, Result<Plain, Fault>> {
        Box::pin(self.open_with(key, jwe))
    }

    fn forget(&self) {
        self.recent.clear();
    }
}
