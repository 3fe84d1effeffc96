//! Autodiscover V2: JSON, without sign-in, and nothing but a URL.

use http::header::LOCATION;
use serde_json::json;

use super::super::http::{Asked, Front, Reply};
use super::{Found, find};

/// The name in the log.
const OPERATION: &str = "AutodiscoverJson";
const JSON: &str = "application/json; charset=utf-8";

/// Answers `/autodiscover/autodiscover.json/v1.0/<address>?Protocol=EWS`, or the older form
/// `/autodiscover/autodiscover.json?Email=<address>&Protocol=EWS`.
pub(crate) fn answer(front: &Front, asked: &Asked) -> Reply {
    let in_path = asked.path.strip_prefix("/autodiscover/autodiscover.json/v1.0/");
    let address = match in_path {
        Some(address) => decode(address),
        None => parameter(&asked.query, "Email").unwrap_or_default(),
    };
    let mut reply = answer_for(front, asked, &address);
    reply.entry.mailbox = Some(address);
    reply
}

fn answer_for(front: &Front, asked: &Asked, address: &str) -> Reply {
    let Some(protocol) = parameter(&asked.query, "Protocol") else {
        return error(asked, 400, "MandatoryParameterMissing", "Protocol is missing.");
    };
    if !protocol.eq_ignore_ascii_case("EWS") {
        return error(asked, 400, "InvalidProtocol", "Supported values are 'Ews'.");
    }
    if !address.contains('@') {
        return error(asked, 400, "InvalidUserId", "The address is not valid.");
    }
    match find(front, address) {
        Found::Mailbox { ews, .. } => {
            let body = json!({"Protocol": "EWS", "Url": ews}).to_string();
            done(asked.reply(OPERATION, 200, JSON, body), "NoError")
        }
        Found::RedirectAddress(to) => {
            let domain = to.rsplit('@').next().unwrap_or_default();
            let place = format!(
                "https://autodiscover.{domain}/autodiscover/autodiscover.json/v1.0/{to}?\
                 Protocol=EWS"
            );
            redirect(asked, place)
        }
        Found::RedirectUrl(to) => redirect(asked, to),
        Found::Nobody => error(asked, 404, "UserNotFound", "The given user isn't found."),
    }
}

fn redirect(asked: &Asked, place: String) -> Reply {
    let mut reply = asked.reply(OPERATION, 302, JSON, "");
    reply.headers.push((LOCATION, place));
    done(reply, "redirect")
}

fn error(asked: &Asked, status: u16, code: &str, message: &str) -> Reply {
    let body = json!({"ErrorCode": code, "ErrorMessage": message}).to_string();
    done(asked.reply(OPERATION, status, JSON, body), code)
}

fn done(mut reply: Reply, code: &str) -> Reply {
    reply.entry.code = code.to_owned();
    reply
}

fn parameter(query: &str, name: &str) -> Option<String> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| decode(value))
}

/// Percent-decoding; what is not an escape stays.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = (*first == b'%')
            .then(|| std::str::from_utf8(tail.get(..2)?).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_decoded() {
        assert_eq!(decode("a%40corp.example"), "a@corp.example");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz%4"), "%zz%4");
        assert_eq!(parameter("a=1&PROTOCOL=ews", "Protocol").as_deref(), Some("ews"));
        assert_eq!(parameter("Protocol", "Protocol"), None);
    }
}
