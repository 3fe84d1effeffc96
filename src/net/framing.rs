//! Whole LDAP messages, and only sound ones: a guard before a parser that recurses without end and
//! waits for whatever length a message claims.
//!
//! **Promise.** What passes is a sequence of messages (RFC 4511, 4.1.1) of at most [`LONGEST`]
//! bytes each, nested at most [`DEEPEST`] deep, and [`MOST`] bytes in all; where Kerberos seals
//! them, sealed buffers (RFC 4752, 3.3) within the same lengths.

/// Bytes of one message; the largest entry of an Exchange server has some kilobytes.
pub(super) const LONGEST: usize = 4 << 20;
/// Levels of a message; a search result has five.
pub(super) const DEEPEST: usize = 32;
/// Bytes of a whole answer: a thousand entries of 16 KiB.
pub(super) const MOST: usize = 16 << 20;

/// What is wrong with what the directory says.
pub(super) const UNSOUND: &str = "LDAP: the directory's answer is malformed";
/// It says too much.
pub(super) const TOO_LONG: &str = "LDAP: the directory's answer is too long";

/// What came and is not a whole message yet.
#[derive(Debug)]
pub(super) struct Guard {
    kept: Vec<u8>,
    passed: usize,
    /// Sealed buffers may follow.
    sealed: bool,
}

impl Guard {
    /// `sealed`: the messages may be sealed by Kerberos after the sign-in; what is in them then
    /// comes from somebody who has the directory's own key.
    pub(super) fn new(sealed: bool) -> Self {
        Self { kept: Vec::new(), passed: 0, sealed }
    }

    /// Takes bytes in; gives what may pass.
    ///
    /// # Errors
    /// [`UNSOUND`] or [`TOO_LONG`]; nothing passes after that.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, &'static str> {
        self.kept.extend_from_slice(bytes);
        let mut whole = 0;
        while let Some(length) = self.next(whole)? {
            whole += length;
        }
        self.passed += whole;
        if self.passed > MOST {
            return Err(TOO_LONG);
        }
        Ok(self.kept.drain(..whole).collect())
    }

    /// The length of the message that begins there, if it is there to its end.
    fn next(&self, from: usize) -> Result<Option<usize>, &'static str> {
        let rest = self.kept.get(from..).unwrap_or_default();
        let Some(first) = rest.first() else { return Ok(None) };
        let (head, length) = match first {
            0x30 => match header(rest)? {
                Some((_, head, length)) => (head, length),
                None => return Ok(None),
            },
            // The length of a sealed buffer has four bytes, and begins with none of a message.
            0 if self.sealed => match rest.first_chunk::<4>() {
                Some(length) => {
                    (4, usize::try_from(u32::from_be_bytes(*length)).unwrap_or(LONGEST))
                }
                None => return Ok(None),
            },
            _ => return Err(UNSOUND),
        };
        if length > LONGEST {
            return Err(TOO_LONG);
        }
        let Some(content) = rest.get(head..head + length) else { return Ok(None) };
        match *first != 0x30 || is_message(content) {
            true => Ok(Some(head + length)),
            false => Err(UNSOUND),
        }
    }
}

/// The tag of an element, where its content begins, and how long that is; nothing where bytes are
/// missing. Tags have one byte here, as in all of LDAP.
fn header(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>, &'static str> {
    let (Some(tag), Some(first)) = (bytes.first(), bytes.get(1)) else { return Ok(None) };
    if tag & 0x1F == 0x1F {
        return Err(UNSOUND);
    }
    let more = match *first {
        short @ 0..0x80 => return Ok(Some((*tag, 2, usize::from(short)))),
        // An end that is told later is not allowed in LDAP (RFC 4511, 5.1).
        0x80 => return Err(UNSOUND),
        long => usize::from(long & 0x7F),
    };
    if more > 4 {
        return Err(TOO_LONG);
    }
    let Some(digits) = bytes.get(2..2 + more) else { return Ok(None) };
    let length = digits.iter().fold(0_usize, |sum, digit| sum << 8 | usize::from(*digit));
    Ok(Some((*tag, 2 + more, length)))
}

