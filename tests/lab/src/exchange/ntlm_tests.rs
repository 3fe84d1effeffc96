//! NTLMv2 against the worked example of MS-NLMP 4.2.4, and against answers altered one by one.

use super::*;

const NONCE: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
const NOW: u64 = 1_700_000_000_000;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| char::from(byte).to_digit(16).unwrap() as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn server(protection: ExtendedProtection) -> Server {
    Server {
        domain: "CORP".into(),
        dns_domain: "corp.example".into(),
        computer: "EX01".into(),
        protection,
        binding: channel_binding(&[7; 32]),
    }
}

/// The `temp` of the worked example: version, time 0, client nonce, target info, four zeros.
fn example_temp() -> Vec<u8> {
    let mut temp = hex("0101000000000000 0000000000000000 aaaaaaaaaaaaaaaa 00000000");
    pair(&mut temp, av::DOMAIN, &utf16("Domain"));
    pair(&mut temp, av::COMPUTER, &utf16("Server"));
    pair(&mut temp, av::EOL, &[]);
    temp.extend_from_slice(&[0; 4]);
    temp
}

#[test]
fn the_worked_example_of_ms_nlmp_4_2_4_holds() {
    let key = response_key("User", "Domain", "Password");
    assert_eq!(key[..], hex("0c868a403bfd7a93a3001ef22ef02e3f"));
    let proof = hmac_md5(&key, &[&NONCE, &example_temp()]);
    assert_eq!(proof[..], hex("68cd0ab851e51c96aabc927bebef6a1c"));
    let session = hmac_md5(&key, &[&proof]);
    assert_eq!(session[..], hex("8de40ccadbc14a82f15cb0ad0de95ca3"));
    assert_eq!(rc4(&session, [0x55; 16])[..], hex("c5dad2544fc9799094ce1ce90bc9d03e"));
}

#[test]
fn the_authenticate_message_of_ms_nlmp_4_2_4_3_is_accepted() {
    let mut answer =
        hex("4e544c4d53535000 03000000 180018006c000000 5400540084000000 0c000c0048000000 \
         0800080054000000 100010005c000000 10001000d8000000 358288e2 0501280a0000000f \
         44006f006d00610069006e00 5500730065007200 43004f004d0050005500540045005200 \
         86c35097ac9cec102554764a57cccc19 aaaaaaaaaaaaaaaa 68cd0ab851e51c96aabc927bebef6a1c");
    answer.extend_from_slice(&example_temp());
    answer.extend_from_slice(&hex("c5dad2544fc9799094ce1ce90bc9d03e"));
    let mut server = server(ExtendedProtection::Allow);
    server.domain = "Domain".into();
    server.computer = "Server".into();
    let mut challenge = Challenge::new(&server, &negotiate(), NONCE, 0).unwrap();
    // The example's challenge has no timestamp.
    challenge.message.truncate(56);
    let verdict = challenge.verify(&server, &answer, "Domain\\User", "Password");
    assert_eq!(verdict, Err(Refusal::WrongTarget), "its own target info is repeated");
    let mut info = Vec::new();
    pair(&mut info, av::DOMAIN, &utf16("Domain"));
    pair(&mut info, av::COMPUTER, &utf16("Server"));
    pair(&mut info, av::EOL, &[]);
    challenge.message.splice(40..48, [info.len() as u8, 0, info.len() as u8, 0, 56, 0, 0, 0]);
    challenge.message.extend_from_slice(&info);
    let verdict = challenge.verify(&server, &answer, "Domain\\User", "Password");
    assert_eq!(verdict, Ok(Proof { bound: false, mic: false }));
    let verdict = challenge.verify(&server, &answer, "Domain\\User", "password");
    assert_eq!(verdict, Err(Refusal::WrongPassword));
}

