//! The daemon: its configuration, its server and its process. The rules are in jwtkeeper-core, the stores in
//! jwtkeeper-store and jwtkeeper-redis. See docs/architecture.md.

pub mod audit;
pub mod config;
pub mod files;
pub mod health;
pub mod metrics;
pub mod ops;
pub mod process;
pub mod reload;
pub mod server;
