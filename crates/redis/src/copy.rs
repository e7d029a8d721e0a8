//! The copy in memory, joined with what Redis says. An entry goes at its own deadline alone: that Redis has it no more
//! says nothing.

use std::sync::Arc;

use redis::{Pipeline, RedisError};

use super::connection::Connection;
use super::fleet::Fleet;
use super::link::has_moved;
use super::naming;
use super::node::{Job, Node};
use super::value::{self, Decided};
use jwtkeeper_core::denylist::RealmIndex;
use jwtkeeper_core::denylist::{Kind, Level, Revocation};
use jwtkeeper_core::denylist::{MARGIN, PENDING, Rotation};
use jwtkeeper_core::types::{Id, Millis, Seconds};

/// A deadline may differ by so much, in seconds: clocks do, and a time to live is rounded.
const TOLERANCE: Seconds = 60;

/// No realm has a longer grace, in milliseconds, by a clock that may be ahead by `clock_skew`. A later end is cut
/// short, and its seal does not hold for what is left.
const MOST_GRACE: u64 = 60 * 60 * 1000;

/// The longest value of an entry that is read, in bytes.
const LONGEST_VALUE: usize = 2048;
/// The longest record that is read, as the scripts read it.
const LONGEST_RECORD: usize = 512 * 1024;

/// A realm that shares its entries below a prefix.
pub(super) struct Shared {
    pub(super) prefix: String,
    pub(super) realm: Arc<RealmIndex>,
}

/// All realms that share.
#[derive(Default)]
pub(super) struct Sharing {
    /// Which state of them it is: each is followed by the next.
    pub(super) state: u64,
    pub(super) shared: Vec<Arc<Shared>>,
}

/// The value of an entry in Redis.
struct Found {
    raises: Vec<Revocation>,
    decided: Option<Decided>,
    /// It is none that can be read: hard here, and to be so there.
    unknown: bool,
}

/// Reads these keys of a node and joins them in. What Redis lacks of them is put back.
pub(super) async fn read(
    fleet: &Fleet,
    node: &Node,
    mut connection: Connection,
    realms: &[Arc<Shared>],
    keys: &[Vec<u8>],
) -> Result<(), RedisError> {
    let text = keys.iter().filter_map(|key| std::str::from_utf8(key).ok());
    let jobs = text.filter_map(|key| Some((key, owner(realms, key)?))).collect();
    let elsewhere = read_jobs(fleet, node, &mut connection, jobs, false).await?;
    if elsewhere.is_empty() {
        return Ok(());
    }
    // Their slot leaves this primary, whose place the next one takes; or is on its way to it, and it answers who says
    // so.
    fleet.look_again.notify_one();
    let _gone = read_jobs(fleet, node, &mut connection, elsewhere, true).await?;
    Ok(())
}

/// An entry, and the key that it was found at.
type Named<'k> = (&'k str, Job);

