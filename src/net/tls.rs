//! Whom we trust, and what a failed handshake means in words an administrator can act on.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256, digest};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, Error, InvalidMessage, OtherError,
    PeerIncompatible, PeerMisbehaved, RootCertStore,
};

use crate::model::{Fault, Next};
use crate::net::pin::{self, NotPinned, Pin};

/// Whose certificates are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// Those that the system trusts.
    pub system: bool,
    /// Those of these PEM files as well; every file must hold one at least.
    pub ca_files: Vec<PathBuf>,
    /// Those of these PEM texts as well; every text must hold one at least.
    pub ca_pem: Vec<Vec<u8>>,
    /// Where this is not empty: these certificates and no others, whoever signed them.
    pub pinned: Vec<Pin>,
}

impl Default for Trust {
    fn default() -> Self {
        Self { system: true, ca_files: Vec::new(), ca_pem: Vec::new(), pinned: Vec::new() }
    }
}

impl Trust {
    /// The certificates of a PEM text and no others.
    pub fn only(pem: impl Into<Vec<u8>>) -> Self {
        Self { system: false, ca_pem: vec![pem.into()], ..Self::default() }
    }

    /// The trust anchors. Reads the files, so an own CA takes effect only when this is called
    /// again.
    ///
    /// # Errors
    /// [`Next::Refused`] where a file cannot be read, holds no certificate or a broken one, or
    /// where nothing is trusted at all. One broken certificate of the system is passed over.
    pub fn roots(&self) -> Result<RootCertStore, Fault> {
        let mut roots = RootCertStore::empty();
        for path in &self.ca_files {
            let name = path.display();
            let pem = std::fs::read(path).map_err(|error| {
                Fault::refused(format!("cannot read the CA file {name}: {error}"))
            })?;
            add(&mut roots, &pem, &format!("the CA file {name}"))?;
        }
        for pem in &self.ca_pem {
            add(&mut roots, pem, "the CA text")?;
        }
        if self.system {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
        if roots.is_empty() {
            return Err(Fault::refused("no certificate authority is trusted"));
        }
        Ok(roots)
    }

    /// What stands in the files, and what the system trusts, just now: for whoever wants to know
    /// whether it is the same as before.
    ///
    /// # Errors
    /// As [`Trust::roots`], of a file.
    pub fn found(&self) -> Result<Found, Fault> {
        let mut files = Vec::new();
        for path in self.ca_files.iter().filter(|_| self.pinned.is_empty()) {
            let name = path.display();
            let pem = std::fs::read(path).map_err(|error| {
                Fault::refused(format!("cannot read the CA file {name}: {error}"))
            })?;
            files.extend(certificates(&pem, &format!("the CA file {name}"))?);
        }
        let system = match self.system && self.pinned.is_empty() {
            true => rustls_native_certs::load_native_certs().certs,
            false => Vec::new(),
        };
        Ok(Found { files: summed(files), system: summed(system) })
    }

    /// A client that trusts these, speaks TLS 1.3 or 1.2 and HTTP/1.1. One is enough for all
    /// connections to whatever it trusts: it holds the tickets for resumption.
    ///
    /// # Errors
    /// As [`Trust::roots`].
    pub fn client(&self) -> Result<Arc<ClientConfig>, Fault> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| Fault::refused(explain(&error)))?;
        let mut config = if self.pinned.is_empty() {
            builder.with_root_certificates(self.roots()?).with_no_client_auth()
        } else {
            let verifier = Arc::new(pin::Verifier::new(self.pinned.clone()));
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Which certificates there were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Those of the files, by their hash.
    pub files: [u8; 32],
    /// Those of the system, by their hash.
    pub system: [u8; 32],
}

fn summed(mut all: Vec<CertificateDer<'static>>) -> [u8; 32] {
    // In whatever order the system names them.
    all.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
    let mut context = Context::new(&SHA256);
    for one in &all {
        context.update(digest(&SHA256, one).as_ref());
    }
    context.finish().as_ref().try_into().unwrap_or_default()
}

/// The one source of cryptography of the process.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The certificates of a PEM text, in its order.
///
/// # Errors
/// [`Next::Refused`] where there is none, or one that is not PEM.
pub fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(Fault::refused(format!("{what} holds no certificate in PEM form"))),
        Err(_) => Err(Fault::refused(format!("{what} is not well-formed PEM"))),
    }
}

