//! The embedded store: one writer thread, group commit, and an answer only after fsync.
//!
//! What is revoked or flagged is in force in memory at once; a rotation is decided by the writer alone. Entries that
//! a failed commit left behind are kept and written with the next one that succeeds.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::change::{Change, Kind, Level, Outcome, Raise};
use super::index::{Index, RealmIndex};
use super::journal::{Journal, OpenError, Written, store_error};
use super::memory::follow_successors;
use super::row::{self, Rows};
use super::{Applied, Denylist, MARGIN, StoreError, StoreHealth};
use crate::words::{Id, Millis};

/// The name of the file in `state_dir`.
const FILE: &str = "denylist.redb";
/// Changes made durable by one commit at the most.
const BATCH: usize = 1024;
/// How long a commit waits for the company that the last one had.
const GATHER: Duration = Duration::from_micros(150);
/// How often a store that failed for want of room is tried again.
const RETRY: Duration = Duration::from_millis(250);
/// While it catches up, time passes this many times faster for forgetting than for everyone else: a clock that was
/// years ahead for some seconds makes nothing forgotten.
const CATCH_UP: u64 = 60;

const MINTED: &str = "minted";
const FORGOTTEN: &str = "forgotten";
const LIFETIME: &str = "lifetime/";
const CURRENT: &str = "current/";

type Reply = oneshot::Sender<Result<Outcome, StoreError>>;

struct Job {
    realm: Arc<RealmIndex>,
    change: Change,
    reply: Reply,
}

/// The embedded store.
pub struct Embedded {
    index: Arc<Index>,
    written: Arc<Written>,
    fault: Arc<Mutex<Option<StoreError>>>,
    minted: Millis,
    future_cutoffs: u64,
    jobs: Mutex<Option<Sender<Job>>>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Embedded {
    /// Makes a new, empty store in `state_dir`; refuses where there is one.
    pub fn create(state_dir: &Path) -> Result<(), OpenError> {
        Journal::create(&state_dir.join(FILE))
    }

    /// Whether there is a store in `state_dir`.
    pub fn exists(state_dir: &Path) -> bool {
        state_dir.join(FILE).exists()
    }

    /// Opens the store in `state_dir` and loads it.
    pub fn open(state_dir: &Path, now: Millis, skew_ms: u64) -> Result<Self, OpenError> {
        Self::on(Journal::open(&state_dir.join(FILE))?, now, skew_ms)
    }

    /// Loads an open store. Cutoffs found in it that lie more than `skew_ms` in the future are applied as of now, and
    /// written so: the next start does not apply them anew.
    pub fn on(mut journal: Journal, now: Millis, skew_ms: u64) -> Result<Self, OpenError> {
        let corrupt = |why: String| OpenError::Corrupt {
            path: FILE.to_owned(),
            why,
        };
        let io = |why: String| OpenError::Io {
            path: FILE.to_owned(),
            why,
        };
        let index = Arc::new(Index::default());
        let (mut wrong, mut right) = (Vec::new(), Rows::new());
        journal
            .each_row(|key, bytes| {
                if let Some(future) = row::load(&index, key.0, bytes, now.plus(skew_ms))? {
                    row::put_raise(&future.realm, &future.raise, &mut right).map_err(|_| row::BadRow)?;
                    wrong.push(key);
                }
                Ok::<_, row::BadRow>(())
            })
            .map_err(|error| corrupt(error.to_string()))?
            .map_err(|error| corrupt(error.to_string()))?;
        let future_cutoffs = wrong.len() as u64;
        if future_cutoffs > 0 {
            journal.replace(&wrong, &right).map_err(|error| io(error.to_string()))?;
        }
        let marks: HashMap<_, _> = journal
            .marks()
            .map_err(|error| corrupt(error.to_string()))?
            .into_iter()
            .collect();
        let minted = Millis(marks.get(MINTED).copied().unwrap_or(0));
        load_lifetimes(&index, &marks, minted);
        let forgotten = marks.get(FORGOTTEN).copied();
        if let Some(forgotten) = forgotten {
            index.purge(i64::try_from(forgotten).unwrap_or(i64::MAX));
        } else {
            let marks = [(FORGOTTEN.to_owned(), now.0 / 1000)];
            journal
                .commit(&Rows::new(), &marks, None)
                .map_err(|error| io(error.to_string()))?;
        }
        let (jobs, queue) = channel();
        let mut writer = Writer {
            journal,
            index: index.clone(),
            written: Arc::default(),
            fault: Arc::default(),
            unsaved: HashMap::new(),
            horizon_ms: forgotten.map_or(now.0, |seconds| seconds.saturating_mul(1000)),
            minted,
            last_retry: None,
        };
        let (written, fault) = (writer.written.clone(), writer.fault.clone());
        let thread = std::thread::Builder::new()
            .name("denylist".to_owned())
            .spawn(move || writer.run(&queue))
            .map_err(|error| io(error.to_string()))?;
        Ok(Self {
            index,
            written,
            fault,
            minted,
            future_cutoffs,
            jobs: Mutex::new(Some(jobs)),
            writer: Mutex::new(Some(thread)),
        })
    }

    /// The high mark of minting that an earlier life left.
    pub fn minted(&self) -> Millis {
        self.minted
    }

    /// How many cutoffs found in the store lay in the future.
    pub fn future_cutoffs(&self) -> u64 {
        self.future_cutoffs
    }

    /// Ends the writer once everything asked before is answered.
    pub fn close(&self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(writer) = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = writer.join(); // a panic there was logged where it happened
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.close();
    }
}

fn load_lifetimes(index: &Index, marks: &HashMap<String, u64>, minted: Millis) {
    for (name, last) in marks {
        let Some((realm, value)) = name.strip_prefix(LIFETIME).and_then(|rest| rest.rsplit_once('/')) else {
            continue;
        };
        let Ok(value) = value.parse() else { continue };
        index.realm(realm).load_lifetime(value, Millis(*last));
    }
    for (name, value) in marks {
        // What was in force when the last token was minted was so until then, however that life ended.
        if let Some(realm) = name.strip_prefix(CURRENT) {
            index.realm(realm).set_lifetime(*value, minted);
        }
    }
}

impl Denylist for Embedded {
    fn index(&self) -> &Index {
        &self.index
    }

