//! Floor 7: the socket and what speaks on it: listener, peers, connections, dispatch. Everything is bounded, by the
//! limits of the snapshot in force.

mod accept;
mod census;
mod connection;
mod context;
mod cookie;
mod dispatch;
mod health;
mod inbox;
mod listener;
mod probe;
mod rate;
mod reply;

pub use accept::serve;
pub use context::Context;
pub use listener::{BindError, SocketFile};
pub use probe::{Probe, probe};
