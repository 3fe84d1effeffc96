//! The front end as a client meets it: bytes over TLS.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpStream;

use super::affinity::{ANCHOR, COOKIE_NAME, PREFER};
use super::line::{BASIC, GET_FOLDER, Heard, Line, envelope, exchange};
use super::ntlm::channel_binding;
use super::ntlm::tests::{Client as Ntlm, GOOD, negotiate};
use super::*;

fn get_folder() -> String {
    envelope("ann@corp.example", GET_FOLDER)
}

/// The three legs of NTLM on `line`; the third carries a request.
async fn sign_in(line: &mut Line, client: &Ntlm) -> Heard {
    let first = format!("NTLM {}", STANDARD.encode(negotiate()));
    let path = "/EWS/Exchange.asmx";
    let heard = line.ask("POST", path, &[("Authorization", &first)], "").await.unwrap();
    assert_eq!(heard.status, 401);
    let challenge = heard.header("www-authenticate").unwrap().strip_prefix("NTLM ").unwrap();
    let answer = client.answer(&STANDARD.decode(challenge).unwrap());
    let third = format!("NTLM {}", STANDARD.encode(answer));
    line.ask("POST", path, &[("Authorization", &third)], &get_folder()).await.unwrap()
}

#[tokio::test]
async fn a_stranger_is_asked_and_a_wrong_password_is_written_down() {
    let exchange = exchange(|_| ()).await;
    let mut line = Line::to(&exchange).await.unwrap();
    let heard = line.ask("POST", "/ews/exchange.asmx", &[], &get_folder()).await.unwrap();
    assert_eq!(heard.status, 401);
    assert_eq!(heard.all("www-authenticate"), ["NTLM", "Basic realm=\"mail.corp.example\""]);
    let wrong = format!("Basic {}", STANDARD.encode("CORP\\svc-calway:no"));
    let wrong = [("Authorization", wrong.as_str())];
    let heard = line.ask("POST", "/EWS/Exchange.asmx", &wrong, &get_folder()).await.unwrap();
    assert_eq!(heard.status, 401);
    let counts = exchange.log().counts();
    assert_eq!((counts.challenges, counts.refusals["wrong password"]), (1, 1));
    assert_eq!(exchange.log().count("GetFolder"), 0);
    let heard = line.ews(&[], GET_FOLDER).await.unwrap();
    assert_eq!(heard.status, 200);
    for name in ["request-id", "X-FEServer", "X-BEServer", "X-DiagInfo", "X-CalculatedBETarget"] {
        assert!(heard.header(name).is_some(), "{name}");
    }
    assert_eq!(exchange.log().count("GetFolder"), 1);
    assert_eq!(exchange.log().of("GetFolder")[2].mailbox.as_deref(), Some("ann@corp.example"));
}

#[tokio::test]
async fn ntlm_authenticates_the_connection_and_no_other() {
    let exchange = exchange(|options| options.basic = false).await;
    let mut line = Line::to(&exchange).await.unwrap();
    assert_eq!(sign_in(&mut line, &GOOD).await.status, 200);
    assert_eq!(ask_bare(&mut line).await, 200, "the connection stays signed in");
    let mut other = Line::to(&exchange).await.unwrap();
    assert_eq!(ask_bare(&mut other).await, 401, "another connection is not");
    let wrong = Ntlm { password: "no", ..GOOD };
    assert_eq!(sign_in(&mut other, &wrong).await.status, 401);
    assert_eq!(exchange.log().counts().refusals["wrong password"], 1);
    assert_eq!(ask_bare(&mut other).await, 401);
    assert_eq!(sign_in(&mut other, &GOOD).await.status, 200, "the connection may try again");
    assert_eq!(line.ews(&[], GET_FOLDER).await.unwrap().status, 401, "Basic is not offered");
}

async fn ask_bare(line: &mut Line) -> u16 {
    line.ask("POST", "/EWS/Exchange.asmx", &[], &get_folder()).await.unwrap().status
}

