//! Who may try a password, and when.

use super::*;
use crate::model::Next;

const PAUSE: Duration = Duration::from_secs(60);

fn sign_in() -> SignIn {
    let ways = vec![Auth::Ntlm, Auth::Basic];
    SignIn::new("CORP\\svc".into(), ways, Box::new(|| None), None, PAUSE)
}

fn origin(url: &str) -> Origin {
    Origin::of(&url.parse().unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_refused_password_is_not_tried_again_until_it_changes_or_time_has_passed() {
    let gate = sign_in();
    let (wrong, right) = (Secret::new("wrong"), Secret::new("right"));
    drop(gate.enter(&wrong).await.unwrap());
    gate.refuse(&wrong);
    assert!(gate.enter(&wrong).await.is_err());
    drop(gate.enter(&right).await.unwrap());
    tokio::time::advance(PAUSE).await;
    drop(gate.enter(&wrong).await.unwrap());
    gate.refuse(&wrong);
    gate.prove(&right);
    drop(gate.enter(&wrong).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_password_that_stays_wrong_is_tried_more_and_more_rarely() {
    let gate = sign_in();
    let wrong = Secret::new("wrong");
    for pauses in [1, 2, 4, 4, 4] {
        gate.refuse(&wrong);
        tokio::time::advance(PAUSE * pauses - Duration::from_secs(1)).await;
        assert!(gate.enter(&wrong).await.is_err(), "{pauses}");
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(gate.enter(&wrong).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn an_unproven_password_is_tried_by_one_at_a_time() {
    let gate = sign_in();
    let password = Secret::new("x");
    let first = gate.enter(&password).await.unwrap();
    let second = tokio::time::timeout(PAUSE / 2, gate.enter(&password)).await;
    assert!(second.is_err(), "the second waits");
    gate.prove(&password);
    drop(first);
    let (_a, _b) = tokio::join!(gate.enter(&password), gate.enter(&password));
}

#[tokio::test(start_paused = true)]
async fn a_proven_password_that_turns_wrong_is_not_sent_by_everybody() {
    let gate = sign_in();
    let password = Secret::new("x");
    gate.prove(&password);
    let (_a, _b) = tokio::join!(gate.enter(&password), gate.enter(&password));
    let third = tokio::time::timeout(PAUSE / 2, gate.enter(&password)).await;
    assert!(third.is_err(), "the third waits");
    gate.refuse(&password);
    drop(_a);
    let fault = gate.enter(&password).await.err();
    assert_eq!(fault.map(|fault| fault.next), Some(Next::SignIn));
}

#[tokio::test(start_paused = true)]
async fn whoever_waited_for_a_refused_password_does_not_try_it() {
    let gate = sign_in();
    let password = Secret::new("x");
    let first = gate.enter(&password).await.unwrap();
    let (second, ()) = tokio::join!(gate.enter(&password), async {
        gate.refuse(&password);
        drop(first);
    });
    assert_eq!(second.err().map(|fault| fault.next), Some(Next::SignIn));
}

#[tokio::test(start_paused = true)]
async fn a_way_is_known_for_each_server_and_a_second_best_one_for_an_hour() {
    let gate = sign_in();
    let (one, other) = (origin("https://a.example"), origin("https://b.example"));
    gate.set_way(&one, Auth::Ntlm);
    gate.set_way(&other, Auth::Basic);
    assert_eq!((gate.way(&one), gate.way(&other)), (Some(Auth::Ntlm), Some(Auth::Basic)));
    tokio::time::advance(SECOND_BEST).await;
    assert_eq!((gate.way(&one), gate.way(&other)), (Some(Auth::Ntlm), None));
    gate.set_way(&other, Auth::Basic);
    assert_eq!(gate.way(&other), Some(Auth::Basic));
    gate.refuse(&Secret::new("x"));
    assert_eq!(gate.way(&one), None);
}
