//! Renewal: rotation is due before a token expires, where the realm says so, and only for whom it says.

use jwtkeeper_core::jwt::{Algorithm, Version};
use jwtkeeper_core::keeper::{Flag, Minted};
use jwtkeeper_core::realm::{CookieLock, Policy, RotateOn};
use jwtkeeper_wire::Cause::{Expiring, Flagged, Rotated, StaleVersion, Unlocked};
use jwtkeeper_wire::Reason::Expired;
use serde_json::json;

use jwtkeeper_testkit::world::keys::{Key, key};
use jwtkeeper_testkit::world::{Builder, NOW, Said, VALID, World, at, due, plain, refused};

fn hs256() -> Key {
    key(Algorithm::HS256)
}

/// Tokens live 100 s, and are renewed in the last 20.
fn renewing(change: impl FnOnce(&mut Policy)) -> World {
    Builder::signing(&hs256())
        .with(|policy| {
            (policy.expiry, policy.renew_before) = (100, Some(20));
            change(policy);
        })
        .serve()
}

fn say_at(world: &mut World, seconds: i64, minted: &Minted) -> Said {
    world.now = at(seconds * 1000);
    world.say_of(minted)
}

#[test]
fn rotation_is_due_in_the_last_part_of_a_life() {
    let mut world = renewing(|_| {});
    let first = world.issue(json!({"sub": "42"}));
    assert_eq!(say_at(&mut world, 79, &first), VALID);
    assert_eq!(say_at(&mut world, 80, &first), due(Expiring));
    assert_eq!(say_at(&mut world, 99, &first), due(Expiring));
    let second = world.rotate(&first);
    assert_eq!(second.expires_at, NOW + 199);
    assert_eq!(world.say_of(&second), VALID);
    assert_eq!(world.say_of(&first), due(Rotated));
    assert_eq!(say_at(&mut world, 100, &first), refused(Expired));
}

#[test]
fn nothing_is_renewed_unless_the_realm_says_so() {
    let mut world = plain();
    let token = world.issue(json!({}));
    let last = token.expires_at - NOW - 1;
    assert_eq!(say_at(&mut world, last, &token), VALID);
}

#[test]
fn a_session_in_use_outlives_its_first_token_and_ends_with_its_lifetime() {
    let mut world = renewing(|policy| policy.session_lifetime = Some(1000));
    let mut token = world.issue(json!({}));
    let mut renewals = 0;
    for second in 0..1000 {
        match say_at(&mut world, second, &token) {
            VALID => {}
            said => {
                assert_eq!(said, due(Expiring), "{second}");
                token = world.rotate(&token);
                renewals += 1;
            }
        }
        assert!(token.expires_at <= NOW + 1000, "no renewal goes past the session's end");
    }
    assert_eq!(renewals, 12, "80 s apart, and none for the token that lives to the end");
    assert_eq!(say_at(&mut world, 1000, &token), refused(Expired));
}

#[test]
fn a_token_that_lives_to_its_sessions_end_is_not_renewed() {
    let mut world = renewing(|policy| policy.session_lifetime = Some(50));
    let token = world.issue(json!({}));
    assert_eq!(token.expires_at, NOW + 50);
    assert_eq!(say_at(&mut world, 49, &token), VALID);
}

/// Else each request with a short-lived token would rotate it.
#[test]
fn no_token_is_renewed_in_the_first_half_of_its_life() {
    let mut world = renewing(|_| {});
    let token = world.try_issue(json!({}), Some(4)).unwrap();
    assert_eq!(say_at(&mut world, 1, &token), VALID);
    assert_eq!(say_at(&mut world, 2, &token), due(Expiring));
    let second = world.rotate(&token);
    assert_eq!(second.expires_at, NOW + 6, "it lives as long as the first one");
    assert_eq!(world.say_of(&second), VALID);
}

