//! NTLMv2 ([MS-NLMP]) with the channel binding of RFC 5929; the client's half, no sockets.
//!
//! The arithmetic of the answer is `ntlmclient`'s. Its reader panics on flags that it does not
//! know and its writer sends a session key along, so messages are read and written here; its
//! `Credentials` show the password under `Debug` and are not wiped, so they live for one call, in
//! a place that wipes them.

use hmac::{Hmac, Mac};
use md5::{Digest, Md5};
use ntlmclient::{Credentials, respond_challenge_ntlm_v2};
use zeroize::Zeroize;

use super::channel;
use super::sign_in::{not_here, refused};
use crate::model::{Fault, Secret, Time};

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
/// 1970-01-01 in Windows' file time, units of 100 ns since 1601.
const UNIX_EPOCH: i64 = 116_444_736_000_000_000;
/// The longest target info that is answered; a real one has a few hundred bytes.
const LONGEST_INFO: usize = 8 * 1024;

const UNICODE: u32 = 0x0000_0001;
const REQUEST_TARGET: u32 = 0x0000_0004;
const NTLM: u32 = 0x0000_0200;
const ALWAYS_SIGN: u32 = 0x0000_8000;
const EXTENDED_SESSION_SECURITY: u32 = 0x0008_0000;
const TARGET_INFO: u32 = 0x0080_0000;
const STRONG_128: u32 = 0x2000_0000;
const STRONG_56: u32 = 0x8000_0000;
const OURS: u32 = UNICODE
    | REQUEST_TARGET
    | NTLM
    | ALWAYS_SIGN
    | EXTENDED_SESSION_SECURITY
    | TARGET_INFO
    | STRONG_128
    | STRONG_56;

/// Ids of attribute-value pairs ([MS-NLMP] 2.2.2.1).
const AV_EOL: u16 = 0;
const AV_FLAGS: u16 = 6;
const AV_TIMESTAMP: u16 = 7;
const AV_CHANNEL_BINDINGS: u16 = 10;
/// In `AV_FLAGS`: the answer carries a message integrity code.
const FLAG_MIC: u32 = 0x2;
/// Where the code stands: after eight fields, the flags and the version.
const MIC: std::ops::Range<usize> = 72..88;

/// An account's name as NTLM wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    domain: String,
    user: String,
}

impl Account {
    /// `DOMAIN\user`, or `user@domain`, which stays whole in the user's place.
    pub fn parse(text: &str) -> Self {
        let (domain, user) = text.split_once('\\').unwrap_or(("", text));
        Self { domain: domain.to_owned(), user: user.to_owned() }
    }
}

/// The Type 1 message.
pub fn negotiate() -> Vec<u8> {
    let mut message = SIGNATURE.to_vec();
    message.extend_from_slice(&1_u32.to_le_bytes());
    message.extend_from_slice(&OURS.to_le_bytes());
    // No domain, no workstation, no version.
    message.resize(40, 0);
    message
}

/// The Type 3 message that answers `challenge`, which answered `negotiate`.
///
/// # Errors
/// [`Next::SignIn`](crate::model::Next) where the challenge cannot be answered with NTLMv2.
pub fn authenticate(
    negotiate: &[u8],
    challenge: &[u8],
    account: &Account,
    password: &Secret,
    binding: Option<[u8; 16]>,
    now: Time,
) -> Result<Vec<u8>, Fault> {
    let offered =
        Challenge::read(challenge).ok_or_else(|| not_here("unreadable NTLM challenge"))?;
    let info = offered.answer_info(binding);
    let time = offered.timestamp().unwrap_or_else(|| file_time(now));
    let credentials = Wiped::new(account, password);
    let mut response = respond_challenge_ntlm_v2(offered.nonce, &info, time, &credentials.0);
    drop(credentials);
    if offered.timestamp().is_some() {
        // [MS-NLMP] 3.1.5.1.2: where the server names the time there is no LM response.
        response.lm_response = vec![0; 24];
    }
    let mut message = write(&offered, account, &response.lm_response, &response.ntlm_response)
        .ok_or_else(|| refused("the account's name is too long for NTLM"))?;
    let code = integrity(&response.session_key, &[negotiate, challenge, &message]);
    response.session_key.zeroize();
    if let (Some(place), Some(code)) = (message.get_mut(MIC), code) {
        place.copy_from_slice(&code);
    }
    Ok(message)
}

/// The credentials for one answer; wiped however that ends.
struct Wiped(Credentials);

impl Wiped {
    fn new(account: &Account, password: &Secret) -> Self {
        Self(Credentials {
            username: account.user.clone(),
            password: password.reveal().to_owned(),
            domain: account.domain.clone(),
        })
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.password.zeroize();
    }
}