/// A Type 1 message.
pub(in crate::exchange) fn negotiate() -> Vec<u8> {
    let mut message = SIGNATURE.to_vec();
    message.extend_from_slice(&1u32.to_le_bytes());
    message.extend_from_slice(&(UNICODE | NTLM | KEY_EXCHANGE | STRONG).to_le_bytes());
    message.extend_from_slice(&[0; 16]);
    message
}

/// A client of the test's own: what a good answer holds, to be altered.
#[derive(Clone)]
pub(in crate::exchange) struct Client {
    pub(in crate::exchange) user: &'static str,
    pub(in crate::exchange) domain: &'static str,
    pub(in crate::exchange) password: &'static str,
    pub(in crate::exchange) binding: Option<[u8; 16]>,
    pub(in crate::exchange) mic: bool,
    pub(in crate::exchange) flags: u32,
}

pub(in crate::exchange) const GOOD: Client = Client {
    user: "svc-calway",
    domain: "CORP",
    password: "s3cret",
    binding: None,
    mic: true,
    flags: KEY_EXCHANGE,
};

impl Client {
    /// The Type 3 message to the Type 2 message `challenge`.
    pub(in crate::exchange) fn answer(&self, challenge: &[u8]) -> Vec<u8> {
        let own = read_field(challenge, 40).unwrap();
        let mut info = own[..own.len() - 4].to_vec();
        if self.mic {
            pair(&mut info, av::FLAGS, &FLAG_MIC.to_le_bytes());
        }
        if let Some(binding) = self.binding {
            pair(&mut info, av::CHANNEL_BINDINGS, &binding);
        }
        pair(&mut info, av::EOL, &[]);
        let mut temp = hex("0101000000000000");
        temp.extend_from_slice(find(own, av::TIMESTAMP).unwrap());
        temp.extend_from_slice(&hex("aaaaaaaaaaaaaaaa00000000"));
        temp.extend_from_slice(&info);
        temp.extend_from_slice(&[0; 4]);
        let key = response_key(self.user, self.domain, self.password);
        let proof = hmac_md5(&key, &[&challenge[24..32], &temp]);
        let session = hmac_md5(&key, &[&proof]);
        let exported = [0x55; 16];
        let response = [&proof[..], &temp].concat();
        let parts = [
            vec![0; 24],
            response,
            utf16(self.domain),
            utf16(self.user),
            utf16("CLIENT"),
            rc4(&session, exported).to_vec(),
        ];
        let mut message = SIGNATURE.to_vec();
        message.extend_from_slice(&3u32.to_le_bytes());
        let mut offset = MIC.end;
        for part in &parts {
            field(&mut message, part.len(), offset);
            offset += part.len();
        }
        message.extend_from_slice(&self.flags.to_le_bytes());
        message.extend_from_slice(&[10, 0, 0, 0, 0, 0, 0, 15]);
        message.extend_from_slice(&[0; 16]);
        message.extend(parts.concat());
        if self.mic {
            let key = if self.flags & KEY_EXCHANGE == 0 { session } else { exported };
            let mic = hmac_md5(&key, &[&negotiate(), challenge, &message]);
            message[MIC].copy_from_slice(&mic);
        }
        message
    }

    fn judged(&self, protection: ExtendedProtection) -> Result<Proof, Refusal> {
        let server = server(protection);
        let challenge = Challenge::new(&server, &negotiate(), NONCE, NOW).unwrap();
        let answer = self.answer(challenge.message());
        challenge.verify(&server, &answer, "CORP\\svc-calway", "s3cret")
    }
}

#[test]
fn names_are_taken_in_every_spelling_of_the_domain() {
    let judged = |user, domain| {
        Client { user, domain, ..GOOD }.judged(ExtendedProtection::Allow).map(|_| ())
    };
    assert_eq!(judged("SVC-Calway", "corp"), Ok(()));
    assert_eq!(judged("svc-calway", "corp.example"), Ok(()));
    assert_eq!(judged("svc-calway@corp.example", ""), Ok(()));
    assert_eq!(judged("svc-calway", "OTHER"), Err(Refusal::UnknownUser));
    assert_eq!(judged("svc-calwaz", "CORP"), Err(Refusal::UnknownUser));
    assert_eq!(judged("svc-calway@other.example", ""), Err(Refusal::UnknownUser));
}

