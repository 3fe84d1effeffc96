//! The ways to sign in, as HTTP's headers have them (RFC 9110 11, RFC 4559, RFC 7617).

use crate::model::{Fault, Next, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use zeroize::Zeroizing;

/// A way to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Kerberos, bound to the connection or request by request, as the server has it.
    Negotiate,
    /// NTLMv2, bound to the connection and, where its certificate is known, to the TLS channel.
    Ntlm,
    /// Name and password with each request, inside TLS.
    Basic,
}

impl Auth {
    /// The name in `WWW-Authenticate`.
    fn scheme(self) -> &'static str {
        match self {
            Self::Negotiate => "Negotiate",
            Self::Ntlm => "NTLM",
            Self::Basic => "Basic",
        }
    }
}

/// Sign-in failed; `why` goes to the journal.
pub(super) fn refused(why: &str) -> Fault {
    Fault::new(Next::SignIn, why)
}

/// This server cannot be signed in to, though it refused no secret; others may.
pub(super) fn not_here(why: &str) -> Fault {
    Fault::new(Next::BackOff { after: None }, why)
}

/// What else than a wrong secret a 401 may mean where the sign-in was bound to the server's
/// certificate, or could not be: Extended Protection, as it judges before anybody looks at a
/// password.
pub(super) fn doubt(bound: bool) -> &'static str {
    match bound {
        true => {
            " (or by Extended Protection: is TLS opened on the way, and closed again with another \
             certificate?)"
        }
        false => " (or by Extended Protection: the server's certificate cannot be bound to)",
    }
}

/// The first of `wanted` that a 401 offers.
pub fn choose(wanted: &[Auth], headers: &HeaderMap) -> Option<Auth> {
    wanted.iter().copied().find(|auth| is_offered(headers, *auth))
}

/// The token that an answer carries for this way.
pub fn token(headers: &HeaderMap, auth: Auth) -> Option<Vec<u8>> {
    let (_, token) =
        offers(headers).find(|(scheme, token)| is(scheme, auth) && !token.is_empty())?;
    STANDARD.decode(token).ok()
}

/// Whether an answer offers this way.
pub fn is_offered(headers: &HeaderMap, auth: Auth) -> bool {
    offers(headers).any(|(scheme, _)| is(scheme, auth))
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
    // Room for the whole from the beginning: what grows leaves copies behind.
    let room = account.len() + 1 + password.reveal().len();
    let mut text = Zeroizing::new(String::with_capacity(room));
    text.push_str(account);
    text.push(':');
    text.push_str(password.reveal());
    header("Basic", text.as_bytes())
}

/// `Authorization: NTLM …`, hidden from `Debug`.
pub(super) fn ntlm(message: &[u8]) -> Result<HeaderValue, Fault> {
    header("NTLM", message)
}

/// `Authorization: Negotiate …`, hidden from `Debug`.
pub(super) fn negotiate(message: &[u8]) -> Result<HeaderValue, Fault> {
    header("Negotiate", message)
}

fn header(scheme: &str, token: &[u8]) -> Result<HeaderValue, Fault> {
    let room = scheme.len() + 1 + token.len().div_ceil(3) * 4;
    let mut text = Zeroizing::new(String::with_capacity(room));
    text.push_str(scheme);
    text.push(' ');
    STANDARD.encode_string(token, &mut text);
    let mut value =
        HeaderValue::from_str(&text).map_err(|_| refused("the account's name cannot be sent"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(choose(&[Auth::Negotiate, Auth::Ntlm], &both), Some(Auth::Negotiate));
    }

    #[test]
    fn the_challenge_is_found_among_the_offers() {
        let both = headers(&["Negotiate ZGVm", "NTLM YWJj"]);
        assert_eq!(token(&both, Auth::Ntlm), Some(b"abc".to_vec()));
        assert_eq!(token(&both, Auth::Negotiate), Some(b"def".to_vec()));
        assert_eq!(token(&headers(&["NTLM", "Basic realm=\"x\""]), Auth::Ntlm), None);
        assert_eq!(token(&headers(&["NTLM %%%"]), Auth::Ntlm), None);
    }

    #[test]
    fn credentials_are_not_shown() {
        let value = basic("CORP\\svc", &Secret::new("hunter2")).unwrap();
        assert_eq!(value.to_str().unwrap(), "Basic Q09SUFxzdmM6aHVudGVyMg==");
        assert!(!format!("{value:?}").contains("Q09S"));
    }
}
