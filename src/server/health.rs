//! The health document (docs/protocol.md lists its members).

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

use super::Context;
use super::audit::Audit;
use crate::config::{InForce, Snapshot, Status};
use crate::jwt::Version;
use crate::keyring::Role;

/// Bytes of realms, and of texts, that a document holds at most, so that it fits a frame.
const MOST: usize = 24 * 1024;

#[derive(Serialize)]
struct Document {
    version: &'static str,
    uptime_seconds: u64,
    faults: Vec<String>,
    warnings: Vec<String>,
    reload: Reload,
    store: Store,
    realms: Vec<Realm>,
    /// How many realms there is no room for.
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
    put_back: u64,
    owed: u64,
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

/// Whether everything is right, and the document.
pub(super) fn report(context: &Context, snapshot: &Snapshot) -> (bool, Vec<u8>) {
    let store = context.keeper.denylist().health();
    let status = context.live.status();
    let mut faults = context.warnings.clone();
    faults.extend(status.faults.iter().map(ToString::to_string));
    faults.extend(stuck(&status));
    faults.extend(store.fault.clone());
    faults.extend(context.audit.as_ref().and_then(Audit::fault));
    let mut realms: Vec<_> = snapshot.realms().collect();
    realms.sort_unstable_by_key(|realm| &realm.served.realm.name);
    let notes: Vec<_> = realms.iter().flat_map(|realm| realm.notes()).cloned().collect();
    let polling = status.polling.as_ref().map(|why| format!("files are polled: {why}"));
    let changes = status.changes.into_iter().map(|(at, generation, change)| Change {
        at: at.0 / 1000,
        generation,
        text: change.text,
    });
    // The last ones are those that count.
    let mut changes = up_to(MOST / 4, changes.rev(), |change| change.text.len() + 48);
    changes.reverse();
    let ready = faults.is_empty();
    let all = realms.len();
    let realms = up_to(
        MOST,
        realms.into_iter().map(|realm| describe(context, realm)),
        |realm| realm.name.len() + 90 + realm.keys.len() * 110,
    );
    let document = Document {
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: context.started.elapsed().as_secs(),
        faults: up_to(MOST / 2, faults, String::len),
        warnings: up_to(
            MOST / 4,
            polling
                .clone()
                .into_iter()
                .chain(status.unsettled)
                .chain(store.warnings)
                .chain(notes),
            String::len,
        ),
        reload: Reload {
            watch: if polling.is_some() { "poll" } else { "inotify" },
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
                put_back: shared.put_back,
                owed: shared.owed,
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
    let store = context.keeper.denylist().health();
    let faults = context.live.status().faults.iter().count()
        + context.warnings.len()
        + usize::from(store.fault.is_some())
        + usize::from(context.audit.as_ref().is_some_and(|audit| audit.fault().is_some()));
    let mut realms: Vec<_> = snapshot
        .realms()
        .map(|realm| realm.served.realm.name.as_str())
        .collect();
    realms.sort_unstable();
    let more = realms.len().saturating_sub(8);
    realms.truncate(8);
    let realms = realms.join(", ")
        + &if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
    let state = match faults {
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

/// Those, in their order, that there is room for.
fn up_to<T>(most: usize, all: impl IntoIterator<Item = T>, length: impl Fn(&T) -> usize) -> Vec<T> {
    let mut left = most;
    let fits = |one: &T| {
        let fits = length(one) <= left;
        left -= if fits { length(one) } else { 0 };
        fits
    };
    all.into_iter().filter(fits).collect()
}

fn describe(context: &Context, realm: &InForce) -> Realm {
    let served = &realm.served.realm;
    let keys = served.keyring.keys().map(|(role, key)| Key {
        role: match role {
            Role::Current => "current",
            Role::Retired => "retired",
            Role::Foreign(_) => "foreign",
        },
        algorithm: key.algorithm.name(),
        fingerprint: key.id.to_string(),
    });
    Realm {
        name: served.name.clone(),
        generation: realm.since,
        issued: context.tally.minted(&served.name),
        version: match &served.version {
            Version::None | Version::Other => None,
            Version::Number(number) => Some((*number).into()),
            // A secret that was put there by mistake is not shown whole.
            Version::Text(text) => Some(text.chars().take(16).collect::<String>().into()),
        },
        keys: keys.collect(),
    }
}
