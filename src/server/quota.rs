//! Limits of denylist entries: so many in a realm, and so many by one uid. Entries stay as long as tokens live, and no
//! client may use up the memory and disk that the revocations of others need.
//!
//! Flags and rotations stop at nine tenths of either limit: the rest is for revocations. Administrators' revocations
//! are never refused; beyond a limit they are charged so dearly that they cannot flood.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::config::Limits;
use jwtkeeper_core::types::Seconds;

/// Entries that end within this span are counted together.
const SPAN: Seconds = 600;

/// Of each limit, in percent: when health warns, and what flags and rotations may use.
const WARN: usize = 80;
const ROUTINE: usize = 90;

/// The entries that a request adds to the denylist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Addition {
    /// New entries.
    pub(crate) entries: usize,
    /// Returns true for revocations; flags and rotations leave room for them.
    pub(crate) is_revocation: bool,
}

/// The use of a limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    pub(crate) entries: usize,
    /// 0: no limit.
    pub(crate) limit: usize,
}

impl Level {
    fn has_room(self, addition: Addition) -> bool {
        let percent = if addition.is_revocation { 100 } else { ROUTINE };
        self.limit == 0 || self.entries.saturating_add(addition.entries) <= share(self.limit, percent)
    }

    fn is_high(self) -> bool {
        self.limit > 0 && self.entries >= share(self.limit, WARN)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} denylist entries", self.entries, self.limit)
    }
}

fn share(limit: usize, percent: usize) -> usize {
    (limit as u128 * percent as u128 / 100) as usize
}

/// Returns why an addition is refused: the realm's limit or the uid's is reached.
pub(crate) fn refusal(addition: Addition, realm: &str, in_realm: Level, uid: u32, of_uid: Level) -> Option<String> {
    if addition.entries == 0 {
        return None;
    }
    let kind = if addition.is_revocation {
        "revocations"
    } else {
        "flags and rotations"
    };
    let remedy = "wait until entries expire, revoke by subject or time, or raise";
    if !in_realm.has_room(addition) {
        return Some(format!(
            "no room for {kind}: realm {realm:?} has {in_realm}; {remedy} limits.entries_per_realm"
        ));
    }
    if !of_uid.has_room(addition) {
        return Some(format!(
            "no room for {kind}: the uid {uid} has made {of_uid}; {remedy} limits.entries_per_uid"
        ));
    }
    None
}

/// The entries that each uid has made since the daemon's start, until they expire.
#[derive(Default)]
pub(crate) struct Quotas(Mutex<HashMap<u32, Made>>);

/// Entries of one uid, by the span in which they expire.
#[derive(Default)]
struct Made {
    ends: BTreeMap<Seconds, usize>,
    live: usize,
}

impl Quotas {
    /// Counts entries that a uid makes and that expire at `until`. Returns the number that it had before, in one step:
    /// requests that run at the same time must not see the same room.
    pub(crate) fn reserve(&self, uid: u32, entries: usize, until: Seconds, now: Seconds) -> usize {
        let mut all = self.all();
        let made = all.entry(uid).or_default();
        let before = made.live(now);
        if entries > 0 {
            *made.ends.entry(until.div_euclid(SPAN)).or_default() += entries;
            made.live += entries;
        }
        before
    }

    /// Takes back a count: the entries were not made after all.
    pub(crate) fn take_back(&self, uid: u32, entries: usize, until: Seconds) {
        let mut all = self.all();
        // Those that have expired meanwhile are no longer counted.
        let Some(made) = all.get_mut(&uid) else { return };
        let Some(span) = made.ends.get_mut(&until.div_euclid(SPAN)) else {
            return;
        };
        let taken = entries.min(*span);
        *span -= taken;
        made.live -= taken;
    }

    /// The uids that have nearly used up a limit, with their entries.
    fn high(&self, limit: usize, now: Seconds) -> Vec<(u32, Level)> {
        let mut all = self.all();
        all.retain(|_, made| made.live(now) > 0);
        let levels = all.iter().map(|(uid, made)| {
            let entries = made.live;
            (*uid, Level { entries, limit })
        });
        let mut high: Vec<_> = levels.filter(|(_, level)| level.is_high()).collect();
        drop(all);
        high.sort_unstable_by_key(|(uid, _)| *uid);
        high
    }

