//! Floor 4: the denylist: what is revoked, flagged or rotated. Reads come from memory ([`RealmIndex`]); a store behind
//! makes changes durable, one atomic step each. State only ever climbs: none < soft < hard; expiry only grows.

mod change;
mod embedded;
mod index;
mod journal;
mod memory;
mod row;
mod writer;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use change::{Change, Kind, Level, Lock, Outcome, Raise, Record, Rotate};
pub use embedded::Embedded;
pub use index::{Cutoffs, Index, RealmIndex, Rotation, Stands};
pub use journal::{Backend, Journal, OpenError, Written};
pub use memory::Memory;

/// How long an entry outlives the last token that it speaks of, in seconds.
pub const MARGIN: i64 = 600;

/// Why a change is not durable. What it revokes is in force on this host all the same.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The file system has no room: writes go on when it has.
    #[error("the denylist store has no room left: {0}")]
    Full(String),
    /// Writing failed in a way that cannot be trusted again: a restart is needed.
    #[error("the denylist store cannot be written: {0}; restart the daemon once the cause is gone")]
    Failed(String),
    /// The store is closed: the daemon is stopping.
    #[error("the denylist store is closed")]
    Closed,
}

/// What is durable, when it is.
pub type Applied<'a> = Pin<Box<dyn Future<Output = Result<Outcome, StoreError>> + Send + 'a>>;

/// What health says of a store.
#[derive(Debug, Clone, Default)]
pub struct StoreHealth {
    /// `embedded`, `redis` or `memory`.
    pub kind: &'static str,
    /// Why it cannot take changes; `None` when it can.
    pub fault: Option<String>,
    /// How many entries memory holds.
    pub entries: u64,
    /// How many changes were made durable.
    pub changes: u64,
    /// How many commits (each one fsync) made them so.
    pub commits: u64,
}

/// A denylist store.
pub trait Denylist: Send + Sync + 'static {
    /// The copy in memory.
    fn index(&self) -> &Index;

    /// Makes one change, whole or not at all. What it revokes or flags is in force in memory when the call returns,
    /// whatever becomes of it; the future ends when it is durable.
    fn apply(&self, realm: &Arc<RealmIndex>, change: Change) -> Applied<'_>;

    /// How the store is.
    fn health(&self) -> StoreHealth;
}
