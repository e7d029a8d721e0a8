//! The daemon, floor by floor. A module imports only from lower floors: words and log_limit (1), jwt (2), keyring and realm (3),
//! denylist (4), keeper (5), config (6), server (7), process (8). See docs/architecture.md.

pub mod config;
pub mod denylist;
pub mod jwt;
pub mod keeper;
pub mod keyring;
pub mod log_limit;
pub mod process;
pub mod realm;
pub mod server;
pub mod words;
