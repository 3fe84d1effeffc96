//! How the account signs in, and when it must not: a wrong password is tried once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use tokio::time::Instant;

use crate::model::{Fault, Next, Secret};

/// A way to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// NTLMv2, bound to the connection and, where its certificate is known, to the TLS channel.
    Ntlm,
    /// Name and password with each request, inside TLS.
    Basic,
}

impl Auth {
    /// The name in `WWW-Authenticate`.
    fn scheme(self) -> &'static str {
        match self {
            Self::Ntlm => "NTLM",
            Self::Basic => "Basic",
        }
    }
}

/// Sign-in failed; `why` goes to the journal.
pub(super) fn refused(why: &str) -> Fault {
    Fault::new(Next::SignIn, why)
}

/// The first of `wanted` that a 401 offers.
pub(super) fn choose(wanted: &[Auth], headers: &HeaderMap) -> Option<Auth> {
    wanted.iter().copied().find(|auth| offers(headers).any(|(scheme, _)| is(scheme, *auth)))
}

/// The token that a 401 carries for NTLM.
pub(super) fn ntlm_token(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (_, token) =
        offers(headers).find(|(scheme, token)| is(scheme, Auth::Ntlm) && !token.is_empty())?;
    STANDARD.decode(token).ok()
}

fn is(scheme: &str, auth: Auth) -> bool {
    scheme.eq_ignore_ascii_case(auth.scheme())
}

fn offers(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()).map(|offer| {
        let (scheme, rest) = offer.trim().split_once(' ').unwrap_or((offer.trim(), ""));
        (scheme.trim_end_matches(','), rest.trim())
    })
}

/// `Authorization: Basic …`, hidden from `Debug`.
pub(super) fn basic(account: &str, password: &Secret) -> Result<HeaderValue, Fault> {
    let text = zeroize::Zeroizing::new(format!("{account}:{}", password.reveal()));
    header("Basic", text.as_bytes())
}

/// `Authorization: NTLM …`, hidden from `Debug`.
pub(super) fn ntlm(message: &[u8]) -> Result<HeaderValue, Fault> {
    header("NTLM", message)
}

