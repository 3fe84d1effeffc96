//! Fuzzes `calway_fuzz::ntlm`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| calway_fuzz::ntlm::check(data));
