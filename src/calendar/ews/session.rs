//! One connection and how it is signed in: by itself (NTLM, Negotiate), or request by request
//! (Basic, and Negotiate where the server wants it so).

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::gate::SignIn;
use super::http::{LONGEST_PAGE, bare_request, now};
use super::negotiate::{NoToken, Token, Wish};
use super::ntlm::{self, Account};
use super::sign_in::{self, Auth};
use super::spnego::{self, Answer};
use super::{answer, channel};
use crate::model::{Fault, Next, Secret};
use crate::net::gate::{REFUSED_HERE, Shut};
use crate::net::{Connection, Connector, Origin, read_body};

/// One connection and how it is signed in.
pub(super) struct Slot {
    connection: Connection,
    signed: Signed,
    idle_since: Instant,
}

enum Signed {
    /// With each request. Its header is made for each of them: kept, it would be the password.
    Basic(Secret),
    /// The connection itself.
    Ntlm,
    /// The connection itself, or each request.
    Negotiate,
}

/// What came of a request on one connection.
pub(super) enum Sent {
    Answered(Response<Incoming>),
    /// The connection was of no use; the request had no effect, or may come twice.
    Stale,
}

/// Where a connection leads to, and who signs in there.
pub(super) struct Entrance<'a> {
    pub(super) connector: &'a Connector,
    pub(super) origin: &'a Origin,
    pub(super) sign_in: &'a SignIn,
    /// What is asked while signing in.
    pub(super) uri: &'a Uri,
    /// Whether a password may be sent as it is.
    pub(super) basic: bool,
    /// Whether a request went in that was not turned away with 401.
    let_in: AtomicBool,
}

impl Slot {
    fn new(connection: Connection, signed: Signed) -> Self {
        Self { connection, signed, idle_since: Instant::now() }
    }

    /// Whether it may still be good.
    pub(super) fn is_usable(&self) -> bool {
        self.connection.is_usable()
    }

    /// Since when nobody used it.
    pub(super) fn idle_since(&self) -> Instant {
        self.idle_since
    }

    /// It was used just now.
    pub(super) fn used(&mut self) {
        self.idle_since = Instant::now();
    }

    /// Sends on a connection that is signed in.
    ///
    /// # Errors
    /// [`Next::SignIn`] where the password is refused now.
    pub(super) async fn send_again(
        &mut self,
        entrance: &Entrance<'_>,
        request: Request<Full<Bytes>>,
    ) -> Result<Sent, Fault> {
        let sign_in = entrance.sign_in;
        match &self.signed {
            Signed::Basic(password) => {
                let password = password.clone();
                return self.send_with_password(entrance, request, &password).await;
            }
            Signed::Ntlm => {}
            Signed::Negotiate if sign_in.each_request(entrance.origin) => {
                return self.send_with_token(entrance, request).await;
            }
            Signed::Negotiate => {}
        }
        let Ok(response) = self.connection.send(request.clone()).await else {
            return Ok(Sent::Stale);
        };
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(Sent::Answered(response));
        }
        match &self.signed {
            // The server forgot the connection's sign-in, which it may at any time.
            Signed::Basic(_) | Signed::Ntlm => Ok(Sent::Stale),
            Signed::Negotiate => {
                let headers = drain_unauthorized(response).await?;
                if !sign_in::is_offered(&headers, Auth::Negotiate) {
                    return Ok(Sent::Stale);
                }
                let sent = self.send_with_token(entrance, request).await?;
                if let Sent::Answered(_) = sent {
                    sign_in.set_each_request(entrance.origin);
                }
                Ok(sent)
            }
        }
    }

    /// Each such request is a sign-in, which waits for its turn: many at once would be as many
    /// wrong ones after the password was changed.
    async fn send_with_password(
        &mut self,
        entrance: &Entrance<'_>,
        mut request: Request<Full<Bytes>>,
        password: &Secret,
    ) -> Result<Sent, Fault> {
        let is_changed = || entrance.sign_in.password().ok().as_ref() != Some(password);
        if is_changed() {
            return Ok(Sent::Stale);
        }
        let turn = entrance.sign_in.enter(Auth::Basic, password, entrance.origin).await?;
        if is_changed() {
            return Ok(Sent::Stale);
        }
        let header = sign_in::basic(entrance.sign_in.account(), password)?;
        request.headers_mut().insert(AUTHORIZATION, header);
        let sending = async {
            let Ok(response) = self.connection.send(request).await else {
                return Ok(Sent::Stale);
            };
            entrance.judge(response.status(), Auth::Basic, password, "").await?;
            Ok(Sent::Answered(response))
        };
        turn.until(sending).await
    }

    async fn send_with_token(
        &mut self,
        entrance: &Entrance<'_>,
        request: Request<Full<Bytes>>,
    ) -> Result<Sent, Fault> {
        // Another way may be found on another connection.
        let Ok(secret) = entrance.sign_in.secret(Auth::Negotiate) else {
            return Ok(Sent::Stale);
        };
        let entered = entrance.sign_in.enter(Auth::Negotiate, &secret, entrance.origin).await;
        let Ok(turn) = entered else {
            return Ok(Sent::Stale);
        };
        let Ok(token) = turn.until(entrance.token(&self.connection, &secret)).await else {
            return Ok(Sent::Stale);
        };
        match entrance.send_token(&mut self.connection, request, token).await {
            Ok(Some(response)) => Ok(Sent::Answered(response)),
            Ok(None) => Ok(Sent::Stale),
            Err(fault) => Err(fault),
        }
    }
}

