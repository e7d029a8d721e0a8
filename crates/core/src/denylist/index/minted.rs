//! High-water marks of minting: the latest moment, by this host's wall clock, at which a token was minted in a realm.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{RealmIndex, lock};
use crate::types::Millis;

#[derive(Default)]
pub(super) struct Minted {
    highest: AtomicU64,
    believed: AtomicU64,
}

/// The meaning of a mark for the store.
#[derive(Debug, PartialEq, Eq)]
pub enum MintedMark {
    /// Nothing new.
    Known,
    /// A higher mark is believed: it is to be kept.
    Believed(Millis),
}

impl RealmIndex {
    /// The latest moment at which a token was minted.
    pub fn minted(&self) -> Millis {
        Millis(self.minted.highest.load(Ordering::Acquire))
    }

    /// The mark that is believed.
    pub fn believed_minted(&self) -> Millis {
        Millis(self.minted.believed.load(Ordering::Acquire))
    }

    /// Takes note that a token is minted now.
    pub fn note_minted(&self, now: Millis) {
        self.minted.highest.fetch_max(now.0, Ordering::AcqRel);
    }

    /// Takes note of the mark of an earlier life.
    pub fn load_minted(&self, mark: Millis) {
        self.note_minted(mark);
        self.minted.believed.fetch_max(mark.0, Ordering::AcqRel);
    }

    /// Compares the mark with the time that is believed. A mark that was never believed falls once the wall clock is
    /// below it again.
    pub fn check_minted(&self, now: Millis, believed: Millis, tolerance_ms: u64) -> MintedMark {
        let highest = self.minted();
        if highest <= believed.plus(tolerance_ms) {
            let before = self.minted.believed.fetch_max(highest.0, Ordering::AcqRel);
            return if before < highest.0 {
                MintedMark::Believed(highest)
            } else {
                MintedMark::Known
            };
        }
        let fallback = self.believed_minted();
        if highest <= fallback {
            return MintedMark::Known; // believed before the clock was set back
        }
        let current = self.max_lifetime();
        // Entries must outlive the tokens minted by then.
        lock(&self.lifetimes).raise_last(current, highest);
        if now.plus(tolerance_ms) < highest {
            // A token minted at this very moment is seen with the next tick.
            let (order, failed) = (Ordering::AcqRel, Ordering::Acquire);
            let _raced = self
                .minted
                .highest
                .compare_exchange(highest.0, fallback.0, order, failed);
        }
        MintedMark::Known
    }
}
