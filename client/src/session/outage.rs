//! Outages, each logged when it begins and when it ends: a line for each request would fill the log of whoever has
//! many.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

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

/// One operation, which fails now or does not.
#[derive(Debug)]
pub(super) struct Outage {
    operation: &'static str,
    /// True while it fails. Read by each request, and the lock is not.
    is_on: AtomicBool,
    now: Mutex<Option<Failing>>,
}

#[derive(Debug)]
struct Failing {
    since: Instant,
    /// The number of the error.
    number: u16,
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

    /// Takes note of a request that failed. The first one, and the first with another error, are logged.
    pub(super) fn begins(&self, error: &Error) {
        let mut now = self.lock();
        self.is_on.store(true, Ordering::Release);
        let number = error.number();
        match &mut *now {
            Some(failing) if failing.number == number => failing.requests += 1,
            Some(failing) => {
                (failing.number, failing.requests) = (number, failing.requests + 1);
                self.log(error);
            }
            None => {
                let (since, requests) = (Instant::now(), 1);
                *now = Some(Failing {
                    since,
                    number,
                    requests,
                });
                self.log(error);
            }
        }
    }

    fn log(&self, error: &Error) {
        let operation = self.operation;
        if error.is_temporary() {
            tracing::warn!(operation, code = error.number(), %error, "jwtkeeperd does not answer");
        } else {
            tracing::error!(operation, code = error.number(), %error, "jwtkeeperd refuses to answer");
        }
    }

    /// Takes note of a request that was answered.
    pub(super) fn ends(&self) {
        if !self.is_on.load(Ordering::Acquire) {
            return;
        }
        let mut now = self.lock();
        self.is_on.store(false, Ordering::Release);
        if let Some(failing) = now.take() {
            let (operation, requests) = (self.operation, failing.requests);
            let seconds = failing.since.elapsed().as_secs();
            tracing::info!(operation, requests, seconds, "jwtkeeperd answers again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Failing>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
