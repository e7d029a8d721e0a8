//! Outages, each logged when it begins and when it ends: a line for each request would flood the log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;

/// The two things that can fail for a while: judging tokens, and rotating them.
#[derive(Debug)]
pub(super) struct Outages {
    pub(super) validate: Outage,
    pub(super) rotate: Outage,
}

impl Default for Outages {
    fn default() -> Self {
        Self {
            validate: Outage::new("validate"),
            rotate: Outage::new("rotate"),
        }
    }
}

/// The time without a failure after which an outage is over. While a daemon is overloaded, failures and answers
/// alternate.
const QUIET: Duration = Duration::from_secs(1);

/// The state of one operation: failing or not.
#[derive(Debug)]
pub(super) struct Outage {
    operation: &'static str,
    /// True during an outage. Each request reads it, without taking the lock.
    is_on: AtomicBool,
    now: Mutex<Option<Failing>>,
}

#[derive(Debug)]
struct Failing {
    since: Instant,
    last: Instant,
    /// The numbers of the errors that were logged.
    logged: Vec<u16>,
    requests: u64,
}

impl Outage {
    fn new(operation: &'static str) -> Self {
        Self {
            operation,
            is_on: AtomicBool::new(false),
            now: Mutex::default(),
        }
    }

    /// Notes a request that failed. The first failure of an outage is logged, and the first with each other error.
    pub(super) fn begins(&self, error: &Error) {
        if !self.note_failure(error.number(), Instant::now()) {
            return;
        }
        let operation = self.operation;
        if error.is_temporary() {
            tracing::warn!(operation, code = error.number(), %error, "jwtkeeperd does not answer");
        } else {
            tracing::error!(operation, code = error.number(), %error, "jwtkeeperd refuses to answer");
        }
    }

    /// Notes a request that was answered. The end of an outage is logged.
    pub(super) fn ends(&self) {
        if !self.is_on.load(Ordering::Acquire) {
            return;
        }
        if let Some((requests, seconds)) = self.note_answer(Instant::now()) {
            let operation = self.operation;
            tracing::info!(operation, requests, seconds, "jwtkeeperd answers again");
        }
    }

    /// Returns true if the failure is to be logged.
    fn note_failure(&self, number: u16, at: Instant) -> bool {
        let mut now = self.lock();
        self.is_on.store(true, Ordering::Release);
        let failing = now.get_or_insert_with(|| Failing {
            since: at,
            last: at,
            logged: Vec::new(),
            requests: 0,
        });
        failing.last = at;
        failing.requests += 1;
        let is_new = !failing.logged.contains(&number);
        if is_new {
            failing.logged.push(number);
        }
        is_new
    }

    /// Returns the number of requests that failed, and the seconds that it took, if an outage is over.
    fn note_answer(&self, at: Instant) -> Option<(u64, u64)> {
        let mut now = self.lock();
        let over = now.take_if(|failing| at.saturating_duration_since(failing.last) >= QUIET)?;
        self.is_on.store(false, Ordering::Release);
        Some((over.requests, over.last.saturating_duration_since(over.since).as_secs()))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Failing>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_that_alternate_with_answers_are_one_outage() {
        let outage = Outage::new("validate");
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        for number in 0..100 {
            assert_eq!(outage.note_failure(501, at(number * 20)), number == 0);
            assert_eq!(outage.note_answer(at(number * 20 + 10)), None);
        }
        assert_eq!(outage.note_answer(at(2979)), None);
        assert_eq!(outage.note_answer(at(2980)), Some((100, 1)));
        assert_eq!(outage.note_answer(at(4000)), None);
        assert!(outage.note_failure(501, at(5000)), "the next outage is logged");
    }

    #[test]
    fn each_error_of_an_outage_is_logged_once() {
        let outage = Outage::new("validate");
        let now = Instant::now();
        let logged = [300, 500, 300, 500, 301].map(|number| outage.note_failure(number, now));
        assert_eq!(logged, [true, true, false, false, true]);
    }
}
