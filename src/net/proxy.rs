//! The tunnel through an HTTP proxy: CONNECT (RFC 9110, 9.3.6), with Basic sign-in (RFC 7617) or
//! none; and requests of plain http, which it forwards.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION};
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::model::{Fault, Next, Secret, Tried};
use crate::net::Gate;
use crate::net::gate::Memory;
use crate::net::http::http_fault;

/// A proxy that opens tunnels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Who signs in there, if anybody has to.
    pub account: Option<Account>,
}

/// An account at a proxy. Clones share what is known of its password.
#[derive(Clone)]
pub struct Account {
    user: String,
    password: Option<Source>,
    gate: Arc<Gate>,
}

/// Where a password comes from; asked again for each tunnel.
type Source = Arc<dyn Fn() -> Option<Secret> + Send + Sync>;

/// The longest answer to CONNECT that is read.
const LONGEST: usize = 8 * 1024;

/// A refused password is tried again after so long even if it has not changed.
const PAUSE: Duration = Duration::from_secs(60 * 60);

/// What is said of a password that was refused not long ago.
pub const REFUSED_BEFORE: &str = "proxy: it refused the user or the password before; not tried \
    again with the same";

/// What is said where the account's password is missing.
pub const NO_PASSWORD: &str = "proxy: its account has no password here";

/// What is said of a proxy that wants to know who we are.
pub const ASKS: &str = "proxy: 407, it asks for a sign-in (proxy_auth)";

/// What is said of a proxy that wants to know in another way than by user and password.
pub const OTHER_SIGN_IN: &str =
    "proxy: 407, it asks for a sign-in and offers none by user and password";

/// Whether it was the proxy, and not whoever is behind it, that refused a sign-in.
pub fn is_refusal(fault: &Fault) -> bool {
    fault.next == Next::SignIn && fault.cause.code.as_str().starts_with("proxy: ")
}

impl Proxy {
    /// A proxy that asks nobody who he is.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, account: None }
    }

    /// Names the place of the password, where an account is configured.
    pub fn with_password(
        mut self,
        source: impl Fn() -> Option<Secret> + Send + Sync + 'static,
    ) -> Self {
        if let Some(account) = &mut self.account {
            account.password = Some(Arc::new(source));
        }
        self
    }

    /// Keeps what is known of the password over a restart, in the memory that `of` gives for the
    /// account by its name.
    pub fn remembering(mut self, of: impl FnOnce(&str) -> Arc<dyn Memory>) -> Self {
        if let Some(account) = &mut self.account {
            let name = format!("{}@{}:{}", account.user, self.host, self.port);
            account.gate = Arc::new(Gate::new(PAUSE, REFUSED_BEFORE, Some(of(&name))));
        }
        self
    }
}

impl Proxy {
    /// Whether its account's password is shut out; `None` where that cannot be said.
    pub async fn is_shut(&self) -> Option<bool> {
        let Some((account, password)) = self.known_password() else { return Some(false) };
        match account.gate.check(&password, "").await.map_err(|fault| fault.next) {
            Err(Next::SignIn) => Some(true),
            Err(Next::Retry { .. }) => None,
            _ => Some(false),
        }
    }

    /// What the tunnels since the start say of this password; nothing is sent for it.
    pub async fn judged(&self, password: &Secret) -> Tried {
        let nobody = || Tried::Untold(Fault::retry("proxy: nobody went through it yet"));
        let Some(account) = &self.account else { return nobody() };
        if account.gate.is_proven(password) {
            return Tried::Works;
        }
        match account.gate.check(password, "").await {
            Err(fault) if fault.next == Next::SignIn => Tried::Refused(fault),
            _ => nobody(),
        }
    }

    /// Lets a password that was refused be sent once more.
    ///
    /// # Errors
    /// As [`Gate::forget`].
    pub async fn forget(&self) -> Result<(), Fault> {
        match self.known_password() {
            Some((account, password)) => account.gate.forget(&password).await,
            None => Ok(()),
        }
    }

    /// The same for this password, whether or not it is the one in use.
    ///
    /// # Errors
    /// As [`Gate::forget`].
    pub async fn forget_one(&self, password: &Secret) -> Result<(), Fault> {
        match &self.account {
            Some(account) => account.gate.forget(password).await,
            None => Ok(()),
        }
    }

