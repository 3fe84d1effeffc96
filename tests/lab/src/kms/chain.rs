//! The key server's static key and the certificates that vouch for it, good and otherwise.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, SanType,
    date_time_ymd,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};

use super::faults::Fault;
use crate::jose::{RsaKey, RsaPublic};
use crate::tls::in_ten_days;

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// A root and an intermediate authority.
struct Authorities {
    root: Issuer,
    intermediate: Issuer,
}

impl Authorities {
    fn new(root_name: &str) -> Self {
        let key = || KeyPair::generate().expect("the system has randomness");
        let root = CertifiedIssuer::self_signed(authority(root_name), key())
            .expect("a root of fixed parameters");
        let params = authority(&format!("{root_name} Intermediate"));
        let intermediate = CertifiedIssuer::signed_by(params, key(), &root)
            .expect("an intermediate of fixed parameters");
        Self { root, intermediate }
    }

    fn issue(&self, host: &str, key: &RsaKey, last: (i32, u8, u8)) -> Vec<u8> {
        let der = PrivatePkcs8KeyDer::from(key.pkcs8());
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_RSA_SHA256)
            .expect("an RSA key just made");
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(host);
        params.subject_alt_names =
            vec![SanType::DnsName(host.try_into().expect("a host name is ASCII"))];
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(last.0, last.1, last.2);
        let leaf = params.signed_by(&key, &self.intermediate).expect("a leaf of fixed parameters");
        leaf.der().to_vec()
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2060, 1, 1);
    params
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// The static key of the key server on `host`.
pub(super) struct Statics {
    pub(super) key: RsaKey,
    host: String,
    authorities: Authorities,
    leaf: Vec<u8>,
}

/// Year, month and day.
const LAST: (i32, u8, u8) = (2059, 1, 1);

impl Statics {
    pub(super) fn new(host: &str) -> Self {
        let key = RsaKey::generate();
        let authorities = Authorities::new("Calway Lab KMS Root");
        let leaf = authorities.issue(host, &key, LAST);
        Self { key, host: host.into(), authorities, leaf }
    }

    /// The root that a client must be given.
    pub(super) fn anchor_pem(&self) -> String {
        self.authorities.root.pem()
    }

    /// The kid of the static key, and the address of the cluster.
    pub(super) fn kid(&self) -> String {
        format!("kms://{}", self.host)
    }

    /// The JWK: leaf and intermediate in x5c, the root left out; or what `fault` makes of it.
    pub(super) fn jwk(&self, fault: Option<&Fault>) -> Value {
        let intermediate = self.authorities.intermediate.der().to_vec();
        let issue = |host: &str, last| self.authorities.issue(host, &self.key, last);
        let chain = match fault {
            Some(Fault::NoChain) => Vec::new(),
            Some(Fault::ForeignChain) => {
                let foreign = Authorities::new("Calway Lab KMS Root");
                let leaf = foreign.issue(&self.host, &self.key, LAST);
                let (middle, root) = (foreign.intermediate.der(), foreign.root.der());
                vec![leaf, middle.to_vec(), root.to_vec()]
            }
            Some(Fault::MismatchedCertificate) => {
                let other = RsaKey::generate();
                vec![self.authorities.issue(&self.host, &other, LAST), intermediate]
            }
            Some(Fault::WrongHost) => vec![issue("elsewhere.invalid", LAST), intermediate],
            Some(Fault::Expired) => vec![issue(&self.host, (2021, 1, 1)), intermediate],
            Some(Fault::EndsSoon) => vec![issue(&self.host, in_ten_days()), intermediate],
            _ => vec![self.leaf.clone(), intermediate],
        };
        jwk(self.key.public(), &self.kid(), &chain)
    }
}

fn jwk(key: &RsaPublic, kid: &str, chain: &[Vec<u8>]) -> Value {
    let mut jwk = key.jwk();
    jwk["kid"] = json!(kid);
    if !chain.is_empty() {
        jwk["x5c"] = chain.iter().map(|der| STANDARD.encode(der)).collect();
    }
    jwk
}
