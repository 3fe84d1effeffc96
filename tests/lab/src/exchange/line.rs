//! A client for the lab's own tests: one TLS connection that speaks HTTP/1.1 by hand.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Exchange, MailboxKind, Options};

/// What the account of the tests sends under Basic.
pub(super) const BASIC: &str = "Basic Q09SUFxzdmMtY2Fsd2F5OnMzY3JldA=="; // CORP\svc-calway:s3cret
/// How long a test waits for bytes that are due.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ann's calendar folder.
pub(super) const GET_FOLDER: &str = "<m:GetFolder><m:FolderShape>\
    <t:BaseShape>Default</t:BaseShape></m:FolderShape><m:FolderIds>\
    <t:DistinguishedFolderId Id='calendar'/></m:FolderIds></m:GetFolder>";

/// A request that impersonates `mailbox`.
pub(super) fn envelope(mailbox: &str, inner: &str) -> String {
    format!(
        "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/' \
         xmlns:m='http://schemas.microsoft.com/exchange/services/2006/messages' \
         xmlns:t='http://schemas.microsoft.com/exchange/services/2006/types'><s:Header>\
         <t:RequestServerVersion Version='Exchange2013_SP1'/><t:ExchangeImpersonation>\
         <t:ConnectingSID><t:PrimarySmtpAddress>{mailbox}</t:PrimarySmtpAddress>\
         </t:ConnectingSID></t:ExchangeImpersonation></s:Header>\
         <s:Body>{inner}</s:Body></s:Envelope>"
    )
}

/// One TLS connection.
pub(super) struct Line {
    tls: TlsStream<TcpStream>,
    read: Vec<u8>,
    /// The server's certificate in DER.
    pub(super) certificate: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    pub(super) body: String,
    pub(super) chunks: Vec<String>,
}

impl Heard {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let same = |pair: &&(String, String)| pair.0.eq_ignore_ascii_case(name);
        self.headers.iter().filter(same).map(|(_, value)| value.as_str()).collect()
    }
}

impl Line {
    pub(super) async fn to(exchange: &Exchange) -> std::io::Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(exchange.ca_pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tcp = TcpStream::connect(exchange.address()).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
        let certificate = tls.get_ref().1.peer_certificates().unwrap()[0].as_ref().to_vec();
        Ok(Self { tls, read: Vec::new(), certificate })
    }

    pub(super) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        self.tls.write_all(head.as_bytes()).await.unwrap();
        self.tls.flush().await.unwrap();
    }

    pub(super) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> std::io::Result<Heard> {
        self.send(method, path, headers, body).await;
        let mut heard = self.head().await?;
        if heard.header("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk().await? {
                heard.body.push_str(&chunk);
                heard.chunks.push(chunk);
            }
        } else if let Some(length) = heard.header("content-length") {
            let length = length.parse().unwrap();
            heard.body = self.take(length).await?;
        }
        Ok(heard)
    }

    /// One request of Ann's under Basic; `inner` is the body's child.
    pub(super) async fn ews(
        &mut self,
        headers: &[(&str, &str)],
        inner: &str,
    ) -> std::io::Result<Heard> {
        let headers = [&[("Authorization", BASIC)], headers].concat();
        self.ask("POST", "/EWS/Exchange.asmx", &headers, &envelope("ann@corp.example", inner)).await
    }

    pub(super) async fn head(&mut self) -> std::io::Result<Heard> {
        let head = self.until("\r\n\r\n").await?;
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Heard { status, headers, body: String::new(), chunks: Vec::new() })
    }

    pub(super) async fn chunk(&mut self) -> std::io::Result<Option<String>> {
        let length = self.until("\r\n").await?;
        let length = usize::from_str_radix(&length, 16).unwrap();
        let chunk = self.take(length).await?;
        self.take(2).await?;
        Ok((length > 0).then_some(chunk))
    }

    async fn until(&mut self, end: &str) -> std::io::Result<String> {
        loop {
            let text = String::from_utf8_lossy(&self.read).into_owned();
            if let Some(at) = text.find(end) {
                self.read.drain(..at + end.len());
                return Ok(text[..at].to_owned());
            }
            self.more().await?;
        }
    }

    async fn take(&mut self, length: usize) -> std::io::Result<String> {
        while self.read.len() < length {
            self.more().await?;
        }
        Ok(String::from_utf8(self.read.drain(..length).collect()).unwrap())
    }

    pub(super) async fn more(&mut self) -> std::io::Result<()> {
        let read = self.tls.read_buf(&mut self.read);
        match tokio::time::timeout(PATIENCE, read).await?? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// A server with one mailbox, ann@corp.example.
pub(super) async fn exchange(change: impl FnOnce(&mut Options)) -> Exchange {
    let mut options = Options { password: "s3cret".to_owned(), ..Options::default() };
    change(&mut options);
    let exchange = Exchange::start(options).await.unwrap();
    exchange.calendars().add_mailbox("ann@corp.example", "Ann", MailboxKind::User);
    exchange
}
