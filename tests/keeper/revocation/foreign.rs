//! Foreign issuers: their ids live in namespaces of their own, and their tokens may be of other types.

use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::keeper::{Refusal, Revoke};
use jwtkeeper_core::realm::{ForeignIssuer, OwnClaim};
use jwtkeeper_wire::Reason::{Malformed, Revoked};
use jwtkeeper_wire::{ErrorCode, State};
use serde_json::{Value, json};

use crate::configured::Directory;
use jwtkeeper_testkit::world::keys::{key, stranger};
use jwtkeeper_testkit::world::{Builder, JUST_NOW, NOW, VALID, World, refused};

const A: &str = "https://a.example.com";
const B: &str = "https://b.example.com";

/// A realm with two foreign issuers, each with a key of its own; `change` is made to the first.
fn world(change: impl FnOnce(&mut ForeignIssuer)) -> World {
    Builder::signing(&key(Algorithm::HS256))
        .with(|policy| {
            policy.foreign_issuers = vec![ForeignIssuer::new(A, true), ForeignIssuer::new(B, true)];
            policy.allow_overrides = vec![OwnClaim::Jti];
            change(&mut policy.foreign_issuers[0]);
        })
        .foreign(0, &stranger(Algorithm::ES256))
        .foreign(1, &stranger(Algorithm::ES384))
        .serve()
}

/// A token of an issuer with these claims beside the usual ones.
fn token(issuer: &str, claims: Value) -> String {
    typed(issuer, None, claims)
}

fn typed(issuer: &str, typ: Option<&str>, more: Value) -> String {
    let algorithm = if issuer == A {
        Algorithm::ES256
    } else {
        Algorithm::ES384
    };
    let mut header = json!({"alg": algorithm.name()});
    typ.into_iter().for_each(|typ| header["typ"] = json!(typ));
    let mut claims = json!({"iss": issuer, "iat": NOW, "exp": NOW + 60});
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    stranger(algorithm).sign(&header.to_string(), &claims.to_string())
}

fn revoke_in_hand(world: &World, token: &str) {
    let token = token.as_bytes();
    world.revoke(Revoke::Token { token, cookie: None });
}

#[test]
fn foreign_ids_never_reach_local_sessions() {
    for (jti, sid) in [(true, false), (false, true), (true, true)] {
        let world = world(|_| ());
        let ours = world.issue(json!({}));
        let id = ours.jti.to_string();
        let of = |same: bool| if same { &id } else { "another" };
        let theirs = token(A, json!({"jti": of(jti), "sid": of(sid)}));
        assert_eq!(world.say(&theirs), VALID);
        revoke_in_hand(&world, &theirs);
        assert_eq!(world.say(&theirs), refused(Revoked));
        assert_eq!(world.say(&ours.token), VALID);
        assert_eq!(world.say(&world.rotate(&ours).token), VALID);
    }
    let world = world(|_| ());
    let other = world.issue(json!({}));
    let id = other.jti.to_string();
    let theirs = token(A, json!({"jti": id, "sid": id}));
    revoke_in_hand(&world, &other.token);
    world.revoke(Revoke::Jti(&id));
    world.revoke(Revoke::Session(&id));
    assert_eq!(world.say(&other.token), refused(Revoked));
    assert_eq!(
        world.say(&theirs),
        VALID,
        "nor do local revocations reach foreign tokens"
    );
}

#[test]
fn foreign_ids_never_reach_another_issuer() {
    let world = world(|_| ());
    let [of_a, of_b] = [A, B].map(|issuer| token(issuer, json!({"jti": "1", "sid": "site-1"})));
    revoke_in_hand(&world, &of_a);
    assert_eq!(world.say(&of_a), refused(Revoked));
    assert_eq!(world.say(&of_b), VALID);
}

#[test]
fn foreign_token_in_hand_ends_its_session() {
    let world = world(|_| ());
    let token = |jti: &str, sid: Value| token(A, json!({"jti": jti, "sid": sid}));
    revoke_in_hand(&world, &token("1", json!("s")));
    assert_eq!(world.say(&token("2", json!("s"))), refused(Revoked), "the same session");
    assert_eq!(world.say(&token("3", json!("other"))), VALID);
    // A jti is no session of the issuer, nor the reverse.
    assert_eq!(world.say(&token("s", json!("other"))), VALID);
    revoke_in_hand(&world, &token("4", json!(null)));
    assert_eq!(world.say(&token("5", json!("4"))), VALID);
    // What is no string names no session.
    for sid in [json!(7), json!(["s"]), json!({"s": 1}), json!(true), json!("")] {
        revoke_in_hand(&world, &token("6", sid.clone()));
        assert_eq!(world.say(&token("7", sid.clone())), VALID, "{sid}");
    }
}

