//! The changes in Redis, each of their steps atomic, before they are acknowledged; and the repair of an entry that
//! exists here looks like as such a step.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::future::join_all;
use redis::{Pipeline, RedisError, Value};

use super::age::uptime_ms;
use super::connection::Connection;
use super::copy::{Shared, join_all as join_raises, join_rotation};
use super::fleet::Fleet;
use super::foreign::shown;
use super::link::{ends, has_moved, in_words, is_elsewhere};
use super::node::{Job, Node};
use super::servers::PATIENCE;
use super::value::Decided;
use super::{naming, value};
use jwtkeeper_core::denylist::RealmIndex;
use jwtkeeper_core::denylist::add_session;
use jwtkeeper_core::denylist::{Kind, Level, Outcome, Revocation, Rotate};
use jwtkeeper_core::denylist::{Rotation, StoreError};
use jwtkeeper_core::types::{Id, Millis};

/// The time that replicas may take, of [`PATIENCE`].
const REPLICAS_MS: u64 = 1000;

impl Fleet {
    /// A job that is not this node's any more.
    pub(super) fn repair_elsewhere(&self, node: &Node, job: Job) {
        let key = naming::entry(&job.shared.prefix, job.kind, &job.id);
        match self.node_of(&key) {
            Ok(other) => other.repair([job]),
            Err(_) => node.repair([job]),
        }
    }

    /// Notes that its primary lacks an entry. Without a primary, the first scan will show it.
    pub(super) fn repair(&self, job: Job) {
        if let Ok(node) = self.node_of(&naming::entry(&job.shared.prefix, job.kind, &job.id)) {
            node.repair([job]);
        }
    }

    /// Acknowledges what stands already: it is written once more, and replicas are waited for.
    pub(super) async fn acknowledge(&self, realm: &Arc<RealmIndex>, id: &Id) -> Result<(), StoreError> {
        let shared = self.shared(realm)?;
        let (written, _) = self.put(&shared, vec![(Kind::Token, id.clone())]).await;
        written
    }

    /// Raises entries, and ends the session of the token `ends_session_of`. Returns what else is
    /// revoked by that where only Redis knew to which session the token belongs.
    pub(super) async fn raise(
        &self,
        realm: &Arc<RealmIndex>,
        mut entries: Vec<Revocation>,
        ends_session_of: Option<Id>,
    ) -> (Result<(), StoreError>, Vec<Revocation>) {
        let mut told = Vec::new();
        let shared = match self.shared(realm) {
            Ok(shared) => shared,
            Err(error) => return (Err(error), told),
        };
        add_session(realm, &mut entries, ends_session_of.as_ref());
        let Some(first) = entries.first().cloned() else {
            return (Ok(()), told);
        };
        let cutoffs = entries.iter().filter(|raise| !raise.cutoff.is_none());
        let _applying = self.applying.enter(cutoffs.map(|raise| (realm.name(), raise)));
        let known: Vec<(Kind, Id)> = entries.into_iter().map(|raise| (raise.kind, raise.id)).collect();
        let (mut result, found) = self.put(&shared, known.clone()).await;
        let found = found.into_iter().filter(|_| ends_session_of.is_some());
        let of = |decided: Decided| {
            let successor = decided.record.successor.clone();
            [(Kind::Session, decided.session), (Kind::Token, successor)]
        };
        let unknown: Vec<_> = found.flat_map(of).filter(|entry| !known.contains(entry)).collect();
        if !unknown.is_empty() {
            let raise = |(kind, id): &(Kind, Id)| Revocation::hard(*kind, id.clone(), first.until);
            told.extend(unknown.iter().map(raise));
            for raise in &told {
                realm.raise(raise);
            }
            let (written, _) = self.put(&shared, unknown).await;
            result = result.and(written);
        }
        (result.and_then(|()| self.refusal().map_or(Ok(()), Err)), told)
    }

    /// Tells Redis that the successor of a token was handed out, and when its grace ends.
    pub(super) async fn tell_grace(&self, realm: &Arc<RealmIndex>, old: &Id) -> Result<(), StoreError> {
        let shared = self.shared(realm)?;
        self.put(&shared, vec![(Kind::Token, old.clone())]).await.0
    }

