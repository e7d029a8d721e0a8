//! Every metric of the daemon: its name, what it means (docs/metrics.md has the same, and alerts), and where it is
//! read. Labels hold names of the configuration, fingerprints and uids: never a secret, a token, an id or a subject.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;

use super::families::{Families, Label};
use super::process;
use crate::audit::Audit;
use crate::config::StoreSettings;
use crate::health::{Condition, FaultKind, in_order, role_name};
use crate::reload::Snapshot;
use crate::server::Context;
use jwtkeeper_core::denylist::StoreHealth;
use jwtkeeper_core::jwt::Version;
use jwtkeeper_core::types::Millis;
use jwtkeeper_store::Embedded;

/// Uids that are told apart; the others are one.
const UIDS: usize = 32;

/// All of them.
pub(super) fn collect(context: &Context, families: &mut Families<'_>) -> fmt::Result {
    let snapshot = context.live.snapshot();
    let condition = Condition::of(context, &snapshot);
    daemon(context, &condition, families)?;
    reload(&snapshot, &condition, families)?;
    realms(&snapshot, families)?;
    store(&snapshot, &condition.store, families)?;
    requests(context, families)?;
    audit(context, families)?;
    connections(context, &snapshot, families)?;
    process::collect(context.began, families)
}

fn daemon(context: &Context, condition: &Condition, families: &mut Families<'_>) -> fmt::Result {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    families.info("jwtkeeper_build", "The daemon's version.", &version)?;
    families.gauge(
        "jwtkeeper_uptime_seconds",
        "How long the daemon has run.",
        context.started.elapsed().as_secs_f64(),
    )?;
    families.gauge(
        "jwtkeeper_ready",
        "1 when nothing is wrong, as /readyz says.",
        u64::from(condition.is_ready()),
    )?;
    families.gauges(
        "jwtkeeper_faults",
        "Things that are wrong, by the part that they concern; /readyz names them.",
        FaultKind::ALL.map(|kind| ([label("kind", kind.name())], condition.count(kind))),
    )?;
    families.gauge(
        "jwtkeeper_warnings",
        "Things that are worth a look; /readyz names them.",
        condition.warnings.len() as u64,
    )?;
    let tests = condition.self_tests.realms.iter();
    families.gauges(
        "jwtkeeper_self_test_passed",
        "1 when a token was issued and validated in the realm, seconds ago at most.",
        tests.map(|(realm, fault)| ([label("realm", realm)], u64::from(fault.is_none()))),
    )?;
    let now = (context.clock)();
    let last = context.keeper.denylist().index().minted();
    families.gauge(
        "jwtkeeper_clock_behind_seconds",
        "How far the clock is behind the last token minted; beyond clock_skew such tokens are not yet valid.",
        last.since(now) as f64 / 1e3,
    )?;
    families.counter(
        "jwtkeeper_reuses",
        "Rotated tokens presented after their grace.",
        context.reuses.load(Ordering::Relaxed),
    )
}

fn reload(snapshot: &Snapshot, condition: &Condition, families: &mut Families<'_>) -> fmt::Result {
    let status = &condition.status;
    families.gauge(
        "jwtkeeper_generation",
        "Generation of the configuration in effect; rises with every change that takes effect.",
        snapshot.generation,
    )?;
    families.counter(
        "jwtkeeper_reloads",
        "Reloads that were asked for; what was asked together counts once.",
        status.reloads,
    )?;
    families.gauge(
        "jwtkeeper_config_last_reload_successful",
        "1 when all that was last read of the configuration and the key files could be taken.",
        u64::from(status.faults.is_empty()),
    )?;
    families.gauge(
        "jwtkeeper_config_last_reload_success_timestamp_seconds",
        "When that was last so, of what was read anew, in seconds since 1970.",
        seconds(status.right),
    )?;
    families.gauge(
        "jwtkeeper_config_pending_restart",
        "Settings whose new value takes effect only after a restart.",
        snapshot.settings.pending_restart.len() as u64,
    )?;
    families.gauge(
        "jwtkeeper_file_watcher_up",
        "1 while changes of files are seen; 0 needs a restart.",
        u64::from(!status.unfollowed),
    )?;
    families.gauge(
        "jwtkeeper_files_watched",
        "1 while changes are told by inotify; 0 while files are polled.",
        u64::from(status.polling.is_none()),
    )
}

