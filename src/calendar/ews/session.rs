//! One connection and how it is signed in: by itself (NTLM), or request by request (Basic).

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::answer;
use super::gate::{SignIn, Turn};
use super::http::{LONGEST_PAGE, bare_request, now};
use super::ntlm::{self, Account};
use super::sign_in::{self, Auth};
use crate::model::{Fault, Next, Secret};
use crate::net::{Connection, Connector, Origin, read_body};

/// One connection and how it is signed in.
pub(super) struct Slot {
    connection: Connection,
    signed: Signed,
    idle_since: Instant,
}

enum Signed {
    /// With each request.
    Basic(HeaderValue, Secret),
    /// The connection itself.
    Ntlm,
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
}

impl Slot {
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
        sign_in: &SignIn,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Sent, Fault> {
        if let Signed::Basic(header, password) = &self.signed {
            if sign_in.password().ok().as_ref() != Some(password) {
                return Ok(Sent::Stale);
            }
            sign_in.check(password)?;
            request.headers_mut().insert(AUTHORIZATION, header.clone());
        }
        let Ok(response) = self.connection.send(request).await else {
            return Ok(Sent::Stale);
        };
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(Sent::Answered(response));
        }
        match &self.signed {
            Signed::Basic(_, password) => {
                sign_in.refuse(password);
                Err(sign_in::refused("Basic sign-in was refused"))
            }
            // The server forgot the connection's sign-in, which it may at any time.
            Signed::Ntlm => Ok(Sent::Stale),
        }
    }
}

impl Entrance<'_> {
    /// Sends on a new connection and signs in by it.
    ///
    /// # Errors
    /// [`Next::SignIn`] where that is refused, or was not long ago.
    pub(super) async fn send_first(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Slot, Response<Incoming>), Fault> {
        let password = self.sign_in.password()?;
        let turn = self.sign_in.enter(&password).await?;
        let mut connection =
            self.connector.connect(self.origin).await.map_err(unreachable_server)?;
        let (signed, header) = self.credentials(&mut connection, &password).await?;
        request.headers_mut().insert(AUTHORIZATION, header);
        let response = connection.send(request).await?;
        self.judge(response.status(), &password, turn)?;
        let slot = Slot { connection, signed, idle_since: Instant::now() };
        Ok((slot, response))
    }

    /// What the first real request carries.
    async fn credentials(
        &self,
        connection: &mut Connection,
        password: &Secret,
    ) -> Result<(Signed, HeaderValue), Fault> {
        let mut auth = match self.sign_in.way(self.origin) {
            Some(auth) => auth,
            None => self.ask(connection).await?,
        };
        if auth == Auth::Ntlm {
            match self.ntlm(connection, password).await? {
                Ok(header) => return Ok((Signed::Ntlm, header)),
                // NTLM is not offered any more.
                Err(other) => auth = other,
            }
        }
        self.sign_in.set_way(self.origin, Some(auth));
        let header = sign_in::basic(self.sign_in.account(), password)?;
        Ok((Signed::Basic(header.clone(), password.clone()), header))
    }

    /// Asks without credentials what the server offers.
    async fn ask(&self, connection: &mut Connection) -> Result<Auth, Fault> {
        let response = connection.send(self.empty(None)?).await?;
        let headers = drain_unauthorized(response).await?;
        let auth = sign_in::choose(self.sign_in.ways(), &headers).ok_or_else(|| {
            sign_in::refused("the server offers none of the configured ways to sign in")
        })?;
        self.sign_in.set_way(self.origin, Some(auth));
        Ok(auth)
    }

    /// The handshake up to the Type 3 message; or another way that is offered instead.
    async fn ntlm(
        &self,
        connection: &mut Connection,
        password: &Secret,
    ) -> Result<Result<HeaderValue, Auth>, Fault> {
        let negotiate = ntlm::negotiate();
        let asking = self.empty(Some(sign_in::ntlm(&negotiate)?))?;
        let headers = drain_unauthorized(connection.send(asking).await?).await?;
        let Some(challenge) = sign_in::ntlm_token(&headers) else {
            let ways = self.sign_in.ways().iter().copied();
            let others: Vec<_> = ways.filter(|auth| *auth != Auth::Ntlm).collect();
            self.sign_in.set_way(self.origin, None);
            return match sign_in::choose(&others, &headers) {
                Some(other) => Ok(Err(other)),
                None => Err(sign_in::refused("the server does not answer NTLM")),
            };
        };
        let binding = connection.peer_certificate().and_then(ntlm::channel_binding);
        let account = Account::parse(self.sign_in.account());
        let answer =
            ntlm::authenticate(&negotiate, &challenge, &account, password, binding, now())?;
        Ok(Ok(sign_in::ntlm(&answer)?))
    }

    fn judge(&self, status: StatusCode, password: &Secret, _turn: Turn<'_>) -> Result<(), Fault> {
        match status {
            StatusCode::UNAUTHORIZED => {
                self.sign_in.refuse(password);
                Err(sign_in::refused("sign-in was refused"))
            }
            // Other errors may come from something in front that never saw the password.
            StatusCode::OK | StatusCode::INTERNAL_SERVER_ERROR => {
                self.sign_in.prove(password);
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
