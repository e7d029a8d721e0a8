//! The repair of a node that lost entries: in no order, reading before writing, and not all at once, for every
//! daemon of a fleet does the same. Never more than one step is under way, and between two there is time for others.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use redis::{Pipeline, RedisError};

use super::copy::soon;
use super::fleet::{Fleet, random};
use super::link::{ends, has_moved, in_words, is_elsewhere};
use super::node::{Job, Node};
use super::sync::{Realms, gone};
use jwtkeeper_core::denylist::PARTS;
use jwtkeeper_log_limit::limited;

/// Entries that one step puts back.
const STEP: usize = 100;
/// The longest that a daemon waits before it begins: another may have put it all back by then.
const JITTER_MS: u64 = 300;
/// Between steps, at the least.
const PAUSE: Duration = Duration::from_millis(1);
/// Between steps while Redis evicts, or takes nothing: what is put in drives out something else.
const SLOW: Duration = Duration::from_millis(500);

/// The repair that is due after a scan: parts of realms, each with the number of entries that a node lacks.
#[derive(Default)]
pub(super) struct Repair {
    parts: Vec<(usize, usize, u64)>,
    begin: Option<Instant>,
}

impl Repair {
    /// After a reading: counts what it did not show.
    pub(super) async fn after_scan(fleet: &Fleet, node: &Node, realms: &Realms) -> Self {
        let mut parts = Vec::new();
        // All that is missing shows below.
        node.jobs().take();
        let reading = node.scan_epoch();
        let by = soon(fleet, (fleet.clock)());
        for (number, shared) in realms.shared.iter().enumerate() {
            for part in 0..PARTS {
                tokio::task::yield_now().await; // others have work too
                let mut count = 0;
                shared.realm.unshared(part, reading, by, |kind, id| {
                    count += u64::from(fleet.is_of(node, shared, kind, id));
                });
                if count > 0 {
                    let at = random(parts.len() as u64 + 1) as usize;
                    parts.insert(at, (number, part, count));
                }
            }
        }
        let lacking = parts.iter().map(|(_, _, count)| count).sum();
        node.lacking.store(lacking, Ordering::Relaxed);
        if lacking > 0 {
            limited!(
                warn,
                "entries missing in Redis",
                key = &node.name,
                server = node.name,
                lacking,
                "Redis lacks entries that this host has; restoring them"
            );
        }
        let begin = Instant::now() + Duration::from_millis(random(JITTER_MS));
        Self {
            parts,
            begin: Some(begin),
        }
    }

    /// Returns true if there is nothing to do.
    pub(super) fn is_done(&self, node: &Node) -> bool {
        self.parts.is_empty() && node.jobs().is_empty()
    }

    /// Puts some back; says how long to leave Redis to others.
    pub(super) async fn step(
        &mut self,
        fleet: &Fleet,
        node: &Node,
        realms: &Realms,
        evicting: bool,
    ) -> Result<Duration, RedisError> {
        if let Some(wait) = self
            .begin
            .and_then(|begin| begin.checked_duration_since(Instant::now()))
        {
            return Ok(wait);
        }
        self.begin = None;
        while node.jobs().len() < STEP && !self.parts.is_empty() {
            self.next_part(fleet, node, realms);
        }
        let jobs = node.jobs().pick(STEP);
        let now = (fleet.clock)();
        let (reading, by) = (node.scan_epoch(), soon(fleet, now));
        let mut pipeline = Pipeline::new();
        let mut asked = Vec::new();
        for job in jobs {
            if !realms.shared.iter().any(|shared| Arc::ptr_eq(shared, &job.shared)) {
                continue; // its realm is shared in another way by now, and read anew
            }
            if !fleet.is_of(node, &job.shared, job.kind, &job.id) {
                fleet.repair_elsewhere(node, job);
                continue;
            }
            // What another put back meanwhile was read again by now.
            if job.shared.realm.is_unshared(job.kind, &job.id, reading, by) {
                let commands = fleet.write(&mut pipeline, &job, now, false);
                asked.push((job, commands));
            }
        }
        if asked.is_empty() {
            if self.is_done(node) {
                node.tell_refusal(None); // it has it all
            }
            return Ok(PAUSE);
        }
        let began = Instant::now();
        let writes = node.writes.load_full().ok_or_else(gone)?;
        let (answers, _) = fleet.run_scripts(node, &pipeline, writes).await?;
        let (mut answers, took) = (answers.into_iter(), began.elapsed());
        let (mut done, mut moving, mut refused) = (0, None, None);
        for (job, commands) in asked {
            // All of them are taken, whatever the first says.
            let answers: Vec<_> = answers.by_ref().take(commands).collect();
            match answers.into_iter().find_map(Result::err) {
                None => done += 1, // and it is noted once it was read there
                Some(error) => {
                    node.repair([job]);
                    let what = if has_moved(&error) { &mut moving } else { &mut refused };
                    *what = Some(error);
                }
            }
        }
        fleet.count_repaired(done);
        if moving.iter().chain(&refused).any(is_elsewhere) {
            fleet.look_again.notify_one();
        }
        match refused {
            Some(error) if ends(&error) => Err(error),
            Some(error) => {
                node.tell_refusal(Some(in_words(&error)));
                Ok(SLOW)
            }
            // Of a slot that is on its way elsewhere nothing is taken until it is there: that is no fault of the server.
            None if evicting || done == 0 => Ok(SLOW),
            None => {
                node.tell_refusal(None);
                Ok(PAUSE.max(took))
            }
        }
    }

    /// Makes jobs of the next part.
    fn next_part(&mut self, fleet: &Fleet, node: &Node, realms: &Realms) {
        let Some((number, part, count)) = self.parts.pop() else {
            return;
        };
        node.lacking.fetch_sub(count, Ordering::Relaxed);
        let Some(shared) = realms.shared.get(number) else {
            return;
        };
        let mut jobs = Vec::new();
        let by = soon(fleet, (fleet.clock)());
        shared.realm.unshared(part, node.scan_epoch(), by, |kind, id| {
            if fleet.is_of(node, shared, kind, id) {
                jobs.push(Job {
                    shared: shared.clone(),
                    kind,
                    id: id.clone(),
                });
            }
        });
        node.repair(jobs);
    }
}