/// The ways that were tried in vain, and why the first of them was: it is the one that was meant.
#[derive(Default)]
struct Failed {
    ways: Vec<Auth>,
    why: Option<Fault>,
}

impl Failed {
    fn add(&mut self, auth: Auth, why: Fault) {
        self.ways.push(auth);
        self.why.get_or_insert(why);
    }
}

impl<'a> Entrance<'a> {
    /// `basic`: whether a password may be sent as it is.
    pub(super) fn new(
        connector: &'a Connector,
        origin: &'a Origin,
        sign_in: &'a SignIn,
        uri: &'a Uri,
        basic: bool,
    ) -> Self {
        Self { connector, origin, sign_in, uri, basic, let_in: AtomicBool::new(false) }
    }

    /// Whether the request of [`Entrance::send_first`] may have come to where it takes effect, as
    /// far as it was sent at all and not turned away for who sends it.
    pub(super) fn has_let_in(&self) -> bool {
        self.let_in.load(Ordering::Relaxed)
    }

    /// Sends the request itself.
    async fn hand_in(
        &self,
        connection: &mut Connection,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Fault> {
        self.let_in.store(true, Ordering::Relaxed);
        let response = connection.send(request).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            self.let_in.store(false, Ordering::Relaxed);
        }
        Ok(response)
    }

    /// Sends on a new connection and signs in by it, in the first way that works.
    ///
    /// # Errors
    /// [`Next::SignIn`] where that is refused, or was not long ago.
    pub(super) async fn send_first(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Slot, Response<Incoming>), Fault> {
        let mut failed = Failed::default();
        loop {
            let left = self.sign_in.ways().iter().copied();
            let left = left.filter(|auth| self.basic || *auth != Auth::Basic);
            let left: Vec<_> = left.filter(|auth| !failed.ways.contains(auth)).collect();
            if left.is_empty() && !self.basic {
                let shut = failed.why.filter(|why| why.next == Next::SignIn);
                return Err(shut.unwrap_or_else(no_basic));
            }
            let left = match self.sign_in.open_ways(&left, self.origin).await {
                Ok(open) => open,
                Err(shut) => return Err(self.why_none(&left, failed, shut)),
            };
            let mut connection =
                self.connector.connect(self.origin).await.map_err(unreachable_server)?;
            let known = self.sign_in.way(self.origin).filter(|auth| left.contains(auth));
            let auth = match known {
                Some(auth) => auth,
                None => match self.ask(&mut connection, &left).await? {
                    Some(auth) => auth,
                    None if !self.basic => return Err(no_basic()),
                    None => return Err(failed.why.unwrap_or_else(nothing_offered)),
                },
            };
            let tried = match self.sign_in.secret(auth) {
                Ok(secret) => self.enter(auth, connection, request.clone(), &secret).await?,
                Err(none) => Err(none),
            };
            match tried {
                Ok(done) => return Ok(done),
                Err(why) => {
                    self.sign_in.forget_way(self.origin);
                    failed.add(auth, why);
                }
            }
        }
    }

