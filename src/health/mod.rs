//! The health of the daemon: whether it is ready, and why not, for all who ask; and the health document
//! (docs/protocol.md lists its members).

mod probe;
mod self_test;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

pub(crate) use self::probe::Probes;
pub use self::probe::{Probe, probe};
use self::self_test::Outcome;
pub(crate) use self::self_test::SelfTests;
use crate::audit::Audit;
use crate::config::{Limits, Settings};
use crate::reload::{ActiveRealm, Snapshot, Status};
use crate::server::Context;
use crate::server::descriptors;
use jwtkeeper_core::denylist::StoreHealth;
use jwtkeeper_core::jwt::Version;
use jwtkeeper_core::keyring::Role;

/// Bytes of realms, and of texts, that a document holds at most, so that it fits a frame.
const MOST: usize = 24 * 1024;

/// Said when the thread that follows the files has ended.
const UNFOLLOWED: &str =
    "watching files failed, and changes do not take effect; restart the daemon, and please report it with the log";

#[derive(Serialize)]
struct Document {
    version: &'static str,
    uptime_seconds: u64,
    faults: Vec<String>,
    warnings: Vec<String>,
    pending_restart: Vec<&'static str>,
    reload: Reload,
    store: Store,
    realms: Vec<Realm>,
    /// The number of realms left out for want of room.
    realms_left_out: usize,
    reuses: u64,
}

#[derive(Serialize)]
struct Reload {
    watch: &'static str,
    reloads: u64,
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct Change {
    at: u64,
    generation: u64,
    text: String,
}

#[derive(Serialize)]
struct Store {
    kind: &'static str,
    fault: Option<String>,
    entries: u64,
    changes: u64,
    commits: u64,
    #[serde(flatten)]
    shared: Option<Shared>,
}

/// Of a store that is shared.
#[derive(Serialize)]
struct Shared {
    age_ms: Option<u64>,
    repaired: u64,
    pending: u64,
    unknown: u64,
}

#[derive(Serialize)]
struct Realm {
    name: String,
    generation: u64,
    /// Tokens minted since the daemon's start.
    issued: u64,
    version: Option<serde_json::Value>,
    keys: Vec<Key>,
}

#[derive(Serialize)]
struct Key {
    role: &'static str,
    algorithm: &'static str,
    fingerprint: String,
}

/// The part of the daemon that a fault concerns: a label of `jwtkeeper_faults`, by which alerts tell their urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// Something found at the start.
    Start,
    /// A configuration or key file that was rejected.
    Config,
    /// Changes of files are not seen.
    Watch,
    Store,
    Audit,
    Metrics,
    SelfTest,
    /// Clients cannot reach the daemon.
    Socket,
}

impl FaultKind {
    pub(super) const ALL: [Self; 8] = [
        Self::Start,
        Self::Config,
        Self::Watch,
        Self::Store,
        Self::Audit,
        Self::Metrics,
        Self::SelfTest,
        Self::Socket,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Config => "config",
            Self::Watch => "watch",
            Self::Store => "store",
            Self::Audit => "audit",
            Self::Metrics => "metrics",
            Self::SelfTest => "self_test",
            Self::Socket => "socket",
        }
    }
}

/// The condition of the daemon.
pub(super) struct Condition {
    /// The faults, each with its remedy. The daemon is ready without any.
    pub(super) faults: Vec<(FaultKind, String)>,
    /// The warnings.
    pub(super) warnings: Vec<String>,
    pub(super) status: Status,
    pub(super) store: StoreHealth,
    pub(crate) self_tests: Arc<Outcome>,
}

