//! The rate of one uid, over all its connections: a token bucket, kept as the moment at which it is full again
//! (GCRA). The cost of a request is charged after its reply. While a uid is throttled, its connections queue for one
//! permit, in the order of their arrival: nothing is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::price::REQUEST;
use super::signers;

/// The capacity of a bucket: as much as comes in this time.
const BURST: Duration = Duration::from_millis(100);

/// The time after which a waiting connection sees a new rate.
const RECONSIDER: Duration = Duration::from_millis(500);

/// The permit of one connection of a throttled uid, while held.
pub(super) type Permit = OwnedMutexGuard<()>;

/// The bucket of one uid.
pub(crate) struct Bucket {
    began: Instant,
    bottomless: bool,
    /// When it is full again, in nanoseconds since `began`.
    full_at: AtomicU64,
    /// The points that come into it in a second, as of the last time.
    per_second: AtomicUsize,
    /// Held by the connection that has the permit.
    queue: Arc<Mutex<()>>,
    /// The number of further signers that it may use.
    signers: Arc<Semaphore>,
}

impl Bucket {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            bottomless: false,
            full_at: AtomicU64::new(0),
            per_second: AtomicUsize::new(0),
            queue: Arc::default(),
            signers: Arc::new(Semaphore::new(signers::threads())),
        }
    }

    /// One that is never empty.
    pub(super) fn bottomless() -> Self {
        Self {
            bottomless: true,
            ..Self::new()
        }
    }

    /// Takes `cost` points out of a bucket into which `per_second` requests come (0: it is never empty).
    pub(crate) fn take(&self, cost: usize, per_second: usize, now: Instant) {
        if !self.is_bounded(per_second, now) {
            return;
        }
        let now_ns = self.nanoseconds(now);
        let cost_ns = (cost as u64).saturating_mul(1_000_000_000 / REQUEST as u64) / per_second as u64;
        let pay = |full_at: u64| Some(full_at.max(now_ns).saturating_add(cost_ns));
        let _paid = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay); // always is
    }

    /// Returns the end of throttling, if the debt exceeds the bucket now.
    pub(super) fn throttled_until(&self, per_second: usize, now: Instant) -> Option<Instant> {
        if !self.is_bounded(per_second, now) {
            return None;
        }
        let owed = self
            .full_at
            .load(Ordering::Relaxed)
            .saturating_sub(self.nanoseconds(now));
        let wait = Duration::from_nanos(owed).saturating_sub(BURST);
        (!wait.is_zero()).then(|| now + wait)
    }

    /// Returns true if it can be empty. At a new rate nothing is owed: what was, was time at the old one.
    fn is_bounded(&self, per_second: usize, now: Instant) -> bool {
        if self.bottomless || per_second == 0 {
            return false;
        }
        if self.per_second.load(Ordering::Relaxed) != per_second
            && self.per_second.swap(per_second, Ordering::Relaxed) != per_second
        {
            self.full_at.store(self.nanoseconds(now), Ordering::Relaxed);
        }
        true
    }

    /// Returns true if nothing is owed: a new one would be the same.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at.load(Ordering::Relaxed) <= self.nanoseconds(now)
    }

    /// Waits for the permit. `per_second` returns the rate in effect.
    pub(super) async fn permit(self: Arc<Self>, per_second: impl Fn() -> usize) -> Permit {
        let permit = self.queue.clone().lock_owned().await;
        while let Some(until) = self.throttled_until(per_second(), Instant::now()) {
            tokio::time::sleep_until(until.min(Instant::now() + RECONSIDER)).await;
        }
        permit
    }

    /// Waits until this uid may use another of the signers.
    pub(crate) async fn signing_permit(&self) -> Option<OwnedSemaphorePermit> {
        self.signers.clone().acquire_owned().await.ok() // it is never closed
    }

    fn nanoseconds(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_spends_more_than_the_bucket_holds_waits_until_it_has_come() {
        let bucket = Bucket::new();
        let now = Instant::now();
        let throttled_until = |now| bucket.throttled_until(1000, now).map(|until| until - now);
        bucket.take(100 * REQUEST, 1000, now);
        assert_eq!(throttled_until(now), None, "what it held");
        bucket.take(10 * REQUEST, 1000, now);
        assert_eq!(throttled_until(now), Some(Duration::from_millis(10)));
        let later = now + Duration::from_secs(5);
        assert!(!bucket.is_full(now) && bucket.is_full(later));
        bucket.take(100 * REQUEST, 1000, later);
        assert_eq!(throttled_until(later), None, "full again, and no fuller");
        bucket.take(REQUEST, 1000, later);
        assert_eq!(throttled_until(later), Some(Duration::from_millis(1)));
    }

    #[test]
    fn a_new_rate_forgives() {
        let bucket = Bucket::new();
        let now = Instant::now();
        bucket.take(1000 * REQUEST, 1, now);
        assert!(bucket.throttled_until(1, now).is_some());
        assert_eq!(bucket.throttled_until(1000, now), None);
        bucket.take(101 * REQUEST, 1000, now);
        assert!(bucket.throttled_until(1000, now).is_some());
    }

    #[test]
    fn zero_is_no_limit() {
        let bucket = Bucket::new();
        bucket.take(usize::MAX, 0, Instant::now());
        assert_eq!(bucket.throttled_until(0, Instant::now()), None);
        assert!(bucket.is_full(Instant::now()));
    }
}
