//! The key server's client against the lab's key server: a key's whole life, and every lie.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use calway::kms::{Bound, Keys, Kms, Options, Patience};
use calway::model::{Fault, KeyUri, Next, ResourceUri, Secret, Time, UserId};
use calway::net::{Bearer, Trust};
use calway_lab::cloud::{self, Cloud};
use calway_lab::jose;
use calway_lab::kms::faults::{Fault as Lie, Place};

fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

async fn lab() -> Cloud {
    Cloud::start(cloud::Options::default()).await.expect("the lab listens")
}

/// Gives tokens of the lab's connector, and counts how often it was asked for another one.
fn bearer(cloud: &Cloud, replaced: Arc<AtomicUsize>) -> Bearer {
    let (tokens, connector) = (cloud.kms().tokens().clone(), cloud.connector_id());
    let issue = move || Secret::new(tokens.issue(&connector, Duration::from_secs(3600)));
    let held = std::sync::Mutex::new(issue());
    Arc::new(move |refused| {
        let mut held = held.lock().unwrap();
        if refused.as_ref() == Some(&*held) {
            replaced.fetch_add(1, Ordering::Relaxed);
            *held = issue();
        }
        let token = held.clone();
        Box::pin(async move { Ok(token) })
    })
}

/// Patience as usual, forty times faster, and long enough for an answer on a busy machine.
const BRIEF: Patience = Patience {
    first: Duration::from_millis(1_000),
    renew: Duration::from_millis(4_000),
    total: Duration::from_millis(10_000),
};

fn options(cloud: &Cloud) -> Options {
    let anchors = Trust::only(cloud.kms().anchor_pem());
    let url = cloud.kms().url().parse().unwrap();
    let mut options = Options::new(url, cloud.connector_id(), anchors, Arc::new(now));
    options.trust = Trust::only(cloud.ca_pem());
    options
}

fn client_with(cloud: &Cloud, change: impl FnOnce(&mut Options)) -> Kms {
    let mut options = options(cloud);
    change(&mut options);
    Kms::new(options, bearer(cloud, Arc::default())).unwrap()
}

fn client(cloud: &Cloud) -> Kms {
    client_with(cloud, |_| {})
}

/// What the user's own app reads of it.
async fn read(cloud: &Cloud, user: &str, bound: &Bound, jwe: &str) -> Option<String> {
    let key = cloud.person(user).key(bound.key.key_uri().as_str()).await.ok()?;
    String::from_utf8(jose::open(&key, jwe).ok()?).ok()
}

fn next<T: std::fmt::Debug>(result: Result<T, Fault>) -> Next {
    result.expect_err("it must fail").next
}

const RETRY: Next = Next::Retry { after: None };

#[tokio::test]
async fn a_key_lives_its_whole_life() {
    let cloud = lab().await;
    let kms = client(&cloud);
    let alice = UserId::new("alice-id");
    cloud.person("alice-id");
    cloud.person("mallory-id");

    let first = kms.establish(&alice).await.unwrap();
    let jwe = first.key.seal("Merger talks").unwrap();
    assert!(jose::is_sealed_field(&jwe));
    assert_eq!(read(&cloud, "alice-id", &first, &jwe).await.as_deref(), Some("Merger talks"));
    assert_eq!(read(&cloud, "mallory-id", &first, &jwe).await, None);
    let uri = first.key.key_uri().as_str();
    assert_eq!(cloud.kms().resource_of(uri).as_deref(), Some(first.resource.as_str()));

    let second = kms.rotate(&first.resource).await.unwrap();
    assert_eq!(second.resource, first.resource);
    assert_ne!(second.key.key_uri(), first.key.key_uri());
    let later = second.key.seal("More").unwrap();
    assert_eq!(read(&cloud, "alice-id", &second, &later).await.as_deref(), Some("More"));
    assert_eq!(read(&cloud, "alice-id", &first, &jwe).await.as_deref(), Some("Merger talks"));

    let again = client(&cloud).recall(&second.resource, second.key.key_uri()).await.unwrap();
    let third = again.key.seal("After a restart").unwrap();
    assert_eq!(read(&cloud, "alice-id", &second, &third).await.as_deref(), Some("After a restart"));
    assert_eq!(again.until, second.until);
    let day = second.until.unwrap().since(now()).as_ms();
    assert!((86_000_000..=86_400_000).contains(&day), "{day}");
}

