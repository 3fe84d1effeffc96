//! A certificate authority of the lab's own, and the TLS servers that present its certificates.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

/// The names under which every lab server can be reached on this machine.
pub const LOOPBACK: [&str; 3] = ["127.0.0.1", "::1", "localhost"];

/// The hash under which an [`Authority`] signs, which is what `tls-server-end-point` (RFC 5929)
/// hashes the certificate with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signature {
    /// ECDSA P-256 with SHA-256.
    #[default]
    Sha256,
    /// ECDSA P-384 with SHA-384.
    Sha384,
    /// ECDSA P-521 with SHA-512.
    Sha512,
    /// Ed25519, for which RFC 5929 defines no `tls-server-end-point`.
    Ed25519,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Variant {
    /// Nothing.
    #[default]
    Good,
    /// Its last day is past.
    Expired,
    /// Its last day is ten days from now.
    EndsSoon,
    /// Its first day is to come.
    NotYetValid,
    /// It names another host than the ones asked for.
    WrongName,
    /// It is its own issuer, so that no authority vouches for it.
    SelfSigned,
    /// It is its own issuer, and says that it is an authority.
    AuthorityItself,
    /// It was issued for clients.
    WrongPurpose,
    /// Its signature names a hash that nobody accepts any more.
    WeakSignature,
    /// An authority between it and the root issued it, whose certificate is not sent.
    NoIntermediate,
    /// An authority between it and the root issued it, whose last day is ten days from now.
    IntermediateEndsSoon,
}

/// A certificate, its key, and the chain up to but without the root.
#[derive(Debug)]
pub struct Leaf {
    /// The leaf's DER first.
    pub chain: Vec<CertificateDer<'static>>,
    /// PKCS #8.
    pub key: PrivateKeyDer<'static>,
    /// The hash of the certificate's signature.
    pub signature: Signature,
}

/// A root made for one run, or an authority below it; nothing outside the lab trusts it.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    signature: Signature,
    /// Those between it and the root, itself first.
    above: Vec<CertificateDer<'static>>,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// A root that signs with [`Signature::Sha256`].
    pub fn new() -> Self {
        Self::signing_with(Signature::Sha256)
    }

    /// A root that signs with `signature`.
    pub fn signing_with(signature: Signature) -> Self {
        let key = key_for(signature);
        let params = authority("Calway Lab Root");
        let certificate = params.self_signed(&key).expect("a root of fixed parameters");
        let pem = certificate.pem();
        Self { issuer: Issuer::new(params, key), pem, signature, above: Vec::new() }
    }

    /// An authority that this one vouches for, whose servers send its certificate with their own.
    pub fn intermediate(&self) -> Self {
        self.intermediate_until((2060, 1, 1))
    }

    fn intermediate_until(&self, (year, month, day): (i32, u8, u8)) -> Self {
        let key = key_for(self.signature);
        let mut params = authority("Calway Lab Intermediate");
        params.not_after = date_time_ymd(year, month, day);
        let certificate =
            params.signed_by(&key, &self.issuer).expect("an authority of fixed parameters");
        let mut above = vec![certificate.der().clone()];
        above.extend(self.above.iter().cloned());
        let (pem, signature) = (certificate.pem(), self.signature);
        Self { issuer: Issuer::new(params, key), pem, signature, above }
    }

    /// Its certificate, for a client's trust store.
    pub fn pem(&self) -> String {
        self.pem.clone()
    }

    /// A good certificate for `names` (DNS names or IP addresses).
    pub fn leaf(&self, names: &[&str]) -> Leaf {
        self.issue(names, Variant::Good)
    }

    /// A certificate for `names` with the fault `variant`.
    pub fn issue(&self, names: &[&str], variant: Variant) -> Leaf {
        if variant == Variant::NoIntermediate {
            let mut leaf = self.intermediate().leaf(names);
            leaf.chain.truncate(1);
            return leaf;
        }
        if variant == Variant::IntermediateEndsSoon {
            return self.intermediate_until(in_ten_days()).leaf(names);
        }
        let names = if variant == Variant::WrongName { &["elsewhere.invalid"][..] } else { names };
        let key = key_for(self.signature);
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.iter().map(|name| subject(name)).collect();
        params.distinguished_name = name(names.first().copied().unwrap_or("calway-lab"));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match variant {
            Variant::WrongPurpose => ExtendedKeyUsagePurpose::ClientAuth,
            _ => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        if variant == Variant::AuthorityItself {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params.use_authority_key_identifier_extension = true;
        let (first, last) = match variant {
            Variant::Expired => (2020, 2021),
            Variant::NotYetValid => (2058, 2059),
            _ => (2020, 2059),
        };
        params.not_before = date_time_ymd(first, 1, 1);
        params.not_after = date_time_ymd(last, 1, 1);
        if variant == Variant::EndsSoon {
            let (year, month, day) = in_ten_days();
            params.not_after = date_time_ymd(year, month, day);
        }
        let certificate = match variant {
            Variant::SelfSigned | Variant::AuthorityItself => params.self_signed(&key),
            _ => params.signed_by(&key, &self.issuer),
        }
        .expect("a leaf of fixed parameters");
        let mut chain = vec![match variant {
            Variant::WeakSignature => weakened(certificate.der()),
            _ => certificate.der().clone(),
        }];
        chain.extend(self.above.iter().cloned());
        Leaf {
            chain,
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            signature: self.signature,
        }
    }

    /// A server that speaks HTTP/1.1 with a good certificate for `names`.
    pub fn server_config(&self, names: &[&str]) -> Arc<ServerConfig> {
        self.leaf(names).server_config()
    }
}

impl Leaf {
    /// The certificate itself.
    pub fn der(&self) -> &[u8] {
        self.chain.first().map(AsRef::as_ref).unwrap_or_default()
    }

    /// The certificate itself as PEM, for a client's trust store.
    pub fn pem(&self) -> String {
        let text = STANDARD.encode(self.der());
        let lines: Vec<_> =
            text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
        let lines = lines.join("\n");
        format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
    }

    /// A server that presents this certificate, offers TLS 1.3 and 1.2 and ALPN `http/1.1` only.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config
                    .with_no_client_auth()
                    .with_single_cert(self.chain.clone(), self.key.clone_key())
            })
            .expect("a key and a certificate made for each other");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// A server that presents the certificate although it may not have its key, in these versions
    /// of TLS only.
    pub fn lying_config_of(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = provider.key_provider.load_private_key(self.key.clone_key());
        let pair = CertifiedKey::new(self.chain.clone(), key.expect("a key of the lab"));
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map(|config| config.with_no_client_auth())
            .expect("the provider's own versions");
        Arc::new(config.with_cert_resolver(Arc::new(SingleCertAndKey::from(pair))))
    }

    /// The data of the channel binding `tls-server-end-point:` (RFC 5929, section 4).
    pub fn end_point(&self) -> Vec<u8> {
        let algorithm = match self.signature {
            Signature::Sha256 => &aws_lc_rs::digest::SHA256,
            Signature::Sha384 => &aws_lc_rs::digest::SHA384,
            Signature::Sha512 | Signature::Ed25519 => &aws_lc_rs::digest::SHA512,
        };
        aws_lc_rs::digest::digest(algorithm, self.der()).as_ref().to_vec()
    }
}

