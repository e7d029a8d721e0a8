//! The body is tests/fuzz/config.rs.

#![no_main]

#[path = "../../tests/fuzz/config.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
