//! Sign-in by connection and by request, and how few wrong passwords a server ever sees.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use calway::calendar::Calendar;
use calway::calendar::ews::{Auth, Gates};
use calway::model::Next;
use calway_lab::exchange::{ExtendedProtection, Fault as Wrong, Match, Options};
use calway_lab::tls::{Authority, Signature};
use futures_util::future::join_all;

use super::{PASSWORD, Stage, only_basic, soon};

#[tokio::test]
async fn ntlm_signs_a_connection_in_once() {
    let server = Options { basic: false, ..Options::default() };
    let stage = Stage::with(server, |_| {}).await;
    let ann = stage.mailbox("ann");
    for _ in 0..20 {
        stage.ews.verify(&ann).await.unwrap();
    }
    let counts = stage.exchange.log().counts();
    assert_eq!(counts.connections, 1);
    assert_eq!(counts.challenges, 2, "one to learn the ways, one of the handshake");
    assert_eq!(stage.exchange.log().refusals(), 0);
    let entries = stage.exchange.log().entries();
    let received: Vec<_> = entries.iter().map(|entry| (entry.status, entry.received > 0)).collect();
    assert_eq!(received[..3], [(401, false), (401, false), (200, true)], "empty until the last");
}

#[tokio::test]
async fn a_connection_signs_in_once_and_stays_who_it_is() {
    let server = Options { basic: false, ..Options::default() };
    let stage = Stage::with(server, |options| options.max_connections = 4).await;
    let targets = stage.mailboxes(12);
    for round in 0..4 {
        if round == 2 {
            stage.exchange.drop_connections();
        }
        let all = join_all(targets.iter().map(|target| stage.ews.verify(target))).await;
        assert!(all.iter().all(Result::is_ok));
    }
    let entries = stage.exchange.log().entries();
    let connections: BTreeSet<u64> = entries.iter().map(|entry| entry.connection).collect();
    assert!((5..=8).contains(&connections.len()), "{}", connections.len());
    for connection in connections {
        let mine = || entries.iter().filter(|entry| entry.connection == connection);
        // One to ask what is offered, one in the middle of the handshake, and never again.
        assert!(mine().take_while(|entry| entry.status == 401).count() <= 2);
        let signed = mine().skip_while(|entry| entry.status == 401);
        assert!(signed.clone().all(|entry| entry.status == 200 && entry.scheme.is_some()));
    }
}

#[tokio::test]
async fn basic_is_used_where_it_is_all_there_is() {
    let server = Options { ntlm: false, ..Options::default() };
    let stage = Stage::with(server, |_| {}).await;
    let ann = stage.mailbox("ann");
    for _ in 0..3 {
        stage.ews.verify(&ann).await.unwrap();
    }
    let counts = stage.exchange.log().counts();
    assert_eq!((counts.connections, counts.challenges), (1, 1));
}

#[tokio::test]
async fn a_server_that_offers_nothing_configured_gets_no_password() {
    let server = Options { basic: false, ..Options::default() };
    let stage = Stage::with(server, only_basic).await;
    let fault = stage.ews.verify(&stage.mailbox("ann")).await.unwrap_err();
    assert_eq!(fault.next, Next::BackOff { after: None }, "others are not kept waiting: {fault}");
    assert_eq!(stage.exchange.log().refusals(), 0);
}

#[tokio::test]
async fn a_channel_binding_is_right_for_every_hash() {
    for signature in [Signature::Sha256, Signature::Sha384, Signature::Sha512] {
        let server = Options {
            basic: false,
            protection: ExtendedProtection::Require,
            authority: Some(Arc::new(Authority::signing_with(signature))),
            ..Options::default()
        };
        let stage = Stage::with(server, |_| {}).await;
        stage.ews.verify(&stage.mailbox("ann")).await.unwrap();
    }
}

