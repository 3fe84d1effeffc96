//! The search for planted texts, in every disguise that a careless program might give them.
//!
//! Looked for: UTF-8 (as it is and in lower case), UTF-16 of both orders, percent-encoding, hex,
//! JSON escapes, and base64 (both alphabets, all three alignments) of the UTF-8 and UTF-16 forms.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Planted texts with all their disguises.
#[derive(Clone, Debug, Default)]
pub struct Canaries {
    needles: Vec<Needle>,
}

#[derive(Clone, Debug)]
struct Needle {
    text: String,
    disguise: &'static str,
    bytes: Vec<u8>,
}

/// Where a planted text was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The text.
    pub text: String,
    /// In which disguise.
    pub disguise: &'static str,
    /// In what.
    pub place: String,
}

impl Canaries {
    /// Plants texts. Each should be so odd that it cannot stand anywhere by chance.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut canaries = Self::default();
        for text in texts {
            canaries.plant(text);
        }
        canaries
    }

    /// Plants one more.
    pub fn plant(&mut self, text: &str) {
        assert!(text.chars().count() >= 6, "too short for a canary: {text:?}");
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let percent: String = text
            .bytes()
            .map(|b| match b {
                b if b.is_ascii_alphanumeric() => char::from(b).to_string(),
                b => format!("%{b:02X}"),
            })
            .collect();
        let escaped: String = text
            .chars()
            .map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) })
            .collect();
        let hex: String = text.bytes().map(|b| format!("{b:02x}")).collect();
        let mut add = |disguise, bytes: Vec<u8>| {
            let text = text.to_owned();
            if !self.needles.iter().any(|n| n.bytes == bytes) {
                self.needles.push(Needle { text, disguise, bytes });
            }
        };
        add("UTF-8", text.as_bytes().to_vec());
        add("lower case", text.to_lowercase().into_bytes());
        add("UTF-16LE", little.clone());
        add("UTF-16BE", big.clone());
        add("percent-encoding", percent.clone().into_bytes());
        add("percent-encoding", percent.to_lowercase().into_bytes());
        add("JSON escapes", escaped.into_bytes());
        add("hex", hex.to_uppercase().into_bytes());
        add("hex", hex.into_bytes());
        for form in [text.as_bytes(), &little, &big] {
            for shift in 0..3 {
                for bytes in based(form, shift) {
                    add("base64", bytes);
                }
            }
        }
    }

    /// All sightings in some bytes.
    pub fn search(&self, bytes: &[u8], place: &str) -> Vec<Sighting> {
        self.needles
            .iter()
            .filter(|needle| contains(bytes, &needle.bytes))
            .map(|needle| Sighting {
                text: needle.text.clone(),
                disguise: needle.disguise,
                place: place.to_owned(),
            })
            .collect()
    }

    /// All sightings in the files of a folder, below it too, but for what `skip` names.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn search_folder(
        &self,
        folder: &Path,
        skip: impl Fn(&Path) -> bool,
    ) -> io::Result<(usize, Vec<Sighting>)> {
        let (mut files, mut found) = (0, Vec::new());
        let mut folders: Vec<PathBuf> = vec![folder.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let path = entry?.path();
                if skip(&path) {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else if path.is_file() {
                    files += 1;
                    found.extend(self.search(&std::fs::read(&path)?, &path.to_string_lossy()));
                }
            }
        }
        Ok((files, found))
    }
}

/// The middle of the base64 of a text that begins at some place of a longer one: the characters
/// that its neighbours cannot change.
fn based(form: &[u8], shift: usize) -> Vec<Vec<u8>> {
    let mut padded = vec![0; shift];
    padded.extend_from_slice(form);
    let skip = [0, 2, 3].get(shift).copied().unwrap_or(0);
    let whole = padded.len() / 3 * 4;
    [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)]
        .iter()
        .filter_map(|text| text.as_bytes().get(skip..whole).map(<[u8]>::to_vec))
        .filter(|bytes| bytes.len() >= 6)
        .collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else { return false };
    let mut from = 0;
    while let Some(at) = haystack.get(from..).and_then(|tail| tail.iter().position(|b| b == first))
    {
        let start = from + at + 1;
        if haystack.get(start..start + rest.len()) == Some(rest) {
            return true;
        }
        from = start;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_disguise_is_seen() {
        let secret = "Projekt Käfer 7719";
        let canaries = Canaries::new([secret]);
        let little: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut disguised = vec![
            secret.as_bytes().to_vec(),
            secret.to_lowercase().into_bytes(),
            little.clone(),
            secret.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            b"Projekt%20K%C3%A4fer%207719".to_vec(),
            br"Projekt K\u00e4fer 7719".to_vec(),
        ];
        for before in ["", "x", "xy", "xyz"] {
            for form in [secret.as_bytes(), &little] {
                let text = [before.as_bytes(), form, b"tail"].concat();
                disguised.push(STANDARD_NO_PAD.encode(&text).into_bytes());
                disguised.push(URL_SAFE_NO_PAD.encode(&text).into_bytes());
            }
        }
        for (at, bytes) in disguised.iter().enumerate() {
            let buried = [b"noise noise", bytes.as_slice(), b"more"].concat();
            assert!(!canaries.search(&buried, "test").is_empty(), "disguise {at}");
        }
        assert_eq!(canaries.search(b"Projekt Kaefer 7719, and nothing else", "test"), []);
    }
}
