//! Sets of keys as identity providers publish them (RFC 7517 section 5): keys for other purposes stand among ours.

use jwtkeeper::jwt::Algorithm;
use jwtkeeper::keyring::{Keyring, Role, load_public};
use serde_json::{Value, json};

use crate::world::keys::{key, stranger};
use crate::world::{Builder, VALID};

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
    let keys = load_public(set.to_string().as_bytes(), Algorithm::ES256).unwrap();
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
fn what_should_be_ours_and_is_not_right_is_refused() {
    let ours = jwk(Algorithm::ES256);
    let broken = with(ours.clone(), "x", "AAAA");
    let secret = json!({"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"});
    for bad in [broken, secret, without(ours.clone(), &["y"])] {
        let set = json!({"keys": [ours, bad]});
        assert!(
            load_public(set.to_string().as_bytes(), Algorithm::ES256).is_err(),
            "{bad}"
        );
    }
    // A key that stands alone is meant.
    let alone = with(without(ours, &["alg"]), "use", "enc");
    assert!(load_public(alone.to_string().as_bytes(), Algorithm::ES256).is_err());
    assert!(load_public(stranger(Algorithm::HS256).file().as_slice(), Algorithm::ES256).is_err());
}
