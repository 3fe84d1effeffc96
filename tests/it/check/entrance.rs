//! Signing in, and what the account may do.

use std::sync::Arc;

use calway_lab::exchange::service::{End, Pattern, RoomRules};
use calway_lab::exchange::{
    self, Attendee, Draft, Exchange, ExtendedProtection, Fault, MailboxKind, Match,
};
use calway_lab::site::{Manner, Site};
use calway_lab::stage::Options;
use calway_lab::tls::{Authority, LOOPBACK, Signature};

use super::Scene;
use crate::edits::now_ms;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_was_refused_is_not_sent_by_the_next_run_either() {
    let scene = Scene::plain().await;
    scene.store();
    scene.secret("calendar.hq.password", "wrong");
    assert_eq!(scene.check(&["--only", "sign-in"]).await.exit, 1);
    scene.prints("sign-in-refused-before", 1, &["sign-in"]).await;
    assert_eq!(scene.exchange().log().refusals(), 1);
    scene.secret("calendar.hq.password", "lab-password");
    let said = scene.check(&["--only", "sign-in"]).await;
    assert_eq!(said.exit, 0, "{}", said.text);
    assert!(!said.text.contains("lab-password") && !said.errors.contains("lab-password"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_behind_something_that_opens_tls_is_told_from_a_wrong_password() {
    let scene = Scene::plain().await;
    scene.store();
    assert_eq!(scene.check(&["--only", "sign-in"]).await.exit, 0);
    let bridged = exchange::Options {
        protection: ExtendedProtection::Require,
        bridged: true,
        ..Default::default()
    };
    let branch = Exchange::start(bridged).await.unwrap();
    let ca = scene.stage.folder().join("branch-ca.pem");
    std::fs::write(&ca, branch.ca_pem()).unwrap();
    let more = format!(
        "\n[[calendar]]\nname = \"branch\"\naccount = 'CORP\\svc-calway'\nurl = \"{}\"\n\
         ca_file = \"{}\"\ndomains = [\"branch.example\"]\n\n[cloud]",
        branch.url(),
        ca.display()
    );
    scene.rewrite("\n[cloud]", &more);
    scene.secret("calendar.branch.password", "lab-password");
    scene.prints("protection-broken", 1, &["sign-in", "protection"]).await;
    assert_eq!(branch.log().refusals(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_one_server_is_in_doubt_the_secret_is_sent_to_no_new_one() {
    let scene = Scene::plain().await;
    scene.store();
    assert_eq!(scene.check(&["--only", "sign-in"]).await.exit, 0);
    let other = |bridged| exchange::Options {
        protection: ExtendedProtection::Require,
        bridged,
        ..Default::default()
    };
    let mut url = scene.exchange().url();
    for (bridged, golden) in [(true, "sign-in-refused-here"), (false, "sign-in-in-doubt")] {
        let server = Exchange::start(other(bridged)).await.unwrap();
        std::fs::write(scene.stage.folder().join("exchange-ca.pem"), server.ca_pem()).unwrap();
        scene.rewrite(&format!("url = \"{url}\""), &format!("url = \"{}\"", server.url()));
        url = server.url();
        scene.prints(golden, 1, &["sign-in"]).await;
        assert_eq!(server.log().refusals(), u64::from(bridged), "{golden}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_that_comes_to_no_end_is_no_refusal() {
    let scene = Scene::plain().await;
    let asked = Match::operation("GetServerTimeZones");
    let busy = Fault::Http { status: 503, retry_after: Some(30) };
    let always = scene.exchange().faults().always(asked, busy);
    scene.prints("sign-in-busy", 1, &["sign-in"]).await;
    always.stop();
    let _always = scene.exchange().faults().always(asked, Fault::LoseAnswer);
    scene.prints("sign-in-failed", 1, &["sign-in"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_one_mailbox_is_not_blamed_on_the_account() {
    let scene = Scene::plain().await;
    scene.in_calendar(ALICE);
    for (code, golden) in [
        ("ErrorProxyRequestNotAllowed", "impersonation-moved"),
        ("ErrorInternalServerError", "impersonation-failed"),
    ] {
        let fault = Fault::ResponseCode(code.to_owned());
        let always = scene.exchange().faults().always(Match::operation("GetFolder"), fault);
        scene.prints(golden, 1, &["impersonation"]).await;
        always.stop();
    }
    scene.in_calendar("test_rooms = [\"hall@corp.example\"]");
    scene.exchange().calendars().add_mailbox("hall@corp.example", "Hall", MailboxKind::Room);
    scene.exchange().calendars().deny_impersonation("hall@corp.example", true);
    scene.prints("rooms-unreadable", 1, &["rooms"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_fails_or_crawls_at_our_usual_pace_is_named() {
    let scene = Scene::plain().await;
    scene.in_calendar(ALICE);
    let asked = Match::operation("GetFolder");
    // The first, the look at the mailbox itself, is spared: that fault concerns another operation.
    scene.exchange().faults().next(asked, Fault::SyncStandsStill);
    let fault = Fault::ResponseCode("ErrorInternalServerError".to_owned());
    let fails = scene.exchange().faults().always(asked, fault);
    scene.prints("throttling-fails", 0, &["throttling"]).await;
    fails.stop();
    let slow = Fault::Delay(std::time::Duration::from_secs(4));
    let _always = scene.exchange().faults().always(asked, slow);
    scene.prints("throttling-late", 1, &["throttling"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_without_any_role_and_a_mailbox_that_is_not_there_are_told_apart() {
    let scene = Scene::plain().await;
    scene.in_calendar("domains = [\"corp.example\", \"other.example\"]");
    let nobody = ["impersonation", "--mailbox", "nobody@corp.example"];
    scene.prints("impersonation-no-mailbox", 1, &nobody).await;
    scene.exchange().calendars().forbid_impersonation(true);
    let alice = ["impersonation", "--mailbox", "alice@corp.example"];
    scene.prints("impersonation-no-role", 1, &alice).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_offers_none_of_our_ways_is_told() {
    let exchange = exchange::Options { ntlm: false, ..Default::default() };
    let auth = vec!["ntlm".to_owned()];
    let scene = Scene::new(Options { exchange, auth, ..Options::default() }).await;
    scene.prints("offers-none-of-ours", 1, &["offers", "sign-in"]).await;
    assert_eq!(scene.exchange().log().refusals(), 0, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_exchange_is_sent_no_password() {
    let authority = Arc::new(Authority::new());
    for (manner, golden) in [
        (Manner::Page, "offers-page"),
        (Manner::Status(404), "offers-not-found"),
        (Manner::Status(503), "offers-away"),
    ] {
        let site = Site::secure(manner, &authority.leaf(&LOOPBACK)).await.unwrap();
        let exchange =
            exchange::Options { authority: Some(authority.clone()), ..Default::default() };
        let scene = Scene::new(Options { exchange, ..Options::default() }).await;
        let url = format!("https://{}/EWS/Exchange.asmx", site.address());
        scene
            .rewrite(&format!("url = \"{}\"", scene.exchange().url()), &format!("url = \"{url}\""));
        scene.prints(golden, 1, &["offers", "sign-in"]).await;
        assert!(site.visits().iter().all(|visit| visit.authorization.is_none()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_that_is_too_old_is_named() {
    let exchange =
        exchange::Options { newest_version: Some("Exchange2010_SP2"), ..Default::default() };
    let scene = Scene::new(Options { exchange, ..Options::default() }).await;
    scene.prints("version-too-old", 0, &["version"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_that_empties_invitations_is_named_with_the_setting() {
    let hall = "hall@corp.example";
    let kept = RoomRules::default();
    for (rules, golden, exit) in [
        (RoomRules { delete_comments: true, ..kept }, "rooms-strips-text", 0),
        (
            RoomRules { delete_subject: true, add_organizer_to_subject: true, ..kept },
            "rooms-strips-title",
            0,
        ),
        (
            RoomRules {
                delete_subject: true,
                add_organizer_to_subject: true,
                delete_comments: true,
                remove_private_property: true,
            },
            "rooms-strips-both",
            0,
        ),
        (kept, "rooms-well", 0),
    ] {
        let scene = Scene::plain().await;
        scene.in_calendar(&format!("test_rooms = [\"{hall}\"]"));
        let calendars = scene.exchange().calendars();
        calendars.add_mailbox(hall, "Hall", MailboxKind::Room);
        calendars.set_room_rules(hall, rules);
        for day in 1..4 {
            let start = now_ms() / 60_000 * 60_000 + day * 86_400_000;
            let draft = Draft::meeting("Merger", start, 60).text("Numbers");
            let draft = draft.invite(Attendee::resource(hall, "Hall"));
            calendars.create("alice@corp.example", draft);
        }
        scene.prints(golden, exit, &["rooms"]).await;
        let text = scene.check(&["--json"]).await.text;
        assert!(!text.contains("Merger") && !text.contains("Numbers"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_room_is_not_blamed_for_a_series_without_a_text() {
    let hall = "hall@corp.example";
    let scene = Scene::plain().await;
    scene.in_calendar(&format!("test_rooms = [\"{hall}\"]"));
    let calendars = scene.exchange().calendars();
    calendars.add_mailbox(hall, "Hall", MailboxKind::Room);
    calendars.set_room_rules(hall, RoomRules::default());
    let start = now_ms() / 60_000 * 60_000 + 3_600_000;
    let daily = Draft::meeting("Standup", start, 15)
        .repeat(Pattern::Daily { interval: 1 }, End::After(15))
        .invite(Attendee::resource(hall, "Hall"));
    calendars.create("alice@corp.example", daily);
    let later = Draft::meeting("Merger", start + 20 * 86_400_000, 60).text("Numbers");
    calendars.create("alice@corp.example", later.invite(Attendee::resource(hall, "Hall")));
    scene.prints("rooms-series", 0, &["rooms"]).await;
}
