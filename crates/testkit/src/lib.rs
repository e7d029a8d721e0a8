//! The kit of this workspace's tests: real daemons, real redis-servers with proxies before them,
//! scripted daemons for the clients, and realms in memory for the rules.

pub mod daemons;
pub mod fake;
pub mod pace;
pub mod servers;
pub mod world;
