//! The way to a server: its name, TCP, the proxy, TLS, and what its clock says.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::Full;

use super::book::Book;
use super::finding::{Verdict, Words};
use crate::model::{Fault, Next, Time};
use crate::net::walk::{Certificate, Flaw, Shown};
use crate::net::{Connection, Connector, Origin, Proxy, Trust, proxy, status};

/// For everything up to the end of one step.
pub(super) const STEP: Duration = Duration::from_secs(10);

/// A certificate that ends within so many days is named.
const SOON: i64 = 30;

/// A clock is the same as ours up to so many milliseconds, is named from so many on, and wrong from
/// so many on.
const SAME: u64 = 2_000;
const OFF: u64 = 60_000;
const FAR_OFF: u64 = 300_000;

const DAY: i64 = 86_400_000;

/// The steps, in their order.
pub(super) const STEPS: [&str; 4] = ["dns", "tcp", "proxy", "tls"];

/// One way.
pub(super) struct Way {
    connector: Connector,
    trust: Trust,
    proxy: Option<Proxy>,
    pub(super) origin: Origin,
    /// Whose words fill the sentences.
    pub(super) words: Words,
    /// Why the proxy may not be asked now.
    pub(super) no_proxy: Option<String>,
}

/// Where it led to.
pub(super) struct Arrived {
    pub(super) connection: Connection,
    /// The server's own certificate.
    pub(super) certificate: Vec<u8>,
}

impl Way {
    /// A way to where an address leads.
    ///
    /// # Errors
    /// Where it is not one of https, or nobody is trusted.
    pub(super) fn new(
        url: &Uri,
        trust: &Trust,
        proxy: Option<Proxy>,
        dial: crate::net::dial::Dial,
    ) -> Result<Self, Fault> {
        let origin = Origin::of(url)?;
        let connector = Connector::new(trust.client()?, STEP).through(proxy.clone()).dialling(dial);
        let mut words = Words::default().with("host", origin.host()).with("port", origin.port());
        words = match &proxy {
            None => words.with("dialled", origin.host()).with("port_dialled", origin.port()),
            Some(via) => words
                .with("dialled", &via.host)
                .with("port_dialled", via.port)
                .with("proxy", format!("{}:{}", via.host, via.port)),
        };
        Ok(Self { connector, trust: trust.clone(), proxy, origin, words, no_proxy: None })
    }

    /// Goes it; what cannot be looked at any more is skipped, `then` with it.
    pub(super) async fn walk(&self, book: &Book<'_>, then: &[&'static str]) -> Option<Arrived> {
        let host = self.origin.host();
        let subject = (host, &self.words);
        let skip = |from: usize, why: &str| {
            book.skip(STEPS.get(from..).unwrap_or_default(), host, why);
            book.skip(then, host, why);
        };
        let known = book.look("dns", subject, self.dns()).await;
        if known.is_none() {
            skip(1, "dns failed above");
            return None;
        }
        let Some(stream) = book.look("tcp", subject, self.tcp()).await else {
            skip(2, "tcp failed above");
            return None;
        };
        let stream = match (&self.proxy, &self.no_proxy) {
            (None, _) => {
                book.skip(&["proxy"], host, "none is configured");
                stream
            }
            (Some(_), Some(why)) => {
                skip(2, why);
                return None;
            }
            (Some(_), None) => match book.look("proxy", subject, self.pass(stream)).await {
                Some(stream) => stream,
                None => {
                    skip(3, "proxy failed above");
                    return None;
                }
            },
        };
        let arrived = book.look("tls", subject, self.tls(stream)).await;
        if arrived.is_none() {
            book.skip(then, host, "tls failed above");
        }
        arrived
    }

    async fn dns(&self) -> (Verdict, Option<()>) {
        match self.connector.look_up(&self.origin).await {
            Ok(found) if !found.is_empty() => {
                let mut all: Vec<_> = found.iter().map(|one| one.ip().to_string()).collect();
                all.dedup();
                (Verdict::Pass(all.join(", ")), Some(()))
            }
            _ => (Verdict::of("unknown"), None),
        }
    }

    async fn tcp(&self) -> (Verdict, Option<tokio::net::TcpStream>) {
        match self.connector.reach(&self.origin).await {
            Ok(stream) => {
                let to = stream.peer_addr().map(|to| to.to_string()).unwrap_or_default();
                (Verdict::Pass(to), Some(stream))
            }
            Err(fault) => {
                let why = fault.cause.code.trim_start_matches("proxy: ").to_owned();
                let trouble = if fault.cause.is_late() { "silent" } else { "refused" };
                (Verdict::because(trouble, why), None)
            }
        }
    }

    async fn pass(
        &self,
        stream: tokio::net::TcpStream,
    ) -> (Verdict, Option<tokio::net::TcpStream>) {
        match self.connector.pass(&self.origin, stream).await {
            Ok(stream) => {
                let signed_in = self.proxy.as_ref().is_some_and(|via| via.account.is_some());
                let how = if signed_in { ", signed in" } else { "" };
                (Verdict::Pass(format!("it opens the way{how}")), Some(stream))
            }
            Err(fault) => (proxy_said(&fault), None),
        }
    }

    async fn tls(&self, stream: tokio::net::TcpStream) -> (Verdict, Option<Arrived>) {
        let (shown, opened) = self.connector.shake(&self.trust, &self.origin, stream).await;
        let pinned = !self.trust.pinned.is_empty();
        let verdict = tls_said(&shown, opened.as_ref().err(), pinned, now());
        let certificate = shown.chain.into_iter().next().unwrap_or_default();
        (verdict, opened.ok().map(|connection| Arrived { connection, certificate }))
    }

    /// Holds its clock against ours.
    pub(super) fn clock(&self, book: &Book<'_>, greeted: Option<&Greeted>) {
        let subject = (self.origin.host(), &self.words);
        let told = greeted.and_then(|one| Some((status::date(&one.headers)?, one.between)));
        let Some((there, between)) = told else {
            book.skip(&["clock"], subject.0, "the server tells no time");
            return;
        };
        book.note("clock", subject, clock_said(there, between));
    }
}