impl Condition {
    /// As of now.
    pub(super) fn of(context: &Context, snapshot: &Snapshot) -> Self {
        let store = context.keeper.denylist().health();
        let status = context.live.status();
        let self_tests = context.self_tests.outcome(context, snapshot);
        let faults = faults(context, &status, &store, &self_tests);
        let polling = status.polling.iter().map(|why| format!("files are polled: {why}"));
        let mut warnings: Vec<_> = polling.collect();
        warnings.extend(crowd(context, &snapshot.settings.limits));
        let realms = snapshot.realms().map(|realm| &realm.served);
        let realms = realms.map(|served| (served.realm.name.as_str(), served.index.entries() as usize));
        let now = (context.clock)().seconds();
        warnings.extend(context.quotas.warnings(&snapshot.settings.limits, realms, now));
        warnings.extend(status.unsettled.iter().cloned());
        warnings.extend(pending_restart(&snapshot.settings));
        warnings.extend(snapshot.key_warnings().cloned());
        warnings.extend(store.warnings.iter().cloned());
        Self {
            faults,
            warnings,
            status,
            store,
            self_tests,
        }
    }

    /// Returns the number of faults of a kind.
    pub(super) fn count(&self, kind: FaultKind) -> u64 {
        self.faults.iter().filter(|(of, _)| *of == kind).count() as u64
    }

    /// Returns true if the daemon is ready.
    pub(super) fn is_ready(&self) -> bool {
        self.faults.is_empty()
    }

    /// The faults that there is room for, and the warnings.
    pub(super) fn texts(&self) -> (Vec<String>, Vec<String>) {
        let cut = |text: &String| cut(text.clone());
        let faults = up_to(MOST / 2, self.faults.iter().map(|(_, text)| cut(text)), String::len);
        (faults, up_to(MOST / 4, self.warnings.iter().map(cut), String::len))
    }
}

fn faults(context: &Context, status: &Status, store: &StoreHealth, self_tests: &Outcome) -> Vec<(FaultKind, String)> {
    let mut faults = Vec::new();
    let mut add = |kind, texts: &mut dyn Iterator<Item = String>| faults.extend(texts.map(|text| (kind, text)));
    add(FaultKind::Start, &mut context.warnings.iter().cloned());
    add(FaultKind::Socket, &mut context.socket_fault().into_iter());
    add(FaultKind::Config, &mut status.faults.iter().map(ToString::to_string));
    add(FaultKind::Watch, &mut stuck(status).into_iter());
    add(
        FaultKind::Watch,
        &mut status.unfollowed.then(|| UNFOLLOWED.to_owned()).into_iter(),
    );
    add(FaultKind::Store, &mut store.fault.clone().into_iter());
    add(
        FaultKind::Audit,
        &mut context.audit.as_ref().and_then(Audit::fault).into_iter(),
    );
    add(FaultKind::Metrics, &mut context.metrics_fault().into_iter());
    add(FaultKind::SelfTest, &mut self_tests.faults());
    faults
}

/// Returns the fault of the number of connections, if there is one.
fn crowd(context: &Context, limits: &Limits) -> Option<String> {
    let most = descriptors::connections(limits);
    if context.connections.served() >= most {
        let text = "all {most} connections are taken, others wait: jwtkeeper_connections tells whose they are, \
                    limits.connections and limits.connections_per_uid how many there may be";
        return Some(text.replace("{most}", &most.to_string()));
    }
    descriptors::warning(limits)
}

/// Names the settings whose new value takes effect only after a restart.
fn pending_restart(settings: &Settings) -> Option<String> {
    let names = settings.pending_restart.join(", ");
    (!names.is_empty()).then(|| format!("a new value of {names} takes effect after a restart; restart jwtkeeperd"))
}

/// All realms, by their names.
pub(super) fn in_order(snapshot: &Snapshot) -> Vec<&ActiveRealm> {
    let mut realms: Vec<_> = snapshot.realms().collect();
    realms.sort_unstable_by_key(|realm| &realm.served.realm.name);
    realms
}