    /// Puts entries into Redis as they stand here. What it does not take is pending. Returns also the rotations of the
    /// tokens among them, as Redis has them.
    async fn put(&self, shared: &Arc<Shared>, entries: Vec<(Kind, Id)>) -> (Result<(), StoreError>, Vec<Decided>) {
        let mut result = Ok(());
        let mut nodes: Vec<(Arc<Node>, Vec<Job>)> = Vec::new();
        for (kind, id) in entries {
            match self.node_of(&naming::entry(&shared.prefix, kind, &id)) {
                Ok(node) => {
                    let shared = shared.clone();
                    let job = Job { shared, kind, id };
                    match nodes.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &node)) {
                        Some((_, jobs)) => jobs.push(job),
                        None => nodes.push((node, vec![job])),
                    }
                }
                Err(error) => result = Err(error), // the first reading will show that it is missing
            }
        }
        let all = nodes.iter().map(|(node, jobs)| self.put_into(node, jobs));
        let mut rotations = Vec::new();
        for (done, (node, jobs)) in join_all(all).await.into_iter().zip(&nodes) {
            match done {
                Ok(found) => rotations.extend(found),
                Err(error) => {
                    if node.writes.load().is_some() {
                        node.repair(jobs.iter().cloned()); // else the first reading will show that it is missing
                    }
                    result = Err(error);
                }
            }
        }
        (result, rotations)
    }

    async fn put_into(&self, node: &Node, jobs: &[Job]) -> Result<Vec<Decided>, StoreError> {
        let writes = writes(node)?;
        let now = (self.clock)();
        let mut pipeline = Pipeline::new();
        let (mut keys, mut counts) = (Vec::new(), Vec::new());
        for job in jobs {
            let key = naming::entry(&job.shared.prefix, job.kind, &job.id);
            let commands = self.write(&mut pipeline, job, now, true);
            keys.extend(std::iter::repeat_n(key, commands));
            counts.push(commands);
        }
        let commands = keys.len();
        if commands == 0 {
            return Ok(Vec::new()); // it was past already
        }
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        let (answers, connection) = self.run(node, &pipeline, writes, &keys).await?;
        self.wait_for_replicas(node, connection).await?;
        // That it is there is noted once it was read there: the news of it comes as any other.
        self.changes.fetch_add(commands as u64, Ordering::Relaxed);
        let mut answers = answers.into_iter();
        let mut rotations = Vec::new();
        for (job, count) in jobs.iter().zip(counts) {
            for answer in answers.by_ref().take(count) {
                match job.kind {
                    Kind::Token => rotations.extend(rotation(answer)),
                    Kind::Session => {}
                    // A login that follows the acknowledgement carries the number that Redis gave.
                    Kind::Subject | Kind::Realm => self.join_cutoffs(job, answer, now),
                }
            }
        }
        Ok(rotations)
    }

    /// Joins in the cutoffs that an entry holds in Redis, as the script answered.
    fn join_cutoffs(&self, job: &Job, answer: Value, now: Millis) {
        let Ok(text) = redis::from_redis_value::<String>(answer) else {
            return;
        };
        let said = value::read(job.kind, &job.id, &text, now.seconds(), now);
        join_raises(self, job, &said.raises, !said.unknown, now);
    }

    async fn run(
        &self,
        node: &Node,
        pipeline: &Pipeline,
        writes: Arc<Connection>,
        keys: &[&str],
    ) -> Result<(Vec<Value>, Connection), StoreError> {
        let asked = self.run_scripts(node, pipeline, writes).await;
        let mut at = None;
        let answers = asked.and_then(|(answers, connection)| {
            at = answers.iter().position(Result::is_err);
            let answers = answers.into_iter().collect::<Result<Vec<_>, RedisError>>()?;
            Ok((answers, connection))
        });
        match answers {
            Ok(answered) => {
                if node.pending() == 0 {
                    node.tell_refusal(None);
                }
                Ok(answered)
            }
            Err(error) => {
                let mut words = self.failed(node, &error);
                if ends(&error) {
                    words = node.fault().unwrap_or(words); // who follows it may know more
                }
                if !ends(&error) && code_is_of_all(&error) {
                    node.tell_refusal(Some(words.clone()));
                }
                let key = at.and_then(|at| keys.get(at)).filter(|_| is_of_one_key(&error));
                if let (Some(key), StoreError::Away(text)) = (key, &mut words) {
                    *text = format!("{text} (key {})", shown(key));
                }
                Err(words)
            }
        }
    }

    fn failed(&self, node: &Node, error: &RedisError) -> StoreError {
        if is_elsewhere(error) {
            self.look_again.notify_one();
        }
        let words = in_words(error);
        if ends(error) {
            node.give_up();
        }
        words
    }

    /// Waits until as many replicas have what this connection wrote as are asked for. One waits at a time: the
    /// connection answers nothing else meanwhile.
    async fn wait_for_replicas(&self, node: &Node, mut connection: Connection) -> Result<(), StoreError> {
        let needed = u64::from(self.terms.wait_replicas);
        if needed == 0 {
            return Ok(());
        }
        let late = StoreError::Away("Redis' replicas did not answer in time (wait_replicas)".to_owned());
        let turn = tokio::time::timeout(PATIENCE, node.waiting.lock()).await;
        let _turn = turn.map_err(|_| late)?;
        let mut wait = redis::cmd("WAIT");
        wait.arg(needed).arg(REPLICAS_MS);
        let asked = wait.query_async(&mut connection).await;
        let count: u64 = asked.map_err(|error| self.failed(node, &error))?;
        if count < needed {
            return Err(StoreError::Away(format!(
                "{count} of {needed} replicas of Redis have it (wait_replicas)"
            )));
        }
        Ok(())
    }

    /// Lets Redis decide a rotation.
    pub(super) async fn rotate(&self, realm: &Arc<RealmIndex>, rotate: &Rotate) -> Result<Outcome, StoreError> {
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        let shared = self.shared(realm)?;
        let key = naming::entry(&shared.prefix, Kind::Token, &rotate.old);
        let node = self.node_of(&key)?;
        if self.terms.wait_replicas > 0
            && let Some(why) = node.unfollowed()
        {
            return Err(why); // decided, it would be acknowledged to nobody
        }
        // Whoever asked has given up by then.
        let deadline = uptime_ms().saturating_add(PATIENCE.as_millis() as u64);
        let writes = writes(&node)?;
        let record = value::record(&Rotation::decided(rotate));
        let record = record.ok_or_else(|| StoreError::Failed("a rotation cannot be written".to_owned()))?;
        let (kind, id) = (Kind::Token, rotate.old.clone());
        let job = Job { shared, kind, id };
        let record_key = naming::record(&job.shared.prefix, &rotate.old);
        let mut late = false;
        // A record that cannot be read is written over by a second attempt; another one follows an answer that the clock of
        // the server is not as it was.
        for _ in 0..3 {
            let mut pipeline = Pipeline::new();
            let mut call = self.scripts.rotate.key(&key);
            call.key(&record_key).arg(&record);
            call.arg(ttl_ms(rotate.until, rotate.now)).arg(self.touch(true));
            call.arg(self.foreign.unreadable(&job)).arg(node.clock.at(deadline));
            pipeline.invoke_script(&call);
            let (answers, connection) = self.run(&node, &pipeline, writes.clone(), &[&key]).await?;
            let decided = answers.into_iter().next().unwrap_or(Value::Nil);
            late = false;
            if let Value::Int(now) = decided {
                node.clock.set(now.unsigned_abs());
                late = true;
                continue;
            }
            self.wait_for_replicas(&node, connection).await?;
            self.changes.fetch_add(1, Ordering::Relaxed);
            match redis::from_redis_value::<Option<Vec<u8>>>(decided).ok().flatten() {
                None => return Ok(Outcome::Revoked),
                Some(decided) if decided == record.as_bytes() => return Ok(Outcome::First(rotate.record.clone())),
                Some(decided) => {
                    if let Some(decided) = self.foreign.read_record(&job, &decided) {
                        join_rotation(self, realm, &rotate.old, &decided, rotate.now);
                        return realm.decide(rotate).ok_or(StoreError::Closed);
                    }
                }
            }
        }
        if late {
            return Err(StoreError::Away(
                "Redis took the rotation too late; ask again".to_owned(),
            ));
        }
        Err(StoreError::Away(format!(
            "Redis has a record of a rotation that cannot be read; delete {}",
            shown(&record_key)
        )))
    }

    /// Adds to the pipeline what makes an entry stand in Redis as it stands here; says how many commands.
    pub(super) fn write(&self, pipeline: &mut Pipeline, job: &Job, now: Millis, acknowledge: bool) -> usize {
        let (prefix, realm) = (&job.shared.prefix, &job.shared.realm);
        let key = naming::entry(prefix, job.kind, &job.id);
        let touch = self.touch(acknowledge);
        let raises = realm.raises_of(job.kind, &job.id);
        let mut count = 0;
        if let Some(rotation) = realm.rotation(&job.id).filter(|_| job.kind == Kind::Token) {
            let mut call = self.scripts.restore.key(&key);
            call.key(naming::record(prefix, &job.id));
            call.arg(value::record(&rotation).unwrap_or_default());
            call.arg(ttl_ms(rotation.until(), now)).arg(touch);
            call.arg(self.foreign.unreadable(job));
            let ends = (!rotation.is_pending()).then(|| rotation.grace_until.0.to_string());
            call.arg(ends.unwrap_or_default()).arg(rotation.successor.to_string());
            pipeline.invoke_script(call.arg(value::seal_json(rotation.grace_seal)));
            count += 1;
        }
        for raise in raises {
            let hard = raise.level == Level::Hard;
            match job.kind {
                Kind::Token | Kind::Session => {
                    let mut call = self.scripts.raise.key(&key);
                    if job.kind == Kind::Token {
                        call.key(naming::record(prefix, &job.id));
                    }
                    call.arg(if hard { "hard" } else { "soft" });
                    pipeline.invoke_script(call.arg(ttl_ms(raise.until, now)).arg(touch));
                }
                Kind::Subject | Kind::Realm => {
                    let mut call = self.scripts.cutoff.key(&key);
                    call.arg(if hard { "revoked" } else { "flagged" });
                    let steps = raise.cutoff.steps().iter().map(|step| (step.start.0, step.sequence));
                    call.arg(json(steps)).arg(raise.until.max(0)).arg(now.0).arg(touch);
                    // While a request applies a cutoff, only that request's own command gives it a new number.
                    let mut starts = self.applying.starts(realm.name(), &raise);
                    if !acknowledge {
                        let mut unconfirmed = realm.unconfirmed(job.kind, &job.id, raise.level);
                        unconfirmed.retain(|start| !starts.contains(start));
                        starts = unconfirmed;
                    }
                    pipeline.invoke_script(call.arg(json(starts.iter().map(|start| start.0))));
                }
            }
            count += 1;
        }
        count
    }

    /// Returns true if what stands already is written all the same: only what is written can be waited for.
    fn touch(&self, acknowledge: bool) -> u8 {
        u8::from(acknowledge && self.terms.wait_replicas > 0)
    }
}

/// Returns true if a refusal says something of the server, and not of one key.
fn code_is_of_all(error: &RedisError) -> bool {
    !has_moved(error) && error.code() != Some("WRONGTYPE")
}

/// Returns true if an error is about the key that was written, and not about the server.
fn is_of_one_key(error: &RedisError) -> bool {
    matches!(error.code(), Some("WRONGTYPE" | "ERR" | "NOPERM"))
}

/// The connection that writes to a primary.
fn writes(node: &Node) -> Result<Arc<Connection>, StoreError> {
    let away = || StoreError::Away("Redis is being reached".to_owned());
    let writes = node.writes.load_full();
    writes.ok_or_else(|| node.fault().unwrap_or_else(away))
}

/// The rotation of a raised token, as the script's answer says.
fn rotation(answer: Value) -> Option<Decided> {
    let record: Option<Vec<u8>> = redis::from_redis_value(answer).ok()?;
    value::read_record(&record?)
}

/// A list as scripts read it.
fn json<T: serde::Serialize>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<T> = items.collect();
    serde_json::to_string(&items).unwrap_or_default() // numbers alone: it cannot fail
}

fn ttl_ms(until: i64, now: Millis) -> u64 {
    Millis::from_seconds(until).since(now).max(1000)
}
