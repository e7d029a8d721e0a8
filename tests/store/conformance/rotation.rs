//! Rotations, whatever store decides them.

use std::collections::HashSet;

use jwtkeeper::denylist::{Kind, Level, Outcome, Raise};
use jwtkeeper::words::Id;

use super::Store;
use crate::support::{NOW, apply, cutoff, entries, hard, id, moment, raise, record, revoke_jti, rotate, uuid};

pub(super) fn the_first_rotation_wins(store: &Store) {
    let (old, first, second) = (uuid(1), uuid(2), uuid(3));
    assert_eq!(store.apply(rotate(&old, &first, 0)), Outcome::First(record(&first)));
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

pub(super) fn what_is_revoked_is_not_rotated(store: &Store) {
    let reasons: [fn(&Id, &Id) -> Raise; 4] = [
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

pub(super) fn revoking_follows_the_successors(store: &Store) {
    for n in 0..5 {
        store.apply(rotate(&uuid(n), &uuid(n + 1), 0));
    }
    store.apply(revoke_jti(&uuid(2)));
    let hard = |n| store.realm().token(&uuid(n)) == Some(Level::Hard);
    assert_eq!(
        (0..7).map(hard).collect::<Vec<_>>(),
        [false, false, true, true, true, true, false]
    );
    // What leads to a revoked token is revoked with it.
    assert!((0..6).all(|n| store.realm().token_revoked(&uuid(n))));
}

/// Nobody rotates in a circle, but a shared store holds what others wrote there.
pub(super) fn a_circle_of_successors_has_an_end(store: &Store) {
    let realm = store.realm();
    for length in 1..12 {
        for tail in 0..5 {
            let number = |step: u64| uuid(length * 1000 + tail * 100 + step);
            for step in 0..tail + length {
                let next = if step + 1 < tail + length { step + 1 } else { tail };
                realm.insert_rotation(&number(step), number(next), moment(30), NOW + 3600, None);
            }
            assert!((0..tail + length).all(|step| !realm.token_revoked(&number(step))));
            let all: HashSet<_> = realm.successors(&number(0)).into_iter().collect();
            assert!((1..tail + length).all(|step| all.contains(&number(step))), "{all:?}");
            store.apply(entries(vec![hard(Kind::Token, &number(tail + length - 1))]));
            assert!((0..tail + length).all(|step| realm.token_revoked(&number(step))));
        }
    }
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
