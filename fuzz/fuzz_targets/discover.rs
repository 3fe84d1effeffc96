//! Fuzzes `calway_fuzz::discover`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| calway_fuzz::discover::check(data));
