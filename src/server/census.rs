//! How many connections there are, in all and of each uid.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::Context;

/// The count.
#[derive(Default)]
pub(super) struct Census {
    present: Mutex<Present>,
    left: Notify,
    /// How many connections are being refused.
    refusing: AtomicUsize,
    /// How many were, ever.
    refused: AtomicU64,
}

/// A connection beyond its uid's share, told so outside of the count: it takes nobody's place.
pub(super) struct Refusing(Arc<Context>);

impl Refusing {
    /// How many are told at a time; more are closed without a word.
    const MOST: usize = 64;

    pub(super) fn new(context: Arc<Context>) -> Option<Self> {
        let refusing = &context.census.refusing;
        let one_more = |now: usize| (now < Self::MOST).then_some(now + 1);
        refusing
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .ok()?;
        Some(Self(context))
    }
}

impl Drop for Refusing {
    fn drop(&mut self) {
        self.0.census.refusing.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Default)]
struct Present {
    all: usize,
    of: HashMap<u32, usize>,
}

impl Census {
    /// There may be room now.
    pub(super) fn limits_changed(&self) {
        self.left.notify_one();
    }

    /// How many connections there are of each uid, the most first.
    pub(super) fn by_uid(&self) -> Vec<(u32, usize)> {
        let present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = present.of.iter().map(|(uid, count)| (*uid, *count)).collect();
        drop(present);
        all.sort_unstable_by_key(|(uid, count)| (std::cmp::Reverse(*count), *uid));
        all
    }

    /// How many connections beyond a uid's share were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Waits until there are fewer connections than `limit` says.
    pub(super) async fn room(&self, limit: impl Fn() -> usize) {
        loop {
            let left = self.left.notified();
            if self.present.lock().unwrap_or_else(PoisonError::into_inner).all < limit() {
                return;
            }
            left.await;
        }
    }
}

/// A connection, counted until dropped.
pub(super) struct Counted {
    context: Arc<Context>,
    uid: u32,
}

impl Counted {
    /// Counts a connection of `uid`, if that has fewer than `limit`.
    pub(super) fn new(context: Arc<Context>, uid: u32, limit: usize) -> Option<Self> {
        let mut present = context.census.present.lock().unwrap_or_else(PoisonError::into_inner);
        let of = present.of.entry(uid).or_default();
        if *of >= limit {
            context.census.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        *of += 1;
        present.all += 1;
        drop(present);
        Some(Self { context, uid })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut present = self
            .context
            .census
            .present
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        present.all = present.all.saturating_sub(1);
        if let Some(of) = present.of.get_mut(&self.uid) {
            *of -= 1;
            if *of == 0 {
                present.of.remove(&self.uid);
            }
        }
        drop(present);
        self.context.census.left.notify_one();
    }
}