/// A token that lives longer than the realm's expiry is renewed only where its successor lives longer still.
#[test]
fn a_successor_that_would_end_sooner_is_not_due() {
    let mut world = renewing(|policy| policy.renew_before = Some(99));
    let token = world.try_issue(json!({}), Some(1000)).unwrap();
    assert_eq!(say_at(&mut world, 900, &token), VALID);
    assert_eq!(say_at(&mut world, 951, &token), due(Expiring));
    assert_eq!(world.rotate(&token).expires_at, NOW + 1051);
}

#[test]
fn a_token_without_iat_and_a_realm_without_a_key_renew_nothing() {
    let mut world = renewing(|policy| policy.require_iat = false);
    let token = world.forge_claims(&format!(r#"{{"exp":{},"jti":"a"}}"#, NOW + 50));
    world.now = at(49_000);
    assert_eq!(world.say(&token), VALID);

    let issued = renewing(|_| {}).issue(json!({}));
    let mut reader = Builder::validating(&hs256())
        .with(|policy| (policy.expiry, policy.renew_before) = (100, Some(20)))
        .serve();
    assert_eq!(say_at(&mut reader, 90, &issued), VALID);
}

#[test]
fn any_other_cause_comes_first() {
    let mut world = renewing(|_| {});
    let token = world.issue(json!({}));
    world.now = at(90_000);
    let jti = token.jti.to_string();
    world.flag(Flag::Jti(&jti));
    assert_eq!(world.say_of(&token), due(Flagged));
}

/// A realm whose browsers have lock cookies, and whose other clients have none.
fn by_cookie(world: &World) -> World {
    Builder::signing(&hs256())
        .with(|policy| {
            policy.cookie_lock = CookieLock::Optional;
            policy.rotate_on = RotateOn::Cookie;
            (policy.expiry, policy.renew_before) = (100, Some(20));
        })
        .version(Version::Number(2))
        .serve_by(&world.keeper)
}

#[test]
fn without_a_cookie_no_rotation_is_due_where_the_realm_rotates_by_cookie() {
    let unlocked = Builder::signing(&hs256()).with(|policy| policy.expiry = 100).serve();
    let service = unlocked.issue(json!({}));
    let mut world = by_cookie(&unlocked);
    assert_eq!(world.say(&service.token), VALID, "neither the version nor the lock");
    let jti = service.jti.to_string();
    world.flag(Flag::Jti(&jti));
    assert_eq!(world.say(&service.token), VALID, "nor the flag");
    world.now = at(90_000);
    assert_eq!(world.say(&service.token), VALID, "nor its end");

    // A browser's cookie, of an earlier session too, makes each of them due again.
    let cookie = "00112233445566778899aabbccddeeff";
    assert_eq!(world.say_with(&service.token, Some(cookie)), due(Flagged));
    for junk in ["", "x", "00112233445566778899aabbccddeef"] {
        assert_eq!(
            world.say_with(&service.token, Some(junk)),
            VALID,
            "{junk:?} is no lock cookie"
        );
    }
    let other = unlocked.issue(json!({}));
    assert_eq!(world.say_with(&other.token, Some(cookie)), due(StaleVersion));
}

#[test]
fn a_browsers_token_is_rotated_where_the_realm_rotates_by_cookie() {
    let mut world = by_cookie(&plain());
    let locked = world.issue(json!({}));
    assert_eq!(say_at(&mut world, 80, &locked), due(Expiring));
    let successor = world.rotate(&locked);
    assert_eq!(world.say_of(&locked), due(Rotated));
    assert_eq!(world.say_of(&successor), VALID);
}

/// A successor is there already: who presents the old token is led to it, cookie or not.
#[test]
fn a_token_that_was_rotated_leads_to_its_successor_without_a_cookie_too() {
    let unlocked = plain();
    let token = unlocked.issue(json!({}));
    let world = by_cookie(&unlocked);
    let cookie = "00112233445566778899aabbccddeeff";
    assert_ne!(
        world.say_with(&token.token, Some(cookie)),
        due(Unlocked),
        "the version comes first"
    );
    world.rotate(&token);
    assert_eq!(world.say(&token.token), due(Rotated));
}
