//! NTLM: an answer to any challenge at all is whole, and certificates of any form are bound or not.

use calway::calendar::ews::ntlm::{self, Account};
use calway::model::{Secret, Time};

/// `MIC` and what stands before it: the payload begins behind.
const HEAD: usize = 88;

/// Reads the bytes as a challenge and as a certificate.
pub fn check(bytes: &[u8]) {
    let _ = ntlm::channel_binding(bytes);
    let negotiate = ntlm::negotiate();
    let account = Account::parse(r"CORP\svc-calway");
    for binding in [None, Some([0x5a; 16])] {
        let (password, now) = (Secret::new("Sesam"), Time::from_ms(1_800_000_000_000));
        let answer = ntlm::authenticate(&negotiate, bytes, &account, &password, binding, now);
        if let Ok(message) = answer {
            is_whole(&message, bytes, binding);
        }
    }
}

/// Every field lies in the payload, and the server's own info comes back with what we add.
fn is_whole(message: &[u8], challenge: &[u8], binding: Option<[u8; 16]>) {
    assert!(message.starts_with(b"NTLMSSP\0\x03\0\0\0"));
    let mut end = HEAD;
    let mut fields = [&[][..]; 6];
    for (n, field) in fields.iter_mut().enumerate() {
        let at = 12 + 8 * n;
        let length = usize::from(u16_at(message, at));
        assert_eq!(u16_at(message, at), u16_at(message, at + 2));
        let offset =
            usize::from(u16_at(message, at + 4)) + (usize::from(u16_at(message, at + 6)) << 16);
        assert_eq!(offset, end, "the fields follow each other");
        end += length;
        *field = &message[offset..end];
    }
    assert_eq!(end, message.len());
    let [lm, nt, domain, user, workstation, session] = fields;
    assert_eq!(lm.len(), 24);
    assert_eq!((domain, user), (&utf16("CORP")[..], &utf16("svc-calway")[..]));
    assert!(workstation.is_empty() && session.is_empty());
    // [MS-NLMP] 2.2.2.7: 16 bytes of proof, 28 before the info, 4 zero bytes behind it.
    let offered = pairs(info_of(challenge));
    let sent = pairs(&nt[44..nt.len() - 4]);
    let kept = |pairs: &[(u16, Vec<u8>)]| -> Vec<(u16, Vec<u8>)> {
        pairs.iter().filter(|(id, _)| ![6, 10].contains(id)).cloned().collect()
    };
    assert_eq!(kept(&sent), kept(&offered));
    let flags: Vec<_> = sent.iter().filter(|(id, _)| *id == 6).collect();
    assert!(matches!(flags[..], [(_, flags)] if flags.len() == 4 && flags[0] & 2 != 0));
    let bound: Vec<_> =
        sent.iter().filter(|(id, _)| *id == 10).map(|(_, hash)| &hash[..]).collect();
    assert_eq!(bound, binding.iter().map(|hash| &hash[..]).collect::<Vec<_>>());
    let password = utf16("Sesam");
    let holds = |bytes: &[u8]| bytes.windows(password.len()).any(|part| part == password);
    assert!(!holds(message) || holds(challenge));
}

fn info_of(challenge: &[u8]) -> &[u8] {
    let length = usize::from(u16_at(challenge, 40));
    let offset = usize::from(u16_at(challenge, 44)) + (usize::from(u16_at(challenge, 46)) << 16);
    &challenge[offset..offset + length]
}

/// The pairs up to the end of the list, or of the bytes.
fn pairs(mut info: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut found = Vec::new();
    while info.len() >= 4 && u16_at(info, 0) != 0 {
        let length = usize::from(u16_at(info, 2));
        found.push((u16_at(info, 0), info[4..4 + length].to_vec()));
        info = &info[4 + length..];
    }
    found
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
