//! Initialisation vectors for AES-GCM: none comes twice under one key.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::aead::NONCE_LEN;
use aws_lc_rs::rand;

use super::jose::Bad;

/// IVs of which none comes twice: the first is random, each other is the one before and one (SP
/// 800-38D, 8.2.2).
pub(super) struct Ivs {
    first: u128,
    given: AtomicU64,
}

impl Ivs {
    pub(super) fn new() -> Result<Self, Bad> {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes).map_err(|_| Bad("no randomness"))?;
        Ok(Self { first: u128::from_be_bytes(bytes), given: AtomicU64::new(0) })
    }

    pub(super) fn next(&self) -> [u8; NONCE_LEN] {
        let given = self.given.fetch_add(1, Ordering::Relaxed);
        let [_, _, _, _, iv @ ..] = self.first.wrapping_add(u128::from(given)).to_be_bytes();
        iv
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_last_of_all_ivs_comes_the_first() {
        let ivs = Ivs { first: u128::MAX, given: AtomicU64::new(0) };
        assert_eq!([ivs.next(), ivs.next(), ivs.next()].map(|iv| iv[11]), [0xff, 0, 1]);
    }
}
