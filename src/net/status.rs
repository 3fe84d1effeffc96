//! What an HTTP status that is not a success means for the caller.

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};

use crate::model::{Fault, Next, Span, Time};
use crate::net::Answer;

/// The longest wait that a server may ask for.
const LONGEST_WAIT: Span = Span::HOUR;

/// Headers in which servers name a request, in the order of preference.
const REQUEST_IDS: [&str; 3] = ["x-request-id", "trackingid", "request-id"];

/// The fault of a status that is not a success: 400, 413 and 422 are
/// [`Next::Refused`], 401 is [`Next::SignIn`], 429 and 503 are [`Next::BackOff`], everything else
/// is [`Next::Retry`].
pub fn fault(answer: &Answer) -> Fault {
    of(answer.status, &answer.headers)
}

/// As [`fault`], of an answer's parts.
pub fn of(status: StatusCode, headers: &HeaderMap) -> Fault {
    let after = retry_after(headers);
    let next = match status.as_u16() {
        400 | 413 | 422 => Next::Refused,
        401 => Next::SignIn,
        429 | 503 => Next::BackOff { after },
        _ => Next::Retry { after },
    };
    Fault::new(next, format!("HTTP {}", status.as_u16())).with_request_id(request_id(headers))
}

/// The server's name of the request.
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    let value = REQUEST_IDS.iter().find_map(|name| headers.get(*name)?.to_str().ok())?;
    Some(value.chars().filter(char::is_ascii_graphic).take(100).collect())
}

/// How long the server asks to wait (RFC 9110, 10.2.3): seconds, or a date, which is compared with
/// the server's own `Date`, as clocks differ. An hour at most.
pub fn retry_after(headers: &HeaderMap) -> Option<Span> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse::<u64>() {
        Ok(seconds) => Span::from_secs(seconds),
        Err(_) => {
            let until = http_date(value)?;
            let now = http_date(headers.get(DATE)?.to_str().ok()?)?;
            Span::from_secs(u64::try_from(until.saturating_sub(now)).unwrap_or(0))
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

/// The server's own time (RFC 9110, 6.6.1), to the second.
pub fn date(headers: &HeaderMap) -> Option<Time> {
    let seconds = http_date(headers.get(DATE)?.to_str().ok()?)?;
    Some(Time::from_ms(seconds.saturating_mul(1_000)))
}

/// Seconds since the epoch of an IMF-fixdate (RFC 9110, 5.6.7).
fn http_date(text: &str) -> Option<i64> {
    let text = text.trim().strip_suffix(" GMT")?;
    let time = jiff::civil::DateTime::strptime("%a, %d %b %Y %H:%M:%S", text).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_wait_is_seconds_or_a_date_by_the_servers_own_clock() {
        let wait = |lines: &[(&'static str, &str)]| retry_after(&headers(lines));
        let date = ("date", "Tue, 03 Mar 2026 10:00:00 GMT");
        assert_eq!(wait(&[("retry-after", "17")]), Some(Span::from_secs(17)));
        assert_eq!(
            wait(&[("retry-after", "Tue, 03 Mar 2026 10:01:30 GMT"), date]),
            Some(Span::from_secs(90))
        );
        assert_eq!(
            wait(&[("retry-after", "Tue, 03 Mar 2026 09:00:00 GMT"), date]),
            Some(Span::from_secs(0))
        );
        assert_eq!(wait(&[("retry-after", "99999999")]), Some(Span::HOUR));
        for nonsense in ["", "-1", "soon", "Tue, 03 Mar 2026 10:01:30 CET"] {
            assert_eq!(wait(&[("retry-after", nonsense), date]), None, "{nonsense}");
        }
        assert_eq!(wait(&[("retry-after", "Tue, 03 Mar 2026 10:01:30 GMT")]), None);
    }

    #[test]
    fn a_status_says_what_to_do_next() {
        let busy = headers(&[("retry-after", "5"), ("trackingid", "CLOUD_1")]);
        let next = |status: u16| of(StatusCode::from_u16(status).unwrap(), &busy).next;
        let after = Some(Span::from_secs(5));
        assert_eq!(next(429), Next::BackOff { after });
        assert_eq!(next(503), Next::BackOff { after });
        assert_eq!(next(500), Next::Retry { after });
        assert_eq!(next(302), Next::Retry { after });
        assert_eq!(next(413), Next::Refused);
        assert_eq!(next(401), Next::SignIn);
        let fault = of(StatusCode::BAD_GATEWAY, &busy);
        assert_eq!(fault.to_string(), "HTTP 502 (request CLOUD_1)");
    }
}
