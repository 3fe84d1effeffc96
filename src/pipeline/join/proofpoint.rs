//! Proofpoint's three ways to rewrite a link, of which it publishes the way back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::address::{Address, decoded};

/// In which order version 3 counts the characters that a run of stars stands for, from 2 on.
const RUNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The link before it was rewritten.
pub(super) fn read(address: &Address<'_>) -> Option<String> {
    let path = address.path.trim_start_matches('/');
    if path.starts_with("v1/") {
        decoded(address.value("u")?)
    } else if path.starts_with("v2/") {
        let text = address.value("u")?.replace('_', "/").replace('-', "%");
        decoded(&text)
    } else if path.starts_with("v3/") {
        let (_, rest) = address.whole.split_once("/v3/__")?;
        third(rest)
    } else {
        None
    }
}

/// `link__;characters!…`: what the link may not have was taken out and stands behind it, base64.
fn third(rest: &str) -> Option<String> {
    let (link, rest) = rest.split_once("__;")?;
    let (taken, _) = rest.split_once('!')?;
    let taken = URL_SAFE_NO_PAD.decode(taken.trim_end_matches('=')).ok()?;
    let taken = String::from_utf8(taken).ok()?;
    let (mut taken, mut out) = (taken.chars(), String::with_capacity(link.len() + taken.len()));
    let mut given = link.chars();
    while let Some(c) = given.next() {
        if c != '*' {
            out.push(c);
            continue;
        }
        let mut after = given.clone();
        let run = match after.next() {
            Some('*') => {
                let length = u8::try_from(after.next()?).ok()?;
                given = after;
                RUNS.iter().position(|own| *own == length)? + 2
            }
            _ => 1,
        };
        for _ in 0..run {
            out.push(taken.next()?);
        }
    }
    Some(out)
}
