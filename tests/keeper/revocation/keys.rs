//! Keys that changed: retired ones, and those of foreign issuers.

use jwtkeeper_core::jwt::{Algorithm, Version};
use jwtkeeper_core::keeper::{Refusal, Revoke};
use jwtkeeper_core::realm::{CookieLock, ForeignIssuer};
use jwtkeeper_wire::Cause::{RetiredKey, Rotated};
use jwtkeeper_wire::Reason::{AlgorithmNotAllowed, BadSignature, Revoked, WrongAudience, WrongIssuer};
use serde_json::json;

use jwtkeeper_testkit::world::keys::{key, stranger};
use jwtkeeper_testkit::world::{Builder, NOW, VALID, World, at, claims, due, refused};

#[test]
fn a_planned_rollover_logs_no_one_out() {
    for (before, after) in [
        (Algorithm::HS512, Algorithm::ES256),
        (Algorithm::HS256, Algorithm::HS512),
        (Algorithm::RS256, Algorithm::PS256),
        (Algorithm::ES256, Algorithm::EdDSA),
        (Algorithm::ES384, Algorithm::HS384),
    ] {
        for lock in [CookieLock::Off, CookieLock::Optional, CookieLock::Required] {
            let old_world = Builder::signing(&key(before))
                .with(|policy| policy.cookie_lock = lock)
                .serve();
            let old = old_world.issue(json!({"sub": "u"}));
            let next = stranger(after);
            let world = Builder::signing(&next)
                .retired(&key(before))
                .with(|policy| policy.cookie_lock = lock)
                .serve();
            assert_eq!(world.say_of(&old), due(RetiredKey), "{before} to {after}, {lock:?}");
            let new = world.rotate(&old);
            assert_eq!(claims(&new)["jwtkeeper"]["sid"], old.jti.to_string());
            assert_eq!(world.say_of(&new), VALID, "{before} to {after}, {lock:?}");
            let alone = Builder::signing(&next).with(|policy| policy.cookie_lock = lock).serve();
            assert_eq!(alone.say_of(&new), VALID, "by the new key alone");
            assert_ne!(alone.say_of(&old), VALID, "nothing else keeps an old key alive");
        }
    }
}

#[test]
fn a_retired_key_of_the_same_algorithm_signs_nothing_new() {
    let (old_key, new_key) = (key(Algorithm::HS256), stranger(Algorithm::HS256));
    let world = Builder::signing(&new_key).retired(&old_key).serve();
    let minted = world.issue(json!({}));
    assert_eq!(Builder::signing(&new_key).serve().say(&minted.token), VALID);
    assert_eq!(
        Builder::signing(&old_key).serve().say(&minted.token),
        refused(BadSignature)
    );
}

#[test]
fn a_recorded_successor_is_made_again_by_the_key_that_signed_it() {
    for algorithm in [Algorithm::HS256, Algorithm::EdDSA, Algorithm::ES256] {
        let lock = CookieLock::Required;
        let before = Builder::signing(&key(algorithm))
            .with(|policy| policy.cookie_lock = lock)
            .serve();
        let old = before.issue(json!({}));
        let first = before.rotate(&old);
        // The key is retired within the grace, by a reload.
        let next = stranger(Algorithm::HS512);
        let after = Builder::signing(&next)
            .retired(&key(algorithm))
            .with(|policy| policy.cookie_lock = lock);
        let after = after.serve_by(&before.keeper);
        assert_eq!(after.say_of(&old), due(Rotated), "{algorithm}");
        let again = after.rotate(&old);
        assert_eq!(
            (again.jti.clone(), again.claims.clone()),
            (first.jti.clone(), first.claims.clone())
        );
        assert!(again.cookie == first.cookie);
        assert_eq!(
            after.say_of(&again),
            VALID,
            "{algorithm}: young enough not to be due at once"
        );
        // Gone altogether, it cannot be: an error, and never a second successor.
        let gone = Builder::signing(&next).serve_by(&before.keeper);
        assert_ne!(gone.say_of(&old), VALID);
    }
}

