//! The server's half of NTLMv2 (MS-NLMP): it writes the challenge and judges the answer.

use hmac::{Hmac, Mac};
use md4::{Digest, Md4};
use md5::Md5;

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
/// Windows' file time of 1970-01-01, in units of 100 ns since 1601.
const UNIX_EPOCH: u64 = 116_444_736_000_000_000;

const UNICODE: u32 = 0x0000_0001;
const REQUEST_TARGET: u32 = 0x0000_0004;
const SIGN: u32 = 0x0000_0010;
const SEAL: u32 = 0x0000_0020;
const NTLM: u32 = 0x0000_0200;
const ALWAYS_SIGN: u32 = 0x0000_8000;
const TARGET_TYPE_DOMAIN: u32 = 0x0001_0000;
const EXTENDED_SESSION_SECURITY: u32 = 0x0008_0000;
const TARGET_INFO: u32 = 0x0080_0000;
const VERSION: u32 = 0x0200_0000;
const STRONG: u32 = 0x2000_0000;
const KEY_EXCHANGE: u32 = 0x4000_0000;
const STRONG_56: u32 = 0x8000_0000;

/// Ids of the attribute-value pairs in a target info (MS-NLMP 2.2.2.1).
mod av {
    pub(super) const EOL: u16 = 0;
    pub(super) const COMPUTER: u16 = 1;
    pub(super) const DOMAIN: u16 = 2;
    pub(super) const DNS_COMPUTER: u16 = 3;
    pub(super) const DNS_DOMAIN: u16 = 4;
    pub(super) const DNS_TREE: u16 = 5;
    pub(super) const FLAGS: u16 = 6;
    pub(super) const TIMESTAMP: u16 = 7;
    pub(super) const CHANNEL_BINDINGS: u16 = 10;
}

/// In the pair `FLAGS`: the client adds a message integrity code.
const FLAG_MIC: u32 = 0x2;
/// Where the code stands in a Type 3 message, after eight fields, the flags and the version.
const MIC: std::ops::Range<usize> = 72..88;

/// What Exchange's front end does about channel bindings (Extended Protection).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExtendedProtection {
    /// Not looked at.
    Off,
    /// None passes, a wrong one does not.
    #[default]
    Allow,
    /// Only the right one passes.
    Require,
}

/// How the server calls itself in its challenge.
#[derive(Clone, Debug)]
pub struct Server {
    /// NetBIOS name of the domain, `CORP`.
    pub domain: String,
    /// DNS name of the domain, `corp.example`.
    pub dns_domain: String,
    /// NetBIOS name of the host, `EX01`.
    pub computer: String,
    /// What is asked of the client's channel binding.
    pub protection: ExtendedProtection,
    /// The 16 bytes a right channel binding carries; see [`channel_binding`].
    pub binding: [u8; 16],
}

/// Why an answer was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The bytes are not the message that is due.
    Malformed,
    /// The account is not the one that the server knows.
    UnknownUser,
    /// NTLMv1 or LM; only NTLMv2 is taken.
    OldProtocol,
    /// The proof does not follow from the password.
    WrongPassword,
    /// The channel binding is that of another TLS connection.
    WrongBinding,
    /// A channel binding is required and none came.
    NoBinding,
    /// The message integrity code is wrong.
    WrongMic,
    /// The target info is not the one of the challenge.
    WrongTarget,
}

/// What a good answer showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Whether the client bound itself to the TLS channel.
    pub bound: bool,
    /// Whether the messages carried an integrity code.
    pub mic: bool,
}

/// A challenge that waits for its answer on one connection.
#[derive(Clone, Debug)]
pub struct Challenge {
    nonce: [u8; 8],
    negotiate: Vec<u8>,
    message: Vec<u8>,
}

/// The kind of an NTLM message: 1 negotiate, 2 challenge, 3 authenticate.
pub fn kind(message: &[u8]) -> Option<u32> {
    if message.get(..8)? != SIGNATURE {
        return None;
    }
    u32_at(message, 8)
}

/// The MD5 of the `gss_channel_bindings_struct` for `tls-server-end-point` (RFC 4121, RFC 5929):
/// no addresses, and the prefix with the certificate's hash as application data.
pub fn channel_binding(end_point: &[u8]) -> [u8; 16] {
    let mut data = b"tls-server-end-point:".to_vec();
    data.extend_from_slice(end_point);
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut structure = vec![0; 16];
    structure.extend_from_slice(&length.to_le_bytes());
    structure.extend_from_slice(&data);
    Md5::digest(&structure).into()
}

