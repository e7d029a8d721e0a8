//! Clocks and cutoffs: a session starts when the clock of its host says so, and no revocation moves that.

use std::sync::Arc;

use jwtkeeper_core::denylist::{Denylist, Memory};
use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::keeper::{Before, Flag, Keeper, Revoke};
use jwtkeeper_wire::Reason::{NotYetValid, Revoked};
use serde_json::json;

use jwtkeeper_testkit::world::keys::key;
use jwtkeeper_testkit::world::{Builder, JUST_NOW, VALID, World, at, claims, due, plain, refused};

const YEAR_MS: i64 = 365 * 24 * 3600 * 1000;

/// Two realms of one daemon.
fn two_realms() -> (World, World) {
    let denylist: Arc<dyn Denylist> = Arc::new(Memory::default());
    let keeper = Arc::new(Keeper::new(denylist));
    let serve = || Builder::signing(&key(Algorithm::HS256)).serve_by(&keeper);
    let (default, mut shop) = (serve(), serve());
    shop.served.realm.name = "shop".to_owned();
    shop.served.index = keeper.denylist().index().realm("shop");
    (default, shop)
}

#[test]
fn a_cutoff_by_time_covers_sessions_that_began_shortly_after_another_revocation() {
    for skew in [2000, 30_000] {
        let (mut default, mut shop) = two_realms();
        default.served.realm.policy.clock_skew_ms = skew;
        shop.served.realm.policy.clock_skew_ms = skew;
        shop.revoke(Revoke::Subject("u", JUST_NOW));
        default.revoke(Revoke::Subject("v", JUST_NOW));
        default.now = at(100);
        let token = default.issue(json!({"sub": "u"}));
        assert_eq!(token.jti.birth(), Some(at(100)));
        default.now = at(2600);
        default.revoke(Revoke::IssuedBefore(Before::At(at(2000))));
        assert_eq!(default.say(&token.token), refused(Revoked), "clock_skew {skew} ms");
    }
}

#[test]
fn a_cutoff_by_time_spares_what_began_later_than_it_by_more_than_clocks_differ() {
    let mut world = plain();
    world.now = at(7001);
    let later = world.issue(json!({"sub": "u"}));
    world.now = at(7000);
    let within = world.issue(json!({"sub": "u"}));
    world.now = at(9000);
    world.revoke(Revoke::Subject("u", Before::At(at(5000))));
    assert_eq!(world.say(&later.token), VALID);
    assert_eq!(world.say(&within.token), refused(Revoked));
}

#[test]
fn revocations_in_one_realm_leave_another_as_it_is() {
    let (default, shop) = two_realms();
    for _ in 0..2000 {
        shop.revoke(Revoke::Subject("u", JUST_NOW));
        shop.flag(Flag::Subject("u", JUST_NOW));
        shop.revoke(Revoke::IssuedBefore(JUST_NOW));
        assert_eq!(shop.say(&shop.issue(json!({"sub": "u"})).token), VALID);
    }
    let token = default.issue(json!({"sub": "u"}));
    assert_eq!(token.jti.birth(), Some(default.now));
    assert!(claims(&token).get("jwtkeeper").is_none(), "{}", token.claims);
    assert_eq!(default.say(&token.token), VALID);
    let next = default.rotate(&token);
    assert_eq!(default.say(&next.token), VALID);
}

#[test]
fn any_number_of_revocations_and_logins_fit_into_one_millisecond() {
    let world = plain();
    let mut last = world.issue(json!({"sub": "u"}));
    for count in 0..10_000 {
        if count % 2 == 0 {
            world.revoke(Revoke::Subject("u", JUST_NOW));
        } else {
            world.revoke(Revoke::IssuedBefore(JUST_NOW));
        }
        assert_eq!(world.say(&last.token), refused(Revoked), "{count}");
        last = world.issue(json!({"sub": "u"}));
        assert_eq!(world.say(&last.token), VALID, "{count}");
        assert_eq!(last.jti.birth(), Some(world.now));
    }
    let next = world.rotate(&last);
    assert_eq!(
        world.say(&next.token),
        VALID,
        "the successor of a session that was spared"
    );
    world.revoke(Revoke::Subject("u", JUST_NOW));
    assert_eq!(world.say(&next.token), refused(Revoked));
}

