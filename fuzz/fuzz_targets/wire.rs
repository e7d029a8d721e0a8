//! The body is tests/fuzz/wire.rs.

#![no_main]

#[path = "../../tests/fuzz/wire.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
