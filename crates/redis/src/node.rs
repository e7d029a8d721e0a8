//! One primary of the fleet: which slots it has, how it is reached, how old what was read of it is, and the
//! entries to put into it.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use redis::ConnectionInfo;
use tokio::sync::Notify;

use super::age::Fresh;
use super::connection::Connection;
use super::copy::Shared;
use super::dataset;
use super::discovery::{Primary, slot};
use super::durable::Durability;
use super::fleet::random;
use super::server_clock::ServerClock;
use jwtkeeper_core::denylist::Kind;
use jwtkeeper_core::denylist::ScanEpoch;
use jwtkeeper_core::denylist::StoreError;
use jwtkeeper_core::types::Id;
use jwtkeeper_log_limit::limited;

/// An entry that is to be put into Redis, as it stands in memory by then.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) shared: Arc<Shared>,
    pub(super) kind: Kind,
    pub(super) id: Id,
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared) && self.kind == other.kind && self.id == other.id
    }
}

impl Eq for Job {}

impl Hash for Job {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (Arc::as_ptr(&self.shared), self.kind, &self.id).hash(state);
    }
}

/// Jobs, each once, however often it is asked for.
#[derive(Default)]
pub(super) struct Pending {
    jobs: Vec<Job>,
    known: HashSet<Job>,
}

impl Pending {
    fn add(&mut self, job: Job) {
        if self.known.insert(job.clone()) {
            self.jobs.push(job);
        }
    }

    /// Takes up to `count` jobs, in no order.
    pub(super) fn pick(&mut self, count: usize) -> Vec<Job> {
        let count = count.min(self.jobs.len());
        let any = |_| {
            let at = random(self.jobs.len() as u64) as usize;
            let job = self.jobs.swap_remove(at);
            self.known.remove(&job);
            job
        };
        (0..count).map(any).collect()
    }

    /// Takes all jobs.
    pub(super) fn take(&mut self) -> Vec<Job> {
        self.known.clear();
        std::mem::take(&mut self.jobs)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }
}

/// One primary.
pub(super) struct Node {
    pub(super) server: ConnectionInfo,
    pub(super) name: String,
    slots: ArcSwap<Vec<RangeInclusive<u16>>>,
    sentinel: Mutex<String>,
    /// The connection that writes; none while it is away.
    pub(super) writes: ArcSwapOption<Connection>,
    /// Held by whoever replaces that connection.
    pub(super) reopening: tokio::sync::Mutex<()>,
    /// The moment of the last doubt in it.
    doubted: Mutex<Option<Instant>>,
    pub(super) fresh: Fresh,
    pub(super) clock: ServerClock,
    /// The present reading of it: what bears another number it may not have.
    scan_epoch: AtomicU16,
    pending: Mutex<Pending>,
    /// Entries that it lacks and that are no jobs yet.
    pub(super) lacking: AtomicU64,
    /// Something is pending, or asked for below.
    pub(super) wake: Notify,
    pub(super) read_all: AtomicBool,
    pub(super) broken: AtomicBool,
    /// Up to which state of what is shared everything was read.
    read_to: AtomicU64,
    /// Too few replicas follow it.
    unfollowed: Mutex<Option<StoreError>>,
    /// The change that waits for replicas.
    pub(super) waiting: tokio::sync::Mutex<()>,
    pub(super) durability: Mutex<Option<Durability>>,
    evicted: AtomicU64,
    /// It evicts entries that are known here.
    evicts: AtomicBool,
    /// The reason that a copy of it, though complete, is not trusted yet.
    waits_for: Mutex<Option<String>>,
    /// Why it is not heard of.
    fault: Mutex<Option<StoreError>>,
    /// Why it takes no changes.
    refusal: Mutex<Option<StoreError>>,
}

