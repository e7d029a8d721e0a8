//! The denylist stores: one suite for all of them, and for the embedded one what a disk, a crash or a second daemon
//! can do to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests fail by panicking

mod conformance;
mod corrupt;
mod disk;
mod faults;
mod files;
mod group;
mod load;
mod marks;
mod powercut;
mod reload;
mod support;