    fn apply(&self, realm: &Arc<RealmIndex>, change: Change) -> Applied<'_> {
        if let Change::Raise { entries, follow } = &change {
            let mut all = entries.clone();
            follow_successors(realm, &mut all, follow.as_ref());
            for entry in &all {
                realm.raise(entry);
            }
        }
        let (reply, answer) = oneshot::channel();
        let job = Job {
            realm: realm.clone(),
            change,
            reply,
        };
        let sent = match &*self.jobs.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(jobs) => jobs.send(job).is_ok(),
            None => false,
        };
        Box::pin(async move {
            if !sent {
                return Err(StoreError::Closed);
            }
            answer.await.unwrap_or(Err(StoreError::Closed))
        })
    }

    fn health(&self) -> StoreHealth {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        StoreHealth {
            kind: "embedded",
            fault: fault.as_ref().map(ToString::to_string),
            entries: self.index.len(),
            changes: self.written.changes.load(Ordering::Relaxed),
            commits: self.written.commits.load(Ordering::Relaxed),
        }
    }
}

/// What an entry stands for: of its raises, the last one that was unsaved holds all.
type Standing = (String, Kind, Id, Level);

struct Writer {
    journal: Journal,
    index: Arc<Index>,
    written: Arc<Written>,
    fault: Arc<Mutex<Option<StoreError>>>,
    /// In force in memory, and in no commit that succeeded.
    unsaved: HashMap<Standing, (Arc<RealmIndex>, Raise)>,
    /// What is forgotten is judged by this moment, which never runs ahead.
    horizon_ms: u64,
    minted: Millis,
    last_retry: Option<Instant>,
}

/// What one commit carries.
#[derive(Default)]
struct Batch {
    rows: Rows,
    marks: Vec<(String, u64)>,
    forget: Option<i64>,
    raised: Vec<(Arc<RealmIndex>, Raise)>,
    rotated: Vec<(Arc<RealmIndex>, Id)>,
    replies: Vec<(Reply, Outcome)>,
}

impl Writer {
    fn run(&mut self, queue: &Receiver<Job>) {
        let mut company = 1;
        while let Ok(first) = queue.recv() {
            let jobs = gather(first, queue, company);
            company = jobs.len();
            self.make_durable(jobs);
        }
    }

    fn make_durable(&mut self, jobs: Vec<Job>) {
        let mut batch = Batch::default();
        for (realm, raise) in std::mem::take(&mut self.unsaved).into_values() {
            let stands = realm.stands(&raise);
            if !realm.is_saved(&raise) && row::put_raise(realm.name(), &stands, &mut batch.rows).is_ok() {
                batch.raised.push((realm, stands));
            }
        }
        for Job { realm, change, reply } in jobs {
            match self.step(&realm, change, &mut batch) {
                Ok(outcome) => batch.replies.push((reply, outcome)),
                Err(error) => drop(reply.send(Err(error))), // the asker may have gone
            }
        }
        #[cfg(debug_assertions)]
        if std::env::var_os("JWTKEEPER_TEST_EARLY_ACKNOWLEDGEMENT").is_some() {
            // The positive control of the crash tests: what must never be, in builds for tests alone.
            for (reply, outcome) in std::mem::take(&mut batch.replies) {
                let _ = reply.send(Ok(outcome));
            }
        }
        let idle = batch.rows.is_empty() && batch.marks.is_empty() && batch.forget.is_none();
        let result = if idle { Ok(()) } else { self.commit(&batch) };
        match &result {
            Ok(()) => {
                batch.raised.iter().for_each(|(realm, raise)| realm.mark_saved(raise));
                if !idle {
                    self.written.add(batch.replies.len() as u64);
                }
            }
            Err(_) => {
                batch.rotated.iter().for_each(|(realm, old)| realm.remove_rotation(old));
                let key = |realm: &RealmIndex, raise: &Raise| {
                    (realm.name().to_owned(), raise.kind, raise.id.clone(), raise.level)
                };
                self.unsaved = batch
                    .raised
                    .into_iter()
                    .map(|(realm, raise)| (key(&realm, &raise), (realm, raise)))
                    .collect();
            }
        }
        for (reply, outcome) in batch.replies {
            let _ = reply.send(result.clone().map(|()| outcome)); // the asker may have gone
        }
    }

