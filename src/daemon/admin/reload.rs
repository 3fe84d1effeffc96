//! `/v1/reload`: the configuration is read anew, as by SIGHUP, and the answer says what came of it.

use http::StatusCode;
use serde_json::json;

use super::Admin;
use crate::daemon::serve::{self, Reply, refusal};

impl Admin {
    pub(super) async fn reload(&self) -> Reply {
        match self.parts.reload.ring().await {
            Some(Ok(done)) => serve::json(
                StatusCode::OK,
                &json!({"applied": done.applied, "needsRestart": done.needs_restart}),
            ),
            Some(Err(why)) => refusal(StatusCode::CONFLICT, "configuration-wrong", &why),
            None => refusal(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the connector stops"),
        }
    }
}
