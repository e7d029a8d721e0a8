//! The snapshot in effect, and how another takes its place.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;

use super::{Change, changes};
use crate::config::access::Access;
use crate::config::fault::{Fault, Faults};
use crate::config::keys::{self, Keys, Loaded};
use crate::config::realm::RealmSettings;
use crate::config::settings::Settings;
use crate::config::shared_keys::{self, Party};
use crate::files::Files;
use jwtkeeper_core::denylist::{Denylist, Memory, RealmIndex, StoreError};
use jwtkeeper_core::keeper::RealmState;
use jwtkeeper_core::keyring::KeyId;
use jwtkeeper_core::realm::Realm;
use jwtkeeper_core::types::Millis;

/// Everything that a request is served by, immutable.
pub struct Snapshot {
    /// The generation: each replacement has the next.
    pub generation: u64,
    /// The configuration.
    pub settings: Arc<Settings>,
    /// The access rules.
    pub access: Access,
    realms: HashMap<String, ActiveRealm>,
    /// The one that most requests mean.
    default: Option<Arc<RealmState>>,
    shared_keys: Vec<String>,
}

/// A realm in effect.
pub struct ActiveRealm {
    /// The realm that requests are served by.
    pub served: Arc<RealmState>,
    /// The generation that brought it as it is.
    pub since: u64,
    pub(super) keys: Keys,
    /// When each key came into force, in this life of the daemon.
    key_times: HashMap<KeyId, Millis>,
}

impl ActiveRealm {
    /// The realm as far as keys in common with others matter.
    pub(super) fn party(&self) -> Party<'_> {
        Party {
            name: &self.served.realm.name,
            denylist: self.served.index.name(),
            policy: &self.served.realm.policy,
            keyring: &self.served.realm.keyring,
        }
    }

    /// Warnings about its key files.
    pub fn notes(&self) -> &[String] {
        &self.keys.notes
    }

    /// When a key of it came into force, in whatever role: not before the daemon began.
    pub fn key_since(&self, key: &KeyId) -> Option<Millis> {
        self.key_times.get(key).copied()
    }
}

impl Snapshot {
    /// A realm by its name; an empty name is `default`.
    pub fn realm(&self, name: &str) -> Option<&Arc<RealmState>> {
        match name {
            "" => self.default.as_ref(),
            name => self.realms.get(name).map(|realm| &realm.served),
        }
    }

    /// All realms, in no order.
    pub fn realms(&self) -> impl Iterator<Item = &ActiveRealm> {
        self.realms.values()
    }

    /// Warnings about keys: those that realms share without sharing a denylist, and those of each realm's key files.
    pub fn key_warnings(&self) -> impl Iterator<Item = &String> {
        let mut realms: Vec<_> = self.realms().collect();
        realms.sort_unstable_by_key(|realm| &realm.served.realm.name);
        self.shared_keys
            .iter()
            .chain(realms.into_iter().flat_map(ActiveRealm::notes))
    }

    pub(super) fn in_force(&self, realm: &str) -> Option<&ActiveRealm> {
        self.realms.get(realm)
    }

    /// The keys of a realm, if these settings have it read them from the same files.
    pub(super) fn keys(&self, realm: &str, settings: &Settings) -> Option<&Keys> {
        let same = settings.realms.get(realm)?.same_keys(self.settings.realms.get(realm)?);
        self.realms.get(realm).filter(|_| same).map(|realm| &realm.keys)
    }

    fn assemble(
        settings: Arc<Settings>,
        mut all: AllKeys,
        running: Option<&Snapshot>,
        denylist: &dyn Denylist,
        own_uid: u32,
        now: Millis,
    ) -> Self {
        let generation = running.map_or(1, |running| running.generation + 1);
        let mut realms = HashMap::new();
        for realm in settings.realms.values() {
            let Some(keys) = all.remove(&realm.name) else { continue };
            let standing = running.and_then(|running| running.realms.get(&realm.name));
            let unchanged = |standing: &&ActiveRealm| {
                let policy = &standing.served.realm.policy;
                let same_denylist = standing.served.index.name() == realm.denylist;
                standing.keys.same(&keys) && *policy == realm.policy && same_denylist
            };
            let (served, since) = match standing.filter(unchanged) {
                Some(standing) => (standing.served.clone(), standing.since),
                None => (serve(realm, &keys, denylist), generation),
            };
            let key_times = keys.keyring.keys().map(|(_, key)| {
                let since = standing.and_then(|standing| standing.key_since(&key.id));
                (key.id, since.unwrap_or(now))
            });
            let in_force = ActiveRealm {
                served,
                since,
                key_times: key_times.collect(),
                keys,
            };
            realms.insert(realm.name.clone(), in_force);
        }
        let default = realms.get(jwtkeeper_wire::DEFAULT_REALM);
        Snapshot {
            shared_keys: shared_keys::warnings(realms.values().map(ActiveRealm::party)),
            generation,
            access: Access {
                own_uid,
                rules: settings.access.clone(),
            },
            settings,
            default: default.map(|realm| realm.served.clone()),
            realms,
        }
    }
}

