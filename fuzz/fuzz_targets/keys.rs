//! The body is tests/fuzz/keys.rs.

#![no_main]

#[path = "../../tests/fuzz/keys.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
