//! The key shared with the key server: agreed on, used for a while, agreed on anew.

use std::time::Duration;

use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::kms::anchor::Server;
use crate::kms::carrier::Trouble;
use crate::kms::jose::{self, Agreement, Bad, Key};
use crate::kms::messages::{Agreed, Delivered, Reply};
use crate::model::{Fault, Time};

/// A shared key is given up this long before it expires.
const EARLY: Duration = Duration::from_secs(30);

/// A shared key with the server it is shared with.
pub(super) struct Session {
    pub(super) server: Server,
    uri: String,
    key: Key,
    until: Option<Instant>,
}

impl Session {
    /// Reads the answers to an agreement; ours names `request_id`. `now` serves where the server
    /// does not say when the key was made.
    pub(super) fn agree(
        server: Server,
        agreement: Agreement,
        delivered: &[u8],
        request_id: &str,
        now: Time,
    ) -> Result<Self, Trouble> {
        let delivered = read(delivered)?;
        let mut why = Bad("no answer to the key agreement");
        for message in &delivered.kms_messages {
            let payload = match server.key.verify(message) {
                Ok(payload) => Zeroizing::new(payload),
                Err(bad) => {
                    why = bad;
                    continue;
                }
            };
            let reply = Reply::read(&payload)?;
            if reply.request_id.as_deref() != Some(request_id) {
                why = Bad("the answer is to another request");
                continue;
            }
            return match reply.status {
                201 => Ok(Self::of(server.clone(), agreement, &reply.agreed(&server.host)?, now)?),
                401 => Err(Trouble::Token),
                _ => Err(Trouble::Fault(reply.fault())),
            };
        }
        Err(Fault::retry(format!("KMS: key agreement: {why}")).into())
    }

    fn of(
        server: Server,
        agreement: Agreement,
        agreed: &Agreed<'_>,
        now: Time,
    ) -> Result<Self, Bad> {
        // By the server's own clock, which may be another than ours.
        let life = agreed.expires.map(|end| end.since(agreed.created.unwrap_or(now)));
        let until = life.and_then(|life| {
            let life = Duration::from_millis(life.as_ms()).saturating_sub(EARLY);
            Instant::now().checked_add(life)
        });
        let key = Key::new(agreement.shared(agreed.half)?, Some(agreed.uri))?;
        Ok(Self { server, uri: agreed.uri.to_owned(), key, until })
    }

    /// Whether it may serve for another request.
    pub(super) fn is_good(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }

    /// Seals a request.
    pub(super) fn seal(&self, request: &[u8]) -> Result<String, Bad> {
        self.key.seal(request)
    }

    /// Finds the answer to `request_id`. Messages that cannot be opened, and answers to others,
    /// are passed over.
    pub(super) fn find(
        &self,
        delivered: &[u8],
        request_id: &str,
    ) -> Result<Zeroizing<Vec<u8>>, Trouble> {
        let delivered = read(delivered)?;
        let mut why = Bad("no answer to the request");
        for message in &delivered.kms_messages {
            let opened = match jose::is_signed(message) {
                true => self.server.key.verify(message).map(Zeroizing::new),
                false => self.key.open(message, Some(&self.uri)),
            };
            let text = match opened {
                Ok(text) => text,
                Err(bad) => {
                    why = bad;
                    continue;
                }
            };
            let Ok(reply) = Reply::read(&text) else {
                why = Bad("the answer is not well-formed");
                continue;
            };
            let ours = reply.request_id.as_deref() == Some(request_id);
            if jose::is_signed(message) {
                // All that may be said without the shared key is that it is forgotten.
                if reply.is_reset() && (ours || reply.request_id.is_none()) {
                    return Err(Trouble::Reset);
                }
                continue;
            }
            if ours {
                drop(reply);
                return Ok(text);
            }
        }
        Err(Fault::retry(format!("KMS: {why}")).into())
    }
}

fn read(delivered: &[u8]) -> Result<Delivered<'_>, Trouble> {
    serde_json::from_slice(delivered)
        .map_err(|_| Fault::retry("KMS: the answer is not well-formed").into())
}
