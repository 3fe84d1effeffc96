//! The account's sign-in, one for all servers of a calendar: a wrong password is tried once,
//! whatever the number of servers, ways and connections.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::negotiate::{NoToken, Tickets};
use super::sign_in::{Auth, not_here, refused};
use crate::model::{Fault, Next, Secret};
use crate::net::gate::{Memory, Shut, Turn};
use crate::net::{Gate, Origin};

/// Where a password comes from; asked again for each sign-in.
pub(super) type Password = Box<dyn Fn() -> Option<Secret> + Send + Sync>;

/// A way that is not the first of the configured ones is kept for so long; then the server is asked
/// again whether it takes a better one.
const SECOND_BEST: Duration = Duration::from_secs(60 * 60);

/// What is said of a secret that was refused not long ago.
pub const REFUSED_BEFORE: &str = "sign-in was refused before; not tried again with the same \
    password (if it is right, look at Extended Protection: is TLS opened on the way?)";

/// What is known of an account's secrets. Calendars of one account share it, so that a wrong
/// password is not tried by each of them.
#[derive(Clone, Debug)]
pub struct Gates {
    password: Arc<Gate>,
    keytab: Arc<Gate>,
}

impl Gates {
    /// Nothing was tried yet. A refused secret is tried again after `pause` even if it has not
    /// changed.
    pub fn new(pause: Duration) -> Self {
        let gate = || Arc::new(Gate::new(pause, REFUSED_BEFORE, None));
        Self { password: gate(), keytab: gate() }
    }

    /// What was tried before the start, or is by others, is known from these.
    pub fn keeping(pause: Duration, password: Arc<dyn Memory>, keytab: Arc<dyn Memory>) -> Self {
        let gate = |memory| Arc::new(Gate::new(pause, REFUSED_BEFORE, Some(memory)));
        Self { password: gate(password), keytab: gate(keytab) }
    }

    /// Whether one of these is shut out everywhere; `None` where that cannot be said.
    pub async fn is_shut(&self, password: Option<Secret>, keytab: Option<Secret>) -> Option<bool> {
        let mut shut = false;
        for (gate, secret) in [(&self.password, password), (&self.keytab, keytab)] {
            let Some(secret) = secret else { continue };
            match gate.check(&secret, KEY_SERVER).await.map_err(|fault| fault.next) {
                Err(Next::SignIn) => shut = true,
                Err(Next::Retry { .. }) => return None,
                _ => {}
            }
        }
        Some(shut)
    }

    /// Whether this password was right when it was last tried, since the start.
    pub(super) fn is_proven(&self, password: &Secret) -> bool {
        self.password.is_proven(password)
    }

    /// Whether this password is shut out everywhere.
    pub(super) async fn refuses(&self, password: &Secret) -> bool {
        let checked = self.password.check(password, KEY_SERVER).await;
        checked.is_err_and(|fault| fault.next == Next::SignIn)
    }

    /// Somebody who takes the blame wants these to be tried once more, although they were refused.
    ///
    /// # Errors
    /// As [`Gate::forget`].
    pub async fn forget(
        &self,
        password: Option<Secret>,
        keytab: Option<Secret>,
    ) -> Result<(), Fault> {
        for (gate, secret) in [(&self.password, password), (&self.keytab, keytab)] {
            if let Some(secret) = secret {
                gate.forget(&secret).await?;
            }
        }
        Ok(())
    }
}

/// Where Negotiate sends its secret: nobody but the domain's key servers hears of it.
const KEY_SERVER: &str = "kerberos";

/// An account and what is known of its sign-in.
pub(super) struct SignIn {
    account: String,
    ways: Vec<Auth>,
    password: Password,
    tickets: Option<Arc<dyn Tickets>>,
    gates: Gates,
    ways_of: Mutex<HashMap<Origin, Way>>,
}

/// How a server is signed in to.
#[derive(Debug)]
struct Way {
    auth: Auth,
    since: Instant,
    /// Negotiate: with each request, as the server does not keep it with the connection.
    each_request: bool,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignIn({:?})", self.ways)
    }
}

impl SignIn {
    /// An account that signs in by the first of `ways` that a server offers, by Negotiate with
    /// `tickets`; `gates` are the account's own.
    pub(super) fn new(
        account: String,
        ways: Vec<Auth>,
        password: Password,
        tickets: Option<Arc<dyn Tickets>>,
        gates: Gates,
    ) -> Self {
        Self { account, ways, password, tickets, gates, ways_of: Mutex::default() }
    }

    /// `DOMAIN\user` or `user@domain`.
    pub(super) fn account(&self) -> &str {
        &self.account
    }

    /// The configured ways, in their order.
    pub(super) fn ways(&self) -> &[Auth] {
        &self.ways
    }

    /// The password as it is now.
    ///
    /// # Errors
    /// [`Next::SignIn`](crate::model::Next) where there is none.
    pub(super) fn password(&self) -> Result<Secret, Fault> {
        let found = (self.password)().filter(|password| !password.reveal().is_empty());
        found.ok_or_else(|| refused("the account has no password here"))
    }

    /// The secret that this way needs, as it is now: the account's password, or what its keytab is
    /// known by.
    ///
    /// # Errors
    /// [`Next::SignIn`](crate::model::Next) where there is none.
    pub(super) fn secret(&self, auth: Auth) -> Result<Secret, Fault> {
        match self.keytab_for(auth) {
            Some(keytab) => Ok(keytab),
            None => self.password(),
        }
    }

