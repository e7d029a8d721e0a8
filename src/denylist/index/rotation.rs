//! Rotations: which token leads to which, until when, and what the successor is made from.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::entry::{Expiring, Reading};
use super::{RealmIndex, clamp, write};
use crate::denylist::change::{Kind, Level, Raise, Record, Rotate};
use crate::denylist::{MARGIN, Outcome};
use crate::words::{Id, Millis, Seconds};

/// A rotated token.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// Its successor's jti.
    pub successor: Id,
    /// Until when it leads there.
    pub grace_until: Millis,
    /// What the successor is made from; gone some time after the grace.
    pub record: Option<Arc<Record>>,
    /// The reading by which a shared store has it too; 0 for none.
    pub(super) shared: Reading,
    pub(super) until: u32,
}

impl Rotation {
    /// When it may be forgotten.
    pub fn until(&self) -> Seconds {
        Seconds::from(self.until)
    }

    /// What is left of the rotation of `old` where its record is gone: that it is used up is not forgotten.
    pub(in crate::denylist) fn used_up(&self, old: Id) -> Raise {
        Raise::hard(Kind::Token, old, self.until())
    }
}

impl RealmIndex {
    /// Puts a rotation in; `record` may be missing when it is loaded after the grace. One that is there already lasts as
    /// long as it did.
    pub fn insert_rotation(
        &self,
        old: &Id,
        successor: Id,
        grace_until: Millis,
        until: Seconds,
        record: Option<Arc<Record>>,
    ) {
        let has_record = record.is_some();
        let mut until = clamp(until);
        let mut shard = write(self.shard(old));
        let rotation = shard.rotations.get(old);
        let known = rotation.filter(|rotation| rotation.successor == successor);
        let rotation = Rotation {
            successor,
            grace_until,
            record: record.or_else(|| known?.record.clone()),
            shared: 0,
            until: until.max(known.map_or(0, |rotation| rotation.until)),
        };
        until = rotation.until;
        if shard.rotations.insert(old.clone(), rotation).is_none() {
            self.count_of(Expiring::Rotation).fetch_add(1, Ordering::AcqRel);
        }
        drop(shard);
        self.expire(Expiring::Rotation, old, until);
        if has_record {
            self.expire(Expiring::Record, old, clamp(record_until(grace_until)));
        }
    }

    /// Puts in what was decided.
    pub fn keep_rotation(&self, rotate: &Rotate) {
        let successor = rotate.record.successor.clone();
        let record = Some(rotate.record.clone());
        self.insert_rotation(&rotate.old, successor, rotate.grace_until, rotate.until, record);
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
    pub fn decide(&self, rotate: &Rotate) -> Option<Outcome> {
        if self.token(&rotate.old) == Some(Level::Hard)
            || self.login_revoked(&rotate.session, rotate.subject.as_ref(), rotate.login)
        {
            return Some(Outcome::Revoked);
        }
        let rotation = self.rotation(&rotate.old)?;
        match rotation.record {
            _ if rotate.now >= rotation.grace_until => Some(Outcome::Reused),
            _ if self.token_revoked(&rotation.successor) => Some(Outcome::Revoked),
            Some(record) => Some(Outcome::Already(record)),
            None => Some(Outcome::Reused),
        }
    }
}

/// When the record of a rotation may be forgotten.
pub(in crate::denylist) fn record_until(grace_until: Millis) -> Seconds {
    grace_until.seconds().saturating_add(MARGIN)
}
