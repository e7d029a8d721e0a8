//! One primary of the fleet: which slots it has, how it is reached, how old what was read of it is, and what it is owed.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use redis::ConnectionInfo;
use redis::aio::MultiplexedConnection;
use tokio::sync::Notify;

use super::age::Fresh;
use super::copy::Shared;
use super::durable::Durability;
use super::survey::{Primary, slot};
use crate::denylist::StoreError;
use crate::denylist::change::Kind;
use crate::denylist::index::Reading;
use crate::log_limit::limited;
use crate::words::Id;

/// An entry that is to be put into Redis, as it stands in memory by then.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) shared: Arc<Shared>,
    pub(super) kind: Kind,
    pub(super) id: Id,
}

/// One primary.
pub(super) struct Node {
    pub(super) server: ConnectionInfo,
    pub(super) name: String,
    slots: ArcSwap<Vec<RangeInclusive<u16>>>,
    /// The connection that writes; none while it is away.
    pub(super) writes: ArcSwapOption<MultiplexedConnection>,
    pub(super) fresh: Fresh,
    /// The present reading of it: what bears another number it may not have.
    reading: AtomicU16,
    owed: Mutex<Vec<Job>>,
    /// Entries that it lacks and that are no jobs yet.
    pub(super) lacking: AtomicU64,
    /// Something is owed, or asked for below.
    pub(super) wake: Notify,
    pub(super) read_all: AtomicBool,
    pub(super) broken: AtomicBool,
    /// Up to which state of what is shared everything was read.
    read_to: AtomicU64,
    /// Too few replicas follow it.
    unfollowed: Mutex<Option<StoreError>>,
    /// Who waits for replicas.
    pub(super) waiting: tokio::sync::Mutex<()>,
    pub(super) durability: Mutex<Option<Durability>>,
    evicted: AtomicU64,
    /// Why it is not heard of.
    fault: Mutex<Option<StoreError>>,
    /// Why it takes no changes.
    refusal: Mutex<Option<StoreError>>,
}

impl Node {
    /// One that was not heard of yet; what it has is as old as `since`, and was read up to `read_to`.
    pub(super) fn new(primary: &Primary, since: Option<u64>, read_to: u64) -> Self {
        let fault = StoreError::Away("Redis has not been reached yet".to_owned());
        Self {
            server: primary.server.clone(),
            name: primary.name(),
            slots: ArcSwap::from_pointee(sorted(&primary.slots)),
            writes: ArcSwapOption::empty(),
            fresh: Fresh::inherit(since),
            reading: AtomicU16::new(0),
            owed: Mutex::default(),
            lacking: AtomicU64::new(0),
            wake: Notify::new(),
            read_all: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            read_to: AtomicU64::new(read_to),
            unfollowed: Mutex::default(),
            waiting: tokio::sync::Mutex::default(),
            durability: Mutex::default(),
            evicted: AtomicU64::new(0),
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
            self.slots.store(Arc::new(slots));
            self.ask_for_reading();
        }
    }

    /// Whether a key is its own.
    pub(super) fn has(&self, key: &str) -> bool {
        self.has_all() || self.has_slot(slot(key))
    }

    /// Whether a slot is its own. A cluster that was resharded has hundreds of ranges, and every entry is asked about.
    fn has_slot(&self, slot: u16) -> bool {
        let slots = self.slots.load();
        let next = slots.partition_point(|range| *range.end() < slot);
        slots.get(next).is_some_and(|range| range.contains(&slot))
    }

    /// Whether every key is.
    pub(super) fn has_all(&self) -> bool {
        let all = 0..=super::survey::SLOTS - 1;
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

    pub(super) fn reading(&self) -> Reading {
        self.reading.load(Ordering::Acquire)
    }

    pub(super) fn begin_reading(&self, reading: Reading) {
        self.reading.store(reading, Ordering::Release);
    }

    /// Asks that everything be read again.
    pub(super) fn ask_for_reading(&self) {
        self.read_all.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// The connection is of no use any more.
    pub(super) fn give_up(&self) {
        self.writes.store(None);
        self.broken.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// What it lacks, to be put into it.
    pub(super) fn owe(&self, jobs: impl IntoIterator<Item = Job>) {
        self.owed().extend(jobs);
        self.wake.notify_one();
    }

    pub(super) fn owed(&self) -> MutexGuard<'_, Vec<Job>> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many entries it lacks, as far as is known.
    pub(super) fn owes(&self) -> u64 {
        self.owed().len() as u64 + self.lacking.load(Ordering::Relaxed)
    }

    /// How many keys it has evicted by now: whether those are more than before.
    pub(super) fn evicted(&self, count: u64) -> bool {
        self.evicted.swap(count, Ordering::Relaxed) < count
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

    /// What is wrong with it.
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
                "Redis is not heard of"
            ),
            Some((Some(_), None)) => {
                limited!(info, "connected to Redis", key = server, server, "Redis is heard of");
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
                "Redis takes nothing: revocations hold on this host and are not acknowledged"
            ),
            Some((Some(_), None)) => limited!(
                info,
                "Redis accepts writes",
                key = server,
                server,
                "Redis takes what it is given"
            ),
            _ => {}
        }
    }
}

/// What stood, and what stands; `None` where there is nothing either way.
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

fn sorted(slots: &[RangeInclusive<u16>]) -> Vec<RangeInclusive<u16>> {
    let mut slots = slots.to_vec();
    slots.sort_unstable_by_key(|range| *range.start());
    slots
}