    /// Warnings for health: realms and uids that have used most of a limit.
    pub(crate) fn warnings<'r>(
        &self,
        limits: &Limits,
        realms: impl Iterator<Item = (&'r str, usize)>,
        now: Seconds,
    ) -> Vec<String> {
        let limit = limits.entries_per_realm;
        let realms = realms.map(|(realm, entries)| (realm, Level { entries, limit }));
        let realms = realms.filter(|(_, level)| level.is_high());
        let tell =
            "at 90 % flags and rotations are refused, at 100 % revocations by others than root and the daemon's user";
        let mut all: Vec<_> = realms
            .map(|(realm, level)| format!("realm {realm} has {level} (limits.entries_per_realm): {tell}"))
            .collect();
        let uids = self.high(limits.entries_per_uid, now).into_iter();
        all.extend(uids.map(|(uid, level)| format!("the uid {uid} has made {level} (limits.entries_per_uid): {tell}")));
        all
    }

    fn all(&self) -> MutexGuard<'_, HashMap<u32, Made>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Made {
    fn live(&mut self, now: Seconds) -> usize {
        while let Some(first) = self.ends.first_entry().filter(|first| (first.key() + 1) * SPAN <= now) {
            self.live -= first.remove();
        }
        self.live
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(quotas: &Quotas, uid: u32, now: Seconds) -> usize {
        quotas.reserve(uid, 0, 0, now)
    }

    const REVOCATION: Addition = Addition {
        entries: 1,
        is_revocation: true,
    };
    const ROTATION: Addition = Addition {
        entries: 1,
        is_revocation: false,
    };

    fn level(entries: usize) -> Level {
        Level { entries, limit: 100 }
    }

    fn refused(addition: Addition, in_realm: usize, of_uid: usize) -> bool {
        refusal(addition, "shop", level(in_realm), 7, level(of_uid)).is_some()
    }

    #[test]
    fn rotations_leave_room_for_revocations() {
        assert!(!refused(ROTATION, 89, 0) && !refused(ROTATION, 0, 89));
        assert!(refused(ROTATION, 90, 0) && refused(ROTATION, 0, 90));
        assert!(!refused(REVOCATION, 99, 99));
        assert!(refused(REVOCATION, 100, 0) && refused(REVOCATION, 0, 100));
    }

    #[test]
    fn a_refusal_names_the_limit_and_the_remedy() {
        let why = refusal(REVOCATION, "shop", level(100), 7, level(0)).unwrap();
        assert!(why.contains("realm \"shop\" has 100 of 100 denylist entries"), "{why}");
        assert!(why.contains("limits.entries_per_realm"), "{why}");
        let why = refusal(ROTATION, "shop", level(0), 7, level(95)).unwrap();
        assert!(why.contains("the uid 7 has made 95 of 100"), "{why}");
    }

    #[test]
    fn raising_an_existing_entry_is_never_refused_and_zero_is_no_limit() {
        let none = Addition {
            entries: 0,
            ..REVOCATION
        };
        assert!(!refused(none, 1000, 1000));
        let unlimited = Level {
            entries: usize::MAX,
            limit: 0,
        };
        assert_eq!(refusal(REVOCATION, "shop", unlimited, 7, unlimited), None);
    }

    #[test]
    fn expired_entries_make_room() {
        let quotas = Quotas::default();
        quotas.reserve(7, 10, 3000, 0);
        quotas.reserve(7, 5, 9000, 0);
        assert_eq!(live(&quotas, 7, 2000), 15);
        assert_eq!(live(&quotas, 7, 3000 + SPAN), 5);
        assert_eq!(live(&quotas, 8, 0), 0);
        assert_eq!(live(&quotas, 7, 9000 + SPAN), 0);
    }

    #[test]
    fn entries_that_were_not_made_are_not_counted() {
        let quotas = Quotas::default();
        quotas.reserve(7, 10, 3000, 0);
        quotas.reserve(7, 2, 3000, 0);
        quotas.take_back(7, 2, 3000);
        assert_eq!(live(&quotas, 7, 0), 10);
        assert_eq!(live(&quotas, 7, 3000 + SPAN), 0);
        quotas.take_back(7, 10, 3000);
        assert_eq!(live(&quotas, 7, 0), 0, "expired in between");
    }

    #[test]
    fn health_warns_at_eighty_percent() {
        let limits = Limits {
            entries_per_realm: 100,
            entries_per_uid: 10,
            ..Limits::default()
        };
        let quotas = Quotas::default();
        quotas.reserve(7, 7, 9000, 0);
        assert_eq!(
            quotas.warnings(&limits, [("shop", 79)].into_iter(), 0),
            Vec::<String>::new()
        );
        quotas.reserve(7, 1, 9000, 0);
        let warnings = quotas.warnings(&limits, [("shop", 80)].into_iter(), 0);
        assert!(
            warnings[0].starts_with("realm shop has 80 of 100 denylist entries"),
            "{warnings:?}"
        );
        assert!(warnings[1].starts_with("the uid 7 has made 8 of 10"), "{warnings:?}");
    }
}
