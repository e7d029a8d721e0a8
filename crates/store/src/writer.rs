//! The writer of the embedded store: takes what is asked, makes it durable many at a time, and only then answers.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::high_water::TrustedClock;
use crate::journal::{Forget, Journal, RowKey, Written};
use crate::row::{self, Rows};
use crate::sweep::Sweeper;
use crate::upkeep::Upkeep;
use jwtkeeper_core::denylist::add_session;
use jwtkeeper_core::denylist::{Change, Kind, Level, Outcome, Revocation};
use jwtkeeper_core::denylist::{Index, MintedMark, RealmIndex, Rotation};
use jwtkeeper_core::denylist::{MARGIN, StoreError};
use jwtkeeper_core::types::{Id, Millis};
use jwtkeeper_log_limit::limited;

/// Changes made durable by one commit at the most.
const BATCH: usize = 1024;
/// Past rows that a tick forgets at the most.
const PURGE: usize = 4096;
/// The longest time that a commit waits for as many jobs as the last one had.
const GATHER: Duration = Duration::from_micros(150);
/// The time between two tries of a store that has no room left.
const RETRY: Duration = Duration::from_millis(250);
/// While it catches up, time passes this many times faster for forgetting than for everyone else: a clock that was
/// years ahead for some seconds makes nothing forgotten.
const CATCH_UP: u64 = 60;

/// Followed by a realm's name: its high-water mark of minting.
pub(crate) const MINTED: &str = "minted/";
/// The second up to which entries may be forgotten, should there be any.
pub(crate) const FORGOTTEN: &str = "forgotten";
/// The second up to which entries were forgotten. Tokens that expire earlier are refused: their entries may be gone.
pub(crate) const DROPPED: &str = "dropped";
pub(crate) const LIFETIME: &str = "lifetime/";
pub(crate) const CURRENT: &str = "current/";

type Reply = oneshot::Sender<Result<Outcome, StoreError>>;

/// A change that is asked for.
pub(crate) struct Job {
    pub(crate) realm: Arc<RealmIndex>,
    pub(crate) change: Change,
    pub(crate) reply: Reply,
}

/// The key of an unsaved entry: the last of its raises holds all of them.
type Standing = (String, Kind, Id, Level);

/// A rotated token: its realm's name, and its jti.
type Rotated = (String, Id);

/// The writer, on a thread of its own.
pub(crate) struct Writer {
    pub(crate) journal: Journal,
    pub(crate) index: Arc<Index>,
    pub(crate) sweeper: Sweeper,
    pub(crate) written: Arc<Written>,
    pub(crate) fault: Arc<Mutex<Option<StoreError>>>,
    /// In force in memory, and in no commit that succeeded.
    pub(crate) unsaved: HashMap<Standing, (Arc<RealmIndex>, Revocation)>,
    /// Rotations in effect in memory that no commit has, or not with the end of their grace.
    pub(crate) unsaved_rotations: Vec<(Arc<RealmIndex>, Id)>,
    /// The rows of records that are kept until their successor is handed out, and then no longer than the grace.
    pub(crate) undelivered: HashMap<Rotated, RowKey>,
    /// Entries expire by this moment, which never runs ahead of the clock.
    pub(crate) horizon_ms: u64,
    /// As of when the store knows that rows may be forgotten.
    pub(crate) forgotten: i64,
    pub(crate) clock: TrustedClock,
    pub(crate) skew_ms: u64,
    /// High-water marks are written again, as a commit with some failed.
    pub(crate) rewrite_minted: bool,
    pub(crate) last_retry: Option<Instant>,
    pub(crate) upkeep: Upkeep,
}

/// The content of one commit.
#[derive(Default)]
pub(crate) struct Batch {
    rows: Rows,
    marks: Vec<(String, u64)>,
    pub(crate) forget: Option<Forget>,
    raised: Vec<(Arc<RealmIndex>, Revocation)>,
    rotated: Vec<(Arc<RealmIndex>, Id)>,
    kept: Vec<(Arc<RealmIndex>, Id)>,
    /// Which of the rows are records of successors that were not handed out.
    undelivered: Vec<(Rotated, usize)>,
    delivered: Vec<Rotated>,
    gone: Vec<RowKey>,
    replies: Vec<(Reply, Outcome)>,
}

