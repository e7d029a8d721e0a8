//! Retention of entries: they last as long as a token that they revoke can live, under every `max_lifetime` that ever was.

use futures_util::FutureExt;
use jwtkeeper_core::denylist::{Change, MARGIN};
use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::keeper::{Flag, Revoke};
use jwtkeeper_wire::Reason::{Expired, Malformed, NotYetValid, Revoked};
use serde_json::json;

use jwtkeeper_testkit::world::keys::key;
use jwtkeeper_testkit::world::{Builder, JUST_NOW, NOW, VALID, World, at, plain, refused};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// A reload with another `max_lifetime`.
fn reload(world: &mut World, max_lifetime: u64) {
    world.served.realm.policy.max_lifetime = max_lifetime;
    let change = Change::Lifetime {
        max_lifetime,
        now: world.now,
    };
    world
        .keeper
        .denylist()
        .apply(&world.served.index, change)
        .now_or_never()
        .unwrap()
        .unwrap();
}

#[test]
fn a_bare_jti_is_kept_as_long_as_any_token_minted_so_far_can_live() {
    let mut world = plain(); // 30 days
    let token = world.try_issue(json!({}), Some(30 * DAY)).unwrap();
    world.now = at(1000);
    reload(&mut world, HOUR);
    world.now = at(2000);
    world.revoke(Revoke::Jti(&token.jti.to_string()));
    world.now = at(2 * HOUR as i64 * 1000);
    world.tick();
    reload(&mut world, 30 * DAY);
    assert_eq!(
        world.say(&token.token),
        refused(Revoked),
        "the longest value that was in effect counts"
    );
}

#[test]
fn retention_falls_again_by_itself() {
    let mut world = plain();
    let until = |world: &World| world.served.index.retention(world.now);
    let margin = MARGIN + 1;
    assert_eq!(until(&world), NOW + 30 * DAY as i64 + margin);
    world.now = at(1000 * 1000);
    reload(&mut world, HOUR);
    // Tokens of thirty days were minted until now.
    let last = NOW + 1000 + 30 * DAY as i64 + margin;
    assert_eq!(until(&world), last);
    world.now = at(20 * DAY as i64 * 1000);
    assert_eq!(until(&world), last, "a day later none that lives longer was minted");
    world.now = at(40 * DAY as i64 * 1000);
    assert_eq!(until(&world), NOW + 40 * DAY as i64 + HOUR as i64 + margin);
}

#[test]
fn entries_go_when_their_time_is_over_and_not_before() {
    let mut world = plain();
    let token = world.try_issue(json!({"sub": "u"}), Some(60)).unwrap();
    world.revoke(Revoke::Token {
        token: token.token.as_bytes(),
        cookie: None,
    });
    world.revoke(Revoke::Jti("x"));
    world.revoke(Revoke::Session("y"));
    world.revoke(Revoke::Subject("u", JUST_NOW));
    world.flag(Flag::Subject("v", JUST_NOW));
    let len = |world: &World| world.keeper.denylist().index().len();
    assert_eq!(len(&world), 7, "token and its session, x and its session, y, u, v");
    world.now = at(30 * DAY as i64 * 1000);
    world.tick();
    assert_eq!(len(&world), 6, "the token in hand was known to die sooner");
    world.now = at((30 * DAY as i64 + MARGIN + 128) * 1000);
    world.tick();
    assert_eq!(len(&world), 0);
}

#[test]
fn what_expired_stays_so_once_entries_of_its_time_may_be_forgotten() {
    let mut world = plain();
    let short = world.try_issue(json!({}), Some(60)).unwrap();
    let long = world.try_issue(json!({}), Some(7200)).unwrap();
    world.now = at(3_600_000);
    world.tick();
    world.now = at(10_000); // the clock was set back
    assert_eq!(world.say(&short.token), refused(Expired));
    assert_eq!(world.say(&long.token), VALID);
}

/// A token whose `iat` lies in the future is refused now and valid later: what revokes it must last until it expires.
#[test]
fn a_revocation_outlives_a_token_that_is_not_yet_valid() {
    let max = 600;
    for which in 0..5 {
        let mut world = Builder::signing(&key(Algorithm::HS256))
            .with(|policy| policy.max_lifetime = max)
            .serve();
        let (iat, exp) = (NOW + 2000, NOW + 2500);
        let token = world.forge_claims(&format!(r#"{{"jti":"a","sub":"u","iat":{iat},"exp":{exp}}}"#));
        assert_eq!(world.say(&token), refused(NotYetValid));
        match which {
            0 => {}
            1 => world.revoke(Revoke::Jti("a")),
            2 => world.revoke(Revoke::Session("a")),
            3 => world.revoke(Revoke::Token {
                token: token.as_bytes(),
                cookie: None,
            }),
            _ => world.revoke(Revoke::Subject("u", JUST_NOW)),
        }
        for second in [850, 1300, 2000, 2499] {
            world.now = at(second * 1000);
            world.tick();
            let said = world.say(&token);
            match (which, second) {
                (0, 2000..) => assert_eq!(said, VALID),
                (_, 2000..) => assert_eq!(said, refused(Revoked), "{which} at {second}"),
                _ => assert_ne!(said, VALID, "{which} at {second}"),
            }
        }
    }
}

#[test]
fn a_token_without_iat_is_malformed_unless_the_realm_takes_it() {
    for (require_iat, said) in [(true, refused(Malformed)), (false, VALID)] {
        let world = Builder::signing(&key(Algorithm::HS256))
            .with(|policy| policy.require_iat = require_iat)
            .serve();
        assert_eq!(
            world.say(&world.forge_claims(&format!(r#"{{"exp":{},"jti":"a"}}"#, NOW + 60))),
            said
        );
        let lifetime = world.served.realm.policy.kept_lifetime();
        assert_eq!(lifetime > 40 * 365 * DAY, !require_iat, "it may be valid at any time");
    }
}