fn serve(settings: &RealmSettings, keys: &Keys, denylist: &dyn Denylist) -> Arc<RealmState> {
    let realm = Realm {
        name: settings.name.clone(),
        policy: settings.policy.clone(),
        keyring: keys.keyring.clone(),
        version: keys.version.clone(),
    };
    let index = denylist.index().realm(&settings.denylist);
    Arc::new(RealmState { realm, index })
}

/// The keys of all realms, by their names.
pub(super) type AllKeys = HashMap<String, Keys>;

/// The state of the files when they were last looked at.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// The faults; the previous states stay in effect.
    pub faults: Faults,
    /// Why files are not watched and only polled; `None` while they are watched.
    pub polling: Option<String>,
    /// Since when they are being read, should that be going on.
    pub reading: Option<Instant>,
    /// True if watching files failed.
    pub unfollowed: bool,
    /// When all that was read could last be taken.
    pub right: Millis,
    /// The number of reloads that were asked for, those that came together counted once.
    pub reloads: u64,
    /// Files that have been changing for long, and count as they were before.
    pub unsettled: Vec<String>,
    /// The changes of the last generations, oldest first: when each came, its number, and its sentence.
    pub changes: VecDeque<(Millis, u64, Change)>,
}

/// The snapshot in effect.
pub struct SnapshotStore {
    current: ArcSwap<Snapshot>,
    status: Mutex<Status>,
    denylist: Arc<dyn Denylist>,
    own_uid: u32,
    #[cfg(debug_assertions)]
    mixes: bool,
}

impl SnapshotStore {
    /// The first snapshot: everything must be right.
    pub async fn start(
        settings: Settings,
        files: &mut Files,
        denylist: Arc<dyn Denylist>,
        own_uid: u32,
        now: Millis,
    ) -> Result<Self, StartError> {
        let mut faults = Faults::default();
        let mut all = AllKeys::new();
        for realm in settings.realms.values() {
            match keys::load(realm, files, None) {
                Loaded::Keys { keys, .. } => drop(all.insert(realm.name.clone(), keys)),
                Loaded::Faults(found) => faults.extend(found),
                Loaded::Waits => {} // not at a start
            }
        }
        let all = faults.into_result(all)?;
        denylist.share(&settings.prefixes());
        let snapshot = Snapshot::assemble(Arc::new(settings), all, None, denylist.as_ref(), own_uid, now);
        note_lifetimes(&snapshot, None, denylist.as_ref(), now).await?;
        files.settle_down();
        Ok(Self {
            current: ArcSwap::from_pointee(snapshot),
            status: Mutex::new(Status {
                right: now,
                ..Status::default()
            }),
            denylist,
            own_uid,
            #[cfg(debug_assertions)]
            mixes: std::env::var_os("JWTKEEPER_TEST_MIXED_SNAPSHOTS").is_some(),
        })
    }

