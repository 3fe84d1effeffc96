//! What systemd is told while nothing answers, and in which order everything is given back.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use calway::config::STOP_WITHIN;
use tokio::net::TcpListener;

use crate::house::{ALICE, BOB, House, PATIENCE, PROGRAM, talkative};

/// Takes connections and never says a word; how many it took.
async fn mute() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let took = Arc::<AtomicUsize>::default();
    let count = took.clone();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    (port, took)
}

fn port_of(url: &str) -> String {
    let authority = url.split("//").nth(1).unwrap().split('/').next().unwrap();
    authority.rsplit(':').next().unwrap().to_owned()
}

/// What the service tells its manager, a message at a time.
struct Manager(UnixDatagram);

impl Manager {
    /// The program, whose watchdog wants to be fed every second.
    fn watches(house: &mut House) -> Self {
        let path = house.stage.folder().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let log = house.stage.folder().join("connector.log");
        let log = std::fs::OpenOptions::new().append(true).create(true).open(log).unwrap();
        let mut command = house.stage.connector(PROGRAM);
        let command = command.env("NOTIFY_SOCKET", path).env("WATCHDOG_USEC", "2000000");
        house.connector = command.env_remove("WATCHDOG_PID").stderr(log).spawn().unwrap();
        Self(socket)
    }

    /// Waits until this was said so often; everything that was said meanwhile.
    async fn hears(&self, what: &'static str, times: usize) -> Vec<String> {
        let socket = self.0.try_clone().unwrap();
        let heard = tokio::task::spawn_blocking(move || {
            let (mut all, mut bytes) = (Vec::<String>::new(), [0; 4_096]);
            while all.iter().filter(|one| one.contains(what)).count() < times {
                let length = socket.recv(&mut bytes).unwrap_or_else(|_| panic!("no {what}"));
                all.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
            }
            all
        });
        heard.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchange_and_a_cloud_that_never_answer_neither_starve_the_watchdog_nor_hold_up_a_stop() {
    let mut house = House::active(talkative()).await;
    house.stop().await;
    let there = [house.stage.exchange.url(), house.stage.cloud.url()].map(|url| port_of(&url));
    let ((exchange, asked), (cloud, called)) = (mute().await, mute().await);
    house.reconfigure(|text| {
        text.replace(&format!(":{}", there[0]), &format!(":{exchange}"))
            .replace(&format!(":{}", there[1]), &format!(":{cloud}"))
    });
    let manager = Manager::watches(&mut house);
    let both = [&asked, &called];
    house.until("both are asked", |_| both.iter().all(|one| one.load(Ordering::Relaxed) > 0)).await;
    let told = manager.hears("WATCHDOG=1", 5).await;
    assert!(!told.iter().any(|one| one.contains("READY=1")), "{told:?}");
    house.stop().await;
    manager.hears("STOPPING=1", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_is_told_then_everything_is_given_back_then_it_ends() {
    let mut house = House::active(talkative()).await;
    house.stop().await;
    let manager = Manager::watches(&mut house);
    manager.hears("READY=1", 1).await;
    let both = |house: &House| {
        [ALICE, BOB].iter().all(|who| house.calendars().subscriptions(who.1) == 1)
            && house.stage.exchange.open_streams() == 1
    };
    house.until("both are listened to", both).await;
    // A reading under way goes on beside a stop.
    house.rest(&[ALICE, BOB]).await;
    house.stage.exchange.log().clear();
    house.stop().await;
    manager.hears("STOPPING=1", 1).await;
    for who in [ALICE, BOB] {
        assert_eq!(house.calendars().subscriptions(who.1), 0, "{}", who.1);
    }
    // The lab notices a closed socket when its task has its turn.
    house.until("no stream is open", |house| house.stage.exchange.open_streams() == 0).await;
    // Nothing is asked any more once the first subscription was given back.
    let log = house.stage.exchange.log().entries();
    let asked: Vec<_> = log.iter().map(|entry| entry.operation.as_str()).collect();
    let first = asked.iter().position(|one| *one == "Unsubscribe").expect("it is given back");
    assert_eq!(asked[first..], ["Unsubscribe"; 2], "{asked:?}");
    let told = house.log();
    let after = told.rsplit_once("CONDITION=\"ready\"").map_or(&*told, |(_, after)| after);
    assert!(after.contains("stopping: subscriptions are given back"), "{after}");
}

#[test]
fn systemd_waits_longer_for_the_end_than_the_service_takes() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/calway.service");
    let unit = std::fs::read_to_string(unit).unwrap();
    let seconds = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec="));
    let seconds: u64 = seconds.unwrap().parse().unwrap();
    assert!(STOP_WITHIN.as_secs() <= 10, "what is promised");
    assert!(seconds > STOP_WITHIN.as_secs(), "{seconds} s");
}
