//! Types that everything else uses: time, ids, secret bytes, peers.

mod histogram;
mod id;
mod peer;
mod secret;
mod time;

pub use histogram::{Durations, Histogram};
pub use id::{Id, IdError, MAX_ID};
pub use peer::{OVERFLOW, Peer, PeerId};
pub use secret::Secret;
pub use time::{Millis, Seconds};
