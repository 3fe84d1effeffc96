//! Fuzzes `calway_fuzz::notes`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| calway_fuzz::notes::check(data));
