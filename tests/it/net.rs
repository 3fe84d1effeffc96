//! Connections: what a bad certificate is called, and what becomes of a connection that breaks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use calway::model::{Fault, Next};
use calway::net::{Client, Connector, Origin, Pin, Trust, read_body};
use calway_lab::tls::{Authority, LOOPBACK, Variant};
use futures_util::StreamExt;
use http::{Request, Response};
use http_body_util::{Full, StreamBody};
use hyper::body::Frame;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::house::free_port;

const RETRY: Next = Next::Retry { after: None };
pub const SOON: Duration = Duration::from_secs(10);

type Body = http_body_util::combinators::BoxBody<Bytes, std::convert::Infallible>;

fn full(text: impl Into<Bytes>) -> Response<Body> {
    use http_body_util::BodyExt;
    Response::new(Full::new(text.into()).boxed())
}

/// A body without a length, in `pieces` pieces of 1 KiB.
fn pieces(pieces: usize) -> Response<Body> {
    use http_body_util::BodyExt;
    let piece = || Ok(Frame::data(Bytes::from(vec![b'x'; 1024])));
    let stream = futures_util::stream::iter(0..pieces).map(move |_| piece());
    Response::new(BodyExt::boxed(StreamBody::new(stream)))
}

/// A server that answers by the path; it counts its connections.
pub struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    authority: Authority,
    certificate: Vec<u8>,
}

pub async fn server(variant: Variant) -> Server {
    let authority = Authority::new();
    let leaf = authority.issue(&LOOPBACK, variant);
    let acceptor = TlsAcceptor::from(leaf.server_config());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let certificate = leaf.der().to_vec();
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, counter) = (acceptor.clone(), Arc::clone(&counter));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                counter.fetch_add(1, Ordering::Relaxed);
                let service = service_fn(answer);
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    Server { address, connections, authority, certificate }
}

async fn answer(request: Request<hyper::body::Incoming>) -> Result<Response<Body>, std::io::Error> {
    let host = request.headers().get("host").cloned();
    let mut response = match request.uri().path() {
        "/long" => pieces(100),
        "/announced" => full(vec![b'x'; 100 * 1024]),
        "/hang" => std::future::pending().await,
        "/break" => return Err(std::io::ErrorKind::Other.into()),
        path => full(path.to_owned()),
    };
    if request.uri().path() == "/last" {
        response.headers_mut().insert("connection", "close".parse().unwrap());
    }
    if let Some(host) = host {
        response.headers_mut().insert("x-host", host);
    }
    Ok(response)
}

impl Server {
    pub fn connector(&self) -> Connector {
        Connector::new(Trust::only(self.authority.pem()).client().unwrap(), SOON)
    }

    fn client(&self) -> Client {
        Client::new(self.connector(), 2)
    }

    pub fn origin(&self) -> Origin {
        Origin::of(&self.url("/").parse().unwrap()).unwrap()
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    pub fn request(&self, path: &str) -> Request<Full<Bytes>> {
        Request::get(self.url(path)).body(Full::default()).unwrap()
    }

    fn count(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn why(server: &Server) -> String {
    let fault = server.connector().connect(&server.origin()).await.expect_err("it must fail");
    assert_eq!(fault.next, RETRY);
    fault.to_string()
}

#[tokio::test]
async fn each_bad_certificate_is_called_by_its_name() {
    for (variant, words) in [
        (Variant::Expired, "certificate has expired"),
        (Variant::NotYetValid, "certificate is not valid yet"),
        (Variant::WrongName, "certificate does not name this host"),
        (Variant::SelfSigned, "certificate comes from an authority that is not trusted"),
        (Variant::NoIntermediate, "intermediate certificates (install its whole chain there)"),
        (Variant::NoIntermediate, "not trusted here (trust it in ca_file)"),
        (Variant::AuthorityItself, "is one of an authority itself (CA:TRUE)"),
        (Variant::AuthorityItself, "pin it (pinned_certificate)"),
        (Variant::WrongPurpose, "certificate was not issued for a TLS server"),
        (Variant::WeakSignature, "is signed in a way that is not accepted any more (SHA-1"),
    ] {
        let found = why(&server(variant).await).await;
        assert!(found.contains(words), "{variant:?}: {found}");
        assert!(!found.contains("elsewhere.invalid"), "{found}");
    }
}

/// What the words say to do: the server sends its chain, or the intermediate authority is trusted.
#[tokio::test]
async fn a_chain_with_an_intermediate_is_followed_where_it_is_sent_or_known() {
    let root = Authority::new();
    let between = root.intermediate();
    let whole = between.leaf(&LOOPBACK);
    let mut alone = between.leaf(&LOOPBACK);
    alone.chain.truncate(1);
    for (leaf, trusted, works) in
        [(&whole, &root, true), (&alone, &root, false), (&alone, &between, true)]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(leaf.server_config());
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let _ = acceptor.accept(stream).await;
        });
        let connector = Connector::new(Trust::only(trusted.pem()).client().unwrap(), SOON);
        let origin = Origin::of(&format!("https://{address}/").parse().unwrap()).unwrap();
        let said = connector.connect(&origin).await.map(drop).map_err(|fault| fault.to_string());
        assert_eq!(said.is_ok(), works, "{said:?}");
        assert!(said.err().is_none_or(|said| said.contains("intermediate certificates")));
    }
}

