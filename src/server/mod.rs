//! The socket and what speaks on it: listener, peers, connections, dispatch. Everything is bounded, by the
//! limits of the snapshot in force.

mod accept;
mod announced;
pub(crate) mod census;
pub(crate) mod clock;
mod connection;
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
pub(crate) mod signers;
pub(crate) mod tally;

pub use accept::serve;
pub use context::{Context, OfProcess};
pub use listener::{BindError, SocketFile, SocketWatch};
pub use signers::signers;
pub use tally::{Count, Tally};
