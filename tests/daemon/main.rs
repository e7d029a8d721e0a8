//! The real daemon as a process, asked over its real socket, and made to suffer what happens in the field.

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

mod access;
mod activation;
mod audit;
mod cancel;
mod changes;
mod check;
mod clock_restarts;
mod crash;
mod crowds;
mod entries;
mod fixtures;
mod flood;
mod followed;
mod fork;
mod full_disk;
mod hangup;
mod hostile;
mod introspect;
mod limits;
mod lock_cookies;
mod log_floods;
mod logs;
mod lost_events;
mod manager;
mod memory;
mod messages;
mod metrics;
mod no_inotify;
mod operations;
mod redis_settings;
mod refused;
mod reload;
mod reload_report;
mod renamed;
mod renewal;
mod rollback;
mod rollover;
mod rotate_race;
mod rules;
mod secrecy;
mod secret;
mod skipped_keys;
mod start;
mod stop;
mod swaps;
mod syscalls;
mod trace;