/// A server that says `words` to whoever comes, and hangs up.
async fn rude(words: &'static [u8]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut hello = [0; 1024];
            let _ = stream.read(&mut hello).await;
            let _ = stream.write_all(words).await;
        }
    });
    let (connections, certificate) = Default::default();
    Server { address, connections, authority: Authority::new(), certificate }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_or_an_old_one_is_called_so() {
    // The alert protocol_version, as a server has it that knows nothing newer than TLS 1.1.
    let old = rude(&[21, 3, 2, 0, 2, 2, 70]).await;
    let words = "TLS: the server speaks neither TLS 1.3 nor TLS 1.2, only an older protocol";
    assert_eq!(why(&old).await, words);
    // A ServerHello of TLS 1.1, as one has it that just goes on with what it knows.
    let mut hello = vec![22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 0x2f, 0]);
    assert_eq!(why(&rude(Box::leak(hello.into_boxed_slice())).await).await, words);
    let plain = rude(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    assert!(why(&plain).await.contains("does not speak TLS"));
}

/// As Schannel of Windows Server 2012 R2 has it with a certificate for RSA: it alerts, goes on with
/// a suite of CBC that nobody offered, or hangs up.
#[tokio::test]
async fn a_server_without_a_cipher_suite_of_ours_is_called_so() {
    let cause = "TLS: the server shares no cipher suite with us, as on Windows Server 2012 R2";
    for alert in [40, 71] {
        let words = Box::leak(Box::new([21, 3, 3, 0, 2, 2, alert]));
        let found = why(&rude(words).await).await;
        assert!(found.starts_with(cause) && found.contains("docs/guide/exchange.md"), "{found}");
    }
    let mut hello = vec![22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3];
    hello.extend([7; 32]);
    // TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384
    hello.extend([0, 0xc0, 0x28, 0]);
    let found = why(&rude(Box::leak(hello.into_boxed_slice())).await).await;
    assert!(found.starts_with(cause), "{found}");

    let words = "TLS: the server hung up during the handshake, as Windows Server 2012 R2";
    let found = why(&rude(b"").await).await;
    assert!(found.starts_with(words) && found.contains("docs/guide/exchange.md"), "{found}");
    assert!(why(&resetting().await).await.starts_with(words));
    let longest = "Autodiscover (autodiscover host): ".len() + found.len();
    assert!(longest <= 200, "{longest}: it is cut in the journal");
}

/// A server that resets connections once it was told something.
async fn resetting() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // What was not read makes a reset of the end.
            let _ = stream.readable().await;
        }
    });
    let (connections, certificate) = Default::default();
    Server { address, connections, authority: Authority::new(), certificate }
}

