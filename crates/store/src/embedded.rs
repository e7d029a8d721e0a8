//! The embedded store: one writer thread, group commit, and an answer only after fsync.
//!
//! A revocation or flag takes effect in memory at once; a rotation is decided by the writer alone. Entries that
//! a failed commit left behind are kept and written with the next one that succeeds.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::examine::examine;
use crate::high_water::TrustedClock;
use crate::journal::{Journal, OpenError, Written};
use crate::row::{self, Rows};
use crate::sweep::Sweeper;
use crate::upkeep::Upkeep;
use crate::writer::{CURRENT, DROPPED, FORGOTTEN, Job, LIFETIME, MINTED, Writer};
use jwtkeeper_core::denylist::Change;
use jwtkeeper_core::denylist::add_session;
use jwtkeeper_core::denylist::{Applied, Denylist, StoreError, StoreHealth, TOOK};
use jwtkeeper_core::denylist::{Index, RealmIndex};
use jwtkeeper_core::types::{Histogram, Millis};

/// The name of the file in `state_dir`.
const FILE: &str = "denylist.redb";

/// The embedded store.
pub struct Embedded {
    index: Arc<Index>,
    written: Arc<Written>,
    took: Histogram,
    fault: Arc<Mutex<Option<StoreError>>>,
    future_cutoffs: u64,
    jobs: Mutex<Option<Sender<Job>>>,
    writer: Mutex<Option<std::thread::JoinHandle<usize>>>,
}

impl Embedded {
    /// Makes a new, empty store in `state_dir`; refuses where there is one.
    pub fn create(state_dir: &Path) -> Result<(), OpenError> {
        Journal::create(&state_dir.join(FILE))
    }

    /// Returns true unless it is certain that there is no store in `state_dir`.
    pub fn exists(state_dir: &Path) -> bool {
        state_dir.join(FILE).try_exists().unwrap_or(true)
    }

    /// Returns the size of the store's file in `state_dir`, in bytes.
    pub fn bytes(state_dir: &Path) -> std::io::Result<u64> {
        Ok(state_dir.join(FILE).metadata()?.len())
    }

    /// Opens the store in `state_dir` and loads it.
    pub fn open(state_dir: &Path, now: Millis, skew_ms: u64) -> Result<Self, OpenError> {
        Self::on(Journal::open(&state_dir.join(FILE))?, now, skew_ms)
    }

