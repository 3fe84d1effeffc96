//! The order of a stop, also where Exchange and the cloud hang, and the order of a start before
//! READY.

use calway_lab::cloud::faults::{Fault as Lie, Place};
use calway_lab::exchange::faults::{Fault, Match};
use calway_lab::stage::Options;

use crate::house::{ALICE, BOB, House, free_port, talkative, within};
use crate::supervisor::Supervisor;
use crate::survival::{lead, port_of};

const IN_ORDER: [&str; 4] = [
    "STOPPING=1",
    "STATUS=stopping: subscriptions are given back",
    "STATUS=stopping: what waits is sent to the cloud",
    "STATUS=stopping: the store is closed",
];

/// A house whose program tells a service manager, and where nothing is under way.
async fn watched() -> (House, Supervisor) {
    let mut house = House::active(talkative()).await;
    house.stop().await;
    let manager = Supervisor::new(house.stage.folder());
    house.again_with("NOTIFY_SOCKET", manager.socket());
    manager.hears("READY=1").await;
    manager.hears("2 streaming").await;
    house.meet(ALICE, "first", 2);
    house.live(ALICE, 1).await;
    house.rest(&[ALICE, BOB]).await;
    (house, manager)
}

/// From now on no event and no subscription is answered for, nobody's absence is told, which would
/// be an event as well, and one event is on its way; what is given back ends that.
async fn hung(house: &House) -> Box<dyn FnOnce()> {
    let hangs = house.stage.cloud.faults().always(Place::Events, Lie::Hang);
    let exchange = house.stage.exchange.faults();
    let deaf = ["Unsubscribe", "GetUserOofSettings"]
        .map(|operation| exchange.always(Match::operation(operation), Fault::Hang));
    house.meet(ALICE, "on the disk", 3);
    house.until("it is on its way", |house| house.stage.cloud.faults().played() > 0).await;
    Box::new(move || {
        hangs.end();
        deaf.into_iter().for_each(|one| one.stop());
    })
}

/// How often Bob's mailbox was asked for changes.
fn bobs_readings(house: &House) -> u64 {
    let touches = house.stage.exchange.log().touches(BOB.1);
    touches.get("SyncFolderItems").copied().unwrap_or_default()
}

fn terminate(house: &House) {
    let pid = house.connector.id().unwrap();
    let kill = std::process::Command::new("kill").arg(pid.to_string()).status().unwrap();
    assert!(kill.success());
}

/// What SQLite has not moved into the store yet, in bytes.
fn log_of_the_store(house: &House) -> u64 {
    let log = house.stage.folder().join("calway.db-wal");
    std::fs::metadata(log).map_or(0, |facts| facts.len())
}

#[tokio::test]
async fn promise_1_a_stop_while_exchange_and_the_cloud_hang_is_in_order_and_loses_nothing() {
    let (mut house, manager) = watched().await;
    let answer_again = hung(&house).await;
    let read = bobs_readings(&house);
    terminate(&house);
    manager.hears("STOPPING=1").await;
    house.meet(BOB, "too late", 3);
    let status = within(house.connector.wait()).await.unwrap();
    assert!(status.success(), "{status}: {}", house.log());
    manager.in_order(&IN_ORDER);
    assert!(house.log().contains("stopped: events that wait for the next start: 1"));
    assert_eq!(bobs_readings(&house), read, "nothing is read any more");
    answer_again();
    house.again();
    house.exact(&[ALICE, BOB]).await;
    assert_eq!(house.stage.cloud.stats().duplicated_visible, 0);
}

#[tokio::test]
async fn what_was_on_its_way_is_with_the_cloud_when_the_program_has_stopped() {
    let (mut house, manager) = watched().await;
    let late = Lie::Delay(std::time::Duration::from_millis(200));
    house.stage.cloud.faults().next(Place::Events, late);
    house.meet(ALICE, "on its way", 3);
    house.until("it is on its way", |house| house.stage.cloud.faults().played() > 0).await;
    terminate(&house);
    let status = within(house.connector.wait()).await.unwrap();
    assert!(status.success(), "{status}: {}", house.log());
    manager.in_order(&IN_ORDER);
    assert!(house.log().contains("stopped: events that wait for the next start: 0"));
    assert_eq!(house.stage.cloud.view(|view| view.live(ALICE.0)), 2);
    for who in [ALICE, BOB] {
        assert_eq!(house.calendars().subscriptions(who.1), 0, "{}", who.1);
    }
    assert_eq!(log_of_the_store(&house), 0, "it is all in the file");
}

