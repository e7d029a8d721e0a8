//! The entries of one realm, and what is asked of them.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use arc_swap::ArcSwap;

use super::early::EarlyTokens;
use super::entry::{Expiring, Mark, Shard, halves};
use super::expiry::Bucket;
use super::lifetimes::Lifetimes;
use super::minted::Minted;
use super::rotation::Rotation;
use super::{Cutoffs, lock, read};
use crate::denylist::change::{Kind, Level};
use crate::denylist::cutoff::{Cutoff, SessionStart};
use crate::types::{Id, Millis, Seconds};

/// So many that each map is small: of seven million entries one holds 7,000, and grows in a fraction of a millisecond.
/// Validates wait for the growth of one map; 16 large ones took 38 ms each, all of them at the same time.
pub(super) const SHARDS: usize = 1024;

/// The entries of a token, its session and its subject.
#[derive(Debug, Default)]
pub struct Lookup {
    /// The level of the token's own entry.
    pub token: Option<Level>,
    /// True if its session is revoked.
    pub session_revoked: bool,
    /// The rotation.
    pub rotation: Option<Rotation>,
    /// The subject's cutoffs.
    pub subject: Cutoffs,
}

/// The entries of one realm.
pub struct RealmIndex {
    pub(super) name: String,
    pub(super) hasher: RandomState,
    /// Keys of the choice of a UUID's shard.
    keys: [u64; 2],
    pub(super) shards: Box<[RwLock<Shard>]>,
    pub(super) realm_mark: Mutex<Mark>,
    /// The cutoff of `realm_mark`, which every validate reads.
    pub(super) realm_cutoff: ArcSwap<Cutoff>,
    /// The number of tokens, sessions, subjects and rotations: a lookup among none costs nothing.
    pub(super) counts: [AtomicU64; 4],
    pub(super) buckets: Mutex<BTreeMap<i64, Bucket>>,
    pub(super) lifetimes: Mutex<Lifetimes>,
    pub(super) minted: Minted,
    pub(super) early: Mutex<EarlyTokens>,
    pub(super) forgotten: Arc<AtomicU64>,
    /// As of which state of what is shared it is shared as it is now.
    pub(super) shared_since: AtomicU64,
}

impl RealmIndex {
    pub(super) fn new(name: &str, forgotten: Arc<AtomicU64>) -> Self {
        let hasher = RandomState::new();
        Self {
            name: name.to_owned(),
            keys: [0_u8, 1].map(|key| hasher.hash_one(key)),
            hasher,
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            realm_mark: Mutex::default(),
            realm_cutoff: ArcSwap::default(),
            counts: Default::default(),
            buckets: Mutex::default(),
            lifetimes: Mutex::default(),
            minted: Minted::default(),
            early: Mutex::default(),
            forgotten,
            shared_since: AtomicU64::new(0),
        }
    }

    /// The realm's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Looks up everything that applies to a token. A first token and its session share an id, and so one lookup in a
    /// shard.
    pub fn look(&self, jti: &Id, session: &Id, subject: Option<&str>) -> Lookup {
        let mut stands = Lookup::default();
        let empty = |kind| self.none(kind);
        if !(empty(Expiring::Token) && empty(Expiring::Session) && empty(Expiring::Rotation)) {
            let shard = read(self.shard(jti));
            stands.token = shard.tokens.get(jti).map(|standing| standing.level);
            stands.rotation = shard.rotations.get(jti).cloned();
            if session == jti {
                stands.session_revoked = shard.sessions.get(session).is_some();
            }
        }
        if session != jti {
            stands.session_revoked = self.session_revoked(session);
        }
        if !empty(Expiring::Subject)
            && let Some(Ok(subject)) = subject.map(Id::parse)
        {
            stands.subject = self.subject(&subject);
        }
        stands
    }

    /// Returns the level of a token's own entry.
    pub fn token(&self, id: &Id) -> Option<Level> {
        self.standing(Kind::Token, id).map(|(level, _)| level)
    }

    /// Returns the level of a token's own entry, and its deadline.
    pub fn token_until(&self, id: &Id) -> Option<(Level, Seconds)> {
        self.standing(Kind::Token, id)
    }

    /// Returns true if a session is revoked.
    pub fn session_revoked(&self, id: &Id) -> bool {
        self.standing(Kind::Session, id).is_some()
    }

    /// Returns the last deadline of the entries that revoke a token or the session that it began: its own, that of its
    /// successor or that of a session. `None` if nothing revokes them.
    pub fn revoked_until(&self, id: &Id) -> Option<Seconds> {
        let hard = |id: &Id| self.token_until(id).filter(|(level, _)| *level == Level::Hard);
        let session = |id: &Id| self.standing(Kind::Session, id);
        let successor = self.rotation(id).and_then(|rotation| hard(&rotation.successor));
        let of_session = self.session_of(id).and_then(|id| session(&id));
        let all = [hard(id), session(id), successor, of_session];
        all.into_iter().flatten().map(|(_, until)| until).max()
    }

    /// Returns the cutoffs of a subject.
    pub fn subject(&self, id: &Id) -> Cutoffs {
        if self.none(Expiring::Subject) {
            return Cutoffs::default();
        }
        let shard = read(self.shard(id));
        let Some(marks) = shard.subjects.get(id) else {
            return Cutoffs::default();
        };
        Cutoffs {
            hard: marks.hard.cutoff.clone(),
            soft: marks.soft.cutoff.clone(),
        }
    }

