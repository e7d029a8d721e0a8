//! The JOSE header: one key, one algorithm; nothing in it chooses either.

use jwtkeeper_core::jwt::{Algorithm, Family, Signer, encode_base64url, sign_compact};
use jwtkeeper_wire::Reason::{AlgorithmNotAllowed, BadSignature, Malformed};
use serde_json::json;

use jwtkeeper_testkit::world::keys::key;
use jwtkeeper_testkit::world::{Builder, VALID, compact, fewest, plain, refused};

#[test]
fn alg_is_the_keys_byte_for_byte() {
    let world = plain();
    assert_eq!(world.say(&world.forge(r#"{"alg":"HS256"}"#, &fewest())), VALID);
    // Escapes are no other name.
    assert_eq!(
        world.say(&world.forge(r#"{"\u0061lg":"HS\u003256"}"#, &fewest())),
        VALID
    );
    for alg in [
        r#""none""#,
        r#""None""#,
        r#""NONE""#,
        r#""nOnE""#,
        r#""noNE""#,
        r#""none ""#,
        r#""""#,
        r#""hs256""#,
        r#""Hs256""#,
        r#""HS256 ""#,
        r#"" HS256""#,
        r#""HS256\u0000""#,
        r#""HS25""#,
        r#""HS2566""#,
        r#""HS384""#,
        r#""HS512""#,
        r#""RS256""#,
        r#""PS256""#,
        r#""ES256""#,
        r#""EdDSA""#,
        r#""A256GCM""#,
        r#""dir""#,
        "null",
        "5",
        "256",
        "true",
        "{}",
        r#"["HS256"]"#,
        r#"{"alg":"HS256"}"#,
    ] {
        let header = format!(r#"{{"alg":{alg},"typ":"JWT"}}"#);
        let signed = world.forge(&header, &fewest());
        assert_eq!(world.say(&signed), refused(AlgorithmNotAllowed), "{header}");
        let unsigned = compact(&header, &fewest(), b"");
        assert_eq!(
            world.say(&unsigned),
            refused(AlgorithmNotAllowed),
            "{header}, no signature"
        );
    }
    for header in [r#"{}"#, r#"{"typ":"JWT"}"#, r#"{"Alg":"HS256"}"#, r#"{"ALG":"HS256"}"#] {
        assert_eq!(
            world.say(&world.forge(header, &fewest())),
            refused(AlgorithmNotAllowed),
            "{header}"
        );
    }
}

#[test]
fn what_would_choose_the_key_or_change_the_rules_is_refused() {
    let world = plain();
    for member in [
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""crit":null"#,
        r#""crit":"exp""#,
        r#""crit":["b64"],"b64":false"#,
        r#""crit":["http://example.com/x"],"http://example.com/x":1"#,
        r#""crit":["absent"]"#,
        r#""b64":false"#,
        r#""b64":true"#,
        r#""b64":null"#,
        r#""jwk":{"kty":"oct","k":"AAAA"}"#,
        r#""jwk":null"#,
        r#""jku":"https://example.com/keys""#,
        r#""x5u":"https://example.com/cert""#,
        r#""x5c":["MII="]"#,
        r#""\u0063rit":["exp"]"#,
        r#""alg":"HS256""#,
        r#""typ":"JWT","typ":"JWT""#,
        r#""x":{"a":1,"\u0061":2}"#,
    ] {
        let header = format!(r#"{{"alg":"HS256",{member}}}"#);
        assert_eq!(
            world.say(&world.forge(&header, &fewest())),
            refused(Malformed),
            "{header}"
        );
    }
    for header in [
        "",
        "null",
        "[]",
        "\"HS256\"",
        "{\"alg\":\"HS256\"",
        "{\"alg\":\"HS256\"}}",
    ] {
        assert_eq!(
            world.say(&world.forge(header, &fewest())),
            refused(Malformed),
            "{header}"
        );
    }
}

#[test]
fn typ_if_present_is_jwt() {
    let world = plain();
    for (typ, said) in [
        (r#""JWT""#, VALID),
        (r#""jwt""#, VALID),
        (r#""Jwt""#, VALID),
        (r#""at+jwt""#, refused(Malformed)),
        (r#""application/jwt""#, VALID),
        (r#""application/at+jwt""#, refused(Malformed)),
        (r#""JWE""#, refused(Malformed)),
        (r#""JWT ""#, refused(Malformed)),
        (r#""""#, refused(Malformed)),
        ("null", refused(Malformed)),
        ("1", refused(Malformed)),
        (r#"["JWT"]"#, refused(Malformed)),
    ] {
        let header = format!(r#"{{"alg":"HS256","typ":{typ}}}"#);
        assert_eq!(world.say(&world.forge(&header, &fewest())), said, "{typ}");
    }
    let more = r#"{"alg":"HS256","cty":"x","zip":"DEF","x5t":"AAAA","nonce":[1,{"a":2}]}"#;
    assert_eq!(
        world.say(&world.forge(more, &fewest())),
        VALID,
        "what is not understood is ignored (RFC 7515 section 4)"
    );
}

#[test]
fn a_token_of_one_algorithm_says_nothing_in_a_realm_of_another() {
    for theirs in Algorithm::ALL {
        let minted = Builder::signing(&key(theirs)).serve().issue(json!({"sub": "u"}));
        for ours in Algorithm::ALL.into_iter().filter(|ours| *ours != theirs) {
            let world = Builder::signing(&key(ours)).serve();
            assert_eq!(
                world.say(&minted.token),
                refused(AlgorithmNotAllowed),
                "{theirs} in {ours}"
            );
            // The same signature under the name of the realm's own algorithm.
            let header = format!(r#"{{"alg":"{ours}"}}"#);
            assert_eq!(
                world.say(&key(theirs).sign(&header, &fewest())),
                refused(BadSignature),
                "{theirs} as {ours}"
            );
        }
    }
}

#[test]
fn a_public_key_is_no_secret() {
    for ours in Algorithm::ALL.into_iter().filter(|ours| ours.family() != Family::Hmac) {
        let world = Builder::validating(&key(ours)).serve();
        for secret in key(ours).confusable() {
            for mac in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
                let signer = Signer::hmac(mac, &secret).unwrap();
                for (alg, said) in [(mac, AlgorithmNotAllowed), (ours, BadSignature)] {
                    let header = encode_base64url(format!(r#"{{"alg":"{alg}"}}"#).as_bytes());
                    let token = sign_compact(&header, &fewest(), &signer).unwrap();
                    assert_eq!(world.say(&token), refused(said), "{mac} as {alg} in {ours}");
                }
            }
        }
    }
}
