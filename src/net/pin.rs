//! A pinned certificate: accepted as it is, whoever signed it, and no other is.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};

use crate::net::tls;

/// The SHA-256 of a server's own certificate as DER, which
/// `openssl x509 -noout -fingerprint -sha256` shows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl Pin {
    /// `sha256:` and 64 hexadecimal digits, with or without colons between them.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Vec<u8> =
            text.strip_prefix("sha256:")?.bytes().filter(|b| *b != b':').collect();
        let mut hash = [0; 32];
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let text = std::str::from_utf8(pair).ok()?;
            *byte = u8::from_str_radix(text, 16).ok().filter(|_| !text.starts_with('+'))?;
        }
        Some(Self(hash))
    }

    /// The pin of a certificate.
    pub fn of(certificate: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
        Self(hash)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Another certificate than the pinned ones came.
#[derive(Debug)]
pub(super) struct NotPinned(Pin);

impl fmt::Display for NotPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server's certificate is not the pinned one, but {}", self.0)
    }
}

impl std::error::Error for NotPinned {}

/// Accepts the pinned certificates: their issuer, names and dates are the administrator's care, as
/// with an Exchange server that signed its own. Whether the server has the key is verified.
#[derive(Debug)]
pub(super) struct Verifier {
    pinned: Vec<Pin>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    pub(super) fn new(pinned: Vec<Pin>) -> Self {
        Self { pinned, provider: tls::provider() }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let found = Pin::of(end_entity);
        if self.pinned.contains(&found) {
            return Ok(ServerCertVerified::assertion());
        }
        let why = OtherError(Arc::new(NotPinned(found)));
        Err(Error::InvalidCertificate(CertificateError::Other(why)))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_written_in_either_way() {
        let plain = Pin::of(b"x").to_string();
        assert_eq!(Pin::parse(&plain), Some(Pin::of(b"x")));
        let hex = plain.trim_start_matches("sha256:").to_uppercase();
        let pairs: Vec<_> = hex.as_bytes().chunks(2).map(|c| String::from_utf8_lossy(c)).collect();
        assert_eq!(Pin::parse(&format!("sha256:{}", pairs.join(":"))), Some(Pin::of(b"x")));
        let odd = plain.replace("sha256:", "sha256:+");
        for wrong in [&hex[..], "sha256:", "sha1:00", &plain[..70], &odd, &odd[..71]] {
            assert_eq!(Pin::parse(wrong), None, "{wrong}");
        }
    }
}
