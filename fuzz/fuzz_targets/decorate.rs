//! Fuzzes `calway_fuzz::decorate`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| calway_fuzz::decorate::check(data));