#[tokio::test]
async fn extended_protection_judges_the_binding_of_this_certificate() {
    use crate::tls::Signature;
    for signature in [Signature::Sha256, Signature::Sha384, Signature::Sha512] {
        let authority = Some(Arc::new(Authority::signing_with(signature)));
        let exchange = exchange(|options| {
            options.protection = ExtendedProtection::Require;
            options.authority = authority;
        })
        .await;
        let mut line = Line::to(&exchange).await.unwrap();
        let algorithm = match signature {
            Signature::Sha256 => &aws_lc_rs::digest::SHA256,
            Signature::Sha384 => &aws_lc_rs::digest::SHA384,
            Signature::Sha512 | Signature::Ed25519 => &aws_lc_rs::digest::SHA512,
        };
        let hash = aws_lc_rs::digest::digest(algorithm, &line.certificate);
        let right = Ntlm { binding: Some(channel_binding(hash.as_ref())), ..GOOD };
        let wrong = Ntlm { binding: Some(channel_binding(b"other")), ..GOOD };
        assert_eq!(sign_in(&mut line, &wrong).await.status, 401);
        assert_eq!(sign_in(&mut line, &GOOD).await.status, 401);
        assert_eq!(sign_in(&mut line, &right).await.status, 200);
        let shown = exchange.log().of("GetFolder").pop().unwrap().scheme;
        assert_eq!(shown, Some(auth::Scheme::Ntlm { bound: true, mic: true }));
        let refusals = exchange.log().counts().refusals;
        assert_eq!(refusals["wrong channel binding"], 1);
        assert_eq!(refusals["no channel binding"], 1);
    }
}

#[tokio::test]
async fn the_cookie_keeps_a_client_on_its_back_end_across_connections() {
    let exchange = exchange(|_| ()).await;
    let mut line = Line::to(&exchange).await.unwrap();
    let prefer = [(PREFER, "true"), (ANCHOR, "ann@corp.example")];
    let heard = line.ews(&prefer, GET_FOLDER).await.unwrap();
    let target = heard.header("x-calculatedbetarget").unwrap().to_owned();
    let cookie = heard.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert!(cookie.starts_with(COOKIE_NAME), "{cookie}");
    for _ in 0..4 {
        let mut line = Line::to(&exchange).await.unwrap();
        let with = [prefer[0], prefer[1], ("Cookie", &cookie)];
        let heard = line.ews(&with, GET_FOLDER).await.unwrap();
        assert_eq!(heard.header("x-calculatedbetarget"), Some(target.as_str()));
        assert_eq!(heard.header("set-cookie"), None);
    }
    let mut met = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let heard = line.ews(&prefer, GET_FOLDER).await.unwrap();
        met.insert(heard.header("x-calculatedbetarget").unwrap().to_owned());
    }
    assert_eq!(met.len(), 3, "without the cookie it goes round");
}

#[tokio::test]
async fn what_stands_in_front_of_exchange_may_answer_instead() {
    let exchange = exchange(|_| ()).await;
    let mut line = Line::to(&exchange).await.unwrap();
    let whom = Match::operation("GetFolder");
    exchange.faults().next(whom, Fault::Http { status: 503, retry_after: Some(7) });
    exchange.faults().next(whom, Fault::Http { status: 503, retry_after: None });
    let heard = line.ews(&[], GET_FOLDER).await.unwrap();
    assert_eq!((heard.status, heard.header("retry-after")), (503, Some("7")));
    let heard = line.ews(&[], GET_FOLDER).await.unwrap();
    assert_eq!((heard.status, heard.header("retry-after")), (503, None));
    exchange.faults().next(whom, Fault::RedirectToErrorPage);
    let heard = line.ews(&[], GET_FOLDER).await.unwrap();
    assert_eq!(heard.status, 302);
    let place = heard.header("location").unwrap().to_owned();
    let mut line = Line::to(&exchange).await.unwrap();
    let heard = line.ask("GET", &place, &[], "").await.unwrap();
    assert_eq!(heard.status, 200);
    assert!(heard.body.contains("Something went wrong"));
    assert_eq!(line.ews(&[], GET_FOLDER).await.unwrap().status, 200, "the faults are used up");
}

