//! Messages to the service manager (sd_notify(3)): that the daemon is ready, reloads or stops, its status, and that
//! the loop which answers requests still does. Without one (NOTIFY_SOCKET) nothing is said. A manager that does not
//! listen holds up nobody but the thread that tells it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::health::Probe;
use crate::server::Context;

/// The interval at which the manager is sent the status, if it has changed.
const STATUS: Duration = Duration::from_secs(5);
/// The deadline of the last messages at the shutdown.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Tells the manager.
#[derive(Clone)]
pub(super) struct Manager(Option<Arc<News>>);

/// The messages to the manager, sent by a thread of their own.
#[derive(Default)]
struct News {
    told: Mutex<Told>,
    /// There is more to tell, or one thing less.
    turn: Condvar,
}

/// The messages that were sent last, and those that wait. However long it does not listen, that is little.
#[derive(Default)]
struct Told {
    ready: bool,
    status: String,
    /// In this order.
    states: VecDeque<State>,
    /// The status to send after those; only the latest.
    how: Option<String>,
    /// The watchdog's food waits, or is on its way: there is no second helping until it has gone.
    fed: bool,
    telling: bool,
}

/// A state whose order matters.
enum State {
    Ready(String),
    /// Since this moment of the monotonic clock, in microseconds.
    Reloading(i128),
    Stopping,
}

/// One thing to tell.
enum Word {
    State(State),
    How(String),
    Food,
}

impl Manager {
    /// Begins to tell, where somebody wants to know.
    pub(super) fn start() -> std::io::Result<Self> {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Ok(Self(None));
        }
        let news = Arc::new(News::default());
        let own = news.clone();
        let thread = std::thread::Builder::new().name("manager".to_owned());
        thread.spawn(move || own.tell_all())?;
        Ok(Self(Some(news)))
    }

    /// Requests are answered.
    pub(super) fn ready(&self, status: String) {
        self.with(|told| told.ready(status));
    }

    /// The files are being read again, because somebody asked. Ended by [`Manager::reloaded`].
    pub(super) fn reloading(&self) {
        self.with(|told| {
            // Before we are ready there is nothing to reload; after we stop nobody cares.
            if told.ready
                && let Ok(NotifyState::MonotonicUsec(now)) = NotifyState::monotonic_usec_now()
            {
                told.reloading(now);
            }
        });
    }

    /// Ends a reload.
    pub(super) fn reloaded(&self, status: String) {
        self.with(|told| {
            if told.ready {
                told.ready(status);
            }
        });
    }

    /// The end has begun.
    pub(super) fn stopping(&self) {
        self.with(|told| {
            told.ready = false;
            told.how = None;
            told.states.push_back(State::Stopping);
        });
    }

    /// Waits until all is told, if that does not take long.
    pub(super) fn finish(&self) {
        if let Some(news) = &self.0 {
            let waits = |told: &mut Told| told.telling || told.waits();
            let finished = news.turn.wait_timeout_while(news.told(), LAST_WORDS, waits);
            drop(finished.unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn status(&self, status: String) {
        self.with(|told| {
            if told.ready && told.status != status {
                told.how = Some(status.clone());
                told.status = status;
            }
        });
    }

    fn feed(&self) {
        self.with(|told| told.fed = true);
    }

    fn with(&self, change: impl FnOnce(&mut Told)) {
        if let Some(news) = &self.0 {
            change(&mut news.told());
            news.turn.notify_all();
        }
    }
}

impl Told {
    fn ready(&mut self, status: String) {
        if let Some(State::Ready(_)) = self.states.back() {
            self.states.pop_back();
        }
        self.states.push_back(State::Ready(status.clone()));
        (self.ready, self.status, self.how) = (true, status, None);
    }

    fn reloading(&mut self, now: i128) {
        // Of reloads that are over before it heard of them, this one tells enough.
        if let [.., State::Reloading(_), State::Ready(_)] = self.states.make_contiguous() {
            self.states.truncate(self.states.len() - 2);
        }
        self.states.push_back(State::Reloading(now));
    }

    fn waits(&self) -> bool {
        !self.states.is_empty() || self.how.is_some() || self.fed
    }

    fn next(&mut self) -> Option<Word> {
        let how = |told: &mut Self| told.how.take().map(Word::How);
        let food = |told: &Self| told.fed.then_some(Word::Food);
        let state = self.states.pop_front().map(Word::State);
        state.or_else(|| how(self)).or_else(|| food(self))
    }
}

impl News {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what there is, as long as we live. Nothing is held while it does: that can take for ever.
    fn tell_all(&self) {
        loop {
            let mut told = self.told();
            let word = loop {
                match told.next() {
                    Some(word) => break word,
                    None => told = self.turn.wait(told).unwrap_or_else(PoisonError::into_inner),
                }
            };
            told.telling = true;
            drop(told);
            word.tell();
            let mut told = self.told();
            told.telling = false;
            if let Word::Food = word {
                told.fed = false;
            }
            drop(told);
            self.turn.notify_all();
        }
    }
}

impl Word {
    fn tell(&self) {
        match self {
            Word::State(State::Ready(status)) => tell(&[NotifyState::Ready, NotifyState::Status(status)]),
            Word::State(State::Reloading(now)) => tell(&[NotifyState::Reloading, NotifyState::MonotonicUsec(*now)]),
            Word::State(State::Stopping) => tell(&[
                NotifyState::Stopping,
                NotifyState::Status("stopping; finishing requests in progress"),
            ]),
            Word::How(status) => tell(&[NotifyState::Status(status)]),
            Word::Food => tell(&[NotifyState::Watchdog]),
        }
    }
}

fn tell(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::warn!(%error, "could not notify the service manager: {what:?}");
    }
}

/// Keeps the manager's picture of us true, for as long as we run.
pub(super) async fn keep_told(manager: Manager, context: Arc<Context>) {
    if manager.0.is_none() {
        return;
    }
    let mut interval = tokio::time::interval(STATUS);
    loop {
        interval.tick().await;
        manager.status(context.summary());
    }
}

/// Feeds the manager's watchdog, if it has one for us: each time only after a request of our own was answered by the
/// loop that answers everybody's.
pub(super) async fn feed_watchdog(manager: Manager, mut probe: Probe) {
    let (Some(news), Some(limit)) = (&manager.0, sd_notify::watchdog_enabled()) else {
        return;
    };
    let mut interval = tokio::time::interval(limit / 3);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        match tokio::time::timeout(limit, probe.ask()).await {
            Ok(Ok(())) => manager.feed(),
            Ok(Err(_)) if !news.told().ready => return, // we stop: nothing is accepted any more
            Ok(Err(error)) => {
                tracing::error!(%error, "the daemon's own test request failed; the watchdog is not notified")
            }
            Err(_) => tracing::error!("the daemon's own test request timed out; the watchdog is not notified"),
        }
    }
}