    /// The snapshot in effect. A request takes it once.
    pub fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        #[cfg(debug_assertions)]
        if self.mixes {
            return arc_swap::Guard::from_inner(self.mixed());
        }
        self.current.load()
    }

    /// The positive control of the tests that look for mixtures: what must never be, in builds for tests alone. The
    /// keys of one snapshot with the versions of one taken later.
    #[cfg(debug_assertions)]
    fn mixed(&self) -> Arc<Snapshot> {
        let first = self.current.load_full();
        std::thread::park_timeout(std::time::Duration::from_millis(1)); // wide enough for a test to hit
        let second = self.current.load_full();
        if first.generation == second.generation {
            return first;
        }
        let mut all = AllKeys::new();
        for (name, realm) in &second.realms {
            let mut keys = realm.keys.clone();
            if let Some(realm) = first.realms.get(name) {
                keys.keyring = realm.keys.keyring.clone();
            }
            all.insert(name.clone(), keys);
        }
        let denylist = self.denylist.as_ref();
        let settings = second.settings.clone();
        let (own_uid, now) = (self.own_uid, Millis::default());
        Arc::new(Snapshot::assemble(settings, all, Some(&first), denylist, own_uid, now))
    }

    /// Returns the state of the files when they were last looked at.
    pub fn status(&self) -> Status {
        self.with_status(|status| status.clone())
    }

    pub(super) fn with_status<T>(&self, change: impl FnOnce(&mut Status) -> T) -> T {
        change(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts settings with the keys of all their realms in effect, if anything about them is new; says what changed. A
    /// store that does not take note of a longer `max_lifetime` holds back the settings, and no keys.
    pub(super) async fn install(
        &self,
        settings: Arc<Settings>,
        all: AllKeys,
        now: Millis,
    ) -> (Option<Vec<Change>>, Option<Fault>) {
        let running = self.current.load_full();
        let (next, fault) = match self.prepare(&running, settings.clone(), all.clone(), now).await {
            Ok(next) => (next, None),
            Err(error) => {
                let keys = running.realms.iter().map(|(name, realm)| {
                    let same = running.keys(name, &settings).is_some();
                    let new = all.get(name).filter(|_| same);
                    (name.clone(), new.unwrap_or(&realm.keys).clone())
                });
                let next = self.next(&running, running.settings.clone(), keys.collect(), now);
                let message = format!("the denylist store did not take note of max_lifetime: {error}");
                let (file, line) = (running.settings.file.clone(), 0);
                (next, Some(Fault { file, line, message }))
            }
        };
        let changed = next.map(|next| {
            let changed = changes(&running, &next);
            self.denylist.share(&next.settings.prefixes());
            self.current.store(Arc::new(next));
            changed
        });
        (changed, fault)
    }

    /// Returns what these settings and keys would change. Nothing takes effect, and no denylist gets a realm.
    pub(super) fn preview(&self, settings: Arc<Settings>, all: AllKeys, now: Millis) -> Vec<Change> {
        let running = self.current.load_full();
        let next = self.next_on(&Memory::default(), &running, settings, all, now);
        next.map(|next| changes(&running, &next)).unwrap_or_default()
    }

    fn next(&self, running: &Snapshot, settings: Arc<Settings>, all: AllKeys, now: Millis) -> Option<Snapshot> {
        self.next_on(self.denylist.as_ref(), running, settings, all, now)
    }

    /// The next snapshot; `None` when nothing about it is new.
    fn next_on(
        &self,
        denylist: &dyn Denylist,
        running: &Snapshot,
        settings: Arc<Settings>,
        all: AllKeys,
        now: Millis,
    ) -> Option<Snapshot> {
        // A key that is skipped changes no keyring, but it changes the warnings.
        let same = |(name, keys): (&String, &Keys)| {
            let running = running.realms.get(name).map(|realm| &realm.keys);
            running.is_some_and(|running| running.same(keys) && running.notes == keys.notes)
        };
        // Names of users and groups may mean others than before.
        let same_settings = settings.origin == running.settings.origin && settings.access == running.settings.access;
        if same_settings && all.iter().all(same) {
            return None;
        }
        let own_uid = self.own_uid;
        Some(Snapshot::assemble(settings, all, Some(running), denylist, own_uid, now))
    }

    async fn prepare(
        &self,
        running: &Snapshot,
        settings: Arc<Settings>,
        all: AllKeys,
        now: Millis,
    ) -> Result<Option<Snapshot>, StoreError> {
        let Some(next) = self.next(running, settings, all, now) else {
            return Ok(None);
        };
        // A longer max_lifetime is known to the store before the first token that lives by it.
        let noted = note_lifetimes(&next, Some(running), self.denylist.as_ref(), now).await;
        if noted.is_err() {
            // What goes on in effect is what entries must be kept by.
            for (index, max_lifetime) in lifetimes(running).into_values() {
                index.set_lifetime(max_lifetime, now);
            }
        }
        noted.map(|()| Some(next))
    }
}

/// Why there is no first snapshot.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration or the files that it names.
    #[error("{0}")]
    Faults(Faults),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Faults> for StartError {
    fn from(faults: Faults) -> Self {
        StartError::Faults(faults)
    }
}

/// The denylists by their names, each with the longest `max_lifetime` of the realms that share it.
fn lifetimes(snapshot: &Snapshot) -> BTreeMap<&str, (&Arc<RealmIndex>, u64)> {
    let mut all = BTreeMap::new();
    for realm in snapshot.realms() {
        let RealmState { realm, index } = &*realm.served;
        let (_, longest) = all.entry(index.name()).or_insert((index, 0));
        *longest = realm.policy.kept_lifetime().max(*longest);
    }
    all
}

/// Tells the store of each `max_lifetime` that is new.
async fn note_lifetimes(
    next: &Snapshot,
    running: Option<&Snapshot>,
    denylist: &dyn Denylist,
    now: Millis,
) -> Result<(), StoreError> {
    let before = running.map(lifetimes).unwrap_or_default();
    let is_new = |(name, (_, max_lifetime)): &(&str, (&Arc<RealmIndex>, u64))| {
        before.get(name).is_none_or(|(_, before)| before != max_lifetime)
    };
    let note = |(_, (index, max_lifetime)): (&str, (&Arc<RealmIndex>, u64))| {
        // At a start what it knows is what is on its disk.
        let known = running.is_none() && index.max_lifetime() == max_lifetime;
        let change = jwtkeeper_core::denylist::Change::Lifetime { max_lifetime, now };
        (known, denylist.apply(index, change))
    };
    // All are asked before any is waited for: they share a commit.
    let all: Vec<_> = lifetimes(next).into_iter().filter(is_new).map(note).collect();
    for (known, noted) in all {
        match noted.await {
            // Nothing new was to be noted: a full disk is no reason not to start. Health tells of it.
            Err(StoreError::Full(_)) if known => {}
            noted => drop(noted?),
        }
    }
    Ok(())
}
