//! `/v1/trust`: the hosts that discovery met, and what an administrator says of them.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::Admin;
use super::status::text;
use crate::daemon::serve::{self, Reply, refusal};
use crate::model::{Fault, TrustEntry, Verdict};
use crate::net::name;

fn fails(fault: &Fault) -> Reply {
    let why = format!("the store does not answer ({fault})");
    refusal(StatusCode::SERVICE_UNAVAILABLE, "store-fails", &why)
}

fn shown(entry: &TrustEntry) -> Value {
    json!({"host": entry.host, "verdict": entry.verdict.as_str(), "via": entry.via,
           "since": text(entry.since)})
}

impl Admin {
    pub(super) async fn trusted(&self) -> Reply {
        match self.parts.disk.trust().await {
            Ok(list) => {
                let hosts: Vec<_> = list.iter().map(shown).collect();
                serve::json(StatusCode::OK, &json!({"hosts": hosts}))
            }
            Err(fault) => fails(&fault),
        }
    }

    /// The body: `{"verdict":"allowed"}`, or `"blocked"`.
    pub(super) async fn decide(&self, written: &str, body: &Bytes) -> Reply {
        let body = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let verdict = [Verdict::Allowed, Verdict::Blocked].into_iter();
        let verdict = verdict.clone().find(|one| body["verdict"] == one.as_str());
        let (Some(verdict), Some(host)) = (verdict, name::plain(written)) else {
            return refusal(
                StatusCode::BAD_REQUEST,
                "bad-request",
                "one host is needed, without https:// and without a port, and the verdict \
                 allowed or blocked",
            );
        };
        if let Err(fault) = self.parts.disk.decide_trust(host.clone(), verdict).await {
            return fails(&fault);
        }
        self.parts.decided.notify_one();
        serve::json(StatusCode::OK, &json!({"host": host, "verdict": verdict.as_str()}))
    }

    pub(super) async fn forget(&self, written: &str) -> Reply {
        // An older version may have written it in another form.
        let forms = name::plain(written).into_iter().chain([written.trim().to_owned()]);
        let mut gone = false;
        for form in forms {
            match self.parts.disk.forget_trust(form).await {
                Ok(was_there) => gone |= was_there,
                Err(fault) => return fails(&fault),
            }
        }
        if !gone {
            return refusal(StatusCode::NOT_FOUND, "no-such-host", "it is not on the list");
        }
        self.parts.decided.notify_one();
        serve::json(StatusCode::OK, &json!({"host": written.trim()}))
    }
}
