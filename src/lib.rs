//! The daemon: its configuration, its server and its process. The rules are in jwtkeeper-core, the stores in
//! jwtkeeper-store and jwtkeeper-redis. See docs/architecture.md.

pub mod config;
pub mod process;
pub mod server;
