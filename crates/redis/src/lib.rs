//! The redis store: one denylist for a fleet. Every change is one atomic step in Redis, and only then acknowledged;
//! reads come from the copy in memory, which Redis keeps up to date. What this host revokes is on its own disk as
//! well: Redis may be away, or lose it.

mod age;
mod applying;
mod changes;
mod connection;
mod copy;
mod dataset;
mod discovery;
mod durable;
mod fleet;
mod foreign;
mod invalidations;
mod link;
mod naming;
mod node;
mod repair;
mod script;
mod server_clock;
mod servers;
mod supervise;
mod sync;
mod value;
mod writer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use copy::{Shared, Sharing};
use fleet::Fleet;
use jwtkeeper_core::denylist::{Applied, Denylist, SharedHealth, StoreHealth, TOOK};
use jwtkeeper_core::denylist::{Change, Kind, Outcome};
use jwtkeeper_core::denylist::{Index, NONE, PARTS, RealmIndex, Rotation};
use jwtkeeper_core::types::{Histogram, Id, Millis};
use jwtkeeper_store::Embedded;

pub use dataset::SENTINELS;
pub use naming::RECORDS;
pub use servers::{Keys, Reach, ReadKeys, Servers};

/// The terms of use of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The greatest age of the copy.
    pub max_staleness: Duration,
    /// True if an older one answers all the same.
    pub serve_stale: bool,
    /// True if nothing is acknowledged while Redis can lose it.
    pub require_durable: bool,
    /// Replicas that must have a change before it is acknowledged.
    pub wait_replicas: u32,
    /// The mean time between two scans of everything that Redis holds.
    pub full_scan_interval: Duration,
    /// The time that daemons have to notice a new data set before one that starts trusts it.
    pub repair_grace: Duration,
    /// The most that the hosts' clocks may differ.
    pub clock_skew_ms: u64,
}

/// The redis store.
pub struct Redis {
    local: Arc<Embedded>,
    fleet: Arc<Fleet>,
    took: Histogram,
}

impl Redis {
    /// Begins to follow Redis, in the runtime that this is called in. It need not be there yet.
    pub fn start(local: Arc<Embedded>, servers: Servers, terms: Terms, clock: fn() -> Millis) -> Self {
        let fleet = Arc::new(Fleet::new(servers, terms, clock));
        tokio::spawn(supervise::supervise(fleet.clone()));
        let took = Histogram::new(TOOK);
        Self { local, fleet, took }
    }

    /// Makes a change, as [`Denylist::apply`] says.
    fn make(&self, realm: &Arc<RealmIndex>, change: Change) -> Applied<'_> {
        match change {
            Change::Revoke {
                entries,
                ends_session_of,
            } => {
                let (realm, fleet) = (realm.clone(), self.fleet.clone());
                let again = Change::Revoke {
                    entries: entries.clone(),
                    ends_session_of: ends_session_of.clone(),
                };
                let local = self.local.apply(&realm, again);
                Box::pin(async move {
                    // Both at once: it is on this host's disk whatever becomes of Redis.
                    let ((shared, found), local) = tokio::join!(fleet.raise(&realm, entries, ends_session_of), local);
                    if !found.is_empty() {
                        drop(self.local.apply(&realm, Change::raise(found)).await);
                    }
                    shared?;
                    drop(local); // Redis has it; health tells of the disk
                    Ok(Outcome::Done)
                })
            }
            Change::Rotate(rotate) => {
                let (realm, fleet) = (realm.clone(), self.fleet.clone());
                Box::pin(async move {
                    // One that nobody was given yet may have been lost by Redis, and decided anew.
                    let pending = realm
                        .rotation(&rotate.old)
                        .is_some_and(|rotation| rotation.is_pending());
                    let decided = realm.decide(&rotate);
                    if let Some(decided) = decided.filter(|decided| !pending || *decided == Outcome::Revoked) {
                        // Known here is not known to the replicas.
                        if matches!(decided, Outcome::Already(_)) && fleet.terms.wait_replicas > 0 {
                            fleet.acknowledge(&realm, &rotate.old).await?;
                        }
                        return Ok(decided);
                    }
                    match fleet.rotate(&realm, &rotate).await? {
                        Outcome::First(record) => {
                            // On this host's disk too; health tells of the disk.
                            let (rotation, old) = (Rotation::decided(&rotate), rotate.old);
                            drop(self.local.apply(&realm, Change::Keep { old, rotation }).await);
                            Ok(Outcome::First(record))
                        }
                        other => Ok(other),
                    }
                })
            }
            Change::Keep { ref old, .. } => {
                let (realm, fleet, old) = (realm.clone(), self.fleet.clone(), old.clone());
                let kept = self.local.apply(&realm, change);
                Box::pin(async move {
                    let (told, kept) = tokio::join!(fleet.tell_grace(&realm, &old), kept);
                    drop(told); // what it lacks is put there later
                    kept
                })
            }
            Change::Lifetime { .. } => {
                let done = self.local.apply(realm, change);
                Box::pin(async move {
                    let done = done.await;
                    // Deadlines that were cut short before may be longer now.
                    self.fleet.nodes.load().iter().for_each(|node| node.ask_for_reading());
                    done
                })
            }
            other => self.local.apply(realm, other),
        }
    }
}

