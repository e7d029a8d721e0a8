//! The connection tracker: connections in all and of each uid.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Context;
use super::rate::Bucket;

/// The count.
#[derive(Default)]
pub(crate) struct ConnectionTracker {
    present: Mutex<Present>,
    left: Notify,
    /// The number of connections that are being refused.
    refusing: AtomicUsize,
    /// The number that were refused, ever.
    refused: AtomicU64,
}

/// A connection beyond its uid's share, which is told so outside of the count: it takes nobody's place.
pub(crate) struct Refusing(Arc<Context>);

impl Refusing {
    /// The number that are refused with a message at a time; more are closed without one.
    const MOST: usize = 32;

    pub(crate) fn new(context: Arc<Context>) -> Option<Self> {
        let refusing = &context.connections.refusing;
        let one_more = |now: usize| (now < Self::MOST).then_some(now + 1);
        refusing
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more)
            .ok()?;
        Some(Self(context))
    }
}

impl Drop for Refusing {
    fn drop(&mut self) {
        self.0.connections.refusing.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Default)]
struct Present {
    /// The number of connections that are served.
    served: usize,
    of: HashMap<u32, Of>,
}

/// The state of one uid. It stays after the last connection until nothing is owed: reconnecting must not clear a debt.
struct Of {
    connections: usize,
    bucket: Arc<Bucket>,
}

/// Beyond so many uids, those that have left and owe nothing are looked for.
const KEPT: usize = 1024;

impl ConnectionTracker {
    /// There may be room now.
    pub(crate) fn limits_changed(&self) {
        self.left.notify_one();
    }

    /// Returns the number of connections of each uid, the most first.
    pub(crate) fn by_uid(&self) -> Vec<(u32, usize)> {
        let present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = present.of.iter().map(|(uid, of)| (*uid, of.connections));
        let mut all: Vec<_> = counts.filter(|(_, count)| *count > 0).collect();
        drop(present);
        all.sort_unstable_by_key(|(uid, count)| (std::cmp::Reverse(*count), *uid));
        all
    }

    /// Returns the number of connections that were refused beyond a uid's share.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Counts a connection that was refused for want of room.
    pub(crate) fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of connections that are served.
    pub(crate) fn served(&self) -> usize {
        self.present.lock().unwrap_or_else(PoisonError::into_inner).served
    }

    /// Waits until fewer connections are served than `limit` says.
    pub(crate) async fn room(&self, limit: impl Fn() -> usize) {
        loop {
            let left = self.left.notified();
            if self.served() < limit() {
                return;
            }
            left.await;
        }
    }
}

/// A connection, counted until dropped.
pub(crate) struct Counted {
    context: Arc<Context>,
    uid: u32,
    is_served: bool,
    pub(crate) bucket: Arc<Bucket>,
}

impl Counted {
    /// Counts a connection of `uid`, if that has fewer than `limit`.
    pub(crate) fn new(context: Arc<Context>, uid: u32, limit: usize) -> Option<Self> {
        let mut present = context
            .connections
            .present
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if present.of.len() > KEPT {
            let now = Instant::now();
            present.of.retain(|_, of| of.connections > 0 || !of.bucket.is_full(now));
        }
        let of = present.of.entry(uid).or_insert_with(|| Of {
            connections: 0,
            bucket: Arc::new(Bucket::new()),
        });
        if of.connections >= limit {
            context.connections.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        of.connections += 1;
        let bucket = of.bucket.clone();
        drop(present);
        Some(Self {
            context,
            uid,
            is_served: false,
            bucket,
        })
    }

    /// It is served from here on.
    pub(crate) fn served(&mut self) {
        self.is_served = true;
        let present = &self.context.connections.present;
        present.lock().unwrap_or_else(PoisonError::into_inner).served += 1;
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut present = self
            .context
            .connections
            .present
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        present.served -= usize::from(self.is_served);
        if let Some(of) = present.of.get_mut(&self.uid) {
            of.connections -= 1;
            if of.connections == 0 && of.bucket.is_full(Instant::now()) {
                present.of.remove(&self.uid);
            }
        }
        drop(present);
        self.context.connections.left.notify_one();
    }
}
