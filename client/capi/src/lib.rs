//! libjwtkeeper: the blocking client behind a C ABI. include/jwtkeeper.h is its contract; it is written from this
//! crate by a test.
//!
//! No threads, no runtime, no globals, no calls back into the host. A panic ends in [`run`](reply::run); every other
//! function only reads what is there.

mod argument;
mod client;
mod config;
mod operations;
mod reply;
mod session;
mod show;
mod tables;
