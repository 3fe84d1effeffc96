//! The link to the cloud over TLS: batches, status, sign-in; the channel is in `channel`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use rustls::ClientConfig;
use tokio::sync::{mpsc, watch};

use crate::cloud::announced::Announced;
use crate::cloud::token::{Refused, SecretSource, Token};
use crate::cloud::{
    Answered, ChannelEnd, Cloud, Heard, MAX_BYTES, MAX_EVENTS, Outgoing, Received, Report, Verdict,
    wire,
};
use crate::model::{Fault, Secret};
use crate::net::{Answer, Bearer, Client, Connector, Origin, Proxy, Trust, status};

/// Connections kept between calls: one for batches, one for status and tokens.
const KEPT: usize = 2;
/// 500 verdicts with their reasons fit many times over.
const LONGEST_ANSWER: usize = 4 << 20;

/// Where the cloud is and how to speak with it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its address; paths of the protocol are appended.
    pub url: Uri,
    /// Our name there: letters, digits, `-`, `.`, `_`, `~`.
    pub connector: String,
    /// The OAuth client.
    pub client_id: String,
    /// Whose certificates are accepted.
    pub trust: Trust,
    /// The way through a proxy.
    pub proxy: Option<Proxy>,
    /// For everything up to the end of the TLS handshake.
    pub connect_timeout: Duration,
    /// For a whole call, its connection included.
    pub answer_timeout: Duration,
    /// How often the channel is pinged.
    pub ping: Duration,
    /// After how much silence the channel counts as dead.
    pub silence: Duration,
    /// What is known of its secrets: a wrong one is not sent again by another link.
    pub refused: Refused,
}

impl Options {
    /// The usual ones.
    pub fn new(url: Uri, connector: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            url,
            connector: connector.into(),
            client_id: client_id.into(),
            trust: Trust::default(),
            proxy: None,
            connect_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
            ping: Duration::from_secs(15),
            silence: Duration::from_secs(45),
            refused: Refused::default(),
        }
    }
}

/// The link to one cloud. Clones share connections and the token.
#[derive(Clone)]
pub struct Link(Arc<Shared>);

pub(super) struct Shared {
    pub(super) options: Options,
    pub(super) source: String,
    pub(super) client: Client,
    pub(super) token: Token,
    pub(super) announced: Arc<Announced>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.0.options.url)
    }
}

impl Link {
    /// A link; nothing is opened before the first call. `secret` is asked for at each sign-in, so
    /// that a changed one is taken up.
    ///
    /// # Errors
    /// [`Next::Refused`](crate::model::Next) where an option is wrong, with what is.
    pub fn new(options: Options, secret: SecretSource) -> Result<Self, Fault> {
        Origin::of(&options.url)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let name = &options.connector;
        if name.is_empty() || name.len() > 128 || !name.bytes().all(allowed) {
            return Err(Fault::refused("a connector's id is 1 to 128 of A-Z a-z 0-9 - . _ ~"));
        }
        let connector = Connector::new(options.trust.client()?, options.connect_timeout)
            .through(options.proxy.clone());
        let announced = Arc::new(Announced::default());
        let token = Token::new(
            Origin::join(&options.url, "/oauth/token")?,
            options.client_id.clone(),
            secret,
            Arc::clone(&announced),
            options.refused.clone(),
        );
        Ok(Self(Arc::new(Shared {
            source: wire::source(&options.connector),
            client: Client::new(connector, KEPT),
            token,
            announced,
            options,
        })))
    }

    /// Goes this way from now on. The channel stays open as it is.
    pub fn reroute(&self, tls: Arc<ClientConfig>, proxy: Option<Proxy>) {
        self.0.client.connector().reroute(tls, proxy);
    }

    /// The access token, for the key server, which takes the same.
    pub fn bearer(&self) -> Bearer {
        let shared = Arc::clone(&self.0);
        Arc::new(move |refused| {
            let shared = Arc::clone(&shared);
            Box::pin(async move { shared.token.get(&shared.client, refused.as_ref()).await })
        })
    }
}

