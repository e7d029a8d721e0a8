//! Answers that others published: RFC 7515 appendix A, RFC 7519 sections 3.1 and 6, RFC 7638 section 3.1, RFC 8037
//! appendix A, and 48 tokens that the gem made or was tried with.

use jwtkeeper_core::jwt::{Algorithm, Compact, Header, Version};
use jwtkeeper_core::keyring::{Effort, Keyring, LockKey, Role, load_private, load_public};
use jwtkeeper_core::realm::CookieLock;
use jwtkeeper_core::types::Millis;
use jwtkeeper_wire::Cause;
use jwtkeeper_wire::Reason::{AlgorithmNotAllowed, BadSignature, Malformed};
use serde_json::Value;
use zeroize::Zeroizing;

use jwtkeeper_testkit::world::keys::{Key, key};
use jwtkeeper_testkit::world::{Builder, Said, VALID, World, due, refused};

/// The claims of RFC 7515 A.1: {"iss":"joe", "exp":1300819380, "http://example.com/is_root":true}.
const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

struct Example {
    algorithm: Algorithm,
    jwk: &'static str,
    header: &'static str,
    signature: &'static str,
}

const EXAMPLES: [Example; 3] = [
    Example {
        algorithm: Algorithm::HS256, // A.1, and RFC 7519 section 3.1
        jwk: r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#,
        header: "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
        signature: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    },
    Example {
        algorithm: Algorithm::RS256, // A.2
        jwk: concat!(
            r#"{"kty":"RSA","e":"AQAB","n":"#,
            "\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2",
            "lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa",
            "2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcD",
            "TW9gb54h4FRWyuXpoQ\"}"
        ),
        header: "eyJhbGciOiJSUzI1NiJ9",
        signature: concat!(
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUA",
            "r7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO-",
            "-xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_",
            "IoypGlUPQGe77Rw"
        ),
    },
    Example {
        algorithm: Algorithm::ES256, // A.3
        jwk: concat!(
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","#,
            r#""y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#
        ),
        header: "eyJhbGciOiJFUzI1NiJ9",
        signature: "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    },
];

impl Example {
    fn keyring(&self) -> Keyring {
        let mut keyring = Keyring::default();
        let jwk = self.jwk.as_bytes().to_vec();
        if self.algorithm == Algorithm::HS256 {
            keyring.add_signing(load_private(Zeroizing::new(jwk), self.algorithm, false).unwrap());
        } else {
            for key in load_public(&jwk, self.algorithm).unwrap().keys {
                keyring.add_verifying(Role::Current, key);
            }
        }
        keyring
    }

    fn token(&self) -> String {
        format!("{}.{CLAIMS}.{}", self.header, self.signature)
    }
}

#[test]
fn the_examples_of_rfc_7515_verify() {
    for example in EXAMPLES {
        let (token, mut buffer) = (example.token(), Vec::new());
        let compact = Compact::parse(token.as_bytes(), None, &mut buffer).unwrap();
        let header: Header = compact.header().unwrap();
        assert_eq!(header.alg.as_deref(), Some(example.algorithm.name()));
        assert!(compact.claims.starts_with(br#"{"iss":"joe","#));
        let proof = example
            .keyring()
            .verify(&compact, &[], &[], &mut Effort::default())
            .unwrap();
        assert_eq!(
            (proof.role, proof.locked),
            (Role::Current, None),
            "{}",
            example.algorithm
        );
    }
}

#[test]
fn validate_wants_a_jti_as_well_and_says_so_only_after_the_signature() {
    for example in EXAMPLES {
        let mut world = Builder::with_keys(example.keyring()).serve();
        world.now = Millis(1_300_819_380_000 - 60_000);
        let token = example.token();
        assert_eq!(world.say(&token), refused(Malformed), "{}", example.algorithm);
        let claims = CLAIMS.replace("MDA4", "MDA5");
        assert_eq!(
            world.say(&token.replace(CLAIMS, &claims)),
            refused(BadSignature),
            "{}",
            example.algorithm
        );
    }
}

#[test]
fn the_hmac_example_is_signed_to_the_same_bytes() {
    let example = &EXAMPLES[0];
    let keyring = example.keyring();
    let input = format!("{}.{CLAIMS}", example.header);
    let signing = keyring.signing().unwrap();
    let signer = jwtkeeper_core::jwt::Signer::hmac(Algorithm::HS256, signing.material().expose()).unwrap();
    let signature = jwtkeeper_core::jwt::encode_base64url(&signer.sign(input.as_bytes()).unwrap());
    assert_eq!(signature, example.signature);
}

#[test]
fn an_unsecured_jwt_is_none_of_ours() {
    // RFC 7519 section 6.1.
    let token = format!("eyJhbGciOiJub25lIn0.{CLAIMS}.");
    for algorithm in Algorithm::ALL {
        let world = Builder::signing(&key(algorithm)).serve();
        assert_eq!(world.say(&token), refused(AlgorithmNotAllowed), "{algorithm}");
    }
}

#[test]
fn the_ed25519_example_of_rfc_8037() {
    let jwk = concat!(
        r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","#,
        r#""x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#
    );
    let file = load_private(Zeroizing::new(jwk.as_bytes().to_vec()), Algorithm::EdDSA, false).unwrap();
    assert_eq!(
        file.signing.verifying.kid(),
        Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
    );
    let mut buffer = Vec::new();
    let token = concat!(
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4",
        "ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
    let compact = Compact::parse(token.as_bytes(), None, &mut buffer).unwrap();
    assert!(file.signing.verifying.verify(compact.signing_input, compact.signature));
    assert_eq!(compact.claims, b"Example of Ed25519 signing");
}

#[test]
fn the_thumbprint_example_of_rfc_7638() {
    let jwk = concat!(
        r#"{"kty":"RSA","e":"AQAB","alg":"RS256","kid":"2011-04-29","n":"#,
        "\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj",
        "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvR",
        "L5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDK",
        "gw\"}"
    );
    let keys = load_public(jwk.as_bytes(), Algorithm::RS256).unwrap().keys;
    for kid in ["NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", "2011-04-29"] {
        assert!(keys[0].is_called(kid), "{kid}");
    }
}

#[test]
fn the_gems_tokens() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/jwt_keeper_tokens.json");
    let fixture: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 48);
    for case in cases {
        let mut world = gems_realm(&case["config"]);
        world.now = Millis(1_795_480_000_000); // after they were made, before any of them dies of age
        let expected = match (case["expected"].as_str().unwrap(), case["reason"].as_str()) {
            ("valid", _) => VALID,
            ("rotate", Some(cause)) => due(*Cause::ALL.iter().find(|known| known.to_string() == cause).unwrap()),
            ("invalid", Some(reason)) => {
                let known = jwtkeeper_wire::Reason::ALL
                    .iter()
                    .find(|known| known.to_string() == reason);
                refused(*known.unwrap())
            }
            other => panic!("{other:?}"),
        };
        let said: Said = world.say_with(case["token"].as_str().unwrap(), case["cookie"].as_str());
        assert_eq!(said, expected, "{}", case["name"]);
    }
}

/// A realm as the fixture's note says, from the gem's configuration.
fn gems_realm(config: &Value) -> World {
    let algorithm = Algorithm::parse(config["algorithm"].as_str().unwrap()).unwrap();
    let secret = config["secret"].as_str().unwrap();
    assert!(secret.len() >= algorithm.hash_length());
    let audience = match &config["audience"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(many) => many.iter().map(|name| name.as_str().unwrap().to_owned()).collect(),
        _ => Vec::new(),
    };
    let version = match &config["version"] {
        Value::Number(number) => Version::Number(number.as_u64().unwrap()),
        Value::String(text) => Version::Text(text.clone().into()),
        _ => Version::None,
    };
    let lock = match (config["cookie_lock"].as_bool(), config["lock_policy"].as_str()) {
        (Some(true), Some("optional")) => CookieLock::Optional,
        (Some(true), _) => CookieLock::Required,
        _ => CookieLock::Off,
    };
    Builder::signing(&Key::secret(algorithm, secret.as_bytes()))
        .with(|policy| {
            policy.issuer = config["issuer"].as_str().map(str::to_owned);
            policy.audience = audience;
            policy.max_lifetime = 36_500 * 24 * 3600;
            policy.lock_key = LockKey::Concat;
            policy.cookie_lock = lock;
        })
        .version(version)
        .serve()
}