#[tokio::test]
async fn a_body_is_split_or_cut_where_the_fault_says() {
    let exchange = exchange(|_| ()).await;
    let mut line = Line::to(&exchange).await.unwrap();
    let whole = line.ews(&[], GET_FOLDER).await.unwrap().body;
    exchange.faults().next(Match::any(), Fault::SplitEnvelopes { at: 100 });
    let heard = line.ews(&[], GET_FOLDER).await.unwrap();
    assert!(heard.chunks.len() > 1, "{} bytes in one chunk", heard.body.len());
    assert!(heard.chunks.iter().rev().skip(1).all(|chunk| chunk.len() == 100));
    assert_eq!(heard.body.len(), whole.len());
    exchange.faults().next(Match::any(), Fault::Cut { after_bytes: 50 });
    line.send("POST", "/EWS/Exchange.asmx", &[("Authorization", BASIC)], &get_folder()).await;
    assert_eq!(line.head().await.unwrap().status, 200);
    assert_eq!(line.chunk().await.unwrap().unwrap().len(), 50);
    assert!(line.chunk().await.is_err(), "the connection ends in the middle");
}

#[tokio::test]
async fn a_hung_request_counts_against_its_mailbox_until_the_client_goes() {
    let exchange = exchange(|options| options.max_concurrency = 1).await;
    let log = exchange.log();
    exchange.faults().next(Match::operation("GetFolder"), Fault::Hang);
    let mut hung = Line::to(&exchange).await.unwrap();
    hung.send("POST", "/EWS/Exchange.asmx", &[("Authorization", BASIC)], &get_folder()).await;
    let begun = log.wait_for("GetFolder", 1);
    tokio::time::timeout(Duration::from_secs(20), begun).await.expect("the request begins");
    let mut line = Line::to(&exchange).await.unwrap();
    let heard = line.ews(&[], GET_FOLDER).await.unwrap();
    assert_eq!(heard.status, 500);
    assert!(heard.body.contains("ErrorExceededConnectionCount"), "{}", heard.body);
    assert_eq!(log.counts().codes["ErrorExceededConnectionCount"], 1);
    drop(hung);
    while line.ews(&[], GET_FOLDER).await.unwrap().status != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_delayed_answer_comes_late() {
    let exchange = exchange(|_| ()).await;
    let mut line = Line::to(&exchange).await.unwrap();
    exchange.faults().next(Match::any(), Fault::Delay(Duration::from_millis(80)));
    let before = std::time::Instant::now();
    assert_eq!(line.ews(&[], GET_FOLDER).await.unwrap().status, 200);
    assert!(before.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn connections_are_dropped_refused_and_welcome_again() {
    let exchange = exchange(|_| ()).await;
    let mut line = Line::to(&exchange).await.unwrap();
    assert_eq!(line.ews(&[], GET_FOLDER).await.unwrap().status, 200);
    exchange.drop_connections();
    assert!(line.more().await.is_err(), "the open connection is reset");
    let mut line = Line::to(&exchange).await.unwrap();
    assert_eq!(line.ews(&[], GET_FOLDER).await.unwrap().status, 200, "a new one is welcome");
    exchange.cut().await;
    assert!(line.more().await.is_err());
    let refused = Line::to(&exchange).await.err().unwrap();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    exchange.restore().await;
    let mut line = Line::to(&exchange).await.unwrap();
    assert_eq!(line.ews(&[], GET_FOLDER).await.unwrap().status, 200);
    assert_eq!(exchange.open_connections(), 1);
    let address = exchange.address();
    drop(exchange);
    assert!(line.more().await.is_err(), "the last handle stops the server");
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_connection_beyond_the_limit_meets_503() {
    let exchange = exchange(|options| options.max_connections = 1).await;
    let mut first = Line::to(&exchange).await.unwrap();
    assert_eq!(first.ews(&[], GET_FOLDER).await.unwrap().status, 200);
    let mut second = Line::to(&exchange).await.unwrap();
    assert_eq!(second.ews(&[], GET_FOLDER).await.unwrap().status, 503);
    assert_eq!(first.ews(&[], GET_FOLDER).await.unwrap().status, 200);
    assert_eq!(exchange.log().counts().most_connections, 2);
}

const CREATE: &str = "<m:CreateItem SendMeetingInvitations='SendToNone'><m:Items>\
    <t:CalendarItem><t:Subject>Once</t:Subject></t:CalendarItem></m:Items></m:CreateItem>";

fn items(exchange: &Exchange) -> usize {
    exchange.calendars().count("ann@corp.example")
}

#[tokio::test]
async fn an_answer_that_is_lost_was_an_effect_all_the_same() {
    let exchange = exchange(|_| ()).await;
    let mut line = Line::to(&exchange).await.unwrap();
    exchange.faults().next(Match::operation("CreateItem"), Fault::LoseRequest);
    assert!(line.ews(&[], CREATE).await.is_err(), "no byte comes");
    assert_eq!(items(&exchange), 0);
    let mut line = Line::to(&exchange).await.unwrap();
    exchange.faults().next(Match::operation("CreateItem"), Fault::LoseAnswer);
    assert!(line.ews(&[], CREATE).await.is_err(), "no byte comes");
    assert_eq!(items(&exchange), 1);
    assert_eq!(exchange.log().of("CreateItem").last().unwrap().code, "NoError");
}

#[tokio::test]
async fn an_answer_that_says_no_may_come_after_the_effect() {
    let exchange = exchange(|_| ()).await;
    let mut line = Line::to(&exchange).await.unwrap();
    let whom = Match::operation("CreateItem");
    exchange.faults().next(whom, Fault::HttpAfter { status: 504 });
    assert_eq!(line.ews(&[], CREATE).await.unwrap().status, 504);
    let code = "ErrorInternalServerTransientError";
    exchange.faults().next(whom, Fault::ResponseCodeAfter(code.to_owned()));
    let heard = line.ews(&[], CREATE).await.unwrap();
    assert!(heard.status == 200 && heard.body.contains(code), "{}", heard.body);
    assert_eq!(items(&exchange), 2);
}

#[tokio::test]
async fn an_answer_is_held_until_it_may_go() {
    let exchange = exchange(|_| ()).await;
    exchange.faults().next(Match::operation("CreateItem"), Fault::HoldAnswer);
    let mut held = Line::to(&exchange).await.unwrap();
    let request = envelope("ann@corp.example", CREATE);
    held.send("POST", "/EWS/Exchange.asmx", &[("Authorization", BASIC)], &request).await;
    let log = exchange.log();
    let done = log.wait_for("CreateItem", 1);
    tokio::time::timeout(Duration::from_secs(20), done).await.expect("it is done");
    assert_eq!(items(&exchange), 1, "before the answer goes");
    let mut other = Line::to(&exchange).await.unwrap();
    assert_eq!(other.ews(&[], GET_FOLDER).await.unwrap().status, 200);
    exchange.faults().release();
    assert_eq!(held.head().await.unwrap().status, 200);
    assert_eq!(log.count("CreateItem"), 1);
}

#[tokio::test]
async fn the_log_knows_every_mailbox_that_was_touched() {
    let exchange = exchange(|_| ()).await;
    let mut line = Line::to(&exchange).await.unwrap();
    let free_busy = |address: &str| {
        format!(
            "<m:GetUserAvailabilityRequest><m:MailboxDataArray><t:MailboxData><t:Email>\
             <t:Address>{address}</t:Address></t:Email><t:AttendeeType>Required\
             </t:AttendeeType></t:MailboxData></m:MailboxDataArray>\
             </m:GetUserAvailabilityRequest>"
        )
    };
    line.ews(&[], GET_FOLDER).await.unwrap();
    line.ews(&[], &free_busy("Bob@corp.example")).await.unwrap();
    line.ews(&[], &free_busy("ANN@corp.example")).await.unwrap();
    let told: Vec<(String, Vec<String>)> = exchange
        .log()
        .touched()
        .into_iter()
        .map(|(address, how)| (address, how.into_keys().collect()))
        .collect();
    let both = vec!["GetFolder".to_owned(), "GetUserAvailability".to_owned()];
    let own = ("ann@corp.example".to_owned(), both);
    let other = ("bob@corp.example".to_owned(), vec!["GetUserAvailability".to_owned()]);
    assert_eq!(told, [own, other]);
    assert_eq!(exchange.log().touches("ANN@corp.example")["GetUserAvailability"], 2);
    exchange.log().clear();
    assert!(exchange.log().touched().is_empty());
}
