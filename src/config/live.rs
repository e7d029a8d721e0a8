//! The snapshot in force, and the one path by which another takes its place: read → parse → check → self-test →
//! swap. What fails leaves the old one serving. Two kinds of unit, each all or nothing: the configuration, and each
//! realm's key files as the configuration in force names them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::access::Access;
use super::fault::{Fault, Faults};
use super::keys::{self, Keys};
use super::settings::Settings;
use crate::denylist::{Change, Denylist, StoreError};
use crate::keeper::Served;
use crate::realm::Realm;
use crate::words::Millis;

/// Everything that a request is served by, immutable.
pub struct Snapshot {
    /// Its number: each that replaces another has the next.
    pub generation: u64,
    /// The configuration.
    pub settings: Arc<Settings>,
    /// Who may do what.
    pub access: Access,
    realms: HashMap<String, Arc<Served>>,
    /// The one that most requests mean.
    default: Option<Arc<Served>>,
}

impl Snapshot {
    /// A realm by its name; an empty name is `default`.
    pub fn realm(&self, name: &str) -> Option<&Arc<Served>> {
        match name {
            "" => self.default.as_ref(),
            name => self.realms.get(name),
        }
    }

    /// All realms.
    pub fn realms(&self) -> impl Iterator<Item = &Arc<Served>> {
        self.realms.values()
    }

    fn keys(&self, realm: &str) -> Option<Keys> {
        let realm = &self.realms.get(realm)?.realm;
        Some(Keys {
            keyring: realm.keyring.clone(),
            version: realm.version.clone(),
        })
    }
}

/// A reload that put a new snapshot in force, and what it could not take.
pub struct Reloaded {
    /// The generation now in force.
    pub generation: u64,
    /// What was refused; what was in force in its place stays.
    pub faults: Faults,
}

/// The snapshot in force.
pub struct Live {
    current: ArcSwap<Snapshot>,
    faults: Mutex<Faults>,
    reload: tokio::sync::Mutex<()>,
    denylist: Arc<dyn Denylist>,
    own_uid: u32,
}

impl Live {
    /// The first snapshot: everything must be right.
    pub async fn start(
        settings: Settings,
        denylist: Arc<dyn Denylist>,
        own_uid: u32,
        now: Millis,
    ) -> Result<Self, StartError> {
        let settings = Arc::new(settings);
        let (all, faults) = load(&settings, None);
        let all = faults.into_result(all)?;
        let snapshot = assemble(1, settings, all, denylist.as_ref(), own_uid);
        note_lifetimes(&snapshot, denylist.as_ref(), now).await?;
        Ok(Self {
            current: ArcSwap::from_pointee(snapshot),
            faults: Mutex::default(),
            reload: tokio::sync::Mutex::default(),
            denylist,
            own_uid,
        })
    }

