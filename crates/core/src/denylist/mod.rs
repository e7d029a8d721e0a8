//! The denylist: what is revoked, flagged or rotated. Reads come from memory ([`RealmIndex`]); a store behind
//! makes changes durable, one atomic step each. State only ever climbs: none < soft < hard; expiry only grows.

mod change;
mod cutoff;
mod index;
mod memory;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::types::{Durations, Millis};

pub use change::{Change, Kind, Level, Lock, Outcome, Record, Revocation, Rotate};
pub use cutoff::{Cutoff, MAX_SEQUENCE, SessionStart, Step};
pub use index::{
    Cutoffs, EarlyToken, Index, Lookup, MintedMark, NONE, PARTS, PENDING, RealmIndex, Rotation, ScanEpoch, record_until,
};
pub use memory::{Memory, add_session};

/// Buckets for the durations of commits and changes, in microseconds.
pub const TOOK: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000,
];

/// The time that an entry outlives the last token that it speaks of, in seconds.
pub const MARGIN: i64 = 600;

/// Why a change is not durable. What it revokes is in effect on this host all the same.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The file system has no room: writes go on when it has.
    #[error("the denylist store has no room left: {0}")]
    Full(String),
    /// Writing failed in a way that cannot be trusted again: a restart is needed.
    #[error("the denylist store cannot be written: {0}; restart the daemon once the cause is gone")]
    Failed(String),
    /// Redis did not take it, or is not there. This host has it on its own disk, and puts it into Redis when that can
    /// be.
    #[error("{0}")]
    Away(String),
    /// The store is closed: the daemon is stopping.
    #[error("the denylist store is closed")]
    Closed,
}

impl StoreError {
    /// The same, with the name of the server.
    pub fn at(self, server: &str) -> Self {
        match self {
            Self::Away(text) => Self::Away(format!("{text} ({server})")),
            other => other,
        }
    }
}

/// The result of a change, once it is durable.
pub type Applied<'a> = Pin<Box<dyn Future<Output = Result<Outcome, StoreError>> + Send + 'a>>;

/// The health of a store.
#[derive(Debug, Clone, Default)]
pub struct StoreHealth {
    /// `embedded`, `redis` or `memory`.
    pub kind: &'static str,
    /// Why it cannot take changes; `None` when it can.
    pub fault: Option<String>,
    /// The number of entries that memory holds.
    pub entries: u64,
    /// The number of changes that were made durable.
    pub changes: u64,
    /// The number of commits (each one fsync) that made them so.
    pub commits: u64,
    /// The durations of commits that succeeded.
    pub commit_took: Durations,
    /// The durations of revocations, flags and rotations until they were answered.
    pub apply_took: Durations,
    /// Warnings: what the store may lose, and the remedy.
    pub warnings: Vec<String>,
    /// Of a store that is shared.
    pub shared: Option<SharedHealth>,
}

/// The health of a shared store.
#[derive(Debug, Clone, Default)]
pub struct SharedHealth {
    /// The age of the copy in memory; `None` before it was complete for the first time.
    pub age: Option<Duration>,
    /// The number of entries that were restored after the store had lost them.
    pub repaired: u64,
    /// The number of entries that the store lacks, as far as is known.
    pub pending: u64,
    /// The number of values that neither a daemon nor a gem writes.
    pub unknown: u64,
}

/// A denylist store.
pub trait Denylist: Send + Sync + 'static {
    /// The copy in memory.
    fn index(&self) -> &Index;

    /// Makes one change, whole or not at all. What it revokes or flags is in effect in memory when the call returns,
    /// whatever becomes of it; the future ends when it is durable.
    fn apply(&self, realm: &Arc<RealmIndex>, change: Change) -> Applied<'_>;

    /// Says which realms there are, and the prefix of each in a shared store.
    fn share(&self, _prefixes: &[(String, String)]) {}

    /// Why the copy in memory of a realm is too old to answer by; `None` while it is not.
    fn stale(&self, _realm: &RealmIndex) -> Option<String> {
        None
    }

    /// Puts whatever memory knows into the host's own store. The future ends when that is durable.
    fn keep_all(&self, _now: Millis) -> Applied<'_> {
        Box::pin(std::future::ready(Ok(Outcome::Done)))
    }

    /// Returns the health of the store.
    fn health(&self) -> StoreHealth;
}
