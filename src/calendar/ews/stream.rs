//! Cuts the bytes of an open answer into whole envelopes, however they arrive.
//!
//! It knows as much XML as it takes to find where an element ends: tags with their quoted
//! attributes, comments, CDATA, processing instructions. It never looks for a name, as every
//! server writes the envelope with a prefix of its own.

use crate::model::Fault;

/// The longest envelope; a notification of 200 mailboxes has some hundred kilobytes.
pub const LONGEST: usize = 4 * 1024 * 1024;

/// Where the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Between marks.
    Text,
    /// After `<`.
    Open,
    /// In `<name …` or `</name`.
    Tag {
        closing: bool,
        /// The last character was `/`.
        slash: bool,
        quote: Option<u8>,
    },
    /// After `<!`, so many characters of `--` or `[CDATA[` seen.
    Bang { seen: usize },
    /// In a comment, so many `-` seen last.
    Comment { dashes: u8 },
    /// In CDATA, so many `]` seen last.
    Data { brackets: u8 },
    /// In `<?…`, whether `?` was seen last.
    Instruction { question: bool },
}

/// Gathers bytes until an envelope is whole.
#[derive(Debug)]
pub struct Splitter {
    at: At,
    depth: usize,
    /// What belongs to the next envelope so far.
    held: Vec<u8>,
    longest: usize,
    /// Comes before the first envelope, or each; three bytes of it seen at most.
    mark_bytes: usize,
}

impl Default for Splitter {
    fn default() -> Self {
        Self::new(LONGEST)
    }
}

const CDATA: &[u8] = b"[CDATA[";
const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

impl Splitter {
    /// A splitter that refuses envelopes of more than `longest` bytes.
    pub fn new(longest: usize) -> Self {
        Self { at: At::Text, depth: 0, held: Vec::new(), longest, mark_bytes: 0 }
    }

    /// Takes the bytes that came and gives the envelopes that they complete.
    ///
    /// # Errors
    /// Where what comes is no XML, or an envelope is too long; the stream is of no use any more.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, Fault> {
        let mut whole = Vec::new();
        for byte in bytes {
            if self.at == At::Text && self.depth == 0 && *byte != b'<' {
                self.between(*byte)?;
                continue;
            }
            if self.held.len() >= self.longest {
                return Err(Fault::retry("an envelope of the stream is too long"));
            }
            self.held.push(*byte);
            let ended = self.step(*byte)?;
            if ended && self.depth == 0 {
                let envelope = std::mem::take(&mut self.held);
                // Instructions and comments between envelopes are dropped.
                if begins_element(&envelope) {
                    whole.push(envelope);
                }
            }
        }
        Ok(whole)
    }

    /// How many bytes are held.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Between envelopes: white space and byte order marks.
    fn between(&mut self, byte: u8) -> Result<(), Fault> {
        if BYTE_ORDER_MARK.get(self.mark_bytes) == Some(&byte) {
            self.mark_bytes = (self.mark_bytes + 1) % BYTE_ORDER_MARK.len();
            return Ok(());
        }
        if self.mark_bytes == 0 && byte.is_ascii_whitespace() {
            return Ok(());
        }
        Err(no_xml())
    }

    /// Goes one byte on; true where a mark ended that may complete an envelope.
    fn step(&mut self, byte: u8) -> Result<bool, Fault> {
        self.at = match (self.at, byte) {
            (At::Text, b'<') => At::Open,
            (At::Text, _) => At::Text,
            (At::Open, b'!') => At::Bang { seen: 0 },
            (At::Open, b'?') => At::Instruction { question: false },
            (At::Open, b'/') => At::Tag { closing: true, slash: false, quote: None },
            (At::Open, b'>' | b'<' | b'"' | b'\'') => return Err(no_xml()),
            (At::Open, byte) if byte.is_ascii_whitespace() => return Err(no_xml()),
            (At::Open, _) => At::Tag { closing: false, slash: false, quote: None },
            (At::Tag { closing, slash, quote }, byte) => {
                return self.step_in_tag(closing, slash, quote, byte);
            }
            (At::Bang { seen }, byte) => At::bang(seen, byte)?,
            (At::Comment { dashes: 2 }, b'>') => return Ok(self.ended()),
            (At::Comment { dashes }, b'-') => {
                At::Comment { dashes: dashes.saturating_add(1).min(2) }
            }
            (At::Comment { .. }, _) => At::Comment { dashes: 0 },
            (At::Data { brackets: 2 }, b'>') => return Ok(self.ended()),
            (At::Data { brackets }, b']') => {
                At::Data { brackets: brackets.saturating_add(1).min(2) }
            }
            (At::Data { .. }, _) => At::Data { brackets: 0 },
            (At::Instruction { question: true }, b'>') => return Ok(self.ended()),
            (At::Instruction { .. }, byte) => At::Instruction { question: byte == b'?' },
        };
        Ok(false)
    }

    fn step_in_tag(
        &mut self,
        closing: bool,
        slash: bool,
        quote: Option<u8>,
        byte: u8,
    ) -> Result<bool, Fault> {
        match (quote, byte) {
            (Some(quote), byte) => {
                let quote = (quote != byte).then_some(quote);
                self.at = At::Tag { closing, slash: false, quote };
            }
            (None, b'"' | b'\'') => self.at = At::Tag { closing, slash: false, quote: Some(byte) },
            (None, b'<') => return Err(no_xml()),
            (None, b'>') => {
                if closing {
                    self.depth = self.depth.checked_sub(1).ok_or_else(no_xml)?;
                } else if !slash {
                    self.depth += 1;
                }
                return Ok(self.ended());
            }
            (None, byte) => self.at = At::Tag { closing, slash: byte == b'/', quote: None },
        }
        Ok(false)
    }

    fn ended(&mut self) -> bool {
        self.at = At::Text;
        true
    }
}

