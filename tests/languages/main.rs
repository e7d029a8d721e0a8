//! The session flow and the examples of every language, on real daemons: an app of each language is started as a
//! process and spoken to over HTTP. The cases stand in tests/session_flow.json, which says what an app must be like.
//!
//! Another language is one `#[test]` with `conforms`, and one with `examples_work`.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking, and prints its figures"
)]

#[allow(dead_code, reason = "shared with the tests of one daemon")]
mod app;
mod c;
mod cases;
mod conformance;
mod drive;
mod exchange;
mod go;
mod impostor;
mod layer;
mod node;
mod parallel;
mod passage;
mod php;
mod python;
mod restart;
mod ruby;
mod rust;
mod sessions;
mod stage;
mod tokens;
