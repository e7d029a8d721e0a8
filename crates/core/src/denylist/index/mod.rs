//! The copy of the denylist in memory, which every validate reads: sharded maps, one set for each realm. Entries
//! expire by buckets of time, not by timers of their own.

mod early;
mod entry;
mod expiry;
mod lifetimes;
mod minted;
mod raise;
mod realm;
mod rotation;
mod shared;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::MARGIN;
use super::cutoff::Cutoff;
use crate::types::{Millis, Seconds};

pub use early::EarlyToken;
pub use entry::ScanEpoch;
pub use minted::MintedMark;
pub use realm::{Lookup, RealmIndex};
pub use rotation::record_until;
pub use rotation::{PENDING, Rotation};
pub use shared::{NONE, PARTS};

/// The cutoffs of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cutoffs {
    /// The sessions that are revoked.
    pub hard: Cutoff,
    /// The tokens that are flagged.
    pub soft: Cutoff,
}

/// All realms.
#[derive(Default)]
pub struct Index {
    realms: RwLock<HashMap<String, Arc<RealmIndex>>>,
    forgotten: Arc<AtomicU64>,
    /// Up to when entries may be forgotten, and up to when they are.
    horizon: AtomicI64,
    swept: AtomicI64,
}

impl Index {
    /// Returns the entries of a realm; creates an empty set for a new realm.
    pub fn realm(&self, name: &str) -> Arc<RealmIndex> {
        if let Some(realm) = read(&self.realms).get(name) {
            return realm.clone();
        }
        let new = || Arc::new(RealmIndex::new(name, self.forgotten.clone()));
        write(&self.realms).entry(name.to_owned()).or_insert_with(new).clone()
    }

    /// Returns all known realms.
    pub fn realms(&self) -> Vec<Arc<RealmIndex>> {
        read(&self.realms).values().cloned().collect()
    }

    /// The latest moment at which a token was minted in any realm, by this host's wall clock.
    pub fn minted(&self) -> Millis {
        self.realms()
            .iter()
            .map(|realm| realm.minted())
            .max()
            .unwrap_or_default()
    }

    /// Returns the second up to which entries of expired tokens may have been removed. Tokens that expired by then stay
    /// expired, whatever the clock says.
    pub fn forgotten(&self) -> Seconds {
        Seconds::try_from(self.forgotten.load(Ordering::Acquire)).unwrap_or(Seconds::MAX)
    }

    /// Returns the number of entries.
    pub fn len(&self) -> u64 {
        self.realms().iter().map(|realm| realm.count()).sum()
    }

    /// Returns true if there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets what may be forgotten by `now`.
    pub fn purge(&self, now: Seconds) {
        self.forget_by(now);
        while self.purge_slice(now) {}
        self.shrink();
        self.swept_by(now);
    }

    /// Returns true if there may be entries whose deadline lies before this second.
    pub fn has_entries_before(&self, second: Seconds) -> bool {
        self.realms().iter().any(|realm| realm.has_entries_before(second))
    }

    /// Records that entries may be removed by `now`, before any of them is.
    pub fn forget_by(&self, now: Seconds) {
        let expired = now.saturating_sub(MARGIN).max(0) as u64;
        self.forgotten.fetch_max(expired, Ordering::AcqRel);
        self.horizon.fetch_max(now, Ordering::AcqRel);
    }

    /// Records that every entry that may be removed by `now` has been removed.
    pub fn swept_by(&self, now: Seconds) {
        self.swept.fetch_max(now, Ordering::AcqRel);
    }

    /// Returns true if no entry is left that may be forgotten: they leave some time after the tick that says so.
    pub fn is_swept(&self) -> bool {
        self.swept.load(Ordering::Acquire) >= self.horizon.load(Ordering::Acquire)
    }

    /// Forgets a slice of what may be forgotten by `now`: about a thousand entries, each under its own lock. Returns
    /// false if there was nothing left.
    pub fn purge_slice(&self, now: Seconds) -> bool {
        self.realms().iter().any(|realm| realm.purge_slice(now))
    }

    /// Gives back the room of what was forgotten.
    pub fn shrink(&self) {
        self.realms().iter().for_each(|realm| realm.shrink());
    }
}

/// A deadline that 32 bits do not hold, as those after 2106: memory keeps the entry without end.
const ENDLESS: u32 = u32::MAX;

/// A deadline as memory keeps it.
fn clamp(until: Seconds) -> u32 {
    u32::try_from(until.max(0)).unwrap_or(ENDLESS)
}

/// Returns true if an entry may be forgotten by `now`.
fn is_past(until: u32, now: Seconds) -> bool {
    until != ENDLESS && Seconds::from(until) < now
}

/// The deadline of a row for an entry of memory's: none of its rows may end before it.
fn row_until(until: u32) -> Seconds {
    if until == ENDLESS { Seconds::MAX } else { until.into() }
}

// A panic elsewhere must not turn every later validate into one: what the maps hold is joined, never half-written.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn lock<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
