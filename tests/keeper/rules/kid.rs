//! `kid`: a name picks one key; a key without a name accepts any; no name leads outside the realm's own keys.

use std::time::{Duration, Instant};

use jwtkeeper_core::jwt::{Algorithm, Compact};
use jwtkeeper_core::keyring::{Keyring, PrivateFile, Role, load_private, load_public};
use jwtkeeper_core::realm::ForeignIssuer;
use jwtkeeper_wire::Cause;
use jwtkeeper_wire::Reason::{AlgorithmNotAllowed, BadSignature, Malformed, UnknownKey};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::configured::Directory;
use jwtkeeper_testkit::world::keys::{Key, key, stranger};
use jwtkeeper_testkit::world::{Builder, NOW, VALID, World, due, fewest, plain, refused};

const HOSTILE: [&str; 7] = [
    "",
    "1",
    "../../../../dev/null",
    "/etc/passwd",
    "x' UNION SELECT 'key",
    "a\r\nb",
    "\u{0}",
];

fn header(alg: Algorithm, kid: &str) -> String {
    json!({"alg": alg.name(), "kid": kid}).to_string()
}

fn named(key: &Key, name: &str) -> PrivateFile {
    let mut file = key.private();
    file.signing.rename(name).unwrap();
    file
}

fn world(signing: PrivateFile, retired: Option<PrivateFile>) -> World {
    let mut keyring = Keyring::default();
    keyring.add_signing(signing);
    retired.into_iter().for_each(|file| keyring.add_retired(file));
    Builder::with_keys(keyring).serve()
}

fn kid_of(token: &str) -> Value {
    let mut buffer = Vec::new();
    let compact = Compact::parse(token.as_bytes(), None, &mut buffer).unwrap();
    compact.header().unwrap().kid.into()
}

