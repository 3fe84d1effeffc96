//! What an HTTP status that is not 200 asks of the caller.

use http::StatusCode;
use http::header::{DATE, HeaderMap, RETRY_AFTER};

use super::soap;
use crate::model::{Fault, Next, Span};

/// The fault of an answer with an error status: the SOAP fault in it, else what the status means.
pub(super) fn fault(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Fault {
    let after = retry_after(headers);
    if let Some(fault) = soap::fault_in(body) {
        return with_after(fault, after);
    }
    let next = match status.as_u16() {
        // Exchange redirects to a page of its own when it is overwhelmed; it is never followed.
        300..=399 | 429 | 503 => Next::BackOff { after },
        401 => Next::SignIn,
        403 => Next::Denied,
        400 | 411 | 413..=415 => Next::Refused,
        _ => Next::Retry { after },
    };
    Fault::new(next, format!("HTTP {}", status.as_u16()))
}

fn with_after(mut fault: Fault, wait: Option<Span>) -> Fault {
    if let Next::BackOff { after } | Next::Retry { after } = &mut fault.next {
        *after = (*after).max(wait);
    }
    fault
}

/// The server's id of the request, as its logs name it.
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("request-id")?.to_str().ok()?;
    let plain = id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    plain.then(|| id.to_owned())
}

/// `Retry-After`, in seconds or as a date against the answer's own `Date` (RFC 9110 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Span> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Span::from_secs(seconds));
    }
    let date = |text: &str| Some(jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_second());
    let until = date(text)?;
    let now = date(headers.get(DATE)?.to_str().ok()?)?;
    Some(Span::from_secs(u64::try_from(until.saturating_sub(now)).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (http::HeaderName::from_static(name), HeaderValue::from_static(value))
            })
            .collect()
    }

    fn next(status: u16, pairs: &[(&'static str, &'static str)], body: &str) -> Next {
        fault(StatusCode::from_u16(status).unwrap(), &headers(pairs), body.as_bytes()).next
    }

    const BUSY: &str = "<e:Envelope xmlns:e='e'><e:Body><e:Fault><detail><ResponseCode>\
        ErrorServerBusy</ResponseCode><MessageXml><Value Name='BackOffMilliseconds'>3000</Value>\
        </MessageXml>\
        </detail></e:Fault></e:Body></e:Envelope>";

    #[test]
    fn a_status_says_what_the_caller_does_next() {
        let page = "<!DOCTYPE html><html><body>Runtime Error<br></body></html>";
        let ten = Some(Span::from_secs(10));
        assert_eq!(next(503, &[], page), Next::BackOff { after: None });
        assert_eq!(next(503, &[("retry-after", "10")], ""), Next::BackOff { after: ten });
        assert_eq!(next(429, &[], ""), Next::BackOff { after: None });
        assert_eq!(
            next(302, &[("location", "/owa/auth/error.aspx")], ""),
            Next::BackOff { after: None }
        );
        assert_eq!(next(401, &[], ""), Next::SignIn);
        assert_eq!(next(403, &[], ""), Next::Denied);
        assert_eq!(next(400, &[], ""), Next::Refused);
        for status in [404, 408, 500, 502, 504, 599] {
            assert_eq!(next(status, &[], page), Next::Retry { after: None }, "{status}");
        }
    }

    #[test]
    fn a_soap_fault_says_more_than_the_status() {
        assert_eq!(next(500, &[], BUSY), Next::BackOff { after: Some(Span::from_ms(3000)) });
        let longer = Next::BackOff { after: Some(Span::from_secs(60)) };
        assert_eq!(next(503, &[("retry-after", "60")], BUSY), longer);
    }

    #[test]
    fn a_date_to_wait_for_is_measured_by_the_servers_clock() {
        let pairs = [
            ("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT"),
            ("date", "Wed, 21 Oct 2026 07:28:00 GMT"),
        ];
        assert_eq!(next(503, &pairs, ""), Next::BackOff { after: Some(Span::from_secs(30)) });
        assert_eq!(next(503, &[("retry-after", "soon")], ""), Next::BackOff { after: None });
    }

    #[test]
    fn a_request_id_is_shown_only_if_it_is_one() {
        let id = |value| request_id(&headers(&[("request-id", value)]));
        let real = "9d4a2a3e-7f6c-4a1c-8f53-0c3f6b6f1f11";
        assert_eq!(id(real).as_deref(), Some(real));
        assert_eq!(id("alice@corp.example"), None);
    }
}
