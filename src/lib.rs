//! The daemon, floor by floor. A module imports only from lower floors (docs/architecture.md).

pub mod config;
pub mod denylist; // 4
pub mod jwt; // 2
pub mod keeper; // 5
pub mod keyring; // 3
pub mod process;
pub mod realm; // 3
pub mod server; // 7
pub mod words; // 1 // 6 // 8