#[test]
fn unnamed_keys_accept_any_kid() {
    let long = "k".repeat(4000);
    for algorithm in Algorithm::ALL {
        let world = Builder::signing(&key(algorithm)).serve();
        for kid in HOSTILE.into_iter().chain([long.as_str(), "key-1"]) {
            let theirs = world.forge(&header(algorithm, kid), &fewest());
            assert_eq!(world.say(&theirs), VALID, "{algorithm} {kid:.40}");
            let forged = stranger(algorithm).sign(&header(algorithm, kid), &fewest());
            assert_eq!(world.say(&forged), refused(BadSignature), "{algorithm} {kid:.40}");
        }
    }
    let world = plain();
    for kid in ["1", "null", "[]", "{}", "true"] {
        let header = format!(r#"{{"alg":"HS256","kid":{kid}}}"#);
        assert_eq!(world.say(&world.forge(&header, &fewest())), refused(Malformed), "{kid}");
    }
}

#[test]
fn unnamed_keys_are_tried_in_order() {
    let (current, retired) = (key(Algorithm::HS256), stranger(Algorithm::HS256));
    let world = Builder::signing(&current).retired(&retired).serve();
    let header = header(Algorithm::HS256, "key-1");
    assert_eq!(world.say(&current.sign(&header, &fewest())), VALID);
    assert_eq!(world.say(&retired.sign(&header, &fewest())), due(Cause::RetiredKey));
}

#[test]
fn named_key_accepts_its_own_kid_or_none() {
    for algorithm in [Algorithm::HS256, Algorithm::ES256, Algorithm::EdDSA] {
        let key = key(algorithm);
        let world = world(named(&key, "key-1"), None);
        assert_eq!(world.say(&key.sign(&header(algorithm, "key-1"), &fewest())), VALID);
        let without = json!({"alg": algorithm.name()}).to_string();
        assert_eq!(world.say(&key.sign(&without, &fewest())), VALID);
        for kid in HOSTILE.into_iter().chain(["key-2", "KEY-1", "key-1 "]) {
            let theirs = key.sign(&header(algorithm, kid), &fewest());
            assert_eq!(world.say(&theirs), refused(UnknownKey), "{algorithm} {kid}");
        }
    }
}

#[test]
fn kid_picks_exactly_the_key_that_it_names() {
    let (one, other) = (key(Algorithm::HS256), stranger(Algorithm::HS256));
    let of = |key: &Key, kid: &str| key.sign(&header(Algorithm::HS256, kid), &fewest());
    let both = world(named(&one, "one"), Some(named(&other, "other")));
    assert_eq!(both.say(&of(&one, "one")), VALID);
    assert_eq!(both.say(&of(&other, "other")), due(Cause::RetiredKey));
    assert_eq!(both.say(&of(&one, "other")), refused(BadSignature));
    assert_eq!(both.say(&of(&other, "one")), refused(BadSignature));
    assert_eq!(both.say(&of(&one, "third")), refused(UnknownKey));
    // Beside a named key, an unnamed one accepts every name but that one.
    let mixed = world(named(&one, "one"), Some(other.private()));
    assert_eq!(mixed.say(&of(&other, "third")), due(Cause::RetiredKey));
    assert_eq!(mixed.say(&of(&other, "one")), refused(BadSignature));
    assert_eq!(mixed.say(&of(&one, "third")), refused(BadSignature));
}

#[test]
fn thumbprint_names_a_public_key() {
    let (current, retired) = (key(Algorithm::ES256), stranger(Algorithm::ES384));
    let world = Builder::signing(&current).retired(&retired).serve();
    let kid = |key: &Key| key.verifying().kid().unwrap().to_owned();
    let own = header(Algorithm::ES256, &kid(&current));
    assert_eq!(world.say(&current.sign(&own, &fewest())), VALID);
    let theirs = header(Algorithm::ES384, &kid(&retired));
    assert_eq!(world.say(&retired.sign(&theirs, &fewest())), due(Cause::RetiredKey));
    // The key that kid names is the one that must have signed, by its own algorithm.
    assert_eq!(world.say(&retired.sign(&own, &fewest())), refused(BadSignature));
    let crossed = header(Algorithm::ES384, &kid(&current));
    assert_eq!(
        world.say(&retired.sign(&crossed, &fewest())),
        refused(AlgorithmNotAllowed)
    );
    // A name does not replace it: tokens from before the key was named are still found by it.
    let renamed = self::world(named(&current, "key-1"), None);
    assert_eq!(renamed.say(&current.sign(&own, &fewest())), VALID);
}

#[test]
fn issuers_have_names_of_their_own() {
    let (ours, theirs) = (key(Algorithm::ES256), stranger(Algorithm::ES256));
    let mut keyring = Keyring::default();
    keyring.add_signing(ours.private());
    let mut foreign = theirs.verifying();
    foreign.name = None;
    foreign.rename("key-1").unwrap();
    keyring.add_verifying(Role::Foreign(0), foreign);
    let world = Builder::with_keys(keyring)
        .with(|policy| {
            policy.foreign_issuers = vec![ForeignIssuer::new("partner", true)];
        })
        .serve();
    let header = header(Algorithm::ES256, "key-1");
    let from_partner = format!(r#"{{"iat":{NOW},"exp":{},"jti":"a","iss":"partner"}}"#, NOW + 60);
    assert_eq!(world.say(&theirs.sign(&header, &from_partner)), VALID);
    assert_eq!(
        world.say(&ours.sign(&header, &fewest())),
        VALID,
        "a partner's choice of names hides none of our keys"
    );
}

#[test]
fn named_key_mints_and_is_published_by_its_name() {
    let mut jwk: Value = serde_json::from_str(concat!(
        r#"{"kty":"OKP","crv":"Ed25519","kid":"2026-11","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","#,
        r#""x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#
    ))
    .unwrap();
    let load = |jwk: &Value| load_private(Zeroizing::new(jwk.to_string().into_bytes()), Algorithm::EdDSA, false);
    let own = world(load(&jwk).unwrap(), None);
    let minted = own.issue(json!({}));
    assert_eq!(kid_of(&minted.token), "2026-11");
    assert_eq!(own.say(&minted.token), VALID);
    let jwks = serde_json::to_value(own.served.realm.keyring.jwks()).unwrap();
    assert_eq!(jwks["keys"][0]["kid"], "2026-11");
    // Whoever reads the published set finds the key by the name in the token.
    let keys = load_public(jwks.to_string().as_bytes(), Algorithm::EdDSA).unwrap().keys;
    assert!(keys[0].is_called("2026-11"));

    // A setting names a key that has no name, and never contradicts the file.
    assert!(load(&jwk).unwrap().signing.rename("2026-11").is_ok());
    assert!(load(&jwk).unwrap().signing.rename("2026-12").is_err());
    jwk.as_object_mut().unwrap().remove("kid");
    let mut file = load(&jwk).unwrap();
    file.signing.rename("2026-12").unwrap();
    assert_eq!(kid_of(&world(file, None).issue(json!({})).token), "2026-12");
    // A shared secret's name is minted too, and nothing of it is published.
    let secret = world(named(&key(Algorithm::HS256), "key-1"), None);
    assert_eq!(kid_of(&secret.issue(json!({})).token), "key-1");
    assert_eq!(secret.served.realm.keyring.jwks().keys.len(), 0);
    assert_eq!(kid_of(&plain().issue(json!({})).token), Value::Null);
}

#[tokio::test]
async fn kid_setting_names_a_key() {
    let (ours, old, theirs) = (key(Algorithm::HS256), stranger(Algorithm::HS256), key(Algorithm::ES256));
    let public = serde_json::to_value(theirs.verifying().public).unwrap();
    let mut unnamed = public.clone();
    unnamed.as_object_mut().unwrap().remove("kid");
    let directory = Directory::new()
        .file("secret", ours.file())
        .file("secret.old", old.file())
        .file("partner.json", unnamed.to_string())
        .file("set.json", json!({"keys": [unnamed]}).to_string());
    let secret = "algorithm = \"HS256\"\nsecret_file = \"secret\"\n";
    let retired = "[[realms.default.retired_keys]]\nalgorithm = \"HS256\"\nfile = \"secret.old\"\n";
    let partner = "[[realms.default.foreign_issuers]]\nissuer = \"partner\"\nalgorithm = \"ES256\"\n";
    let partner = format!("{partner}public_key_file = \"partner.json\"\n");
    let of = |key: &Key, kid: &str| key.sign(&header(key.algorithm, kid), &fewest());
    let from_partner = |kid: &str| {
        let claims = format!(r#"{{"iat":{NOW},"exp":{},"jti":"a","iss":"partner"}}"#, NOW + 60);
        theirs.sign(&header(Algorithm::ES256, kid), &claims)
    };

    let unnamed = directory.load(&format!("{secret}{retired}{partner}")).await.unwrap();
    assert_eq!(unnamed.say(&of(&ours, "key-1")), VALID);
    assert_eq!(unnamed.say(&of(&old, "key-1")), due(Cause::RetiredKey));
    assert_eq!(unnamed.say(&from_partner("key-1")), VALID);
    assert_eq!(kid_of(&unnamed.issue()), Value::Null);

    let lines = format!("{secret}kid = \"new\"\n{retired}kid = \"old\"\n{partner}kid = \"theirs\"\n");
    let named = directory.load(&lines).await.unwrap();
    assert_eq!(named.say(&of(&ours, "new")), VALID);
    assert_eq!(named.say(&of(&ours, "old")), refused(BadSignature));
    assert_eq!(named.say(&of(&ours, "key-1")), refused(UnknownKey));
    assert_eq!(named.say(&of(&old, "old")), due(Cause::RetiredKey));
    assert_eq!(named.say(&from_partner("theirs")), VALID);
    assert_eq!(named.say(&from_partner("key-1")), refused(UnknownKey));
    assert_eq!(kid_of(&named.issue()), "new");

    let set = "algorithm = \"ES256\"\njwks_file = \"set.json\"\nkid = \"x\"";
    let empty = format!("{secret}kid = \"\"");
    for (lines, says) in [(set, "remove kid"), (empty.as_str(), "must have 1 to 256 bytes")] {
        let error = directory.load(lines).await.err().unwrap();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn forged_token_costs_no_more_than_a_valid_one() {
    let world = Builder::signing(&key(Algorithm::ES256)).serve();
    let valid = world.issue(json!({})).token;
    let end = valid.rfind('.').unwrap();
    let other = Builder::signing(&key(Algorithm::ES256))
        .serve()
        .issue(json!({"x": 1}))
        .token;
    let forged = format!("{}{}", &valid[..end], &other[other.rfind('.').unwrap()..]);
    assert_eq!(world.say(&forged), refused(BadSignature));
    let took = |token: &str| {
        let start = Instant::now();
        for _ in 0..8 {
            world.say(token);
        }
        start.elapsed()
    };
    let (mut of_valid, mut of_forged) = (Duration::MAX, Duration::MAX);
    for _ in 0..40 {
        of_valid = of_valid.min(took(&valid));
        of_forged = of_forged.min(took(&forged));
    }
    let ratio = of_forged.as_secs_f64() / of_valid.as_secs_f64();
    println!("a forged ES256 token takes {ratio:.2} times as long as a valid one");
    assert!(ratio < 1.5, "{ratio:.2}: the same key was tried twice");
}
