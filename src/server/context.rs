//! What all connections share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use super::census::Census;
use super::self_test::SelfTests;
use crate::config::{Live, Reloads, Snapshot};
use crate::keeper::Keeper;
use crate::words::Millis;

/// What all connections share.
pub struct Context {
    /// The snapshot in force.
    pub live: Arc<Live>,
    /// What has the files read again.
    pub reloads: Reloads,
    /// The operations.
    pub keeper: Keeper,
    /// The wall clock.
    pub clock: fn() -> Millis,
    /// Sets the level of the log.
    pub set_log_level: fn(&str),
    /// Another number in each life of the daemon.
    pub instance: [u8; 16],
    /// When this life began.
    pub started: Instant,
    /// The same by the wall clock.
    pub(super) began: Millis,
    /// What was found wrong at start and still is, each with its remedy.
    pub warnings: Vec<String>,
    pub(super) census: Census,
    pub(super) self_tests: SelfTests,
    /// Rotated tokens presented after their grace.
    pub(super) reuses: AtomicU64,
    /// Connections end once they have answered what they were sent.
    pub(super) stopping: AtomicBool,
}

impl Context {
    /// The context of a life that begins now.
    pub fn new(
        live: Live,
        keeper: Keeper,
        clock: fn() -> Millis,
        set_log_level: fn(&str),
        instance: [u8; 16],
        warnings: Vec<String>,
    ) -> Self {
        Self {
            live: Arc::new(live),
            reloads: Reloads::default(),
            keeper,
            clock,
            set_log_level,
            instance,
            started: Instant::now(),
            began: clock(),
            warnings,
            census: Census::default(),
            self_tests: SelfTests::default(),
            reuses: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        }
    }

    /// Takes note that another snapshot is in force.
    pub fn changed(&self, snapshot: &Snapshot) {
        self.census.limits_changed();
        (self.set_log_level)(&snapshot.settings.log_level);
    }
}