impl Challenge {
    /// Answers the Type 1 message `negotiate` at `now_ms` (UNIX time).
    pub fn new(server: &Server, negotiate: &[u8], nonce: [u8; 8], now_ms: u64) -> Option<Self> {
        let asked = (kind(negotiate)? == 1).then(|| u32_at(negotiate, 12))??;
        let mut info = Vec::new();
        pair(&mut info, av::DOMAIN, &utf16(&server.domain));
        pair(&mut info, av::COMPUTER, &utf16(&server.computer));
        pair(&mut info, av::DNS_DOMAIN, &utf16(&server.dns_domain));
        let host = format!("{}.{}", server.computer.to_ascii_lowercase(), server.dns_domain);
        pair(&mut info, av::DNS_COMPUTER, &utf16(&host));
        pair(&mut info, av::DNS_TREE, &utf16(&server.dns_domain));
        let time = UNIX_EPOCH + now_ms * 10_000;
        pair(&mut info, av::TIMESTAMP, &time.to_le_bytes());
        pair(&mut info, av::EOL, &[]);
        let optional = SIGN | SEAL | ALWAYS_SIGN | STRONG | KEY_EXCHANGE | STRONG_56 | VERSION;
        let flags = (asked & optional)
            | UNICODE
            | REQUEST_TARGET
            | NTLM
            | TARGET_TYPE_DOMAIN
            | EXTENDED_SESSION_SECURITY
            | TARGET_INFO
            | VERSION;
        let name = utf16(&server.domain);
        let mut message = Vec::with_capacity(56 + name.len() + info.len());
        message.extend_from_slice(SIGNATURE);
        message.extend_from_slice(&2u32.to_le_bytes());
        field(&mut message, name.len(), 56);
        message.extend_from_slice(&flags.to_le_bytes());
        message.extend_from_slice(&nonce);
        message.extend_from_slice(&[0; 8]);
        field(&mut message, info.len(), 56 + name.len());
        // Windows Server 2022: 10.0, build 20348, NTLM revision 15.
        message.extend_from_slice(&[10, 0, 0x7c, 0x4f, 0, 0, 0, 15]);
        message.extend_from_slice(&name);
        message.extend_from_slice(&info);
        Some(Self { nonce, negotiate: negotiate.to_vec(), message })
    }

    /// The Type 2 message.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Judges the Type 3 message `answer` of `account` (`DOMAIN\user`) with `password`.
    pub fn verify(
        &self,
        server: &Server,
        answer: &[u8],
        account: &str,
        password: &str,
    ) -> Result<Proof, Refusal> {
        let authenticate = Authenticate::read(answer).ok_or(Refusal::Malformed)?;
        if !is_account(server, account, &authenticate.domain, &authenticate.user) {
            return Err(Refusal::UnknownUser);
        }
        if authenticate.response.len() <= 24 {
            return Err(Refusal::OldProtocol);
        }
        let (proof, temp) = authenticate.response.split_at(16);
        let key = response_key(&authenticate.user, &authenticate.domain, password);
        if hmac_md5(&key, &[&self.nonce, temp]) != proof {
            return Err(Refusal::WrongPassword);
        }
        // The target info follows the version, the time and the client's nonce.
        let info = temp.get(28..).ok_or(Refusal::Malformed)?;
        self.check_target(info)?;
        let bound = check_binding(server, info)?;
        let flags = find(info, av::FLAGS).and_then(|value| u32_at(value, 0)).unwrap_or(0);
        let mic = flags & FLAG_MIC != 0;
        if mic {
            let session = hmac_md5(&key, &[proof]);
            self.check_mic(&authenticate, answer, session)?;
        }
        Ok(Proof { bound, mic })
    }

    /// Whether the client repeats the pairs of the challenge, as a relayed answer would not.
    fn check_target(&self, info: &[u8]) -> Result<(), Refusal> {
        let own = read_field(&self.message, 40).unwrap_or_default();
        for id in [av::DOMAIN, av::COMPUTER, av::TIMESTAMP] {
            if find(own, id) != find(info, id) {
                return Err(Refusal::WrongTarget);
            }
        }
        Ok(())
    }

    fn check_mic(
        &self,
        authenticate: &Authenticate<'_>,
        answer: &[u8],
        session: [u8; 16],
    ) -> Result<(), Refusal> {
        let key = if authenticate.flags & KEY_EXCHANGE == 0 {
            session
        } else {
            let sealed: [u8; 16] =
                authenticate.session_key.try_into().map_err(|_| Refusal::Malformed)?;
            rc4(&session, sealed)
        };
        let sent = answer.get(MIC).ok_or(Refusal::Malformed)?;
        let mut blank = answer.to_vec();
        if let Some(place) = blank.get_mut(MIC) {
            place.fill(0);
        }
        if hmac_md5(&key, &[&self.negotiate, &self.message, &blank]) != sent {
            return Err(Refusal::WrongMic);
        }
        Ok(())
    }
}

