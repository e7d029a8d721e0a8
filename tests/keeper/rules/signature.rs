//! Signatures: exact length, the realm's own key.

use jwtkeeper::jwt::{Algorithm, Family, encode_base64url};
use jwtkeeper_wire::Reason::BadSignature;
use serde_json::json;

use crate::world::keys::{key, stranger};
use crate::world::{Builder, VALID, fewest, refused};

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
