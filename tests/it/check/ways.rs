//! The way to a server: name, TCP, proxy, TLS, clock.

use std::sync::Arc;

use calway_lab::exchange;
use calway_lab::stage::Options;
use calway_lab::tls::{Authority, LOOPBACK, Variant};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::Scene;
use crate::house::free_port;
use crate::proxies::via;

/// A port whose system takes connections and answers none: its queue is full, as behind a firewall
/// that drops what comes. The first half keeps it so.
async fn silent() -> (impl Sized, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    let moment = std::time::Duration::from_secs(1);
    while let Ok(stream) = tokio::time::timeout(moment, TcpStream::connect(address)).await {
        waiting.push(stream.unwrap());
    }
    ((listener, waiting), address.port())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_a_firewall_hides_is_told_from_one_where_nobody_listens() {
    let scene = Scene::plain().await;
    let (_kept, port) = silent().await;
    lead(&scene, port);
    scene.prints("tcp-silent", 1, &["tcp", "tls"]).await;
}

/// Whoever connects is shown this certificate, and told nothing more.
async fn shakes(config: ServerConfig) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut heard = [0; 4096];
                match acceptor.accept(stream).into_fallible().await {
                    // What nobody reads would break the connection before its last word is heard.
                    Ok(mut stream) => {
                        let _ = stream.read(&mut heard).await;
                        let _ = stream.shutdown().await;
                        while stream.read(&mut heard).await.is_ok_and(|count| count > 0) {}
                    }
                    Err((_, mut stream)) => {
                        let _ = stream.shutdown().await;
                        while stream.read(&mut heard).await.is_ok_and(|count| count > 0) {}
                    }
                }
            });
        }
    });
    port
}