impl Node {
    /// One that was not heard of yet; what it has is as old as `since`, and was read up to `read_to`.
    pub(super) fn new(primary: &Primary, since: Option<u64>, read_to: u64) -> Self {
        let fault = StoreError::Away("Redis has not been reached yet".to_owned());
        let slots = sorted(&primary.slots);
        Self {
            server: primary.server.clone(),
            name: primary.name(),
            sentinel: Mutex::new(dataset::key(&slots)),
            slots: ArcSwap::from_pointee(slots),
            writes: ArcSwapOption::empty(),
            reopening: tokio::sync::Mutex::default(),
            doubted: Mutex::default(),
            fresh: Fresh::inherit(since),
            clock: ServerClock::default(),
            scan_epoch: AtomicU16::new(0),
            pending: Mutex::default(),
            lacking: AtomicU64::new(0),
            wake: Notify::new(),
            read_all: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            read_to: AtomicU64::new(read_to),
            unfollowed: Mutex::default(),
            waiting: tokio::sync::Mutex::default(),
            durability: Mutex::default(),
            evicted: AtomicU64::new(0),
            evicts: AtomicBool::new(false),
            waits_for: Mutex::default(),
            fault: Mutex::new(Some(fault)),
            refusal: Mutex::default(),
        }
    }

    pub(super) fn primary(&self) -> Primary {
        Primary {
            server: self.server.clone(),
            slots: self.slots.load().to_vec(),
        }
    }

    /// It has these slots now.
    pub(super) fn take_slots(&self, slots: &[RangeInclusive<u16>]) {
        let slots = sorted(slots);
        if **self.slots.load() != slots {
            *self.sentinel.lock().unwrap_or_else(PoisonError::into_inner) = dataset::key(&slots);
            self.slots.store(Arc::new(slots));
            self.ask_for_reading();
        }
    }

    /// Returns true if a key is its own.
    pub(super) fn has(&self, key: &str) -> bool {
        self.has_all() || has_slot(&self.slots.load(), slot(key))
    }

    /// Returns true if every key is.
    pub(super) fn has_all(&self) -> bool {
        let all = 0..=super::discovery::SLOTS - 1;
        self.slots.load().first() == Some(&all)
    }

    /// Up to which state of what is shared everything was read.
    pub(super) fn read_to(&self) -> u64 {
        self.read_to.load(Ordering::Acquire)
    }

    pub(super) fn has_read(&self, state: u64) {
        self.read_to.fetch_max(state, Ordering::AcqRel);
    }

