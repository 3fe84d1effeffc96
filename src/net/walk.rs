//! The way to an origin step by step, for whoever wants to see where it ends.
//!
//! Nothing is sent that [`Connector::open`] would not send, and no certificate is accepted that it
//! would refuse; but what was shown is told also where it was refused.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, InvalidMessage,
    OtherError, PeerIncompatible, PeerMisbehaved, ProtocolVersion, SignatureScheme,
};
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::model::{Fault, Time};
use crate::net::http::speak;
use crate::net::pin::{self, NotPinned};
use crate::net::{Connection, Connector, Origin, Trust, tls};

/// What is wrong with a handshake, as far as somebody can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The certificate's last day is past.
    Expired,
    /// The certificate's first day is to come.
    NotYetValid,
    /// The certificate names other hosts.
    OtherName,
    /// No trusted authority stands behind it, or one between is not sent.
    UnknownIssuer,
    /// It is an authority's own, or its own issuer's.
    AuthorityItself,
    /// It is another one than the pinned.
    NotPinned,
    /// It cannot be verified for another reason: purpose, signature, form.
    Unfit,
    /// The server speaks TLS 1.1 or older.
    OldProtocol,
    /// No cipher suite in common, or the server hung up as those do that have none.
    NoSuite,
    /// The server wants a certificate of ours.
    WantsCertificate,
    /// What answers does not speak TLS.
    NotTls,
    /// The connection broke, or nothing came.
    Broken,
}

/// What a server showed while a session was opened.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Its certificates as DER, its own first.
    pub chain: Vec<Vec<u8>>,
    /// `TLS 1.3` or `TLS 1.2`; nothing where the handshake failed.
    pub protocol: Option<&'static str>,
}

/// What stands in a certificate, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// The hosts that it names.
    pub names: Vec<String>,
    /// Who issued it: its common name, else its whole name.
    pub issuer: String,
    /// From when it is good.
    pub from: Time,
    /// Until when it is good.
    pub until: Time,
}

impl Certificate {
    /// Reads one. Control characters of names are left out.
    pub fn read(der: &[u8]) -> Option<Self> {
        let (_, found) = X509Certificate::from_der(der).ok()?;
        let plain = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect();
        let alternative = found.subject_alternative_name().ok().flatten();
        let names = alternative.map(|names| {
            let names = names.value.general_names.iter().filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(plain(name)),
                GeneralName::IPAddress(bytes) => address(bytes),
                _ => None,
            });
            names.take(100).collect::<Vec<String>>()
        });
        let common = |name: &x509_parser::x509::X509Name<'_>| {
            name.iter_common_name().find_map(|one| one.as_str().ok()).map(plain)
        };
        let names = names.filter(|names| !names.is_empty());
        let names = names.unwrap_or_else(|| common(found.subject()).into_iter().collect());
        let issuer = common(found.issuer()).unwrap_or_else(|| plain(&found.issuer().to_string()));
        let time = |time: x509_parser::time::ASN1Time| {
            Time::from_ms(time.timestamp().saturating_mul(1_000))
        };
        let validity = found.validity();
        Some(Self {
            names,
            issuer,
            from: time(validity.not_before),
            until: time(validity.not_after),
        })
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    Some(std::net::Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string())
}

impl Connector {
    /// The addresses of whoever is dialled: the origin, or the proxy on the way.
    ///
    /// # Errors
    /// [`Next::Retry`](crate::model::Next) where nobody knows the name.
    pub async fn look_up(&self, origin: &Origin) -> Result<Vec<SocketAddr>, Fault> {
        let proxy = self.proxy();
        let (host, port) = match &proxy {
            None => (origin.host(), origin.port()),
            Some(via) => (via.host.as_str(), via.port),
        };
        self.dial().addresses(host, port).await
    }

    /// Opens TCP to whoever is dialled.
    ///
    /// # Errors
    /// As [`Connector::open`].
    pub async fn reach(&self, origin: &Origin) -> Result<TcpStream, Fault> {
        let by = self.deadline();
        let late = |_| Err(Fault::retry("no connection in time"));
        timeout_at(by, self.tcp(&self.way(), origin, by)).await.unwrap_or_else(late)
    }

    /// Asks the proxy for the way on, where there is one.
    ///
    /// # Errors
    /// As [`Connector::open`].
    pub async fn pass(&self, origin: &Origin, stream: TcpStream) -> Result<TcpStream, Fault> {
        let late = |_| Err(Fault::retry("proxy: no answer in time"));
        timeout_at(self.deadline(), self.way().tunnel(origin, stream)).await.unwrap_or_else(late)
    }

