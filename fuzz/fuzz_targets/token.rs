//! The body is tests/fuzz/token.rs.

#![no_main]


#[path = "../../tests/fuzz/token.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