fn realms(snapshot: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
    let realms = in_order(snapshot);
    let name = |realm: &&crate::reload::ActiveRealm| realm.served.realm.name.clone();
    families.gauges(
        "jwtkeeper_realm_generation",
        "The generation that brought the realm as it is.",
        realms.iter().map(|realm| ([("realm", name(realm))], realm.since)),
    )?;
    let versions = realms.iter().filter_map(|realm| match realm.served.realm.version {
        Version::Number(number) => Some(([("realm", name(realm))], number as f64)),
        _ => None, // words are no values, and might be a secret that was put there by mistake
    });
    families.gauges(
        "jwtkeeper_realm_version",
        "The version of the realm, where it is a number.",
        versions,
    )?;
    families.gauges(
        "jwtkeeper_realm_entries",
        "Entries of the denylist in the realm.",
        realms
            .iter()
            .map(|realm| ([("realm", name(realm))], realm.served.index.entries())),
    )?;
    let limit = snapshot.settings.limits.entries_per_realm;
    families.gauge_if_any(
        "jwtkeeper_realm_entries_max",
        "Entries of the denylist that a realm may have; none without a limit.",
        (limit > 0).then_some(limit as u64),
    )?;
    let mut keys = BTreeMap::new(); // a key can be named twice
    for realm in &realms {
        for (role, key) in realm.served.realm.keyring.keys() {
            let labels = (name(realm), role_name(role), key.algorithm.name(), key.id);
            keys.insert(labels, realm.key_since(&key.id).unwrap_or_default());
        }
    }
    let keys = keys.into_iter().map(|((realm, role, algorithm, id), since)| {
        let labels = [
            ("realm", realm),
            ("role", role.to_owned()),
            ("algorithm", algorithm.to_owned()),
            ("fingerprint", id.to_string()),
        ];
        (labels, seconds(since))
    });
    families.gauges(
        "jwtkeeper_key_since_timestamp_seconds",
        "When the key came into force, in seconds since 1970; not before the daemon began.",
        keys,
    )
}

fn store(snapshot: &Snapshot, store: &StoreHealth, families: &mut Families<'_>) -> fmt::Result {
    families.info(
        "jwtkeeper_store",
        "Where the denylist is kept.",
        &[("kind", store.kind)],
    )?;
    families.gauge(
        "jwtkeeper_store_up",
        "1 while the store takes changes, and the copy in memory is not too old.",
        u64::from(store.fault.is_none()),
    )?;
    families.gauge(
        "jwtkeeper_store_entries",
        "Entries of the denylist in memory.",
        store.entries,
    )?;
    families.gauge_if_any(
        "jwtkeeper_store_size_bytes",
        "The store's file in state_dir.",
        Embedded::bytes(&snapshot.settings.state_dir).ok(),
    )?;
    families.counter("jwtkeeper_store_changes", "Changes made durable.", store.changes)?;
    families.counter(
        "jwtkeeper_store_commits",
        "Commits to the store's file, each of which is one fsync.",
        store.commits,
    )?;
    families.durations(
        "jwtkeeper_store_commit_duration_seconds",
        "How long commits to the store's file took.",
        &store.commit_took,
    )?;
    families.durations(
        "jwtkeeper_store_apply_duration_seconds",
        "How long revocations, flags and rotations took until the store answered.",
        &store.apply_took,
    )?;
    shared(snapshot, store, families)
}

