//! The rules of jwtkeeper: tokens, keys, realms, the denylist's entries, and the operations on them. Nothing here
//! opens a file or a socket, reads a clock or needs a runtime: callers pass in bytes and times.

pub mod denylist;
pub mod jwt;
pub mod keeper;
pub mod keyring;
pub mod realm;
pub mod types;
