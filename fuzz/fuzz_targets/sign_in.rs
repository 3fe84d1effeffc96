//! Fuzzes `calway_fuzz::sign_in`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| calway_fuzz::sign_in::check(data));
