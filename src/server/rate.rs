//! How fast one uid may ask, over all its connections: a token bucket, kept as the moment at which it is full again (GCRA). A
//! batch is paid for after it was answered, and who has spent more than the bucket held waits: nothing is refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// What a bucket holds: as much as comes in this time.
const BURST: Duration = Duration::from_millis(100);

/// The bucket of one uid.
pub(super) struct Bucket {
    began: Instant,
    /// When it is full again, in nanoseconds since `began`.
    full_at: AtomicU64,
    /// Held by the one connection that is served, of those that had to wait: who asks for more than its share gets one worker
    /// at a time, and others find another.
    pub(super) lane: Arc<Mutex<()>>,
}

impl Bucket {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            full_at: AtomicU64::new(0),
            lane: Arc::default(),
        }
    }

    /// Takes `count` out of a bucket into which `per_second` come (0: it is never empty). Says until when to ask nothing, if
    /// more than it held is owed by now.
    pub(super) fn take(&self, count: usize, per_second: usize, now: Instant) -> Option<Instant> {
        if per_second == 0 {
            return None;
        }
        let now_ns = self.nanoseconds(now);
        let cost = (count as u64).saturating_mul(1_000_000_000) / per_second as u64;
        let pay = |full_at: u64| Some(full_at.max(now_ns).saturating_add(cost));
        let before = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay);
        let full_at = before
            .unwrap_or_else(|full_at| full_at)
            .max(now_ns)
            .saturating_add(cost);
        let wait = Duration::from_nanos(full_at - now_ns).saturating_sub(BURST);
        (!wait.is_zero()).then(|| now + wait)
    }

    /// Whether nothing is owed: a new one would be the same.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at.load(Ordering::Relaxed) <= self.nanoseconds(now)
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
        assert_eq!(bucket.take(50, 1000, now), None);
        assert_eq!(bucket.take(50, 1000, now), None, "what it held");
        let wait = bucket.take(10, 1000, now).map(|until| until - now);
        assert_eq!(wait, Some(Duration::from_millis(10)));
        let later = now + Duration::from_secs(5);
        assert!(!bucket.is_full(now) && bucket.is_full(later));
        assert_eq!(bucket.take(100, 1000, later), None, "full again, and no fuller");
        assert!(bucket.take(1, 1000, later).is_some());
    }

    #[test]
    fn zero_is_no_limit() {
        let bucket = Bucket::new();
        assert_eq!(bucket.take(usize::MAX, 0, Instant::now()), None);
        assert!(bucket.is_full(Instant::now()));
    }
}