impl At {
    /// Only comments and CDATA begin with `<!`: SOAP 1.1 section 3 forbids a document type.
    fn bang(seen: usize, byte: u8) -> Result<Self, Fault> {
        match (seen, byte) {
            // `usize::MAX` stands for the first `-`.
            (0, b'-') => Ok(Self::Bang { seen: usize::MAX }),
            (usize::MAX, b'-') => Ok(Self::Comment { dashes: 0 }),
            (seen, byte) if CDATA.get(seen) == Some(&byte) => match seen + 1 {
                seen if seen == CDATA.len() => Ok(Self::Data { brackets: 0 }),
                seen => Ok(Self::Bang { seen }),
            },
            _ => Err(no_xml()),
        }
    }
}

fn begins_element(envelope: &[u8]) -> bool {
    !matches!(envelope.get(1), Some(b'!' | b'?') | None)
}

fn no_xml() -> Fault {
    Fault::retry("the stream is no XML")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Envelopes with whatever may confuse a reader that searches.
    const TRICKY: [&str; 6] = [
        "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><Body/></Envelope>",
        "<s:Envelope a=\"</s:Envelope>\" b='>'><s:Body>x > y</s:Body></s:Envelope >",
        "<SOAP:Envelope><!-- </SOAP:Envelope> - -- ><b> ---><![CDATA[</x>]] ]>]]]></SOAP:Envelope>",
        "<soap11:Envelope\n><?pi </soap11:Envelope> ? ?><a><Envelope/><Envelope></Envelope></a>\
         </soap11:Envelope>",
        "<e/>",
        "<e ä='ö'>\u{1f600}<f g=\"'\" h='\"/>'/>&amp;</e>",
    ];

    fn texts(envelopes: Vec<Vec<u8>>) -> Vec<String> {
        envelopes.into_iter().map(|bytes| String::from_utf8(bytes).expect("as it came")).collect()
    }

    fn split_all(bytes: &[u8]) -> Result<Vec<String>, Fault> {
        Splitter::default().push(bytes).map(texts)
    }

    #[test]
    fn envelopes_are_cut_where_they_end() {
        let joined = TRICKY.concat();
        assert_eq!(split_all(joined.as_bytes()).unwrap(), TRICKY);
        let prolog = "\u{feff}<?xml version=\"1.0\"?>\r\n <!-- hello -->\n";
        let joined: String =
            TRICKY.iter().map(|envelope| format!("{prolog}{envelope}\r\n")).collect();
        assert_eq!(split_all(joined.as_bytes()).unwrap(), TRICKY);
    }

    #[test]
    fn what_is_no_xml_is_told() {
        for bad in [
            "HTTP",
            "<a></a>x",
            "</a>",
            "< a>",
            "<>",
            "<'a></b c='>'>",
            "<\"a\">",
            "<a <b>",
            "<!DOCTYPE html>",
            "<![CDATX",
            "<!-x",
            "<a><![CDAtA[",
            "\u{feff}x",
            "<<",
        ] {
            assert_eq!(split_all(bad.as_bytes()), Err(no_xml()), "{bad}");
        }
    }

    #[test]
    fn an_envelope_that_does_not_end_is_refused_in_time() {
        let mut splitter = Splitter::new(1000);
        let mut fed = 0;
        let fault = loop {
            match splitter.push(b"<a>") {
                Ok(_) => fed += 3,
                Err(fault) => break fault,
            }
            assert!(fed <= 1000 && splitter.held() <= 1000);
        };
        assert_eq!(fault.cause.code, "an envelope of the stream is too long");
        // The limit is each envelope's own.
        let mut splitter = Splitter::new(100);
        for _ in 0..100 {
            assert_eq!(splitter.push(b"<a>0123456789</a>").unwrap().len(), 1);
        }
    }

    proptest! {
        #[test]
        fn cuts_change_nothing(
            picks in proptest::collection::vec(0..TRICKY.len(), 0..6),
            cuts in proptest::collection::vec(0..2000_usize, 0..40),
        ) {
            let expected: Vec<&str> = picks.iter().map(|pick| TRICKY[*pick]).collect();
            let bytes = expected.join("\r\n").into_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut splitter = Splitter::default();
            let mut found = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                found.extend(texts(splitter.push(&bytes[from..cut]).unwrap()));
                from = cut;
            }
            prop_assert_eq!(found, expected);
            prop_assert_eq!(splitter.held(), 0);
        }

        #[test]
        fn junk_never_panics_and_is_bounded(chunks in proptest::collection::vec(junk(), 0..60)) {
            let mut splitter = Splitter::new(256);
            for chunk in chunks {
                let pushed = splitter.push(&chunk);
                prop_assert!(splitter.held() <= 256);
                let Ok(envelopes) = pushed else { break };
                prop_assert!(envelopes.iter().all(|envelope| envelope.len() <= 256));
            }
        }
    }

    fn junk() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..20),
            proptest::collection::vec(
                proptest::sample::select(b"<>/!?-[]CDATA'\"= a\n\xef\xbb\xbf".to_vec()),
                0..30
            ),
        ]
    }
}
