//! Answers that a real daemon gives rarely, or to others: a reason that is new, rights that are missing, no answer.

use jwtkeeper_wire::{Answer, Cause, ErrorCode, Op, Reason};
use serde_json::{Value, json};

use crate::daemon::{Daemon, text};

/// `{"alg":"HS256"}` and `{"exp":1,"jti":"j"}`.
const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjEsImp0aSI6ImoifQ.";

const NOT_PERMITTED: Answer<'static> = Answer::Error {
    code: ErrorCode::NotPermitted,
    message: "not yours",
};

fn invalid(reason: Reason) -> Daemon {
    Daemon::by(move |op| match op {
        Op::Validate { .. } => Answer::Invalid { reason },
        _ => NOT_PERMITTED,
    })
}

fn results(shape: &Value) -> Vec<&str> {
    let checks = shape["checks"].as_array().unwrap();
    checks.iter().map(|check| check["result"].as_str().unwrap()).collect()
}

#[test]
fn a_reason_that_is_new_says_nothing_of_any_check() {
    let (code, shape) = invalid(Reason::Other(999)).json(&["--json", "inspect", TOKEN]);
    assert_eq!((code, &shape["reason"]), (1, &json!("other(999)")));
    assert_eq!(results(&shape), ["unknown"; 11]);
}

/// No daemon mints such tokens.
#[test]
fn a_time_that_lies_ahead_is_named() {
    let daemon = invalid(Reason::NotYetValid);
    for (claims, says) in [
        // {"exp":4102444801,"nbf":4102444800,"jti":"j"}
        (
            "eyJleHAiOjQxMDI0NDQ4MDEsIm5iZiI6NDEwMjQ0NDgwMCwianRpIjoiaiJ9",
            "nbf 2100-01-01T00:00:00Z (in ",
        ),
        (
            "eyJleHAiOjEsImp0aSI6ImoifQ",
            "the start of its session lies in the future",
        ),
    ] {
        let (code, shape) = daemon.json(&["--json", "inspect", &format!("eyJhbGciOiJIUzI1NiJ9.{claims}.")]);
        assert_eq!(
            (code, &shape["checks"][6]["result"]),
            (1, &json!("failed")),
            "{shape:#}"
        );
        let detail = shape["checks"][6]["detail"].as_str().unwrap();
        assert!(detail.starts_with(says), "{detail}");
    }
}

#[test]
fn malformed_without_a_broken_form_may_be_the_claims() {
    let daemon = invalid(Reason::Malformed);
    let (_, shape) = daemon.json(&["--json", "inspect", TOKEN]);
    assert_eq!(
        results(&shape)[..5],
        ["unknown", "unknown", "unknown", "unknown", "not_reached"]
    );
    for (claims, says) in [
        ("eyJqdGkiOiJqIn0", "exp is missing"),                   // {"jti":"j"}
        ("eyJleHAiOiIxIiwianRpIjoiaiJ9", "exp is not a number"), // {"exp":"1","jti":"j"}
        (
            "eyJleHAiOjEsImp0aSI6ImoiLCJhdWQiOls1XX0",
            "aud is not a string or a list of strings",
        ), // "aud":[5]
    ] {
        let (code, shape) = daemon.json(&["--json", "inspect", &format!("eyJhbGciOiJIUzI1NiJ9.{claims}.")]);
        assert_eq!(
            (code, &shape["checks"][3]["result"]),
            (1, &json!("failed")),
            "{shape:#}"
        );
        let detail = shape["checks"][3]["detail"].as_str().unwrap();
        assert!(detail.contains(says), "{detail}");
        assert_eq!(
            shape["checks"][0]["result"], "unknown",
            "what it may be is not said to be ok"
        );
    }
}

#[test]
fn a_missing_right_is_said_on_its_line() {
    let (_, shape) = invalid(Reason::Revoked).json(&["--json", "inspect", TOKEN]);
    assert_eq!(shape["checks"][10]["detail"], "status: not permitted");
    assert_eq!(shape["status"], Value::Null);
    let (_, shape) = invalid(Reason::UnknownKey).json(&["--json", "inspect", TOKEN]);
    let detail = shape["checks"][1]["detail"].as_str().unwrap();
    assert!(detail.ends_with("; its kids: not permitted"), "{detail}");

    let daemon = Daemon::answering(NOT_PERMITTED);
    let output = daemon.run(&["inspect", "-"], TOKEN);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(77));
    assert!(
        said.starts_with("no verdict (realm default)\nheader\n  alg  \"HS256\"\nclaims, not verified\n"),
        "{said}"
    );
    assert_eq!(said.matches("unknown here  not permitted").count(), 11, "{said}");
    assert!(
        text(&output.stderr).contains("not_permitted"),
        "{}",
        text(&output.stderr)
    );
    let output = daemon.run(&["--json", "inspect", "-"], TOKEN);
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(77), ""));
}

#[test]
fn without_a_daemon_the_token_is_decoded_and_that_is_all() {
    let daemon = Daemon::answering(Answer::Pong);
    let args = ["--socket", "/nonexistent/socket", "--timeout", "50ms", "inspect", "-"];
    let output = daemon.run(&args, TOKEN);
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(69));
    assert!(
        said.contains("  exp  1  1970-01-01T00:00:01Z (") && said.contains("no verdict"),
        "{said}"
    );
    assert_eq!(said.matches("unknown here").count(), 11, "{said}");
}

#[test]
fn what_a_token_says_does_not_steer_the_terminal() {
    let daemon = Daemon::answering(Answer::Valid {
        claims: b"{}",
        rotation: Cause::None,
    });
    // {"alg":"\u{9b}2J"} with the control character as it is.
    let (_, said) = daemon.answers(&["inspect", "eyJhbGciOiLCmzJKIn0.e30."], "");
    assert!(!said.contains('\u{9b}') && said.contains("\u{fffd}2J"), "{said:?}");
}
