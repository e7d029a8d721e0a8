//! The rules of the product: no socket, and a clock that stands where it is put. One rollover comes
//! from its configuration.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests fail by panicking

mod configured;
mod key_faults;
mod key_files;
mod key_sets;
mod known_answers;
mod libraries;
mod lock;
mod oracle;
mod properties;
mod revocation;
mod rollover;
mod rules;
mod stack;
