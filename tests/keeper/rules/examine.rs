//! Examine: what administrators are told of a token, and that nothing is told of a forged one.

use jwtkeeper_core::keeper::Revoke;
use jwtkeeper_core::keyring::Effort;
use jwtkeeper_core::types::Millis;
use jwtkeeper_testkit::world::{self, JUST_NOW, MOMENT, World, at};
use jwtkeeper_wire::{Cause, Reason};
use serde_json::json;

/// The verdict on a token, its session and the start of that; or why its signature proves nothing.
fn examine(world: &World, token: &str) -> Result<(Result<Cause, Reason>, String, Millis), Reason> {
    let (mut buffer, mut effort) = (Vec::new(), Effort::default());
    let (keeper, served, token) = (&world.keeper, &world.served, token.as_bytes());
    let examined = keeper.examine(served, world.now, token, None, &mut buffer, &mut effort)?;
    let verdict = examined.verdict.map_err(|rejection| rejection.reason);
    Ok((verdict, examined.session.to_string(), examined.session_start))
}

#[test]
fn a_valid_token_its_session_and_the_start_of_that() {
    let world = world::plain();
    let first = world.issue(json!({"sub": "42"}));
    let id = first.jti.to_string();
    assert_eq!(examine(&world, &first.token), Ok((Ok(Cause::None), id.clone(), MOMENT)));
    let second = world.rotate(&first);
    assert_eq!(
        examine(&world, &second.token),
        Ok((Ok(Cause::None), id.clone(), MOMENT))
    );
    assert_eq!(examine(&world, &first.token), Ok((Ok(Cause::Rotated), id, MOMENT)));
}

#[test]
fn a_token_that_is_not_valid_any_more_is_still_told_of() {
    let mut world = world::plain();
    let minted = world.issue(json!({"sub": "42"}));
    let id = minted.jti.to_string();
    world.revoke(Revoke::Subject("42", JUST_NOW));
    let revoked = Err(Reason::Revoked);
    assert_eq!(examine(&world, &minted.token), Ok((revoked, id.clone(), MOMENT)));
    world.now = at(400 * 24 * 3600 * 1000);
    assert_eq!(examine(&world, &minted.token), Ok((Err(Reason::Expired), id, MOMENT)));
}

/// Examining a token counts no reuse and ends no session.
#[test]
fn a_reused_token_changes_nothing() {
    let mut world = world::plain();
    let first = world.issue(json!({}));
    let second = world.rotate(&first);
    world.now = at(3600 * 1000);
    assert_eq!(examine(&world, &first.token).unwrap().0, Err(Reason::Revoked));
    assert_eq!(examine(&world, &second.token).unwrap().0, Ok(Cause::None));
}

#[test]
fn a_forged_token_tells_nothing() {
    let world = world::plain();
    let token = world.issue(json!({})).token;
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{signed}.{first}{}", &signature[1..]);
    assert_eq!(examine(&world, &forged), Err(Reason::BadSignature));
    assert_eq!(examine(&world, "a.b"), Err(Reason::Malformed));
}