fn header(scheme: &str, token: &[u8]) -> Result<HeaderValue, Fault> {
    let text = zeroize::Zeroizing::new(format!("{scheme} {}", STANDARD.encode(token)));
    let mut value =
        HeaderValue::from_str(&text).map_err(|_| refused("the account's name cannot be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What is known of the account's password. Ten connections with a wrong one lock the account, so
/// whoever signs in with a password that is not proven yet waits for its turn.
#[derive(Debug, Default)]
pub(super) struct Gate {
    known: Mutex<Known>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    auth: Option<Auth>,
    proven: Option<Secret>,
    refused: Option<(Secret, Instant)>,
}

/// The right to sign in; alone where the password is not proven.
pub(super) struct Turn<'a>(
    #[expect(dead_code, reason = "held, not read")] Option<tokio::sync::MutexGuard<'a, ()>>,
);

impl Gate {
    /// Waits for the right to sign in with this password.
    ///
    /// # Errors
    /// [`Next::SignIn`] where it was refused less than `pause` ago.
    pub(super) async fn enter(
        &self,
        password: &Secret,
        pause: Duration,
    ) -> Result<Turn<'_>, Fault> {
        self.check(password, pause)?;
        if self.known().proven.as_ref() == Some(password) {
            return Ok(Turn(None));
        }
        let turn = self.turn.lock().await;
        self.check(password, pause)?;
        Ok(Turn(Some(turn)))
    }

    /// Whether this password may be sent at all.
    pub(super) fn check(&self, password: &Secret, pause: Duration) -> Result<(), Fault> {
        match &self.known().refused {
            Some((refused_one, at)) if refused_one == password && at.elapsed() < pause => {
                Err(refused("sign-in was refused before; not tried again with the same password"))
            }
            _ => Ok(()),
        }
    }

    /// The way that was chosen before.
    pub(super) fn auth(&self) -> Option<Auth> {
        self.known().auth
    }

    pub(super) fn set_auth(&self, auth: Option<Auth>) {
        self.known().auth = auth;
    }

    pub(super) fn prove(&self, password: &Secret) {
        let mut known = self.known();
        if known.proven.as_ref() != Some(password) {
            known.proven = Some(password.clone());
        }
        known.refused = None;
    }

    pub(super) fn refuse(&self, password: &Secret) {
        let mut known = self.known();
        // Another way may be offered by then.
        known.auth = None;
        if known.proven.as_ref() == Some(password) {
            known.proven = None;
        }
        known.refused = Some((password.clone(), Instant::now()));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(60);

    fn headers(offers: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for offer in offers {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(offer).unwrap());
        }
        headers
    }

    #[test]
    fn the_configured_order_decides_among_what_is_offered() {
        let both = headers(&["Negotiate", "ntlm", "Basic realm=\"x\""]);
        assert_eq!(choose(&[Auth::Ntlm, Auth::Basic], &both), Some(Auth::Ntlm));
        assert_eq!(choose(&[Auth::Basic, Auth::Ntlm], &both), Some(Auth::Basic));
        assert_eq!(
            choose(&[Auth::Ntlm, Auth::Basic], &headers(&["Basic realm=\"x\""])),
            Some(Auth::Basic)
        );
        assert_eq!(choose(&[Auth::Ntlm], &headers(&["Basic realm=\"x\""])), None);
        assert_eq!(choose(&[Auth::Basic, Auth::Ntlm], &headers(&["Negotiate"])), None);
    }

    #[test]
    fn the_challenge_is_found_among_the_offers() {
        assert_eq!(ntlm_token(&headers(&["Negotiate abc=", "NTLM YWJj"])), Some(b"abc".to_vec()));
        assert_eq!(ntlm_token(&headers(&["NTLM", "Basic realm=\"x\""])), None);
        assert_eq!(ntlm_token(&headers(&["NTLM %%%"])), None);
    }

    #[test]
    fn credentials_are_not_shown() {
        let value = basic("CORP\\svc", &Secret::new("hunter2")).unwrap();
        assert_eq!(value.to_str().unwrap(), "Basic Q09SUFxzdmM6aHVudGVyMg==");
        assert!(!format!("{value:?}").contains("Q09S"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_password_is_not_tried_again_until_it_changes_or_time_has_passed() {
        let gate = Gate::default();
        let (wrong, right) = (Secret::new("wrong"), Secret::new("right"));
        drop(gate.enter(&wrong, PAUSE).await.unwrap());
        gate.refuse(&wrong);
        assert!(gate.enter(&wrong, PAUSE).await.is_err());
        drop(gate.enter(&right, PAUSE).await.unwrap());
        tokio::time::advance(PAUSE).await;
        drop(gate.enter(&wrong, PAUSE).await.unwrap());
        gate.refuse(&wrong);
        gate.prove(&right);
        drop(gate.enter(&wrong, PAUSE).await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn an_unproven_password_is_tried_by_one_at_a_time() {
        let gate = Gate::default();
        let password = Secret::new("x");
        let first = gate.enter(&password, PAUSE).await.unwrap();
        let second = tokio::time::timeout(PAUSE / 2, gate.enter(&password, PAUSE)).await;
        assert!(second.is_err(), "the second waits");
        gate.prove(&password);
        drop(first);
        let (_a, _b) = tokio::join!(gate.enter(&password, PAUSE), gate.enter(&password, PAUSE));
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waited_for_a_refused_password_does_not_try_it() {
        let gate = Gate::default();
        let password = Secret::new("x");
        let first = gate.enter(&password, PAUSE).await.unwrap();
        let (second, ()) = tokio::join!(gate.enter(&password, PAUSE), async {
            gate.refuse(&password);
            drop(first);
        });
        assert_eq!(second.err().map(|fault| fault.next), Some(Next::SignIn));
    }
}
