//! jsonwebtoken as an independent reader of the same tokens: what the keeper accepts, it accepts too.

use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm::HS256, DecodingKey, Validation, decode};
use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::types::Millis;
use serde_json::Value;

use jwtkeeper_testkit::world::keys::{Key, key};
use jwtkeeper_testkit::world::{Builder, VALID, World};

const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "shop";

/// A realm at the real time: the oracle reads no other clock.
#[allow(clippy::disallowed_methods)]
fn world(key: &Key) -> World {
    let mut world = Builder::signing(key)
        .with(|policy| {
            policy.issuer = Some(ISSUER.to_owned());
            policy.audience = vec![AUDIENCE.to_owned()];
        })
        .serve();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    world.now = Millis(now.as_millis() as u64);
    world
}

fn oracle_accepts(token: &str, key: &Key) -> bool {
    let mut validation = Validation::new(HS256);
    validation.leeway = 0;
    validation.validate_nbf = true;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    decode::<Value>(token, &DecodingKey::from_secret(&key.file()).unwrap(), &validation).is_ok()
}

#[test]
fn accepted_tokens_satisfy_the_oracle_and_confused_types_neither() {
    let key = key(Algorithm::HS256);
    let world = world(&key);
    let second = world.now.0 / 1000;
    let claims = |name: &str, value: &str| {
        let (exp, iat) = ((second + 60).to_string(), second.to_string());
        let (issuer, audience) = (format!("{ISSUER:?}"), format!("{AUDIENCE:?}"));
        let defaults = [
            ("exp", exp.as_str()),
            ("iat", &iat),
            ("jti", "\"cb1a5e0c-9d0b-4b8a-8f3e-0f2f3c7b6a55\""),
            ("iss", &issuer),
            ("aud", &audience),
        ];
        let mut members: Vec<_> = defaults.into_iter().filter(|(other, _)| *other != name).collect();
        members.extend((!value.is_empty()).then_some((name, value)));
        let members: Vec<_> = members
            .into_iter()
            .map(|(name, value)| format!("{name:?}:{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    };
    let plain = r#"{"alg":"HS256","typ":"JWT"}"#;
    assert!(oracle_accepts(&world.forge(plain, &claims("sub", "\"7\"")), &key));
    assert_eq!(world.say(&world.forge(plain, &claims("sub", "\"7\""))), VALID);

    let mut accepted = 0;
    for name in ["iss", "aud", "sub", "exp", "nbf", "iat"] {
        // No negative times: they are NumericDates, which the oracle does not represent.
        for value in [
            "",
            "0",
            "7.5",
            "1e3",
            "1e300",
            "true",
            "{}",
            "[]",
            "[1]",
            "[[]]",
            "\"\"",
            "\"7\"",
            "\"shop\"",
            "[\"shop\"]",
            "[\"shop\",1]",
            "[\"other\",\"shop\"]",
            "[\"https://issuer.example\"]",
            "{\"shop\":1}",
            "18446744073709551615",
            "18446744073709551616",
        ] {
            let token = world.forge(plain, &claims(name, value));
            if world.say(&token) == VALID {
                accepted += 1;
                assert!(oracle_accepts(&token, &key), "{name}: {value}");
            }
        }
    }
    assert!(accepted >= 6, "only {accepted} tokens were compared");

    // RFC 7515 section 4.1.11: a reader that does not know a critical extension must refuse the token.
    for crit in [
        r#"["exp"]"#,
        "[]",
        r#"["https://example.com/x"]"#,
        r#"["b64","b64"]"#,
        "7",
    ] {
        let header = format!(r#"{{"alg":"HS256","crit":{crit},"https://example.com/x":1}}"#);
        let token = world.forge(&header, &claims("sub", "\"7\""));
        assert_ne!(world.say(&token), VALID, "{header}");
        assert!(!oracle_accepts(&token, &key), "{header}");
    }
}