#[test]
fn foreign_ids_are_revoked_in_their_full_form() {
    let world = world(|_| ());
    let of = |jti: &str, sid: &str| token(A, json!({"jti": jti, "sid": sid}));
    world.revoke(Revoke::Jti(&format!("foreign|{A}|1")));
    assert_eq!(world.say(&of("1", "s")), refused(Revoked));
    assert_eq!(world.say(&of("2", "1")), VALID);
    assert_eq!(world.status(&format!("foreign|{A}|1")).state, State::Hard);
    world.revoke(Revoke::Session(&format!("foreign|{A}|s")));
    assert_eq!(world.say(&of("2", "s")), refused(Revoked));
    for id in ["foreign|", "foreign|a", "foreign||1"] {
        let refusal = world.try_revoke(Revoke::Session(id)).err().unwrap();
        assert_eq!(refusal.code(), ErrorCode::BadId, "{id}");
    }
    // No local token can have such an id.
    let id = format!("foreign|{A}|3");
    let forged = json!({"jti": id, "iat": NOW, "exp": NOW + 60}).to_string();
    assert_eq!(world.say(&world.forge_claims(&forged)), refused(Malformed));
    assert!(world.try_issue(json!({"jti": id}), None).is_err());
}

#[test]
fn typ_is_one_that_the_issuer_may_use() {
    let plain = world(|_| ());
    let access = world(|issuer| issuer.typ = vec!["jwt".to_owned(), "at+jwt".to_owned()]);
    let only = world(|issuer| issuer.typ = vec!["at+jwt".to_owned()]);
    let (yes, no) = (VALID, refused(Malformed));
    for (typ, by_default, both, alone) in [
        (None, &yes, &yes, &no),
        (Some("JWT"), &yes, &yes, &no),
        (Some("application/jwt"), &yes, &yes, &no),
        (Some("at+jwt"), &no, &yes, &yes),
        (Some("application/at+jwt"), &no, &yes, &yes),
        (Some("AT+JWT"), &no, &yes, &yes),
        (Some("secevent+jwt"), &no, &no, &no),
        (Some(""), &no, &no, &no),
    ] {
        let token = typed(A, typ, json!({"jti": "1"}));
        assert_eq!(plain.say(&token), *by_default, "{typ:?}");
        assert_eq!(access.say(&token), *both, "{typ:?}");
        assert_eq!(only.say(&token), *alone, "{typ:?}");
        let of_another = typed(B, typ, json!({"jti": "1"}));
        assert_eq!(access.say(&of_another), *by_default, "{typ:?} of another issuer");
    }
    let ours = json!({"jti": "1", "iat": NOW, "exp": NOW + 60}).to_string();
    for (typ, said) in [("application/jwt", yes), ("at+jwt", no)] {
        let header = json!({"alg": "HS256", "typ": typ}).to_string();
        assert_eq!(only.say(&only.forge(&header, &ours)), said, "{typ} of ours");
    }
}

#[test]
fn token_without_jti_is_revoked_by_subject_and_time() {
    let nameless = || token(A, json!({"sub": "u"}));
    assert_eq!(world(|_| ()).say(&nameless()), refused(Malformed));
    let lenient = || world(|issuer| issuer.require_jti = false);

    let world = lenient();
    assert_eq!(world.say(&nameless()), VALID);
    assert_eq!(
        world.say(&token(B, json!({"sub": "u"}))),
        refused(Malformed),
        "another issuer"
    );
    let in_hand = |token: &str| {
        let token = token.as_bytes();
        world.try_revoke(Revoke::Token { token, cookie: None })
    };
    assert!(matches!(in_hand(&nameless()), Err(Refusal::NoId)));
    world.revoke(Revoke::Subject("u", JUST_NOW));
    assert_eq!(world.say(&nameless()), refused(Revoked));
    assert_eq!(world.say(&token(A, json!({"sub": "v"}))), VALID);

    let world = lenient();
    world.revoke(Revoke::IssuedBefore(JUST_NOW));
    assert_eq!(world.say(&nameless()), refused(Revoked));

    // With a session it has something to be revoked by.
    let world = lenient();
    let of_session = |sub: &str| token(A, json!({"sub": sub, "sid": "s"}));
    revoke_in_hand(&world, &of_session("u"));
    assert_eq!(world.say(&of_session("v")), refused(Revoked));
    assert_eq!(world.say(&nameless()), VALID);
    assert_eq!(world.say(&token(A, json!({"jti": "1"}))), VALID);
    // The realm's own tokens need one whatever issuers may do.
    let ours = json!({"iat": NOW, "exp": NOW + 60}).to_string();
    assert_eq!(world.say(&world.forge_claims(&ours)), refused(Malformed));
}

#[tokio::test]
async fn typ_and_require_jti_are_settings_of_an_issuer() {
    let partner = serde_json::to_string(&stranger(Algorithm::ES256).verifying().public).unwrap();
    let directory = Directory::new()
        .file("secret", key(Algorithm::HS256).file())
        .file("partner", partner);
    let lines = format!(
        "algorithm = \"HS256\"\nsecret_file = \"secret\"\n[[realms.default.foreign_issuers]]\nissuer = \"{A}\"\n\
         algorithm = \"ES256\"\npublic_key_file = \"partner\"\n"
    );
    let access = || typed(A, Some("at+jwt"), json!({}));
    assert_eq!(directory.load(&lines).await.unwrap().say(&access()), refused(Malformed));
    let lenient = format!("{lines}typ = [\"JWT\", \"application/AT+jwt\"]\nrequire_jti = false\n");
    assert_eq!(directory.load(&lenient).await.unwrap().say(&access()), VALID);
    for typ in ["[]", "[\"\"]", "5"] {
        let fault = directory.load(&format!("{lines}typ = {typ}\n")).await.err().unwrap();
        assert!(fault.contains("foreign_issuers.typ must"), "{fault}");
    }
}
