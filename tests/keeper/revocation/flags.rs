//! Flags: rotation due on next sight, and then no more.

use jwtkeeper_core::keeper::{Before, Flag, Revoke};
use jwtkeeper_core::types::Id;
use jwtkeeper_wire::Cause::{Flagged, Rotated};
use jwtkeeper_wire::Reason::Revoked;
use serde_json::json;

use jwtkeeper_testkit::world::{JUST_NOW, VALID, at, due, plain, refused};

#[test]
fn a_flagged_token_is_valid_and_due_until_it_is_rotated() {
    let world = plain();
    let old = world.issue(json!({}));
    world.flag(Flag::Jti(&old.jti.to_string()));
    world.flag(Flag::Jti(&old.jti.to_string()));
    assert_eq!(world.say(&old.token), due(Flagged));
    let new = world.rotate(&old);
    assert_eq!(world.say(&new.token), VALID);
    assert_eq!(world.say(&old.token), due(Rotated), "it leads to its successor now");
    world.flag(Flag::Jti(&new.jti.to_string()));
    assert_eq!(world.say(&new.token), due(Flagged));
}

#[test]
fn a_flagged_subject_is_due_once_for_each_token_born_by_then() {
    let mut world = plain();
    let one = world.issue(json!({"sub": "u"}));
    let two = world.issue(json!({"sub": "u"}));
    let other = world.issue(json!({"sub": "v"}));
    world.now = at(10);
    world.flag(Flag::Subject("u", JUST_NOW));
    for token in [&one, &two] {
        assert_eq!(world.say(&token.token), due(Flagged));
        let new = world.rotate(token);
        assert_eq!(
            world.say(&new.token),
            VALID,
            "its own birth is after the flag, though its login's is not"
        );
    }
    assert_eq!(world.say(&other.token), VALID);
    assert_eq!(world.say(&world.issue(json!({"sub": "u"})).token), VALID);
}

#[test]
fn a_flag_by_time_compares_the_tokens_own_birth() {
    let mut world = plain();
    let old = world.issue(json!({"sub": "u"}));
    world.now = at(5000);
    let new = world.rotate(&old);
    world.now = at(10_000);
    world.flag(Flag::Subject("u", Before::At(at(2000))));
    assert_eq!(world.say(&new.token), VALID);
    world.flag(Flag::Subject("u", Before::At(new.jti.birth().unwrap())));
    assert_eq!(world.say(&new.token), due(Flagged));
}

#[test]
fn a_subject_can_be_flagged_and_cut_off_and_neither_undoes_the_other() {
    let mut world = plain();
    let token = world.issue(json!({"sub": "u"}));
    world.now = at(10_000);
    world.revoke(Revoke::Subject("u", Before::At(at(5000))));
    let later = world.issue(json!({"sub": "u"}));
    world.flag(Flag::Subject("u", JUST_NOW));
    assert_eq!(world.say(&token.token), refused(Revoked));
    assert_eq!(world.say(&later.token), due(Flagged));
    let cutoffs = world.served.index.subject(&Id::parse("u").unwrap());
    assert_eq!((cutoffs.hard.start(), cutoffs.soft.start()), (at(7000), at(12_000)));
}

#[test]
fn a_flag_lasts_as_long_as_a_token_can_live() {
    let mut world = plain();
    let token = world.try_issue(json!({}), Some(30 * 24 * 3600)).unwrap();
    world.flag(Flag::Jti(&token.jti.to_string()));
    world.now = at(30 * 24 * 3_600_000 - 1000);
    world.tick();
    assert_eq!(world.say(&token.token), due(Flagged));
}
