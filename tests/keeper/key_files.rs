//! Key files that hold more than our key, or less than a whole one: sets as identity providers publish them (RFC 7517
//! section 5), and files whose writer has not finished.

use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::keyring::{Keyring, Role, load_private, load_public};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use jwtkeeper_testkit::world::keys::{key, stranger};
use jwtkeeper_testkit::world::{Builder, VALID};

fn jwk(algorithm: Algorithm) -> Value {
    serde_json::to_value(key(algorithm).verifying().public).unwrap()
}

fn without(mut jwk: Value, members: &[&str]) -> Value {
    members
        .iter()
        .for_each(|member| drop(jwk.as_object_mut().unwrap().remove(*member)));
    jwk
}

fn with(mut jwk: Value, member: &str, value: &str) -> Value {
    jwk[member] = json!(value);
    jwk
}

#[test]
fn keys_for_other_purposes_are_passed_over() {
    let ours = jwk(Algorithm::ES256);
    let rsa = jwk(Algorithm::RS256);
    let set = json!({"keys": [
        with(with(rsa.clone(), "use", "enc"), "alg", "RSA-OAEP"),
        with(rsa.clone(), "alg", "RSA-OAEP-256"),
        with(without(ours.clone(), &["alg"]), "use", "enc"),
        without(rsa, &["alg"]),
        with(without(ours.clone(), &["alg"]), "crv", "P-521"),
        {"kty": "OKP", "crv": "X25519", "x": "AAAA"},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
        ours,
    ]});
    let keys = load_public(set.to_string().as_bytes(), Algorithm::ES256).unwrap().keys;
    assert_eq!(keys.len(), 1);
    let mut keyring = Keyring::default();
    keys.into_iter()
        .for_each(|key| keyring.add_verifying(Role::Current, key));
    let world = Builder::with_keys(keyring).serve();
    let minted = Builder::signing(&key(Algorithm::ES256)).serve().issue(json!({}));
    assert_eq!(world.say(&minted.token), VALID);
}

#[test]
fn a_set_without_a_key_of_ours_is_refused() {
    let rsa = without(jwk(Algorithm::RS256), &["alg"]);
    for keys in [
        json!([]),
        json!([rsa]),
        json!([{"kty": "OKP", "crv": "X25519", "x": "AAAA"}]),
    ] {
        let set = json!({"keys": keys});
        assert!(
            load_public(set.to_string().as_bytes(), Algorithm::ES256).is_err(),
            "{set}"
        );
    }
}

#[test]
fn lone_key_must_be_right() {
    let ours = jwk(Algorithm::ES256);
    let refused = |bytes: &[u8], algorithm| assert!(load_public(bytes, algorithm).is_err());
    // A key that stands alone is meant, and for this algorithm.
    refused(ours.to_string().as_bytes(), Algorithm::ES384);
    refused(jwk(Algorithm::RS256).to_string().as_bytes(), Algorithm::ES256);
    refused(jwk(Algorithm::RS256).to_string().as_bytes(), Algorithm::PS256);
    let unnamed = without(ours, &["alg"]);
    refused(
        with(unnamed.clone(), "use", "enc").to_string().as_bytes(),
        Algorithm::ES256,
    );
    let ops = json!(["deriveBits"]);
    let mut alone = unnamed;
    alone["key_ops"] = ops;
    refused(alone.to_string().as_bytes(), Algorithm::ES256);
    refused(stranger(Algorithm::HS256).file().as_slice(), Algorithm::ES256);
}

#[test]
fn half_a_key_file_is_no_key() {
    let secret = format!(r#"{{"k":"{}","kty":"oct"}}"#, "c2VjcmV0".repeat(20));
    let secrets = format!(r#"{{ "keys": [ {secret} ] }}"#);
    let pem = |algorithm| String::from_utf8(key(algorithm).file()).unwrap();
    for (algorithm, whole) in [
        (Algorithm::HS256, secret),
        (Algorithm::HS512, secrets),
        (Algorithm::ES256, pem(Algorithm::ES256)),
        (Algorithm::EdDSA, pem(Algorithm::EdDSA)),
        (Algorithm::RS256, pem(Algorithm::RS256)),
    ] {
        let load = |text: &str| load_private(Zeroizing::new(text.as_bytes().to_vec()), algorithm, false);
        assert!(load(&whole).is_ok(), "{algorithm}");
        let whole = whole.trim_end();
        for length in 0..whole.len() {
            assert!(
                load(&whole[..length]).is_err(),
                "{algorithm}, {length} of {} bytes",
                whole.len()
            );
        }
    }
}

#[test]
fn a_raw_secret_is_any_bytes_but_for_one_last_newline() {
    for (file, secret) in [
        (b"x".repeat(32), b"x".repeat(32)),
        ([b"x".repeat(32), b"\n".to_vec()].concat(), b"x".repeat(32)),
        (
            [b"x".repeat(32), b"\n\n".to_vec()].concat(),
            [b"x".repeat(32), b"\n".to_vec()].concat(),
        ),
        (
            [b"x".repeat(32), b"\r\n".to_vec()].concat(),
            [b"x".repeat(32), b"\r".to_vec()].concat(),
        ),
        (
            [b" ".to_vec(), b"x".repeat(32)].concat(),
            [b" ".to_vec(), b"x".repeat(32)].concat(),
        ),
        (vec![0; 32], vec![0; 32]),
        (vec![0xff; 32], vec![0xff; 32]),
        (
            [b"{".to_vec(), b"x".repeat(32)].concat(),
            [b"{".to_vec(), b"x".repeat(32)].concat(),
        ),
    ] {
        let loaded = load_private(Zeroizing::new(file), Algorithm::HS256, false).unwrap();
        assert_eq!(loaded.signing.material().expose(), secret);
    }
    for (bytes, needed) in [(31, Algorithm::HS256), (47, Algorithm::HS384), (63, Algorithm::HS512)] {
        let load = |length, weak| load_private(Zeroizing::new(vec![b'x'; length]), needed, weak);
        assert!(load(bytes, false).is_err(), "{needed}");
        assert!(load(bytes, true).is_ok(), "{needed}");
        assert!(load(bytes + 1, false).is_ok(), "{needed}");
        for empty in [&b""[..], b"\n"] {
            assert!(
                load_private(Zeroizing::new(empty.to_vec()), needed, true).is_err(),
                "{needed}: never an empty one"
            );
        }
    }
}
