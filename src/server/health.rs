//! The health document (docs/protocol.md lists its members).

use std::sync::atomic::Ordering;

use serde::Serialize;

use super::Context;
use crate::config::Snapshot;

#[derive(Serialize)]
struct Document<'a> {
    version: &'a str,
    uptime_seconds: u64,
    faults: &'a [String],
    store: Store<'a>,
    realms: Vec<&'a str>,
    reuses: u64,
}

#[derive(Serialize)]
struct Store<'a> {
    kind: &'a str,
    fault: Option<&'a str>,
    entries: u64,
    changes: u64,
    commits: u64,
}

/// Whether everything is right, and the document.
pub(super) fn report(context: &Context, snapshot: &Snapshot) -> (bool, Vec<u8>) {
    let store = context.keeper.denylist().health();
    let mut faults = context.warnings.clone();
    faults.extend(context.live.faults().iter().map(ToString::to_string));
    faults.extend(store.fault.clone());
    let mut realms: Vec<_> = snapshot.realms().map(|served| served.realm.name.as_str()).collect();
    realms.sort_unstable();
    let document = Document {
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: context.started.elapsed().as_secs(),
        faults: &faults,
        store: Store {
            kind: store.kind,
            fault: store.fault.as_deref(),
            entries: store.entries,
            changes: store.changes,
            commits: store.commits,
        },
        realms,
        reuses: context.reuses.load(Ordering::Relaxed),
    };
    let text = serde_json::to_vec(&document).unwrap_or_default(); // strings and numbers always serialise
    (faults.is_empty(), text)
}
