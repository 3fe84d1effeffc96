//! Where the tokens of Negotiate come from: what is asked of Kerberos, and what it answers.

use std::fmt;
use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::model::{Fault, Next, Secret};

/// A source of Kerberos tokens. One serves all servers of a calendar and keeps its tickets.
pub trait Tickets: fmt::Debug + Send + Sync {
    /// What the account's keytab is known by as it is now, where it signs in by one: something else
    /// as soon as the file changes. Without it the password is used.
    fn keytab(&self) -> Option<Secret>;

    /// The same source without the tickets that it keeps: each is asked for with the password.
    fn fresh(&self) -> Option<Arc<dyn Tickets>> {
        None
    }

    /// The token for one sign-in.
    fn token(&self, wish: Wish) -> BoxFuture<'_, Result<Token, NoToken>>;

    /// The account's own credential, for a library that speaks with a server by itself; by the
    /// password, where there is no keytab.
    fn own(
        &self,
        _account: String,
        _password: Option<Secret>,
    ) -> BoxFuture<'_, Result<Own, NoToken>> {
        let none = Fault::new(Next::Refused, "Kerberos: this build has none");
        std::future::ready(Err(NoToken::Unavailable(none))).boxed()
    }
}

/// An account's own credential.
pub struct Own {
    /// What the library takes.
    #[cfg(feature = "kerberos")]
    pub credential: libgssapi::credential::Cred,
    /// As [`Token::asked`].
    pub asked: bool,
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Own")
    }
}

/// What a token is for.
#[derive(Clone)]
pub struct Wish {
    /// `DOMAIN\user` or `user@domain`.
    pub account: String,
    /// The account's password, where it signs in by that.
    pub password: Option<Secret>,
    /// The host; the service is `HTTP` there.
    pub host: String,
    /// What the token is bound to (RFC 5929), where there is something.
    pub binding: Option<Vec<u8>>,
}

impl fmt::Debug for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wish")
    }
}

/// Judges the server's answer; asked once.
pub type Judge = Box<dyn FnOnce(&[u8]) -> bool + Send>;

/// One sign-in under way.
pub struct Token {
    /// What the server is shown; Kerberos' own, without SPNEGO's envelope.
    pub bytes: Vec<u8>,
    /// Whether the server's answer proves that it is the one that was meant.
    pub proves: Judge,
    /// The key server was asked for it with the secret just now, which was right therefore. A
    /// ticket that was kept says nothing of what the secret is now.
    pub asked: bool,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} bytes)", self.bytes.len())
    }
}

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoToken {
    /// The password or the key is wrong, or the account is locked: another try makes it worse.
    Refused(String),
    /// For another reason; other ways may be tried.
    Unavailable(Fault),
}
