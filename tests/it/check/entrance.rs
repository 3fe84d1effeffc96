//! Signing in, and what the account may do.

use std::sync::Arc;

use calway_lab::exchange::{self, Fault, Match};
use calway_lab::stage::Options;
use calway_lab::tls::{Authority, Signature};

use super::Scene;

const ALICE: &str = "test_mailboxes = [\"alice@corp.example\"]";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_with_what_to_do_and_sent_once() {
    let options = exchange::Options { lock_out_after: Some(2), ..Default::default() };
    let scene = Scene::new(Options { exchange: options, ..Options::default() }).await;
    scene.in_calendar(ALICE);
    scene.secret("calendar.hq.password", "wrong");
    scene.prints("sign-in-refused", 1, &["sign-in", "protection", "impersonation"]).await;
    assert!(!scene.exchange().gate().locked_out());
    assert_eq!(scene.exchange().log().refusals(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_the_role_is_told_how_it_is_given() {
    let scene = Scene::plain().await;
    scene.in_calendar(ALICE);
    scene.exchange().calendars().deny_impersonation("alice@corp.example", true);
    scene.prints("impersonation-denied", 1, &["impersonation", "throttling"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_asks_to_wait_is_seen_and_left_alone() {
    let scene = Scene::plain().await;
    scene.in_calendar(ALICE);
    let busy = Fault::ServerBusy { back_off_ms: Some(30_000), inner: false };
    let _always = scene.exchange().faults().always(Match::operation("GetFolder"), busy);
    scene.prints("throttled", 0, &["impersonation", "throttling"]).await;
    let asked = scene.exchange().log().count("GetFolder");
    assert!(asked <= 1, "{asked} requests although the server wants to rest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_cannot_be_bound_to_is_named() {
    let authority = Arc::new(Authority::signing_with(Signature::Ed25519));
    let options = exchange::Options { authority: Some(authority), ..Default::default() };
    let scene = Scene::new(Options { exchange: options, ..Options::default() }).await;
    scene.prints("protection-unbound", 0, &["protection"]).await;
}