    fn known_password(&self) -> Option<(&Account, Secret)> {
        let account = self.account.as_ref()?;
        Some((account, account.password().ok()?))
    }
}

impl Account {
    /// An account whose password's place is still to be named.
    pub fn new(user: impl Into<String>) -> Self {
        let gate = Arc::new(Gate::new(PAUSE, REFUSED_BEFORE, None));
        Self { user: user.into(), password: None, gate }
    }

    fn password(&self) -> Result<Secret, Fault> {
        let found = self.password.as_ref().and_then(|source| source());
        found.ok_or_else(|| Fault::new(Next::SignIn, NO_PASSWORD))
    }

    /// The value of `Proxy-Authorization`: `Basic …`.
    fn basic(&self, password: &Secret) -> Zeroizing<String> {
        let text = Zeroizing::new(format!("{}:{}", self.user, password.reveal()));
        let encoded = Zeroizing::new(STANDARD.encode(text.as_bytes()));
        Zeroizing::new(format!("Basic {}", *encoded))
    }

    /// Asks with the password, alone where it is not proven; what comes of it says whether it is
    /// right.
    async fn enter<T, F>(&self, ask: impl FnOnce(Zeroizing<String>) -> F) -> Result<T, Fault>
    where
        F: Future<Output = Result<Result<T, Fault>, Fault>>,
    {
        let password = self.password()?;
        let turn = self.gate.enter(&password, "").await?;
        let asking = async {
            let answer = ask(self.basic(&password)).await?;
            match &answer {
                Err(fault) if fault.next == Next::SignIn => {
                    self.gate.refuse(&password, "").await;
                }
                // Whatever else it says: it did not ask for another sign-in.
                _ => self.gate.prove(&password, "").await,
            }
            answer
        };
        turn.until(asking).await
    }
}

impl PartialEq for Account {
    fn eq(&self, other: &Self) -> bool {
        self.user == other.user
    }
}

impl Eq for Account {}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account")
    }
}

/// Asks for a tunnel to `authority` (`host:port`); afterwards `stream` is the tunnel.
pub(super) async fn tunnel(
    stream: &mut TcpStream,
    proxy: &Proxy,
    authority: &str,
) -> Result<(), Fault> {
    let Some(account) = &proxy.account else {
        return judge(&ask(stream, authority, "").await?, false);
    };
    let asking = async |basic: Zeroizing<String>| {
        let header = Zeroizing::new(format!("Proxy-Authorization: {}\r\n", *basic));
        Ok(judge(&ask(stream, authority, &header).await?, true))
    };
    account.enter(asking).await
}

/// Sends a request of plain http to a proxy that forwards it (RFC 9112, 3.2.2): its address is
/// whole.
///
/// # Errors
/// [`Next::SignIn`] where the proxy refuses the account, or asks for one.
pub(super) async fn forward(
    sender: &mut SendRequest<Empty<Bytes>>,
    proxy: &Proxy,
    mut request: Request<Empty<Bytes>>,
) -> Result<Response<Incoming>, Fault> {
    let Some(account) = &proxy.account else {
        return pass(sender.send_request(request).await.map_err(|e| http_fault(&e))?, false);
    };
    let asking = async |basic: Zeroizing<String>| {
        let mut value = HeaderValue::from_str(&basic)
            .map_err(|_| Fault::refused("proxy: the account cannot be sent"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(PROXY_AUTHORIZATION, value);
        let answer = sender.send_request(request).await.map_err(|e| http_fault(&e))?;
        Ok(pass(answer, true))
    };
    account.enter(asking).await
}

fn pass(answer: Response<Incoming>, signed_in: bool) -> Result<Response<Incoming>, Fault> {
    if answer.status() != StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        return Ok(answer);
    }
    let offers = answer.headers().get_all(PROXY_AUTHENTICATE).iter();
    let offers = offers.filter_map(|offer| offer.to_str().ok());
    Err(unknown_here(offers, signed_in))
}

async fn ask(stream: &mut TcpStream, authority: &str, header: &str) -> Result<Vec<u8>, Fault> {
    let request = Zeroizing::new(format!(
        "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{header}\r\n"
    ));
    let broken = |error: std::io::Error| Fault::retry(format!("proxy: {}", error.kind()));
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut head = Vec::with_capacity(256);
    // One byte at a time: whatever follows the head belongs to the tunnel.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= LONGEST {
            return Err(Fault::retry("proxy: the answer to CONNECT is too long"));
        }
        head.push(stream.read_u8().await.map_err(broken)?);
    }
    Ok(head)
}

