//! The thread that writes: what comes together is one write. A line that cannot be written is told of at once, in the
//! log and in health; that they can again, once a second has gone by without a loss.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::sink::{Sink, SinkError};
use crate::config::AuditSettings;
use jwtkeeper_log_limit::limited;

/// Lines that wait to be written; more are not.
const WAITING: usize = 16 * 1024;
/// Bytes of one write.
const BATCH: usize = 256 * 1024;
/// The interval of retries, and the time without a loss after which a fault is over.
const RETRY: Duration = Duration::from_secs(1);

/// True if a line was written.
pub(super) type Written = Result<(), String>;

enum Job {
    Line {
        line: Vec<u8>,
        done: Option<oneshot::Sender<Written>>,
    },
    /// Tells when what came before is written.
    Flush(oneshot::Sender<()>),
    /// There is something to look at.
    Wake,
}

/// The part of the queue that a line may take.
#[derive(Debug, Clone, Copy)]
pub(super) enum Room {
    All,
    Half,
}

/// The queue of lines to be written.
pub(super) struct Queue {
    jobs: SyncSender<Job>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    fault: Mutex<Option<Fault>>,
    waiting: AtomicUsize,
    written: AtomicU64,
    lost: AtomicU64,
    /// The file is to be opened anew.
    reopen: AtomicBool,
}

/// Why there is no audit from the start on.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The configuration is wrong.
    #[error("writing the audit failed: {0}")]
    Sink(#[from] SinkError),
    /// The system has no thread for it.
    #[error("cannot start the thread that writes the audit: {0}")]
    Thread(std::io::Error),
}

/// A fault, and when it last showed.
struct Fault {
    why: String,
    last: Instant,
}

/// Makes the line which says that so many were not written.
pub(super) type Resumed = Box<dyn Fn(u64) -> Vec<u8> + Send>;

impl Queue {
    /// Starts the writer. A destination that cannot be opened now is a fault like any later one, unless it never will
    /// be.
    pub(super) fn start(settings: &AuditSettings, resumed: Resumed) -> Result<Self, AuditError> {
        let state = Arc::new(State::default());
        let mut sink = Sink::closed(settings);
        match sink.reopen() {
            Err(error) if error.is_for_good() => return Err(error.into()),
            Err(error) => state.lost(&error.to_string(), 0),
            Ok(()) => {}
        }
        // Beside lines there are wakes and flushes, for which nobody is refused.
        let (jobs, queue) = sync_channel(WAITING + 1024);
        let writer = Writer {
            sink,
            state: state.clone(),
            resumed,
        };
        let thread = std::thread::Builder::new().name("audit".to_owned());
        thread.spawn(move || writer.run(&queue)).map_err(AuditError::Thread)?;
        Ok(Self { jobs, state })
    }

    pub(super) fn line(&self, line: Vec<u8>, done: Option<oneshot::Sender<Written>>, room: Room) {
        let most = match room {
            Room::All => WAITING,
            Room::Half => WAITING / 2,
        };
        let one_more = |waiting: usize| (waiting < most).then_some(waiting + 1);
        let waiting = &self.state.waiting;
        let fits = waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        let refused = match fits {
            Err(_) => Some((done, "too much waits to be written")),
            Ok(_) => match self.jobs.try_send(Job::Line { line, done }) {
                Ok(()) => None,
                Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => {
                    waiting.fetch_sub(1, Ordering::AcqRel);
                    Some((job.done(), "its writer has ended"))
                }
            },
        };
        if let Some((done, why)) = refused {
            self.state.lost(why, 1);
            done.map(|done| done.send(Err(why.to_owned()))); // the asker may have gone
        }
    }

    pub(super) fn reopen(&self) {
        self.state.reopen.store(true, Ordering::Release);
        let _ = self.jobs.try_send(Job::Wake); // where there is no room it is awake
    }

