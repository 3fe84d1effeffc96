//! Fuzzes `calway_fuzz::jose`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| calway_fuzz::jose::check(data));
