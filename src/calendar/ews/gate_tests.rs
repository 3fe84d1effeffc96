//! Which way is taken to which server.

use super::*;

const PAUSE: Duration = Duration::from_secs(60);

fn sign_in() -> SignIn {
    let ways = vec![Auth::Ntlm, Auth::Basic];
    SignIn::new("CORP\\svc".into(), ways, Box::new(|| None), None, Gates::new(PAUSE))
}

fn origin(url: &str) -> Origin {
    Origin::of(&url.parse().unwrap()).unwrap()
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
    gate.refuse(Auth::Ntlm, &Secret::new("x"), &other).await;
    assert_eq!(gate.way(&one), None);
}

#[tokio::test]
async fn an_empty_password_is_none() {
    let ways = vec![Auth::Basic];
    let empty = || Some(Secret::new(""));
    let gate = SignIn::new("CORP\\svc".into(), ways, Box::new(empty), None, Gates::new(PAUSE));
    let there = origin("https://a.example");
    assert!(gate.password().is_err());
    assert!(gate.open_ways(&[Auth::Basic], &there).await.is_err());
}
