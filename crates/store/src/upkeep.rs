//! Upkeep of the store's file by its writer: expired rows are deleted, and a file that is mostly dead is compacted, in
//! slices while nobody waits for a commit.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::compaction::CompactError;
use crate::journal::Forget;
use crate::writer::{Batch, Writer};
use jwtkeeper_core::denylist::StoreError;

/// Expired rows that one slice deletes.
const SLICE: usize = 2000;
/// From one slice to the next, while nobody waits.
const PACE: Duration = Duration::from_millis(20);
/// The longest delay of a slice while requests keep waiting.
const LATE: Duration = Duration::from_millis(200);
/// When a compaction that failed is tried again.
const RETRY: Duration = Duration::from_secs(3600);

/// The next work, and when it is due.
#[derive(Default)]
pub(crate) struct Upkeep {
    next: Option<Instant>,
    /// A compaction failed, and is not tried before.
    not_before: Option<Instant>,
}

impl Upkeep {
    /// Returns the time until the next slice; `None` if there is nothing to do.
    pub(crate) fn wait(&self) -> Option<Duration> {
        self.next.map(|next| next.saturating_duration_since(Instant::now()))
    }

    /// Returns true if the next slice has been put off for long enough.
    pub(crate) fn is_late(&self) -> bool {
        self.next.is_some_and(|next| next.elapsed() > LATE)
    }
}

impl Writer {
    /// Takes note, with each tick, of whether there is something to do.
    pub(crate) fn plan_upkeep(&mut self, deleted_all: bool) {
        let compacts = self.journal.compaction.is_some() || self.may_compact();
        if self.upkeep.next.is_none() && (!deleted_all || compacts) {
            self.upkeep.next = Some(Instant::now() + PACE);
        }
    }

    fn may_compact(&self) -> bool {
        let waits = self.upkeep.not_before.is_some_and(|then| Instant::now() < then);
        !waits && self.journal.is_mostly_dead()
    }

    /// Does one slice.
    pub(crate) fn do_upkeep(&mut self) {
        self.upkeep.next = None;
        if self.fault.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            return; // the next tick finds out whether that is over
        }
        let more = if self.journal.compaction.is_some() || self.may_compact() {
            self.compact()
        } else {
            self.delete()
        };
        if more {
            self.upkeep.next = Some(Instant::now() + PACE);
        }
    }

    fn delete(&mut self) -> bool {
        let mut batch = Batch::default();
        batch.forget = Some(Forget {
            before: self.forgotten,
            limit: SLICE,
        });
        self.commit(&batch).is_ok_and(|deleted| deleted == SLICE)
    }

    fn compact(&mut self) -> bool {
        let begun = match self.journal.compaction {
            Some(_) => Ok(()),
            None => self.journal.begin_compaction(self.forgotten),
        };
        match begun.map_err(CompactError::Copy).and_then(|()| self.journal.compact()) {
            Ok(true) => {
                tracing::info!(bytes = self.journal.watch.length(), "compacted the denylist store");
                false
            }
            Ok(false) => true,
            Err(CompactError::Copy(why)) => {
                tracing::warn!(
                    why,
                    "compaction of the denylist store failed; the file keeps its size; next attempt in an hour"
                );
                self.upkeep.not_before = Some(Instant::now() + RETRY);
                true // the dead rows are deleted instead
            }
            Err(CompactError::Doubt(fault)) => {
                self.fail(fault);
                false
            }
        }
    }

    /// Nothing is acknowledged from now on, until a restart.
    pub(crate) fn fail(&mut self, fault: StoreError) {
        tracing::error!(error = %fault, "the denylist store failed; nothing is acknowledged until a restart");
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(fault);
    }
}
