//! Changes of a denylist store: each [`Change`] is one atomic step.

use std::sync::Arc;

use super::cutoff::{Cutoff, SessionStart};
use super::index::Rotation;
use crate::keyring::{KeyId, Seal};
use crate::types::{Id, Millis, Seconds};

/// The level of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Flagged: rotation is due on next sight.
    Soft,
    /// Revoked.
    Hard,
}

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One token, by its jti.
    Token,
    /// All tokens of a session.
    Session,
    /// A subject's sessions (hard) or tokens (soft) that a cutoff covers.
    Subject,
    /// All sessions of the realm that a cutoff covers. Its id is empty.
    Realm,
}

/// A revocation or a flag of an entry. Levels and deadlines only rise: a lower level or an earlier deadline changes
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The kind of the entry.
    pub kind: Kind,
    /// The id; any for `Kind::Realm`.
    pub id: Id,
    /// The level.
    pub level: Level,
    /// For subjects and realms: which sessions or tokens it covers.
    pub cutoff: Cutoff,
    /// When it may be forgotten.
    pub until: Seconds,
}

impl Revocation {
    /// Revokes a token or a session.
    pub fn hard(kind: Kind, id: Id, until: Seconds) -> Self {
        Self {
            kind,
            id,
            level: Level::Hard,
            cutoff: Cutoff::default(),
            until,
        }
    }

    /// Returns true if this covers all that `other` covers, deadlines aside. Revoked and flagged cutoffs say nothing
    /// of each other.
    pub fn includes(&self, other: &Self) -> bool {
        match self.kind {
            Kind::Token | Kind::Session => self.level >= other.level,
            Kind::Subject | Kind::Realm => self.level == other.level && self.cutoff.includes(&other.cutoff),
        }
    }
}

/// The kind of lock of a recorded successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Not.
    None,
    /// By a derived key.
    Derived,
    /// By the secret followed by the cookie secret.
    Concat,
    /// By the member `lock` of the daemon's own claim.
    Claim,
}

impl Lock {
    /// All of them, in the order of their codes.
    const ALL: [Lock; 4] = [Lock::None, Lock::Derived, Lock::Concat, Lock::Claim];

    /// Returns the number in stores, and under a seal.
    pub fn code(self) -> u8 {
        match self {
            Lock::None => 0,
            Lock::Derived => 1,
            Lock::Concat => 2,
            Lock::Claim => 3,
        }
    }

    /// Returns the lock of a number; `None` for one that no lock has.
    pub fn of(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// A successor, as recorded: enough to make it again, and neither a token nor a cookie secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The jti.
    pub successor: Id,
    /// The claims, a JSON text.
    pub claims: Box<str>,
    /// The random part of its cookie secret, beside the key.
    pub nonce: [u8; 16],
    /// The key that signs it.
    pub key: KeyId,
    /// The lock.
    pub lock: Lock,
    /// The seal of whoever made it: where others can write, they must not have anything signed.
    pub seal: Seal,
}

/// A rotation to be decided: the first wins, everyone else gets the same record.
#[derive(Debug, Clone)]
pub struct Rotate {
    /// The old token's jti.
    pub old: Id,
    /// When the old token may be forgotten.
    pub until: Seconds,
    /// The session.
    pub session: Id,
    /// The subject.
    pub subject: Option<Id>,
    /// When its session started.
    pub start: SessionStart,
    /// Now.
    pub now: Millis,
    /// The successor, if this rotation is the first.
    pub record: Arc<Record>,
}

/// One atomic step.
#[derive(Debug, Clone)]
pub enum Change {
    /// Revocation entries; with `ends_session_of`, also revoke the session of this jti where the store knows it, until
    /// the same time as the first entry.
    Revoke {
        /// The entries.
        entries: Vec<Revocation>,
        /// The jti whose session ends.
        ends_session_of: Option<Id>,
    },
    /// Decide a rotation.
    Rotate(Box<Rotate>),
    /// Keep a rotation that was decided elsewhere, or whose successor was handed out: then its grace has an end. It is
    /// in effect in memory when the call returns.
    Keep {
        /// The old token's jti.
        old: Id,
        /// The rotation.
        rotation: Rotation,
    },
    /// A value of `max_lifetime` (seconds) is in effect from now on.
    Lifetime {
        /// The value.
        max_lifetime: u64,
        /// Now.
        now: Millis,
    },
    /// A second or so has passed: forget what may be forgotten, keep the high-water marks of minting.
    Tick {
        /// Now.
        now: Millis,
        /// The time since the last tick by a clock that nobody can set, in milliseconds.
        elapsed_ms: u64,
    },
}

impl Change {
    /// Raises entries, and nothing beside them.
    pub fn raise(entries: Vec<Revocation>) -> Self {
        Change::Revoke {
            entries,
            ends_session_of: None,
        }
    }

    /// Returns true if somebody asked for it: a revocation, a flag or a rotation.
    pub fn is_asked_for(&self) -> bool {
        matches!(self, Change::Revoke { .. } | Change::Rotate(_))
    }
}

/// The result of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is so.
    Done,
    /// This rotation was the first.
    First(Arc<Record>),
    /// Another was the first, and the grace is not over.
    Already(Arc<Record>),
    /// Nothing was rotated: the token, its session, its login or its successor is revoked.
    Revoked,
    /// Nothing was rotated: the token was rotated before, and the grace is over.
    Reused,
}
