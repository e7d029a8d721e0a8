//! The process: arguments, clock, log, hardening, signals, and the life from start to stop.

mod activation;
mod args;
mod check;
mod clock;
mod dev;
mod failure;
mod harden;
mod journal;
mod life;
mod log;
mod metrics;
mod notify;
mod output;
mod readiness;
mod state;

pub use args::Args;
pub use failure::Failure;
pub use harden::hold_signals;
pub use life::run;
