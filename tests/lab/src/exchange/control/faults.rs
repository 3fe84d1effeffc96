//! Faults by their names.

use std::time::Duration;

use serde_json::Value;

use super::{number, text};
use crate::exchange::Exchange;
use crate::exchange::faults::{Fault, Match};

/// `POST /faults`
pub(super) fn add(exchange: &Exchange, body: &Value) -> Result<(), String> {
    let fault = fault(body)?;
    let whom = Match { operation: body["operation"].as_str(), mailbox: body["mailbox"].as_str() };
    match body["times"].as_u64() {
        None => exchange.faults().next(whom, fault),
        Some(0) => drop(exchange.faults().always(whom, fault)),
        Some(n) => exchange.faults().times(usize::try_from(n).unwrap_or(usize::MAX), whom, fault),
    }
    Ok(())
}

fn fault(body: &Value) -> Result<Fault, String> {
    let code = || text(body, "code").map(str::to_owned);
    let size = |name| number(body, name).map(|n| usize::try_from(n).unwrap_or_default());
    let wait = || number(body, "ms").map(|ms| Duration::from_millis(ms.unsigned_abs()));
    Ok(match text(body, "fault")? {
        "server-busy" => Fault::ServerBusy {
            back_off_ms: body["back_off_ms"].as_u64(),
            inner: body["inner"].as_bool().unwrap_or(false),
        },
        "connection-count" => {
            Fault::ConnectionCount { back_off_ms: body["back_off_ms"].as_u64().unwrap_or(0) }
        }
        "passed-busy" => Fault::PassedBusy {
            status: u16::try_from(body["status"].as_u64().unwrap_or(503)).unwrap_or(503),
            back_off_ms: body["back_off_ms"].as_u64().unwrap_or(0),
        },
        "http" => Fault::Http {
            status: u16::try_from(body["status"].as_u64().unwrap_or(503)).unwrap_or(503),
            retry_after: body["retry_after"].as_u64(),
        },
        "redirect" => Fault::RedirectToErrorPage,
        "hang" => Fault::Hang,
        "cut" => Fault::Cut { after_bytes: size("bytes")? },
        "http-after" => {
            let status = body["status"].as_u64().and_then(|status| u16::try_from(status).ok());
            Fault::HttpAfter { status: status.unwrap_or(504) }
        }
        "response-code-after" => Fault::ResponseCodeAfter(code()?),
        "response-code" => Fault::ResponseCode(code()?),
        "soap-fault" => Fault::SoapFault {
            code: code()?,
            message: body["message"].as_str().unwrap_or("A fault that was asked for.").to_owned(),
        },
        "delay" => Fault::Delay(wait()?),
        "lose-request" => Fault::LoseRequest,
        "lose-answer" => Fault::LoseAnswer,
        "hold-answer" => Fault::HoldAnswer,
        "late-answer" => Fault::LateAnswer(wait()?),
        "rival-edit" => Fault::RivalEdit,
        "sync-stands-still" => Fault::SyncStandsStill,
        "stream-silent" => Fault::StreamSilent,
        "stream-error" => Fault::StreamError(code()?),
        "stream-closed" => Fault::StreamClosed,
        "lose-notification" => Fault::LoseNotification,
        "garbage" => Fault::GarbageXml,
        "illegal-characters" => Fault::IllegalCharacters,
        "split" => Fault::SplitEnvelopes { at: size("bytes")? },
        "join" => Fault::JoinEnvelopes,
        other => return Err(format!("there is no fault {other}")),
    })
}
