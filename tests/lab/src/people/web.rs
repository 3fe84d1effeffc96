//! A small HTTP client over TLS, one connection at a time, that trusts one root.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

/// The longest answer that is read, in bytes.
const LONGEST: usize = 64 << 20;

/// An answer: status and body.
pub(crate) type Answer = (u16, Bytes);

/// The client.
pub(crate) struct Web {
    tls: TlsConnector,
    open: Mutex<Option<(String, SendRequest<Full<Bytes>>)>>,
}

impl Web {
    /// A client that trusts the roots in `pem`.
    pub(crate) fn new(pem: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let root = root.map_err(|error| error.to_string())?;
            roots.add(root).map_err(|error| error.to_string())?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), open: Mutex::default() })
    }

    /// One request; a connection that turns out to be dead is replaced once.
    pub(crate) async fn ask(
        &self,
        method: &str,
        url: &str,
        bearer: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, String> {
        self.send(method, url, bearer, "application/json", body).await
    }

    /// The same with another content type.
    pub(crate) async fn send(
        &self,
        method: &str,
        url: &str,
        bearer: &str,
        kind: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, String> {
        let uri: Uri = url.parse().map_err(|_| format!("{url} is not an address"))?;
        let authority = uri.authority().ok_or("an address without a host")?.to_string();
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let mut open = self.open.lock().await;
        for fresh in [false, true] {
            let kept = open.take().filter(|(to, sender)| *to == authority && !sender.is_closed());
            let mut sender = match kept.filter(|_| !fresh) {
                Some((_, sender)) => sender,
                None => self.connect(&uri).await?,
            };
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header("host", &authority)
                .header("authorization", format!("Bearer {bearer}"))
                .header("content-type", kind)
                .body(Full::from(body.clone().unwrap_or_default()))
                .map_err(|error| error.to_string())?;
            let ready = sender.ready().await;
            let answered = match ready {
                Ok(()) => sender.send_request(request).await,
                Err(error) => Err(error),
            };
            match answered {
                Ok(response) => {
                    let status = response.status().as_u16();
                    let body = Limited::new(response.into_body(), LONGEST).collect().await;
                    let body = body.map_err(|error| error.to_string())?.to_bytes();
                    *open = Some((authority, sender));
                    return Ok((status, body));
                }
                Err(error) if fresh => return Err(error.to_string()),
                Err(_) => {}
            }
        }
        Err("no connection".into())
    }

    async fn connect(&self, uri: &Uri) -> Result<SendRequest<Full<Bytes>>, String> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(443);
        let stream = TcpStream::connect((host.as_str(), port)).await;
        let stream = stream.map_err(|error| format!("{host}:{port}: {error}"))?;
        let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| error.to_string())?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
