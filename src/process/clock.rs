//! The wall clock: the one place that reads it. Everything else is told the time.

use std::time::{SystemTime, UNIX_EPOCH};

use jwtkeeper_core::types::Millis;

/// Now.
#[allow(clippy::disallowed_methods)] // this is the one place
pub(super) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    #[cfg(debug_assertions)]
    let now = now.saturating_add_signed(offset_for_tests());
    Millis(now)
}

/// The offset in milliseconds by which a test wants this host's clock to differ from that of others.
#[cfg(debug_assertions)]
fn offset_for_tests() -> i64 {
    static OFFSET: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    *OFFSET.get_or_init(|| {
        let text = std::env::var("JWTKEEPER_TEST_CLOCK_OFFSET_MS").unwrap_or_default();
        text.parse().unwrap_or_default()
    })
}
