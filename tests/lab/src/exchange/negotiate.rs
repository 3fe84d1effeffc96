//! The server's half of Negotiate (RFC 4559, SPNEGO of RFC 4178) with a ticket that is agreed
//! upon: no key server is simulated.

/// What the server takes, and what it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negotiate {
    /// The bytes that count as a good ticket.
    pub ticket: Vec<u8>,
    /// What shows who the server is.
    pub proof: Vec<u8>,
    /// A ticket is good for its request alone, as IIS has it where `authPersistNonNTLM` is off.
    pub each_request: bool,
}

const SPNEGO: &[u8] = b"\x06\x06\x2b\x06\x01\x05\x05\x02";
const KERBEROS: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";

impl Negotiate {
    /// Whether `token` offers Kerberos with the good ticket; `None` where it is no offer at all.
    pub fn judge(&self, token: &[u8]) -> Option<bool> {
        if token.first() != Some(&0x60) || !token.windows(SPNEGO.len()).any(|part| part == SPNEGO) {
            return None;
        }
        let mechanisms = der(0xa0, &der(0x30, KERBEROS));
        let ticket = der(0xa2, &der(0x04, &self.ticket));
        let init = der(0xa0, &der(0x30, &[mechanisms, ticket].concat()));
        Some(token == der(0x60, &[SPNEGO, &init].concat()))
    }

    /// What goes with the answer to the good ticket.
    pub fn answer(&self) -> Vec<u8> {
        let completed = der(0xa0, &[0x0a, 1, 0]);
        let mechanism = der(0xa1, KERBEROS);
        let proof = der(0xa2, &der(0x04, &self.proof));
        der(0xa1, &der(0x30, &[completed, mechanism, proof].concat()))
    }
}

fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match value.len() {
        short @ 0..=0x7f => out.push(short as u8),
        long => out.extend([0x82, (long >> 8) as u8, long as u8]),
    }
    out.extend_from_slice(value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_agreed_ticket_in_its_envelope_is_good() {
        let negotiate = Negotiate { ticket: b"abc".to_vec(), ..Negotiate::default() };
        let good = b"\x60\x22\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x18\x30\x16\xa0\x0d\x30\x0b\
            \x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\xa2\x05\x04\x03abc";
        assert_eq!(negotiate.judge(good), Some(true));
        let mut other = good.to_vec();
        other[35] = b'd';
        assert_eq!(negotiate.judge(&other), Some(false));
        assert_eq!(negotiate.judge(b"abc"), None);
    }
}
