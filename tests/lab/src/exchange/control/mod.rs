//! The control endpoint of the program: plain HTTP and JSON, on a loopback address only.

mod faults;
mod items;
mod mailboxes;

use std::io;
use std::net::SocketAddr;

use http::Method;
use serde_json::{Value, json};

use super::Exchange;
use crate::endpoint::{self, Asked};

/// What `GET /` answers. Times are UTC milliseconds since 1970.
const HELP: &str = "\
POST /mailboxes {address, name?, room?, time_zone?, culture?}
DELETE /mailboxes/ADDRESS
POST /mailboxes/ADDRESS/move {back_end | server | to}
POST /mailboxes/ADDRESS/impersonation {denied}
POST /mailboxes/ADDRESS/culture {culture}                    en-US, de-DE …
POST /mailboxes/ADDRESS/oof {state, audience?, from_ms?, to_ms?, internal?, external?}
             state: disabled enabled scheduled     audience: none known all
POST /mailboxes/ADDRESS/free-busy {code?}                    what GetUserAvailability fails with
GET  /mailboxes/ADDRESS/oof
GET  /mailboxes/ADDRESS/inbox                                meeting messages, oldest first
GET  /mailboxes/ADDRESS/view?from=MS&to=MS
GET  /mails                                                  what was sent because of EWS requests
POST /items {mailbox, subject, start_ms, minutes, location?, body?, html?, all_day?, time_zone?,
             sensitivity?, culture?, attendees?: [{address, name?, kind?}],
             extended?: [{set, name, kind?, values}],
             daily? | weekly?: [days], count?}               answers {id}
POST /items/update {mailbox, id, occurrence_ms?, what changes}
POST /items/read {mailbox, id}                               all of it, extended properties too
POST /items/delete {mailbox, id, occurrence_ms?}
POST /items/cancel {mailbox, id}    POST /items/respond {mailbox, uid, response}
POST /faults {fault, operation?, mailbox?, times?}           times 0 stands for ever
             fault: server-busy connection-count passed-busy http redirect hang cut response-code
             soap-fault delay lose-request lose-answer hold-answer late-answer http-after
             response-code-after rival-edit
             stream-silent stream-error stream-closed lose-notification sync-stands-still garbage
             illegal-characters split join
             with: status retry_after back_off_ms inner bytes code message ms
DELETE /faults    POST /release                              held answers go out
GET  /log    DELETE /log    GET /state    GET /touched       mailboxes with their operations
POST /cut    POST /restore    POST /drop    POST /password {password}
";

type Outcome = Result<Value, String>;

/// Listens at `listen`, which must be a loopback address.
pub(super) async fn start(listen: SocketAddr, exchange: Exchange) -> io::Result<SocketAddr> {
    let act = move |asked: Asked| {
        let exchange = exchange.clone();
        async move {
            let Asked { method, path, query, body } = asked;
            act(&exchange, &method, &path, &query, &body).await.map_err(|error| (400, error))
        }
    };
    endpoint::start(listen, HELP, act).await
}

async fn act(
    exchange: &Exchange,
    method: &Method,
    path: &str,
    query: &str,
    body: &Value,
) -> Outcome {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (method.as_str(), parts.as_slice()) {
        (_, ["mailboxes", ..]) => {
            return mailboxes::act(exchange, method, &parts, query, body);
        }
        ("POST", ["items", ..]) => return items::act(exchange, &parts, body),
        ("GET", ["mails"]) => return Ok(mailboxes::mails(exchange)),
        ("POST", ["faults"]) => faults::add(exchange, body)?,
        ("DELETE", ["faults"]) => exchange.faults().clear(),
        ("POST", ["release"]) => exchange.faults().release(),
        ("GET", ["touched"]) => return Ok(json!(exchange.log().touched())),
        ("GET", ["log"]) => {
            let log = exchange.log();
            return Ok(json!({"counts": log.counts(), "entries": log.entries()}));
        }
        ("DELETE", ["log"]) => exchange.log().clear(),
        ("GET", ["state"]) => {
            return Ok(json!({
                "openStreams": exchange.open_streams(),
                "openConnections": exchange.open_connections(),
                "faultsPlayed": exchange.faults().played(),
            }));
        }
        ("POST", ["cut"]) => exchange.cut().await,
        ("POST", ["restore"]) => exchange.restore().await,
        ("POST", ["drop"]) => exchange.drop_connections(),
        ("POST", ["password"]) => exchange.gate().set_password(text(body, "password")?),
        _ => return Err("GET / lists what there is".to_owned()),
    }
    Ok(json!({}))
}

fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, String> {
    body[name].as_str().ok_or_else(|| format!("{name} is missing"))
}

fn number(body: &Value, name: &str) -> Result<i64, String> {
    body[name].as_i64().ok_or_else(|| format!("{name} is missing"))
}

#[cfg(test)]
mod tests;
