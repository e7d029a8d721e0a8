//! The state of entries in a shared store: each entry has the number of the last scan that found it there unchanged.
//! An entry that grows counts as missing there until it is written or read.

use std::sync::atomic::Ordering;

use super::entry::{Entry, Mark, Marks, ScanEpoch};
use super::realm::SHARDS;
use super::{RealmIndex, Rotation, lock, read, write};
use crate::denylist::change::{Kind, Level, Revocation};
use crate::denylist::cutoff::Cutoff;
use crate::types::{Id, Seconds};

/// The number of a scan that finds nothing.
pub const NONE: ScanEpoch = ScanEpoch::MAX;

/// The number of parts in which a realm's entries are compared.
pub const PARTS: usize = SHARDS;

impl RealmIndex {
    /// As of which state of what is shared it is shared as it is now; 0 for a realm that is not.
    pub fn shared_since(&self) -> u64 {
        self.shared_since.load(Ordering::Acquire)
    }

    /// It is shared in another way from this state on.
    pub fn share_since(&self, state: u64) {
        self.shared_since.store(state, Ordering::Release);
    }

    /// Returns the raises that make the entries of an id the same elsewhere.
    pub fn raises_of(&self, kind: Kind, id: &Id) -> Vec<Revocation> {
        let raise = |level, cutoff, until| Revocation {
            kind,
            id: id.clone(),
            level,
            cutoff,
            until: Seconds::from(until),
        };
        let of_marks = |marks: [(Level, &Mark); 2]| -> Vec<Revocation> {
            let some = marks.into_iter().filter(|(_, mark)| !mark.cutoff.is_none());
            some.map(|(level, mark)| raise(level, mark.cutoff.clone(), mark.until))
                .collect()
        };
        let of_standing = |standing: Option<Entry>| -> Vec<Revocation> {
            let all = standing.into_iter();
            all.map(|standing| raise(standing.level, Cutoff::default(), standing.until))
                .collect()
        };
        match kind {
            Kind::Token => of_standing(read(self.shard(id)).tokens.get(id)),
            Kind::Session => of_standing(read(self.shard(id)).sessions.get(id)),
            Kind::Subject => {
                let shard = read(self.shard(id));
                let marks = shard.subjects.get(id);
                marks.map_or_else(Vec::new, |marks| {
                    of_marks([(Level::Hard, &marks.hard), (Level::Soft, &marks.soft)])
                })
            }
            Kind::Realm => of_marks([(Level::Hard, &lock(&self.realm_mark)), (Level::Soft, &Mark::default())]),
        }
    }

    /// Records the scan that found these raises of an id, and its rotation. Entries that have grown since stay missing.
    pub fn set_shared(
        &self,
        kind: Kind,
        id: &Id,
        scan_epoch: ScanEpoch,
        seen: &[Revocation],
        rotated: Option<&Rotation>,
    ) {
        let same_end = |rotation: &Rotation| {
            rotated
                .is_some_and(|seen| (&seen.successor, seen.grace_until) == (&rotation.successor, rotation.grace_until))
        };
        let until = |until: u32| Seconds::from(until);
        let saw = |level, cutoff: &Cutoff, last: u32| {
            let same = |raise: &Revocation| (raise.level, &raise.cutoff, raise.until) == (level, cutoff, until(last));
            seen.iter().any(same)
        };
        let mark = |level, mark: &mut Mark| {
            if saw(level, &mark.cutoff, mark.until) {
                mark.shared = scan_epoch;
            }
        };
        let mut shard = write(self.shard(id));
        match kind {
            Kind::Token | Kind::Session => {
                let map = if kind == Kind::Token {
                    &mut shard.tokens
                } else {
                    &mut shard.sessions
                };
                if let Some(standing) = map.get_mut(id).filter(|at| saw(at.level, &Cutoff::default(), at.until)) {
                    standing.shared = scan_epoch;
                }
                // The end of its grace may have been told in the meantime.
                if let Some(rotation) = shard.rotations.get_mut(id).filter(|rotation| same_end(rotation)) {
                    rotation.shared = scan_epoch;
                }
            }
            Kind::Subject => {
                if let Some(marks) = shard.subjects.get_mut(id) {
                    mark(Level::Hard, &mut marks.hard);
                    mark(Level::Soft, &mut marks.soft);
                }
            }
            Kind::Realm => mark(Level::Hard, &mut lock(&self.realm_mark)),
        }
    }

    /// Takes note of the number of a cutoff that a shared store has.
    pub fn confirm(&self, raise: &Revocation) {
        let confirm = |mark: &mut Mark| mark.confirmed = mark.confirmed.max(raise.cutoff.sequence());
        match raise.kind {
            Kind::Realm => confirm(&mut lock(&self.realm_mark)),
            Kind::Subject => {
                if let Some(marks) = write(self.shard(&raise.id)).subjects.get_mut(&raise.id) {
                    confirm(marks.of(raise.level));
                }
            }
            Kind::Token | Kind::Session => {}
        }
    }

