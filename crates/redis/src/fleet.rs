//! The Redis that a fleet shares, as a daemon knows it: the primaries, the age of the copy in memory, and what is
//! wrong.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::rand;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::Terms;
use super::age::{Fresh, uptime_ms};
use super::applying::Applying;
use super::copy::Shared;
use super::dataset::Sighting;
use super::foreign::{Foreign, shown};
use super::link::Scripts;
use super::naming;
use super::node::{Job, Node};
use super::servers::{Reach, Servers};
use super::sync::Realms;
use jwtkeeper_core::denylist::StoreError;
use jwtkeeper_core::denylist::{Cutoff, Step};
use jwtkeeper_core::denylist::{Kind, Level, Revocation};
use jwtkeeper_core::denylist::{NONE, RealmIndex, ScanEpoch};
use jwtkeeper_core::types::{Id, Millis};
use jwtkeeper_log_limit::limited;

/// Cutoffs found in the future that are remembered; more are applied as of whenever they are read.
const FUTURE: usize = 10_000;

/// The state of Redis.
pub(super) struct Fleet {
    pub(super) terms: Terms,
    pub(super) clock: fn() -> Millis,
    pub(super) servers: Servers,
    pub(super) scripts: Arc<Scripts>,
    /// The budget that all connections share.
    pub(super) runtime: Handle,
    pub(super) realms: watch::Sender<Realms>,
    pub(super) nodes: ArcSwap<Vec<Arc<Node>>>,
    /// As of when they are known to be the primaries, by those who are asked for them.
    pub(super) surveyed: Fresh,
    /// The primaries may be others now.
    pub(super) look_again: Notify,
    /// Why the primaries are not known.
    pub(super) lost: Mutex<Option<StoreError>>,
    readings: AtomicU16,
    unknown: AtomicU64,
    repaired: AtomicU64,
    pub(super) changes: AtomicU64,
    /// The name of this daemon among those of the fleet.
    pub(super) instance: String,
    /// Each data set as it was seen last, by its sentinel.
    datasets: Mutex<HashMap<String, Sighting>>,
    /// Values that cannot be read.
    pub(super) foreign: Foreign,
    pub(super) applying: Applying,
    /// Cutoffs found in the future, and as of when they are applied.
    future: Mutex<HashMap<(String, Level, Millis), Millis>>,
}

impl Fleet {
    pub(super) fn new(servers: Servers, terms: Terms, clock: fn() -> Millis) -> Self {
        Self {
            terms,
            clock,
            servers,
            scripts: Arc::default(),
            runtime: Handle::current(),
            realms: watch::Sender::default(),
            nodes: ArcSwap::default(),
            surveyed: Fresh::default(),
            look_again: Notify::new(),
            lost: Mutex::default(),
            readings: AtomicU16::new(0),
            unknown: AtomicU64::new(0),
            repaired: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            instance: random_id(),
            datasets: Mutex::default(),
            foreign: Foreign::default(),
            applying: Applying::default(),
            future: Mutex::default(),
        }
    }

    /// The data set behind a sentinel as it was seen last.
    pub(super) fn sighting(&self, sentinel: &str) -> Option<Sighting> {
        let datasets = self.datasets.lock().unwrap_or_else(PoisonError::into_inner);
        datasets.get(sentinel).cloned()
    }

    pub(super) fn set_sighting(&self, sentinel: String, seen: Option<Sighting>) {
        let mut datasets = self.datasets.lock().unwrap_or_else(PoisonError::into_inner);
        match seen {
            Some(seen) => drop(datasets.insert(sentinel, seen)),
            None => drop(datasets.remove(&sentinel)),
        }
    }

    /// Returns the age of the copy; `None` while it was never complete.
    pub(super) fn age(&self) -> Option<Duration> {
        let nodes = self.nodes.load();
        let mut oldest = nodes.iter().map(|node| node.fresh.since()).min().flatten()?;
        if !matches!(self.servers.reach, Reach::One(_)) {
            // Nor is it younger than the knowledge that these are the primaries.
            oldest = oldest.min(self.surveyed.since()?);
        }
        Some(Duration::from_millis(uptime_ms().saturating_sub(oldest)))
    }