    /// Takes note of how many replicas have all that was written.
    pub(super) fn followed_by(&self, count: u64, wanted: u64) {
        let fault = (count < wanted).then(|| {
            let text = format!("{count} of {wanted} replicas of Redis follow it (wait_replicas)");
            StoreError::Away(text)
        });
        *self.unfollowed.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    pub(super) fn unfollowed(&self) -> Option<StoreError> {
        self.unfollowed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn scan_epoch(&self) -> ScanEpoch {
        self.scan_epoch.load(Ordering::Acquire)
    }

    pub(super) fn begin_scan(&self, reading: ScanEpoch) {
        self.scan_epoch.store(reading, Ordering::Release);
    }

    /// Asks that everything be read again.
    pub(super) fn ask_for_reading(&self) {
        self.read_all.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Returns true if a silent connection is reason to open another: WAIT keeps it silent, and so does a server that
    /// stalls, for which one attempt in `period` is enough.
    pub(super) fn may_doubt(&self, period: Duration) -> bool {
        if self.waiting.try_lock().is_err() {
            return false;
        }
        let mut doubted = self.doubted.lock().unwrap_or_else(PoisonError::into_inner);
        if doubted.is_some_and(|at| at.elapsed() < period) {
            return false;
        }
        *doubted = Some(Instant::now());
        true
    }

    /// The connection is of no use any more.
    pub(super) fn give_up(&self) {
        self.writes.store(None);
        self.broken.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Notes the entries that it lacks, to be restored.
    pub(super) fn repair(&self, jobs: impl IntoIterator<Item = Job>) {
        let mut pending = self.jobs();
        jobs.into_iter().for_each(|job| pending.add(job));
        drop(pending);
        self.wake.notify_one();
    }

    pub(super) fn jobs(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of entries that it lacks, as far as is known.
    pub(super) fn pending(&self) -> u64 {
        self.jobs().jobs.len() as u64 + self.lacking.load(Ordering::Relaxed)
    }

    /// Notes the number of keys that it has evicted; returns true if there are more than before.
    pub(super) fn evicted(&self, count: u64) -> bool {
        self.evicted.swap(count, Ordering::Relaxed) < count
    }

    pub(super) fn evicts(&self) -> bool {
        self.evicts.load(Ordering::Relaxed)
    }

    pub(super) fn set_evicts(&self, evicts: bool) {
        self.evicts.store(evicts, Ordering::Relaxed);
    }

    pub(super) fn waits_for(&self) -> Option<String> {
        self.waits_for.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_waits_for(&self, why: Option<String>) {
        *self.waits_for.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// The name of its sentinel.
    pub(super) fn sentinel(&self) -> String {
        self.sentinel.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes note of whether it keeps what it takes.
    pub(super) fn judge(&self, found: Durability) {
        self.evicted(found.evicted);
        let mut standing = self.durability.lock().unwrap_or_else(PoisonError::into_inner);
        let before = standing.take().unwrap_or_default();
        let lines = |found: &Durability| -> Vec<String> { found.losses.iter().chain(&found.notes).cloned().collect() };
        let known = lines(&before);
        for line in lines(&found).iter().filter(|line| !known.contains(line)) {
            limited!(warn, "durability of Redis", key = &line, server = self.name, "{line}");
        }
        *standing = Some(found);
    }

    /// Returns the fault.
    pub(super) fn fault(&self) -> Option<StoreError> {
        let read = |fault: &Mutex<Option<StoreError>>| fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        read(&self.fault).or_else(|| read(&self.refusal))
    }

    /// Takes note of why it is not heard of, or that it is.
    pub(super) fn tell(&self, fault: Option<StoreError>) {
        let server = &self.name;
        match replace(&self.fault, fault) {
            Some((None, Some(error))) => limited!(
                error,
                "lost connection to Redis",
                key = server,
                server, %error,
                "lost connection to Redis"
            ),
            Some((Some(_), None)) => {
                limited!(info, "connected to Redis", key = server, server, "connected to Redis");
            }
            _ => {}
        }
    }

    /// Takes note of why it takes no changes, or that it does.
    pub(super) fn tell_refusal(&self, refusal: Option<StoreError>) {
        let server = &self.name;
        match replace(&self.refusal, refusal) {
            Some((None, Some(error))) => limited!(
                error,
                "Redis refuses writes",
                key = server,
                server, %error,
                "Redis refuses writes; revocations take effect on this host only and are not acknowledged"
            ),
            Some((Some(_), None)) => limited!(
                info,
                "Redis accepts writes",
                key = server,
                server,
                "Redis accepts writes again"
            ),
            _ => {}
        }
    }
}

/// Replaces an entry's value; `None` where there is nothing either way.
fn replace(
    standing: &Mutex<Option<StoreError>>,
    fault: Option<StoreError>,
) -> Option<(Option<StoreError>, Option<StoreError>)> {
    let mut standing = standing.lock().unwrap_or_else(PoisonError::into_inner);
    if standing.is_none() && fault.is_none() {
        return None;
    }
    Some((std::mem::replace(&mut *standing, fault.clone()), fault))
}

/// Returns true if a slot is in these ranges, which are sorted. A cluster that was resharded has hundreds of ranges,
/// and every entry is asked about.
pub(super) fn has_slot(slots: &[RangeInclusive<u16>], slot: u16) -> bool {
    let next = slots.partition_point(|range| *range.end() < slot);
    slots.get(next).is_some_and(|range| range.contains(&slot))
}

fn sorted(slots: &[RangeInclusive<u16>]) -> Vec<RangeInclusive<u16>> {
    let mut slots = slots.to_vec();
    slots.sort_unstable_by_key(|range| *range.start());
    slots
}
