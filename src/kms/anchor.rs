//! Whether the key server is who it says: its static key against the configured anchors.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{Error, RootCertStore};
use serde::Deserialize;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey as SubjectKey;

use crate::kms::jose::{self, Bad, PublicKey};
use crate::kms::messages;
use crate::model::Time;

/// The longest chain that is looked at.
const LONGEST_CHAIN: usize = 8;

/// Against what a static key is judged.
pub struct Anchors {
    /// Who may vouch for it.
    pub roots: RootCertStore,
    /// How certificates may be signed.
    pub algorithms: WebPkiSupportedAlgorithms,
    /// The host it must be of, where that is known.
    pub host: Option<String>,
}

/// A key server whose certificate was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its host, lower case, as in its `kms://` names.
    pub host: String,
    /// Where messages are addressed to: `kms://host`.
    pub destination: String,
    /// Its static key.
    pub key: PublicKey,
    /// When the first of its certificates ends.
    pub until: Time,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Served {
    kms_cluster: String,
    rsa_public_key: String,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    n: String,
    e: String,
    x5c: Vec<String>,
}

impl Anchors {
    /// Judges the answer to `GET …/kms/<userId>` at the time `now`.
    ///
    /// # Errors
    /// Where anything at all is not as it must be.
    pub fn judge(&self, answer: &[u8], now: Time) -> Result<Server, Bad> {
        let served: Served =
            serde_json::from_slice(answer).map_err(|_| Bad("the static key is not well-formed"))?;
        let jwk: Jwk = serde_json::from_str(&served.rsa_public_key)
            .map_err(|_| Bad("the static key is no RSA key with a certificate"))?;
        if jwk.kty != "RSA" {
            return Err(Bad("the static key is not RSA"));
        }
        let host = messages::host(&jwk.kid).ok_or(Bad("the static key's kid is not kms://host"))?;
        if messages::host(&served.kms_cluster).as_ref() != Some(&host) {
            return Err(Bad("the static key is of another host than its cluster"));
        }
        if self.host.as_ref().is_some_and(|known| !known.eq_ignore_ascii_case(&host)) {
            return Err(Bad("the static key is of another host than configured"));
        }
        let chain = chain(&jwk.x5c)?;
        let (leaf, rest) = chain.split_first().ok_or(Bad("the static key has no certificate"))?;
        self.verify(leaf, rest, now)?;
        let (n, e) = subject(leaf, &host)?;
        if jose::decode(&jwk.n)? != n || jose::decode(&jwk.e)? != e {
            return Err(Bad("the static key is not the one of its certificate"));
        }
        let key = PublicKey::new(jwk.kid, n, e)?;
        let until = chain.iter().filter_map(|one| end(one)).min().unwrap_or(now);
        Ok(Server { destination: format!("kms://{host}"), host, key, until })
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: Time,
    ) -> Result<(), Bad> {
        let seconds = u64::try_from(now.as_ms() / 1_000).unwrap_or(0);
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let leaf = ParsedCertificate::try_from(leaf)
            .map_err(|_| Bad("the static key's certificate is not well-formed"))?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&leaf, &self.roots, rest, now, algorithms)
            .map_err(|error| explain(&error))
    }
}

fn explain(error: &Error) -> Bad {
    use rustls::CertificateError as Why;
    let Error::InvalidCertificate(why) = error else {
        return Bad("the static key's certificate cannot be verified");
    };
    Bad(match why {
        Why::Expired | Why::ExpiredContext { .. } => "the static key's certificate has expired",
        Why::NotValidYet | Why::NotValidYetContext { .. } => {
            "the static key's certificate is not valid yet"
        }
        // A stranger may bear an anchor's name; then it is the signature that is wrong.
        Why::UnknownIssuer | Why::BadSignature => {
            "the static key's certificate does not lead to a configured anchor"
        }
        _ => "the static key's certificate cannot be verified",
    })
}

fn chain(x5c: &[String]) -> Result<Vec<CertificateDer<'static>>, Bad> {
    if x5c.len() > LONGEST_CHAIN {
        return Err(Bad("the static key's chain is too long"));
    }
    // RFC 7517, 4.7: base64 with padding, not base64url.
    x5c.iter()
        .map(|text| STANDARD.decode(text).map(CertificateDer::from))
        .collect::<Result<_, _>>()
        .map_err(|_| Bad("the static key's chain is not base64"))
}

/// The modulus and the exponent of a certificate that names `host`.
fn subject(leaf: &CertificateDer<'_>, host: &str) -> Result<(Vec<u8>, Vec<u8>), Bad> {
    let malformed = Bad("the static key's certificate is not well-formed");
    let (rest, leaf) = X509Certificate::from_der(leaf).map_err(|_| malformed)?;
    if !rest.is_empty() {
        return Err(malformed);
    }
    if !names(&leaf, host)? {
        return Err(Bad("the static key's certificate names another host"));
    }
    match leaf.public_key().parsed() {
        Ok(SubjectKey::RSA(key)) => Ok((minimal(key.modulus), minimal(key.exponent))),
        _ => Err(Bad("the static key's certificate is not for an RSA key")),
    }
}

/// When a certificate ends.
fn end(certificate: &CertificateDer<'_>) -> Option<Time> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let seconds = certificate.validity().not_after.timestamp();
    Some(Time::from_ms(seconds.saturating_mul(1_000)))
}

/// Its alternative names, or the common name where it has none. No wildcards.
fn names(leaf: &X509Certificate<'_>, host: &str) -> Result<bool, Bad> {
    let alternative = leaf
        .subject_alternative_name()
        .map_err(|_| Bad("the static key's certificate is not well-formed"))?;
    let found = match alternative {
        Some(names) => names.value.general_names.iter().any(
            |name| matches!(name, GeneralName::DNSName(name) if name.eq_ignore_ascii_case(host)),
        ),
        None => {
            let mut common = leaf.subject().iter_common_name();
            common.any(|name| name.as_str().is_ok_and(|name| name.eq_ignore_ascii_case(host)))
        }
    };
    Ok(found)
}

fn minimal(number: &[u8]) -> Vec<u8> {
    number.iter().copied().skip_while(|byte| *byte == 0).collect()
}

#[cfg(test)]
#[path = "anchor_tests.rs"]
mod tests;
