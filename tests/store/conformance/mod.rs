//! One suite, run against every store: what a denylist promises, whatever lies behind it.

mod rotation;

use std::sync::Arc;

use jwtkeeper_core::denylist::{
    Change, Cutoffs, Denylist, Kind, Level, MARGIN, Memory, Outcome, RealmIndex, Revocation, Rotate, SessionStart,
};

use crate::support::{
    NOW, apply, cutoff, directory, entries, hard, id, moment, open, raise, realm, rotate, tick, uuid,
};

/// A new, empty store.
struct Store {
    denylist: Box<dyn Denylist>,
    _directory: Option<tempfile::TempDir>,
    _redis: Option<crate::redis::Place>,
}

impl Store {
    fn memory() -> Self {
        Self {
            denylist: Box::new(Memory::default()),
            _directory: None,
            _redis: None,
        }
    }

    fn embedded() -> Self {
        let directory = directory();
        Self {
            denylist: Box::new(open(&directory)),
            _directory: Some(directory),
            _redis: None,
        }
    }

    fn shared((denylist, place): (jwtkeeper_redis::Redis, crate::redis::Place)) -> Self {
        Self {
            denylist: Box::new(denylist),
            _directory: None,
            _redis: Some(place),
        }
    }

    fn realm(&self) -> Arc<RealmIndex> {
        realm(self.denylist.index())
    }

    fn apply(&self, change: Change) -> Outcome {
        apply(self.denylist.as_ref(), &self.realm(), change).unwrap()
    }
}

use rotation::{
    a_flag_does_not_stand_in_the_way_of_rotation, a_long_lineage_costs_no_more_than_a_short_one,
    parallel_rotations_have_one_winner, revoking_a_rotated_token_ends_its_session,
    revoking_a_successor_ends_its_session, the_first_rotation_wins, the_grace_starts_when_a_successor_is_handed_out,
    what_is_revoked_is_not_rotated,
};