#[tokio::test]
async fn a_certificate_that_cannot_be_bound_to_is_named_where_a_binding_is_required() {
    for (protection, works) in
        [(ExtendedProtection::Allow, true), (ExtendedProtection::Require, false)]
    {
        let server = Options {
            basic: false,
            protection,
            authority: Some(Arc::new(Authority::signing_with(Signature::Ed25519))),
            ..Options::default()
        };
        let stage = Stage::with(server, |_| {}).await;
        let found = stage.ews.verify(&stage.mailbox("ann")).await;
        assert_eq!(found.is_ok(), works, "{found:?}");
        if let Err(fault) = found {
            assert_eq!(fault.next, Next::SignIn);
            assert!(fault.cause.code.contains("certificate cannot be bound to"), "{fault}");
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_by_many_callers() {
    for auth in [Auth::Ntlm, Auth::Basic] {
        let stage = Stage::with(Options::default(), |options| options.auth = vec![auth]).await;
        "wrong".clone_into(&mut stage.password.lock().unwrap());
        let targets = stage.mailboxes(8);
        let all = join_all(targets.iter().map(|target| stage.ews.verify(target))).await;
        for result in all {
            assert_eq!(result.unwrap_err().next, Next::SignIn);
        }
        for _ in 0..5 {
            let fault = stage.ews.verify(&targets[0]).await.unwrap_err();
            assert_eq!(fault.next, Next::SignIn);
        }
        assert_eq!(stage.exchange.log().refusals(), 1, "{auth:?}");

        PASSWORD.clone_into(&mut stage.password.lock().unwrap());
        stage.ews.verify(&targets[0]).await.expect("a changed password is taken up");
        assert_eq!(stage.exchange.log().refusals(), 1, "{auth:?}");
    }
}

#[tokio::test]
async fn two_calendars_of_one_account_try_a_wrong_password_once() {
    let gates = Gates::new(Duration::from_secs(3600));
    let first = Stage::with(Options::default(), |one| one.gates = Some(gates.clone())).await;
    let second = Stage::with(Options::default(), |one| one.gates = Some(gates.clone())).await;
    for stage in [&first, &second, &first] {
        "wrong".clone_into(&mut stage.password.lock().unwrap());
        let fault = stage.ews.verify(&stage.mailbox("ann")).await.unwrap_err();
        assert_eq!(fault.next, Next::SignIn);
    }
    assert_eq!((first.exchange.log().refusals(), second.exchange.log().refusals()), (1, 0));
}

/// Two servers of one account.
async fn two_servers() -> (Stage, Stage) {
    let gates = Gates::new(Duration::from_secs(3600));
    let server = || Options { lock_out_after: Some(3), ..Options::default() };
    let share = |one: &mut calway::calendar::ews::Options| one.gates = Some(gates.clone());
    (Stage::with(server(), share).await, Stage::with(server(), share).await)
}

fn refusals(stages: &[&Stage]) -> usize {
    stages.iter().map(|stage| stage.exchange.log().refusals()).sum::<u64>() as usize
}

#[tokio::test]
async fn a_server_that_refuses_what_another_one_takes_stops_nobody_else() {
    let (good, bad) = two_servers().await;
    let (ann, bob) = (good.mailbox("ann"), bad.mailbox("bob"));
    good.ews.verify(&ann).await.unwrap();
    bad.exchange.gate().set_password("what a binding to another channel looks like");
    for _ in 0..3 {
        let fault = bad.ews.verify(&bob).await.unwrap_err();
        assert_eq!(fault.next, Next::BackOff { after: None }, "this server alone: {fault}");
        assert!(fault.to_string().contains("Extended Protection"), "{fault}");
        good.exchange.drop_connections();
        good.ews.verify(&ann).await.expect("the others are served");
    }
    assert_eq!(refusals(&[&good, &bad]), 1);
}

#[tokio::test]
async fn a_password_that_was_changed_in_the_domain_is_tried_at_two_servers_and_no_more() {
    let (first, second) = two_servers().await;
    let (ann, bob) = (first.mailbox("ann"), second.mailbox("bob"));
    first.ews.verify(&ann).await.unwrap();
    second.ews.verify(&bob).await.unwrap();
    for stage in [&first, &second] {
        stage.exchange.gate().set_password("new");
        stage.exchange.drop_connections();
    }
    first.ews.verify(&ann).await.unwrap_err();
    assert_eq!(second.ews.verify(&bob).await.unwrap_err().next, Next::SignIn);
    for _ in 0..3 {
        assert_eq!(first.ews.verify(&ann).await.unwrap_err().next, Next::SignIn);
    }
    assert_eq!(refusals(&[&first, &second]), 2);
    for stage in [&first, &second] {
        "new".clone_into(&mut stage.password.lock().unwrap());
    }
    first.ews.verify(&ann).await.expect("a changed password is taken up");
    second.ews.verify(&bob).await.unwrap();
    assert_eq!(refusals(&[&first, &second]), 2);
}

#[tokio::test]
async fn a_refused_password_is_tried_again_after_a_long_time() {
    let pause = Duration::from_millis(50);
    let stage = Stage::with(Options::default(), |options| options.sign_in_pause = pause).await;
    let ann = stage.mailbox("ann");
    stage.exchange.gate().set_password("other");
    assert!(stage.ews.verify(&ann).await.is_err());
    stage.exchange.gate().set_password(PASSWORD);
    let again = async {
        while stage.ews.verify(&ann).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    soon("the second attempt", again).await;
    assert_eq!(stage.exchange.log().refusals(), 1);
}

#[tokio::test]
async fn a_password_that_changes_under_a_running_connection_costs_one_refusal() {
    let stage = Stage::with(Options::default(), only_basic).await;
    let ann = stage.mailbox("ann");
    stage.ews.verify(&ann).await.unwrap();
    stage.exchange.gate().set_password("new");
    for _ in 0..3 {
        assert_eq!(stage.ews.verify(&ann).await.unwrap_err().next, Next::SignIn);
    }
    assert_eq!(stage.exchange.log().refusals(), 1);
    "new".clone_into(&mut stage.password.lock().unwrap());
    stage.ews.verify(&ann).await.unwrap();
    assert_eq!(stage.exchange.log().refusals(), 1);
}

#[tokio::test]
async fn a_password_that_changes_under_many_connections_is_not_sent_by_all_of_them() {
    let stage = Stage::with(Options::default(), only_basic).await;
    let targets = stage.mailboxes(8);
    let all = join_all(targets.iter().map(|target| stage.ews.verify(target))).await;
    assert!(all.iter().all(Result::is_ok));
    assert_eq!(stage.exchange.log().counts().connections, 8);
    stage.exchange.gate().set_password("new");
    let all = join_all(targets.iter().map(|target| stage.ews.verify(target))).await;
    assert!(all.iter().all(|one| one.as_ref().is_err_and(|fault| fault.next == Next::SignIn)));
    assert!(stage.exchange.log().refusals() <= 2, "strict domains lock an account after three");
}

#[tokio::test]
async fn requests_at_once_are_bounded() {
    let stage = Stage::with(Options::default(), |options| options.max_connections = 3).await;
    let targets = stage.mailboxes(30);
    let slow = Wrong::Delay(Duration::from_millis(5));
    stage.exchange.faults().always(Match::any(), slow);
    let all = join_all(targets.iter().map(|target| stage.ews.verify(target)));
    assert!(soon("thirty requests", all).await.iter().all(Result::is_ok));
    let counts = stage.exchange.log().counts();
    assert_eq!((counts.most_running, counts.most_connections), (3, 3));
}

#[tokio::test]
async fn a_stale_connection_is_replaced_without_a_word() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    stage.ews.verify(&ann).await.unwrap();
    for _ in 0..5 {
        stage.exchange.drop_connections();
        stage.ews.verify(&ann).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_tried_again_and_found() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    stage.exchange.cut().await;
    let fault = stage.ews.verify(&ann).await.unwrap_err();
    assert_eq!(fault.next, Next::BackOff { after: None }, "{fault}");
    stage.exchange.restore().await;
    stage.ews.verify(&ann).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_never_comes_is_waited_for_so_long() {
    let wait = Duration::from_millis(2_000);
    let stage = Stage::with(Options::default(), |options| options.request_timeout = wait).await;
    let ann = stage.mailbox("ann");
    stage.exchange.faults().next(Match::operation("GetFolder"), Wrong::Hang);
    let fault = soon("giving up", stage.ews.verify(&ann)).await.unwrap_err();
    assert_eq!(fault.next, Next::Retry { after: None }, "{fault}");
    stage.ews.verify(&ann).await.unwrap();
}
