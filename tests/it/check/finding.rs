//! How servers are found: Autodiscover and the trust list.

use std::sync::Arc;

use calway_lab::directory::{Directory, Point};
use calway_lab::exchange::{self, Forms, MovedTo};
use calway_lab::stage::Options;
use calway_lab::tls::{Authority, LOOPBACK};

use super::Scene;

const ALICE: &str = "test_mailboxes = [\"alice@corp.example\"]";

fn finding() -> Options {
    Options { find_servers: true, ..Options::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_autodiscover_names_are_looked_at() {
    let scene = Scene::new(finding()).await;
    scene.in_calendar(ALICE);
    scene.prints("autodiscover-well", 0, &["autodiscover", "sign-in", "impersonation"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_that_autodiscover_does_not_know_and_one_in_the_cloud_are_told() {
    let scene = Scene::new(finding()).await;
    let words = ["autodiscover", "sign-in", "--mailbox", "nobody@corp.example"];
    scene.prints("autodiscover-unknown", 1, &words).await;
    let away = MovedTo::Cloud("alice@corp.mail.onmicrosoft.com".to_owned());
    scene.exchange().calendars().move_mailbox("alice@corp.example", away);
    let words = ["autodiscover", "--mailbox", "alice@corp.example"];
    scene.prints("autodiscover-in-the-cloud", 1, &words).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_found_by_autodiscover_once() {
    let scene = Scene::new(finding()).await;
    scene.in_calendar(ALICE);
    scene.secret("calendar.hq.password", "wrong");
    scene.prints("autodiscover-refused", 1, &["autodiscover", "sign-in"]).await;
    assert_eq!(scene.exchange().log().refusals(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_autodiscover_that_is_absent_costs_groups_and_no_more() {
    let forms = Forms { soap: false, pox: false, json: false };
    let exchange = exchange::Options { autodiscover: forms, ..Default::default() };
    let scene = Scene::new(Options { exchange, ..Options::default() }).await;
    scene.in_calendar(ALICE);
    scene.prints("autodiscover-no-groups", 0, &["autodiscover", "impersonation"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_right_is_nowhere_in_what_is_printed_and_colour_only_on_a_terminal() {
    let scene = Scene::new(finding()).await;
    scene.in_calendar(ALICE);
    for words in [&[][..], &["--json"]] {
        let said = scene.check(words).await;
        for text in [&said.text, &said.errors] {
            assert!(!text.contains("lab-password") && !text.contains("lab-secret"), "{text}");
            assert!(!text.contains('\u{1b}') && !text.contains('\r'), "{text}");
        }
    }
    let said = scene.check(&["--only", "nonsense"]).await;
    assert_eq!(said.exit, 2);
    assert!(said.errors.contains("there is no check nonsense; there are configuration, "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_nobody_vouched_for_waits_and_is_sent_nothing() {
    let scene = Scene::new(finding()).await;
    scene.in_calendar(ALICE);
    let away = MovedTo::Cloud("https://mail.invalid/autodiscover/autodiscover.svc".to_owned());
    scene.exchange().calendars().move_mailbox("alice@corp.example", away);
    scene.prints("autodiscover-waits-for-trust", 1, &["autodiscover"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_directory_says_is_told() {
    const URL: &str = "77378F46-2C66-4aa9-A6A6-3E7A48B19596";
    let authority = Arc::new(Authority::new());
    let own = Some(Arc::clone(&authority));
    let exchange = exchange::Options { authority: own, ..Default::default() };
    let scene = Scene::new(Options { exchange, ..finding() }).await;
    let directory = Directory::start(&authority.leaf(&LOOPBACK), Vec::new()).await.unwrap();
    let port = directory.address().port();
    let scp = format!("srv = false, scp = {{ server = \"ldaps://127.0.0.1:{port}\" }} }}");
    scene.rewrite("srv = false }", &scp);
    scene.prints("scp-none", 0, &["scp"]).await;
    directory.set(vec![Point {
        keywords: vec![URL.to_owned()],
        bindings: vec![format!("{}/autodiscover/autodiscover.xml", scene.exchange().origin())],
    }]);
    scene.prints("scp-well", 0, &["scp"]).await;
    directory.behave(calway_lab::directory::Manner::Refuses);
    let before = directory.binds().len();
    scene.prints("scp-refused", 1, &["scp"]).await;
    assert_eq!(directory.binds().len(), before + 1, "it is tried once");
    let _port = directory.close().await.unwrap();
    scene.prints("scp-failed", 1, &["scp"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_says_which_server_has_a_mailbox_it_is_told_where_each_step_is_shown() {
    let forms = Forms { soap: false, pox: false, json: false };
    let exchange = exchange::Options { autodiscover: forms, ..Default::default() };
    let scene = Scene::new(Options { exchange, ..finding() }).await;
    scene.in_calendar(ALICE);
    scene.prints("autodiscover-not-found", 1, &["autodiscover", "sign-in"]).await;
}