impl Writer {
    /// Works until nobody can ask any more. Returns how many entries are in effect in memory alone, and end with it.
    pub(crate) fn run(&mut self, queue: &Receiver<Job>) -> usize {
        let mut company = 1;
        loop {
            let next = match self.upkeep.wait() {
                Some(wait) => queue.recv_timeout(wait),
                None => queue.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
                Ok(first) => {
                    let jobs = gather(first, queue, company);
                    company = jobs.len();
                    self.make_durable(jobs);
                    if self.upkeep.is_late() {
                        self.do_upkeep();
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.do_upkeep(),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if !(self.unsaved.is_empty() && self.unsaved_rotations.is_empty()) {
            self.last_retry = None; // there may be room since a moment ago
            self.make_durable(Vec::new());
        }
        self.unsaved.len()
    }

    fn make_durable(&mut self, jobs: Vec<Job>) {
        let mut batch = Batch::default();
        for (realm, raise) in std::mem::take(&mut self.unsaved).into_values() {
            let stands = realm.stands(&raise);
            if !realm.is_saved(&raise) && row::put_raise(realm.name(), &stands, &mut batch.rows).is_ok() {
                batch.raised.push((realm, stands));
            }
        }
        for (realm, old) in std::mem::take(&mut self.unsaved_rotations) {
            if self.put_rotation(&realm, &old, &mut batch).is_ok() {
                batch.kept.push((realm, old));
            }
        }
        for Job { realm, change, reply } in jobs {
            match self.step(&realm, change, &mut batch) {
                Ok(outcome) => batch.replies.push((reply, outcome)),
                Err(error) => drop(reply.send(Err(error))), // the asker may have gone
            }
        }
        if batch.forget.is_none() && !batch.rows.is_empty() {
            // More goes than comes, however much that is: the file stays small.
            batch.forget = Some(Forget {
                before: self.forgotten,
                limit: 2 * batch.rows.len(),
            });
        }
        #[cfg(debug_assertions)]
        if std::env::var_os("JWTKEEPER_TEST_EARLY_ACKNOWLEDGEMENT").is_some() {
            // The positive control of the crash tests: what must never be, in builds for tests alone.
            for (reply, outcome) in std::mem::take(&mut batch.replies) {
                let _ = reply.send(Ok(outcome));
            }
            // As one that writes behind, now and then: the moment is wide enough for a test to hit.
            std::thread::park_timeout(Duration::from_millis(2));
        }
        let first = self.journal.next_sequence();
        let idle = batch.rows.is_empty() && batch.marks.is_empty() && batch.forget.is_none();
        let result = if idle { Ok(0) } else { self.commit(&batch) };
        match &result {
            Ok(deleted) => {
                batch.raised.iter().for_each(|(realm, raise)| realm.mark_saved(raise));
                for rotated in &batch.delivered {
                    self.undelivered.remove(rotated);
                }
                for (rotated, place) in std::mem::take(&mut batch.undelivered) {
                    if let Some((until, _)) = batch.rows.get(place) {
                        self.undelivered.insert(rotated, (*until, first + place as u64));
                    }
                }
                if let Some(forget) = batch.forget {
                    self.forgotten = forget.before;
                    self.plan_upkeep(*deleted < forget.limit);
                }
                if !idle {
                    self.written.add(batch.replies.len() as u64);
                }
            }
            Err(_) => {
                self.rewrite_minted = true;
                batch.rotated.iter().for_each(|(realm, old)| realm.remove_rotation(old));
                self.unsaved_rotations = std::mem::take(&mut batch.kept);
                let key = |realm: &RealmIndex, raise: &Revocation| {
                    (realm.name().to_owned(), raise.kind, raise.id.clone(), raise.level)
                };
                self.unsaved = batch
                    .raised
                    .into_iter()
                    .map(|(realm, raise)| (key(&realm, &raise), (realm, raise)))
                    .collect();
            }
        }
        for (reply, outcome) in batch.replies {
            let _ = reply.send(result.clone().map(|_| outcome)); // the asker may have gone
        }
    }

    fn step(&mut self, realm: &Arc<RealmIndex>, change: Change, batch: &mut Batch) -> Result<Outcome, StoreError> {
        let too_large = |error: jwtkeeper_wire::EncodeError| StoreError::Failed(error.to_string());
        match change {
            Change::Revoke {
                mut entries,
                ends_session_of,
            } => {
                add_session(realm, &mut entries, ends_session_of.as_ref());
                for raise in entries {
                    realm.raise(&raise);
                    if !realm.is_saved(&raise) {
                        let stands = realm.stands(&raise);
                        row::put_raise(realm.name(), &stands, &mut batch.rows).map_err(too_large)?;
                        batch.raised.push((realm.clone(), stands));
                    }
                }
                Ok(Outcome::Done)
            }
            Change::Rotate(rotate) => {
                if let Some(decided) = realm.decide(&rotate) {
                    return Ok(decided);
                }
                realm.insert_rotation(&rotate.old, Rotation::decided(&rotate));
                if let Err(error) = self.put_rotation(realm, &rotate.old, batch) {
                    realm.remove_rotation(&rotate.old);
                    return Err(too_large(error));
                }
                batch.rotated.push((realm.clone(), rotate.old));
                Ok(Outcome::First(rotate.record))
            }
            Change::Keep { old, rotation } => {
                realm.insert_rotation(&old, rotation);
                self.put_rotation(realm, &old, batch).map_err(too_large)?;
                batch.kept.push((realm.clone(), old));
                Ok(Outcome::Done)
            }
            Change::Lifetime { max_lifetime, now } => {
                realm.set_lifetime(max_lifetime, now);
                put_lifetimes(realm, batch);
                batch.marks.push((format!("{CURRENT}{}", realm.name()), max_lifetime));
                Ok(Outcome::Done)
            }
            Change::Tick { now, elapsed_ms } => {
                self.tick(now, elapsed_ms, batch);
                Ok(Outcome::Done)
            }
        }
    }

    /// Appends the rows of a rotation as it stands. The record's is kept as long as the rotation while nobody was
    /// given the successor; once somebody was, a row that lasts as long as the grace takes its place.
    fn put_rotation(&self, realm: &RealmIndex, old: &Id, batch: &mut Batch) -> Result<(), jwtkeeper_wire::EncodeError> {
        let Some(rotation) = realm.rotation(old) else {
            return Ok(()); // it was past already
        };
        row::put_rotation(realm.name(), old, &rotation, &mut batch.rows)?;
        let rotated = (realm.name().to_owned(), old.clone());
        if rotation.is_pending() {
            batch.undelivered.push((rotated, batch.rows.len() - 1));
        } else if let Some(key) = self.undelivered.get(&rotated) {
            batch.gone.push(*key);
            batch.delivered.push(rotated);
        }
        Ok(())
    }

    fn tick(&mut self, now: Millis, elapsed_ms: u64, batch: &mut Batch) {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if fault.is_none() {
            self.is_unchanged();
        }
        let full = matches!(fault, Some(StoreError::Full(_)));
        self.check_minted(now, elapsed_ms, batch);
        let before = self.horizon_ms / 1000;
        let ahead = self.horizon_ms.saturating_add(elapsed_ms.saturating_mul(CATCH_UP));
        self.horizon_ms = self.horizon_ms.max(ahead.min(now.0));
        if now.0 < self.horizon_ms {
            // The clock was ahead, and is right now: entries that were not dropped yet last as long as others.
            self.horizon_ms = now
                .0
                .max(u64::try_from(self.forgotten).unwrap_or(0).saturating_mul(1000));
        }
        let horizon = self.horizon_ms / 1000;
        // Once in a margin's tenth, or whenever something else is written anyway; and to find out whether there is room again.
        if horizon / (MARGIN as u64 / 10) > before / (MARGIN as u64 / 10) || !batch.marks.is_empty() || full {
            let seconds = i64::try_from(horizon).unwrap_or(i64::MAX);
            batch.marks.push((FORGOTTEN.to_owned(), horizon));
            let due = self.journal.has_rows_before(seconds) || self.index.has_entries_before(seconds);
            if due {
                batch.marks.push((DROPPED.to_owned(), horizon));
                self.sweeper.forget_by(seconds);
            }
            batch.forget = Some(Forget {
                before: if due { seconds } else { self.forgotten },
                limit: PURGE,
            });
        }
    }

    /// Keeps the high-water marks of minting that are believed.
    fn check_minted(&mut self, now: Millis, elapsed_ms: u64, batch: &mut Batch) {
        let believed = self.clock.observe(now, elapsed_ms);
        let rewrite = std::mem::take(&mut self.rewrite_minted);
        for realm in self.index.realms() {
            match realm.check_minted(now, believed, self.skew_ms) {
                MintedMark::Believed(mark) => batch.marks.push((format!("{MINTED}{}", realm.name()), mark.0)),
                MintedMark::Known if rewrite => {
                    let mark = realm.believed_minted();
                    batch.marks.push((format!("{MINTED}{}", realm.name()), mark.0));
                }
                MintedMark::Known => {}
            }
            if realm.take_new_lifetimes() || rewrite {
                put_lifetimes(&realm, batch);
            }
        }
    }

    /// Returns false, from then on, if the file is no longer the one that was written: what is written to a file
    /// without a name, or that another program changed, is gone with us. It must not be acknowledged.
    fn is_unchanged(&mut self) -> bool {
        let changed = self.journal.changed();
        if let Some(why) = changed {
            self.fail(StoreError::Failed(why.to_owned()));
        }
        changed.is_none()
    }

    /// Commits, after opening the file again where an earlier commit failed for want of room. Returns how many rows
    /// were forgotten.
    pub(crate) fn commit(&mut self, batch: &Batch) -> Result<usize, StoreError> {
        if self.fault.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            self.is_unchanged();
        }
        let standing = self.fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(fault) = &standing {
            let early = self.last_retry.is_some_and(|last| last.elapsed() < RETRY);
            if early || !matches!(fault, StoreError::Full(_)) {
                return Err(fault.clone());
            }
            self.last_retry = Some(Instant::now());
        }
        let began = Instant::now();
        let opened = standing.as_ref().map_or(Ok(()), |_| self.journal.reopen());
        let result = opened.and_then(|()| {
            self.journal
                .commit_in_place_of(&batch.gone, &batch.rows, &batch.marks, batch.forget)
        });
        if result.is_ok() {
            self.written.took.count(began.elapsed());
        }
        match (&standing, &result) {
            (Some(_), Ok(_)) => limited!(info, "store commits again", "the denylist store accepts commits again"),
            (None, Err(error)) => limited!(
                error,
                "store commit failed",
                %error,
                "a commit to the denylist store failed; revocations take effect in memory and are not acknowledged"
            ),
            (Some(before), Err(error)) if before.to_string() != error.to_string() => limited!(
                error,
                "store commit failed for another reason",
                %error,
                "commits to the denylist store now fail for another reason"
            ),
            _ => {}
        }
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = result.clone().err();
        result
    }
}

fn put_lifetimes(realm: &RealmIndex, batch: &mut Batch) {
    for (value, last) in realm.lifetimes() {
        let name = format!("{LIFETIME}{}/{value}", realm.name());
        batch.marks.push((name, last.0));
    }
}

/// The jobs of one commit: all that are there, and, if the last commit had company, those that arrive in a moment.
fn gather(first: Job, queue: &Receiver<Job>, company: usize) -> Vec<Job> {
    let mut jobs = vec![first];
    let until = Instant::now() + GATHER;
    while jobs.len() < BATCH {
        let wait = if jobs.len() < company {
            until.saturating_duration_since(Instant::now())
        } else {
            Duration::ZERO
        };
        match queue.recv_timeout(wait) {
            Ok(job) => jobs.push(job),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    jobs
}
