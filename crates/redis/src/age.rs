//! The age of the copy in memory, by a clock that nobody can set and that continues while the host sleeps.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Milliseconds since the host was started, its sleep included.
pub(super) fn uptime_ms() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map(Duration::from)
        .unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// As of when a copy is known to be right.
#[derive(Default)]
pub(super) struct Fresh(AtomicU64);

impl Fresh {
    /// One that is as old as another.
    pub(super) fn inherit(ms: Option<u64>) -> Self {
        Self(AtomicU64::new(ms.unwrap_or(0)))
    }

    /// It was right at this moment of [`uptime_ms`].
    pub(super) fn prove(&self, asked_ms: u64) {
        self.0.fetch_max(asked_ms.max(1), Ordering::AcqRel);
    }

    /// When it was last known to be right; `None` for never.
    pub(super) fn since(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Acquire)).filter(|ms| *ms > 0)
    }
}