fn add(roots: &mut RootCertStore, pem: &[u8], what: &str) -> Result<(), Fault> {
    for certificate in certificates(pem, what)? {
        roots.add(certificate).map_err(|_| {
            Fault::refused(format!("{what} holds a certificate that cannot be an authority"))
        })?;
    }
    Ok(())
}

/// What a failed handshake means. Nobody is asked to wait, but it will not get better by itself:
/// the words say what to look at.
pub(super) fn handshake_fault(error: &io::Error) -> Fault {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(tls) => Fault::new(Next::Retry { after: None }, explain(tls)),
        None if is_hung_up(error.kind()) => Fault::retry(format!("TLS: {HUNG_UP}")),
        None => Fault::retry(format!("TLS: {}", error.kind())),
    }
}

/// Windows Server 2012 R2 and older have ECDHE with RSA only together with CBC, which is not spoken
/// here, and often say so by hanging up ([Schannel's suites](
/// https://learn.microsoft.com/windows/win32/secauthn/tls-cipher-suites-in-windows-8-1)).
const HUNG_UP: &str = "the server hung up during the handshake, as Windows Server 2012 R2 and \
     older do where they share no cipher suite with us (docs/guide/exchange.md, Old Windows)";
/// The same, said by an alert, or by going on with a suite that was not offered.
const NO_SUITE: &str = "the server shares no cipher suite with us, as on Windows Server 2012 R2 \
     and older (docs/guide/exchange.md, Old Windows), or wants a client certificate";

pub(super) fn is_hung_up(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

/// A TLS error in words. Names of the server's certificate are left out on purpose.
pub fn explain(error: &Error) -> String {
    let words = match error {
        Error::InvalidCertificate(reason) => return explain_certificate(reason),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        )
        | Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            "the server speaks neither TLS 1.3 nor TLS 1.2, only an older protocol"
        }
        Error::PeerIncompatible(_) => "the server speaks TLS 1.2 only in ways that are too weak",
        Error::AlertReceived(
            AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity,
        )
        | Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedCipherSuite) => NO_SUITE,
        Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::AccessDenied,
        ) => "the server wants a client certificate",
        Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            "the server does not know itself by this host name"
        }
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => "what answers on this port does not speak TLS",
        Error::NoCertificatesPresented => "the server presents no certificate",
        Error::DecryptError => "a record was altered on its way",
        Error::AlertReceived(alert) => return format!("TLS: the server sent alert {alert:?}"),
        _ => "the handshake failed",
    };
    format!("TLS: {words}")
}

const AUTHORITYS_OWN: &str = "is one of an authority itself (CA:TRUE), as self-signed ones often \
     are: pin it (pinned_certificate), or have a server certificate issued";

fn explain_certificate(reason: &CertificateError) -> String {
    if let CertificateError::Other(OtherError(other)) = reason {
        if let Some(other) = other.downcast_ref::<NotPinned>() {
            return format!("TLS: {other}");
        }
        // webpki's own error, which rustls gives no name of its own.
        if format!("{other:?}") == "CaUsedAsEndEntity" {
            return format!("TLS: the server's certificate {AUTHORITYS_OWN}");
        }
    }
    #[expect(deprecated, reason = "whoever verifies in another way may still give it")]
    let words = match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet (is this machine's clock right?)"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "does not name this host"
        }
        CertificateError::UnknownIssuer => {
            "comes from an authority that is not trusted here (trust it in ca_file), or the \
             server does not send its intermediate certificates (install its whole chain there)"
        }
        CertificateError::Revoked => "is revoked",
        CertificateError::BadSignature => {
            "carries a signature that is wrong (was its authority made anew under the same name?)"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "was not issued for a TLS server"
        }
        CertificateError::BadEncoding => "is not well-formed",
        CertificateError::UnsupportedSignatureAlgorithm
        | CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is signed in a way that is not accepted any more (SHA-1, say): have a new one issued"
        }
        _ => "cannot be verified",
    };
    format!("TLS: the server's certificate {words}")
}
