//! The one queue of whatever asks for the files to be read again. What comes while they are read is one more reading,
//! however much it was.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use super::change::Change;
use crate::config::fault::Faults;
use jwtkeeper_core::types::Millis;

/// The result of a reload that was asked for.
#[derive(Debug, Clone)]
pub struct Reloaded {
    /// The generation in effect.
    pub generation: u64,
    /// The faults; the previous states stay in effect.
    pub faults: Faults,
    /// The changes that no earlier reload was answered with, and that are not older than a minute.
    pub changes: Vec<Made>,
}

/// The part of a result that a caller passes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Success or faults.
    Result,
    /// The changes too: no later report has them.
    Report,
}

/// A change that has taken effect.
#[derive(Debug, Clone)]
pub struct Made {
    /// The time.
    pub at: Millis,
    /// The generation that brought it.
    pub generation: u64,
    /// The change.
    pub change: Change,
    /// The reload that is answered brought it; otherwise the daemon had seen the files change before.
    pub by_this_reload: bool,
}

/// The changes that a reload would bring now.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The generation in effect.
    pub generation: u64,
    /// The changes.
    pub changes: Vec<Change>,
    /// Faults that would be refused.
    pub faults: Faults,
    /// The settings whose new value would wait for a restart.
    pub pending_restart: Vec<&'static str>,
}

/// Asks for the files to be read again.
#[derive(Clone, Default)]
pub struct Reloads(Arc<Shared>);

#[derive(Default)]
struct Shared {
    asked: Mutex<Asked>,
    changed: Condvar,
    /// Nobody takes anything any more.
    ended: AtomicBool,
}

/// The requests since they were last taken.
#[derive(Default)]
pub(super) struct Asked {
    /// A file may have changed.
    pub(super) hint: bool,
    /// All are to be read, whether they seem to have changed or not.
    pub(super) reload: bool,
    /// The callers that wait for the result.
    pub(super) waiting: Vec<(Wanted, oneshot::Sender<Reloaded>)>,
    /// The callers that ask what a reload would change.
    pub(super) previews: Vec<oneshot::Sender<Preview>>,
}

impl Asked {
    fn is_empty(&self) -> bool {
        !self.hint && !self.reload && self.waiting.is_empty() && self.previews.is_empty()
    }
}

impl Reloads {
    /// Has all files read again.
    pub fn reload(&self) {
        self.put(|asked| asked.reload = true);
    }

    /// The same, and waits for what came of it; `None` when nobody follows the files any more.
    pub async fn ask(&self, wanted: Wanted) -> Option<Reloaded> {
        let (answer, answered) = oneshot::channel();
        self.put(|asked| {
            asked.reload = true;
            asked.waiting.push((wanted, answer));
        });
        answered.await.ok()
    }

    /// Asks what a reload would change now; `None` when nobody follows the files any more.
    pub async fn preview(&self) -> Option<Preview> {
        let (answer, answered) = oneshot::channel();
        self.put(|asked| asked.previews.push(answer));
        answered.await.ok()
    }

    /// A file may have changed.
    pub(super) fn hint(&self) {
        self.put(|asked| asked.hint = true);
    }

    /// Takes what was asked; waits for it until `wake`.
    pub(super) fn take(&self, wake: Instant) -> Asked {
        let asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let left = wake.saturating_duration_since(Instant::now());
        let waited = self.0.changed.wait_timeout_while(asked, left, |asked| asked.is_empty());
        let (mut asked, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *asked)
    }

    /// Nothing is taken any more: who waits hears of it, and who asks from now on.
    pub(super) fn end(&self) {
        self.0.ended.store(true, Ordering::Release);
        *self.0.asked.lock().unwrap_or_else(PoisonError::into_inner) = Asked::default();
    }

    fn put(&self, change: impl FnOnce(&mut Asked)) {
        let mut asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.0.ended.load(Ordering::Acquire) {
            change(&mut asked);
            self.0.changed.notify_one();
        }
    }
}
