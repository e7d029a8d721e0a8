//! Rotation: one successor for everyone who asks within the grace.

use jwtkeeper_core::jwt::{Algorithm, Version};
use jwtkeeper_core::keeper::{Minted, Refusal, Rejection};
use jwtkeeper_core::realm::{CookieLock, OwnClaim};
use jwtkeeper_wire::Cause::{None as NotDue, Rotated as WasRotated, StaleVersion};
use jwtkeeper_wire::Reason::{BadSignature, Expired, Revoked};
use serde_json::{Value, json};

use jwtkeeper_testkit::world::keys::{key, stranger};
use jwtkeeper_testkit::world::{Builder, NOW, Said, VALID, at, claims, due, plain, refused};

const GRACE: i64 = 30_000;

/// Two tokens with one jti share an entry in the denylist. The second must not become a token of the first one's subject.
#[test]
fn shared_jti_never_leads_to_the_successor_of_another_subject() {
    let builder = Builder::signing(&key(Algorithm::HS256)).with(|policy| policy.allow_overrides = vec![OwnClaim::Jti]);
    let world = builder.serve();
    let ours = world.issue(json!({"sub": "a", "jti": "same"}));
    let successor = world.rotate(&ours);
    for other in [json!({"sub": "b", "jti": "same"}), json!({"jti": "same"})] {
        let theirs = world.issue(other);
        let refusal = world.try_rotate(&theirs.token, None, None).err();
        assert!(matches!(refusal, Some(Refusal::SharedJti)), "{refusal:?}");
        assert_eq!(world.say_of(&theirs), due(WasRotated), "it stays valid");
    }
    assert_eq!(world.rotate(&ours).jti, successor.jti);
}

#[test]
fn everyone_gets_the_same_successor_within_the_grace() {
    for algorithm in Algorithm::ALL {
        for lock in [CookieLock::Off, CookieLock::Required] {
            let builder = Builder::signing(&key(algorithm)).with(|policy| policy.cookie_lock = lock);
            let mut world = builder.serve();
            let old = world.issue(json!({"sub": "u", "n": 1}));
            let first = world.rotate(&old);
            assert_ne!(first.jti, old.jti);
            for ms in [0, 1, GRACE / 2, GRACE - 1] {
                world.now = at(ms);
                assert_eq!(world.say_of(&old), due(WasRotated), "{algorithm}, {lock:?}, {ms} ms");
                let again = world.rotate(&old);
                assert_eq!(again.jti, first.jti);
                assert_eq!(again.claims, first.claims);
                assert!(again.cookie == first.cookie);
                assert_eq!(
                    again.token == first.token,
                    algorithm.deterministic(),
                    "{algorithm}: same bytes where they can be"
                );
                assert_eq!(world.say_of(&again), VALID);
            }
            // The grace is counted from the first rotation, and using it does not extend it.
            world.now = at(GRACE);
            assert_eq!(world.say_of(&old), refused(Revoked), "{algorithm}, {lock:?}");
            assert_eq!(world.rotate_refused(&old).reason, Revoked);
            assert_eq!(world.say_of(&first), VALID);
        }
    }
}

/// A rotation that is refused after it was decided, by the audit, by replicas or by a stalled disk, logs nobody out.
#[test]
fn a_successor_that_nobody_was_given_leaves_the_old_token_valid() {
    let mut world = plain();
    let old = world.issue(json!({}));
    world.hands_out = false;
    let decided = world.rotate(&old);
    for ms in [0, GRACE, 10 * GRACE, 1000 * GRACE] {
        world.now = at(ms);
        world.tick();
        assert_eq!(world.say(&old.token), due(WasRotated), "{ms} ms");
        assert_eq!(world.rotate(&old).jti, decided.jti, "{ms} ms");
    }
    world.hands_out = true;
    assert_eq!(world.rotate(&old).token, decided.token);
    world.now = at(1001 * GRACE - 1);
    assert_eq!(
        world.rotate(&old).token,
        decided.token,
        "handed out again, which moves no end"
    );
    world.now = at(1001 * GRACE);
    assert_eq!(world.say(&old.token), refused(Revoked));
    assert!(world.rejection(&old.token, None).unwrap().reuse.is_some());
}

#[test]
fn who_loses_the_race_gets_the_winners_claims() {
    let world = plain();
    let old = world.issue(json!({"sub": "u", "n": 1}));
    let rotate = |claims: Value| world.try_rotate(&old.token, None, Some(&claims)).unwrap().unwrap();
    let first = rotate(json!({"n": 2}));
    let second = rotate(json!({"n": 3}));
    assert_eq!(claims(&first)["n"], 2);
    assert_eq!(second.claims, first.claims);
}

