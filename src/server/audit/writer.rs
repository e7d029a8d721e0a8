//! The thread that writes: what comes together is one write. A line that cannot be written is told of at once, in the log and
//! in health, and so is the first that can again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::sink::{Sink, SinkError};
use crate::config::AuditSettings;

/// Lines that wait to be written; more are not.
const WAITING: usize = 16 * 1024;
/// Bytes of one write.
const BATCH: usize = 256 * 1024;
/// How often what could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Whether a line was written.
pub(super) type Written = Result<(), String>;

pub(super) enum Job {
    Line {
        line: Vec<u8>,
        done: Option<oneshot::Sender<Written>>,
    },
    Reopen,
}

/// Where lines are put to be written.
pub(super) struct Queue {
    jobs: SyncSender<Job>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    fault: Mutex<Option<String>>,
    written: AtomicU64,
    lost: AtomicU64,
}

/// Makes the line which says that so many were not written.
pub(super) type Resumed = Box<dyn Fn(u64) -> Vec<u8> + Send>;

impl Queue {
    pub(super) fn start(settings: &AuditSettings, resumed: Resumed) -> Result<Self, SinkError> {
        let sink = Sink::open(settings)?;
        let (jobs, queue) = sync_channel(WAITING);
        let state = Arc::new(State::default());
        let writer = Writer {
            sink,
            state: state.clone(),
            resumed,
        };
        let started = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || writer.run(&queue));
        if let Err(error) = started {
            tracing::error!(%error, "the audit has no thread");
        }
        Ok(Self { jobs, state })
    }

    pub(super) fn put(&self, job: Job) {
        let (job, why) = match self.jobs.try_send(job) {
            Ok(()) => return,
            Err(TrySendError::Full(job)) => (job, "too much waits to be written"),
            Err(TrySendError::Disconnected(job)) => (job, "its writer has ended"),
        };
        if let Job::Line { done, .. } = job {
            self.state.lost(why, 1);
            done.map(|done| done.send(Err(why.to_owned()))); // the asker may have gone
        }
    }

    pub(super) fn fault(&self) -> Option<String> {
        let fault = self.state.fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        fault.map(|why| format!("the audit is not written: {why}"))
    }

    pub(super) fn counts(&self) -> (&AtomicU64, &AtomicU64) {
        (&self.state.written, &self.state.lost)
    }
}

impl State {
    fn lost(&self, why: &str, count: usize) {
        self.lost.fetch_add(count as u64, Ordering::Relaxed);
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        if fault.as_deref() != Some(why) {
            tracing::error!(%why, "the audit is not written");
            *fault = Some(why.to_owned());
        }
    }

    fn is_well(&self) -> bool {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn well(&self) {
        if self
            .fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .is_some()
        {
            let lost = self.lost.load(Ordering::Relaxed);
            tracing::warn!(lost, "the audit is written again");
        }
    }
}

struct Writer {
    sink: Sink,
    state: Arc<State>,
    resumed: Resumed,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Job>) {
        loop {
            let first = if self.state.is_well() {
                queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                queue.recv_timeout(RETRY)
            };
            match first {
                Ok(first) => self.write(first, queue),
                Err(RecvTimeoutError::Timeout) => self.try_again(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn write(&mut self, first: Job, queue: &Receiver<Job>) {
        let (mut lines, mut waiting, mut count) = (self.resumed(), Vec::new(), 0);
        let mut reopen = false;
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Line { line, done } => {
                    lines.extend_from_slice(&line);
                    waiting.extend(done);
                    count += 1;
                }
                Job::Reopen => reopen = true,
            }
            // What was asked before a file is reopened goes to the old one.
            next = if lines.len() < BATCH && !reopen {
                queue.try_recv().ok()
            } else {
                None
            };
        }
        let written = match count {
            0 => Ok(()),
            _ => self.sink.write(&lines).map_err(|error| error.to_string()),
        };
        match &written {
            Ok(()) => {
                self.state.written.fetch_add(count as u64, Ordering::Relaxed);
                if count > 0 {
                    self.state.well();
                }
            }
            Err(why) => self.state.lost(why, count),
        }
        for done in waiting {
            let _ = done.send(written.clone()); // the asker may have gone
        }
        if reopen {
            self.reopen();
        }
    }

    /// What comes first after lines were not written.
    fn resumed(&self) -> Vec<u8> {
        if self.state.is_well() {
            return Vec::new();
        }
        (self.resumed)(self.state.lost.load(Ordering::Relaxed))
    }

    fn reopen(&mut self) {
        match self.sink.reopen() {
            Ok(()) => tracing::info!("the audit is open anew"),
            Err(error) => tracing::error!(%error, "the audit is not open anew: it goes on as it was"),
        }
    }

    /// Without this, a daemon that nobody asks because it is not ready would never be ready again.
    fn try_again(&mut self) {
        let line = self.resumed();
        let open = self.sink.reopen().and_then(|()| self.sink.write(&line));
        match open {
            Ok(()) => self.state.well(),
            Err(error) => self.state.lost(&error.to_string(), 0),
        }
    }
}