impl Denylist for Redis {
    fn index(&self) -> &Index {
        self.local.index()
    }

    fn share(&self, prefixes: &[(String, String)]) {
        self.fleet.realms.send_if_modified(|standing| {
            let known = |realm: &Arc<RealmIndex>, prefix: &String| {
                let same = |shared: &&Arc<Shared>| shared.prefix == *prefix && Arc::ptr_eq(&shared.realm, realm);
                standing.shared.iter().find(same).cloned()
            };
            let state = standing.state + 1;
            let shared = prefixes.iter().map(|(name, prefix)| {
                let realm = self.index().realm(name);
                known(&realm, prefix).unwrap_or_else(|| {
                    realm.share_since(state); // what lies there was not read yet
                    let prefix = prefix.clone();
                    Arc::new(Shared { prefix, realm })
                })
            });
            let shared: Vec<_> = shared.collect();
            let same = |(one, other): (&Arc<Shared>, &Arc<Shared>)| Arc::ptr_eq(one, other);
            let changed = standing.shared.len() != shared.len() || !standing.shared.iter().zip(&shared).all(same);
            if changed {
                *standing = Arc::new(Sharing { state, shared });
            }
            changed
        });
    }

    fn stale(&self, realm: &RealmIndex) -> Option<String> {
        self.fleet.stale().or_else(|| self.fleet.unread(realm))
    }

    fn apply(&self, realm: &Arc<RealmIndex>, change: Change) -> Applied<'_> {
        let began = change.is_asked_for().then(Instant::now);
        let applied = self.make(realm, change);
        Box::pin(async move {
            let applied = applied.await;
            began.iter().for_each(|began| self.took.count(began.elapsed()));
            applied
        })
    }

    fn keep_all(&self, now: Millis) -> Applied<'_> {
        Box::pin(async move {
            for realm in self.index().realms() {
                let mut ids = Vec::new();
                for part in 0..PARTS {
                    realm.unshared(part, NONE, now.seconds(), |kind, id| ids.push((kind, id.clone())));
                    if ids.len() >= KEPT_AT_ONCE || part + 1 == PARTS {
                        keep_ids(&self.local, &realm, &std::mem::take(&mut ids)).await?;
                    }
                }
            }
            Ok(Outcome::Done)
        })
    }

    fn health(&self) -> StoreHealth {
        let local = self.local.health();
        let (changes, repaired, pending, unknown) = self.fleet.counts();
        StoreHealth {
            kind: "redis",
            fault: self.fleet.in_the_way().or(local.fault),
            warnings: self.fleet.warnings(),
            changes,
            apply_took: self.took.read(),
            shared: Some(SharedHealth {
                age: self.fleet.age(),
                repaired,
                pending,
                unknown,
            }),
            ..local
        }
    }
}

/// The number of a fleet's entries that one commit puts on the host's disk.
const KEPT_AT_ONCE: usize = 1000;

/// Puts some of a realm's entries on the host's disk.
async fn keep_ids(
    local: &Embedded,
    realm: &Arc<RealmIndex>,
    ids: &[(Kind, Id)],
) -> Result<(), jwtkeeper_core::denylist::StoreError> {
    for ids in ids.chunks(KEPT_AT_ONCE) {
        let (mut entries, mut kept) = (Vec::new(), Vec::new());
        for (kind, id) in ids {
            entries.extend(realm.raises_of(*kind, id));
            let Some(rotation) = realm.rotation(id).filter(|_| *kind == Kind::Token) else {
                continue;
            };
            let old = id.clone();
            kept.push(local.apply(realm, Change::Keep { old, rotation }));
        }
        kept.push(local.apply(realm, Change::raise(entries)));
        for kept in kept {
            kept.await?; // all of them are under way
        }
    }
    Ok(())
}