#[test]
fn a_clock_a_year_ahead_for_two_seconds_stops_no_login() {
    let mut world = plain();
    let before = world.issue(json!({"sub": "u"}));
    world.now = at(YEAR_MS);
    let glitch = world.issue(json!({"sub": "u"}));
    world.revoke(Revoke::Subject("v", JUST_NOW));
    assert_eq!(world.say(&world.issue(json!({"sub": "v"})).token), VALID);
    world.now = at(2000);
    assert_eq!(world.say(&glitch.token), refused(NotYetValid));
    assert_eq!(world.say(&before.token), VALID);
    for subject in ["u", "v", "w"] {
        let token = world.issue(json!({"sub": subject}));
        assert_eq!(world.say(&token.token), VALID, "{subject}");
        assert_eq!(world.say(&world.rotate(&token).token), VALID, "{subject}");
        world.revoke(Revoke::Subject(subject, JUST_NOW));
        assert_eq!(world.say(&token.token), refused(Revoked), "{subject}");
        assert_eq!(
            world.say(&world.issue(json!({"sub": subject})).token),
            VALID,
            "{subject}"
        );
    }
    world.now = at(YEAR_MS);
    assert_ne!(world.say(&glitch.token), VALID, "revoked while it was not yet valid");
}

#[test]
fn a_clock_set_back_issues_tokens_that_are_valid_and_can_be_revoked() {
    let mut world = plain();
    world.now = at(3_600_000);
    let old = world.issue(json!({"sub": "u"}));
    world.revoke(Revoke::IssuedBefore(JUST_NOW));
    world.now = at(0);
    let token = world.issue(json!({"sub": "u"}));
    assert_eq!(world.say(&token.token), VALID);
    world.revoke(Revoke::IssuedBefore(JUST_NOW));
    assert_eq!(world.say(&token.token), refused(Revoked));
    assert_eq!(world.say(&world.issue(json!({"sub": "u"})).token), VALID);
    world.now = at(3_600_000);
    assert_eq!(world.say(&old.token), refused(Revoked));
}

/// Two hosts of a fleet whose clocks differ by the most that is allowed, and that know the same cutoffs.
#[test]
fn a_login_on_a_host_that_knows_of_the_cutoff_is_valid_at_once_and_covered_by_the_next() {
    let (mut ahead, mut behind) = (plain(), plain());
    behind.served.index = ahead.served.index.clone();
    behind.keeper = ahead.keeper.clone();
    ahead.now = at(2000);
    behind.now = at(0);
    for _ in 0..100 {
        for (revoker, other) in [(&ahead, &behind), (&behind, &ahead)] {
            let (here, there) = (revoker.issue(json!({"sub": "u"})), other.issue(json!({"sub": "u"})));
            revoker.revoke(Revoke::Subject("u", JUST_NOW));
            for world in [revoker, other] {
                assert_eq!(world.say(&here.token), refused(Revoked));
                assert_eq!(world.say(&there.token), refused(Revoked));
                let login = world.issue(json!({"sub": "u"}));
                assert_eq!((revoker.say(&login.token), other.say(&login.token)), (VALID, VALID));
            }
        }
    }
}

#[test]
fn a_flag_of_a_subject_is_over_with_its_rotation_on_any_clock() {
    let mut world = plain();
    world.now = at(2000);
    let token = world.issue(json!({"sub": "u"}));
    world.now = at(0);
    world.flag(Flag::Subject("u", JUST_NOW));
    assert_eq!(world.say(&token.token), due(jwtkeeper_wire::Cause::Flagged));
    let next = world.rotate(&token);
    assert_eq!(world.say(&next.token), VALID);
    world.flag(Flag::Subject("u", JUST_NOW));
    assert_eq!(world.say(&next.token), due(jwtkeeper_wire::Cause::Flagged));
    assert_eq!(world.say(&world.rotate(&next).token), VALID);
}