    /// Why the copy is too old to answer by.
    pub(super) fn stale(&self) -> Option<String> {
        match self.age() {
            Some(age) if age <= self.terms.max_staleness || self.terms.serve_stale => None,
            Some(age) => Some(format!(
                "the copy of Redis is {} s old, more than max_staleness: {}",
                age.as_secs(),
                self.why()
            )),
            None => Some(format!("the denylist has not been read from Redis yet: {}", self.why())),
        }
    }

    /// Why nothing can be said of a realm yet: it is shared in a new way, and what lies there was not read.
    pub(super) fn unread(&self, realm: &RealmIndex) -> Option<String> {
        let since = realm.shared_since();
        let nodes = self.nodes.load();
        let read = nodes.iter().all(|node| node.read_to() >= since);
        (!read).then(|| {
            let waits = nodes.iter().find_map(|node| node.waits_for());
            let why = waits.map_or_else(String::new, |why| format!(": {why}"));
            format!(
                "the denylist of the realm {} was not read from Redis yet{why}",
                realm.name()
            )
        })
    }

    fn why(&self) -> String {
        let waits = || self.nodes.load().iter().find_map(|node| node.waits_for());
        let reads = || "it is being read".to_owned();
        let fault = self.fault().map(|fault| fault.to_string());
        fault.or_else(waits).unwrap_or_else(reads)
    }

    /// Says which primary evicts entries that are known here.
    fn eviction(&self) -> Option<String> {
        let nodes = self.nodes.load();
        let evicts = nodes.iter().find(|node| node.evicts())?;
        Some(format!(
            "Redis evicts entries ({}): {} that are known here are missing from it; raise maxmemory, and set \
             maxmemory-policy noeviction",
            evicts.name,
            evicts.pending()
        ))
    }

    /// Returns the fault of any server.
    pub(super) fn fault(&self) -> Option<StoreError> {
        let of_nodes = self
            .nodes
            .load()
            .iter()
            .find_map(|node| node.fault().or_else(|| node.unfollowed()));
        of_nodes.or_else(|| self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Returns the warnings.
    pub(super) fn warnings(&self) -> Vec<String> {
        let nodes = self.nodes.load();
        let mut all: Vec<String> = Vec::new();
        for node in nodes.iter() {
            let found = node.durability.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let lines = found
                .into_iter()
                .flat_map(|found| found.losses.into_iter().chain(found.notes));
            all.extend(lines.map(|line| format!("{line} ({})", node.name)));
        }
        let now = (self.clock)();
        let future = self.future.lock().unwrap_or_else(PoisonError::into_inner);
        let future = future.keys().filter(|(_, _, cutoff)| *cutoff > now).count();
        if future > 0 {
            all.push(format!(
                "{future} cutoffs in Redis lie in the future: they hold as of when they were first seen; check the hosts' clocks"
            ));
        }
        all
    }

    /// Why nothing is acknowledged though Redis takes it.
    pub(super) fn refusal(&self) -> Option<StoreError> {
        if !self.terms.require_durable {
            return None;
        }
        let nodes = self.nodes.load();
        let loss = nodes.iter().find_map(|node| {
            let found = node.durability.lock().unwrap_or_else(PoisonError::into_inner);
            found.as_ref().and_then(|found| found.losses.first().cloned())
        })?;
        Some(StoreError::Away(format!("require_durable: {loss}")))
    }

    /// Returns the fault for health.
    pub(super) fn in_the_way(&self) -> Option<String> {
        let unread = || {
            let realms = self.realms.borrow();
            realms.shared.iter().find_map(|shared| self.unread(&shared.realm))
        };
        self.stale().or_else(unread).or_else(|| {
            let fault = self.fault().or_else(|| self.refusal());
            fault.map(|fault| fault.to_string()).or_else(|| self.eviction())
        })
    }

    pub(super) fn next_scan(&self) -> ScanEpoch {
        let next = self.readings.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if [0, NONE].contains(&next) {
            self.next_scan()
        } else {
            next
        }
    }

    pub(super) fn counts(&self) -> (u64, u64, u64, u64) {
        let pending = self.nodes.load().iter().map(|node| node.pending()).sum();
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.changes), read(&self.repaired), pending, read(&self.unknown))
    }

