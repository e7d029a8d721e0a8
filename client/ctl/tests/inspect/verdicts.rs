//! Each reason of a real daemon is put at its check, in the daemon's order.

use serde_json::{Value, json};

use crate::real::Real;
use jwtkeeper_testkit::pace::wait_for;

/// The checks before `failed` are ok and those after it were not reached; its text holds `says`.
fn assert_failed((code, shape): &(i32, Value), reason: &str, failed: &str, says: &str) {
    assert_eq!(
        (*code, &shape["valid"], &shape["reason"]),
        (1, &json!(false), &json!(reason)),
        "{shape:#}"
    );
    let checks = shape["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 11);
    let at = checks.iter().position(|check| check["check"] == failed).unwrap();
    for (number, check) in checks.iter().enumerate() {
        let expected = match number.cmp(&at) {
            std::cmp::Ordering::Less => "ok",
            std::cmp::Ordering::Equal => "failed",
            std::cmp::Ordering::Greater => "not_reached",
        };
        assert_eq!(check["result"], expected, "{reason}: {check}");
    }
    let detail = checks[at]["detail"].as_str().unwrap();
    assert!(detail.contains(says), "{reason}: {detail}");
}

#[test]
fn each_reason_is_put_at_its_check() {
    let real = Real::start();
    let token = real.issue("default", &["--claims", r#"{"sub":"42"}"#]);
    let cases = [
        ("secret", "bad_signature", "signature", "they are current HS256 "),
        ("issuer", "wrong_issuer", "issuer", r#"iss "a": not the realm's issuer"#),
        ("audience", "wrong_audience", "audience", r#"aud "x": none is"#),
        (
            "brief",
            "lifetime_too_long",
            "lifetime",
            "1 d from iat to exp, more than the realm's",
        ),
        ("locked", "lock_required", "lock", "its cookie is missing (--cookie)"),
        (
            "ec",
            "algorithm_not_allowed",
            "key",
            "alg HS256; the realm has ES256 (current); it publishes kid ",
        ),
    ];
    for (realm, reason, check, says) in cases {
        assert_failed(&real.inspect(realm, &token), reason, check, says);
    }
    let ec = real.issue("ec", &[]);
    assert_failed(&real.inspect("ec2", &ec), "unknown_key", "key", "alg ES256; kid ");

    let brief = real.issue("free", &["--ttl", "1s"]);
    let expired = wait_for("it expires", || {
        let found = real.inspect("free", &brief);
        (found.1["reason"] == "expired").then_some(found)
    });
    assert_failed(&expired, "expired", "expiry", "exp 20");
    assert!(
        expired.1["times"]["exp"]["in_seconds"].as_i64().unwrap() <= 0,
        "{expired:?}"
    );
}

#[test]
fn broken_form_names_the_rule() {
    let real = Real::start();
    let token = real.issue("free", &[]);
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("{token}")
    };
    let cases = [
        (String::from("x"), "no dots"),
        (String::new(), "it is empty"),
        (format!("{header}.{claims}"), "it has 2 parts instead of 3"),
        (format!("{token}.a.b"), "an encrypted token (JWE)?"),
        (
            format!("{header}.{claims}.{signature}="),
            "the signature part is padded",
        ),
        (
            format!("{header}.{claims}.+{}", &signature[1..]),
            "the signature part is base64 and not base64url",
        ),
        (
            format!("{header}.{claims}.{signature} xyz"),
            "the signature part holds white space at byte 43",
        ),
        (
            format!("{header}.{claims}.{}", &signature[..41]),
            "the signature part is not base64url: no bytes have that length",
        ),
        (
            format!("Zg.{claims}.{signature}"),
            "the header part is not a strict JSON object",
        ),
        (
            format!("e31.{claims}.{signature}"),
            "the header part is not canonical base64url",
        ),
        // {"alg":"HS256","alg":"HS256"}
        (
            format!("eyJhbGciOiJIUzI1NiIsImFsZyI6IkhTMjU2In0.{claims}.{signature}"),
            "the header part is not a strict JSON object: alg stands there twice",
        ),
        // {"alg":"HS256","crit":["x"]}
        (
            format!("eyJhbGciOiJIUzI1NiIsImNyaXQiOlsieCJdfQ.{claims}.{signature}"),
            "the header has crit, which is refused",
        ),
    ];
    for (broken, says) in cases {
        assert_failed(&real.inspect("free", &broken), "malformed", "form", says);
    }
}

#[test]
fn a_valid_token_is_explained_too() {
    let real = Real::start();
    let token = real.issue("default", &["--claims", r#"{"n":123456789012345678901234567890}"#]);
    let (code, shape) = real.inspect("default", &token);
    assert_eq!(
        (code, &shape["valid"], &shape["reason"]),
        (0, &json!(true), &Value::Null)
    );
    let checks = shape["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["result"] == "ok"), "{shape:#}");
    assert_eq!(shape["header"], json!({"alg": "HS256", "typ": "JWT"}));
    let said = real.done(&["--json", "inspect", &token]);
    assert!(said.contains(r#""n":123456789012345678901234567890}"#), "{said}");
    assert_eq!(
        (&shape["rotation"], &shape["status"]["state"]),
        (&Value::Null, &json!("none"))
    );
    let exp = shape["claims"]["exp"].as_u64().unwrap();
    assert_eq!(shape["times"]["exp"]["at"], exp);
    assert!(
        (86_390..=86_400).contains(&shape["times"]["exp"]["in_seconds"].as_i64().unwrap()),
        "{shape}"
    );

    let said = real.done(&["inspect", &token]);
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some("valid (realm default)"));
    for text in [
        "claims\n",
        "  exp",
        "Z (in 23 h 59 min)",
        "  issuer      ok  iss \"a\"",
        "  denylist    ok  nothing stands",
    ] {
        let near = text.replace("in 23 h 59 min", "in 1 d");
        assert!(said.contains(text) || said.contains(&near), "{text:?}: {said}");
    }

    let jti = shape["claims"]["jti"].as_str().unwrap();
    real.done(&["flag", "--jti", jti]);
    let said = real.done(&["inspect", &token]);
    assert!(
        said.starts_with("valid (realm default)\nrotation due: flagged. "),
        "{said}"
    );
    assert!(said.contains("  denylist    ok  its jti is flagged until "), "{said}");
}

#[test]
fn the_denylist_says_why() {
    let real = Real::start();
    let jti = |token: &str| {
        real.inspect("free", token).1["claims"]["jti"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let found = |token: &str, says: &str| assert_failed(&real.inspect("free", token), "revoked", "denylist", says);

    let token = real.issue("free", &[]);
    real.done(&["--realm", "free", "revoke", &token]);
    found(&token, "its jti is revoked until ");

    // No grace: the rotated one is over at once.
    let first = real.issue("free", &[]);
    let successor = real.done(&["--realm", "free", "rotate", &first]);
    let successor = successor.lines().next().unwrap();
    found(&first, "its jti was rotated, and its grace ended at ");
    real.done(&["--realm", "free", "revoke", "--session", &jti(&first)]);
    found(successor, "its session is revoked until ");

    let token = real.issue("free", &["--claims", r#"{"sub":"42"}"#]);
    real.done(&["--realm", "free", "revoke", "--subject", "42"]);
    found(&token, "not by its jti: its session, its subject's logins");
}

#[test]
fn neither_signature_nor_cookie_is_printed() {
    let real = Real::start();
    let minted: Value = serde_json::from_str(&real.done(&["--json", "--realm", "locked", "issue"])).unwrap();
    let (token, cookie) = (
        minted["token"].as_str().unwrap(),
        minted["cookie"]["value"].as_str().unwrap(),
    );
    let signature = token.rsplit('.').next().unwrap();
    let wrong = "00112233445566778899aabbccddeeff";
    for (given, code) in [(cookie, 0), (wrong, 1)] {
        for json in [true, false] {
            let mut args = vec!["--realm", "locked", "inspect", token, "--cookie", given];
            args.extend(json.then_some("--json"));
            let output = real.run(&args);
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8(said).unwrap();
            assert_eq!(output.status.code(), Some(code), "{said}");
            for secret in [signature, cookie, wrong] {
                assert!(!said.contains(secret), "{said}");
            }
        }
    }
    let (_, shape) = real.inspect("locked", token);
    let detail = shape["checks"][2]["detail"].as_str().unwrap();
    assert!(detail.contains("its cookie is missing (--cookie)"), "{shape:#}");
}
