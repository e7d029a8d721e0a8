//! Tokens that exist before they are valid: no revocation is over when their time comes.

use futures_util::FutureExt;
use jwtkeeper_core::denylist::{Change, MARGIN};
use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::keeper::{Before, Revoke};
use jwtkeeper_wire::Reason::{LifetimeTooLong, NotYetValid, Revoked};
use serde_json::json;

use jwtkeeper_testkit::world::keys::key;
use jwtkeeper_testkit::world::{Builder, JUST_NOW, NOW, VALID, World, at, refused};

/// The `max_lifetime` here.
const MAX: u64 = 600;

fn world() -> World {
    Builder::signing(&key(Algorithm::HS256))
        .with(|policy| policy.max_lifetime = MAX)
        .serve()
}

/// A token that is valid from second 2000 to second 2500.
fn early(world: &World, jti: &str, subject: &str) -> String {
    let (iat, exp) = (NOW + 2000, NOW + 2500);
    world.forge_claims(&format!(
        r#"{{"jti":"{jti}","sub":"{subject}","iat":{iat},"exp":{exp}}}"#
    ))
}

/// The answer once the token's time has come, the clock having ticked until then.
fn later(world: &mut World, token: &str) -> jwtkeeper_testkit::world::Said {
    for second in (100..=2000).step_by(100) {
        world.now = at(second * 1000);
        world.tick();
    }
    world.say(token)
}

#[test]
fn a_revocation_now_ends_tokens_that_were_seen_and_are_not_yet_valid() {
    let cases = [
        (Revoke::Subject("u", JUST_NOW), refused(Revoked), VALID),
        (Revoke::IssuedBefore(JUST_NOW), refused(Revoked), refused(Revoked)),
        (Revoke::Subject("u", Before::At(at(0))), VALID, VALID),
        (Revoke::Subject("w", JUST_NOW), VALID, VALID),
    ];
    for (revoke, of_u, of_v) in cases {
        let mut world = world();
        let (u, v) = (early(&world, "a", "u"), early(&world, "b", "v"));
        for token in [&u, &v] {
            assert_eq!(world.say(token), refused(NotYetValid));
        }
        world.revoke(revoke);
        let login = world.try_issue(json!({"sub": "u"}), Some(60)).unwrap();
        assert_eq!(world.say(&login.token), VALID, "{revoke:?} ends no later login");
        assert_eq!(later(&mut world, &u), of_u, "{revoke:?}");
        assert_eq!(world.say(&v), of_v, "{revoke:?}");
    }
}

#[test]
fn an_entry_made_before_the_token_was_seen_outlives_it_from_then_on() {
    for revoke in [Revoke::Jti("a"), Revoke::Session("a")] {
        let mut world = world();
        let token = early(&world, "a", "u");
        world.revoke(revoke);
        world.now = at(500_000);
        assert_eq!(world.say(&token), refused(NotYetValid));
        assert_eq!(later(&mut world, &token), refused(Revoked), "{revoke:?}");
        world.now = at(2_499_000);
        world.tick();
        assert_eq!(world.say(&token), refused(Revoked), "{revoke:?}");
    }
}

/// A single token must not make every entry of the realm last for years, nor fill the denylist.
#[test]
fn a_token_from_the_far_future_prolongs_no_entry_but_its_own() {
    let mut world = world();
    let iat = NOW + 1_000_000_000;
    let token = world.forge_claims(&format!(r#"{{"jti":"a","sub":"u","iat":{iat},"exp":{}}}"#, iat + 500));
    let retention = world.served.index.retention(world.now);
    for _ in 0..2 {
        assert_eq!(world.say(&token), refused(NotYetValid));
        world.revoke(Revoke::Jti("another"));
        assert_eq!(world.status("another").until, retention);
        world.revoke(Revoke::Jti("a"));
    }
    assert_eq!(world.say(&token), refused(NotYetValid));
    assert_eq!(world.status("a").until, iat + 500 + MARGIN);
    world.now = at(1_000_000_000_000);
    assert_eq!(world.say(&token), refused(Revoked));
}

/// The longest `clock_skew` that the configuration takes is ten minutes: so far ahead the clock of a signer may be.
#[test]
fn an_entry_outlives_an_unseen_token_of_a_clock_that_is_ahead_by_the_longest_skew() {
    for skew in [2, 600] {
        for revoke in [Revoke::Jti("a"), Revoke::Session("a"), Revoke::Subject("u", JUST_NOW)] {
            let mut world = Builder::signing(&key(Algorithm::HS256))
                .with(|policy| (policy.max_lifetime, policy.clock_skew_ms) = (MAX, skew as u64 * 1000))
                .serve();
            let (iat, exp) = (NOW + skew, NOW + skew + MAX as i64);
            let token = world.forge_claims(&format!(r#"{{"jti":"a","sub":"u","iat":{iat},"exp":{exp}}}"#));
            world.revoke(revoke);
            for second in (0..skew + MAX as i64).step_by(50).chain([skew + MAX as i64 - 1]) {
                world.now = at(second * 1000);
                world.tick();
                assert_eq!(
                    world.say(&token),
                    refused(Revoked),
                    "{revoke:?} with {skew} s, at {second}"
                );
            }
        }
    }
}

#[test]
fn an_entry_outlives_a_token_without_iat_that_is_valid_late() {
    let mut world = Builder::signing(&key(Algorithm::HS256))
        .with(|policy| (policy.max_lifetime, policy.require_iat) = (MAX, false))
        .serve();
    let change = Change::Lifetime {
        max_lifetime: world.served.realm.policy.kept_lifetime(),
        now: world.now,
    };
    let applied = world.keeper.denylist().apply(&world.served.index, change);
    applied.now_or_never().unwrap().unwrap();
    let exp = NOW + 2500;
    let token = |jti: &str| world.forge_claims(&format!(r#"{{"jti":"{jti}","exp":{exp}}}"#));
    let (revoked, other) = (token("a"), token("b"));
    assert_eq!(world.say(&other), refused(LifetimeTooLong));
    world.revoke(Revoke::Jti("a"));
    assert_eq!(later(&mut world, &revoked), refused(Revoked));
    assert_eq!(world.say(&other), VALID);
}
