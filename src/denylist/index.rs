//! The copy in memory: what every validate reads. Sharded maps, one set a realm; readers share, and only the store's
//! writer writes. Entries leave by buckets of time, not by timers of their own.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::MARGIN;
use super::change::{Kind, Level, Raise, Record, Rotate};
use crate::words::{Id, Millis, Seconds};

const SHARDS: usize = 16;

/// Seconds to a bucket of expiry.
const BUCKET: i64 = 64;

/// What stands for a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cutoffs {
    /// Logins begun by then are revoked.
    pub hard: Option<Millis>,
    /// Tokens born by then are flagged.
    pub soft: Option<Millis>,
}

/// A rotated token.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// Its successor's jti.
    pub successor: Id,
    /// Until when it leads there.
    pub grace_until: Millis,
    /// What the successor is made from; gone some time after the grace.
    pub record: Option<Arc<Record>>,
    until: u32,
}

/// All realms.
#[derive(Default)]
pub struct Index {
    realms: RwLock<HashMap<String, Arc<RealmIndex>>>,
    highest_cutoff: Arc<AtomicU64>,
    forgotten: Arc<AtomicU64>,
}

impl Index {
    /// The entries of a realm, made when it is first heard of.
    pub fn realm(&self, name: &str) -> Arc<RealmIndex> {
        if let Some(realm) = read(&self.realms).get(name) {
            return realm.clone();
        }
        let new = || {
            Arc::new(RealmIndex::new(
                name,
                self.highest_cutoff.clone(),
                self.forgotten.clone(),
            ))
        };
        write(&self.realms).entry(name.to_owned()).or_insert_with(new).clone()
    }

    /// Every realm that was heard of.
    pub fn realms(&self) -> Vec<Arc<RealmIndex>> {
        read(&self.realms).values().cloned().collect()
    }

    /// The latest cutoff of any kind in any realm: what is minted must be born later.
    pub fn highest_cutoff(&self) -> Millis {
        Millis(self.highest_cutoff.load(Ordering::Acquire))
    }

    /// Entries may have been forgotten of tokens that expired by this second; such tokens stay expired whatever the
    /// clock says.
    pub fn forgotten(&self) -> Seconds {
        Seconds::try_from(self.forgotten.load(Ordering::Acquire)).unwrap_or(Seconds::MAX)
    }

