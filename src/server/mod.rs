//! The socket and what speaks on it: listener, peers, connections, dispatch. Everything is bounded, by the
//! limits of the snapshot in force.

mod accept;
mod announced;
mod audit;
mod census;
mod clock;
mod connection;
mod context;
mod cookie;
mod descriptors;
mod dispatch;
mod door;
mod health;
mod inbox;
mod listener;
mod metrics;
mod outcome;
mod price;
mod probe;
mod quota;
mod rate;
mod reply;
mod self_test;
mod signers;
mod tally;

pub use accept::serve;
pub use audit::{Audit, AuditError};
pub use context::{Context, OfProcess};
pub use listener::{BindError, SocketFile, SocketWatch};
pub use metrics::{HttpListener, serve_http};
pub use probe::{Probe, probe};
pub use signers::signers;
pub use tally::{Count, Tally};
