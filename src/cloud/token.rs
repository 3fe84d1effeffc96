//! Sign-in: an OAuth 2.0 access token by client credentials (RFC 6749, 4.4).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, Uri};
use http_body_util::Full;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::cloud::announced::Announced;
use crate::model::{Fault, Next, Secret};
use crate::net::escape::percent;
use crate::net::{Client, proxy, status};

/// Gives the client's secret as it is now; nothing where none is set.
pub type SecretSource = Box<dyn Fn() -> Option<Secret> + Send + Sync>;

/// A token is given up this long before it expires, so that none expires on its way.
const EARLY: Duration = Duration::from_secs(60);
/// What is assumed where the server does not say, and the longest that is believed.
const USUAL_LIFE: Duration = Duration::from_secs(300);
const LONGEST_LIFE: Duration = Duration::from_secs(86_400);
/// A secret that was refused is not shown again for this long, unless it changes: more attempts
/// would lock the account.
const REST: Duration = Duration::from_secs(900);
const LONGEST_ANSWER: usize = 64 * 1024;
const DEADLINE: Duration = Duration::from_secs(15);

/// The secret that the cloud refused last. Links to one cloud share it with their options: one of
/// them asks at a time, and a wrong secret is sent by one alone.
#[derive(Clone, Debug, Default)]
pub struct Refused(Arc<Mutex<Option<(Secret, Instant)>>>);

impl Refused {
    /// Lets this secret be sent once more.
    pub async fn forget(&self, secret: &Secret) {
        let mut refused = self.0.lock().await;
        if refused.as_ref().is_some_and(|(bad, _)| bad == secret) {
            *refused = None;
        }
    }
}

/// The one token of a link, fetched by one caller at a time.
pub(super) struct Token {
    endpoint: Uri,
    client_id: String,
    secret: SecretSource,
    announced: Arc<Announced>,
    refused: Refused,
    /// With the end of its life.
    held: Mutex<Option<(Secret, Instant)>>,
}

#[derive(Deserialize)]
struct Granted<'a> {
    #[serde(borrow)]
    access_token: std::borrow::Cow<'a, str>,
    #[serde(default)]
    expires_in: Option<f64>,
}

#[derive(Deserialize)]
struct Denied {
    #[serde(default)]
    error: String,
}

impl Token {
    pub(super) fn new(
        endpoint: Uri,
        client_id: String,
        secret: SecretSource,
        announced: Arc<Announced>,
        refused: Refused,
    ) -> Self {
        Self { endpoint, client_id, secret, announced, refused, held: Mutex::default() }
    }

    /// The token to show; another one than `refused`.
    pub(super) async fn get(
        &self,
        client: &Client,
        refused: Option<&Secret>,
    ) -> Result<Secret, Fault> {
        let mut held = self.held.lock().await;
        if let Some((token, until)) = &*held
            && *until > Instant::now()
            && refused != Some(token)
        {
            return Ok(token.clone());
        }
        *held = None;
        let mut shut = self.refused.0.lock().await;
        let now = Instant::now();
        let secret = (self.secret)()
            .ok_or_else(|| Fault::new(Next::SignIn, "no secret is set for the cloud"))?;
        if let Some((bad, until)) = &*shut
            && *bad == secret
            && *until > now
        {
            return Err(Fault::new(Next::SignIn, "the cloud refused this secret before"));
        }
        match self.fetch(client, &secret).await {
            Ok((token, life)) => {
                *shut = None;
                *held = Some((token.clone(), now + life));
                Ok(token)
            }
            Err(fault) => {
                if fault.next == Next::SignIn && !proxy::is_refusal(&fault) {
                    *shut = Some((secret, now + REST));
                }
                Err(fault)
            }
        }
    }

    async fn fetch(&self, client: &Client, secret: &Secret) -> Result<(Secret, Duration), Fault> {
        let mut form = Zeroizing::new(String::from("grant_type=client_credentials&client_id="));
        percent(&mut form, &self.client_id);
        form.push_str("&client_secret=");
        percent(&mut form, secret.reveal());
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.endpoint.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(Full::new(Bytes::from_owner(form)))
            .map_err(|_| Fault::refused("the token request cannot be written"))?;
        let answer = client.call(request, LONGEST_ANSWER, DEADLINE).await?;
        self.announced.hear(&answer.headers);
        if !answer.status.is_success() {
            return Err(denied(&answer));
        }
        let granted: Granted<'_> = serde_json::from_slice(&answer.body)
            .map_err(|_| Fault::retry("the token endpoint's answer is not well-formed"))?;
        if !is_token(&granted.access_token) {
            return Err(Fault::retry("the token endpoint gave an unusable token"));
        }
        Ok((Secret::new(granted.access_token), life(granted.expires_in)))
    }
}

/// A bearer token as RFC 6750, 2.1 has it, in a sane length.
fn is_token(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    !text.is_empty() && text.len() <= 16 * 1024 && text.bytes().all(allowed)
}

/// How long to show a token that the server says is good for `expires_in` seconds.
fn life(expires_in: Option<f64>) -> Duration {
    let whole = expires_in
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or(USUAL_LIFE)
        .min(LONGEST_LIFE);
    // A token of a minute or two still serves for its first half.
    whole.saturating_sub(EARLY).max(whole / 2)
}

fn denied(answer: &crate::net::Answer) -> Fault {
    let mut fault = status::fault(answer);
    let code = serde_json::from_slice::<Denied>(&answer.body).map(|body| body.error);
    if let Ok(code) = code
        && ["invalid_client", "unauthorized_client", "invalid_grant"].contains(&code.as_str())
    {
        fault.next = Next::SignIn;
        fault.cause.code = format!("HTTP {}, {code}", answer.status.as_u16());
    } else if fault.next == Next::Refused {
        // It is not the caller's batch that is wrong.
        fault.next = Next::Retry { after: None };
    }
    fault.cause.code.insert_str(0, "sign-in: ");
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_given_up_before_it_expires() {
        assert_eq!(life(Some(3600.0)), Duration::from_secs(3540));
        assert_eq!(life(Some(90.0)), Duration::from_secs(45));
        assert_eq!(life(Some(0.0)), Duration::ZERO);
        assert_eq!(life(None), Duration::from_secs(240));
        assert_eq!(life(Some(1e300)), Duration::from_secs(240));
        assert_eq!(life(Some(-1.0)), Duration::from_secs(240));
        assert_eq!(life(Some(1e9)), LONGEST_LIFE - EARLY);
    }

    #[test]
    fn a_token_cannot_smuggle_a_header() {
        assert!(is_token("eyJ.a_b-c~d+/="));
        for bad in ["", "a b", "a\r\nX: y", "ä"] {
            assert!(!is_token(bad), "{bad:?}");
        }
    }
}