/// Reads entries; gives back those that are another primary's. With `asking`, also of slots that are on their way here.
async fn read_jobs<'k>(
    fleet: &Fleet,
    node: &Node,
    connection: &mut Connection,
    jobs: Vec<Named<'k>>,
    asking: bool,
) -> Result<Vec<Named<'k>>, RedisError> {
    let mut elsewhere = Vec::new();
    let mut ours = Vec::new();
    let mut pipeline = Pipeline::new();
    // Others may have written anything there: no more is read than a valid value has.
    let mut ask = |key: &str, longest: Option<usize>| {
        if asking {
            pipeline.cmd("ASKING");
        }
        match longest {
            Some(longest) => pipeline.cmd("GETRANGE").arg(key).arg(0).arg(longest - 1),
            None => pipeline.cmd("PTTL").arg(key),
        };
    };
    for (key, job) in jobs {
        ask(key, Some(LONGEST_VALUE));
        ask(key, None);
        if job.kind == Kind::Token {
            // After the entry, which is written together with it: who sees the entry sees what it was rotated to.
            ask(&naming::record(&job.shared.prefix, &job.id), Some(LONGEST_RECORD));
        }
        ours.push((key, job));
    }
    if ours.is_empty() {
        return Ok(elsewhere);
    }
    pipeline.ignore_errors();
    let mut answers = pipeline
        .query_async::<Vec<Result<redis::Value, RedisError>>>(connection)
        .await?
        .into_iter();
    let mut next = || {
        if asking {
            let _said = answers.next(); // of ASKING; an ACL may forbid it
        }
        answers.next().unwrap_or(Ok(redis::Value::Nil))
    };
    let now = (fleet.clock)();
    for (key, job) in ours {
        let (value, ttl) = (next(), next());
        let record = match job.kind {
            Kind::Token => next(),
            _ => Ok(redis::Value::Nil),
        };
        let (gone, no_record) = (any_moved([&value, &ttl]), any_moved([&record]));
        if gone || no_record && !asking {
            elsewhere.push((key, job)); // its slot was moved: its new primary tells of it
            continue;
        }
        // Where a slot leaves, what is not there may be elsewhere: a record that moves goes together with its entry.
        let record = if no_record { Ok(redis::Value::Nil) } else { record };
        let (value, record) = (text(value)?, bytes(record)?);
        let ttl: i64 = redis::from_redis_value(ttl?)?;
        // It may have gone between the two questions.
        let value = value.filter(|_| ttl != -2);
        // Read without its entry too: one that cannot be read must give way when the entry is put back.
        let record = record.filter(|record| !record.is_empty());
        let decided = record.and_then(|record| fleet.foreign.read_record(&job, &record));
        let found = value.map(|value| {
            let until = deadline(fleet, ttl, now);
            let mut said = value::read(job.kind, &job.id, &value, until, now);
            fleet.count_unknown(&job, said.unknown);
            fleet.foreign.date(key, &mut said, now);
            Found {
                raises: said.raises,
                decided,
                unknown: said.unknown,
            }
        });
        settle(fleet, node, job, found, now);
    }
    Ok(elsewhere)
}

fn any_moved<const N: usize>(answers: [&Result<redis::Value, RedisError>; N]) -> bool {
    answers.iter().any(|answer| answer.as_ref().is_err_and(has_moved))
}

/// A text, or `?` for what is none (a list, say): hard, as anything that we do not understand.
fn text(answer: Result<redis::Value, RedisError>) -> Result<Option<String>, RedisError> {
    match answer {
        Ok(value) => Ok(redis::from_redis_value(value).unwrap_or(Some("?".to_owned()))),
        Err(error) if error.code() == Some("WRONGTYPE") => Ok(Some("?".to_owned())),
        Err(error) => Err(error),
    }
}