#[test]
fn a_channel_binding_is_off_allowed_or_required() {
    use ExtendedProtection::{Allow, Off, Require};
    let right = Some(channel_binding(&[7; 32]));
    let wrong = Some(channel_binding(&[8; 32]));
    let judged = |binding, mode| Client { binding, ..GOOD }.judged(mode).map(|proof| proof.bound);
    assert_eq!(judged(None, Allow), Ok(false));
    assert_eq!(judged(Some([0; 16]), Allow), Ok(false), "sixteen zeros mean none");
    assert_eq!(judged(right, Allow), Ok(true));
    assert_eq!(judged(wrong, Allow), Err(Refusal::WrongBinding));
    assert_eq!(judged(None, Require), Err(Refusal::NoBinding));
    assert_eq!(judged(right, Require), Ok(true));
    assert_eq!(judged(wrong, Off), Ok(false));
}

#[test]
fn the_integrity_code_covers_all_three_messages() {
    let server = server(ExtendedProtection::Allow);
    let challenge = Challenge::new(&server, &negotiate(), NONCE, NOW).unwrap();
    for flags in [KEY_EXCHANGE, 0] {
        let client = Client { flags, ..GOOD };
        let answer = client.answer(challenge.message());
        let verify = |challenge: &Challenge, answer: &[u8]| {
            challenge.verify(&server, answer, "CORP\\svc-calway", "s3cret")
        };
        assert_eq!(verify(&challenge, &answer), Ok(Proof { bound: false, mic: true }));
        let mut altered = answer.clone();
        altered[MIC.start] ^= 1;
        assert_eq!(verify(&challenge, &altered), Err(Refusal::WrongMic));
        let mut altered = challenge.clone();
        altered.negotiate[12] ^= 2;
        assert_eq!(verify(&altered, &answer), Err(Refusal::WrongMic));
        let mut altered = challenge.clone();
        altered.message[48] ^= 1;
        assert_eq!(verify(&altered, &answer), Err(Refusal::WrongMic));
    }
    let without = Client { mic: false, ..GOOD };
    assert_eq!(without.judged(ExtendedProtection::Allow), Ok(Proof { bound: false, mic: false }));
}

#[test]
fn an_answer_cut_anywhere_is_refused_without_a_panic() {
    let server = server(ExtendedProtection::Allow);
    let challenge = Challenge::new(&server, &negotiate(), NONCE, NOW).unwrap();
    let answer = GOOD.answer(challenge.message());
    for length in 0..answer.len() {
        let verdict = challenge.verify(&server, &answer[..length], "CORP\\svc-calway", "s3cret");
        assert!(verdict.is_err(), "cut at {length}");
    }
    assert!(Challenge::new(&server, b"NTLMSSP\0\x01\0\0\0", NONCE, NOW).is_none());
    assert!(Challenge::new(&server, &answer, NONCE, NOW).is_none());
}

#[test]
fn the_other_nonce_and_the_old_protocols_are_refused() {
    let server = server(ExtendedProtection::Allow);
    let challenge = Challenge::new(&server, &negotiate(), NONCE, NOW).unwrap();
    let answer = GOOD.answer(challenge.message());
    let other = Challenge::new(&server, &negotiate(), [9; 8], NOW).unwrap();
    let verdict = other.verify(&server, &answer, "CORP\\svc-calway", "s3cret");
    assert_eq!(verdict, Err(Refusal::WrongPassword));
    let mut old = answer;
    old.splice(20..24, [24, 0, 24, 0]);
    let verdict = challenge.verify(&server, &old, "CORP\\svc-calway", "s3cret");
    assert_eq!(verdict, Err(Refusal::OldProtocol));
}
