//! Births: strictly increasing, later than every cutoff, and never so late that another host would refuse them.

use std::sync::Arc;

use jwtkeeper::denylist::{Denylist, Memory};
use jwtkeeper::jwt::Algorithm;
use jwtkeeper::keeper::{Keeper, Refusal, Revoke};
use jwtkeeper_wire::ErrorCode;
use serde_json::json;

use crate::world::keys::key;
use crate::world::{Builder, JUST_NOW, VALID, World, at, plain};

/// A keeper that was told, at its start, of tokens minted up to `ms` after the clock's moment.
fn minted_up_to(ms: i64) -> World {
    let denylist: Arc<dyn Denylist> = Arc::new(Memory::default());
    Builder::signing(&key(Algorithm::HS256)).serve_by(&Arc::new(Keeper::new(denylist, at(ms))))
}

#[test]
fn jtis_increase_whatever_the_clock_does() {
    let mut world = plain();
    let mut last = String::new();
    for ms in [0, 0, 1, 500, 499, 3, -400, 500, 501] {
        world.now = at(ms);
        for _ in 0..50 {
            let jti = world.issue(json!({})).jti.to_string();
            assert!(jti > last, "{jti} after {last}");
            last = jti;
        }
    }
}

#[test]
fn nothing_is_minted_at_or_before_what_an_earlier_life_minted() {
    let world = minted_up_to(500);
    let minted = world.issue(json!({}));
    assert!(minted.jti.birth().unwrap() > at(500));
    assert_eq!(world.say(&minted.token), VALID);
}

#[test]
fn a_clock_far_behind_mints_nothing_and_says_so() {
    // The moment is 400 ms into its second: a birth may lie at its end, and the skew of 2 s beyond.
    let world = minted_up_to(2599);
    assert_eq!(world.say(&world.issue(json!({})).token), VALID);
    let mut world = minted_up_to(2600);
    let refusal = world.try_issue(json!({}), None).err().unwrap();
    assert!(matches!(refusal, Refusal::ClockBehind { behind_ms: 1 }), "{refusal}");
    assert_eq!(refusal.code(), ErrorCode::ClockBehind);
    world.now = at(600);
    assert!(world.try_issue(json!({}), None).is_ok(), "when the clock has caught up");
}

#[test]
fn a_clock_behind_a_cutoff_mints_later_than_it_or_not_at_all() {
    let mut world = plain();
    world.now = at(10_000);
    let old = world.issue(json!({"sub": "u"}));
    world.revoke(Revoke::IssuedBefore(JUST_NOW));
    for ms in [10_000, 9_999, 9_000, 5_000, 0, 8_000, 10_001, 20_000] {
        world.now = at(ms);
        match world.try_issue(json!({"sub": "u"}), None) {
            Ok(minted) => {
                assert!(minted.jti.birth().unwrap() > at(12_000));
                assert_eq!(world.say(&minted.token), VALID, "{ms}");
            }
            Err(Refusal::ClockBehind { .. }) => assert!(ms < 10_000, "{ms}"),
            Err(other) => panic!("{other}"),
        }
        assert_ne!(world.say(&old.token), VALID);
    }
}

#[test]
fn many_threads_get_births_of_their_own() {
    let world = plain();
    let births: Vec<Vec<String>> = std::thread::scope(|scope| {
        let issue = || (0..500).map(|_| world.issue(json!({})).jti.to_string()).collect();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(issue)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(births.iter().all(|own| own.is_sorted()));
    let mut all: Vec<_> = births.concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 8 * 500);
}
