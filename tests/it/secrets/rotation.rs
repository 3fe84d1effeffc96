//! A password that is changed in Exchange, and given to the connector while it runs.

use std::process::Output;
use std::sync::Arc;

use calway_lab::stage::Options;

use super::command::{Machine, NAME, said};
use crate::house::{ALICE, House, talkative, within};

const OLD: &str = "Wiedehopf-Morgenrot-5530";
const NEW: &str = "Eisvogel-Abendrot-8172";
const CLIENT: &str = "cloud.client_secret";

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

    // Given before the directory knows it.
    let early = set(NEW).await;
    assert_eq!(early.status.code(), Some(1), "{}", said(&early));
    house.stage.exchange.gate().set_password(NEW);
    let again = set(NEW).await;
    assert!(said(&again).contains("refused before"), "{}", said(&again));
    assert!(said(&again).contains("--try-again"), "{}", said(&again));
    let words = ["secret", "set", NAME, "--stdin", "--try-again"];
    let right = calway(&machine, &house, &words, NEW).await;
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
async fn what_is_kept_is_the_last_one_that_worked() {
    let (house, machine) = (house().await, Arc::new(Machine::new()));
    let set = async |text: &str, more: &[&str]| {
        let words = [&["secret", "set", NAME][..], more].concat();
        let set = calway(&machine, &house, &words, text).await;
        assert!(set.status.success(), "{}", said(&set));
    };
    set(OLD, &["--untried"]).await;
    house.stage.exchange.cut().await;
    set(NEW, &[]).await;
    assert_eq!(machine.decrypted(&format!("{NAME}.previous")), OLD);
    house.stage.exchange.gate().set_password(NEW);
    house.stage.exchange.restore().await;
    let taken = "the new secret calendar.hq.password works and is in use";
    house.until("it is taken", |house| house.log().contains(taken)).await;
    set("Mistyped-1", &["--untried"]).await;
    assert_eq!(machine.decrypted(&format!("{NAME}.previous")), NEW);
    set("Mistyped-2", &["--untried"]).await;
    assert_eq!(machine.decrypted(&format!("{NAME}.previous")), NEW, "the first never worked");
}

/// A server whose domain controller is dead answers a wrong password after a quarter of a minute,
/// or later: whoever gave it has gone by then, and others try it as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_that_is_refused_slowly_is_counted_once() {
    let (house, machine) = (house().await, Arc::new(Machine::new()));
    let gate = house.stage.exchange.gate();
    gate.hold_refusals(true);
    let config = house.stage.config().display().to_string();
    let mut given = machine.start(&["secret", "set", NAME, "--config", &config], "Mistyped-1");
    let mut wrong = gate.wrong_passwords();
    within(wrong.wait_for(|wrong| *wrong == 1)).await.unwrap();
    given.kill().unwrap();
    given.wait().unwrap();
    // Whoever comes next is told that it is on its way, and what waits is looked at meanwhile.
    let set = calway(&machine, &house, &["secret", "set", NAME], "Mistyped-1").await;
    assert!(set.status.success(), "{}", said(&set));
    assert!(said(&set).contains("cannot be told now"), "{}", said(&set));
    gate.hold_refusals(false);
    let refused = "the new secret calendar.hq.password is refused";
    house.until("the refusal is heard", |house| house.log().contains(refused)).await;
    let set = calway(&machine, &house, &["secret", "set", NAME], "Mistyped-1").await;
    assert!(said(&set).contains("it is refused"), "{}", said(&set));
    house.stage.exchange.drop_connections();
    house.meet(ALICE, "With the old one", 1);
    house.live(ALICE, 1).await;
    assert_eq!(*wrong.borrow(), 1);
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
    let right = std::fs::read_to_string(credentials.join(CLIENT)).unwrap();
    std::fs::write(credentials.join(CLIENT), "not-it").unwrap();
    std::fs::write(credentials.join(format!("{CLIENT}.previous")), right).unwrap();
    let asked = house.stage.cloud.view(|view| view.requests("token"));
    house.meet(ALICE, "While it did not run", 2);
    house.again();
    house.live(ALICE, 2).await;
    let asked = house.stage.cloud.view(|view| view.requests("token")) - asked;
    assert_eq!(asked, 2, "the wrong one once, and the right one");
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
    let asked = || house.stage.cloud.view(|view| view.requests("token"));
    let before = asked();
    for _ in 0..2 {
        let wrong = set("not-it").await;
        assert_eq!(wrong.status.code(), Some(1), "{}", said(&wrong));
        assert!(said(&wrong).contains("it is refused"), "{}", said(&wrong));
        assert_eq!(asked() - before, 1, "it is sent once");
    }
    let same = set(&right).await;
    assert!(said(&same).contains("It works"), "{}", said(&same));
    machine.break_store();
    let unstored = set(&right).await;
    assert_eq!(unstored.status.code(), Some(1));
    assert!(said(&unstored).contains("the running connector has it"), "{}", said(&unstored));
    assert!(said(&unstored).contains("no TPM"), "{}", said(&unstored));
    let key = calway(&machine, &house, &["secret", "set", "calendar.no.password"], "x").await;
    assert_eq!(key.status.code(), Some(2), "{}", said(&key));
}