#[tokio::test]
async fn promise_1_a_second_word_ends_a_stop_at_once_and_loses_nothing() {
    let (mut house, manager) = watched().await;
    let answer_again = hung(&house).await;
    terminate(&house);
    manager.hears("STOPPING=1").await;
    terminate(&house);
    let status = within(house.connector.wait()).await.unwrap();
    assert!(status.success(), "{status}: {}", house.log());
    manager.hears("STATUS=stopping: at once").await;
    assert!(!manager.has("STATUS=stopping: the store is closed"), "{:#?}", manager.told());
    answer_again();
    house.again();
    house.exact(&[ALICE, BOB]).await;
    assert_eq!(house.stage.cloud.stats().duplicated_visible, 0);
}

/// Where somebody is.
type Address = fn(&House) -> String;

/// A house whose program finds nobody under these addresses until somebody is led there.
async fn shut(options: Options, addresses: &[Address]) -> (House, Vec<(u16, u16)>) {
    let mut house = House::active(options).await;
    house.stop().await;
    let ports = addresses.iter().map(|address| (free_port(), port_of(&address(&house))));
    let ports: Vec<_> = ports.collect();
    house.reconfigure(|text| {
        let led = |text: String, (gate, there): &(u16, u16)| {
            text.replace(&format!(":{there}"), &format!(":{gate}"))
        };
        ports.iter().fold(text.to_owned(), led)
    });
    (house, ports)
}

fn exchange(house: &House) -> String {
    house.stage.exchange.url()
}

fn cloud(house: &House) -> String {
    house.stage.cloud.url()
}

#[tokio::test]
async fn it_is_not_ready_before_exchange_and_the_cloud_are_and_says_which_it_waits_for() {
    let cases: [(Address, &str, &str); 2] = [
        (exchange, "cloud connected; no reading yet from calendar hq", "exchange-waits"),
        (cloud, "no connection to the cloud yet", "channel-closed"),
    ];
    for (away, waits, named) in cases {
        let (mut house, ports) = shut(talkative(), &[away]).await;
        let manager = Supervisor::new(house.stage.folder());
        house.again_with("NOTIFY_SOCKET", manager.socket());
        manager.hears(waits).await;
        manager.hears("EXTEND_TIMEOUT_USEC=60000000").await;
        house.until("it is named", |house| house.log().contains(named)).await;
        assert!(!manager.has("READY=1"), "{:#?}", manager.told());
        for (gate, there) in ports {
            lead(gate, there).await;
        }
        manager.hears("READY=1").await;
        manager.hears("STATUS=2 mailboxes: 2 streaming, 0 polling, 0 failing").await;
        manager.in_order(&["STATUS=starting: ", waits, "READY=1", "STATUS=2 mailboxes"]);
    }
}

#[tokio::test]
async fn it_is_ready_without_a_mailbox_although_nobody_can_sign_in_to_exchange() {
    let house = House::start(talkative()).await;
    house.until("it is ready", |house| house.log().contains("ready: ")).await;
}

#[tokio::test]
async fn a_stop_in_the_middle_of_a_start_is_one_and_tells_no_readiness() {
    let (mut house, _) = shut(talkative(), &[exchange, cloud]).await;
    let manager = Supervisor::new(house.stage.folder());
    house.again_with("NOTIFY_SOCKET", manager.socket());
    manager.hears("STATUS=starting: 2 mailboxes").await;
    terminate(&house);
    let status = within(house.connector.wait()).await.unwrap();
    assert!(status.success(), "{status}: {}", house.log());
    manager.in_order(&IN_ORDER);
    assert!(!manager.has("READY=1"), "{:#?}", manager.told());
}