#[tokio::test]
async fn keys_are_fetched_in_stock_and_one_shared_key_serves_all() {
    let cloud = lab().await;
    let kms = client_with(&cloud, |options| options.stock = 10);
    let users: Vec<UserId> = (0..20).map(|n| UserId::new(format!("user-{n}"))).collect();
    let all = futures_util::future::join_all(users.iter().map(|user| kms.establish(user))).await;
    let mut keys: Vec<KeyUri> =
        all.into_iter().map(|bound| bound.unwrap().key.key_uri().clone()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 20);
    assert_eq!(cloud.kms().count("create /keys"), 2);
    assert_eq!(cloud.kms().sessions(), 1);
}

#[tokio::test]
async fn what_a_person_sealed_for_us_is_opened_and_nothing_else_is() {
    let cloud = lab().await;
    let kms = client(&cloud);
    let alice = cloud.person("alice-id");
    let (jwe, uri) = alice.seal_for("alice@corp.example", &cloud.connector_id()).await.unwrap();
    let uri = KeyUri::new(uri);
    let opened = kms.open(&uri, &jwe).await.unwrap();
    assert_eq!(opened.reveal(), "alice@corp.example");
    kms.open(&uri, &jwe).await.unwrap();
    assert_eq!(cloud.kms().log().iter().filter(|seen| seen.uri == uri.as_str()).count(), 1);

    for place in 0..jwe.len() {
        let mut bytes = jwe.clone().into_bytes();
        bytes[place] ^= 1;
        let changed = String::from_utf8(bytes).unwrap();
        assert_eq!(next(kms.open(&uri, &changed).await), Next::Refused, "byte {place}");
    }

    let (jwe, others) = alice.seal_for("alice@corp.example", "somebody-else").await.unwrap();
    assert_eq!(next(kms.open(&KeyUri::new(others), &jwe).await), Next::Denied);
    let missing = KeyUri::new(format!("{}/keys/none", cloud.kms().address()));
    assert_eq!(next(kms.open(&missing, &jwe).await), Next::Refused);
    assert_eq!(next(kms.open(&KeyUri::new("https://x/keys/1"), &jwe).await), Next::Refused);
}

#[tokio::test]
async fn a_key_that_moved_is_found_and_keeps_its_name() {
    let cloud = lab().await;
    let kms = client(&cloud);
    let alice = cloud.person("alice-id");
    let (jwe, uri) = alice.seal_for("alice@corp.example", &cloud.connector_id()).await.unwrap();
    cloud.kms().migrate(&uri).unwrap();
    assert_eq!(kms.open(&KeyUri::new(uri), &jwe).await.unwrap().reveal(), "alice@corp.example");
}

#[tokio::test]
async fn a_revoked_expired_or_foreign_key_seals_nothing_more() {
    let cloud = lab().await;
    let kms = client(&cloud);
    let bound = kms.establish(&UserId::new("alice-id")).await.unwrap();
    let other = kms.establish(&UserId::new("bob-id")).await.unwrap();
    let key = bound.key.key_uri();
    kms.recall(&bound.resource, key).await.unwrap();
    assert_eq!(next(kms.recall(&other.resource, key).await), Next::KeyLost);

    let late = client_with(&cloud, |options| {
        options.clock = Arc::new(|| now() + calway::model::Span::DAY.times(2));
    });
    assert_eq!(next(late.recall(&bound.resource, key).await), Next::KeyLost);

    for code in [calway_lab::kms::REVOKED, calway_lab::kms::REVOKED_BY_ORGANISATION] {
        cloud.kms().revoke(key.as_str(), code);
        assert_eq!(next(kms.recall(&bound.resource, key).await), Next::KeyLost);
    }
    let gone = ResourceUri::new(format!("{}/resources/none", cloud.kms().address()));
    assert_eq!(next(kms.rotate(&gone).await), Next::KeyLost);
    let unknown = KeyUri::new(format!("{}/keys/none", cloud.kms().address()));
    assert_eq!(next(kms.recall(&bound.resource, &unknown).await), Next::KeyLost);
}

