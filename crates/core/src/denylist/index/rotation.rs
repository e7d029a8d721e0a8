//! Rotations: which token leads to which, until when, and what the successor is made from.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::entry::{Expiring, ScanEpoch};
use super::{RealmIndex, clamp, write};
use crate::denylist::change::{Level, Record, Rotate};
use crate::denylist::{MARGIN, Outcome};
use crate::keyring::Seal;
use crate::types::{Id, Millis, Seconds};

/// The end of the grace of a rotation whose successor was not handed out yet: the old token stays valid. The end only
/// ever changes to an earlier time, so hosts and rows are joined by the minimum.
pub const PENDING: Millis = Millis(u64::MAX);

/// A rotated token.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The session.
    pub session: Id,
    /// The successor's jti.
    pub successor: Id,
    /// Until when it leads there; [`PENDING`] until the successor is handed out.
    pub grace_until: Millis,
    /// The seal of the realm's key on that end: a shared store is open to others.
    pub grace_seal: Option<Seal>,
    /// The record of the successor; gone some time after the grace.
    pub record: Option<Arc<Record>>,
    /// The reading by which a shared store has it too; 0 for none.
    pub(super) shared: ScanEpoch,
    pub(super) until: u32,
}

impl Rotation {
    /// A rotation of which only the ids and times are known.
    pub fn new(session: Id, successor: Id, grace_until: Millis, until: Seconds) -> Self {
        Self {
            session,
            successor,
            grace_until,
            grace_seal: None,
            record: None,
            shared: 0,
            until: clamp(until),
        }
    }

    /// The same rotation with the record of its successor.
    pub fn with_record(self, record: Arc<Record>) -> Self {
        let record = Some(record);
        Self { record, ..self }
    }

    /// The same rotation with the seal on the end of its grace.
    pub fn with_grace_seal(self, grace_seal: Option<Seal>) -> Self {
        Self { grace_seal, ..self }
    }

    /// Returns true while nobody was given the successor.
    pub fn is_pending(&self) -> bool {
        self.grace_until == PENDING
    }

    /// A rotation as it was decided: its grace starts when the successor is handed out.
    pub fn decided(rotate: &Rotate) -> Self {
        let (session, successor) = (rotate.session.clone(), rotate.record.successor.clone());
        Self::new(session, successor, PENDING, rotate.until).with_record(rotate.record.clone())
    }

    /// When it may be forgotten.
    pub fn until(&self) -> Seconds {
        Seconds::from(self.until)
    }
}

impl RealmIndex {
    /// Joins a rotation: the later deadline is kept, and the earlier end of the grace. The record may be missing. A
    /// different successor replaces only one that was not handed out.
    pub fn insert_rotation(&self, old: &Id, rotation: Rotation) {
        let mut rotation = rotation;
        let (session, successor) = (rotation.session.clone(), rotation.successor.clone());
        let mut shard = write(self.shard(old));
        match shard.rotations.get(old) {
            Some(known) if known.successor == successor => {
                rotation.record = rotation.record.or_else(|| known.record.clone());
                rotation.until = rotation.until.max(known.until);
                // A seal belongs to its end.
                if known.grace_until < rotation.grace_until
                    || known.grace_until == rotation.grace_until && known.grace_seal.is_some()
                {
                    rotation.grace_until = known.grace_until;
                    rotation.grace_seal = known.grace_seal;
                }
            }
            Some(known) if !known.is_pending() => return,
            _ => {}
        }
        let (grace_until, until) = (rotation.grace_until, rotation.until);
        let record_ends = rotation.record.is_some() && !rotation.is_pending();
        shard.origins.remove(old);
        if shard.rotations.insert(old.clone(), rotation).is_none() {
            self.count_of(Expiring::Rotation).fetch_add(1, Ordering::AcqRel);
        }
        drop(shard);
        let mut shard = write(self.shard(&successor));
        let is_head = !shard.rotations.contains_key(&successor);
        if is_head {
            shard.origins.insert(successor.clone(), session.clone());
        }
        drop(shard);
        if is_head {
            write(self.shard(&session)).heads.insert(session, successor);
        }
        self.expire(Expiring::Rotation, old, until);
        if record_ends {
            self.expire(Expiring::Record, old, clamp(record_until(grace_until)));
        }
    }

    /// Removes a rotation that did not become durable.
    pub fn remove_rotation(&self, old: &Id) {
        let mut shard = write(self.shard(old));
        let Some(rotation) = shard.rotations.remove(old) else {
            return;
        };
        self.count_of(Expiring::Rotation).fetch_sub(1, Ordering::AcqRel);
        let had_origin = rotation.session != *old;
        if had_origin {
            shard.origins.insert(old.clone(), rotation.session.clone());
        }
        drop(shard);
        self.forget_head(&rotation);
        if had_origin {
            write(self.shard(&rotation.session))
                .heads
                .insert(rotation.session, old.clone());
        }
    }

    /// Forgets which session the successor of a rotation that is gone belongs to.
    pub(super) fn forget_head(&self, rotation: &Rotation) {
        let Rotation { session, successor, .. } = rotation;
        write(self.shard(successor)).origins.remove(successor);
        let mut shard = write(self.shard(session));
        if shard.heads.get(session) == Some(successor) {
            shard.heads.remove(session);
        }
    }

    /// Returns the outcome of a rotation by the entries that exist; `None` if it is the first.
    pub fn decide(&self, rotate: &Rotate) -> Option<Outcome> {
        if self.token(&rotate.old) == Some(Level::Hard)
            || self.is_session_over(&rotate.session, rotate.subject.as_ref(), rotate.start)
        {
            return Some(Outcome::Revoked);
        }
        let rotation = self.rotation(&rotate.old)?;
        match rotation.record {
            _ if rotate.now >= rotation.grace_until => Some(Outcome::Reused),
            _ if self.token(&rotation.successor) == Some(Level::Hard) => Some(Outcome::Revoked),
            Some(record) => Some(Outcome::Already(record)),
            None => Some(Outcome::Reused),
        }
    }
}

/// When the record of a rotation whose grace has an end may be forgotten.
pub fn record_until(grace_until: Millis) -> Seconds {
    grace_until.seconds().saturating_add(MARGIN)
}
