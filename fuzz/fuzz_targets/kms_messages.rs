//! Fuzzes `calway_fuzz::kms`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| calway_fuzz::kms::check(data));
