//! Fuzzes `calway_fuzz::commands`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| calway_fuzz::commands::check(data));
