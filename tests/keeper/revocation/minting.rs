//! Whose claims are whose, and how long a token may live: what issue takes, refuses, and adds.

use jwtkeeper_core::jwt::{Algorithm, Version};
use jwtkeeper_core::keeper::Refusal;
use jwtkeeper_core::realm::OwnClaim;
use jwtkeeper_wire::{ErrorCode, Reason};
use serde_json::{Value, json};

use jwtkeeper_testkit::world::keys::key;
use jwtkeeper_testkit::world::{Builder, NOW, VALID, World, claims, plain};

fn realm() -> Builder {
    Builder::signing(&key(Algorithm::HS256))
        .with(|policy| {
            policy.issuer = Some("i".to_owned());
            policy.audience = vec!["a".to_owned(), "b".to_owned()];
        })
        .version(Version::Text("v".into()))
}

fn refusal(world: &World, claims: &str, ttl: Option<u64>) -> Refusal {
    match world.mint(claims, ttl) {
        Ok(minted) => panic!("{claims} was minted as {}", minted.claims),
        Err(refusal) => refusal,
    }
}

#[test]
fn the_realms_claims_come_from_the_realm() {
    let world = realm().serve();
    let minted = world.issue(json!({"sub": "u"}));
    let all = claims(&minted);
    assert_eq!(all["iss"], "i");
    assert_eq!(all["aud"], json!(["a", "b"]));
    assert_eq!(all["ver"], "v");
    assert_eq!((all["iat"].clone(), all["nbf"].clone()), (json!(NOW), json!(NOW)));
    assert_eq!(all["exp"], NOW + 24 * 3600);
    assert_eq!(all["jti"], minted.jti.to_string());
    assert!(minted.jti.birth().is_some());
    // What the realm does not have is left out, not null.
    let bare = claims(&plain().issue(Value::Null));
    let names: Vec<_> = bare.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["exp", "iat", "jti", "nbf"]);
    let one = realm().with(|policy| policy.audience = vec!["a".to_owned()]).serve();
    assert_eq!(claims(&one.issue(json!({})))["aud"], "a");
}