    /// The snapshot in force. A request takes it once.
    pub fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// What the last reload could not take.
    pub fn faults(&self) -> Faults {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads everything again. Whatever is right takes force; whatever is not leaves what stood.
    pub async fn reload(&self, now: Millis) -> Reloaded {
        let _one_at_a_time = self.reload.lock().await;
        let running = self.current.load_full();
        let read = running.clone();
        let next = tokio::task::spawn_blocking(move || read_next(&read)).await;
        let (settings, all, mut faults) = next.unwrap_or_else(|_| {
            let fault = Fault {
                file: running.settings.file.clone(),
                line: 0,
                message: "the reload failed".to_owned(),
            };
            (running.settings.clone(), HashMap::new(), fault.into())
        });
        let mut generation = running.generation;
        if !all.is_empty() {
            let next = assemble(generation + 1, settings, all, self.denylist.as_ref(), self.own_uid);
            // A longer max_lifetime is known to the store before the first token that lives by it.
            match note_lifetimes(&next, self.denylist.as_ref(), now).await {
                Ok(()) => {
                    generation = next.generation;
                    self.current.store(Arc::new(next));
                }
                Err(error) => {
                    // What goes on in force is what entries must be kept by.
                    for served in running.realms() {
                        served.index.set_lifetime(served.realm.policy.max_lifetime, now);
                    }
                    faults.push(Fault {
                        file: running.settings.file.clone(),
                        line: 0,
                        message: format!("the denylist store did not take note of max_lifetime: {error}"),
                    });
                }
            }
        }
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults.clone();
        Reloaded { generation, faults }
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

type AllKeys = HashMap<String, Keys>;

/// What comes next: the new configuration with its keys, or, where it has a fault, the running one with keys read anew.
fn read_next(running: &Snapshot) -> (Arc<Settings>, AllKeys, Faults) {
    let mut faults = Faults::default();
    match Settings::read(&running.settings.file) {
        Ok(settings) => {
            let fixed = what_is_fixed(&running.settings, &settings);
            if fixed.is_empty() {
                let settings = Arc::new(settings);
                let (all, found) = load(&settings, Some(running));
                if all.len() == settings.realms.len() {
                    return (settings, all, found);
                }
                faults.extend(found);
            } else {
                faults.push(Fault {
                    file: running.settings.file.clone(),
                    line: 0,
                    message: format!(
                        "a change of {} needs a restart; the configuration waits for it",
                        fixed.join(", ")
                    ),
                });
            }
        }
        Err(found) => faults.extend(found),
    }
    let (all, found) = load(&running.settings, Some(running));
    for fault in found
        .iter()
        .filter(|fault| !faults.iter().any(|known| known == *fault))
        .cloned()
        .collect::<Vec<_>>()
    {
        faults.push(fault);
    }
    (running.settings.clone(), all, faults)
}

/// The keys of every realm. Where a realm's files have a fault and the running snapshot has the realm with the same
/// files, its keys go on; otherwise the realm is missing.
fn load(settings: &Settings, running: Option<&Snapshot>) -> (AllKeys, Faults) {
    let mut faults = Faults::default();
    let mut all = AllKeys::new();
    for realm in settings.realms.values() {
        match keys::load(realm) {
            Ok(keys) => drop(all.insert(realm.name.clone(), keys)),
            Err(found) => {
                faults.extend(found);
                let same = |running: &&Snapshot| {
                    running
                        .settings
                        .realms
                        .get(&realm.name)
                        .is_some_and(|before| before.same_keys(realm))
                };
                if let Some(keys) = running.filter(same).and_then(|running| running.keys(&realm.name)) {
                    all.insert(realm.name.clone(), keys);
                }
            }
        }
    }
    (all, faults)
}

fn assemble(
    generation: u64,
    settings: Arc<Settings>,
    mut all: AllKeys,
    denylist: &dyn Denylist,
    own_uid: u32,
) -> Snapshot {
    let mut realms = HashMap::new();
    for realm in settings.realms.values() {
        let Some(keys) = all.remove(&realm.name) else { continue };
        let (name, policy) = (realm.name.clone(), realm.policy.clone());
        let index = denylist.index().realm(&name);
        let realm = Realm {
            name: name.clone(),
            policy,
            keyring: keys.keyring,
            version: keys.version,
        };
        realms.insert(name, Arc::new(Served { realm, index }));
    }
    Snapshot {
        generation,
        settings,
        access: Access { own_uid },
        default: realms.get(jwtkeeper_wire::DEFAULT_REALM).cloned(),
        realms,
    }
}

async fn note_lifetimes(snapshot: &Snapshot, denylist: &dyn Denylist, now: Millis) -> Result<(), StoreError> {
    let note = |served: &Arc<Served>| {
        let max_lifetime = served.realm.policy.max_lifetime;
        denylist.apply(&served.index, Change::Lifetime { max_lifetime, now })
    };
    // All are asked before any is waited for: they share a commit.
    let all: Vec<_> = snapshot.realms().map(note).collect();
    for noted in all {
        noted.await?;
    }
    Ok(())
}

/// What cannot change while the daemon runs, and has.
fn what_is_fixed(running: &Settings, new: &Settings) -> Vec<&'static str> {
    let fixed = [
        ("socket", running.socket != new.socket),
        ("socket_mode", running.socket_mode != new.socket_mode),
        ("state_dir", running.state_dir != new.state_dir),
    ];
    fixed
        .into_iter()
        .filter(|(_, changed)| *changed)
        .map(|(name, _)| name)
        .collect()
}
