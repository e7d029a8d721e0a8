//! The supervisor of Redis: discovers the primaries again and again, and runs a sync for each of them.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::age::uptime_ms;
use super::discovery::{Discovery, Primary};
use super::fleet::{Fleet, random};
use super::link::in_words;
use super::naming;
use super::node::Node;
use super::servers::Reach;
use super::sync::sync;
use jwtkeeper_log_limit::limited;

/// The interval at which sentinels and clusters are asked for their primaries.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks, in milliseconds, where one is asked for; and as much again at random.
const SOONER: u64 = 50;

/// Sees to the primaries for as long as the daemon lives.
pub(super) async fn supervise(fleet: Arc<Fleet>) {
    let mut discovery = Discovery::default();
    let mut following: Vec<(Arc<Node>, AbortOnDropHandle<()>)> = Vec::new();
    let mut stale = false;
    loop {
        let known: Vec<_> = following.iter().map(|(node, _)| node.primary()).collect();
        let well = following.iter().all(|(node, _)| node.fault().is_none());
        let asked = uptime_ms();
        let found = discovery.look(&fleet.servers, &known, well).await;
        let fault = found.as_ref().err().map(in_words);
        *fleet.lost.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        if let Ok(found) = found {
            install(&fleet, &mut following, &found.primaries);
            if found.sure {
                fleet.surveyed.prove(asked);
            }
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            () = fleet.look_again.notified(), if !matches!(fleet.servers.reach, Reach::One(_)) => {
                sleep(Duration::from_millis(SOONER + random(SOONER))).await;
            }
        }
        tell_staleness(&fleet, &mut stale);
    }
}

fn tell_staleness(fleet: &Fleet, before: &mut bool) {
    let age = fleet.age();
    let stale = age.is_none_or(|age| age > fleet.terms.max_staleness);
    if stale && !*before && age.is_some() {
        let served = fleet.terms.serve_stale;
        limited!(
            error,
            "stale copy of Redis",
            served,
            "the copy of Redis is older than max_staleness"
        );
    } else if !stale && *before {
        limited!(info, "fresh copy of Redis", "the copy of Redis is up to date again");
    }
    *before = stale && age.is_some();
}

/// Follows those that were found, and no others.
fn install(fleet: &Arc<Fleet>, following: &mut Vec<(Arc<Node>, AbortOnDropHandle<()>)>, found: &[Primary]) {
    let same = |node: &Node, primary: &Primary| node.name == primary.name();
    for primary in found {
        if let Some((node, _)) = following.iter().find(|(node, _)| same(node, primary)) {
            node.take_slots(&primary.slots);
        }
    }
    let is_there = |(node, _): &(Arc<Node>, AbortOnDropHandle<()>)| found.iter().any(|primary| same(node, primary));
    // One that ended by itself met a defect of ours, which is in the log: it is followed anew.
    let is_followed = |entry: &(Arc<Node>, AbortOnDropHandle<()>)| is_there(entry) && !entry.1.is_finished();
    let gone: Vec<_> = following.extract_if(.., |entry| !is_followed(entry)).collect();
    // What a new one has was last seen when its predecessor was.
    let known = fleet.nodes.load();
    let since = known.iter().map(|node| node.fresh.since()).min().flatten();
    let read_to = known.iter().map(|node| node.read_to()).min().unwrap_or(0);
    let mut changed = !gone.is_empty();
    for primary in found {
        if following.iter().any(|(node, _)| same(node, primary)) {
            continue;
        }
        changed = true;
        let node = Arc::new(Node::new(primary, since, read_to));
        if !known.iter().any(|node| same(node, primary)) && !known.is_empty() {
            limited!(
                warn,
                "new primary of Redis",
                server = node.name,
                "another Redis server is now the primary"
            );
        }
        let task = tokio::spawn(sync(fleet.clone(), node.clone()));
        following.push((node, AbortOnDropHandle::new(task)));
    }
    if !changed {
        return;
    }
    fleet
        .nodes
        .store(Arc::new(following.iter().map(|(node, _)| node.clone()).collect()));
    // The successor of one that is gone lacks what that one lacked.
    for (node, _) in gone {
        for job in node.jobs().take() {
            let key = naming::entry(&job.shared.prefix, job.kind, &job.id);
            if let Some((successor, _)) = following.iter().find(|(node, _)| node.has(&key)) {
                successor.repair([job]);
            }
        }
    }
}