/// The bytes of a record; none for what is no string: the scripts write over it.
fn bytes(answer: Result<redis::Value, RedisError>) -> Result<Option<Vec<u8>>, RedisError> {
    match answer {
        Ok(value) => Ok(redis::from_redis_value(value).unwrap_or_default()),
        Err(error) if error.code() == Some("WRONGTYPE") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Joins in what was found, and takes note whether Redis has all that stands here.
fn settle(fleet: &Fleet, node: &Node, job: Job, found: Option<Found>, now: Millis) {
    let (realm, kind, id) = (&job.shared.realm, job.kind, &job.id);
    if let Some(found) = &found {
        match &found.decided {
            // Revoked here, and rotated elsewhere before that was known there: its session ends, and its successor with it.
            Some(decided) if realm.token(id) == Some(Level::Hard) => follow(fleet, &job, decided),
            Some(decided) => join_rotation(fleet, realm, id, decided, now),
            None => join_all(fleet, &job, &found.raises, !found.unknown, now),
        }
    }
    let stands = realm.raises_of(kind, id);
    let rotation = realm.rotation(id).filter(|_| kind == Kind::Token);
    let complete = found.is_some_and(|found| {
        found.is_all(
            &stands,
            rotation.as_ref().map(|rotation| (id, rotation)),
            realm.token(id),
            now,
        )
    });
    if complete {
        realm.set_shared(kind, id, node.scan_epoch(), &stands, rotation.as_ref());
    } else {
        realm.set_unshared(kind, id);
        if realm.is_unshared(kind, id, node.scan_epoch(), soon(fleet, now)) {
            node.repair([job]);
        }
    }
}

/// Revokes the session of a token that is revoked, for as long, and the successor: a gem knows no sessions.
fn follow(fleet: &Fleet, job: &Job, decided: &Decided) {
    let Some((_, until)) = job.shared.realm.token_until(&job.id) else {
        return;
    };
    let (session, successor) = (decided.session.clone(), decided.record.successor.clone());
    for (kind, id) in [(Kind::Session, session), (Kind::Token, successor)] {
        if job.shared.realm.raise(&Revocation::hard(kind, id.clone(), until)) {
            let shared = job.shared.clone();
            fleet.repair(Job { shared, kind, id });
        }
    }
}

/// Returns the deadline before which entries need no repair: no copy of them outlives it by more than clocks may
/// differ.
pub(super) fn soon(fleet: &Fleet, now: Millis) -> Seconds {
    now.plus(fleet.terms.clock_skew_ms).seconds().saturating_add(3)
}

impl Found {
    /// Returns true if the entry is empty.
    fn is_all(
        &self,
        stands: &[Revocation],
        rotation: Option<(&Id, &Rotation)>,
        token: Option<Level>,
        now: Millis,
    ) -> bool {
        let has = |standing: &Revocation| {
            let covers = |raise: &Revocation| {
                raise.includes(standing) && raise.until.saturating_add(TOLERANCE) >= standing.until
            };
            self.raises.iter().any(covers)
        };
        let all_raised = stands.iter().all(has);
        let rotated = rotation.is_none_or(|(old, rotation)| {
            let leads_on = now < rotation.grace_until && token != Some(Level::Hard);
            let needs_record = rotation.record.is_some() && leads_on;
            let ends = |decided: &Decided| {
                decided.record.successor != rotation.successor || decided.grace_until <= rotation.grace_until
            };
            let recorded = self.decided.as_ref().map_or(!needs_record, ends);
            has(&Revocation::hard(Kind::Token, old.clone(), rotation.until())) && recorded
        });
        all_raised && rotated && !self.unknown
    }
}

/// Whose a key is, and of what it speaks.
pub(super) fn owner(realms: &[Arc<Shared>], key: &str) -> Option<Job> {
    let shared = realms.iter().find(|shared| key.starts_with(&shared.prefix))?;
    let (kind, id) = naming::parse(key.strip_prefix(&shared.prefix)?)?;
    let shared = shared.clone();
    Some(Job { shared, kind, id })
}

/// When an entry goes in Redis, by a clock that may differ from ours.
fn deadline(fleet: &Fleet, ttl: i64, now: Millis) -> Seconds {
    if ttl < 0 {
        return Seconds::MAX;
    }
    now.plus(ttl.unsigned_abs())
        .plus(fleet.terms.clock_skew_ms + 999)
        .seconds()
}

/// Joins in what Redis has of an entry; where that is `valid`, the numbers of its cutoffs are confirmed by it.
pub(super) fn join_all(fleet: &Fleet, job: &Job, raises: &[Revocation], valid: bool, now: Millis) {
    for raise in raises {
        join(fleet, job, raise, now);
        if valid {
            job.shared.realm.confirm(raise);
        }
    }
}

/// Joins a raise in; for no longer than any token can live.
fn join(fleet: &Fleet, job: &Job, raise: &Revocation, now: Millis) {
    let realm = &job.shared.realm;
    if raise.until < realm.forgotten().saturating_add(MARGIN) {
        return; // forgotten here already
    }
    let raise = Revocation {
        cutoff: fleet.judge_cutoff(job, raise, now),
        until: raise.until.min(realm.retention(now)),
        ..raise.clone()
    };
    // A deadline that differs by rounding alone is none that grew.
    let stands = realm.raises_of(job.kind, &job.id);
    let known = |standing: &Revocation| {
        let skew = Seconds::try_from(fleet.terms.clock_skew_ms / 1000).unwrap_or(0) + 2;
        standing.includes(&raise) && standing.until.saturating_add(skew) >= raise.until
    };
    if !stands.iter().any(known) {
        realm.raise(&raise);
    }
}

pub(super) fn join_rotation(fleet: &Fleet, realm: &RealmIndex, old: &Id, decided: &Decided, now: Millis) {
    let past = decided.until < realm.forgotten().saturating_add(MARGIN);
    let grace_until = match decided.grace_until {
        PENDING => PENDING,
        end => end.min(now.plus(MOST_GRACE + fleet.terms.clock_skew_ms)),
    };
    let is_news = realm
        .rotation(old)
        .is_none_or(|known| match known.successor == decided.record.successor {
            true => grace_until < known.grace_until,
            false => known.is_pending(),
        });
    if is_news && !past {
        let until = decided.until.min(realm.retention(now));
        realm.insert_rotation(old, decided.rotation(grace_until, until));
    }
}
