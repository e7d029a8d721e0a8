//! What the service manager is told (sd_notify(3)): that we are ready, reload or stop, how we are, and that the loop which
//! answers requests still does. Without one (NOTIFY_SOCKET) nothing is said.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::server::{Context, Probe};

/// How often the manager is told how we are, where that has changed.
const STATUS: Duration = Duration::from_secs(5);

/// Tells the manager.
#[derive(Clone, Default)]
pub(super) struct Manager(Arc<Mutex<Told>>);

/// What it was told last.
#[derive(Default)]
struct Told {
    ready: bool,
    status: String,
}

impl Manager {
    /// Requests are answered.
    pub(super) fn ready(&self, status: String) {
        tell_ready(&mut self.told(), status);
    }

    /// The files are being read again, because somebody asked. Ended by [`Manager::ready`].
    pub(super) fn reloading(&self) {
        let told = self.told();
        // Before we are ready there is nothing to reload; after we stop nobody cares.
        if told.ready
            && let Ok(now) = NotifyState::monotonic_usec_now()
        {
            tell(&[NotifyState::Reloading, now]);
        }
    }

    /// That is over.
    pub(super) fn reloaded(&self, status: String) {
        let mut told = self.told();
        if told.ready {
            tell_ready(&mut told, status);
        }
    }

    /// The end has begun.
    pub(super) fn stopping(&self) {
        let mut told = self.told();
        told.ready = false;
        tell(&[
            NotifyState::Stopping,
            NotifyState::Status("stopping: answering what was asked"),
        ]);
    }

    fn status(&self, status: String) {
        let mut told = self.told();
        if told.ready && told.status != status {
            tell(&[NotifyState::Status(&status)]);
            told.status = status;
        }
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tell_ready(told: &mut Told, status: String) {
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
    *told = Told { ready: true, status };
}

fn tell(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::warn!(%error, "the service manager was not told: {what:?}");
    }
}

/// Keeps the manager's picture of us true, for as long as we run.
pub(super) async fn keep_told(manager: Manager, context: Arc<Context>) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let mut interval = tokio::time::interval(STATUS);
    loop {
        interval.tick().await;
        manager.status(context.summary());
    }
}

/// Feeds the manager's watchdog, if it has one for us: each time only after a request of our own was answered by the loop
/// that answers everybody's.
pub(super) async fn feed_watchdog(mut probe: Probe) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut interval = tokio::time::interval(limit / 3);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        match tokio::time::timeout(limit, probe.ask()).await {
            Ok(Ok(())) => tell(&[NotifyState::Watchdog]),
            Ok(Err(error)) => tracing::error!(%error, "our own request was not answered: the watchdog is not fed"),
            Err(_) => tracing::error!("our own request is not answered in time: the watchdog is not fed"),
        }
    }
}