    fn step(&mut self, realm: &Arc<RealmIndex>, change: Change, batch: &mut Batch) -> Result<Outcome, StoreError> {
        let too_large = |error: jwtkeeper_wire::EncodeError| StoreError::Failed(error.to_string());
        match change {
            Change::Raise { mut entries, follow } => {
                follow_successors(realm, &mut entries, follow.as_ref());
                for raise in entries {
                    realm.raise(&raise);
                    if !realm.is_saved(&raise) {
                        let stands = realm.stands(&raise);
                        row::put_raise(realm.name(), &stands, &mut batch.rows).map_err(too_large)?;
                        batch.raised.push((realm.clone(), stands));
                    }
                }
                Ok(Outcome::Done)
            }
            Change::Rotate(rotate) => {
                if let Some(decided) = realm.decide(&rotate) {
                    return Ok(decided);
                }
                row::put_rotation(realm.name(), &rotate, &mut batch.rows).map_err(too_large)?;
                let record = rotate.record;
                let successor = record.successor.clone();
                realm.insert_rotation(
                    &rotate.old,
                    successor,
                    rotate.grace_until,
                    rotate.until,
                    Some(record.clone()),
                );
                batch.rotated.push((realm.clone(), rotate.old));
                Ok(Outcome::First(record))
            }
            Change::Lifetime { max_lifetime, now } => {
                realm.set_lifetime(max_lifetime, now);
                for (value, last) in realm.lifetimes() {
                    batch
                        .marks
                        .push((format!("{LIFETIME}{}/{value}", realm.name()), last.0));
                }
                batch.marks.push((format!("{CURRENT}{}", realm.name()), max_lifetime));
                Ok(Outcome::Done)
            }
            Change::Tick {
                now,
                elapsed_ms,
                minted,
            } => {
                self.tick(now, elapsed_ms, minted, batch);
                Ok(Outcome::Done)
            }
        }
    }

    fn tick(&mut self, now: Millis, elapsed_ms: u64, minted: Millis, batch: &mut Batch) {
        if minted > self.minted {
            self.minted = minted;
            batch.marks.push((MINTED.to_owned(), minted.0));
        }
        let before = self.horizon_ms / 1000;
        let ahead = self.horizon_ms.saturating_add(elapsed_ms.saturating_mul(CATCH_UP));
        self.horizon_ms = self.horizon_ms.max(ahead.min(now.0));
        let horizon = self.horizon_ms / 1000;
        // Once in a margin's tenth, or whenever something else is written anyway.
        if horizon / (MARGIN as u64 / 10) > before / (MARGIN as u64 / 10) || !batch.marks.is_empty() {
            let seconds = i64::try_from(horizon).unwrap_or(i64::MAX);
            batch.marks.push((FORGOTTEN.to_owned(), horizon));
            batch.forget = Some(seconds);
            self.index.purge(seconds);
        }
    }

    /// Commits, after opening the file again where an earlier commit failed for want of room.
    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let standing = self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(fault) = standing {
            let early = self.last_retry.is_some_and(|last| last.elapsed() < RETRY);
            if early || !matches!(fault, StoreError::Full(_)) {
                return Err(fault);
            }
            self.last_retry = Some(Instant::now());
            self.journal.reopen()?;
        }
        let result = self
            .journal
            .commit(&batch.rows, &batch.marks, batch.forget)
            .map_err(|error| store_error(&error));
        if let Err(error) = &result {
            tracing::error!(%error, "the denylist store did not take a commit: revocations hold in memory and are not acknowledged");
        }
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = result.clone().err();
        result
    }
}

/// The jobs of one commit: all that are there, and, if the last commit had company, those that arrive in a moment.
fn gather(first: Job, queue: &Receiver<Job>, company: usize) -> Vec<Job> {
    let mut jobs = vec![first];
    let until = Instant::now() + GATHER;
    while jobs.len() < BATCH {
        let wait = if jobs.len() < company {
            until.saturating_duration_since(Instant::now())
        } else {
            Duration::ZERO
        };
        match queue.recv_timeout(wait) {
            Ok(job) => jobs.push(job),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    jobs
}
