//! Fuzzes `calway_fuzz::join`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| calway_fuzz::join::check(data));