/// Says of its signature that it is one of ECDSA with SHA-224 (1.2.840.10045.4.3.1).
fn weakened(certificate: &CertificateDer<'_>) -> CertificateDer<'static> {
    const ECDSA_WITH_SHA: [u8; 9] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3];
    let mut der = certificate.to_vec();
    let begins: Vec<usize> =
        (0..der.len()).filter(|at| der[*at..].starts_with(&ECDSA_WITH_SHA)).collect();
    for at in begins {
        der[at + ECDSA_WITH_SHA.len()] = 1;
    }
    der.into()
}

fn key_for(signature: Signature) -> KeyPair {
    let algorithm = match signature {
        Signature::Sha256 => &rcgen::PKCS_ECDSA_P256_SHA256,
        Signature::Sha384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        Signature::Sha512 => &rcgen::PKCS_ECDSA_P521_SHA512,
        Signature::Ed25519 => &rcgen::PKCS_ED25519,
    };
    KeyPair::generate_for(algorithm).expect("the system has randomness")
}

/// Year, month and day in UTC, ten days from now or a little later.
pub(crate) fn in_ten_days() -> (i32, u8, u8) {
    let then = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(241);
    let then = then.to_zoned(jiff::tz::TimeZone::UTC);
    (then.year().into(), then.month().unsigned_abs(), then.day().unsigned_abs())
}

fn authority(common: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(common);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2060, 1, 1);
    params
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

fn subject(name: &str) -> SanType {
    match name.parse() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(name.try_into().expect("a host name is ASCII")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{ServerName, UnixTime};

    fn verify(authority: &Authority, leaf: &Leaf, host: &str) -> Result<(), String> {
        let mut roots = rustls::RootCertStore::empty();
        let pem = authority.pem();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap()
            .verify_server_cert(
                &leaf.chain[0],
                &leaf.chain[1..],
                &ServerName::try_from(host).unwrap().to_owned(),
                &[],
                UnixTime::now(),
            )
            .map(|_| ())
            .map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn a_good_certificate_verifies_and_each_variant_fails_for_its_own_reason() {
        for signature in [Signature::Sha256, Signature::Sha384] {
            let authority = Authority::signing_with(signature);
            let judge = |variant| {
                let leaf = authority.issue(&["mail.corp.example", "127.0.0.1"], variant);
                verify(&authority, &leaf, "mail.corp.example").err().unwrap_or_default()
            };
            assert_eq!(judge(Variant::Good), "");
            assert!(judge(Variant::Expired).contains("Expired"));
            assert!(judge(Variant::NotYetValid).contains("NotValidYet"));
            assert!(judge(Variant::WrongName).contains("NotValidForName"));
            assert!(judge(Variant::SelfSigned).contains("UnknownIssuer"));
            assert!(judge(Variant::AuthorityItself).contains("CaUsedAsEndEntity"));
            assert!(judge(Variant::WrongPurpose).contains("InvalidPurpose"));
            assert!(judge(Variant::WeakSignature).contains("UnsupportedSignatureAlgorithm"));
            assert!(judge(Variant::NoIntermediate).contains("UnknownIssuer"));
            let leaf = authority.intermediate().leaf(&LOOPBACK);
            assert_eq!(verify(&authority, &leaf, "127.0.0.1"), Ok(()));
            let leaf = authority.leaf(&LOOPBACK);
            assert_eq!(verify(&authority, &leaf, "127.0.0.1"), Ok(()));
            let other = Authority::new();
            assert!(verify(&other, &leaf, "127.0.0.1").is_err());
        }
    }

    #[test]
    fn the_end_point_binding_hashes_with_the_signatures_own_hash() {
        assert_eq!(Authority::new().leaf(&LOOPBACK).end_point().len(), 32);
        let authority = Authority::signing_with(Signature::Sha384);
        assert_eq!(authority.leaf(&LOOPBACK).end_point().len(), 48);
    }
}