#[tokio::test]
async fn keys_revoked_while_in_stock_are_thrown_away() {
    let cloud = lab().await;
    let kms = client(&cloud);
    let alice = UserId::new("alice-id");
    let bound = kms.establish(&alice).await.unwrap();
    for uri in cloud.kms().keys() {
        cloud.kms().revoke(&uri, calway_lab::kms::REVOKED);
    }
    kms.rotate(&bound.resource).await.unwrap();
    for uri in cloud.kms().keys() {
        cloud.kms().revoke(&uri, calway_lab::kms::REVOKED);
    }
    kms.establish(&alice).await.unwrap();
    assert_eq!(cloud.kms().count("create /keys"), 3);
}

/// Each lie is refused while it is told, and the honest answer after it is taken.
#[tokio::test]
async fn every_lie_about_the_servers_key_is_refused() {
    let cloud = lab().await;
    for (place, lie, why) in [
        (Place::StaticKey, Lie::ForeignChain, "does not lead to a configured anchor"),
        (Place::StaticKey, Lie::MismatchedCertificate, "not the one of its certificate"),
        (Place::StaticKey, Lie::WrongHost, "names another host"),
        (Place::StaticKey, Lie::Expired, "has expired"),
        (Place::StaticKey, Lie::NoChain, "no RSA key with a certificate"),
        (Place::Agreement, Lie::WrongSigner, "the signature is wrong"),
        (Place::Agreement, Lie::AlgNone, "alg is not PS256"),
        (Place::Agreement, Lie::TamperPayload, "the signature is wrong"),
        (Place::Agreement, Lie::WrongRequestId, "to another request"),
        (Place::Request, Lie::TamperPayload, "does not open"),
        (Place::Request, Lie::WrongRequestId, "no answer to the request"),
    ] {
        let kms = client(&cloud);
        cloud.kms().faults().next(place, lie.clone());
        let fault = kms.ping().await.expect_err("it must be refused");
        assert!(fault.to_string().contains(why), "{lie:?}: {fault}");
        assert_eq!(fault.next, RETRY, "{lie:?}");
        assert_eq!(kms.ping().await, Ok(()), "after {lie:?}");
    }
}

#[tokio::test]
async fn a_host_other_than_configured_is_refused_even_with_a_good_certificate() {
    let cloud = lab().await;
    let kms = client_with(&cloud, |options| options.host = Some("kms.corp.example".into()));
    let fault = kms.ping().await.expect_err("it must be refused");
    assert!(fault.to_string().contains("another host than configured"), "{fault}");
    let kms = client_with(&cloud, |options| options.host = Some("KMS.lab.example".into()));
    assert_eq!(kms.ping().await, Ok(()));
}

#[tokio::test]
async fn a_forgotten_shared_key_is_agreed_on_anew_once() {
    let cloud = lab().await;
    let kms = client(&cloud);
    kms.ping().await.unwrap();
    cloud.kms().forget_sessions();
    kms.ping().await.unwrap();
    cloud.kms().faults().next(Place::Request, Lie::ResetSession);
    kms.ping().await.unwrap();
    assert_eq!(cloud.kms().count("create /ecdhe"), 3);
    cloud.kms().faults().times(2, Place::Request, Lie::ResetSession);
    assert_eq!(next(kms.ping().await), RETRY);
    kms.ping().await.unwrap();
}

