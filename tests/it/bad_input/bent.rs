//! The promises that are fuzzed, with the fuzzer's own seeds: as they are, cut short, and bent.

use std::fmt;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::promises;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(root("fuzz/seeds").join(target)).expect("seeds");
    let mut seeds: Vec<_> = files
        .map(|file| file.expect("a seed").path())
        .map(|path| (path.clone(), std::fs::read(path).expect("a seed")))
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{target} has no seeds");
    seeds
}

/// The words of a libFuzzer dictionary.
fn words(dictionary: &str) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(root("fuzz/dict").join(dictionary)).expect("a dictionary");
    text.lines()
        .map(|line| {
            let mut rest = line.trim_matches('"').bytes();
            let mut word = Vec::new();
            while let Some(byte) = rest.next() {
                if byte != b'\\' {
                    word.push(byte);
                    continue;
                }
                assert_eq!(rest.next(), Some(b'x'));
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = String::from_utf8(digits).expect("digits");
                word.push(u8::from_str_radix(&digits, 16).expect("digits"));
            }
            word
        })
        .collect()
}

// What was found once stays found: findings become seeds.
#[test]
fn the_seeds_keep_every_promise() {
    for (target, check) in promises::ALL {
        for (path, seed) in seeds(target) {
            println!("{}", path.display());
            check(&seed);
            check(&[&seed[..], b"\n"].concat());
        }
    }
}

#[test]
fn truncated_anywhere_every_promise_is_kept() {
    for (target, check) in promises::ALL {
        for (_, seed) in seeds(target) {
            let step = seed.len() / 600 + 1;
            for end in (0..seed.len()).step_by(step) {
                check(&seed[..end]);
            }
        }
    }
}

/// One edit of a seed.
#[derive(Clone, Debug)]
enum Edit {
    Cut(Index, Index),
    Repeat(Index, Index),
    Insert(Index, Vec<u8>),
    Overwrite(Index, u8),
    End(Index),
}

impl Edit {
    fn make(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        let range = |a: &Index, b: &Index| {
            let (a, b) = (a.index(length + 1), b.index(length + 1));
            a.min(b)..a.max(b)
        };
        match self {
            Self::Cut(a, b) => drop(bytes.drain(range(a, b))),
            Self::Repeat(a, b) => {
                let range = range(a, b);
                let part = bytes[range.clone()].to_vec();
                bytes.splice(range.end..range.end, part);
            }
            Self::Insert(at, word) => {
                let at = at.index(length + 1);
                bytes.splice(at..at, word.iter().copied());
            }
            Self::Overwrite(at, byte) if length > 0 => bytes[at.index(length)] = *byte,
            Self::Overwrite(..) => {}
            Self::End(at) => bytes.truncate(at.index(length + 1)),
        }
    }
}

fn edit(dictionary: &str) -> impl Strategy<Value = Edit> + use<> {
    let index = any::<Index>;
    prop_oneof![
        2 => (index(), index()).prop_map(|(a, b)| Edit::Cut(a, b)),
        2 => (index(), index()).prop_map(|(a, b)| Edit::Repeat(a, b)),
        6 => (index(), select(words(dictionary))).prop_map(|(at, word)| Edit::Insert(at, word)),
        2 => (index(), any::<u8>()).prop_map(|(at, byte)| Edit::Overwrite(at, byte)),
        1 => index().prop_map(Edit::End),
    ]
}

/// Shown as text as far as it is one.
#[derive(Clone)]
struct Bytes(Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// A seed with some edits.
fn mutants(target: &str, dictionary: &str) -> impl Strategy<Value = Bytes> + use<> {
    let seeds: Vec<_> = seeds(target).into_iter().map(|(_, seed)| seed).collect();
    (select(seeds), vec(edit(dictionary), 1..6)).prop_map(|(mut bytes, edits)| {
        edits.iter().for_each(|edit| edit.make(&mut bytes));
        bytes.truncate(64 * 1024);
        Bytes(bytes)
    })
}

/// No bytes in particular.
fn junk() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..200).prop_map(Bytes)
}

fn keeps(cases: u32, dictionary: &str, target: &str) {
    let (_, check) = promises::ALL.into_iter().find(|(name, _)| *name == target).expect("known");
    let input = prop_oneof![4 => mutants(target, dictionary), 1 => junk()];
    // `CALWAY_BENT=100` plays a hundred times as many.
    let times = std::env::var("CALWAY_BENT").ok().and_then(|times| times.parse().ok());
    let cases = cases.saturating_mul(times.unwrap_or(1));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let run = runner.run(&input, |bytes| {
        check(&bytes.0);
        Ok(())
    });
    if let Err(why) = run {
        panic!("{target}: {why}");
    }
}

#[test]
fn bent_soap_keeps_its_promises() {
    keeps(1_500, "xml.dict", "soap");
}

#[test]
fn bent_streams_keep_their_promises() {
    keeps(1_000, "xml.dict", "stream");
}

#[test]
fn bent_jose_keeps_its_promises() {
    keeps(1_500, "jose.dict", "jose");
}

#[test]
fn bent_kms_messages_keep_their_promises() {
    keeps(1_500, "json.dict", "kms_messages");
}

#[test]
fn bent_commands_keep_their_promises() {
    keeps(1_500, "json.dict", "commands");
}

#[test]
fn bent_configurations_keep_their_promises() {
    keeps(700, "toml.dict", "config");
}

#[test]
fn bent_ntlm_keeps_its_promises() {
    keeps(1_500, "ntlm.dict", "ntlm");
}

#[test]
fn bent_offers_and_tokens_keep_their_promises() {
    keeps(1_500, "sign_in.dict", "sign_in");
}

#[test]
fn bent_searches_keep_their_promises() {
    keeps(1_500, "discover.dict", "discover");
}

#[test]
fn bent_invitations_keep_their_promises() {
    keeps(1_500, "join.dict", "join");
}

#[test]
fn bent_pages_keep_their_promises() {
    keeps(1_500, "html.dict", "notes");
}

#[test]
fn bent_decorations_keep_their_promises() {
    keeps(600, "decorate.dict", "decorate");
}
