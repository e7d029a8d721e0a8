//! The daemon's tokens and keys against PyJWT's, both ways: every algorithm, every kind of key file.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // tests fail by panicking

mod python;

use std::path::Path;

use jwtkeeper_core::jwt::{Algorithm, Family};
use jwtkeeper_core::keeper::{Minted, Verdict};
use jwtkeeper_core::keyring::Effort;
use jwtkeeper_core::keyring::{Keyring, LockKey, Role, load_private, load_public};
use jwtkeeper_core::realm::CookieLock;
use jwtkeeper_core::types::Millis;
use jwtkeeper_testkit::world::{Builder, VALID, World};
use jwtkeeper_wire::Cause;
use python::{AlgorithmMade, FileMade, Made};
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// The realm that a key file makes.
fn realm(
    made: &Made,
    algorithm: Algorithm,
    file: &FileMade,
    change: impl FnOnce(&mut jwtkeeper_core::realm::Policy),
) -> World {
    let bytes = std::fs::read(&file.path).unwrap();
    let mut keyring = Keyring::default();
    if file.private {
        let loaded = load_private(Zeroizing::new(bytes), algorithm, false);
        keyring.add_signing(loaded.unwrap_or_else(|error| panic!("{}: {error}", file.path)));
    } else {
        for key in load_public(&bytes, algorithm)
            .unwrap_or_else(|error| panic!("{}: {error}", file.path))
            .keys
        {
            keyring.add_verifying(Role::Current, key);
        }
    }
    let mut world = Builder::with_keys(keyring)
        .with(|policy| {
            policy.issuer = Some("https://python.example.com".to_owned());
            policy.audience = vec!["interop".to_owned()];
        })
        .with(change)
        .serve();
    world.now = Millis::from_seconds(made.now);
    world
}

fn each_file(made: &Made, mut each: impl FnMut(Algorithm, &AlgorithmMade, &FileMade)) {
    for algorithm in Algorithm::ALL {
        let of = &made.algorithms[algorithm.name()];
        assert!(of.files.len() >= 5, "{algorithm}");
        of.files.iter().for_each(|file| each(algorithm, of, file));
    }
}