#[tokio::test]
async fn a_shared_key_is_renewed_before_it_expires() {
    let short =
        calway_lab::kms::Options { shared_life: Duration::from_secs(40), ..Default::default() };
    let cloud = Cloud::start(cloud::Options { kms: short, ..Default::default() }).await.unwrap();
    let kms = client(&cloud);
    kms.ping().await.unwrap();
    kms.ping().await.unwrap();
    assert_eq!(cloud.kms().count("create /ecdhe"), 1);
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(10_100)).await;
    tokio::time::resume();
    kms.ping().await.unwrap();
    assert_eq!(cloud.kms().count("create /ecdhe"), 2);
}

#[tokio::test]
async fn silence_is_met_with_patience_a_new_key_and_an_end() {
    let cloud = lab().await;
    let kms = client_with(&cloud, |options| options.patience = BRIEF);
    kms.ping().await.unwrap();
    cloud.kms().faults().next(Place::Post, Lie::Hang);
    kms.ping().await.unwrap();
    assert_eq!(cloud.kms().count("create /ecdhe"), 1);
    // One second and two in vain; the third time with a new shared key.
    cloud.kms().faults().times(2, Place::Post, Lie::Hang);
    kms.ping().await.unwrap();
    assert_eq!(cloud.kms().count("create /ecdhe"), 2);
    let _hang = cloud.kms().faults().always(Place::Post, Lie::Hang);
    let started = std::time::Instant::now();
    let fault = kms.ping().await.expect_err("it must end");
    assert_eq!(fault.to_string(), "KMS: no answer in time");
    let took = started.elapsed();
    assert!(took >= BRIEF.total, "{took:?}");
}

#[tokio::test]
async fn a_busy_or_broken_server_is_told_to_the_caller_at_once() {
    let cloud = lab().await;
    let kms = client(&cloud);
    kms.ping().await.unwrap();
    cloud.kms().faults().next(Place::Post, Lie::Unavailable(Some(17)));
    let after = Some(calway::model::Span::from_secs(17));
    assert_eq!(next(kms.ping().await), Next::BackOff { after });
    let error = |status, code| Lie::Error { status, code };
    for (lie, expected) in [
        (error(500, 500_001), RETRY),
        (error(400, 400_001), Next::Refused),
        (error(403, 403_001), Next::Denied),
        (error(405, 405_005), Next::KeyLost),
        (error(429, 429_001), Next::BackOff { after: None }),
    ] {
        cloud.kms().faults().next(Place::Request, lie.clone());
        assert_eq!(next(kms.ping().await), expected, "{lie:?}");
    }
    kms.ping().await.unwrap();
}

#[tokio::test]
async fn a_connection_closed_while_idle_costs_nothing() {
    let cloud = lab().await;
    let kms = client(&cloud);
    for _ in 0..5 {
        kms.ping().await.unwrap();
        cloud.drop_connections();
    }
    kms.ping().await.unwrap();
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let cloud = lab().await;
    let replaced = Arc::new(AtomicUsize::new(0));
    let kms = Kms::new(options(&cloud), bearer(&cloud, Arc::clone(&replaced))).unwrap();
    kms.ping().await.unwrap();
    cloud.revoke_tokens();
    kms.ping().await.unwrap();
    assert_eq!(replaced.load(Ordering::Relaxed), 1);

    let stubborn: Bearer = Arc::new(|_| Box::pin(async { Ok(Secret::new("nobodys")) }));
    let kms = Kms::new(options(&cloud), stubborn).unwrap();
    assert_eq!(next(kms.ping().await), Next::SignIn);
}

#[tokio::test]
async fn nothing_is_said_to_a_tls_server_that_is_not_trusted() {
    let cloud = lab().await;
    let kms = client_with(&cloud, |options| options.trust = Trust::only(cloud.kms().anchor_pem()));
    let fault = kms.ping().await.expect_err("it must be refused");
    assert!(fault.to_string().contains("an authority that is not trusted"), "{fault}");
    assert!(cloud.received().is_empty());
}
