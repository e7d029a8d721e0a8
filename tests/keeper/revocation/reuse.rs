//! A rotated token after its grace: someone kept it, or stole it.

use futures_util::FutureExt;
use jwtkeeper_core::denylist::{Change, Kind, Revocation};
use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::keeper::Revoke;
use jwtkeeper_core::realm::OnReuse;
use jwtkeeper_wire::Cause;
use jwtkeeper_wire::Reason::Revoked;
use serde_json::json;

use jwtkeeper_testkit::world::keys::key;
use jwtkeeper_testkit::world::{Builder, VALID, World, at, due, plain, refused};

#[test]
fn reuse_is_told_by_validate_and_rotate_and_names_the_session() {
    let mut world = plain();
    let first = world.issue(json!({}));
    let second = world.rotate(&first);
    world.now = at(10_000);
    let third = world.rotate(&second);
    world.now = at(21_999);
    assert!(world.rejection(&first.token, None).is_none(), "the grace is not over");
    world.now = at(40_000);
    for token in [&first, &second] {
        let rejection = world.rejection(&token.token, None).unwrap();
        let reuse = rejection.reuse.expect("reuse");
        assert_eq!(
            (rejection.reason, reuse.jti, reuse.session),
            (Revoked, token.jti.clone(), first.jti.clone())
        );
        let Err(rejection) = world.try_rotate(&token.token, None, None).unwrap() else {
            panic!("a second successor")
        };
        assert_eq!(rejection.reuse.expect("reuse").session, first.jti);
    }
    assert_eq!(world.say(&third.token), VALID, "reported, and nothing more");
    // What is revoked anyway is no reuse.
    world.revoke(Revoke::Jti(&first.jti.to_string()));
    assert!(world.rejection(&first.token, None).unwrap().reuse.is_none());
}

#[test]
fn a_reused_token_is_told_of_whatever_became_of_its_successors() {
    let mut world = plain();
    let first = world.issue(json!({}));
    let second = world.rotate(&first);
    // Its own entry alone, as a gem writes it: `revoke --jti` would end the session, and reuse would not be told.
    let until = second.expires_at;
    world.apply(Change::raise(vec![Revocation::hard(
        Kind::Token,
        second.jti.clone(),
        until,
    )]));
    assert_eq!(world.say(&first.token), refused(Revoked), "in the grace");
    assert!(world.rejection(&first.token, None).unwrap().reuse.is_none());
    world.now = at(30_000);
    for rejection in [
        world.rejection(&first.token, None).unwrap(),
        world.rotate_refused(&first),
    ] {
        assert_eq!(rejection.reason, Revoked);
        assert!(rejection.reuse.is_some(), "who presents it now had it kept");
    }
}

/// Inside its grace, a token is used up once its successor was rotated too, and no request with it can be under way: 10 s
/// later, and the clocks' difference.
#[test]
fn a_token_whose_successor_was_rotated_is_reused_inside_its_grace() {
    const UNDER_WAY: i64 = 10_000 + 2000;
    let mut world = plain();
    let first = world.issue(json!({}));
    let second = world.rotate(&first);
    world.now = at(5_000);
    let third = world.rotate(&second);
    // Tabs and retries: whoever asked before the second rotation was heard of, or soon after, gets the same successor.
    for ms in [5_000, 5_000 + UNDER_WAY - 1] {
        world.now = at(ms);
        assert_eq!(world.say(&first.token), due(Cause::Rotated), "{ms} ms");
        assert_eq!(world.rotate(&first).jti, second.jti, "{ms} ms");
    }
    world.now = at(5_000 + UNDER_WAY);
    let reuse = world.rejection(&first.token, None).unwrap().reuse.expect("reuse");
    assert_eq!((&reuse.jti, &reuse.session), (&first.jti, &first.jti));
    assert!(world.rotate_refused(&first).reuse.is_some());
    // The second is still in its grace: its successor was not rotated.
    assert_eq!(world.say(&second.token), due(Cause::Rotated));
    assert_eq!(world.say(&third.token), VALID);
}

#[test]
fn a_successor_whose_own_rotation_reached_nobody_is_no_sign_of_reuse() {
    let mut world = plain();
    let first = world.issue(json!({}));
    let second = world.rotate(&first);
    world.hands_out = false;
    world.rotate(&second);
    world.now = at(29_999);
    assert_eq!(world.say(&first.token), due(Cause::Rotated));
}

/// Another grace since does not end one that was longer or shorter early.
#[test]
fn a_changed_grace_makes_no_reuse() {
    let mut world = plain();
    let first = world.issue(json!({}));
    let second = world.rotate(&first);
    world.rotate(&second);
    world.served.realm.policy.rotation_grace_ms = 3_600_000;
    world.now = at(9_000);
    assert_eq!(world.say(&first.token), due(Cause::Rotated));
}

fn reused(on_reuse: OnReuse) -> (World, String) {
    let mut world = Builder::signing(&key(Algorithm::HS256))
        .with(|policy| policy.on_reuse = on_reuse)
        .serve();
    let first = world.issue(json!({}));
    let second = world.rotate(&first);
    world.now = at(30_000);
    let reuse = world.rejection(&first.token, None).unwrap().reuse.unwrap();
    world
        .keeper
        .on_reuse(&world.served, world.now, &reuse)
        .now_or_never()
        .unwrap()
        .unwrap();
    (world, second.token)
}

#[test]
fn on_reuse_ends_the_session_where_the_realm_says_so() {
    let (world, current) = reused(OnReuse::Report);
    assert_eq!(world.say(&current), VALID);
    let (world, current) = reused(OnReuse::RevokeSession);
    assert_eq!(world.say(&current), refused(Revoked));
}

#[test]
fn an_expired_token_is_expired_and_no_reuse() {
    let mut world = plain();
    let first = world.try_issue(json!({}), Some(60)).unwrap();
    world.rotate(&first);
    world.now = at(60_000);
    let rejection = world.rejection(&first.token, None).unwrap();
    assert_eq!(rejection.reason, jwtkeeper_wire::Reason::Expired);
    assert!(rejection.reuse.is_none());
}