    /// What is told where no way is left: that a secret is shut out goes before that a way does
    /// not work here.
    fn why_none(&self, left: &[Auth], failed: Failed, shut: Fault) -> Fault {
        let is_shut = left.iter().any(|auth| self.sign_in.secret(*auth).is_ok());
        let why = failed.why.filter(|why| !is_shut || why.next == Next::SignIn);
        why.unwrap_or(shut)
    }

    /// Signs in by this way when it is this secret's turn.
    async fn enter(
        &self,
        auth: Auth,
        connection: Connection,
        request: Request<Full<Bytes>>,
        secret: &Secret,
    ) -> Result<Tried, Fault> {
        let turn = match self.sign_in.enter(auth, secret, self.origin).await {
            Ok(turn) => turn,
            Err(shut) => return Ok(Err(shut)),
        };
        let signing_in = async {
            match auth {
                Auth::Negotiate => self.negotiate(connection, request, secret).await,
                Auth::Ntlm => self.ntlm(connection, request, secret).await,
                Auth::Basic => self.basic(connection, request, secret).await.map(Ok),
            }
        };
        turn.until(signing_in).await
    }

    /// Asks without credentials which of these ways the server offers.
    async fn ask(&self, connection: &mut Connection, ways: &[Auth]) -> Result<Option<Auth>, Fault> {
        let response = connection.send(self.empty(None)?).await?;
        Ok(sign_in::choose(ways, &drain_unauthorized(response).await?))
    }

    async fn basic(
        &self,
        mut connection: Connection,
        mut request: Request<Full<Bytes>>,
        password: &Secret,
    ) -> Result<(Slot, Response<Incoming>), Fault> {
        let header = sign_in::basic(self.sign_in.account(), password)?;
        request.headers_mut().insert(AUTHORIZATION, header);
        let response = self.hand_in(&mut connection, request).await?;
        self.judge(response.status(), Auth::Basic, password, "").await?;
        Ok((Slot::new(connection, Signed::Basic(password.clone())), response))
    }

    /// The handshake, whose last message goes with the request; or why there was none.
    async fn ntlm(
        &self,
        mut connection: Connection,
        mut request: Request<Full<Bytes>>,
        password: &Secret,
    ) -> Result<Tried, Fault> {
        let negotiate = ntlm::negotiate();
        let asking = self.empty(Some(sign_in::ntlm(&negotiate)?))?;
        let headers = drain_unauthorized(connection.send(asking).await?).await?;
        let Some(challenge) = sign_in::token(&headers, Auth::Ntlm) else {
            return Ok(Err(sign_in::not_here("the server does not answer NTLM")));
        };
        let binding = connection.peer_certificate().and_then(ntlm::channel_binding);
        let doubt = sign_in::doubt(binding.is_some());
        let account = Account::parse(self.sign_in.account());
        let answer =
            ntlm::authenticate(&negotiate, &challenge, &account, password, binding, now())?;
        request.headers_mut().insert(AUTHORIZATION, sign_in::ntlm(&answer)?);
        let response = self.hand_in(&mut connection, request).await?;
        self.judge(response.status(), Auth::Ntlm, password, doubt).await?;
        Ok(Ok((Slot::new(connection, Signed::Ntlm), response)))
    }

    /// A ticket that goes with the request; or why there is none, or it is not taken.
    async fn negotiate(
        &self,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
        secret: &Secret,
    ) -> Result<Tried, Fault> {
        let token = match self.token(&connection, secret).await {
            Ok(token) => token,
            // A keytab is not the password, with which another way may work.
            Err(NoToken::Refused(why)) => return Ok(Err(sign_in::refused(&why))),
            Err(NoToken::Unavailable(fault)) => return Ok(Err(fault)),
        };
        let Some(response) = self.send_token(&mut connection, request, token).await? else {
            let bound = connection.peer_certificate().and_then(channel::end_point).is_some();
            let doubt = sign_in::doubt(bound);
            let why = format!("Kerberos: the server does not take the ticket{doubt}");
            return Ok(Err(sign_in::not_here(&why)));
        };
        self.sign_in.set_way(self.origin, Auth::Negotiate);
        Ok(Ok((Slot::new(connection, Signed::Negotiate), response)))
    }