impl Cloud for Link {
    fn send<'a>(&'a self, batch: &'a [Outgoing]) -> BoxFuture<'a, Result<Vec<Verdict>, Fault>> {
        Box::pin(self.0.send(batch))
    }

    fn channel<'a>(
        &'a self,
        after: u64,
        heard: mpsc::Sender<Heard>,
        answers: mpsc::Receiver<Answered>,
        stop: watch::Receiver<bool>,
    ) -> BoxFuture<'a, ChannelEnd> {
        Box::pin(super::channel::run(&self.0, after, heard, answers, stop))
    }

    fn status<'a>(&'a self, report: &'a Report) -> BoxFuture<'a, Result<(), Fault>> {
        Box::pin(self.0.status(report))
    }
}

impl Shared {
    async fn send(&self, batch: &[Outgoing]) -> Result<Vec<Verdict>, Fault> {
        // Its answer says which version the cloud speaks, where nothing else did before.
        self.token.get(&self.client, None).await?;
        let minor = self.announced.minor();
        let (known, later): (Vec<_>, Vec<_>) =
            batch.iter().partition(|event| event.kind.since() <= minor);
        let mut verdicts: Vec<_> = later.iter().map(|event| not_sent(minor, event)).collect();
        if known.is_empty() {
            return Ok(verdicts);
        }
        let body = wire::batch(&self.source, known.iter().copied(), minor)?;
        if batch.len() > MAX_EVENTS || body.len() > MAX_BYTES {
            return Err(Fault::refused("the batch is too large"));
        }
        let kind = "application/cloudevents-batch+json; charset=utf-8";
        let answer = self.call(Method::POST, "/v1/events", kind, body).await?;
        verdicts.extend(wire::verdicts(&answer.body, batch)?);
        if !later.is_empty() {
            verdicts.sort_by_cached_key(|one| batch.iter().position(|event| event.id == one.id));
        }
        Ok(verdicts)
    }

    async fn status(&self, report: &Report) -> Result<(), Fault> {
        let path = format!("/v1/connectors/{}", self.options.connector);
        let body = wire::status(report)?;
        self.call(Method::PUT, &path, "application/json", body).await.map(|_| ())
    }

    /// One call with our token; a token that is refused is replaced once.
    async fn call(
        &self,
        method: Method,
        path: &str,
        kind: &'static str,
        body: Vec<u8>,
    ) -> Result<Answer, Fault> {
        let uri = Origin::join(&self.options.url, path)?;
        let body = Bytes::from(body);
        let mut refused = None;
        loop {
            let token = self.token.get(&self.client, refused.as_ref()).await?;
            let request = Request::builder()
                .method(method.clone())
                .uri(uri.clone())
                .header(AUTHORIZATION, authorization(&token)?)
                .header(CONTENT_TYPE, kind)
                .header(ACCEPT, "application/json")
                .header(USER_AGENT, USER_AGENT_TEXT)
                .body(Full::new(body.clone()))
                .map_err(|_| Fault::refused("the request cannot be written"))?;
            let wait = self.options.answer_timeout;
            let answer = self.client.call(request, LONGEST_ANSWER, wait).await?;
            self.announced.hear(&answer.headers);
            if answer.status == StatusCode::UNAUTHORIZED && refused.is_none() {
                refused = Some(token);
                continue;
            }
            return match answer.status.is_success() {
                true => Ok(answer),
                false => Err(status::fault(&answer)),
            };
        }
    }
}

/// It stays with us, set aside: the cloud would refuse it.
fn not_sent(minor: u32, event: &Outgoing) -> Verdict {
    let why = wire::unknown_to(minor, event.kind);
    Verdict { id: Arc::clone(&event.id), result: Received::Rejected(why) }
}

/// What we call ourselves towards the cloud.
pub(super) const USER_AGENT_TEXT: &str = concat!("calway/", env!("CARGO_PKG_VERSION"));

/// The header that shows a token.
pub(super) fn authorization(token: &Secret) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
        .map_err(|_| Fault::retry("the token cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}