/// Of a store that is shared.
fn shared(snapshot: &Snapshot, store: &StoreHealth, families: &mut Families<'_>) -> fmt::Result {
    let shared = store.shared.as_ref();
    families.gauge_if_any(
        "jwtkeeper_store_age_seconds",
        "How old the copy of Redis is; none before it was whole for the first time.",
        shared.and_then(|shared| shared.age).map(|age| age.as_secs_f64()),
    )?;
    let most = match &snapshot.settings.store {
        StoreSettings::Redis(redis) => Some(redis.terms.max_staleness.as_secs_f64()),
        StoreSettings::Embedded => None,
    };
    families.gauge_if_any(
        "jwtkeeper_store_max_age_seconds",
        "How old the copy may be: max_staleness.",
        most,
    )?;
    families.gauge_if_any(
        "jwtkeeper_store_pending_entries",
        "Entries that Redis lacks, as far as is known.",
        shared.map(|shared| shared.pending),
    )?;
    families.counter_if_any(
        "jwtkeeper_store_repaired",
        "Entries that were put back after Redis had lost them.",
        shared.map(|shared| shared.repaired),
    )?;
    families.counter_if_any(
        "jwtkeeper_store_unknown",
        "Values found in Redis that nobody writes.",
        shared.map(|shared| shared.unknown),
    )
}

fn requests(context: &Context, families: &mut Families<'_>) -> fmt::Result {
    let counts = context.request_metrics.counts();
    families.counters(
        "jwtkeeper_requests",
        "Requests by what they came to; why, where that is no plain yes.",
        counts.iter().map(|one| {
            let labels = [
                ("realm", one.realm.clone()),
                ("operation", one.operation.to_owned()),
                ("outcome", one.outcome.to_owned()),
                ("reason", one.reason.to_owned()),
            ];
            (labels, one.count)
        }),
    )?;
    families.durations_of(
        "jwtkeeper_request_duration_seconds",
        "How long requests took from when they were read until their reply was there.",
        context
            .request_metrics
            .durations()
            .into_iter()
            .map(|(operation, took)| ([("operation", operation)], took)),
    )?;
    let revocations = context.request_metrics.revocations();
    families.counters(
        "jwtkeeper_revocations",
        "Revocations that were done, by what they name.",
        revocations
            .into_iter()
            .map(|(realm, target, count)| ([("realm", realm), ("target", target.to_owned())], count)),
    )
}

fn audit(context: &Context, families: &mut Families<'_>) -> fmt::Result {
    let counts = context.audit.as_ref().map(Audit::counts);
    families.counter_if_any(
        "jwtkeeper_audit_lines",
        "Lines of the audit that were written.",
        counts.map(|(written, _)| written),
    )?;
    families.counter_if_any(
        "jwtkeeper_audit_lost_lines",
        "Lines of the audit that could not be written.",
        counts.map(|(_, lost)| lost),
    )
}

fn connections(context: &Context, snapshot: &Snapshot, families: &mut Families<'_>) -> fmt::Result {
    let all = context.connections.by_uid();
    let others: usize = all.iter().skip(UIDS).map(|(_, count)| count).sum();
    let others = (others > 0).then(|| ([("uid", "other".to_owned())], others as u64));
    let told = all.iter().take(UIDS);
    let told = told.map(|(uid, count)| ([("uid", uid.to_string())], *count as u64));
    families.gauges(
        "jwtkeeper_connections",
        "Connections of each uid; those of the uids with the fewest are told together, as other.",
        told.chain(others),
    )?;
    families.gauge(
        "jwtkeeper_connections_max",
        "Connections that there may be in all; more wait.",
        snapshot.settings.limits.connections as u64,
    )?;
    families.counter(
        "jwtkeeper_connections_refused",
        "Connections refused: their uid had all that it may have, or too many waited.",
        context.connections.refused(),
    )
}

fn label<'a>(name: &'static str, value: &'a str) -> Label<'a> {
    (name, value)
}

fn seconds(moment: Millis) -> f64 {
    moment.0 as f64 / 1e3
}