macro_rules! suite {
    ($($test:ident)*) => {
        mod memory { $(#[test] fn $test() { super::$test(&super::Store::memory()); })* }
        mod embedded { $(#[test] fn $test() { super::$test(&super::Store::embedded()); })* }
        mod redis { $(#[test] fn $test() { super::$test(&super::Store::shared(crate::redis::fleet())); })* }
        mod sentinel { $(#[test] fn $test() { super::$test(&super::Store::shared(crate::redis::with_sentinels())); })* }
        mod cluster { $(#[test] fn $test() { super::$test(&super::Store::shared(crate::redis::with_cluster())); })* }
    };
}

suite! {
    entries_climb_and_never_fall
    a_change_may_raise_many_entries
    kinds_ids_and_realms_are_apart
    cutoffs_only_grow
    each_application_of_a_cutoff_has_a_number_of_its_own
    an_earlier_cutoff_spares_what_followed_a_later_one
    what_is_revoked_is_in_force_before_it_is_durable
    the_first_rotation_wins
    the_grace_starts_when_a_successor_is_handed_out
    what_is_revoked_is_not_rotated
    a_flag_does_not_stand_in_the_way_of_rotation
    revoking_a_rotated_token_ends_its_session
    revoking_a_successor_ends_its_session
    a_long_lineage_costs_no_more_than_a_short_one
    parallel_rotations_have_one_winner
    what_is_past_is_forgotten_and_nothing_else
    retention_is_that_of_the_longest_lifetime
    asking_again_changes_nothing
}

fn entries_climb_and_never_fall(store: &Store) {
    for kind in [Kind::Token, Kind::Session] {
        for id in [uuid(1), id("text"), id("0190B5A4-7A3C-7000-8000-000000000001")] {
            let stands = |level: Option<(Level, i64)>| match kind {
                Kind::Token => assert_eq!(store.realm().token_until(&id), level),
                _ => assert_eq!(store.realm().session_revoked(&id), level.is_some()),
            };
            stands(None);
            for (level, until, after) in [
                (Level::Soft, 100, (Level::Soft, 100)),
                (Level::Soft, 50, (Level::Soft, 100)),
                (Level::Hard, 70, (Level::Hard, 100)),
                (Level::Soft, 200, (Level::Hard, 200)),
                (Level::Hard, 10, (Level::Hard, 200)),
                (Level::Soft, 10, (Level::Hard, 200)),
            ] {
                if (kind, level) == (Kind::Session, Level::Soft) {
                    continue; // nothing flags a session
                }
                let outcome = store.apply(entries(vec![raise(kind, &id, level, NOW + until)]));
                assert_eq!(outcome, Outcome::Done);
                stands(Some((after.0, NOW + after.1)));
            }
        }
    }
}

fn a_change_may_raise_many_entries(store: &Store) {
    let all: Vec<_> = (0..300).map(uuid).collect();
    store.apply(entries(all.iter().map(|id| hard(Kind::Token, id)).collect()));
    assert!(all.iter().all(|id| store.realm().token_revoked(id)));
    assert_eq!(store.denylist.index().len(), 300);
    assert_eq!(store.denylist.health().entries, 300);
    assert!(store.denylist.health().fault.is_none());
}

fn kinds_ids_and_realms_are_apart(store: &Store) {
    let other = store.denylist.index().realm("other");
    store.apply(entries(vec![hard(Kind::Token, &uuid(1))]));
    store.apply(entries(vec![hard(Kind::Session, &uuid(2))]));
    store.apply(entries(vec![cutoff(Kind::Subject, &uuid(3), Level::Hard, moment(0))]));
    let here = store.realm();
    let seen = |realm: &RealmIndex, n: u64| {
        let id = uuid(n);
        (
            realm.token_revoked(&id),
            realm.session_revoked(&id),
            realm.subject(&id) != Cutoffs::default(),
        )
    };
    assert_eq!(seen(&here, 1), (true, false, false));
    assert_eq!(seen(&here, 2), (false, true, false));
    assert_eq!(seen(&here, 3), (false, false, true));
    for n in 1..4 {
        assert_eq!(seen(&other, n), (false, false, false));
    }
    assert!(!here.token_revoked(&id(&uuid(1).to_string().to_uppercase())));
    assert!(!here.token_revoked(&id(&uuid(1).to_string().replace('-', ""))));
    apply(
        store.denylist.as_ref(),
        &other,
        entries(vec![hard(Kind::Realm, &uuid(0))]),
    )
    .unwrap();
    assert!(here.realm_cutoff().is_none());
}

fn cutoffs_only_grow(store: &Store) {
    let subject = id("77");
    // None in the future: those count from when they are first seen.
    let moment = |second: i64| moment(second - 40);
    for (level, at, hard, soft) in [
        (Level::Soft, 10, None, Some(10)),
        (Level::Hard, 5, Some(5), Some(10)),
        (Level::Hard, 4, Some(5), Some(10)),
        (Level::Soft, 3, Some(5), Some(10)),
        (Level::Hard, 20, Some(20), Some(10)),
        (Level::Soft, 30, Some(20), Some(30)),
    ] {
        store.apply(entries(vec![cutoff(Kind::Subject, &subject, level, moment(at))]));
        let Cutoffs {
            hard: found,
            soft: flagged,
        } = store.realm().subject(&subject);
        let start = |second: Option<i64>| second.map_or_else(Default::default, moment);
        assert_eq!((found.start(), flagged.start()), (start(hard), start(soft)));
    }
    for (at, stands) in [(10, 10), (5, 10), (11, 11)] {
        store.apply(entries(vec![cutoff(Kind::Realm, &uuid(0), Level::Hard, moment(at))]));
        assert_eq!(store.realm().realm_cutoff().start(), moment(stands));
    }
    let realm = store.realm();
    let is_over = |subject, at, seen_realm, seen_subject| {
        let start = SessionStart {
            at,
            seen_realm,
            seen_subject,
        };
        realm.is_session_over(&uuid(9), subject, start)
    };
    assert!(is_over(None, moment(11), 0, 0));
    assert!(!is_over(None, moment(11).plus(1), 0, 0));
    assert!(is_over(Some(&subject), moment(20), 0, 0));
    assert!(!is_over(Some(&subject), moment(20).plus(1), 0, 0));
    let (of_realm, of_subject) = (realm.realm_cutoff().sequence(), realm.subject(&subject).hard.sequence());
    assert!(!is_over(Some(&subject), moment(11), of_realm, of_subject));
    assert!(is_over(Some(&subject), moment(11), of_realm - 1, of_subject));
    assert!(is_over(Some(&subject), moment(11), of_realm, of_subject - 1));
}

/// What a host makes after a cutoff carries the cutoff's number, and the next application has another.
fn each_application_of_a_cutoff_has_a_number_of_its_own(store: &Store) {
    let (subject, start) = (id("u"), moment(9));
    let mut last = 0;
    for _ in 0..3 {
        let realm = store.realm();
        let cutoff = realm.next_cutoff(Kind::Subject, &subject, Level::Hard, start, moment(7));
        store.apply(entries(vec![Revocation {
            cutoff,
            ..hard(Kind::Subject, &subject)
        }]));
        let exemption = |at| realm.exemption(Kind::Subject, &subject, Level::Hard, at);
        assert!(exemption(moment(8)) > last);
        assert_eq!(exemption(moment(8)), realm.subject(&subject).hard.sequence());
        assert_eq!(exemption(start.plus(1)), 0);
        last = exemption(moment(8));
    }
}

/// A login that knew of a revocation "now" is not ended by one of an earlier time, which comes later.
fn an_earlier_cutoff_spares_what_followed_a_later_one(store: &Store) {
    let subject = id("u");
    let apply = |start| {
        let cutoff = store
            .realm()
            .next_cutoff(Kind::Subject, &subject, Level::Hard, start, moment(-10));
        store.apply(entries(vec![Revocation {
            cutoff,
            ..hard(Kind::Subject, &subject)
        }]));
    };
    let (early, late) = (moment(-9), moment(-8));
    apply(late);
    let seen = store.realm().exemption(Kind::Subject, &subject, Level::Hard, early);
    apply(early);
    let cutoff = store.realm().subject(&subject).hard;
    assert!(cutoff.covers(late, seen - 1));
    assert!(!cutoff.covers(late, seen));
    assert!(cutoff.covers(early, seen));
    assert!(!cutoff.covers(early, cutoff.sequence()));
}

fn what_is_revoked_is_in_force_before_it_is_durable(store: &Store) {
    let realm = store.realm();
    let pending = store.denylist.apply(&realm, entries(vec![hard(Kind::Token, &uuid(1))]));
    assert!(realm.token_revoked(&uuid(1)));
    drop(pending); // nobody waits for the answer: it holds all the same
    assert!(realm.token_revoked(&uuid(1)));
}

fn what_is_past_is_forgotten_and_nothing_else(store: &Store) {
    for n in 0..50 {
        let until = NOW + 100 * i64::try_from(n).unwrap();
        store.apply(entries(vec![raise(Kind::Token, &uuid(n), Level::Hard, until)]));
        store.apply(entries(vec![Revocation {
            until,
            ..cutoff(Kind::Subject, &uuid(n), Level::Hard, moment(1))
        }]));
        store.apply(Change::Rotate(Box::new(Rotate {
            until,
            ..rotation_of(n)
        })));
    }
    // An entry that grew is kept for its last deadline.
    store.apply(entries(vec![raise(Kind::Token, &uuid(0), Level::Soft, NOW + 10_000)]));
    for second in [0, 640, 2000, 4800, 5200] {
        store.apply(tick(second));
        let realm = store.realm();
        for n in 1..50 {
            let kept = 100 * i64::try_from(n).unwrap() >= second;
            if kept {
                assert!(realm.token_revoked(&uuid(n)), "{n} at {second}");
                assert!(!realm.subject(&uuid(n)).hard.is_none(), "{n} at {second}");
                assert!(realm.rotation(&uuid(1000 + n)).is_some(), "{n} at {second}");
            } else if 100 * i64::try_from(n).unwrap() < second - 128 {
                assert!(realm.token(&uuid(n)).is_none(), "{n} at {second}");
                assert!(realm.subject(&uuid(n)).hard.is_none(), "{n} at {second}");
                assert!(realm.rotation(&uuid(1000 + n)).is_none(), "{n} at {second}");
            }
        }
        assert_eq!(realm.token(&uuid(0)), Some(Level::Hard));
        // A store may forget in steps of a minute, and never early.
        let forgotten = store.denylist.index().forgotten();
        assert!(forgotten <= NOW + second - MARGIN);
        assert!(second == 0 || forgotten >= NOW + second - MARGIN - 60, "at {second}");
    }
    assert_eq!(store.denylist.index().len(), 1);
    store.apply(tick(10_200));
    assert!(store.denylist.index().is_empty());
}

/// A rotation of a token of nobody's, so that no cutoff stands in its way.
fn rotation_of(n: u64) -> Rotate {
    let Change::Rotate(rotate) = rotate(&uuid(1000 + n), &uuid(2000 + n), 0) else {
        unreachable!("a rotation")
    };
    Rotate {
        subject: None,
        ..*rotate
    }
}

fn retention_is_that_of_the_longest_lifetime(store: &Store) {
    let day = 24 * 3600;
    let set = |days: u64, second: i64| {
        store.apply(Change::Lifetime {
            max_lifetime: days * 24 * 3600,
            now: moment(second),
        });
    };
    let until = |second: i64| store.realm().retention(moment(second)) - NOW - 1 - MARGIN;
    set(30, 0);
    assert_eq!(until(0), 30 * day);
    set(1, 1000);
    assert_eq!(until(1000), 1000 + 30 * day);
    assert_eq!(until(2000), 1000 + 30 * day);
    assert_eq!(until(40 * day), 41 * day);
    set(60, 41 * day);
    assert_eq!(until(41 * day), 101 * day);
    let other = store.denylist.index().realm("other");
    assert_eq!(other.retention(moment(0)), NOW + 1 + MARGIN, "each realm has its own");
}

fn asking_again_changes_nothing(store: &Store) {
    let change = || entries(vec![hard(Kind::Token, &uuid(1)), hard(Kind::Session, &id("s"))]);
    store.apply(change());
    let changes = store.denylist.health().commits;
    for _ in 0..10 {
        store.apply(change());
    }
    assert_eq!(store.denylist.index().len(), 2);
    assert_eq!(
        store.denylist.health().commits,
        changes,
        "what is saved is not written again"
    );
}
