//! What all connections share.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

use super::census::Census;
use crate::config::{Live, Reloaded};
use crate::keeper::Keeper;
use crate::words::Millis;

/// What all connections share.
pub struct Context {
    /// The snapshot in force.
    pub live: Live,
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
    /// What was found wrong at start and still is, each with its remedy.
    pub warnings: Vec<String>,
    pub(super) census: Census,
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
            live,
            keeper,
            clock,
            set_log_level,
            instance,
            started: Instant::now(),
            warnings,
            census: Census::default(),
            reuses: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        }
    }

    /// Reads all files again, and says in the log what came of it.
    pub async fn reload(&self) -> Reloaded {
        let reloaded = self.live.reload((self.clock)()).await;
        self.census.limits_changed();
        (self.set_log_level)(&self.live.snapshot().settings.log_level);
        for fault in reloaded.faults.iter() {
            tracing::error!(%fault, "refused: what was in force in its place stays in force");
        }
        tracing::info!(
            generation = reloaded.generation,
            faults = reloaded.faults.iter().count(),
            "reloaded"
        );
        reloaded
    }
}
