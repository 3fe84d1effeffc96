//! What a sign-in binds itself to: the server's end of the TLS channel (RFC 5929 section 4).

use aws_lc_rs::digest::{self, Algorithm};
use x509_parser::prelude::FromDer;
use x509_parser::signature_algorithm::SignatureAlgorithm;

/// `tls-server-end-point:` and the hash of the server's certificate, as GSS-API and NTLM want it.
///
/// Nothing where the certificate's signature has no hash of its own, as with Ed25519, or one that
/// nobody knows any more: RFC 5929
/// leaves that undefined, and a binding that the server computes otherwise is a wrong one. Exchange
/// takes none where Extended Protection is "Allow", and nobody where it is "Require".
pub(super) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let hash = digest::digest(end_point_hash(certificate)?, certificate);
    let mut data = b"tls-server-end-point:".to_vec();
    data.extend_from_slice(hash.as_ref());
    Some(data)
}

/// The hash of the certificate's signature; SHA-256 in place of MD5 and SHA-1.
fn end_point_hash(certificate: &[u8]) -> Option<&'static Algorithm> {
    let (_, certificate) = x509_parser::certificate::X509Certificate::from_der(certificate).ok()?;
    let algorithm = &certificate.signature_algorithm;
    let id = match algorithm.algorithm.to_id_string().as_str() {
        // RSASSA-PSS names its hash beside itself.
        "1.2.840.113549.1.1.10" => match SignatureAlgorithm::try_from(algorithm).ok()? {
            SignatureAlgorithm::RSASSA_PSS(parameters) => {
                parameters.hash_algorithm_oid().to_id_string()
            }
            _ => return None,
        },
        _ => algorithm.algorithm.to_id_string(),
    };
    match id.as_str() {
        // RSA (PKCS #1 1.5), ECDSA and DSA with SHA-384 and SHA-512, then the hashes themselves.
        "1.2.840.113549.1.1.12"
        | "1.2.840.10045.4.3.3"
        | "2.16.840.1.101.3.4.3.3"
        | "2.16.840.1.101.3.4.2.2" => Some(&digest::SHA384),
        "1.2.840.113549.1.1.13"
        | "1.2.840.10045.4.3.4"
        | "2.16.840.1.101.3.4.3.4"
        | "2.16.840.1.101.3.4.2.3" => Some(&digest::SHA512),
        "1.2.840.113549.1.1.11"
        | "1.2.840.10045.4.3.2"
        | "2.16.840.1.101.3.4.3.2"
        | "2.16.840.1.101.3.4.2.1" => Some(&digest::SHA256),
        "1.2.840.113549.1.1.14"
        | "1.2.840.10045.4.3.1"
        | "2.16.840.1.101.3.4.3.1"
        | "2.16.840.1.101.3.4.2.4" => Some(&digest::SHA224),
        // MD5, and SHA-1, which has an older name (OIW) that old tools of Windows write.
        "1.2.840.113549.1.1.4"
        | "1.2.840.113549.1.1.5"
        | "1.2.840.10045.4.1"
        | "1.2.840.10040.4.3"
        | "1.3.14.3.2.26"
        | "1.3.14.3.2.27"
        | "1.3.14.3.2.29" => Some(&digest::SHA256),
        _ => None,
    }
}