    /// How many entries there are.
    pub fn len(&self) -> u64 {
        self.realms().iter().map(|realm| realm.count()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets what may be forgotten by `now`.
    pub fn purge(&self, now: Seconds) {
        let expired = now.saturating_sub(MARGIN).max(0) as u64;
        self.forgotten.fetch_max(expired, Ordering::AcqRel);
        self.realms().iter().for_each(|realm| realm.purge(now));
    }
}

#[derive(Debug, Clone, Copy)]
struct Standing {
    level: Level,
    /// The store has it.
    saved: bool,
    until: u32,
}

#[derive(Default, Clone, Copy)]
struct Mark {
    cutoff: Millis,
    saved: bool,
    until: u32,
}

impl Mark {
    fn join(&mut self, raise: &Raise) -> bool {
        let until = clamp(raise.until);
        let grew = raise.cutoff > self.cutoff || until > self.until;
        self.cutoff = self.cutoff.max(raise.cutoff);
        self.until = self.until.max(until);
        self.saved &= !grew;
        grew
    }

    fn covers(&self, raise: &Raise) -> bool {
        self.saved && self.cutoff >= raise.cutoff && self.until >= clamp(raise.until)
    }

    fn mark_saved(&mut self, raise: &Raise) {
        self.saved |= self.cutoff == raise.cutoff && self.until == clamp(raise.until);
    }
}

#[derive(Default)]
struct Marks {
    hard: Mark,
    soft: Mark,
}

impl Marks {
    fn of(&mut self, level: Level) -> &mut Mark {
        match level {
            Level::Hard => &mut self.hard,
            Level::Soft => &mut self.soft,
        }
    }
}

#[derive(Default)]
struct Shard {
    tokens: Map<Standing>,
    sessions: Map<Standing>,
    subjects: HashMap<Id, Marks>,
    rotations: HashMap<Id, Rotation>,
}

/// Values by id: UUIDs compactly, by their own 128 bits; other ids by their text.
struct Map<V> {
    uuids: HashMap<[u64; 2], V>,
    texts: HashMap<Box<str>, V>,
}

impl<V> Default for Map<V> {
    fn default() -> Self {
        Self {
            uuids: HashMap::new(),
            texts: HashMap::new(),
        }
    }
}

fn halves(bits: u128) -> [u64; 2] {
    [(bits >> 64) as u64, bits as u64]
}

impl<V: Copy> Map<V> {
    fn get(&self, id: &Id) -> Option<V> {
        match id {
            Id::Uuid(bits) => self.uuids.get(&halves(*bits)).copied(),
            Id::Text(text) => self.texts.get(text).copied(),
        }
    }

    fn insert(&mut self, id: &Id, value: V) -> Option<V> {
        match id {
            Id::Uuid(bits) => self.uuids.insert(halves(*bits), value),
            Id::Text(text) => self.texts.insert(text.clone(), value),
        }
    }

    fn remove(&mut self, id: &Id) {
        match id {
            Id::Uuid(bits) => drop(self.uuids.remove(&halves(*bits))),
            Id::Text(text) => drop(self.texts.remove(text)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expiring {
    Token,
    Session,
    Subject,
    Rotation,
    Record,
}

#[derive(Default)]
struct Lifetimes {
    current: u64,
    /// Every value that was in force, and when last.
    last: HashMap<u64, Millis>,
}

/// The entries of one realm.
pub struct RealmIndex {
    name: String,
    hasher: RandomState,
    shards: [RwLock<Shard>; SHARDS],
    realm_cutoff: AtomicU64,
    realm_mark: Mutex<Mark>,
    /// How many tokens, sessions, subjects and rotations there are: a lookup among none costs nothing.
    counts: [AtomicU64; 4],
    buckets: Mutex<BTreeMap<i64, Vec<(Expiring, Id)>>>,
    lifetimes: Mutex<Lifetimes>,
    highest_cutoff: Arc<AtomicU64>,
    forgotten: Arc<AtomicU64>,
}

impl RealmIndex {
    fn new(name: &str, highest_cutoff: Arc<AtomicU64>, forgotten: Arc<AtomicU64>) -> Self {
        Self {
            name: name.to_owned(),
            hasher: RandomState::new(),
            shards: Default::default(),
            realm_cutoff: AtomicU64::new(0),
            realm_mark: Mutex::default(),
            counts: Default::default(),
            buckets: Mutex::default(),
            lifetimes: Mutex::default(),
            highest_cutoff,
            forgotten,
        }
    }

    /// The realm's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How far a token's own entry has climbed.
    pub fn token(&self, id: &Id) -> Option<Level> {
        self.standing(Kind::Token, id).map(|(level, _)| level)
    }

    /// The same, and until when.
    pub fn token_until(&self, id: &Id) -> Option<(Level, Seconds)> {
        self.standing(Kind::Token, id)
    }

    /// Whether a session is revoked.
    pub fn session_revoked(&self, id: &Id) -> bool {
        self.standing(Kind::Session, id).is_some()
    }

    /// What stands for a subject.
    pub fn subject(&self, id: &Id) -> Cutoffs {
        if self.none(Expiring::Subject) {
            return Cutoffs::default();
        }
        let shard = read(self.shard(id));
        let Some(marks) = shard.subjects.get(id) else {
            return Cutoffs::default();
        };
        let some = |mark: Mark| (mark.cutoff > Millis(0)).then_some(mark.cutoff);
        Cutoffs {
            hard: some(marks.hard),
            soft: some(marks.soft),
        }
    }

    /// Logins of the realm begun by then are revoked.
    pub fn realm_cutoff(&self) -> Option<Millis> {
        match self.realm_cutoff.load(Ordering::Acquire) {
            0 => None,
            cutoff => Some(Millis(cutoff)),
        }
    }

    /// Where a token was rotated to.
    pub fn rotation(&self, id: &Id) -> Option<Rotation> {
        if self.none(Expiring::Rotation) {
            return None;
        }
        read(self.shard(id)).rotations.get(id).cloned()
    }

    /// See [`Index::forgotten`].
    pub fn forgotten(&self) -> Seconds {
        Seconds::try_from(self.forgotten.load(Ordering::Acquire)).unwrap_or(Seconds::MAX)
    }

    /// The jtis that `id` leads to by rotation, nearest first.
    pub fn successors(&self, id: &Id) -> Vec<Id> {
        let mut found: Vec<Id> = Vec::new();
        let mut next = self.rotation(id);
        while let Some(rotation) = next {
            next = self.rotation(&rotation.successor);
            found.push(rotation.successor);
        }
        found
    }

    /// Whether something else than time stands against a login: its session, its subject or its realm.
    pub fn login_revoked(&self, session: &Id, subject: Option<&Id>, login: Millis) -> bool {
        self.realm_cutoff().is_some_and(|cutoff| login <= cutoff)
            || self.session_revoked(session)
            || subject
                .and_then(|subject| self.subject(subject).hard)
                .is_some_and(|cutoff| login <= cutoff)
    }

    /// Whether a token is revoked by its jti, or through a successor that it leads to.
    pub fn token_revoked(&self, id: &Id) -> bool {
        let hard = |id: &Id| self.token(id) == Some(Level::Hard);
        hard(id) || self.successors(id).iter().any(hard)
    }

    /// Until when an entry must stand that knows no token's `exp`: the last moment at which a token minted by now can
    /// live, over every `max_lifetime` that was ever in force; and the margin.
    pub fn retention(&self, now: Millis) -> Seconds {
        let lifetimes = lock(&self.lifetimes);
        let span = |at: Millis, value: u64| {
            at.seconds()
                .saturating_add(1)
                .saturating_add(Seconds::try_from(value).unwrap_or(Seconds::MAX))
        };
        let earlier = lifetimes.last.iter().map(|(value, at)| span(*at, *value)).max();
        span(now, lifetimes.current)
            .max(earlier.unwrap_or(0))
            .saturating_add(MARGIN)
    }

    /// Takes note that a `max_lifetime` is in force; what was in force before was so until now.
    pub fn set_lifetime(&self, value: u64, now: Millis) {
        let mut lifetimes = lock(&self.lifetimes);
        let before = std::mem::replace(&mut lifetimes.current, value);
        for value in [before, value] {
            if value > 0 {
                let last = lifetimes.last.entry(value).or_default();
                *last = (*last).max(now);
            }
        }
    }

    /// The `max_lifetime` values that still matter, and when each was last in force.
    pub fn lifetimes(&self) -> Vec<(u64, Millis)> {
        lock(&self.lifetimes)
            .last
            .iter()
            .map(|(value, last)| (*value, *last))
            .collect()
    }

    /// Joins one entry in. Says whether anything climbed or grew.
    pub fn raise(&self, raise: &Raise) -> bool {
        let until = clamp(raise.until);
        match raise.kind {
            Kind::Token => self.raise_standing(Expiring::Token, &raise.id, raise.level, until),
            Kind::Session => self.raise_standing(Expiring::Session, &raise.id, raise.level, until),
            Kind::Subject => {
                self.highest_cutoff.fetch_max(raise.cutoff.0, Ordering::AcqRel);
                let mut shard = write(self.shard(&raise.id));
                if !shard.subjects.contains_key(&raise.id) {
                    self.count_of(Expiring::Subject).fetch_add(1, Ordering::AcqRel);
                }
                let grew = shard
                    .subjects
                    .entry(raise.id.clone())
                    .or_default()
                    .of(raise.level)
                    .join(raise);
                drop(shard);
                if grew {
                    self.expire(Expiring::Subject, &raise.id, until);
                }
                grew
            }
            Kind::Realm => {
                self.highest_cutoff.fetch_max(raise.cutoff.0, Ordering::AcqRel);
                self.realm_cutoff.fetch_max(raise.cutoff.0, Ordering::AcqRel);
                lock(&self.realm_mark).join(raise)
            }
        }
    }

    /// Whether the store has what stands for this raise, and that is no less.
    pub fn is_saved(&self, raise: &Raise) -> bool {
        let until = clamp(raise.until);
        let covers = |standing: Standing| standing.saved && standing.level >= raise.level && standing.until >= until;
        match raise.kind {
            Kind::Token => read(self.shard(&raise.id)).tokens.get(&raise.id).is_some_and(covers),
            Kind::Session => read(self.shard(&raise.id)).sessions.get(&raise.id).is_some_and(covers),
            Kind::Subject => write(self.shard(&raise.id))
                .subjects
                .get_mut(&raise.id)
                .is_some_and(|marks| marks.of(raise.level).covers(raise)),
            Kind::Realm => lock(&self.realm_mark).covers(raise),
        }
    }

    /// Takes note that the store has this raise.
    pub fn mark_saved(&self, raise: &Raise) {
        let until = clamp(raise.until);
        let mut shard = write(self.shard(&raise.id));
        let map = match raise.kind {
            Kind::Token => &mut shard.tokens,
            Kind::Session => &mut shard.sessions,
            Kind::Subject => {
                if let Some(marks) = shard.subjects.get_mut(&raise.id) {
                    marks.of(raise.level).mark_saved(raise);
                }
                return;
            }
            Kind::Realm => return lock(&self.realm_mark).mark_saved(raise),
        };
        if let Some(standing) = map.get(&raise.id)
            && standing.level == raise.level
            && standing.until == until
        {
            map.insert(
                &raise.id,
                Standing {
                    saved: true,
                    ..standing
                },
            );
        }
    }

    /// Puts a rotation in; `record` may be missing when it is loaded after the grace.
    pub fn insert_rotation(
        &self,
        old: &Id,
        successor: Id,
        grace_until: Millis,
        until: Seconds,
        record: Option<Arc<Record>>,
    ) {
        let until = clamp(until);
        let has_record = record.is_some();
        let rotation = Rotation {
            successor,
            grace_until,
            record,
            until,
        };
        if write(self.shard(old)).rotations.insert(old.clone(), rotation).is_none() {
            self.count_of(Expiring::Rotation).fetch_add(1, Ordering::AcqRel);
        }
        self.expire(Expiring::Rotation, old, until);
        if has_record {
            self.expire(Expiring::Record, old, clamp(record_until(grace_until)));
        }
    }

    /// Puts the record of a rotation in, if the rotation is there.
    pub fn insert_record(&self, old: &Id, record: Arc<Record>) {
        let mut shard = write(self.shard(old));
        let Some(rotation) = shard.rotations.get_mut(old) else {
            return;
        };
        let until = clamp(record_until(rotation.grace_until));
        rotation.record = Some(record);
        drop(shard);
        self.expire(Expiring::Record, old, until);
    }

    /// Takes back a rotation that did not become durable.
    pub fn remove_rotation(&self, old: &Id) {
        if write(self.shard(old)).rotations.remove(old).is_some() {
            self.count_of(Expiring::Rotation).fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// What a rotation finds: `None` when it is the first.
    pub fn decide(&self, rotate: &Rotate) -> Option<super::Outcome> {
        use super::Outcome;
        if self.token_revoked(&rotate.old) || self.login_revoked(&rotate.session, rotate.subject.as_ref(), rotate.login)
        {
            return Some(Outcome::Revoked);
        }
        let rotation = self.rotation(&rotate.old)?;
        match rotation.record {
            Some(record) if rotate.now < rotation.grace_until => Some(Outcome::Already(record)),
            _ => Some(Outcome::Reused),
        }
    }

    fn count(&self) -> u64 {
        let entries: u64 = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        entries + u64::from(self.realm_cutoff().is_some())
    }

    fn standing(&self, kind: Kind, id: &Id) -> Option<(Level, Seconds)> {
        let expiring = if kind == Kind::Token {
            Expiring::Token
        } else {
            Expiring::Session
        };
        if self.none(expiring) {
            return None;
        }
        let shard = read(self.shard(id));
        let map = if kind == Kind::Token {
            &shard.tokens
        } else {
            &shard.sessions
        };
        map.get(id)
            .map(|standing| (standing.level, Seconds::from(standing.until)))
    }

    fn raise_standing(&self, kind: Expiring, id: &Id, level: Level, until: u32) -> bool {
        let mut shard = write(self.shard(id));
        let map = if kind == Expiring::Token {
            &mut shard.tokens
        } else {
            &mut shard.sessions
        };
        let before = map.get(id);
        let after = match before {
            None => Standing {
                level,
                saved: false,
                until,
            },
            Some(stands) => Standing {
                level: stands.level.max(level),
                saved: false,
                until: stands.until.max(until),
            },
        };
        let grew = before.is_none_or(|before| after.level > before.level || after.until > before.until);
        if grew {
            map.insert(id, after);
            if before.is_none() {
                self.count_of(kind).fetch_add(1, Ordering::AcqRel);
            }
        }
        drop(shard);
        if before.is_none_or(|before| after.until > before.until) {
            self.expire(kind, id, after.until);
        }
        grew
    }

    fn expire(&self, kind: Expiring, id: &Id, until: u32) {
        let bucket = i64::from(until) / BUCKET;
        lock(&self.buckets).entry(bucket).or_default().push((kind, id.clone()));
    }

    fn purge(&self, now: Seconds) {
        let mut buckets = lock(&self.buckets);
        let later = buckets.split_off(&(now / BUCKET));
        let due = std::mem::replace(&mut *buckets, later);
        drop(buckets);
        let past = |until: u32| Seconds::from(until) < now;
        for (kind, id) in due.into_values().flatten() {
            let mut shard = write(self.shard(&id));
            let gone = match kind {
                Expiring::Token => {
                    let gone = shard.tokens.get(&id).is_some_and(|standing| past(standing.until));
                    if gone {
                        shard.tokens.remove(&id);
                    }
                    gone
                }
                Expiring::Session => {
                    let gone = shard.sessions.get(&id).is_some_and(|standing| past(standing.until));
                    if gone {
                        shard.sessions.remove(&id);
                    }
                    gone
                }
                Expiring::Subject => {
                    let last = shard
                        .subjects
                        .get(&id)
                        .map(|marks| marks.hard.until.max(marks.soft.until));
                    let gone = last.is_some_and(past);
                    if gone {
                        shard.subjects.remove(&id);
                    }
                    gone
                }
                Expiring::Rotation => {
                    let gone = shard.rotations.get(&id).is_some_and(|rotation| past(rotation.until));
                    if gone {
                        shard.rotations.remove(&id);
                    }
                    gone
                }
                Expiring::Record => {
                    if let Some(rotation) = shard.rotations.get_mut(&id)
                        && record_until(rotation.grace_until) < now
                    {
                        rotation.record = None;
                    }
                    false
                }
            };
            if gone {
                self.count_of(kind).fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    fn count_of(&self, kind: Expiring) -> &AtomicU64 {
        let [tokens, sessions, subjects, rotations] = &self.counts;
        match kind {
            Expiring::Token => tokens,
            Expiring::Session => sessions,
            Expiring::Subject => subjects,
            Expiring::Rotation | Expiring::Record => rotations,
        }
    }

    fn none(&self, kind: Expiring) -> bool {
        self.count_of(kind).load(Ordering::Acquire) == 0
    }

    #[allow(clippy::indexing_slicing)] // below SHARDS by construction
    fn shard(&self, id: &Id) -> &RwLock<Shard> {
        &self.shards[self.hasher.hash_one(id) as usize % SHARDS]
    }
}

/// When the record of a rotation may be forgotten.
pub(super) fn record_until(grace_until: Millis) -> Seconds {
    grace_until.seconds().saturating_add(MARGIN)
}

/// Deadlines fit 32 bits until 2106; later ones stay as long as that.
fn clamp(until: Seconds) -> u32 {
    u32::try_from(until.max(0)).unwrap_or(u32::MAX)
}

// A panic elsewhere must not turn every later validate into one: what the maps hold is joined, never half-written.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

fn lock<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
