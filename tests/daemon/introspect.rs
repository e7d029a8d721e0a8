//! `introspect`: what an administrator is told of a token.

use jwtkeeper_client::{Introspect, Issue};
use serde_json::{Value, json};

use jwtkeeper_testkit::daemons::{Daemon, Setup};

fn introspect(daemon: &Daemon, token: &str) -> Value {
    let document = daemon.client().call(&Introspect::new(token)).unwrap();
    document.parse().unwrap()
}

#[test]
fn a_token_is_told_of_from_its_issue_to_its_end() {
    let daemon = Setup::new().start();
    let client = daemon.client();
    let minted = client
        .issue(Issue::new().claims(r#"{"sub":"42","role":"reader"}"#))
        .unwrap();
    let found = introspect(&daemon, minted.token());
    let claims: Value = minted.claims.parse().unwrap();
    assert_eq!(found["active"], true);
    assert_eq!(found["claims"], claims);
    for claim in ["sub", "iat", "nbf", "exp", "jti"] {
        assert_eq!(found[claim], claims[claim], "{claim}");
    }
    assert_eq!(found["session"], minted.jti.as_str());
    let (start, iat) = (
        found["session_start"].as_f64().unwrap(),
        claims["iat"].as_f64().unwrap(),
    );
    assert!(start >= iat && start < iat + 1.0, "{start}");
    assert_eq!(found["denylist"], json!({"state": "none"}));
    assert!(found.get("reason").is_none() && found.get("rotation").is_none());

    client.flag_jti(&minted.jti).unwrap();
    let found = introspect(&daemon, minted.token());
    assert_eq!(
        (&found["active"], &found["rotation"]),
        (&json!(true), &json!("flagged"))
    );
    assert_eq!(found["denylist"]["state"], "soft");

    client.revoke_jti(&minted.jti).unwrap();
    let found = introspect(&daemon, minted.token());
    assert_eq!((&found["active"], &found["reason"]), (&json!(false), &json!("revoked")));
    assert_eq!(found["denylist"]["state"], "hard");
    assert!(found["denylist"]["until"].as_u64() > claims["exp"].as_u64());
    assert_eq!(found["claims"], claims, "an administrator sees whose it was");
}

#[test]
fn a_forged_token_tells_nothing() {
    let daemon = Setup::new().start();
    let other = Setup::bare()
        .realm("default", "HS256", b"another secret than that of the first daemon", "")
        .start();
    let forged = other.client().issue(Issue::new()).unwrap();
    assert_eq!(
        introspect(&daemon, forged.token()),
        json!({"active": false, "reason": "bad_signature"})
    );
    assert_eq!(
        introspect(&daemon, "a.b"),
        json!({"active": false, "reason": "malformed"})
    );
}

/// A number keeps its digits: it is copied, not read and written.
#[test]
fn claims_are_copied_as_they_are() {
    let daemon = Setup::new().start();
    let claims = r#"{"n":12345678901234567890.10,"sub":"a\u00e9"}"#;
    let minted = daemon.client().issue(Issue::new().claims(claims)).unwrap();
    let document = daemon.client().call(&Introspect::new(minted.token())).unwrap();
    let text = String::from_utf8(document.as_bytes().to_vec()).unwrap();
    assert!(text.contains(r#""n":12345678901234567890.10"#), "{text}");
    assert!(text.contains(r#""sub":"a\u00e9""#), "{text}");
}