#[test]
fn reserved_claims_are_refused_by_name() {
    let world = realm().serve();
    for claim in OwnClaim::ALL {
        for value in [r#""x""#, "1", "null"] {
            let refusal = refusal(&world, &format!(r#"{{"{}":{value}}}"#, claim.name()), None);
            assert!(match refusal {
                Refusal::ReservedByRealm(name) => name == claim.name(),
                Refusal::IssuerIsFixed => claim == OwnClaim::Iss,
                _ => false,
            });
            assert_eq!(refusal.code(), ErrorCode::ReservedClaim);
            assert!(refusal.to_string().contains(claim.name()));
        }
    }
    let open = realm()
        .with(|policy| policy.allow_overrides = OwnClaim::ALL.to_vec())
        .serve();
    for world in [&world, &open] {
        let refusal = refusal(world, r#"{"jwtkeeper":{"sid":"x"}}"#, None);
        assert!(matches!(refusal, Refusal::ReservedByDaemon("jwtkeeper")));
    }
    // An escaped name is the same name.
    assert!(matches!(
        refusal(&world, r#"{"\u0069at":1}"#, None),
        Refusal::ReservedByRealm("iat")
    ));
}

#[test]
fn overrides_are_taken_one_by_one_and_judged_as_validate_would() {
    for (claim, value, taken) in [
        (OwnClaim::Iss, json!("i"), true),
        (OwnClaim::Iss, json!("x"), false),
        (OwnClaim::Iss, json!(null), false),
        (OwnClaim::Aud, json!("b"), true),
        (OwnClaim::Aud, json!(["x", "a"]), true),
        (OwnClaim::Aud, json!("x"), false),
        (OwnClaim::Aud, json!(5), false),
        (OwnClaim::Nbf, json!(NOW - 5), true),
        (OwnClaim::Nbf, json!(NOW + 2), true),
        (OwnClaim::Nbf, json!(NOW + 3), false),
        (OwnClaim::Iat, json!(NOW - 1), true),
        (OwnClaim::Iat, json!(NOW - 28 * 24 * 3600), true),
        (OwnClaim::Iat, json!(NOW - 29 * 24 * 3600 - 1), false),
        (OwnClaim::Iat, json!(NOW + 100), false),
        (OwnClaim::Iat, json!(0), false), // it would have lived too long
        (OwnClaim::Iat, json!("now"), false),
        (OwnClaim::Jti, json!("mine"), true),
        (OwnClaim::Jti, json!(""), false),
        (OwnClaim::Jti, json!(7), false),
        (OwnClaim::Jti, json!("j".repeat(1025)), false),
        (OwnClaim::Ver, json!("other"), true),
    ] {
        let world = realm().with(|policy| policy.allow_overrides = vec![claim]).serve();
        let wanted = json!({claim.name(): value});
        match world.try_issue(wanted.clone(), None) {
            Ok(minted) => {
                assert!(taken, "{wanted}");
                assert_eq!(claims(&minted)[claim.name()], value);
                assert_ne!(
                    world.say(&minted.token),
                    jwtkeeper_testkit::world::refused(Reason::Revoked)
                );
            }
            Err(Refusal::DeadOnArrival(reason)) => assert!(!taken, "{wanted}: {reason}"),
            Err(other) => panic!("{wanted}: {other}"),
        }
        let other = OwnClaim::ALL.into_iter().find(|other| *other != claim).unwrap();
        assert!(matches!(
            world.try_issue(json!({other.name(): "x"}), None),
            Err(Refusal::ReservedByRealm(_))
        ));
    }
}

#[test]
fn a_backdated_token_starts_a_session_now() {
    let mut world = realm()
        .with(|policy| policy.allow_overrides = vec![OwnClaim::Iat])
        .serve();
    let token = world.issue(json!({"iat": NOW - 86_400, "sub": "u"}));
    assert_eq!(world.say(&token.token), VALID);
    world.now = jwtkeeper_testkit::world::at(10_000);
    let before = jwtkeeper_core::keeper::Before::At(jwtkeeper_testkit::world::at(-3000));
    world.revoke(jwtkeeper_core::keeper::Revoke::Subject("u", before));
    assert_eq!(world.say(&token.token), VALID, "its session began later");
    world.revoke(jwtkeeper_core::keeper::Revoke::Subject(
        "u",
        jwtkeeper_testkit::world::JUST_NOW,
    ));
    assert_eq!(
        world.say(&token.token),
        jwtkeeper_testkit::world::refused(Reason::Revoked)
    );
}

#[test]
fn an_issuer_is_the_callers_where_the_realm_has_none() {
    let world = realm()
        .with(|policy| (policy.issuer, policy.allow_overrides) = (None, vec![OwnClaim::Iss]))
        .serve();
    assert_eq!(world.say(&world.issue(json!({"iss": "theirs"})).token), VALID);
}

#[test]
fn a_revoked_jti_is_not_minted_again() {
    let world = realm()
        .with(|policy| policy.allow_overrides = vec![OwnClaim::Jti])
        .serve();
    world.revoke(jwtkeeper_core::keeper::Revoke::Jti("mine"));
    let refusal = world.try_issue(json!({"jti": "mine"}), None).err().unwrap();
    assert!(matches!(refusal, Refusal::DeadOnArrival(Reason::Revoked)));
}

#[test]
fn a_token_lives_as_long_as_the_caller_says_up_to_the_maximum() {
    let world = realm()
        .with(|policy| policy.max_lifetime = 1000)
        .with(|policy| policy.expiry = 500)
        .serve();
    assert_eq!(world.issue(json!({})).expires_at, NOW + 500);
    for span in [1, 500, 1000] {
        assert_eq!(
            world.try_issue(json!({}), Some(span as u64)).unwrap().expires_at,
            NOW + span
        );
        let minted = world.issue(json!({"exp": NOW + span}));
        assert_eq!(minted.expires_at, NOW + span);
        assert_eq!(world.say(&minted.token), VALID);
    }
    for span in [1001, 1 << 40, u64::MAX] {
        assert!(
            matches!(
                refusal(&world, "", Some(span)),
                Refusal::LifetimeTooLong { max: 1000, .. }
            ),
            "{span}"
        );
    }
    assert!(matches!(
        refusal(&world, &format!(r#"{{"exp":{}}}"#, NOW + 1001), None),
        Refusal::LifetimeTooLong { .. }
    ));
    assert!(matches!(
        refusal(&world, r#"{"exp":9223372036854775807}"#, None),
        Refusal::LifetimeTooLong { .. }
    ));
    assert!(matches!(
        refusal(&world, "", Some(0)),
        Refusal::ClaimValue { claim: "exp", .. }
    ));
    assert!(matches!(
        refusal(&world, &format!(r#"{{"exp":{}}}"#, NOW + 5), Some(5)),
        Refusal::ClaimValue { .. }
    ));
    for exp in [
        &NOW.to_string(),
        "0",
        "-1",
        "null",
        r#""1700000060""#,
        "1700000060.5",
        "1e300",
        "[]",
        "99999999999999999999",
    ] {
        let refusal = refusal(&world, &format!(r#"{{"exp":{exp}}}"#), None);
        assert!(
            matches!(refusal, Refusal::ClaimValue { claim: "exp", .. }),
            "{exp}: {refusal}"
        );
    }
}

#[test]
fn claims_that_validate_would_refuse_are_not_minted() {
    let world = plain();
    for claims in [
        "x",
        "[]",
        "null",
        "\"a\"",
        "{",
        "{}x",
        "{\"a\":1,\"a\":2}",
        "{\"a\":{\"b\":1,\"\\u0062\":2}}",
        "{\"a\":1e400}",
        "\u{feff}{}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":NaN}",
        "{'a':1}",
    ] {
        let refusal = refusal(&world, claims, None);
        assert!(matches!(refusal, Refusal::ClaimsForm(_)), "{claims}: {refusal}");
        assert_eq!(refusal.code(), ErrorCode::BadClaims);
    }
    for claims in [r#"{"sub":1.5}"#, r#"{"sub":null}"#, r#"{"sub":["u"]}"#] {
        assert!(
            matches!(refusal(&world, claims, None), Refusal::DeadOnArrival(Reason::Malformed)),
            "{claims}"
        );
    }
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(5000), "]".repeat(5000));
    assert!(matches!(refusal(&world, &deep, None), Refusal::ClaimsForm(_)));
}
