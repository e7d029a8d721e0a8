//! Fleets of real daemons on real redis-servers, and what becomes of both in the field: what was acknowledged is
//! revoked on every host, and stays so.

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
mod acl;
mod away;
mod cluster;
mod clutter;
mod durable;
mod failover;
mod faults;
mod forged;
mod forgetful;
mod gem;
mod grounds;
mod health;
mod history;
mod hosts;
mod load;
mod moving;
mod network;
mod odd;
mod passwords;
mod reach;
mod realms;
mod refusals;
mod reshard;
mod rotate_race;
mod rotation_faults;
mod secure;
mod stage;
