//! The vectors of [MS-NLMP] 4.2.4, bindings computed elsewhere, and messages that are cut or wrong.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

const SERVER_CHALLENGE: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    integrity(key, parts).unwrap()
}

/// NTOWFv2 of the vectors' user, domain and password.
fn vector_key() -> [u8; 16] {
    ntlmclient::ntlm_v2_password_func(&Credentials {
        username: "User".into(),
        password: "Password".into(),
        domain: "Domain".into(),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pair(id: u16, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    push_pair(&mut out, id, value);
    out
}

/// A Type 2 message as the vectors' server would send it, with these pairs behind its names.
fn challenge(more: &[u8]) -> Vec<u8> {
    let info =
        [&pair(2, &utf16("Domain")), &pair(1, &utf16("Server")), more, &pair(AV_EOL, &[])].concat();
    let mut message = SIGNATURE.to_vec();
    message.extend_from_slice(&2_u32.to_le_bytes());
    message.extend_from_slice(&[0; 4]);
    message.extend_from_slice(&56_u32.to_le_bytes());
    // Flags that no list names are survived, too.
    message.extend_from_slice(&(OURS | 0x0000_0108).to_le_bytes());
    message.extend_from_slice(&SERVER_CHALLENGE);
    message.extend_from_slice(&[0; 8]);
    let length = u16::try_from(info.len()).unwrap().to_le_bytes();
    message.extend_from_slice(&length);
    message.extend_from_slice(&length);
    message.extend_from_slice(&56_u32.to_le_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&info);
    message
}

fn answer(challenge: &[u8], binding: Option<[u8; 16]>) -> Result<Vec<u8>, Fault> {
    let account = Account::parse("Domain\\User");
    let now = Time::from_ms(1_000);
    authenticate(&negotiate(), challenge, &account, &Secret::new("Password"), binding, now)
}

/// What field `n` of a Type 3 message points at.
fn field(message: &[u8], n: usize) -> &[u8] {
    let at = 12 + n * 8;
    let length = usize::from(u16_at(message, at).unwrap());
    let offset = usize::try_from(u32_at(message, at + 4).unwrap()).unwrap();
    &message[offset..offset + length]
}

#[test]
fn the_arithmetic_agrees_with_the_vectors() {
    let key = vector_key();
    assert_eq!(hex(&key), "0c868a403bfd7a93a3001ef22ef02e3f");
    let info = [pair(2, &utf16("Domain")), pair(1, &utf16("Server")), pair(AV_EOL, &[])].concat();
    let client = [&[1, 1][..], &[0; 6], &[0; 8], &[0xaa; 8], &[0; 4], &info, &[0; 4]].concat();
    let proof = hmac(&key, &[&SERVER_CHALLENGE, &client]);
    assert_eq!(hex(&proof), "68cd0ab851e51c96aabc927bebef6a1c");
}

#[test]
fn an_answer_proves_the_password_and_its_own_integrity() {
    let asked = challenge(&[]);
    let message = answer(&asked, None).unwrap();
    let response = field(&message, 1);
    let (proof, client) = response.split_at(16);
    let key = vector_key();
    assert_eq!(proof, hmac(&key, &[&SERVER_CHALLENGE, client]));
    assert_eq!(&client[..8], [1, 1, 0, 0, 0, 0, 0, 0]);
    let time = i64::from_le_bytes(client[8..16].try_into().unwrap());
    assert_eq!(time, UNIX_EPOCH + 10_000_000, "the time handed in, as the server names none");
    assert_eq!(field(&message, 2), utf16("Domain"));
    assert_eq!(field(&message, 3), utf16("User"));
    assert_eq!((field(&message, 4).len(), field(&message, 5).len()), (0, 0));
    assert_eq!(field(&message, 0).len(), 24);

    let session_key = hmac(&key, &[proof]);
    let mut zeroed = message.clone();
    zeroed[MIC].fill(0);
    assert_eq!(message[MIC], hmac(&session_key, &[&negotiate(), &asked, &zeroed]));
}

#[test]
fn the_answer_says_what_it_binds_itself_to() {
    let time = 0x01d9_1234_5678_9abc_i64.to_le_bytes();
    let more = [
        pair(AV_TIMESTAMP, &time),
        pair(AV_FLAGS, &1_u32.to_le_bytes()),
        pair(AV_CHANNEL_BINDINGS, &[9; 16]),
        pair(0x77, &[1, 2, 3]),
    ]
    .concat();
    let message = answer(&challenge(&more), Some([7; 16])).unwrap();
    let client = &field(&message, 1)[16..];
    assert_eq!(client[8..16], time);
    assert_eq!(field(&message, 0), [0; 24], "no LM response beside the server's time");
    let expected = [
        pair(2, &utf16("Domain")),
        pair(1, &utf16("Server")),
        pair(AV_TIMESTAMP, &time),
        pair(0x77, &[1, 2, 3]),
        pair(AV_FLAGS, &3_u32.to_le_bytes()),
        pair(AV_CHANNEL_BINDINGS, &[7; 16]),
        pair(AV_EOL, &[]),
        vec![0; 4],
    ]
    .concat();
    assert_eq!(client[28..], expected);
}

#[test]
fn the_first_message_has_room_for_a_version() {
    // [MS-NLMP] 2.2.1.1; gss-ntlmssp refuses the 32 bytes of those who leave it out.
    let message = negotiate();
    assert_eq!(message.len(), 40);
    assert_eq!(message[..12], *b"NTLMSSP\0\x01\0\0\0");
}

#[test]
fn an_account_is_named_in_either_form() {
    let account = |domain: &str, user: &str| Account { domain: domain.into(), user: user.into() };
    assert_eq!(Account::parse("CORP\\svc"), account("CORP", "svc"));
    assert_eq!(Account::parse("svc@corp.example"), account("", "svc@corp.example"));
    assert_eq!(Account::parse("svc"), account("", "svc"));
}

/// A name, the binding, the certificate.
fn bindings() -> Vec<(String, Option<String>, Vec<u8>)> {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/ews/bindings.txt"));
    let blocks = text.split("\n\n").skip(1);
    let read = |block: &str| {
        let mut lines = block.lines();
        let (name, binding) = (lines.next().unwrap(), lines.next().unwrap());
        let certificate = STANDARD.decode(lines.collect::<String>()).unwrap();
        (name.to_owned(), (binding != "none").then(|| binding.to_owned()), certificate)
    };
    blocks.map(read).collect()
}

#[test]
fn a_channel_is_bound_by_the_hash_of_its_certificates_signature() {
    let bindings = bindings();
    assert_eq!(bindings.len(), 23);
    for (name, expected, certificate) in bindings {
        assert_eq!(channel_binding(&certificate).map(|binding| hex(&binding)), expected, "{name}");
    }
    assert_eq!(channel_binding(b"no certificate"), None);
}

#[test]
fn a_challenge_that_cannot_be_answered_is_refused() {
    let good = challenge(&[]);
    let with = |at: usize, bytes: &[u8]| {
        let mut message = good.clone();
        message[at..at + bytes.len()].copy_from_slice(bytes);
        message
    };
    for (what, message) in [
        ("signature", with(0, b"X")),
        ("kind", with(8, &[1])),
        ("no Unicode", with(20, &[0])),
        ("info beyond the end", with(44, &[0xff, 0xff, 0xff, 0xff])),
        ("info too long", with(40, &[0xff, 0xff])),
        ("pair beyond the info", with(58, &[0xff])),
    ] {
        let fault = answer(&message, None).unwrap_err();
        assert_eq!(fault.next, crate::model::Next::BackOff { after: None }, "{what}");
    }
    for cut in 0..good.len() - 1 {
        let _ = answer(&good[..cut], None);
    }
}

proptest! {
    #[test]
    fn junk_never_panics(
        junk in proptest::collection::vec(any::<u8>(), 0..200),
        from in 0..100_usize,
    ) {
        let _ = answer(&junk, None);
        let mut message = challenge(&[]);
        let to = message.len().min(from + junk.len());
        if from < to {
            message[from..to].copy_from_slice(&junk[..to - from]);
        }
        let _ = answer(&message, Some([0; 16]));
        let _ = channel_binding(&junk);
    }
}