fn judge(head: &[u8], signed_in: bool) -> Result<(), Fault> {
    let text = String::from_utf8_lossy(head);
    let mut words = text.split_ascii_whitespace();
    let version = words.next().unwrap_or_default();
    let status = words.next().and_then(|word| word.parse::<u16>().ok());
    match status {
        Some(200..=299) if version.starts_with("HTTP/1.") => Ok(()),
        Some(407) => Err(unknown_here(offers(&text), signed_in)),
        Some(status) if version.starts_with("HTTP/") => {
            Err(Fault::retry(format!("proxy: {status} to CONNECT")))
        }
        _ => Err(Fault::retry("proxy: what answers there is not an HTTP proxy")),
    }
}

/// The ways to sign in that a head offers.
fn offers(head: &str) -> impl Iterator<Item = &str> {
    head.lines().filter_map(|line| {
        let (name, offer) = line.split_once(':')?;
        name.eq_ignore_ascii_case("proxy-authenticate").then(|| offer.trim())
    })
}

/// What a 407 with these offers means. Only where a password was refused is it one that must not be
/// sent again.
fn unknown_here<'a>(offers: impl Iterator<Item = &'a str>, signed_in: bool) -> Fault {
    let schemes: Vec<_> =
        offers.filter_map(|offer| offer.split_ascii_whitespace().next()).collect();
    let basic = schemes.is_empty() || schemes.iter().any(|one| one.eq_ignore_ascii_case("Basic"));
    match (signed_in, basic) {
        (_, false) => Fault::retry(OTHER_SIGN_IN),
        (true, true) => Fault::new(Next::SignIn, "proxy: 407, it refuses the user or the password"),
        (false, true) => Fault::retry(ASKS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_success_opens_the_tunnel() {
        let next = |head: &str| judge(head.as_bytes(), true).map_err(|fault| fault.next);
        assert_eq!(next("HTTP/1.1 200 Connection established\r\n\r\n"), Ok(()));
        assert_eq!(next("HTTP/1.0 200\r\n\r\n"), Ok(()));
        assert_eq!(next("HTTP/1.1 407 Who are you\r\n\r\n"), Err(Next::SignIn));
        let other = "HTTP/1.1 407 Who\r\nProxy-Authenticate: NTLM\r\n\r\n";
        assert_eq!(next(other), Err(Next::Retry { after: None }), "no password was refused");
        for bad in ["HTTP/1.1 403 No\r\n\r\n", "SSH-2.0-x\r\n\r\n", "\r\n\r\n", "200 200\r\n\r\n"] {
            assert_eq!(next(bad), Err(Next::Retry { after: None }), "{bad:?}");
        }
    }

    #[test]
    fn a_407_says_what_is_missing() {
        let words = |offers: &str, signed_in| {
            let head = format!("HTTP/1.1 407 Who\r\n{offers}\r\n");
            judge(head.as_bytes(), signed_in).unwrap_err().to_string()
        };
        let both = "proxy-authenticate: Negotiate\r\nProxy-Authenticate: basic realm=\"x\"\r\n";
        assert!(words(both, false).ends_with("asks for a sign-in (proxy_auth)"));
        assert!(words(both, true).ends_with("refuses the user or the password"));
        assert!(words("", true).ends_with("refuses the user or the password"));
        let other = "Proxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n";
        assert!(words(other, true).ends_with("offers none by user and password"));
    }

    #[test]
    fn an_account_shows_nothing_of_itself() {
        let account = Account::new("calway");
        assert_eq!(format!("{account:?}"), "Account");
        assert_eq!(*account.basic(&Secret::new("a:ü")), "Basic Y2Fsd2F5OmE6w7w=");
    }
}