/// Whether this is the content of a message: its number, an answer, and perhaps controls, each
/// element within its parent and none too deep.
fn is_message(content: &[u8]) -> bool {
    let mut ends = vec![content.len()];
    let mut top = Vec::new();
    let mut at = 0;
    while let Some(&end) = ends.last() {
        if at == end {
            ends.pop();
            continue;
        }
        let Some(bytes) = content.get(at..end) else { return false };
        let Ok(Some((tag, head, length))) = header(bytes) else { return false };
        if length > bytes.len() - head {
            return false;
        }
        if ends.len() == 1 {
            top.push(tag);
        }
        at += head;
        match tag & 0x20 == 0 {
            true => at += length,
            false if ends.len() >= DEEPEST => return false,
            false => ends.push(at + length),
        }
    }
    // Bind, search entry, end, reference, extended, intermediate; controls, or what Active
    // Directory puts into their place when it hangs up.
    let answer = |tag: &u8| matches!(tag, 0x61 | 0x64 | 0x65 | 0x73 | 0x78 | 0x79);
    match top.as_slice() {
        [0x02, op] => answer(op),
        [0x02, op, controls] => answer(op) && matches!(controls, 0xA0 | 0x8A),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag, 0x84];
        out.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        out.extend(content);
        out
    }

    fn message(operation: Vec<u8>) -> Vec<u8> {
        element(0x30, &[vec![2, 1, 1], operation].concat())
    }

    fn nested(levels: usize) -> Vec<u8> {
        // Sequence and answer are two of them.
        let inner = (0..levels - 2).fold(Vec::new(), |inner, _| element(0x30, &inner));
        message(element(0x64, &inner))
    }

    #[test]
    fn whole_messages_pass_however_they_are_cut() {
        let short = [0x30, 0x0C, 2, 1, 1, 0x61, 7, 10, 1, 0, 4, 0, 4, 0];
        let all = [short.to_vec(), nested(5), message(element(0x65, &[10, 1, 0, 4, 0, 4, 0]))];
        let all = all.concat();
        for size in [1, 2, 3, 7, all.len()] {
            let mut guard = Guard::new(false);
            let mut passed = Vec::new();
            for piece in all.chunks(size) {
                passed.extend(guard.push(piece).unwrap());
            }
            assert_eq!(passed, all, "in pieces of {size}");
        }
        let mut guard = Guard::new(false);
        assert_eq!(guard.push(&short[..13]).unwrap(), [0; 0], "half a message is none");
    }

    #[test]
    fn a_message_that_is_nested_without_end_does_not_pass() {
        assert!(Guard::new(false).push(&nested(DEEPEST)).is_ok());
        for levels in [DEEPEST + 1, 10_000] {
            assert_eq!(Guard::new(false).push(&nested(levels)), Err(UNSOUND), "{levels}");
        }
    }

    #[test]
    fn a_message_without_end_is_not_waited_for() {
        for begin in [&[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF][..], &[0x30, 0x88, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(Guard::new(true).push(begin), Err(TOO_LONG), "{begin:?}");
        }
        assert_eq!(Guard::new(true).push(&[0, 0x50, 0, 0, 0]), Err(TOO_LONG));
        let mut guard = Guard::new(false);
        let entry = message(element(0x64, &element(4, &vec![b'x'; 1 << 20])));
        let passed = (0..100).take_while(|_| guard.push(&entry).is_ok()).count();
        assert_eq!(passed, 15, "sixteen megabytes in all");
    }

    #[test]
    fn what_is_no_answer_of_a_directory_does_not_pass() {
        for strange in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0],
            &[0x30, 3, 2, 1, 1],
            &[0x30, 5, 2, 1, 1, 0x60, 0],
            &[0x30, 5, 4, 1, 1, 0x61, 0],
            &[0x30, 7, 2, 1, 1, 0x61, 0, 0x30, 0],
            &[0x30, 6, 2, 1, 1, 0x61, 9, 0],
            &[0x30, 7, 2, 1, 1, 0x61, 2, 0x3F, 0],
            &[0, 0, 0, 1, 0],
        ] {
            assert_eq!(Guard::new(false).push(strange), Err(UNSOUND), "{strange:?}");
        }
    }

    #[test]
    fn sealed_buffers_pass_where_they_may_come() {
        let mut guard = Guard::new(true);
        let bind = message(element(0x61, &[10, 1, 0, 4, 0, 4, 0]));
        let all = [bind, vec![0, 0, 0, 3, 0xFF, 0xFF, 0xFF], vec![0, 0, 0, 0]].concat();
        let mut passed = Vec::new();
        for piece in all.chunks(3) {
            passed.extend(guard.push(piece).unwrap());
        }
        assert_eq!(passed, all);
    }
}
