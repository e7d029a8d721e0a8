//! Waiting with a deadline, and numbers that look random: for every test of this project.

use std::time::{Duration, Instant};

/// The deadline of everything that a test waits for. A kernel was seen to hold back whatever has to do with inotify for
/// 20 seconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until there is something, or fails.
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        pace(Duration::from_millis(1));
    }
}

/// Polls until it is so, or fails.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    wait_for(what, || so().then_some(()));
}

/// Lets time pass, where a test is about the passing of time, or polls.
pub fn pace(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}

/// Numbers that look random and are the same in each run (Marsaglia's xorshift).
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