/// Whoever would rather speak HTTP/2 is not asked to: NTLM signs in a connection of HTTP/1.1.
#[tokio::test]
async fn a_server_that_knows_http_2_is_spoken_to_in_http_1() {
    let authority = Authority::new();
    let mut config = (*authority.server_config(&LOOPBACK)).clone();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
    });
    let (connections, certificate) = Default::default();
    let server = Server { address, connections, authority, certificate };
    server.connector().connect(&server.origin()).await.unwrap();
    assert_eq!(accepted.await.unwrap(), Some(b"http/1.1".to_vec()));
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_refused_at_once() {
    let address = ([127, 0, 0, 1], free_port()).into();
    let connections = Arc::default();
    let nobody = Server { address, connections, authority: Authority::new(), certificate: vec![] };
    assert_eq!(why(&nobody).await, "connection refused");
}

#[tokio::test]
async fn a_connection_serves_many_requests_and_knows_its_peer() {
    let server = server(Variant::Good).await;
    let mut connection = server.connector().connect(&server.origin()).await.unwrap();
    assert_eq!(connection.peer_certificate(), Some(&*server.certificate));
    for path in ["/a", "/b?c=d"] {
        let response = connection.send(server.request(path)).await.unwrap();
        assert_eq!(response.headers()["x-host"], server.address.to_string());
        let body = read_body(response, 100).await.unwrap();
        assert_eq!(body, path.split('?').next().unwrap());
        assert!(connection.is_usable());
    }
    let response = connection.send(server.request("/last")).await.unwrap();
    read_body(response, 100).await.unwrap();
    let fault = connection.send(server.request("/a")).await.expect_err("it is closed");
    assert_eq!(fault.next, RETRY);
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_whether_announced_or_not() {
    let server = server(Variant::Good).await;
    let client = server.client();
    for path in ["/long", "/announced"] {
        let body = client.call(server.request(path), 100 * 1024, SOON).await.unwrap().body;
        assert_eq!(body.len(), 100 * 1024, "{path}");
        let fault = client.call(server.request(path), 100 * 1024 - 1, SOON).await.unwrap_err();
        assert_eq!(fault, Fault::refused("the answer is longer than 102399 bytes"), "{path}");
    }
}

#[tokio::test]
async fn calls_keep_their_connection_and_replace_one_that_was_closed() {
    let server = server(Variant::Good).await;
    let client = server.client();
    let call = async |path: &str| client.call(server.request(path), 100, SOON).await;
    for _ in 0..3 {
        call("/a").await.unwrap();
    }
    assert_eq!(server.count(), 1);
    call("/last").await.unwrap();
    call("/a").await.unwrap();
    assert_eq!(server.count(), 2);
    // A fresh connection that breaks is not tried again.
    let before = server.count();
    let other = server.client();
    let fault = other.call(server.request("/break"), 100, SOON).await.unwrap_err();
    assert_eq!((fault.next, server.count()), (RETRY, before + 1));
}

#[tokio::test]
async fn calls_at_the_same_time_do_not_wait_for_each_other() {
    let server = server(Variant::Good).await;
    let client = server.client();
    let brief = Duration::from_millis(500);
    let (hung, answered) = tokio::join!(
        client.call(server.request("/hang"), 100, brief),
        client.call(server.request("/a"), 100, SOON),
    );
    assert_eq!(hung.unwrap_err(), Fault::retry("no answer in time"));
    assert_eq!(answered.unwrap().body, "/a");
}

#[tokio::test]
async fn a_pinned_certificate_is_accepted_as_it_is_and_no_other() {
    for variant in [Variant::SelfSigned, Variant::WrongName, Variant::Expired, Variant::Good] {
        let server = server(variant).await;
        let with = |pin| {
            let trust = Trust { system: false, pinned: vec![pin], ..Trust::default() };
            Connector::new(trust.client().unwrap(), SOON)
        };
        let own = Pin::of(&server.certificate);
        with(own).connect(&server.origin()).await.expect("the pinned one");
        let other = with(Pin::of(b"another")).connect(&server.origin()).await.unwrap_err();
        let words = format!("TLS: the server's certificate is not the pinned one, but {own}");
        assert_eq!(other, Fault::retry(words));
    }
}

/// Whoever shows the pinned certificate without its key is refused.
#[tokio::test]
async fn a_pinned_certificate_that_was_only_copied_is_refused() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        a_copied_certificate_is_refused(version).await;
    }
}

