//! What a rotation sets, and who goes on with it.

use jwtkeeper_core::realm::CookieLock;
use jwtkeeper_wire::Cause::{Rotated, Unlocked};
use serde_json::json;

use super::{KINDS, Kind};
use jwtkeeper_testkit::world::{VALID, due};

#[test]
fn a_rotation_sets_a_new_secret_and_the_old_token_goes_on_with_it() {
    for kind in KINDS {
        let world = kind.realm(CookieLock::Required);
        let old = world.issue(json!({"sub": "u"}));
        let new = world.rotate(&old);
        let (before, value) = (
            old.cookie.as_ref().unwrap().as_str(),
            new.cookie.as_ref().unwrap().as_str(),
        );
        let secret = &value[..32];
        assert_ne!(secret, before);
        assert_eq!(world.say_of(&new), VALID, "{kind:?}");
        assert_eq!(world.say_with(&new.token, Some(secret)), VALID, "{kind:?}");
        assert_ne!(
            world.say_with(&new.token, Some(before)),
            VALID,
            "{kind:?}: the old cookie is not the new token's"
        );
        assert_eq!(world.say_with(&old.token, Some(before)), due(Rotated), "{kind:?}");
        if kind == Kind::Concat {
            assert_eq!(value.len(), 32, "the gem reads one secret");
        } else {
            assert_eq!(value, format!("{secret}.{before}"));
            assert_eq!(
                world.say_with(&old.token, Some(value)),
                due(Rotated),
                "{kind:?}: another tab's old token"
            );
        }
        // The next rotation, with the cookie as it now is, keeps one old part and no more.
        let next = world.rotate(&new);
        let value = next.cookie.as_ref().unwrap();
        assert_eq!(
            value.split_once('.').map(|(_, old)| old),
            (kind != Kind::Concat).then_some(secret)
        );
        assert_eq!(world.say_of(&next), VALID, "{kind:?}");
    }
}

#[test]
fn an_unlocked_token_comes_back_locked() {
    for kind in KINDS {
        let world = kind.realm(CookieLock::Optional);
        let unlocked = kind.unlocked();
        assert_eq!(world.say(&unlocked), due(Unlocked));
        let rotated = world.try_rotate(&unlocked, None, None).unwrap();
        let new = rotated.unwrap();
        assert_eq!(
            new.cookie.as_ref().unwrap().len(),
            32,
            "{kind:?}: no old part where none was"
        );
        assert_eq!(world.say_of(&new), VALID, "{kind:?}");
        assert_ne!(world.say(&new.token), VALID, "{kind:?}");
    }
}