    /// Checks the store in `state_dir` as a start would, and changes nothing; returns the number of its cutoffs that
    /// lie in the future. A store that a daemon has open is not read: [`OpenError::InUse`].
    pub fn examine(state_dir: &Path, now: Millis, skew_ms: u64) -> Result<u64, OpenError> {
        examine(&state_dir.join(FILE), now, skew_ms)
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
        let marks: HashMap<_, _> = journal
            .marks()
            .map_err(|error| corrupt(error.to_string()))?
            .into_iter()
            .collect();
        load_minted(&index, &marks);
        let forgotten = marks.get(FORGOTTEN).copied();
        // Where no entry was dropped, a horizon from a clock that was ahead means nothing.
        let dropped = marks.get(DROPPED).copied().or(forgotten);
        let horizon = Millis(forgotten.unwrap_or(now.0 / 1000).saturating_mul(1000));
        let earlier = index.minted().max(Millis(forgotten.unwrap_or(0).saturating_mul(1000)));
        // A clock behind what was, a moment ago, the past is wrong itself: by it no cutoff is judged.
        let latest = if now < earlier {
            Millis(u64::MAX)
        } else {
            now.plus(skew_ms)
        };
        // What was forgotten in an earlier life may still have rows: they are passed over, and deleted later.
        let from = dropped.map_or(0, |seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
        let (mut wrong, mut right) = (Vec::new(), Rows::new());
        journal
            .each_row(from, |key, bytes| {
                if let Some(future) = row::load(&index, key.0, bytes, latest)? {
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
        load_lifetimes(&index, &marks);
        if let Some(dropped) = dropped {
            index.purge(i64::try_from(dropped).unwrap_or(i64::MAX));
        } else {
            let marks = [(FORGOTTEN.to_owned(), now.0 / 1000), (DROPPED.to_owned(), 0)];
            journal
                .commit(&Rows::new(), &marks, None)
                .map_err(|error| io(error.to_string()))?;
        }
        let (jobs, queue) = channel();
        let mut writer = Writer {
            journal,
            index: index.clone(),
            sweeper: Sweeper::start(index.clone()).map_err(|error| io(error.to_string()))?,
            written: Arc::default(),
            fault: Arc::default(),
            unsaved: HashMap::new(),
            unsaved_rotations: Vec::new(),
            undelivered: HashMap::new(),
            forgotten: i64::try_from(dropped.unwrap_or(0)).unwrap_or(i64::MAX),
            horizon_ms: horizon.min(now).0.max(dropped.unwrap_or(0).saturating_mul(1000)),
            // What is forgotten never runs far ahead of a clock that nobody can set.
            clock: TrustedClock::new(horizon.max(index.minted()), skew_ms),
            skew_ms,
            rewrite_minted: false,
            last_retry: None,
            upkeep: Upkeep::default(),
        };
        let (written, fault) = (writer.written.clone(), writer.fault.clone());
        let thread = std::thread::Builder::new()
            .name("denylist".to_owned())
            .spawn(move || writer.run(&queue))
            .map_err(|error| io(error.to_string()))?;
        Ok(Self {
            index,
            written,
            took: Histogram::new(TOOK),
            fault,
            future_cutoffs,
            jobs: Mutex::new(Some(jobs)),
            writer: Mutex::new(Some(thread)),
        })
    }

    /// Returns the number of cutoffs in the store that lay in the future at its start.
    pub fn future_cutoffs(&self) -> u64 {
        self.future_cutoffs
    }

    /// Ends the writer once everything asked before is answered. What failed before is tried once more; returns how
    /// many entries were in effect, are on no disk, and end with it.
    pub fn close(&self) -> usize {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A panic there was logged where it happened.
        writer.and_then(|writer| writer.join().ok()).unwrap_or(0)
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.close();
    }
}

fn load_minted(index: &Index, marks: &HashMap<String, u64>) {
    for (name, mark) in marks {
        if let Some(realm) = name.strip_prefix(MINTED) {
            index.realm(realm).load_minted(Millis(*mark));
        }
    }
}

fn load_lifetimes(index: &Index, marks: &HashMap<String, u64>) {
    for (name, last) in marks {
        let Some((realm, value)) = name.strip_prefix(LIFETIME).and_then(|rest| rest.rsplit_once('/')) else {
            continue;
        };
        let Ok(value) = value.parse() else { continue };
        index.realm(realm).load_lifetime(value, Millis(*last));
    }
    for (name, value) in marks {
        // What was in effect when the last token was minted was so until then, however that life ended.
        if let Some(realm) = name.strip_prefix(CURRENT) {
            let realm = index.realm(realm);
            realm.set_lifetime(*value, realm.minted());
        }
    }
}

impl Denylist for Embedded {
    fn index(&self) -> &Index {
        &self.index
    }

    fn apply(&self, realm: &Arc<RealmIndex>, change: Change) -> Applied<'_> {
        if let Change::Revoke {
            entries,
            ends_session_of,
        } = &change
        {
            let mut all = entries.clone();
            add_session(realm, &mut all, ends_session_of.as_ref());
            for entry in &all {
                realm.raise(entry);
            }
        }
        if let Change::Keep { old, rotation } = &change {
            realm.insert_rotation(old, rotation.clone());
        }
        let began = change.is_asked_for().then(Instant::now);
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
            let applied = answer.await.unwrap_or(Err(StoreError::Closed));
            began.iter().for_each(|began| self.took.count(began.elapsed()));
            applied
        })
    }

    fn health(&self) -> StoreHealth {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // A panic in the writer leaves no fault behind, and nobody to take changes.
        let gone = writer.as_ref().is_none_or(std::thread::JoinHandle::is_finished);
        let fault = fault.or_else(|| gone.then_some(StoreError::Closed));
        StoreHealth {
            kind: "embedded",
            fault: fault.map(|fault| fault.to_string()),
            entries: self.index.len(),
            changes: self.written.changes.load(Ordering::Relaxed),
            commits: self.written.commits.load(Ordering::Relaxed),
            commit_took: self.written.took.read(),
            apply_took: self.took.read(),
            ..StoreHealth::default()
        }
    }
}