    /// Returns the cutoff of the realm's sessions.
    pub fn realm_cutoff(&self) -> Cutoff {
        Cutoff::clone(&self.realm_cutoff.load())
    }

    /// Returns the sequence number that exempts a token minted now from a cutoff, or 0 if it needs none. `id` is
    /// ignored for the realm's cutoff.
    pub fn exemption(&self, kind: Kind, id: &Id, level: Level, now: Millis) -> u64 {
        self.mark(kind, id, level).exemption(now, self.shared_since() > 0)
    }

    /// Returns the applications of a cutoff for which a shared store has not answered yet with a number.
    pub fn unconfirmed(&self, kind: Kind, id: &Id, level: Level) -> Vec<Millis> {
        let mark = self.mark(kind, id, level);
        let steps = mark.cutoff.steps().iter();
        let unconfirmed = steps.filter(|step| step.sequence > mark.confirmed);
        unconfirmed.map(|step| step.start).collect()
    }

    /// The cutoff that a new application at `start` makes.
    pub fn next_cutoff(&self, kind: Kind, id: &Id, level: Level, start: Millis, now: Millis) -> Cutoff {
        self.mark(kind, id, level).cutoff.next(start, now)
    }

    fn mark(&self, kind: Kind, id: &Id, level: Level) -> Mark {
        match kind {
            Kind::Realm => lock(&self.realm_mark).clone(),
            Kind::Subject if !self.none(Expiring::Subject) => {
                let shard = read(self.shard(id));
                let marks = shard.subjects.get(id);
                marks.map_or_else(Mark::default, |marks| match level {
                    Level::Hard => marks.hard.clone(),
                    Level::Soft => marks.soft.clone(),
                })
            }
            _ => Mark::default(),
        }
    }

    /// Returns the rotation of a token.
    pub fn rotation(&self, id: &Id) -> Option<Rotation> {
        if self.none(Expiring::Rotation) {
            return None;
        }
        read(self.shard(id)).rotations.get(id).cloned()
    }

    /// See [`Index::forgotten`](crate::denylist::Index::forgotten).
    pub fn forgotten(&self) -> Seconds {
        Seconds::try_from(self.forgotten.load(Ordering::Acquire)).unwrap_or(Seconds::MAX)
    }

    /// Returns the session of a token that was rotated or is a successor, as long as its rotation is remembered. A
    /// first token that was not rotated is unknown here: its jti is the session.
    pub fn session_of(&self, id: &Id) -> Option<Id> {
        if self.none(Expiring::Rotation) {
            return None;
        }
        let shard = read(self.shard(id));
        let rotated = shard.rotations.get(id).map(|rotation| &rotation.session);
        rotated.or_else(|| shard.origins.get(id)).cloned()
    }

    /// Returns true if a session is revoked, by its id or by a cutoff of its subject or realm.
    pub fn is_session_over(&self, session: &Id, subject: Option<&Id>, start: SessionStart) -> bool {
        self.realm_cutoff().covers(start.at, start.seen_realm)
            || self.session_revoked(session)
            || subject.is_some_and(|subject| self.subject(subject).hard.covers(start.at, start.seen_subject))
    }

    /// Returns the last token of a session that was rotated, as long as its rotation is remembered.
    pub fn head_of(&self, session: &Id) -> Option<Id> {
        read(self.shard(session)).heads.get(session).cloned()
    }

    /// Returns true if a token is revoked by its jti, by its successor's jti, or with its session. The number of
    /// rotations in the session does not matter: no lineage is walked.
    pub fn token_revoked(&self, id: &Id) -> bool {
        let hard = |id: &Id| self.token(id) == Some(Level::Hard);
        hard(id)
            || self.rotation(id).is_some_and(|rotation| hard(&rotation.successor))
            || self
                .session_of(id)
                .is_some_and(|session| self.session_revoked(&session))
    }

    /// Returns true if nothing is known of the realm.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The number of entries.
    pub fn entries(&self) -> u64 {
        self.count()
    }

    pub(super) fn count(&self) -> u64 {
        let entries: u64 = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        entries + u64::from(!self.realm_cutoff().is_none())
    }

    pub(super) fn standing(&self, kind: Kind, id: &Id) -> Option<(Level, Seconds)> {
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

    pub(super) fn count_of(&self, kind: Expiring) -> &AtomicU64 {
        let [tokens, sessions, subjects, rotations] = &self.counts;
        match kind {
            Expiring::Token => tokens,
            Expiring::Session => sessions,
            Expiring::Subject => subjects,
            Expiring::Rotation | Expiring::Record => rotations,
        }
    }

    pub(super) fn none(&self, kind: Expiring) -> bool {
        self.count_of(kind).load(Ordering::Acquire) == 0
    }

    #[allow(clippy::indexing_slicing)] // below SHARDS by construction
    pub(super) fn shard(&self, id: &Id) -> &RwLock<Shard> {
        let hash = match id {
            // Callers choose the bits: without the keys they could put all their entries into one shard, and make it large.
            Id::Uuid(bits) => {
                let ([high, low], [first, second]) = (halves(*bits), self.keys);
                let product = u128::from(high ^ first) * u128::from(low ^ second);
                (product >> 64) as u64 ^ product as u64
            }
            Id::Text(text) => self.hasher.hash_one(text),
        };
        &self.shards[hash as usize % SHARDS]
    }
}