    /// Sends with a token. Nothing where the server does not take it.
    async fn send_token(
        &self,
        connection: &mut Connection,
        mut request: Request<Full<Bytes>>,
        token: Token,
    ) -> Result<Option<Response<Incoming>>, Fault> {
        let header = sign_in::negotiate(&spnego::offer(&token.bytes))?;
        request.headers_mut().insert(AUTHORIZATION, header);
        let response = self.hand_in(connection, request).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        // Many servers send no proof; TLS has shown already who they are.
        let Some(message) = sign_in::token(response.headers(), Auth::Negotiate) else {
            return Ok(Some(response));
        };
        let answer = spnego::read(&message);
        let proven = match answer {
            Some(Answer { accepted: Some(false), .. }) | None => false,
            Some(Answer { token: None, .. }) => true,
            Some(Answer { token: Some(proof), .. }) => (token.proves)(&proof),
        };
        match proven {
            true => Ok(Some(response)),
            false => Err(sign_in::not_here("Kerberos: the server could not prove who it is")),
        }
    }

    /// A token for this server, bound to the connection.
    async fn token(&self, connection: &Connection, secret: &Secret) -> Result<Token, NoToken> {
        let Some(tickets) = self.sign_in.tickets() else {
            let fault = sign_in::not_here("Kerberos: this build has none");
            return Err(NoToken::Unavailable(fault));
        };
        let wish = Wish {
            account: self.sign_in.account().to_owned(),
            password: self.sign_in.password().ok(),
            host: self.origin.host().to_owned(),
            binding: connection.peer_certificate().and_then(channel::end_point),
        };
        let token = tickets.token(wish).await;
        let said = token.as_ref().map(|token| token.asked).map_err(NoToken::clone);
        self.sign_in.key_server_said(secret, said).await.and(token)
    }

    /// `doubt` is what else than the password may be the reason.
    async fn judge(
        &self,
        status: StatusCode,
        auth: Auth,
        password: &Secret,
        doubt: &str,
    ) -> Result<(), Fault> {
        match status {
            StatusCode::UNAUTHORIZED => {
                let before = match self.sign_in.gate(auth).is_proven(password) {
                    true => ", with a password that was right before",
                    false => "",
                };
                Err(match self.sign_in.refuse(auth, password, self.origin).await {
                    Shut::Here => sign_in::not_here(REFUSED_HERE),
                    Shut::Everywhere => {
                        sign_in::refused(&format!("sign-in was refused{before}{doubt}"))
                    }
                })
            }
            // Other errors may come from something in front that never saw the password.
            StatusCode::OK | StatusCode::INTERNAL_SERVER_ERROR => {
                self.sign_in.prove(auth, password, self.origin).await;
                self.sign_in.set_way(self.origin, auth);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn empty(&self, header: Option<HeaderValue>) -> Result<Request<Full<Bytes>>, Fault> {
        let mut request = bare_request(self.uri, Bytes::new())?;
        if let Some(header) = header {
            request.headers_mut().insert(AUTHORIZATION, header);
        }
        Ok(request)
    }
}

/// A request with its answer, or why this way did not work although no secret was refused.
type Tried = Result<(Slot, Response<Incoming>), Fault>;

/// No secret was refused here: others may be signed in to.
fn no_basic() -> Fault {
    Fault::retry("a domain's own web site is given no password by Basic")
}

fn nothing_offered() -> Fault {
    sign_in::not_here("the server offers none of the configured ways to sign in")
}

/// Reads a 401 to its end, so that the connection can go on.
async fn drain_unauthorized(response: Response<Incoming>) -> Result<HeaderMap, Fault> {
    let (status, headers) = (response.status(), response.headers().clone());
    if status != StatusCode::UNAUTHORIZED {
        let body = read_body(response, LONGEST_PAGE).await.unwrap_or_default();
        return Err(match status {
            StatusCode::OK => Fault::retry("the server does not ask for a sign-in"),
            _ => answer::fault(status, &headers, &body),
        });
    }
    read_body(response, LONGEST_PAGE).await?;
    Ok(headers)
}

/// A server that takes no connection concerns everybody: one tries for all.
fn unreachable_server(fault: Fault) -> Fault {
    match fault.next {
        Next::Retry { after } => Fault { next: Next::BackOff { after }, ..fault },
        _ => fault,
    }
}