/// Now, by the clock on the wall.
pub(super) fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let ms = since.unwrap_or_default().as_millis();
    Time::from_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// The head of an answer.
pub(super) struct Greeted {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// When it was asked for and when it was there: it was made in between.
    between: (Time, Time),
}

/// Sends a request without credentials, and hears the head of the answer.
///
/// # Errors
/// Where none came.
pub(super) async fn greet(
    connection: &mut Connection,
    method: Method,
    uri: &Uri,
) -> Result<Greeted, Fault> {
    let request = Request::builder()
        .method(method)
        .uri(uri.clone())
        .header(http::header::USER_AGENT, concat!("calway/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::new()))
        .map_err(|_| Fault::refused("the address cannot be asked"))?;
    let asked = now();
    let answer = tokio::time::timeout(STEP, connection.send(request)).await;
    let answer = answer.unwrap_or_else(|_| Err(Fault::retry("no answer in time")))?;
    let between = (asked, now());
    Ok(Greeted { status: answer.status(), headers: answer.headers().clone(), between })
}

/// Which of the proxy's troubles it is.
fn proxy_said(fault: &Fault) -> Verdict {
    let why = fault.cause.code.as_str();
    let short = why.trim_start_matches("proxy: ");
    let trouble = match fault.next {
        Next::SignIn if why == proxy::REFUSED_BEFORE => "refused-before",
        Next::SignIn if why == proxy::NO_PASSWORD => "no-password",
        Next::SignIn => "refused",
        _ if why == proxy::ASKS => "asks",
        _ if why == proxy::OTHER_SIGN_IN => "other-sign-in",
        _ if why.ends_with("to CONNECT") => "closed",
        _ => "odd",
    };
    Verdict::because(trouble, short)
}

/// Which of TLS's troubles it is, if any.
fn tls_said(shown: &Shown, failed: Option<&(Flaw, Fault)>, pinned: bool, now: Time) -> Verdict {
    let read: Vec<_> = shown.chain.iter().filter_map(|der| Certificate::read(der)).collect();
    let first = read.first().cloned().unwrap_or_default();
    let protocol = shown.protocol.unwrap_or_default();
    let soonest = first_to_end(&read, now).unwrap_or(&first);
    let ends = soonest.until;
    let words = Words::default()
        .with("names", names(&first.names))
        .with("issuer", &first.issuer)
        .with("from", day(first.from))
        .with("protocol", protocol);
    let Some((flaw, fault)) = failed else {
        let days = (ends.as_ms() - now.as_ms()).div_euclid(DAY);
        // Whoever pins one looks after its dates.
        if days < SOON && !pinned {
            let words = words.with("names", names(&soonest.names));
            let words = words.with("days", days).with("until", day(ends));
            return Verdict::Trouble("ends-soon", words);
        }
        let how = if pinned { "pinned, " } else { "" };
        let names = names(&first.names);
        return Verdict::Pass(format!(
            "{protocol}; {how}{names}, issued by {}, {days} days left",
            first.issuer
        ));
    };
    let why = fault.cause.code.trim_start_matches("TLS: ");
    let words = words.with("why", why).with("until", day(first.until));
    Verdict::Trouble(
        match flaw {
            Flaw::Expired => "expired",
            Flaw::NotYetValid => "not-yet-valid",
            // It said so by an alert.
            Flaw::OtherName if shown.chain.is_empty() => "unknown-name",
            Flaw::OtherName => "other-name",
            Flaw::UnknownIssuer => "unknown-issuer",
            Flaw::AuthorityItself => "authority-itself",
            Flaw::NotPinned => "not-pinned",
            Flaw::Unfit => "unfit",
            Flaw::OldProtocol => "old-protocol",
            Flaw::NoSuite => "no-suite",
            Flaw::WantsCertificate => "wants-certificate",
            Flaw::NotTls => "not-tls",
            Flaw::Broken => "broken",
        },
        words,
    )
}

/// Of those that were shown the one whose last day comes first. One of an authority that is past
/// its day and was not needed says nothing.
fn first_to_end(shown: &[Certificate], now: Time) -> Option<&Certificate> {
    let (own, others) = shown.split_first()?;
    let others = others.iter().filter(|one| one.until > now);
    std::iter::once(own).chain(others).min_by_key(|one| one.until)
}

/// Which of the clock's troubles it is, if any. How long the answer took says nothing of a clock.
fn clock_said(there: Time, (asked, came): (Time, Time)) -> Verdict {
    let skew = match there.as_ms() {
        early if early < asked.as_ms() => early - asked.as_ms(),
        there => (there - came.as_ms()).max(0),
    };
    let size = skew.unsigned_abs();
    let which = if skew > 0 { "ahead of" } else { "behind" };
    // The server tells whole seconds.
    if size <= SAME {
        return Verdict::Pass("the same as ours".into());
    }
    if size <= OFF {
        return Verdict::Pass(format!("{} {which} ours", span(size)));
    }
    let trouble = if size <= FAR_OFF { "off" } else { "far-off" };
    Verdict::Trouble(trouble, Words::default().with("skew", span(size)).with("which", which))
}

fn span(ms: u64) -> String {
    match ms / 1_000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// The first of them.
fn names(names: &[String]) -> String {
    match names {
        [] => "no name".into(),
        [first] => first.clone(),
        [first, second] => format!("{first} and {second}"),
        [first, second, rest @ ..] => format!("{first}, {second} and {} more", rest.len()),
    }
}

/// A day, as people write it everywhere.
pub(super) fn day(time: Time) -> String {
    let found = jiff::Timestamp::from_millisecond(time.as_ms()).unwrap_or_default();
    found.strftime("%Y-%m-%d").to_string()
}

/// Whole days until then.
pub(super) fn days_left(until: Time) -> i64 {
    (until.as_ms() - now().as_ms()).div_euclid(DAY)
}

/// Whether it ends so soon that somebody should hear of it.
pub(super) fn ends_soon(until: Time) -> bool {
    days_left(until) < SOON
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_an_answer_takes_is_no_wrong_clock() {
        let at = |second: i64| Time::from_ms(1_800_000_000_000 + second * 1_000);
        let said = |there, came| match clock_said(at(there), (at(0), at(came))) {
            Verdict::Pass(says) => says,
            Verdict::Trouble(which, _) => which.to_owned(),
            Verdict::Skip(why) => why,
        };
        for there in [-2, 0, 5, 9, 11] {
            assert_eq!(said(there, 9), "the same as ours", "{there}");
        }
        assert_eq!(said(-6, 9), "6 s behind ours");
        assert_eq!(said(15, 9), "6 s ahead of ours");
        assert_eq!((said(-61, 9), said(70, 9)), ("off".to_owned(), "off".to_owned()));
        assert_eq!((said(-301, 9), said(310, 9)), ("far-off".to_owned(), "far-off".to_owned()));
    }
}
