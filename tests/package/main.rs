//! What operators install: the Debian packages, and the units in them, on a Debian whose own systemd is booted for each
//! test. The daemon runs as its package has it: that command line, that user, that sandbox.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a test fails by panicking"
)]

mod container;
mod contents;
mod install;
mod machine;
mod outlets;
mod packages;
mod restarts;
mod sandbox;
mod secrets;

pub use machine::Machine;