/// A server whose authority the calendar trusts, in this version of TLS; it may want certificates
/// of its clients.
async fn shown(version: &'static rustls::SupportedProtocolVersion, wants: bool) -> (Scene, u16) {
    let authority = Arc::new(Authority::new());
    let leaf = authority.leaf(&LOOPBACK);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider.clone());
    let config = config.with_protocol_versions(&[version]).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.leaf(&LOOPBACK).chain[0].clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
    let config = match wants {
        true => config.with_client_cert_verifier(verifier.build().unwrap()),
        false => config.with_no_client_auth(),
    };
    let config = config.with_single_cert(leaf.chain.clone(), leaf.key.clone_key()).unwrap();
    let exchange = exchange::Options { authority: Some(authority), ..Default::default() };
    let scene = Scene::new(Options { exchange, ..Options::default() }).await;
    (scene, shakes(config).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_wants_a_certificate_of_ours_is_named_in_both_versions_of_tls() {
    let words = ["tls", "offers"];
    let (scene, port) = shown(&rustls::version::TLS12, true).await;
    lead(&scene, port);
    scene.prints("tls-wants-certificate", 1, &words).await;
    let (scene, port) = shown(&rustls::version::TLS13, true).await;
    lead(&scene, port);
    scene.prints("offers-wants-certificate", 1, &words).await;
    let (scene, port) = shown(&rustls::version::TLS13, false).await;
    lead(&scene, port);
    scene.prints("offers-no-answer", 1, &["tls", "offers", "sign-in"]).await;
}

async fn with(certificate: Variant) -> Scene {
    let exchange = exchange::Options { certificate, ..Default::default() };
    Scene::new(Options { exchange, ..Options::default() }).await
}

/// Leads the calendar to another port.
fn lead(scene: &Scene, port: u16) {
    let url = scene.exchange().url();
    scene.rewrite(
        &format!("url = \"{url}\""),
        &format!("url = \"https://127.0.0.1:{port}/EWS/Exchange.asmx\""),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_certificate_is_told_with_what_to_do() {
    for (variant, golden) in [
        (Variant::Expired, "tls-expired"),
        (Variant::NotYetValid, "tls-not-yet-valid"),
        (Variant::WrongName, "tls-other-name"),
        (Variant::SelfSigned, "tls-unknown-issuer"),
        (Variant::NoIntermediate, "tls-no-intermediate"),
        (Variant::AuthorityItself, "tls-authority-itself"),
        (Variant::WeakSignature, "tls-unfit"),
    ] {
        with(variant).await.prints(golden, 1, &["tls", "clock"]).await;
    }
    with(Variant::EndsSoon).await.prints("tls-ends-soon", 0, &["tls"]).await;
    let between = with(Variant::IntermediateEndsSoon).await;
    between.prints("tls-intermediate-ends-soon", 0, &["tls"]).await;
    let pinned = with(Variant::Good).await;
    let other = "00".repeat(32);
    pinned.in_calendar(&format!("pinned_certificate = \"sha256:{other}\""));
    pinned.prints("tls-not-pinned", 1, &["tls"]).await;
}

/// Whoever connects is told these bytes once they have said something.
async fn says(bytes: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut heard = [0; 4096];
            let _ = stream.read(&mut heard).await;
            let _ = stream.write_all(bytes).await;
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_speaks_an_old_tls_or_none_is_called_by_its_name() {
    // Alerts of TLS 1.1: protocol_version, handshake_failure.
    let old: &[u8] = &[0x15, 3, 2, 0, 2, 2, 70];
    let none: &[u8] = &[0x15, 3, 3, 0, 2, 2, 40];
    // Of TLS 1.2: unrecognized_name, internal_error.
    let other: &[u8] = &[0x15, 3, 3, 0, 2, 2, 112];
    let broken: &[u8] = &[0x15, 3, 3, 0, 2, 2, 80];
    for (bytes, golden) in [
        (old, "tls-old-protocol"),
        (none, "tls-no-suite"),
        (other, "tls-unknown-name"),
        (broken, "tls-broken"),
        (&b""[..], "tls-hung-up"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "tls-none"),
    ] {
        let scene = Scene::plain().await;
        lead(&scene, says(bytes).await);
        scene.prints(golden, 1, &["tls"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_where_nobody_listens_and_a_name_that_nobody_knows_end_the_way() {
    let scene = Scene::plain().await;
    let port = free_port();
    lead(&scene, port);
    scene.prints("tcp-refused", 1, &["tcp", "tls", "sign-in"]).await;
    scene.rewrite(&format!("https://127.0.0.1:{port}/"), "https://mail.invalid/");
    scene.prints("dns-unknown", 1, &["dns", "tcp"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_wrong_is_named_before_kerberos_fails() {
    for (seconds, golden, exit) in
        [(200, "clock-off", 0), (3_630, "clock-far-off", 1), (-3_630, "clock-far-behind", 1)]
    {
        let exchange = exchange::Options { clock_ahead: seconds, ..Default::default() };
        let scene = Scene::new(Options { exchange, ..Options::default() }).await;
        scene.prints(golden, exit, &["clock"]).await;
    }
}

fn through(scene: &Scene, port: u16, account: bool) {
    let account = match account {
        true => "proxy_auth = { kind = \"basic\", user = \"calway\" }\n",
        false => "",
    };
    scene.in_calendar(&format!("proxy = \"http://127.0.0.1:{port}\"\n{account}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_proxy_says_is_told_with_what_to_do() {
    let asking = via(Some("calway:right"), None).await;
    let scene = Scene::plain().await;
    through(&scene, asking.port, false);
    scene.prints("proxy-asks", 1, &["proxy"]).await;

    let scene = Scene::plain().await;
    through(&scene, asking.port, true);
    scene.prints("proxy-no-password", 1, &["proxy"]).await;
    scene.secret("calendar.hq.proxy_password", "wrong");
    scene.store();
    scene.prints("proxy-refused", 1, &["proxy", "sign-in"]).await;
    scene.prints("proxy-refused-before", 1, &["proxy"]).await;
    scene.secret("calendar.hq.proxy_password", "right");
    scene.prints("proxy-well", 0, &["proxy", "sign-in"]).await;

    let closed = via(None, Some("HTTP/1.1 403 Not there\r\n\r\n")).await;
    let scene = Scene::plain().await;
    through(&scene, closed.port, false);
    scene.prints("proxy-closed", 1, &["proxy"]).await;
    let other = "HTTP/1.1 407 Who\r\nProxy-Authenticate: Negotiate\r\n\r\n";
    let other = via(None, Some(other)).await;
    let scene = Scene::plain().await;
    through(&scene, other.port, true);
    scene.secret("calendar.hq.proxy_password", "right");
    scene.prints("proxy-other-sign-in", 1, &["proxy"]).await;
    let scene = Scene::plain().await;
    through(&scene, says(b"SSH-2.0-x\r\n\r\n").await, false);
    scene.prints("proxy-odd", 1, &["proxy"]).await;
}
