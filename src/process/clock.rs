//! The wall clock: the one place that reads it. Everything else is told the time.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::words::Millis;

/// Now.
#[allow(clippy::disallowed_methods)] // this is the one place
pub(super) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