    /// Opens TLS with this trust, which is to be the connector's own, and tells what was shown.
    ///
    /// # Errors
    /// What is wrong, and in words.
    pub async fn shake(
        &self,
        trust: &Trust,
        origin: &Origin,
        stream: TcpStream,
    ) -> (Shown, Result<Connection, (Flaw, Fault)>) {
        let seen = Seen::default();
        let shaken = self.handshake(trust, origin, stream, &seen).await;
        let chain = std::mem::take(&mut *seen.lock());
        let mut shown = Shown { chain, protocol: None };
        let opened = match shaken {
            Ok((protocol, connection)) => {
                shown.protocol = protocol;
                Ok(connection)
            }
            Err(why) => Err(why),
        };
        (shown, opened)
    }

    async fn handshake(
        &self,
        trust: &Trust,
        origin: &Origin,
        stream: TcpStream,
        seen: &Seen,
    ) -> Result<(Option<&'static str>, Connection), (Flaw, Fault)> {
        let broken = |fault| (Flaw::Broken, fault);
        let config = trust.watched(seen.clone()).map_err(|fault| (Flaw::UnknownIssuer, fault))?;
        let name = ServerName::try_from(origin.host().to_owned())
            .map_err(|_| broken(Fault::refused("an address whose host is not a name")))?;
        let shaking = TlsConnector::from(config).connect(name, stream);
        let stream = match timeout_at(self.deadline(), shaking).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err((flaw(&error), tls::handshake_fault(&error))),
            Err(_) => return Err(broken(Fault::retry("TLS: no answer in time"))),
        };
        let protocol = match stream.get_ref().1.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => Some("TLS 1.3"),
            Some(ProtocolVersion::TLSv1_2) => Some("TLS 1.2"),
            _ => None,
        };
        Ok((protocol, speak(stream, origin, self.taken()).await.map_err(broken)?))
    }
}

fn flaw(error: &std::io::Error) -> Flaw {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => flaw_of(error),
        None if tls::is_hung_up(error.kind()) => Flaw::NoSuite,
        None => Flaw::Broken,
    }
}

fn flaw_of(error: &Error) -> Flaw {
    match error {
        Error::InvalidCertificate(why) => certificate_flaw(why),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        )
        | Error::AlertReceived(AlertDescription::ProtocolVersion) => Flaw::OldProtocol,
        Error::PeerIncompatible(_)
        | Error::AlertReceived(
            AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity,
        )
        | Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedCipherSuite) => Flaw::NoSuite,
        Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::AccessDenied,
        ) => Flaw::WantsCertificate,
        Error::AlertReceived(AlertDescription::UnrecognisedName) => Flaw::OtherName,
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => Flaw::NotTls,
        _ => Flaw::Broken,
    }
}

fn certificate_flaw(why: &CertificateError) -> Flaw {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Flaw::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Flaw::NotYetValid
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Flaw::OtherName
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Flaw::UnknownIssuer,
        CertificateError::Other(OtherError(other)) => {
            if other.downcast_ref::<NotPinned>().is_some() {
                Flaw::NotPinned
            } else if format!("{other:?}") == "CaUsedAsEndEntity" {
                Flaw::AuthorityItself
            } else {
                Flaw::Unfit
            }
        }
        _ => Flaw::Unfit,
    }
}

/// Where what was shown is noted.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Vec<u8>>>>);

impl Seen {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Trust {
    /// As [`Trust::client`], and what is shown is noted before it is judged.
    fn watched(&self, seen: Seen) -> Result<Arc<ClientConfig>, Fault> {
        let own: Arc<dyn ServerCertVerifier> = if self.pinned.is_empty() {
            let roots = Arc::new(self.roots()?);
            let built = WebPkiServerVerifier::builder_with_provider(roots, tls::provider()).build();
            built.map_err(|_| Fault::refused("no certificate authority is trusted"))?
        } else {
            Arc::new(pin::Verifier::new(self.pinned.clone()))
        };
        let mut config = (*self.client()?).clone();
        config.dangerous().set_certificate_verifier(Arc::new(Watched { own, seen }));
        // A resumed session shows no certificate.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Arc::new(config))
    }
}

/// Notes what is shown and leaves the judgement to the verifier that is used otherwise.
struct Watched {
    own: Arc<dyn ServerCertVerifier>,
    seen: Seen,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

impl ServerCertVerifier for Watched {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).take(16);
        *self.seen.lock() = chain.map(|one| one.to_vec()).collect();
        self.own.verify_server_cert(end_entity, intermediates, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.own.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.own.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.own.supported_verify_schemes()
    }
}