    pub(super) fn count_repaired(&self, count: u64) {
        self.repaired.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn count_unknown(&self, job: &Job, unknown: bool) {
        if unknown {
            self.unknown.fetch_add(1, Ordering::Relaxed);
            let key = shown(&naming::entry(&job.shared.prefix, job.kind, &job.id));
            limited!(
                warn,
                "foreign value in Redis",
                %key,
                "an entry in Redis has a value that neither jwtkeeperd nor the gem writes; treating it as revoked"
            );
        }
    }

    /// As of when a cutoff is applied: one that lies further in the future than clocks may differ, as of when it was
    /// first seen.
    pub(super) fn judge_cutoff(&self, job: &Job, raise: &Revocation, now: Millis) -> Cutoff {
        let steps = raise.cutoff.steps().iter();
        let judged = steps.map(|step| Step {
            start: self.judge_start(job, raise.level, step.start, now),
            ..*step
        });
        judged.collect()
    }

    fn judge_start(&self, job: &Job, level: Level, start: Millis, now: Millis) -> Millis {
        // Whoever made it put it ahead by the skew, and may have a clock ahead by as much.
        let latest = now.plus(2 * self.terms.clock_skew_ms);
        let mut future = self.future.lock().unwrap_or_else(PoisonError::into_inner);
        if start <= latest && future.is_empty() {
            return start;
        }
        let key = naming::entry(&job.shared.prefix, job.kind, &job.id);
        if start <= latest {
            // Its time has come since, and it stays as it was first seen.
            let seen = future.get(&(key, level, start));
            return seen.copied().unwrap_or(start);
        }
        if future.len() >= FUTURE {
            return latest; // too many to be remembered, and one warning is enough
        }
        *future.entry((key.clone(), level, start)).or_insert_with(|| {
            let ahead_s = start.since(now) / 1000;
            let key = shown(&key);
            limited!(
                warn,
                "future cutoff in Redis",
                %key, ahead_s,
                "a cutoff in Redis lies in the future; applying it as of now; check the hosts' clocks"
            );
            latest
        })
    }

    /// In builds for tests: a copy that is lost with its connection, for the harness that must find it.
    pub(super) fn forget_if_asked(&self) {
        #[cfg(debug_assertions)]
        if std::env::var_os("JWTKEEPER_TEST_FORGETFUL_COPY").is_some() {
            self.realms
                .borrow()
                .shared
                .iter()
                .for_each(|shared| shared.realm.forget_all());
        }
    }

    pub(super) fn shared(&self, realm: &Arc<RealmIndex>) -> Result<Arc<Shared>, StoreError> {
        let realms = self.realms.borrow();
        let found = realms
            .shared
            .iter()
            .find(|shared| Arc::ptr_eq(&shared.realm, realm))
            .cloned();
        found.ok_or_else(|| StoreError::Away(format!("the realm {} shares nothing", realm.name())))
    }

    pub(super) fn node_of(&self, key: &str) -> Result<Arc<Node>, StoreError> {
        let nodes = self.nodes.load();
        let found = nodes.iter().find(|node| node.has(key)).cloned();
        found.ok_or_else(|| {
            self.fault()
                .unwrap_or(StoreError::Away("no primary of Redis is known yet".to_owned()))
        })
    }

    /// Returns true if an entry is a node's own.
    pub(super) fn is_of(&self, node: &Node, shared: &Shared, kind: Kind, id: &Id) -> bool {
        node.has_all() || node.has(&naming::entry(&shared.prefix, kind, id))
    }
}

/// A random id, in hexadecimal digits.
pub(super) fn random_id() -> String {
    format!("{:016x}{:016x}", random(u64::MAX), random(u64::MAX))
}

/// A number below `limit`, for jitter and disorder.
pub(super) fn random(limit: u64) -> u64 {
    let mut bytes = [0; 8];
    let _ = rand::fill(&mut bytes); // without, there is no jitter
    u64::from_le_bytes(bytes) % limit.max(1)
}
