//! `jwtkeeperctl secret generate`, run as a process: what it writes, with which rights, and what is left when it fails
//! or is killed. That the daemon takes what it writes is tested beside the daemon.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its figures"
)]

#[allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
mod support;

mod backup;
mod failures;
mod form;
mod readers;
mod rights;