/// The claims of a token that validate takes.
fn read(world: &World, token: &str) -> Value {
    let mut buffer = Vec::new();
    match world.keeper.validate(
        &world.served,
        world.now,
        token.as_bytes(),
        None,
        &mut buffer,
        &mut Effort::default(),
    ) {
        Verdict::Valid {
            claims,
            rotation: Cause::None,
        } => serde_json::from_slice(claims).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_pyjwt_signs_validates_from_every_key_file() {
    let directory = tempfile::tempdir().unwrap();
    let made = python::make(directory.path());
    let mut files = 0;
    each_file(&made, |algorithm, of, file| {
        let world = realm(&made, algorithm, file, |_| ());
        assert_eq!(world.say(&of.token), VALID, "{}", file.path);
        assert_eq!(read(&world, &of.token), made.claims, "{}", file.path);
        // The file gives the key this name or none.
        assert_eq!(world.say(&of.named_token), VALID, "{}", file.path);
        files += 1;
    });
    assert_eq!(
        files,
        3 * 5 + 6 * 9 + 2 * 9 + 7,
        "raw, PKCS#8, PKCS#1, SEC 1, JWK, JWKS, and the public ones"
    );
}

#[test]
fn what_the_keeper_signs_from_every_key_file_pyjwt_verifies() {
    let directory = tempfile::tempdir().unwrap();
    let made = python::make(directory.path());
    let wanted = r#"{"sub":"zoë","big":1180591620717411303424,"float":1.5,"text":"☃ \ud83d\ude00 \u0000","deep":{"b":[1,null],"a":{}}}"#;
    let (mut asked, mut minted): (Vec<Value>, Vec<Minted>) = Default::default();
    each_file(&made, |algorithm, of, file| {
        if !file.private {
            return;
        }
        let world = realm(&made, algorithm, file, |_| ());
        let token = world.mint(wanted, Some(600)).unwrap();
        let name = if algorithm.family() == Family::Hmac {
            "raw"
        } else {
            "public.pem"
        };
        let key = of
            .files
            .iter()
            .find(|file| file.path.ends_with(&format!("{algorithm}.{name}")))
            .unwrap();
        asked.push(json!({"alg": algorithm.name(), "key": key.path, "token": token.token}));
        // Every public file of the key says so too.
        for public in of.files.iter().filter(|file| !file.private) {
            assert_eq!(
                realm(&made, algorithm, public, |_| ()).say(&token.token),
                VALID,
                "{} by {}",
                file.path,
                public.path
            );
        }
        minted.push(token);
    });
    let verified = python::ask("verify", &Value::from(asked.clone()));
    assert_eq!(verified.as_array().unwrap().len(), minted.len());
    for ((token, answer), asked) in minted.iter().zip(verified.as_array().unwrap()).zip(&asked) {
        assert_eq!(
            answer["claims"],
            serde_json::from_str::<Value>(&token.claims).unwrap(),
            "{asked}"
        );
        assert_eq!(answer["header"]["alg"], asked["alg"]);
        assert_eq!(answer["header"]["typ"], "JWT");
    }
}

#[test]
fn pyjwt_verifies_by_the_published_jwks() {
    let directory = tempfile::tempdir().unwrap();
    let made = python::make(directory.path());
    let mut asked = Vec::new();
    each_file(&made, |algorithm, _, file| {
        if file.private && algorithm.family() != Family::Hmac {
            let world = realm(&made, algorithm, file, |_| ());
            let jwks = serde_json::to_value(world.served.realm.keyring.jwks()).unwrap();
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                let keys = jwks["keys"].as_array().unwrap();
                assert!(
                    keys.iter().all(|key| key.get(private).is_none()),
                    "{private} is published"
                );
            }
            asked.push(json!({"jwks": jwks, "token": world.issue(json!({"sub": "u"})).token}));
        }
    });
    let verified = python::ask("jwks", &Value::from(asked.clone()));
    assert_eq!(verified.as_array().unwrap().len(), asked.len());
    assert!(
        verified
            .as_array()
            .unwrap()
            .iter()
            .all(|answer| answer["claims"]["sub"] == "u")
    );
}

#[test]
fn locks_are_made_alike() {
    let directory = tempfile::tempdir().unwrap();
    let made = python::make(directory.path());
    for algorithm in Algorithm::ALL {
        let of = &made.algorithms[algorithm.name()];
        for (kind, token) in &of.locked {
            let world = realm(&made, algorithm, &of.files[0], |policy| {
                policy.cookie_lock = CookieLock::Required;
                policy.lock_key = if kind == "concat" {
                    LockKey::Concat
                } else {
                    LockKey::Derived
                };
            });
            assert_eq!(world.say_with(token, Some(&made.cookie)), VALID, "{algorithm}, {kind}");
            assert_ne!(world.say(token), VALID, "{algorithm}, {kind}");
        }
    }
}

#[test]
fn a_key_file_for_another_algorithm_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let made = python::make(directory.path());
    for algorithm in Algorithm::ALL {
        for (name, of) in &made.algorithms {
            let theirs = Algorithm::parse(name).unwrap();
            let same_kind =
                theirs.family() == algorithm.family() && (theirs.family() != Family::Ec || theirs == algorithm);
            for file in &of.files {
                let bytes = std::fs::read(&file.path).unwrap();
                let named = file.kid.is_some() && String::from_utf8_lossy(&bytes).contains("\"alg\"");
                let loads = if file.private {
                    load_private(Zeroizing::new(bytes), algorithm, true).is_ok()
                } else {
                    load_public(&bytes, algorithm)
                        .is_ok_and(|file| file.keys.iter().all(|key| key.algorithm == algorithm))
                };
                let may = same_kind && (!named || theirs == algorithm);
                assert_eq!(
                    loads,
                    may,
                    "{} for {algorithm}",
                    Path::new(&file.path).file_name().unwrap().display()
                );
            }
        }
    }
}
