//! Every answer that Exchange is known to fail with: played by the lab, met by the real program.

mod inside;
mod moves;
mod people;
mod streams;
mod throttling;

use calway_lab::exchange::log::Entry;
use calway_lab::exchange::{Fault, Match};
use calway_lab::stage::Options;
use calway_lab::tls::{Authority, Variant};

use crate::house::{ALICE, BOB, House, talkative, within};

/// Polled so seldom that no test lives to see it: what arrives was rung for, or asked for anew.
fn rung_only() -> Options {
    Options { poll_seconds: Some(3_600), ..talkative() }
}

/// The program with two mailboxes that are listened to and everything at the cloud; the log is
/// empty. They may share a stream or not.
async fn listening(options: Options) -> House {
    let house = House::active(options).await;
    house.meet(ALICE, "Alice's first", 1);
    house.meet(BOB, "Bob's first", 1);
    house.exact(&[ALICE, BOB]).await;
    house.rest(&[ALICE, BOB]).await;
    house.stage.exchange.log().clear();
    house
}

/// Its certificate expired over night, say: the journal calls it by its name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_certificate_of_exchange_is_named_in_the_journal() {
    for find_servers in [false, true] {
        let mut options = Options { find_servers, ..rung_only() };
        options.exchange.certificate = Variant::Expired;
        let house = House::start(options).await;
        house.activate(ALICE.0, ALICE.1).await;
        house
            .until("it is named", |house| {
                let log = house.log();
                // Whoever is looked for in vain may be the only one.
                let name = if find_servers { "mailbox-failing" } else { "exchange-waits" };
                let mut lines = log.lines().filter(|line| line.contains(name));
                lines.any(|line| line.contains("TLS: the server's certificate has expired"))
            })
            .await;
        assert_eq!(house.stage.exchange.log().entries().len(), 0, "nothing was told to it");
    }
}

/// The authority of Exchange vouches for Exchange, and for nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cloud_is_not_trusted_because_the_authority_of_exchange_signed_it() {
    let mut house = House::start(rung_only()).await;
    house.until("the channel is open", |house| house.log().contains("channel-open")).await;
    house.kill().await;
    let other = Authority::new().issue(&["other.example"], Variant::AuthorityItself);
    std::fs::write(house.stage.folder().join("cloud-ca.pem"), other.pem()).unwrap();
    house.again();
    house
        .until("it is named", |house| {
            let log = house.log();
            let mut lines = log.lines().filter(|line| line.contains("channel-closed"));
            lines.any(|line| line.contains("comes from an authority that is not trusted"))
        })
        .await;
    assert_eq!(house.log().matches("\"channel-open\"").count(), 1, "{}", house.log());
}

/// A meeting that no stream tells of.
fn unheard(house: &House, who: (&str, &str, &str), title: &str, hours: i64) {
    let faults = house.stage.exchange.faults();
    let lost = faults.always(Match::mailbox(who.1), Fault::LoseNotification);
    house.meet(who, title, hours);
    lost.stop();
}

/// What was asked of one operation, by whose mailbox: `alice`, `bob`.
fn whom(house: &House, operation: &str) -> Vec<String> {
    let name = |entry: Entry| {
        let mailbox = entry.mailbox.unwrap_or_default();
        mailbox.split('@').next().unwrap_or_default().to_owned()
    };
    let mut names: Vec<_> =
        house.stage.exchange.log().of(operation).into_iter().map(name).collect();
    names.sort();
    names
}

/// The operations that were asked for, in order, of those that are named.
fn order(house: &House, of: &[&str]) -> Vec<String> {
    let entries = house.stage.exchange.log().entries();
    let asked = entries.into_iter().map(|entry| entry.operation);
    asked.filter(|operation| of.contains(&operation.as_str())).collect()
}

/// Waits until `operation` was answered at least so often.
async fn answered(house: &House, operation: &str, times: u64) {
    within(house.stage.exchange.log().wait_for(operation, times)).await;
}

/// Both mailboxes are rung for again, and the cloud has everything.
async fn all_is_well(house: &House) {
    house
        .until("both are subscribed", |house| {
            [ALICE, BOB].iter().all(|who| house.calendars().subscriptions(who.1) == 1)
        })
        .await;
    house.exact(&[ALICE, BOB]).await;
    house.meet(ALICE, "Alice's last", 5);
    house.meet(BOB, "Bob's last", 5);
    house.exact(&[ALICE, BOB]).await;
}

/// Whether everybody that was asked for was asked for once.
fn once(mut names: Vec<String>) -> bool {
    let all = names.len();
    names.dedup();
    names.len() == all
}
