//! The denylist stores: one suite for all of them, and for the embedded one what a disk, a crash or a second daemon
//! can do to it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints its figures"
)]

mod conformance;
mod corrupt;
mod crowd;
mod disk;
mod faults;
mod files;
mod fleet;
mod future;
mod group;
mod hostile;
mod idle;
mod killed;
mod load;
mod marks;
mod multitude;
mod poisoned;
mod powercut;
mod redis;
mod reload;
mod replaced;
mod scripts;
mod support;
