//! Secrets that are given to the running daemon: what came of each, never what it is.

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;

use super::status::text;
use crate::daemon::rotation::{Given, Rotation};
use crate::daemon::serve::{Reply, json, refusal};
use crate::model::Secret;

/// `PUT /v1/secrets/NAME`: the body is the secret. It is tried, and used if it works; with
/// `?try-again` also where it was refused before.
pub(super) async fn give(rotation: &Rotation, name: &str, body: Bytes, again: bool) -> Reply {
    let Some(secret) = std::str::from_utf8(&body).ok().filter(|text| !text.is_empty()) else {
        let why = "the body is to be the secret, as UTF-8 text";
        return refusal(StatusCode::BAD_REQUEST, "no-secret", why);
    };
    let given = rotation.give(name, Secret::new(secret), again).await;
    let (outcome, why) = match &given {
        Given::Works => ("works", None),
        Given::Refused(fault) => ("refused", Some(fault.to_string())),
        Given::Later(fault) => ("later", Some(fault.to_string())),
        Given::Taken => ("taken", None),
        Given::NotNeeded => {
            let why = "the running connector needs no secret of this name, or one that is never \
                       changed while it runs";
            return refusal(StatusCode::NOT_FOUND, "not-needed", why);
        }
    };
    json(StatusCode::OK, &json!({"secret": name, "outcome": outcome, "why": why}))
}

/// `GET /v1/secrets`: how each stands.
pub(super) fn list(rotation: &Rotation) -> Reply {
    let line = |(name, standing): (String, crate::daemon::rotation::Standing)| {
        json!({
            "name": name,
            "waits": standing.waits,
            "previous": standing.previous,
            "settled": standing.settled.map(text),
        })
    };
    let all: Vec<_> = rotation.standing().into_iter().map(line).collect();
    json(StatusCode::OK, &json!({"secrets": all}))
}
