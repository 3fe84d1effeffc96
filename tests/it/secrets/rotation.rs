//! A password that is changed in Exchange, and given to the connector while it runs.

use std::process::Output;
use std::sync::Arc;

use calway_lab::stage::Options;

use super::command::{Machine, NAME, said};
use crate::house::{ALICE, House, talkative};

const OLD: &str = "Wiedehopf-Morgenrot-5530";
const NEW: &str = "Eisvogel-Abendrot-8172";

async fn house() -> House {
    let mut options = Options { poll_seconds: Some(5), ..talkative() };
    options.exchange.password = OLD.into();
    // As strict domains have it.
    options.exchange.lock_out_after = Some(3);
    House::active(options).await
}

async fn calway(machine: &Arc<Machine>, house: &House, words: &[&str], input: &str) -> Output {
    let config = house.stage.config().display().to_string();
    let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    words.extend(["--config".to_owned(), config]);
    let (machine, input) = (machine.clone(), input.to_owned());
    let call = move || {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        machine.run(&words, &input)
    };
    tokio::task::spawn_blocking(call).await.unwrap()
}

/// How systemd handed it over at the start: a running service is given no other.
fn handed(house: &House) -> String {
    std::fs::read_to_string(house.stage.credentials().join(NAME)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_password_is_taken_up_without_a_restart_and_a_wrong_one_stops_nothing() {
    let (house, machine) = (house().await, Arc::new(Machine::new()));
    house.meet(ALICE, "With the old one", 1);
    house.live(ALICE, 1).await;
    let set =
        async |text| calway(&machine, &house, &["secret", "set", NAME, "--stdin"], text).await;

    let wrong = set("Mistyped-1\n").await;
    assert_eq!(wrong.status.code(), Some(1), "{}", said(&wrong));
    assert!(said(&wrong).contains("it is refused"), "{}", said(&wrong));
    assert!(said(&wrong).contains("nothing was stored"), "{}", said(&wrong));
    assert!(!machine.path("etc").exists());
    // However often it is given, it is sent once.
    for _ in 0..4 {
        assert_eq!(set("Mistyped-1\n").await.status.code(), Some(1));
    }
    assert!(!house.stage.exchange.gate().locked_out());
    house.meet(ALICE, "After a mistyped one", 2);
    house.live(ALICE, 2).await;

    house.stage.exchange.gate().set_password(NEW);
    let right = set(NEW).await;
    assert!(right.status.success(), "{}", said(&right));
    assert!(said(&right).contains("It works, and is in use"), "{}", said(&right));
    assert!(machine.stored(NAME).exists() && !machine.stored(&format!("{NAME}.previous")).exists());
    house.stage.exchange.drop_connections();
    house.meet(ALICE, "With the new one", 3);
    house.live(ALICE, 3).await;
    assert_eq!(handed(&house), OLD);
    let log = house.log();
    assert!(log.contains("the new secret calendar.hq.password is refused"), "{log}");
    assert!(log.contains("the new secret calendar.hq.password works and is in use"), "{log}");
    for secret in [OLD, NEW, "Mistyped"] {
        assert!(!log.contains(secret), "{log}");
        assert!(!said(&wrong).contains(secret) && !said(&right).contains(secret));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_cannot_be_tried_now_is_taken_when_it_works_and_the_old_one_is_kept_till_then() {
    let (house, machine) = (house().await, Arc::new(Machine::new()));
    let old = calway(&machine, &house, &["secret", "set", NAME, "--untried"], OLD).await;
    assert!(old.status.success(), "{}", said(&old));
    house.stage.exchange.cut().await;
    let set = calway(&machine, &house, &["secret", "set", NAME], NEW).await;
    assert!(set.status.success(), "{}", said(&set));
    assert!(said(&set).contains("cannot be told now"), "{}", said(&set));
    let previous = machine.stored(&format!("{NAME}.previous"));
    assert!(previous.exists(), "what a start in between goes back to");
    let list = calway(&machine, &house, &["secret", "list"], "").await;
    assert!(said(&list).contains("the one before it is kept"), "{}", said(&list));

    house.stage.exchange.gate().set_password(NEW);
    house.stage.exchange.restore().await;
    let taken = "the new secret calendar.hq.password works and is in use";
    house.until("it is taken", |house| house.log().contains(taken)).await;
    house.meet(ALICE, "With the new one", 1);
    house.live(ALICE, 1).await;
    let list = calway(&machine, &house, &["secret", "list"], "").await;
    assert!(!said(&list).contains("the one before it"), "{}", said(&list));
    assert!(!previous.exists(), "it has worked");
    assert!(!machine.drop_in().contains("previous"), "{}", machine.drop_in());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_with_a_wrong_new_one_goes_back_to_the_one_before() {
    let mut house = house().await;
    house.meet(ALICE, "Before", 1);
    house.live(ALICE, 1).await;
    house.stop().await;
    let credentials = house.stage.credentials();
    std::fs::write(credentials.join(NAME), "Mistyped-1").unwrap();
    std::fs::write(credentials.join(format!("{NAME}.previous")), OLD).unwrap();
    house.meet(ALICE, "While it did not run", 2);
    house.again();
    house.live(ALICE, 2).await;
    assert!(!house.stage.exchange.gate().locked_out());
    assert!(house.log().contains("the new secret calendar.hq.password is refused"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clouds_secret_is_tried_at_the_cloud() {
    let (house, machine) = (house().await, Arc::new(Machine::new()));
    let (_, right) = house.stage.cloud.credentials();
    let set = async |text: &str| {
        calway(&machine, &house, &["secret", "set", "cloud.client_secret"], text).await
    };
    let wrong = set("not-it").await;
    assert_eq!(wrong.status.code(), Some(1), "{}", said(&wrong));
    assert!(said(&wrong).contains("it is refused"), "{}", said(&wrong));
    let same = set(&right).await;
    assert!(said(&same).contains("It works"), "{}", said(&same));
    let key = calway(&machine, &house, &["secret", "set", "calendar.no.password"], "x").await;
    assert_eq!(key.status.code(), Some(2), "{}", said(&key));
}
