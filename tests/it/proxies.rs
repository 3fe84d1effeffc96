//! Proxies: a tunnel through one, with and without sign-in, for the plumbing and for the whole.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use calway::model::{Fault, Next, Secret};
use calway::net::proxy::{Account, Proxy};
use calway::net::{Client, Connector, Origin, Pin, Trust};
use calway_lab::tls::Variant;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::house::{ALICE, House, talkative};
use crate::net::{SOON, Server, server};

/// A proxy that opens tunnels, for whoever signs in where it wants that.
pub struct Via {
    pub port: u16,
    pub tunnels: Arc<AtomicUsize>,
    refusals: Arc<AtomicUsize>,
}

/// Starts a proxy that asks for `wanted` (`user:password`), or answers `refusal` to everybody.
pub async fn via(wanted: Option<&str>, refusal: Option<&'static str>) -> Via {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tunnels, refusals) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let wanted =
        wanted.map(|wanted| format!("Proxy-Authorization: Basic {}", STANDARD.encode(wanted)));
    let via = Via { port, tunnels: Arc::clone(&tunnels), refusals: Arc::clone(&refusals) };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let counters = (Arc::clone(&tunnels), Arc::clone(&refusals));
            tokio::spawn(carry(stream, wanted.clone(), refusal, counters));
        }
    });
    via
}

async fn carry(
    mut stream: TcpStream,
    wanted: Option<String>,
    refusal: Option<&'static str>,
    (tunnels, refusals): (Arc<AtomicUsize>, Arc<AtomicUsize>),
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let target = head.strip_prefix("CONNECT ")?.split(' ').next()?;
    let known = wanted.is_none_or(|wanted| head.lines().any(|line| line == wanted));
    if let Some(refusal) = refusal {
        return stream.write_all(refusal.as_bytes()).await.ok();
    }
    if !known {
        refusals.fetch_add(1, Ordering::AcqRel);
        let asked = b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n";
        return stream.write_all(asked).await.ok();
    }
    let mut beyond = TcpStream::connect(target).await.ok()?;
    stream.write_all(b"HTTP/1.1 200 Go on\r\nVia: x\r\n\r\n").await.ok()?;
    tunnels.fetch_add(1, Ordering::AcqRel);
    tokio::io::copy_bidirectional(&mut stream, &mut beyond).await.ok().map(|_| ())
}

impl Via {
    fn plain(&self) -> Proxy {
        Proxy::new("127.0.0.1", self.port)
    }

    fn signed(&self, password: &Arc<Mutex<String>>) -> Proxy {
        let password = Arc::clone(password);
        let mut proxy = self.plain();
        proxy.account = Some(Account::new("calway"));
        proxy.with_password(move || Some(Secret::new(password.lock().unwrap().clone())))
    }
}

async fn through(server: &Server, proxy: Proxy) -> Result<(), Fault> {
    server.connector().through(Some(proxy)).open(&server.origin()).await.map(|_| ())
}

#[tokio::test]
async fn a_proxy_sees_a_tunnel_and_nothing_else() {
    let server = server(Variant::Good).await;
    let open = via(None, None).await;
    let client = Client::new(server.connector().through(Some(open.plain())), 2);
    let answer = client.call(server.request("/a"), 100, SOON).await.unwrap();
    assert_eq!(answer.body, "/a");
    assert_eq!(open.tunnels.load(Ordering::Acquire), 1);

    let closed = via(None, Some("HTTP/1.1 403 Not there\r\n\r\n")).await;
    let fault = through(&server, closed.plain()).await.unwrap_err();
    assert_eq!(fault, Fault::retry("proxy: 403 to CONNECT"));
}

#[tokio::test]
async fn a_proxy_that_asks_who_we_are_is_told_or_named() {
    let server = server(Variant::Good).await;
    let asking = via(Some("calway:pröxy"), None).await;
    let password = Arc::new(Mutex::new("pröxy".to_owned()));
    through(&server, asking.signed(&password)).await.unwrap();

    let fault = through(&server, asking.plain()).await.unwrap_err();
    let words = "proxy: 407, it asks for a sign-in (proxy_auth)";
    assert_eq!(fault, Fault::retry(words));
    let other = "HTTP/1.1 407 Who\r\nProxy-Authenticate: Negotiate\r\n\r\n";
    let other = via(None, Some(other)).await;
    let fault = through(&server, other.signed(&password)).await.unwrap_err();
    let words = "proxy: 407, it asks for a sign-in and offers none by user and password";
    assert_eq!(fault, Fault::retry(words));
}

#[tokio::test]
async fn a_password_that_the_proxy_refuses_is_tried_once_by_many() {
    let server = server(Variant::Good).await;
    let asking = via(Some("calway:right"), None).await;
    let password = Arc::new(Mutex::new("wrong".to_owned()));
    let proxy = asking.signed(&password);
    let all = join_all((0..8).map(|_| through(&server, proxy.clone()))).await;
    assert!(all.iter().all(|one| one.as_ref().is_err_and(|fault| fault.next == Next::SignIn)));
    assert_eq!(asking.refusals.load(Ordering::Acquire), 1);
    "right".clone_into(&mut password.lock().unwrap());
    through(&server, proxy).await.unwrap();
}

/// The pin of whatever answers there.
async fn pin(url: &str, ca_pem: String) -> Pin {
    let origin = Origin::of(&url.parse().unwrap()).unwrap();
    let connector = Connector::new(Trust::only(ca_pem).client().unwrap(), Duration::from_secs(10));
    Pin::of(connector.connect(&origin).await.unwrap().peer_certificate().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connector_reaches_exchange_and_the_cloud_through_proxies_and_by_pins() {
    let mut house = House::start(talkative()).await;
    house.kill().await;
    let (near, far) = (via(Some("calway:near"), None).await, via(Some("calway:far"), None).await);
    let stage = &house.stage;
    for (name, text) in [("calendar.hq.proxy_password", "near"), ("cloud.proxy_password", "far")] {
        std::fs::write(stage.credentials().join(name), text).unwrap();
    }
    let exchange = pin(&stage.exchange.url(), stage.exchange.ca_pem()).await;
    let cloud = pin(&stage.cloud.url(), stage.cloud.ca_pem()).await;
    let keys = |port, pin| {
        format!(
            "proxy = \"http://127.0.0.1:{port}\"\nproxy_auth = {{ kind = \"basic\", \
             user = \"calway\" }}\npinned_certificate = \"{pin}\"\n"
        )
    };
    let written = std::fs::read_to_string(stage.config()).unwrap();
    let lines = written.lines().filter(|line| !line.starts_with("ca_file"));
    let config = lines
        .map(|line| match line {
            "name = \"hq\"" => format!("{line}\n{}", keys(near.port, exchange)),
            "[cloud]" => format!("{line}\n{}", keys(far.port, cloud)),
            line => format!("{line}\n"),
        })
        .collect::<String>();
    std::fs::write(stage.config(), config).unwrap();
    house.again();
    house.until("it is ready", |house| house.log().contains("\"ready\"")).await;
    house.activate(ALICE.0, ALICE.1).await;
    house.meet(ALICE, "Through both", 2);
    house.live(ALICE, 1).await;
    for via in [&near, &far] {
        assert!(via.tunnels.load(Ordering::Acquire) > 0);
        assert_eq!(via.refusals.load(Ordering::Acquire), 0);
    }
}
