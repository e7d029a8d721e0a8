//! The body is tests/fuzz/reply.rs.

#![no_main]

#[path = "../../tests/fuzz/reply.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
