//! Fuzzes `calway_fuzz::soap`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| calway_fuzz::soap::check(data));
