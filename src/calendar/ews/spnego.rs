//! The envelope that Negotiate puts around Kerberos' tokens (SPNEGO, RFC 4178): one mechanism is
//! offered, so nothing is left to negotiate and no integrity code over the offer is needed.

/// Kerberos 5 (1.2.840.113554.1.2.2, RFC 4121), as DER.
const KERBEROS: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
/// Kerberos 5 by the number that old Windows has for it (1.2.840.48018.1.2.2), as DER.
const OLD_KERBEROS: &[u8] = b"\x06\x09\x2a\x86\x48\x82\xf7\x12\x01\x02\x02";
/// SPNEGO itself (1.3.6.1.5.5.2), as DER.
const SPNEGO: &[u8] = b"\x06\x06\x2b\x06\x01\x05\x05\x02";

const SEQUENCE: u8 = 0x30;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
/// `[APPLICATION 0]`: the first token of any GSS mechanism (RFC 2743 3.1).
const INITIAL: u8 = 0x60;
/// `[n]`, constructed.
const FIELD: u8 = 0xa0;

/// What the server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether it takes what was offered, as far as it says.
    pub accepted: Option<bool>,
    /// Kerberos' own token.
    pub token: Option<Vec<u8>>,
}

/// A `NegTokenInit` that offers Kerberos alone, with its first token.
pub fn offer(token: &[u8]) -> Vec<u8> {
    let mechanisms = element(FIELD, &element(SEQUENCE, KERBEROS));
    let token = element(FIELD + 2, &element(OCTETS, token));
    let init = element(FIELD, &element(SEQUENCE, &[mechanisms, token].concat()));
    element(INITIAL, &[SPNEGO, &init].concat())
}

/// Reads a `NegTokenResp`, or a token of Kerberos without an envelope. Nothing where it is neither.
pub fn read(message: &[u8]) -> Option<Answer> {
    let (tag, body) = whole(message)?;
    if tag == INITIAL {
        let bare = [KERBEROS, OLD_KERBEROS].iter().any(|mechanism| body.starts_with(mechanism));
        return bare.then(|| Answer { accepted: None, token: Some(message.to_vec()) });
    }
    if tag != FIELD + 1 {
        return None;
    }
    let (SEQUENCE, mut fields) = whole(body)? else { return None };
    let mut answer = Answer { accepted: None, token: None };
    while !fields.is_empty() {
        let (tag, value, rest) = split(fields)?;
        fields = rest;
        match (tag, whole(value)?) {
            // accept-completed, or accept-incomplete, request-mic and reject.
            (FIELD, (ENUMERATED, &[state])) => answer.accepted = Some(state == 0),
            (0xa2, (OCTETS, token)) => answer.token = Some(token.to_vec()),
            _ => {}
        }
    }
    Some(answer)
}

/// One element that fills all of the bytes.
fn whole(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (tag, value, rest) = split(bytes)?;
    rest.is_empty().then_some((tag, value))
}

/// The first element of DER: its tag, its value, and what follows it.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // Nothing that a header can carry needs more than three.
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((tag, value, rest))
}

fn element(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let digits = length.iter().position(|digit| *digit != 0).map_or(&[][..], |at| &length[at..]);
    let mut out = vec![tag];
    match digits {
        [] => out.push(0),
        [short] if *short < 0x80 => out.push(*short),
        // At most eight, as many as a length has.
        digits => {
            out.push(0x80 | u8::try_from(digits.len()).unwrap_or(8));
            out.extend_from_slice(digits);
        }
    }
    out.extend_from_slice(value);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `[1] { [0] state, [1] Kerberos, [2] token }`.
    fn response(state: u8, token: Option<&[u8]>) -> Vec<u8> {
        let state = element(FIELD, &element(ENUMERATED, &[state]));
        let mechanism = element(FIELD + 1, KERBEROS);
        let token = token.map(|token| element(FIELD + 2, &element(OCTETS, token)));
        let fields = [state, mechanism, token.unwrap_or_default()].concat();
        element(FIELD + 1, &element(SEQUENCE, &fields))
    }

    #[test]
    fn the_offer_is_what_rfc_4178_says() {
        let expected = b"\x60\x22\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x18\x30\x16\xa0\x0d\x30\x0b\
            \x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\xa2\x05\x04\x03abc";
        assert_eq!(offer(b"abc"), expected);
    }

    #[test]
    fn an_answer_is_read_with_and_without_its_envelope() {
        let answer = |accepted, token: Option<&[u8]>| {
            Some(Answer { accepted, token: token.map(<[u8]>::to_vec) })
        };
        assert_eq!(read(&response(0, Some(b"proof"))), answer(Some(true), Some(b"proof")));
        assert_eq!(read(&response(0, None)), answer(Some(true), None));
        assert_eq!(read(&response(2, None)), answer(Some(false), None), "rejected");
        let long = vec![7; 70_000];
        assert_eq!(read(&response(1, Some(&long))), answer(Some(false), Some(&long)));
        let bare = element(INITIAL, &[KERBEROS, b"\x02\x00proof"].concat());
        assert_eq!(read(&bare), answer(None, Some(&bare)));
        for wrong in [&b""[..], b"NTLMSSP\0\x02", &offer(b"x"), b"\xa1\x80", b"\xa1\x84\0\0\0\0"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
        let good = response(0, Some(b"proof"));
        for cut in 0..good.len() {
            assert_eq!(read(&good[..cut]), None, "{cut}");
        }
    }

    proptest! {
        #[test]
        fn junk_never_panics(
            junk in proptest::collection::vec(any::<u8>(), 0..100),
            at in 0..40_usize,
        ) {
            let _ = read(&junk);
            let mut bent = response(0, Some(b"a token"));
            let end = bent.len();
            for (place, byte) in bent[at.min(end)..].iter_mut().zip(&junk) {
                *place = *byte;
            }
            let _ = read(&bent);
        }

        #[test]
        fn what_is_offered_can_be_found_again(
            token in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            let written = offer(&token);
            let (tag, body) = whole(&written).unwrap();
            prop_assert_eq!(tag, INITIAL);
            let (_, init) = whole(&body[SPNEGO.len()..]).unwrap();
            let (_, fields) = whole(init).unwrap();
            let (_, _, rest) = split(fields).unwrap();
            let (_, octets) = whole(rest).unwrap();
            prop_assert_eq!(whole(octets), Some((OCTETS, &token[..])));
        }
    }
}