    /// Records that the store has less of an id than this index.
    pub fn set_unshared(&self, kind: Kind, id: &Id) {
        let mut shard = write(self.shard(id));
        match kind {
            Kind::Token => {
                if let Some(standing) = shard.tokens.get_mut(id) {
                    standing.shared = 0;
                }
                if let Some(rotation) = shard.rotations.get_mut(id) {
                    rotation.shared = 0;
                }
            }
            Kind::Session => {
                if let Some(standing) = shard.sessions.get_mut(id) {
                    standing.shared = 0;
                }
            }
            Kind::Subject => {
                if let Some(marks) = shard.subjects.get_mut(id) {
                    (marks.hard.shared, marks.soft.shared) = (0, 0);
                }
            }
            Kind::Realm => lock(&self.realm_mark).shared = 0,
        }
    }

    /// Returns true if an id has an entry that lasts beyond `now` and was not found by this scan.
    pub fn is_unshared(&self, kind: Kind, id: &Id, scan_epoch: ScanEpoch, now: Seconds) -> bool {
        let unshared = Unshared { scan_epoch, now };
        let shard = read(self.shard(id));
        match kind {
            Kind::Token => {
                shard
                    .tokens
                    .get(id)
                    .is_some_and(|standing| unshared.standing(&standing))
                    || shard
                        .rotations
                        .get(id)
                        .is_some_and(|rotation| unshared.since(rotation.shared, rotation.until))
            }
            Kind::Session => shard
                .sessions
                .get(id)
                .is_some_and(|standing| unshared.standing(&standing)),
            Kind::Subject => shard.subjects.get(id).is_some_and(|marks| unshared.marks(marks)),
            Kind::Realm => unshared.mark(&lock(&self.realm_mark)),
        }
    }

    /// In builds for tests: as if nothing had been known.
    #[cfg(debug_assertions)]
    pub fn forget_all(&self) {
        for shard in &self.shards {
            *write(shard) = super::entry::Shard::default();
        }
        self.counts.iter().for_each(|count| count.store(0, Ordering::Release));
    }

    /// Every id in one of the [`PARTS`] of which [`is_unshared`](Self::is_unshared) holds.
    pub fn unshared(&self, part: usize, scan_epoch: ScanEpoch, now: Seconds, mut take: impl FnMut(Kind, &Id)) {
        let unshared = Unshared { scan_epoch, now };
        let Some(shard) = self.shards.get(part) else { return };
        let shard = read(shard);
        shard
            .tokens
            .each(|standing| unshared.standing(standing), |id| take(Kind::Token, id));
        shard
            .sessions
            .each(|standing| unshared.standing(standing), |id| take(Kind::Session, id));
        for (id, marks) in &shard.subjects {
            if unshared.marks(marks) {
                take(Kind::Subject, id);
            }
        }
        for (id, rotation) in &shard.rotations {
            let twice = || {
                shard
                    .tokens
                    .get(id)
                    .is_some_and(|standing| unshared.standing(&standing))
            };
            if unshared.since(rotation.shared, rotation.until) && !twice() {
                take(Kind::Token, id);
            }
        }
        drop(shard);
        if part == 0 && unshared.mark(&lock(&self.realm_mark)) {
            take(Kind::Realm, &Id::Uuid(0));
        }
    }
}

struct Unshared {
    scan_epoch: ScanEpoch,
    now: Seconds,
}

impl Unshared {
    fn since(&self, shared: ScanEpoch, until: u32) -> bool {
        shared != self.scan_epoch && Seconds::from(until) > self.now
    }

    fn standing(&self, standing: &Entry) -> bool {
        self.since(standing.shared, standing.until)
    }

    fn mark(&self, mark: &Mark) -> bool {
        !mark.cutoff.is_none() && self.since(mark.shared, mark.until)
    }

    fn marks(&self, marks: &Marks) -> bool {
        self.mark(&marks.hard) || self.mark(&marks.soft)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::denylist::PENDING;
    use crate::denylist::index::Index;
    use crate::types::Millis;

    #[test]
    fn end_of_grace_told_during_a_reading_is_not_taken_for_shared() {
        let realm = Index::default().realm("default");
        let (old, successor) = (Id::Uuid(1), Id::Uuid(2));
        let ends = |at| Rotation::new(old.clone(), successor.clone(), at, 4_000_000_000);
        let seen_by = |seen: &Rotation| realm.set_shared(Kind::Token, &old, 7, &[], Some(seen));
        realm.insert_rotation(&old, ends(PENDING));
        let seen = realm.rotation(&old).unwrap_or_else(|| ends(PENDING));
        realm.insert_rotation(&old, ends(Millis(1000)));
        seen_by(&seen);
        assert!(realm.is_unshared(Kind::Token, &old, 7, 0), "the end must be repaired");
        seen_by(&ends(Millis(1000)));
        assert!(!realm.is_unshared(Kind::Token, &old, 7, 0));
    }
}
