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

/// A proxy that opens tunnels to any port but 80, for whoever signs in where it wants that. What it
/// is to forward it answers itself, with a redirect.
#[derive(Clone)]
pub struct Via {
    pub port: u16,
    pub tunnels: Arc<AtomicUsize>,
    refusals: Arc<AtomicUsize>,
    /// The first lines of requests that are not for a tunnel.
    forwarded: Arc<Mutex<Vec<String>>>,
}

/// Starts a proxy that asks for `wanted` (`user:password`), or answers `refusal` to everybody.
pub async fn via(wanted: Option<&str>, refusal: Option<&'static str>) -> Via {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tunnels, refusals) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let wanted = wanted.map(|wanted| format!("Basic {}", STANDARD.encode(wanted)));
    let forwarded = Arc::default();
    let via = Via { port, tunnels, refusals, forwarded };
    let own = via.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(carry(stream, wanted.clone(), refusal, own.clone()));
        }
    });
    via
}

async fn carry(
    mut stream: TcpStream,
    wanted: Option<String>,
    refusal: Option<&'static str>,
    via: Via,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let first = head.lines().next()?.to_owned();
    let target = first.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let shows = |line: &str, wanted: &str| {
        let shown = line.split_once(": ");
        shown.is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("Proxy-Authorization") && value == wanted
        })
    };
    let known = wanted.is_none_or(|wanted| head.lines().any(|line| shows(line, &wanted)));
    if let Some(refusal) = refusal {
        return stream.write_all(refusal.as_bytes()).await.ok();
    }
    if !known {
        via.refusals.fetch_add(1, Ordering::AcqRel);
        let asked = b"HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\
            Content-Length: 0\r\n\r\n";
        return stream.write_all(asked).await.ok();
    }
    let Some(target) = target else {
        via.forwarded.lock().unwrap().push(first);
        let there = b"HTTP/1.1 302 There\r\nLocation: https://mail.corp.example/a.xml\r\n\
            Content-Length: 0\r\n\r\n";
        return stream.write_all(there).await.ok();
    };
    if target.ends_with(":80") {
        return stream.write_all(b"HTTP/1.1 403 No tunnels there\r\n\r\n").await.ok();
    }
    let mut beyond = TcpStream::connect(target).await.ok()?;
    stream.write_all(b"HTTP/1.1 200 Go on\r\nVia: x\r\n\r\n").await.ok()?;
    via.tunnels.fetch_add(1, Ordering::AcqRel);
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
    assert_eq!(proxy.is_shut().await, Some(true));
    // Somebody mended the account, or believes so.
    proxy.forget().await.unwrap();
    assert_eq!(proxy.is_shut().await, Some(false));
    assert_eq!(through(&server, proxy.clone()).await.unwrap_err().next, Next::SignIn);
    assert_eq!(asking.refusals.load(Ordering::Acquire), 2);
    "right".clone_into(&mut password.lock().unwrap());
    through(&server, proxy).await.unwrap();
}

#[tokio::test]
async fn a_look_over_plain_http_goes_through_a_proxy_that_opens_no_tunnels_to_port_80() {
    let server = server(Variant::Good).await;
    let url = "http://autodiscover.corp.example/autodiscover/autodiscover.xml".parse().unwrap();
    let password = Arc::new(Mutex::new("right".to_owned()));
    for wanted in [None, Some("calway:right")] {
        let via = via(wanted, None).await;
        let proxy = if wanted.is_some() { via.signed(&password) } else { via.plain() };
        let head = server.connector().through(Some(proxy)).look(&url).await.unwrap();
        assert_eq!(head.location.as_deref(), Some("https://mail.corp.example/a.xml"));
        let whole = format!("GET {url} HTTP/1.1");
        assert_eq!(*via.forwarded.lock().unwrap(), [whole]);
    }
    // Its refusal is a refusal of the proxy's password, and that is tried once.
    "wrong".clone_into(&mut password.lock().unwrap());
    let asking = via(Some("calway:right"), None).await;
    let proxy = asking.signed(&password);
    for _ in 0..3 {
        let connector = server.connector().through(Some(proxy.clone()));
        let fault = connector.look(&url).await.unwrap_err();
        assert_eq!(fault.next, Next::SignIn, "{fault}");
    }
    assert_eq!(asking.refusals.load(Ordering::Acquire), 1);
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
