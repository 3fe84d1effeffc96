//! How messages reach the key server: HTTP with our token, whoever carries them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;
use rustls::ClientConfig;

use crate::kms::jose::Bad;
use crate::kms::messages::Envelope;
use crate::model::{Fault, Next, Secret};
use crate::net::escape::percent;
use crate::net::{Client, Origin, Proxy, status};

const LONGEST_ANSWER: usize = 4 << 20;

/// Why an exchange gave nothing.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Something that the caller must know.
    Fault(Fault),
    /// The token was refused.
    Token,
    /// The server forgot the shared key.
    Reset,
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Bad> for Trouble {
    fn from(bad: Bad) -> Self {
        Self::Fault(Fault::retry(format!("KMS: {bad}")))
    }
}

/// The two calls of the protocol.
pub(super) struct Carrier {
    client: Client,
    static_key: Uri,
    messages: Uri,
    deadline: Duration,
}

impl Carrier {
    /// `base` is `https://…` up to `/kms`; `user_id` is the account's.
    pub(super) fn new(
        client: Client,
        base: &Uri,
        user_id: &str,
        deadline: Duration,
    ) -> Result<Self, Fault> {
        let mut path = String::from("/kms/");
        percent(&mut path, user_id);
        Ok(Self {
            client,
            static_key: Origin::join(base, &path)?,
            messages: Origin::join(base, "/kms/messages")?,
            deadline,
        })
    }

    /// Goes this way from now on.
    pub(super) fn reroute(&self, tls: Arc<ClientConfig>, proxy: Option<Proxy>) {
        self.client.connector().reroute(tls, proxy);
    }

    /// `GET …/kms/<userId>`.
    pub(super) async fn static_key(&self, token: &Secret) -> Result<Bytes, Trouble> {
        self.call(Method::GET, &self.static_key, token, Bytes::new()).await
    }

    /// `POST …/kms/messages` with one message; the answer is a [`Delivered`].
    ///
    /// [`Delivered`]: crate::kms::messages::Delivered
    pub(super) async fn deliver(
        &self,
        token: &Secret,
        destination: &str,
        message: &str,
    ) -> Result<Bytes, Trouble> {
        let envelope = Envelope { destination, kms_messages: &[message] };
        let body = serde_json::to_vec(&envelope)
            .map_err(|_| Fault::refused("a message cannot be written"))?;
        self.call(Method::POST, &self.messages, token, body.into()).await
    }

    async fn call(
        &self,
        method: Method,
        uri: &Uri,
        token: &Secret,
        body: Bytes,
    ) -> Result<Bytes, Trouble> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
            .map_err(|_| Fault::retry("the token cannot stand in a header"))?;
        bearer.set_sensitive(true);
        let request = Request::builder()
            .method(method)
            .uri(uri.clone())
            .header(AUTHORIZATION, bearer)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(Full::new(body))
            .map_err(|_| Fault::refused("the request cannot be written"))?;
        let answer = self.client.call(request, LONGEST_ANSWER, self.deadline).await?;
        match answer.status {
            status if status.is_success() => Ok(answer.body),
            StatusCode::UNAUTHORIZED => Err(Trouble::Token),
            _ => Err(Trouble::Fault(refusal(status::fault(&answer)))),
        }
    }
}

/// A carrier that refuses says nothing about the key or the mailbox that the message is about.
fn refusal(mut fault: Fault) -> Fault {
    if fault.next == Next::Refused {
        fault.next = Next::Retry { after: None };
    }
    fault.cause.code.insert_str(0, "KMS: ");
    fault
}