/// Returns readiness, and the health document.
pub(super) fn report(context: &Context, snapshot: &Snapshot) -> (bool, Vec<u8>) {
    let condition = Condition::of(context, snapshot);
    let ready = condition.is_ready();
    let (faults, warnings) = condition.texts();
    let Condition { status, store, .. } = condition;
    let realms = in_order(snapshot);
    let changes = status.changes.into_iter().map(|(at, generation, change)| Change {
        at: at.0 / 1000,
        generation,
        text: change
            .setting
            .map_or(change.text, |setting| format!("{setting} changed")),
    });
    // The last ones matter most.
    let mut changes = up_to(MOST / 4, changes.rev(), |change| change.text.len() + 48);
    changes.reverse();
    let all = realms.len();
    let realms = up_to(
        MOST,
        realms.into_iter().map(|realm| describe(context, realm)),
        |realm| realm.name.len() + 90 + realm.keys.len() * 110,
    );
    let document = Document {
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: context.started.elapsed().as_secs(),
        faults,
        warnings,
        pending_restart: snapshot.settings.pending_restart.clone(),
        reload: Reload {
            watch: if status.polling.is_some() { "poll" } else { "inotify" },
            reloads: status.reloads,
            changes,
        },
        store: Store {
            kind: store.kind,
            fault: store.fault,
            entries: store.entries,
            changes: store.changes,
            commits: store.commits,
            shared: store.shared.map(|shared| Shared {
                age_ms: shared.age.map(|age| age.as_millis() as u64),
                repaired: shared.repaired,
                pending: shared.pending,
                unknown: shared.unknown,
            }),
        },
        realms_left_out: all - realms.len(),
        realms,
        reuses: context.reuses.load(Ordering::Relaxed),
    };
    let text = serde_json::to_vec(&document).unwrap_or_default(); // strings and numbers always serialise
    (ready, text)
}

/// The same in a line, for whoever looks at the service.
pub(super) fn summary(context: &Context, snapshot: &Snapshot) -> String {
    let Condition { faults, store, .. } = Condition::of(context, snapshot);
    let names = in_order(snapshot)
        .into_iter()
        .map(|realm| realm.served.realm.name.as_str());
    let mut realms: Vec<_> = names.collect();
    let more = realms.split_off(realms.len().min(8)).len();
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let realms = realms.join(", ") + &more;
    let state = match faults.len() {
        0 => "ready".to_owned(),
        1 => "not ready: 1 fault".to_owned(),
        many => format!("not ready: {many} faults"),
    };
    let age = store.shared.and_then(|shared| shared.age);
    let age = age.map_or(String::new(), |age| format!(", {} s old", age.as_secs()));
    let (generation, kind, entries) = (snapshot.generation, store.kind, store.entries);
    format!("{state}; generation {generation}; realms {realms}; {kind} store, {entries} entries{age}")
}

/// A file system that does not answer: what changes is not seen.
fn stuck(status: &Status) -> Option<String> {
    const LONG: Duration = Duration::from_secs(10);
    let reading = status.reading?.elapsed();
    (reading > LONG).then(|| {
        let seconds = reading.as_secs();
        format!("the files have been read for {seconds} s without an end; does a file system not answer?")
    })
}

/// Returns the first ones, in their order, for which there is room.
pub(super) fn up_to<T>(most: usize, all: impl IntoIterator<Item = T>, length: impl Fn(&T) -> usize) -> Vec<T> {
    let mut left = most;
    let fits = |one: &T| {
        let fits = length(one) <= left;
        left -= if fits { length(one) } else { 0 };
        fits
    };
    all.into_iter().filter(fits).collect()
}

/// The longest text in a document, in bytes.
const LONGEST_TEXT: usize = 2 * 1024;

/// Cuts a text that one file could make as long as itself.
pub(crate) fn cut(mut text: String) -> String {
    if text.len() > LONGEST_TEXT {
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        text.push_str("...");
    }
    text
}

/// Returns the role of a key in its realm, as a word.
pub(super) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Current => "current",
        Role::Retired => "retired",
        Role::Foreign(_) => "foreign",
    }
}

fn describe(context: &Context, realm: &ActiveRealm) -> Realm {
    let served = &realm.served.realm;
    let keys = served.keyring.keys().map(|(role, key)| Key {
        role: role_name(role),
        algorithm: key.algorithm.name(),
        fingerprint: key.id.to_string(),
    });
    Realm {
        name: served.name.clone(),
        generation: realm.since,
        issued: context.request_metrics.minted(&served.name),
        version: match &served.version {
            Version::None | Version::Other => None,
            Version::Number(number) => Some((*number).into()),
            // A secret that was put there by mistake is not shown whole.
            Version::Text(text) => Some(text.chars().take(16).collect::<String>().into()),
        },
        keys: keys.collect(),
    }
}