#[test]
fn a_young_successor_of_a_retired_key_is_not_due() {
    let (old_key, new_key) = (key(Algorithm::HS256), stranger(Algorithm::HS256));
    let before = Builder::signing(&old_key).serve();
    let first = before.issue(json!({}));
    let successor = before.rotate(&first);
    let mut world = Builder::signing(&new_key).retired(&old_key).serve_by(&before.keeper);
    assert_eq!(
        world.say(&successor.token),
        VALID,
        "another host has not changed over yet"
    );
    world.now = at(31_000);
    assert_eq!(world.say(&successor.token), due(RetiredKey));
}

const THEIRS: &str = "https://other.example.com";

fn with_foreign(own_key: bool) -> Builder {
    let builder = Builder::signing(&key(Algorithm::HS256)).with(|policy| {
        policy.issuer = Some("ours".to_owned());
        policy.audience = vec!["a".to_owned()];
        policy.foreign_issuers = vec![ForeignIssuer::new(THEIRS, own_key)];
    });
    if own_key {
        builder.foreign(0, &stranger(Algorithm::ES256))
    } else {
        builder
    }
}

fn foreign_claims(iss: &str) -> String {
    format!(
        r#"{{"exp":{},"jti":"f","iss":"{iss}","aud":"a","sub":"u","ver":9}}"#,
        NOW + 60
    )
}

#[test]
fn a_foreign_token_is_validated_and_never_rotated() {
    let header = r#"{"alg":"ES256"}"#;
    for own_key in [true, false] {
        let mut world: World = with_foreign(own_key).version(Version::Number(1)).serve();
        world.served.realm.policy.cookie_lock = CookieLock::Required;
        let theirs = if own_key {
            stranger(Algorithm::ES256).sign(header, &foreign_claims(THEIRS))
        } else {
            world.forge_claims(&foreign_claims(THEIRS))
        };
        assert_eq!(
            world.say(&theirs),
            VALID,
            "no version, lock or flag of ours makes it due"
        );
        world.flag(jwtkeeper_core::keeper::Flag::Jti("f"));
        assert_eq!(world.say(&theirs), VALID);
        assert!(matches!(
            world.try_rotate(&theirs, None, None),
            Err(Refusal::ForeignToken)
        ));
        world.revoke(Revoke::Jti(&format!("foreign|{THEIRS}|f")));
        assert_eq!(world.say(&theirs), refused(Revoked), "but it can be revoked here");
        let no_audience = format!(r#"{{"exp":{},"jti":"g","iss":"{THEIRS}"}}"#, NOW + 60);
        let token = if own_key {
            stranger(Algorithm::ES256).sign(header, &no_audience)
        } else {
            world.forge_claims(&no_audience)
        };
        assert_eq!(world.say(&token), refused(WrongAudience));
    }
}

#[test]
fn nobody_signs_under_anothers_name() {
    let world = with_foreign(true).serve();
    let header = r#"{"alg":"ES256"}"#;
    let foreign = stranger(Algorithm::ES256);
    // A foreign key for us, for a third party, for nobody; our key for them.
    for iss in ["ours", "https://third.example.com", ""] {
        assert_eq!(
            world.say(&foreign.sign(header, &foreign_claims(iss))),
            refused(WrongIssuer),
            "{iss}"
        );
    }
    let nameless = format!(r#"{{"exp":{},"jti":"f","aud":"a"}}"#, NOW + 60);
    assert_eq!(world.say(&foreign.sign(header, &nameless)), refused(WrongIssuer));
    assert_eq!(
        world.say(&world.forge_claims(&foreign_claims(THEIRS))),
        refused(WrongIssuer)
    );
    // Where the realm has no issuer of its own, too.
    let mut world = with_foreign(true).serve();
    world.served.realm.policy.issuer = None;
    assert_eq!(world.say(&foreign.sign(header, &nameless)), refused(WrongIssuer));
    assert_eq!(
        world.say(&world.forge_claims(&foreign_claims(THEIRS))),
        refused(WrongIssuer)
    );
    // An issuer that is not known is none, and its key neither.
    let world = with_foreign(false).serve();
    assert_eq!(
        world.say(&world.forge_claims(&foreign_claims("x"))),
        refused(WrongIssuer)
    );
    assert_eq!(
        world.say(&foreign.sign(header, &foreign_claims(THEIRS))),
        refused(AlgorithmNotAllowed)
    );
}
