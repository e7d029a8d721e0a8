//! The socket and what speaks on it: listener, peers, connections, dispatch. Everything is bounded, by the
//! limits of the snapshot in effect.

mod accept;
mod announced;
pub(crate) mod clock;
mod connection;
pub(crate) mod connection_tracker;
pub(crate) mod context;
pub(crate) mod cookie;
pub(crate) mod descriptors;
mod door;
mod inbox;
mod listener;
pub(crate) mod price;
pub(crate) mod quota;
pub(crate) mod rate;
pub(crate) mod reply;
pub(crate) mod request_metrics;
pub(crate) mod signers;

pub use accept::serve;
pub use context::{Context, OfProcess};
pub use listener::{BindError, SocketFile, SocketWatch};
pub use request_metrics::{Count, RequestMetrics};
pub use signers::signers;
