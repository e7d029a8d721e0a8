//! A daemon started for one test in a directory of its own, and what tests ask of it.

#![allow(unused_imports, reason = "each test binary uses a part")]

pub mod daemon;
#[path = "../../../client/tests/support/pace.rs"]
pub mod pace;
pub mod rounds;
pub mod wire;

pub use daemon::{Daemon, Setup, exit_of};
pub use pace::{PATIENCE, Random, pace, until, wait_for};
pub use rounds::Rounds;
pub use wire::Wire;
