//! `inspect`, against a real daemon for each reason, and against a scripted one for what that cannot be brought to say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../daemon/mod.rs"]
mod daemon;
#[allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
mod real;

mod scripted;
mod verdicts;
