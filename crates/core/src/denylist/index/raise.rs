//! Raising entries: levels and deadlines only grow, and each entry records whether the store has it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::entry::{Entry, Expiring, Mark};
use super::{RealmIndex, clamp, lock, read, row_until, write};
use crate::denylist::change::{Kind, Level, Revocation};
use crate::types::Id;

impl RealmIndex {
    /// Joins an entry. Returns true if its level, cutoff or deadline grew.
    pub fn raise(&self, raise: &Revocation) -> bool {
        let until = clamp(raise.until);
        match raise.kind {
            Kind::Token => self.raise_standing(Expiring::Token, &raise.id, raise.level, until),
            Kind::Session => self.raise_standing(Expiring::Session, &raise.id, raise.level, until),
            Kind::Subject => {
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
                let mut mark = lock(&self.realm_mark);
                let grew = mark.join(raise);
                if grew {
                    self.realm_cutoff.store(Arc::new(mark.cutoff.clone()));
                }
                grew
            }
        }
    }

    /// Returns the entry that `raise` was joined to, as it is now. The store writes this one, so that no row is lower
    /// than the entry in memory, and none outlives a higher one.
    pub fn stands(&self, raise: &Revocation) -> Revocation {
        let standing = |standing: Entry| Revocation {
            level: standing.level,
            until: row_until(standing.until),
            ..raise.clone()
        };
        let mark = |mark: &Mark| Revocation {
            cutoff: mark.cutoff.clone(),
            until: row_until(mark.until),
            ..raise.clone()
        };
        let found = match raise.kind {
            Kind::Token => read(self.shard(&raise.id)).tokens.get(&raise.id).map(standing),
            Kind::Session => read(self.shard(&raise.id)).sessions.get(&raise.id).map(standing),
            Kind::Subject => write(self.shard(&raise.id))
                .subjects
                .get_mut(&raise.id)
                .map(|marks| mark(marks.of(raise.level))),
            Kind::Realm => Some(mark(&lock(&self.realm_mark))),
        };
        found.unwrap_or_else(|| raise.clone()) // gone again: it was past already
    }

    /// Returns true if the store has an entry that includes this raise.
    pub fn is_saved(&self, raise: &Revocation) -> bool {
        let until = clamp(raise.until);
        let covers = |standing: Entry| standing.saved && standing.level >= raise.level && standing.until >= until;
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

    /// Records that the store has this raise.
    pub fn mark_saved(&self, raise: &Revocation) {
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
                Entry {
                    saved: true,
                    ..standing
                },
            );
        }
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
            None => Entry {
                level,
                saved: false,
                shared: 0,
                until,
            },
            Some(stands) => Entry {
                level: stands.level.max(level),
                saved: false,
                shared: 0,
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
}