#[test]
fn a_successor_keeps_session_and_subject_whatever_the_caller_says() {
    let mut world = plain();
    let first = world.issue(json!({"sub": "u", "role": "admin"}));
    assert!(claims(&first).get("jwtkeeper").is_none(), "the first token needs none");
    let mut old = first.jti.to_string();
    let mut token = first.token;
    for step in 0..4_i64 {
        world.now = at(step * 1000);
        let asked = json!({"sub": "someone else", "role": "user", "step": step});
        let new = world.try_rotate(&token, None, Some(&asked)).unwrap().unwrap();
        let new_claims = claims(&new);
        assert_eq!(new_claims["jwtkeeper"]["sid"], first.jti.to_string());
        assert_eq!(new_claims["sub"], "u");
        assert_eq!(new_claims["role"], "user");
        assert_eq!(new_claims["step"], step);
        assert_ne!(new_claims["jti"], old);
        (old, token) = (new.jti.to_string(), new.token);
    }
    let refusal = world.try_rotate(&token, None, Some(&json!({"jwtkeeper": "x"})));
    assert!(matches!(refusal, Err(Refusal::ReservedByDaemon("jwtkeeper"))));
}

#[test]
fn a_numeric_subject_stays_the_number_that_it_was() {
    let world = Builder::signing(&key(Algorithm::HS256))
        .with(|policy| policy.subject_claim = "uid".to_owned())
        .serve();
    for subject in [json!(77168), json!(-1), json!(u64::MAX), json!("77168")] {
        let old = world.issue(json!({"uid": subject}));
        let new = world
            .try_rotate(&old.token, None, Some(&json!({"uid": 5})))
            .unwrap()
            .unwrap();
        assert_eq!(claims(&new)["uid"], subject);
    }
    let none = world.issue(json!({}));
    let new = world
        .try_rotate(&none.token, None, Some(&json!({"uid": 5})))
        .unwrap()
        .unwrap();
    assert!(
        claims(&new).get("uid").is_none(),
        "a session without a subject gets none later"
    );
}

#[test]
fn without_new_claims_the_private_ones_are_carried_as_they_were() {
    let world = plain();
    let text = r#"{"big":123456789012345678901234567890,"f":1.50,"e":1E5,"o":{"b":1,"a":[1,2.0]},"u":"\u00e9 \ud83d\ude00","sub":"u"}"#;
    let old = world.mint(text, None).unwrap();
    let new = world.rotate(&old);
    for member in [
        r#""big":123456789012345678901234567890"#,
        r#""f":1.50"#,
        r#""e":1E5"#,
        r#""o":{"b":1,"a":[1,2.0]}"#,
        r#""u":"\u00e9 \ud83d\ude00""#,
    ] {
        assert!(old.claims.contains(member), "{member} in {}", old.claims);
        assert!(new.claims.contains(member), "{member} in {}", new.claims);
    }
}

#[test]
fn a_successor_lives_no_longer_than_the_old_token_did_or_than_expiry() {
    for (ttl, asked, lived) in [
        (Some(60), None, 60),
        (Some(60), Some(3600), 60),
        (Some(60), Some(30), 30),
        (Some(20 * 24 * 3600), None, 24 * 3600), // longer than expiry: the next one is not
        (None, None, 24 * 3600),
    ] {
        let mut world = plain();
        let old = world.try_issue(json!({}), ttl).unwrap();
        world.now = at(10_000);
        let exp = asked.map(|asked| json!({"exp": NOW + 10 + asked}));
        let new = world.try_rotate(&old.token, None, exp.as_ref()).unwrap().unwrap();
        let new_claims = claims(&new);
        assert_eq!(new_claims["iat"], NOW + 10);
        assert_eq!(new_claims["exp"], NOW + 10 + lived, "{ttl:?}, asked {asked:?}");
        assert_eq!(new.expires_at, NOW + 10 + lived);
    }
}

#[test]
fn a_stale_version_becomes_the_current_one_and_is_not_due_again() {
    let mut world = Builder::signing(&key(Algorithm::HS256))
        .version(Version::Number(1))
        .serve();
    let old = world.issue(json!({}));
    world.served.realm.version = Version::Number(2);
    assert_eq!(world.say(&old.token), due(StaleVersion));
    let new = world.rotate(&old);
    assert_eq!(claims(&new)["ver"], 2);
    assert_eq!(world.say(&new.token), VALID);
    // Another host that still has the old version does not rotate it back within the grace; a first token it would.
    let first = world.issue(json!({}));
    world.served.realm.version = Version::Number(1);
    assert_eq!(world.say(&first.token), due(StaleVersion));
    let born = i64::try_from(new.jti.birth().unwrap().0).unwrap() - i64::try_from(at(0).0).unwrap();
    for (ms, said) in [
        (born, VALID),
        (born + GRACE - 1, VALID),
        (born + GRACE, due(StaleVersion)),
    ] {
        world.now = at(ms);
        assert_eq!(world.say(&new.token), said, "{ms} ms");
    }
}

