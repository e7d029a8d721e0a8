//! Signatures: exact length, the realm's own key.

use jwtkeeper_core::jwt::{Algorithm, Family, encode_base64url};
use jwtkeeper_core::keeper::Revoke;
use jwtkeeper_wire::Reason::{BadSignature, Revoked};
use serde_json::json;

use jwtkeeper_testkit::world::keys::{key, stranger};
use jwtkeeper_testkit::world::{Builder, VALID, fewest, refused};

#[test]
fn of_any_other_length_or_value_it_is_bad() {
    for algorithm in Algorithm::ALL {
        let world = Builder::signing(&key(algorithm)).serve();
        let header = encode_base64url(format!(r#"{{"alg":"{algorithm}"}}"#).as_bytes());
        let input = format!("{header}.{}", encode_base64url(fewest().as_bytes()));
        let good = key(algorithm).signer().sign(input.as_bytes()).unwrap();
        let token = |signature: &[u8]| format!("{input}.{}", encode_base64url(signature));
        assert_eq!(world.say(&token(&good)), VALID, "{algorithm}");
        let length = good.len();
        let half = length / 2;
        for bad in [
            Vec::new(),
            good[..1].to_vec(),
            good[..half].to_vec(),
            good[..length - 1].to_vec(),
            good[1..].to_vec(),
            [&good[..], &[0]].concat(),
            [&[0], &good[..]].concat(),
            [&good[..], &good[..]].concat(),
            [&good[half..], &good[..half]].concat(),
            vec![0; length],
            vec![0xff; length],
            vec![0; 1],
            good.iter().rev().copied().collect(),
        ] {
            assert_eq!(
                world.say(&token(&bad)),
                refused(BadSignature),
                "{algorithm}, {} bytes",
                bad.len()
            );
        }
    }
}

#[test]
fn zero_is_no_signature_of_a_curve() {
    // The class of CVE-2022-21449: r and s of zero, of the order, or zero beside a good half.
    for (algorithm, half) in [(Algorithm::ES256, 32), (Algorithm::ES384, 48)] {
        let world = Builder::validating(&key(algorithm)).serve();
        let header = encode_base64url(format!(r#"{{"alg":"{algorithm}"}}"#).as_bytes());
        let input = format!("{header}.{}", encode_base64url(fewest().as_bytes()));
        let good = key(algorithm).signer().sign(input.as_bytes()).unwrap();
        let zeros = vec![0; half];
        let one = [&zeros[1..], &[1]].concat();
        for parts in [[&zeros, &zeros], [&one, &zeros], [&zeros, &one], [&one, &one]] {
            let token = format!("{input}.{}", encode_base64url(&[&parts[0][..], parts[1]].concat()));
            assert_eq!(world.say(&token), refused(BadSignature), "{algorithm}");
        }
        for bad in [[&good[..half], &zeros].concat(), [&zeros, &good[half..]].concat()] {
            let token = format!("{input}.{}", encode_base64url(&bad));
            assert_eq!(world.say(&token), refused(BadSignature), "{algorithm}");
        }
    }
}

#[test]
fn second_spelling_of_an_ecdsa_signature_is_the_same_token() {
    // The order of P-256 (SEC 2 section 2.4.2), big-endian.
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let world = Builder::signing(&key(Algorithm::ES256)).serve();
    let header = encode_base64url(br#"{"alg":"ES256"}"#);
    let input = format!("{header}.{}", encode_base64url(fewest().as_bytes()));
    let signature = key(Algorithm::ES256).signer().sign(input.as_bytes()).unwrap();
    let mut other = signature.clone();
    let mut borrow = 0;
    for place in (0..32).rev() {
        let digit = i16::from(ORDER[place]) - i16::from(signature[32 + place]) - borrow;
        borrow = i16::from(digit < 0);
        other[32 + place] = digit.rem_euclid(256) as u8;
    }
    let spellings = [signature, other].map(|signature| format!("{input}.{}", encode_base64url(&signature)));
    for spelling in &spellings {
        assert_eq!(world.say(spelling), VALID);
    }
    let token = spellings[0].as_bytes();
    world.revoke(Revoke::Token { token, cookie: None });
    for spelling in &spellings {
        assert_eq!(world.say(spelling), refused(Revoked));
    }
}

#[test]
fn another_key_of_the_same_kind_is_a_stranger() {
    for algorithm in Algorithm::ALL {
        let world = Builder::signing(&key(algorithm)).serve();
        let theirs = stranger(algorithm).sign(&format!(r#"{{"alg":"{algorithm}"}}"#), &fewest());
        assert_eq!(world.say(&theirs), refused(BadSignature), "{algorithm}");
        let minted = world.issue(json!({}));
        assert_eq!(world.say(&minted.token), VALID, "{algorithm}");
        let changed = Builder::signing(&stranger(algorithm)).serve();
        assert_ne!(
            changed.say(&minted.token),
            VALID,
            "{algorithm}: a changed secret revokes every token"
        );
    }
}

#[test]
fn a_realm_that_only_validates_takes_what_its_owner_signs() {
    for algorithm in Algorithm::ALL
        .into_iter()
        .filter(|algorithm| algorithm.family() != Family::Hmac)
    {
        let minted = Builder::signing(&key(algorithm)).serve().issue(json!({}));
        let world = Builder::validating(&key(algorithm)).serve();
        assert_eq!(world.say(&minted.token), VALID, "{algorithm}");
        assert!(world.try_issue(json!({}), None).is_err(), "{algorithm}");
    }
}
