//! The output at a terminal, and without one, as in scripts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod confirm;
#[path = "../daemon/mod.rs"]
mod daemon;
mod health;
#[allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
mod pty;
mod watch;