#[test]
fn what_is_not_valid_is_not_rotated() {
    let mut world = plain();
    let old = world.try_issue(json!({}), Some(60)).unwrap();
    let forged = stranger(Algorithm::HS256).sign(r#"{"alg":"HS256"}"#, &jwtkeeper_testkit::world::fewest());
    let say = |rotated: Result<Minted, Rejection>| match rotated {
        Ok(_) => Said::Valid(NotDue),
        Err(rejection) => Said::Invalid(rejection.reason),
    };
    assert_eq!(
        say(world.try_rotate(&forged, None, None).unwrap()),
        refused(BadSignature)
    );
    world.now = at(60_000);
    assert_eq!(say(world.try_rotate(&old.token, None, None).unwrap()), refused(Expired));
}

#[test]
fn a_session_lifetime_bounds_the_whole_login() {
    let mut world = Builder::signing(&key(Algorithm::HS256))
        .with(|policy| policy.session_lifetime = Some(100))
        .serve();
    let mut token = world.issue(json!({}));
    let birth = i64::try_from(token.jti.birth().unwrap().0).unwrap();
    let end = (birth + 100_000) / 1000;
    assert_eq!(token.expires_at, end);
    for step in 1..10 {
        world.now = at(step * 10_000);
        token = world.rotate(&token);
        assert_eq!(token.expires_at, end, "no rotation moves the end");
    }
    world.now = at(end * 1000 - 1 - birth);
    assert_eq!(world.say_of(&token), VALID);
    world.now = at(end * 1000 - birth);
    assert_eq!(world.say_of(&token), refused(Expired));

    // Switched on while a token lives that knows nothing of it.
    let mut world = plain();
    let token = world.issue(json!({}));
    world.served.realm.policy.session_lifetime = Some(100);
    world.now = at(99_999);
    assert_eq!(world.say(&token.token), VALID);
    world.now = at(100_000);
    assert_eq!(world.say(&token.token), refused(Expired));
}

#[test]
fn a_narrowed_audience_is_not_widened_by_a_rotation() {
    let overrides = vec![OwnClaim::Aud, OwnClaim::Ver];
    let world = Builder::signing(&key(Algorithm::HS256))
        .with(|policy| {
            policy.audience = vec!["a".to_owned(), "b".to_owned()];
            policy.allow_overrides = overrides;
        })
        .version(Version::Number(1))
        .serve();
    let old = world.issue(json!({"aud": "b", "ver": 7}));
    let new = world.rotate(&old);
    assert_eq!(claims(&new)["aud"], "b");
    assert_eq!(claims(&new)["ver"], 1, "but ver is the current one");
    let other = world.issue(json!({"aud": "b"}));
    let asked = world
        .try_rotate(&other.token, None, Some(&json!({"x": 1})))
        .unwrap()
        .unwrap();
    assert_eq!(claims(&asked)["aud"], "b", "nor by new claims that do not speak of it");
    let other = world.issue(json!({"aud": "b"}));
    let asked = world
        .try_rotate(&other.token, None, Some(&json!({"aud": ["a", "b"]})))
        .unwrap()
        .unwrap();
    assert_eq!(claims(&asked)["aud"], json!(["a", "b"]), "only by new claims that do");
    // Where nobody may override it, it is the realm's: as it is now.
    let mut world = Builder::signing(&key(Algorithm::HS256))
        .with(|policy| policy.audience = vec!["a".to_owned()])
        .serve();
    let old = world.issue(json!({}));
    world.served.realm.policy.audience.push("b".to_owned());
    assert_eq!(claims(&world.rotate(&old))["aud"], json!(["a", "b"]));
}

#[test]
fn a_realm_that_only_validates_rotates_nothing() {
    let owner = Builder::signing(&key(Algorithm::ES256)).serve();
    let old = owner.issue(json!({}));
    let world = Builder::validating(&key(Algorithm::ES256)).serve();
    assert!(matches!(
        world.try_rotate(&old.token, None, None),
        Err(Refusal::ValidateOnly)
    ));
}