fn check_binding(server: &Server, info: &[u8]) -> Result<bool, Refusal> {
    let sent = find(info, av::CHANNEL_BINDINGS).filter(|value| value.iter().any(|b| *b != 0));
    match (server.protection, sent) {
        (ExtendedProtection::Off, sent) => Ok(sent == Some(&server.binding[..])),
        (_, Some(sent)) if sent == server.binding => Ok(true),
        (_, Some(_)) => Err(Refusal::WrongBinding),
        (ExtendedProtection::Allow, None) => Ok(false),
        (ExtendedProtection::Require, None) => Err(Refusal::NoBinding),
    }
}

/// Whether `domain` and `user`, as a client sends them, name `account`: `CORP\user`,
/// `corp.example\user` or `user@corp.example`, in any case.
pub fn is_account(server: &Server, account: &str, domain: &str, user: &str) -> bool {
    let own = account.rsplit('\\').next().unwrap_or(account);
    let is_domain = |name: &str| {
        [&server.domain, &server.dns_domain].iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    match user.split_once('@') {
        Some((user, at)) => own.eq_ignore_ascii_case(user) && is_domain(at),
        None => own.eq_ignore_ascii_case(user) && (domain.is_empty() || is_domain(domain)),
    }
}

/// The fields of a Type 3 message that matter here.
struct Authenticate<'a> {
    response: &'a [u8],
    domain: String,
    user: String,
    session_key: &'a [u8],
    flags: u32,
}

impl<'a> Authenticate<'a> {
    fn read(message: &'a [u8]) -> Option<Self> {
        if kind(message)? != 3 {
            return None;
        }
        Some(Self {
            response: read_field(message, 20)?,
            domain: from_utf16(read_field(message, 28)?)?,
            user: from_utf16(read_field(message, 36)?)?,
            session_key: read_field(message, 52)?,
            flags: u32_at(message, 60)?,
        })
    }
}

/// `NTOWFv2`: the key that stands for the password of `user` in `domain`, as the client spells
/// the domain.
fn response_key(user: &str, domain: &str, password: &str) -> [u8; 16] {
    let hash = Md4::digest(utf16(password));
    hmac_md5(&hash, &[&utf16(&user.to_uppercase()), &utf16(domain)])
}

fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = <Hmac<Md5> as Mac>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn rc4<const N: usize>(key: &[u8; 16], mut data: [u8; N]) -> [u8; N] {
    let mut state: [u8; 256] = std::array::from_fn(|at| at as u8);
    let mut j = 0u8;
    for i in 0..=255u8 {
        j = j.wrapping_add(state[usize::from(i)]).wrapping_add(key[usize::from(i) % 16]);
        state.swap(i.into(), j.into());
    }
    let (mut i, mut j) = (0u8, 0u8);
    for byte in &mut data {
        i = i.wrapping_add(1);
        j = j.wrapping_add(state[usize::from(i)]);
        state.swap(i.into(), j.into());
        let at = state[usize::from(i)].wrapping_add(state[usize::from(j)]);
        *byte ^= state[usize::from(at)];
    }
    data
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn from_utf16(bytes: &[u8]) -> Option<String> {
    let units: Vec<u16> =
        bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// Writes length, room and offset of a payload.
fn field(out: &mut Vec<u8>, length: usize, offset: usize) {
    let length = u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&length);
    out.extend_from_slice(&u32::try_from(offset).unwrap_or(u32::MAX).to_le_bytes());
}

fn read_field(message: &[u8], at: usize) -> Option<&[u8]> {
    let length = usize::from(u16_at(message, at)?);
    let offset = usize::try_from(u32_at(message, at + 4)?).ok()?;
    message.get(offset..offset.checked_add(length)?)
}

fn pair(out: &mut Vec<u8>, id: u16, value: &[u8]) {
    out.extend_from_slice(&id.to_le_bytes());
    out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(value);
}

fn find(mut info: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (id, length) = (u16_at(info, 0)?, usize::from(u16_at(info, 2)?));
        let value = info.get(4..4 + length)?;
        if id == wanted {
            return Some(value);
        }
        if id == av::EOL {
            return None;
        }
        info = info.get(4 + length..)?;
    }
}

#[cfg(test)]
#[path = "ntlm_tests.rs"]
pub(super) mod tests;
