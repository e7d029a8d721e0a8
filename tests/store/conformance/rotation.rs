//! Rotations, whatever store decides them.

use std::collections::HashSet;

use jwtkeeper_core::denylist::{Kind, Level, Outcome, Revocation, Rotation};
use jwtkeeper_core::types::Id;

use super::Store;
use crate::support::{
    NOW, apply, cutoff, entries, hand_out, hard, id, moment, raise, record, revoke_jti, rotate, rotate_in, uuid,
};

pub(super) fn the_first_rotation_wins(store: &Store) {
    let (old, first, second) = (uuid(1), uuid(2), uuid(3));
    assert_eq!(store.apply(rotate(&old, &first, 0)), Outcome::First(record(&first)));
    store.apply(hand_out(&old, &old, &first, 0));
    for second_after in [0, 1, 29] {
        assert_eq!(
            store.apply(rotate(&old, &second, second_after)),
            Outcome::Already(record(&first))
        );
    }
    assert_eq!(store.apply(rotate(&old, &second, 30)), Outcome::Reused);
    let rotation = store.realm().rotation(&old).unwrap();
    assert_eq!((rotation.successor, rotation.grace_until), (first, moment(30)));
    assert!(store.realm().rotation(&second).is_none());
}

/// Nobody was given the successor: the old token stays valid, however long that takes. Once somebody was, the grace has an
/// end, which no later one moves.
pub(super) fn the_grace_starts_when_a_successor_is_handed_out(store: &Store) {
    let (old, first) = (uuid(1), uuid(2));
    store.apply(rotate(&old, &first, 0));
    assert!(store.realm().rotation(&old).unwrap().is_pending());
    let again = store.apply(rotate(&old, &uuid(3), 1000));
    assert!(
        again == Outcome::Already(record(&first)) || again == Outcome::First(record(&first)),
        "{again:?}"
    );
    for second in [1000, 2000] {
        store.apply(hand_out(&old, &old, &first, second));
        assert_eq!(store.realm().rotation(&old).unwrap().grace_until, moment(1030));
    }
    assert_eq!(
        store.apply(rotate(&old, &uuid(3), 1029)),
        Outcome::Already(record(&first))
    );
    assert_eq!(store.apply(rotate(&old, &uuid(3), 1030)), Outcome::Reused);
}

pub(super) fn what_is_revoked_is_not_rotated(store: &Store) {
    let reasons: [fn(&Id, &Id) -> Revocation; 4] = [
        |old, _| hard(Kind::Token, old),
        |old, _| hard(Kind::Session, old),
        |_, _| cutoff(Kind::Subject, &id("u"), Level::Hard, moment(0)),
        |_, _| cutoff(Kind::Realm, &uuid(0), Level::Hard, moment(0)),
    ];
    for (place, reason) in reasons.into_iter().enumerate() {
        let realm = store.denylist.index().realm(&format!("r{place}"));
        let on = |change| apply(store.denylist.as_ref(), &realm, change).unwrap();
        let (rotated, new, untouched) = (uuid(1), uuid(2), uuid(3));
        on(rotate(&rotated, &new, 0));
        on(entries(vec![reason(&rotated, &new), reason(&untouched, &new)]));
        assert_eq!(
            on(rotate(&rotated, &uuid(4), 1)),
            Outcome::Revoked,
            "rotated before, reason {place}"
        );
        assert_eq!(on(rotate(&untouched, &uuid(5), 1)), Outcome::Revoked, "reason {place}");
        assert!(realm.rotation(&untouched).is_none());
    }
    store.apply(rotate(&uuid(1), &uuid(2), 0));
    store.apply(entries(vec![hard(Kind::Token, &uuid(2))]));
    assert_eq!(
        store.apply(rotate(&uuid(1), &uuid(6), 1)),
        Outcome::Revoked,
        "its successor is"
    );
}

pub(super) fn a_flag_does_not_stand_in_the_way_of_rotation(store: &Store) {
    store.apply(entries(vec![raise(Kind::Token, &uuid(1), Level::Soft, NOW + 60)]));
    store.apply(entries(vec![cutoff(Kind::Subject, &id("u"), Level::Soft, moment(0))]));
    assert!(matches!(store.apply(rotate(&uuid(1), &uuid(2), 0)), Outcome::First(_)));
}

pub(super) fn revoking_a_rotated_token_ends_its_session(store: &Store) {
    for n in 0..5 {
        store.apply(rotate_in(&uuid(0), &uuid(n), &uuid(n + 1), 0));
    }
    let revoked = |n| store.realm().token_revoked(&uuid(n));
    assert!(!(0..6).any(revoked));
    store.apply(revoke_jti(&uuid(2)));
    assert!(store.realm().session_revoked(&uuid(0)));
    assert!((0..6).all(revoked), "what led to it, and what came of it");
    assert!(!revoked(6));
}

/// The last token of a session was never rotated; which session it belongs to is known all the same.
pub(super) fn revoking_a_successor_ends_its_session(store: &Store) {
    for n in 0..3 {
        store.apply(rotate_in(&uuid(0), &uuid(n), &uuid(n + 1), 0));
    }
    store.apply(revoke_jti(&uuid(3)));
    assert!((0..4).all(|n| store.realm().token_revoked(&uuid(n))));
}

/// A session may be rotated as often as somebody likes: its revocation is three entries all the same.
pub(super) fn a_long_lineage_costs_no_more_than_a_short_one(store: &Store) {
    const LENGTH: u64 = 2000;
    let realm = store.realm();
    for n in 0..LENGTH {
        let rotation = Rotation::new(uuid(0), uuid(n + 1), moment(30), NOW + 3600);
        realm.insert_rotation(&uuid(n), rotation);
    }
    let before = store.denylist.index().len();
    store.apply(revoke_jti(&uuid(1)));
    let entries = store.denylist.index().len() - before;
    assert_eq!(
        entries, 3,
        "its own, its session's, and that of the session's last token"
    );
    assert!((0..=LENGTH).all(|n| realm.token_revoked(&uuid(n))));
}

pub(super) fn parallel_rotations_have_one_winner(store: &Store) {
    for round in 0..20 {
        let old = uuid(1000 + round);
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|n| scope.spawn(move || store.apply(rotate(&uuid(1000 + round), &uuid(n), 0))))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let first = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Outcome::First(_)))
            .count();
        let successors: HashSet<_> = outcomes
            .iter()
            .map(|outcome| match outcome {
                Outcome::First(record) | Outcome::Already(record) => record.successor.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!((first, successors.len()), (1, 1));
        assert_eq!(
            store.realm().rotation(&old).map(|rotation| rotation.successor),
            successors.into_iter().next()
        );
    }
}