/// The binding to the channel with this certificate: the MD5 of a GSS channel binding structure
/// without addresses ([MS-NLMP] 2.2.2.1, RFC 2744 3.11). Nothing where RFC 5929 defines none.
pub fn channel_binding(certificate: &[u8]) -> Option<[u8; 16]> {
    let data = channel::end_point(certificate)?;
    let mut structure = vec![0; 16];
    structure.extend_from_slice(&u32::try_from(data.len()).ok()?.to_le_bytes());
    structure.extend_from_slice(&data);
    Some(Md5::digest(&structure).into())
}

struct Challenge<'a> {
    flags: u32,
    nonce: [u8; 8],
    pairs: Vec<(u16, &'a [u8])>,
}

impl<'a> Challenge<'a> {
    fn read(message: &'a [u8]) -> Option<Self> {
        if message.get(..8)? != SIGNATURE || u32_at(message, 8)? != 2 {
            return None;
        }
        let flags = u32_at(message, 20)?;
        let nonce = message.get(24..32)?.try_into().ok()?;
        let length = usize::from(u16_at(message, 40)?);
        let offset = usize::try_from(u32_at(message, 44)?).ok()?;
        if length > LONGEST_INFO || flags & UNICODE == 0 {
            return None;
        }
        let mut info = message.get(offset..offset.checked_add(length)?)?;
        let mut pairs = Vec::new();
        while let (Some(id), Some(length)) = (u16_at(info, 0), u16_at(info, 2)) {
            if id == AV_EOL {
                break;
            }
            let (value, rest) = info.get(4..)?.split_at_checked(usize::from(length))?;
            pairs.push((id, value));
            info = rest;
        }
        Some(Self { flags, nonce, pairs })
    }

    fn timestamp(&self) -> Option<i64> {
        let (_, value) = self.pairs.iter().find(|(id, _)| *id == AV_TIMESTAMP)?;
        Some(i64::from_le_bytes((*value).try_into().ok()?))
    }

    /// The target info of the answer: the server's own, with the flag for the integrity code and
    /// the channel binding. The four zero bytes after it are the caller's.
    fn answer_info(&self, binding: Option<[u8; 16]>) -> Vec<u8> {
        let mut info = Vec::new();
        let mut flags = FLAG_MIC;
        for (id, value) in &self.pairs {
            match *id {
                AV_FLAGS => flags |= u32_at(value, 0).unwrap_or(0),
                AV_CHANNEL_BINDINGS => {}
                id => push_pair(&mut info, id, value),
            }
        }
        push_pair(&mut info, AV_FLAGS, &flags.to_le_bytes());
        if let Some(binding) = binding {
            push_pair(&mut info, AV_CHANNEL_BINDINGS, &binding);
        }
        push_pair(&mut info, AV_EOL, &[]);
        info
    }
}

fn push_pair(info: &mut Vec<u8>, id: u16, value: &[u8]) {
    let Ok(length) = u16::try_from(value.len()) else {
        return;
    };
    info.extend_from_slice(&id.to_le_bytes());
    info.extend_from_slice(&length.to_le_bytes());
    info.extend_from_slice(value);
}

/// The Type 3 message with a zero integrity code ([MS-NLMP] 2.2.1.3).
fn write(challenge: &Challenge<'_>, account: &Account, lm: &[u8], nt: &[u8]) -> Option<Vec<u8>> {
    let mut message = SIGNATURE.to_vec();
    message.extend_from_slice(&3_u32.to_le_bytes());
    let (domain, user) = (utf16(&account.domain), utf16(&account.user));
    let mut payload = Vec::new();
    // LM, NT, domain, user, workstation, session key.
    for field in [lm, nt, &domain, &user, &[], &[]] {
        let length = u16::try_from(field.len()).ok()?;
        let offset = u32::try_from(MIC.end + payload.len()).ok()?;
        message.extend_from_slice(&length.to_le_bytes());
        message.extend_from_slice(&length.to_le_bytes());
        message.extend_from_slice(&offset.to_le_bytes());
        payload.extend_from_slice(field);
    }
    message.extend_from_slice(&(challenge.flags & OURS).to_le_bytes());
    message.resize(MIC.end, 0);
    message.extend_from_slice(&payload);
    Some(message)
}

fn integrity(key: &[u8], messages: &[&[u8]]) -> Option<[u8; 16]> {
    let mut mac = Hmac::<Md5>::new_from_slice(key).ok()?;
    for message in messages {
        mac.update(message);
    }
    Some(mac.finalize().into_bytes().into())
}

fn file_time(now: Time) -> i64 {
    now.as_ms().saturating_mul(10_000).saturating_add(UNIX_EPOCH)
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
#[path = "ntlm_tests.rs"]
mod tests;