    /// What is known of the account's secrets.
    pub(super) fn gates(&self) -> &Gates {
        &self.gates
    }

    /// Where tokens come from.
    pub(super) fn tickets(&self) -> Option<&Arc<dyn Tickets>> {
        self.tickets.as_ref()
    }

    /// Those of these ways that have a secret which may be sent there, before anything is opened
    /// for it.
    ///
    /// # Errors
    /// As [`Gate::check`], or where none has a secret at all.
    pub(super) async fn open_ways(
        &self,
        ways: &[Auth],
        origin: &Origin,
    ) -> Result<Vec<Auth>, Fault> {
        let (mut shut, mut none) = (None, None);
        let mut open = Vec::new();
        for way in ways {
            match self.secret(*way) {
                Ok(secret) => match self.gate(*way).check(&secret, &place(*way, origin)).await {
                    Ok(()) => open.push(*way),
                    Err(fault) => drop(shut.get_or_insert(fault)),
                },
                Err(fault) => drop(none.get_or_insert(fault)),
            }
        }
        if !open.is_empty() {
            return Ok(open);
        }
        let nothing = || not_here("the server offers none of the configured ways");
        // That a secret was refused says more than that there is no other.
        Err(shut.or(none).unwrap_or_else(nothing))
    }

    /// The way that this server took before; one that was not the best for an hour.
    pub(super) fn way(&self, origin: &Origin) -> Option<Auth> {
        let known = self.known();
        let way = known.get(origin)?;
        let best = self.ways.first() == Some(&way.auth);
        (best || way.since.elapsed() < SECOND_BEST).then_some(way.auth)
    }

    /// Remembers how this server is signed in to.
    pub(super) fn set_way(&self, origin: &Origin, auth: Auth) {
        let mut known = self.known();
        let same = |way: &Way| way.auth == auth && way.since.elapsed() < SECOND_BEST;
        if !known.get(origin).is_some_and(same) {
            let way = Way { auth, since: Instant::now(), each_request: false };
            known.insert(origin.clone(), way);
        }
    }

    /// Forgets it.
    pub(super) fn forget_way(&self, origin: &Origin) {
        self.known().remove(origin);
    }

    /// Whether Negotiate goes with each request to this server.
    pub(super) fn each_request(&self, origin: &Origin) -> bool {
        self.known().get(origin).is_some_and(|way| way.each_request)
    }

    /// From now on it does.
    pub(super) fn set_each_request(&self, origin: &Origin) {
        if let Some(way) = self.known().get_mut(origin) {
            way.each_request = true;
        }
    }

    /// What is known of the secret that this way needs.
    pub(super) fn gate(&self, auth: Auth) -> &Gate {
        match self.keytab_for(auth) {
            Some(_) => &self.gates.keytab,
            None => &self.gates.password,
        }
    }

    /// Waits for the right to sign in there by this way.
    ///
    /// # Errors
    /// As [`Gate::enter`].
    pub(super) async fn enter(
        &self,
        auth: Auth,
        secret: &Secret,
        origin: &Origin,
    ) -> Result<Turn<'_>, Fault> {
        self.gate(auth).enter(secret, &place(auth, origin)).await
    }

    /// The secret was right there.
    pub(super) async fn prove(&self, auth: Auth, secret: &Secret, origin: &Origin) {
        self.gate(auth).prove(secret, &place(auth, origin)).await;
    }

    /// The secret was wrong there. Another way may be offered once there is another one.
    pub(super) async fn refuse(&self, auth: Auth, secret: &Secret, origin: &Origin) -> Shut {
        let shut = self.gate(auth).refuse(secret, &place(auth, origin)).await;
        match shut {
            Shut::Everywhere => self.known().clear(),
            Shut::Here => self.forget_way(origin),
        }
        shut
    }

    /// What the key server said of the secret: whether it was asked for this ticket, or why there
    /// is none. Given back is why there is none, after what others say of the secret.
    pub(super) async fn key_server_said(
        &self,
        secret: &Secret,
        said: Result<bool, NoToken>,
    ) -> Result<(), NoToken> {
        let gate = self.gate(Auth::Negotiate);
        match said {
            Ok(true) => gate.prove(secret, KEY_SERVER).await,
            Ok(false) => {}
            Err(NoToken::Refused(why)) => match gate.refuse(secret, KEY_SERVER).await {
                Shut::Everywhere => {
                    self.known().clear();
                    return Err(NoToken::Refused(why));
                }
                // Servers take it by another way.
                Shut::Here => return Err(NoToken::Unavailable(not_here(&why))),
            },
            Err(why) => return Err(why),
        }
        Ok(())
    }

    /// Waits for the right to ask the key server.
    ///
    /// # Errors
    /// As [`Gate::enter`].
    pub(super) async fn enter_key_server(&self, secret: &Secret) -> Result<Turn<'_>, Fault> {
        self.gate(Auth::Negotiate).enter(secret, KEY_SERVER).await
    }

    /// Only Negotiate uses one, so it is not looked at for the others.
    fn keytab_for(&self, auth: Auth) -> Option<Secret> {
        let tickets = self.tickets.as_ref().filter(|_| auth == Auth::Negotiate);
        tickets.and_then(|tickets| tickets.keytab())
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Origin, Way>> {
        self.ways_of.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who hears the secret.
fn place(auth: Auth, origin: &Origin) -> String {
    match auth {
        Auth::Negotiate => KEY_SERVER.to_owned(),
        Auth::Ntlm | Auth::Basic => origin.to_string(),
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