    pub(super) async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.jobs.try_send(Job::Flush(done)).is_ok() {
            let _ = flushed.await; // it has ended, and nothing waits
        }
    }

    /// Takes note that a line takes too long; says so.
    pub(super) fn stalls(&self) -> String {
        let why = "what it is written to does not answer";
        self.state.lost(why, 0);
        why.to_owned()
    }

    pub(super) fn fault(&self) -> Option<String> {
        let fault = self.state.fault();
        let fault = fault.as_ref()?;
        Some(format!("writing the audit failed: {}", fault.why))
    }

    pub(super) fn counts(&self) -> (&AtomicU64, &AtomicU64) {
        (&self.state.written, &self.state.lost)
    }
}

impl Job {
    fn done(self) -> Option<oneshot::Sender<Written>> {
        match self {
            Job::Line { done, .. } => done,
            Job::Flush(_) | Job::Wake => None,
        }
    }
}

impl State {
    fn fault(&self) -> MutexGuard<'_, Option<Fault>> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lost(&self, why: &str, count: usize) {
        self.lost.fetch_add(count as u64, Ordering::Relaxed);
        let mut fault = self.fault();
        if fault.as_ref().is_none_or(|fault| fault.why != why) {
            limited!(error, "audit not written", %why, "writing the audit failed");
        }
        let (why, last) = (why.to_owned(), Instant::now());
        *fault = Some(Fault { why, last });
    }

    fn is_well(&self) -> bool {
        self.fault().is_none()
    }

    /// Returns true if something was wrong, and has not shown for a while.
    fn may_be_well(&self) -> bool {
        self.fault().as_ref().is_some_and(|fault| fault.last.elapsed() >= RETRY)
    }

    fn well(&self) {
        *self.fault() = None;
        let lost = self.lost.load(Ordering::Relaxed);
        limited!(warn, "audit written again", lost, "writing the audit works again");
    }
}

/// The lines of one write.
#[derive(Default)]
struct Batch {
    lines: Vec<u8>,
    count: usize,
    waiting: Vec<oneshot::Sender<Written>>,
    flushes: Vec<oneshot::Sender<()>>,
}

impl Batch {
    fn add(&mut self, job: Job) {
        match job {
            Job::Line { line, done } => {
                self.lines.extend_from_slice(&line);
                self.waiting.extend(done);
                self.count += 1;
            }
            Job::Flush(done) => self.flushes.push(done),
            Job::Wake => {}
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
                // Also where nobody asks: a daemon that is not ready may be asked by nobody until it is.
                queue.recv_timeout(RETRY)
            };
            match first {
                Ok(first) => self.write(first, queue),
                Err(RecvTimeoutError::Timeout) => self.write(Job::Wake, queue),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn write(&mut self, first: Job, queue: &Receiver<Job>) {
        let open = self.open();
        let resumes = open && self.state.may_be_well();
        let mut batch = Batch::default();
        if resumes {
            batch.lines = (self.resumed)(self.state.lost.load(Ordering::Relaxed));
        }
        batch.add(first);
        while batch.lines.len() < BATCH
            && let Ok(job) = queue.try_recv()
        {
            batch.add(job);
        }
        self.state.waiting.fetch_sub(batch.count, Ordering::AcqRel);
        let written = match batch.lines.is_empty() {
            true => Ok(()),
            false => self.sink.write(&batch.lines),
        };
        match &written {
            Ok(()) => {
                self.state.written.fetch_add(batch.count as u64, Ordering::Relaxed);
                if resumes {
                    self.state.well();
                }
            }
            Err(why) => self.state.lost(why, batch.count),
        }
        for done in batch.waiting {
            let _ = done.send(written.clone()); // the asker may have gone
        }
        for done in batch.flushes {
            let _ = done.send(()); // as above
        }
    }

    /// Opens what it is written to anew, where that was asked for, or something is wrong. Whether it is open as it
    /// should be: where it is not, lines go on to where they went before, if they went anywhere, and it is tried again.
    fn open(&mut self) -> bool {
        let asked = self.state.reopen.swap(false, Ordering::AcqRel);
        if !asked && self.state.is_well() {
            return true;
        }
        match self.sink.reopen() {
            Ok(()) if asked => tracing::info!("reopened the audit file"),
            Ok(()) => {}
            Err(error) => {
                self.state.reopen.store(true, Ordering::Release);
                self.state.lost(&error.to_string(), 0);
                return false;
            }
        }
        true
    }
}
