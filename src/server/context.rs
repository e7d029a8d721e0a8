//! The state that all connections share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use tokio::runtime::Handle;

use super::connection_tracker::ConnectionTracker;
use super::listener::SocketWatch;
use super::quota::Quotas;
use super::request_metrics::RequestMetrics;
use crate::audit::{Audit, Entry};
use crate::config::Fault;
use crate::health;
use crate::health::SelfTests;
use crate::ops::outcome::Facts;
use crate::reload::{Change, Reloads, Snapshot, SnapshotStore};
use jwtkeeper_core::keeper::Keeper;
use jwtkeeper_core::types::Millis;

/// The state that all connections share.
pub struct Context {
    /// The snapshot in effect.
    pub live: Arc<SnapshotStore>,
    /// The queue of reloads.
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
    pub(crate) began: Millis,
    /// Warnings from the start that still hold, each with its remedy.
    pub warnings: Vec<String>,
    /// The request metrics.
    pub request_metrics: Arc<RequestMetrics>,
    /// The audit.
    pub audit: Option<Audit>,
    /// The runtime of slow signatures.
    pub(crate) signers: Handle,
    pub(crate) connections: ConnectionTracker,
    pub(crate) quotas: Quotas,
    pub(crate) self_tests: SelfTests,
    /// Rotated tokens presented after their grace.
    pub(crate) reuses: AtomicU64,
    /// The socket's file, once the daemon listens.
    socket: OnceLock<SocketWatch>,
    /// Why metrics and health are not served over HTTP.
    metrics_fault: Mutex<Option<String>>,
    /// Connections end once they have answered what they were sent.
    pub(super) stopping: AtomicBool,
}

/// The parts of the process that connections use.
pub struct OfProcess {
    /// The wall clock.
    pub clock: fn() -> Millis,
    /// Sets the level of the log.
    pub set_log_level: fn(&str),
    /// The runtime of slow signatures.
    pub signers: Handle,
}

impl Context {
    /// The context of a life that begins now.
    pub fn new(
        live: SnapshotStore,
        keeper: Keeper,
        process: OfProcess,
        instance: [u8; 16],
        warnings: Vec<String>,
        audit: Option<Audit>,
    ) -> Self {
        let OfProcess {
            clock,
            set_log_level,
            signers,
        } = process;
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
            request_metrics: Arc::default(),
            audit,
            signers,
            connections: ConnectionTracker::default(),
            quotas: Quotas::default(),
            self_tests: SelfTests::default(),
            reuses: AtomicU64::new(0),
            socket: OnceLock::new(),
            metrics_fault: Mutex::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Returns the status in a line.
    pub fn summary(&self) -> String {
        health::summary(self, &self.live.snapshot())
    }

    /// Returns the faults that keep the daemon from being ready.
    pub fn faults(&self) -> Vec<String> {
        let condition = health::Condition::of(self, &self.live.snapshot());
        condition.faults.into_iter().map(|(_, text)| text).collect()
    }

    /// Has health watch the socket's file from now on.
    pub fn watch_socket(&self, socket: SocketWatch) {
        let _ = self.socket.set(socket); // there is one socket
    }

    pub(crate) fn socket_fault(&self) -> Option<String> {
        // A daemon that stops removes the file itself.
        let is_stopping = self.stopping.load(Ordering::Relaxed);
        self.socket.get().filter(|_| !is_stopping)?.fault()
    }

    /// Sets the reason why metrics and health are not served over HTTP. Returns true if it differs from the last one.
    pub fn set_metrics_fault(&self, fault: Option<String>) -> bool {
        let mut current = self.metrics_fault.lock().unwrap_or_else(PoisonError::into_inner);
        let differs = *current != fault;
        *current = fault;
        differs
    }

    pub(crate) fn metrics_fault(&self) -> Option<String> {
        let fault = self.metrics_fault.lock().unwrap_or_else(PoisonError::into_inner);
        fault.clone()
    }

    /// Takes note that another snapshot is in effect, and what that changes.
    pub fn changed(&self, snapshot: &Snapshot, changes: &[Change]) {
        self.connections.limits_changed();
        (self.set_log_level)(&snapshot.settings.log_level);
        for change in changes {
            self.tell_of_reload(snapshot.generation, &change.realm, "ok", &change.text);
        }
    }

    /// Takes note of something that is wrong with the files.
    pub fn refused(&self, fault: &Fault) {
        let generation = self.live.snapshot().generation;
        self.tell_of_reload(generation, "", "error", &fault.to_string());
    }

    fn tell_of_reload(&self, generation: u64, realm: &str, outcome: &str, text: &str) {
        let Some(audit) = &self.audit else { return };
        let facts = Facts {
            text: Some(text.to_owned()),
            ..Facts::default()
        };
        audit.tell(&Entry {
            at: (self.clock)(),
            generation,
            realm,
            operation: "reload",
            outcome,
            reason: None,
            peer: None,
            facts: &facts,
        });
    }

    /// Returns the facts for the audit, gathered only where there is one.
    pub(crate) fn facts(&self, gather: impl FnOnce() -> Facts) -> Facts {
        if self.audit.is_some() {
            gather()
        } else {
            Facts::default()
        }
    }
}
