//! Readiness in the log: at the start, and each time that it changes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::server::Context;
use jwtkeeper_log_limit::limited;

const LOOK: Duration = Duration::from_secs(1);

/// A fault is told once it has lasted for so many looks: a start has a moment to read the denylist from Redis.
const LASTING: u32 = 3;

/// Tells of the start. Returns true if the daemon is ready.
pub(super) fn tell_start(context: &Context, socket: &str, took_ms: u64) -> bool {
    let entries = context.keeper.denylist().index().len();
    match context.faults().into_iter().next() {
        None => {
            tracing::info!(%socket, entries, took_ms, "ready");
            true
        }
        Some(reason) => {
            tracing::info!(%socket, entries, took_ms, %reason, "serving, but not ready yet");
            false
        }
    }
}

/// Tells of every change from now on.
pub(super) async fn tell_changes(context: Arc<Context>, was_ready: bool) {
    let mut told = Some(was_ready).filter(|ready| *ready);
    let mut looks = 0;
    let mut interval = tokio::time::interval(LOOK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let faults = context.faults();
        match faults.first() {
            None => {
                looks = 0;
                if told.replace(true) != Some(true) {
                    limited!(info, "ready", "ready");
                }
            }
            Some(fault) => {
                looks += 1;
                if looks >= LASTING && told.replace(false) != Some(false) {
                    let faults = faults.len();
                    limited!(error, "not ready", %fault, faults, "not ready");
                }
            }
        }
    }
}