async fn a_copied_certificate_is_refused(version: &'static rustls::SupportedProtocolVersion) {
    let authority = Authority::new();
    let (stolen, own) = (authority.leaf(&LOOPBACK), authority.leaf(&LOOPBACK));
    let copy = calway_lab::tls::Leaf { chain: stolen.chain.clone(), ..own };
    let config = copy.lying_config_of(&[version]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = TlsAcceptor::from(Arc::clone(&config)).accept(stream).await;
        }
    });
    let (connections, certificate) = (Arc::default(), stolen.der().to_vec());
    let server = Server { address, connections, authority, certificate };
    let pinned = vec![Pin::of(&server.certificate)];
    let trust = Trust { system: false, pinned, ..Trust::default() };
    let connector = Connector::new(trust.client().unwrap(), SOON);
    let fault = connector.connect(&server.origin()).await.unwrap_err();
    assert_eq!(
        fault,
        Fault::retry(
            "TLS: the server's certificate carries a signature that is wrong (was its authority \
             made anew under the same name?)"
        )
    );
}

#[test]
fn a_last_dot_and_capitals_make_no_other_origin() {
    let of = |url: &str| Origin::of(&url.parse().unwrap()).unwrap();
    let plain = of("https://mail.corp.example/EWS");
    for same in ["https://mail.corp.example./EWS", "https://MAIL.Corp.example.:443/"] {
        assert_eq!(of(same), plain, "{same}");
        assert_eq!(of(same).host(), "mail.corp.example");
        assert_eq!(of(same).to_string(), "https://mail.corp.example");
    }
    assert_ne!(of("https://mail.corp.example.:444/"), plain);
}

#[test]
fn an_origin_is_https_and_nothing_else() {
    let origin = |url: &str| {
        Origin::of(&url.parse().unwrap()).map(|origin| (origin.to_string(), origin.port()))
    };
    let is = |text: &str, port| Ok((text.to_owned(), port));
    assert_eq!(origin("https://Mail.corp.example/EWS"), is("https://mail.corp.example", 443));
    assert_eq!(origin("https://h:443/x"), is("https://h", 443));
    assert_eq!(origin("https://h:8443/x"), is("https://h:8443", 8443));
    assert_eq!(origin("https://[::1]:8443/x"), is("https://[::1]:8443", 8443));
    for bad in ["http://h/", "/x", "https://u:p@h/", "https://a..b/"] {
        let uri = bad.parse().unwrap();
        assert_eq!(Origin::of(&uri).unwrap_err().next, Next::Refused, "{bad}");
    }
}

#[test]
fn an_address_is_joined_below_the_base() {
    let join = |base: &str, path| Origin::join(&base.parse().unwrap(), path).unwrap().to_string();
    assert_eq!(join("https://h", "/v1/events"), "https://h/v1/events");
    assert_eq!(join("https://h/", "/v1/events"), "https://h/v1/events");
    assert_eq!(join("https://h:8443/calway/", "/v1/x?a=b"), "https://h:8443/calway/v1/x?a=b");
}

#[test]
fn trust_names_what_is_wrong_with_it() {
    let pem = Authority::new().pem();
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good.pem");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&good, pem.as_bytes()).unwrap();
    std::fs::write(&empty, b"nothing here").unwrap();
    let roots = |file: &std::path::Path| {
        let trust = Trust {
            system: false,
            ca_files: vec![file.to_owned()],
            ca_pem: vec![pem.clone().into()],
            ..Trust::default()
        };
        trust.roots().map(|roots| roots.len()).map_err(|fault| fault.to_string())
    };
    assert_eq!(roots(&good), Ok(2));
    assert!(roots(&empty).unwrap_err().contains("empty.pem holds no certificate"));
    let missing = roots(&folder.path().join("missing.pem")).unwrap_err();
    assert!(missing.contains("missing.pem"), "{missing}");
    let nothing = Trust { system: false, ..Trust::default() };
    assert!(nothing.client().is_err());
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(Trust::only(broken.to_vec()).roots().is_err());
}
