//! Exit codes, complaints, and the commands that ask for nothing in particular.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod daemon;

use assert_cmd::Command;
use daemon::{Daemon, LOCK, TOKEN, text};
use jwtkeeper_wire::{Answer, Cause, ErrorCode};
use serde_json::{Value, json};

#[test]
fn an_error_is_one_line_and_an_exit_code() {
    for (code, exit) in [
        (ErrorCode::NotPermitted, 77),
        (ErrorCode::Unavailable, 69),
        (ErrorCode::Internal, 69),
        (ErrorCode::Other(999), 69),
        (ErrorCode::UnknownRealm, 2),
        (ErrorCode::BadClaims, 2),
    ] {
        let daemon = Daemon::answering(Answer::Error {
            code,
            message: "so it\nis",
        });
        let cookie = ["--cookie", LOCK];
        let output = daemon.run(&[&["--json", "validate", "-"], &cookie[..]].concat(), TOKEN);
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{complaint}");
        assert_eq!(text(&output.stdout), "");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        let import = daemon.run(&["import"], "");
        assert_eq!((import.status.code(), text(&import.stdout).as_str()), (Some(exit), ""));
        assert!(
            complaint.starts_with(&format!("jwtkeeperctl: {code}: so it is")),
            "{complaint}"
        );
        assert!(
            !complaint.contains("c3VwZXJzZWNyZXQ") && !complaint.contains(LOCK),
            "{complaint}"
        );
    }
}

#[test]
fn an_absent_daemon_is_unavailable() {
    let mut command = Command::cargo_bin("jwtkeeperctl").unwrap();
    command.args(["--socket", "/nonexistent/jwtkeeper.sock", "--timeout", "50ms", "ping"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(69));
    let complaint = text(&output.stderr);
    assert!(complaint.contains("/nonexistent/jwtkeeper.sock"), "{complaint}");
    assert!(complaint.contains("is jwtkeeperd running"), "{complaint}");
}

#[test]
fn wrong_usage_is_2() {
    let daemon = Daemon::answering(Answer::Pong);
    for args in [
        &["validate"][..],
        &["revoke"],
        &["revoke", TOKEN, "--jti", "an-id"],
        &["revoke", "--jti", "an-id", "--cookie", LOCK],
        &["revoke", "--issued-before", "yesterday"],
        &["flag"],
        &["flag", "--jti", "a", "--subject", "b"],
        &["issue", "--ttl", "soon"],
        &["issue", "--claims", "@/nonexistent"],
        &["rotate", "-", "--claims", "-"],
        &["unheard-of"],
        &[],
    ] {
        let output = daemon.run(args, "");
        assert_eq!(output.status.code(), Some(2), "{args:?} {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{args:?}");
    }
    assert!(daemon.asked.lock().unwrap().is_empty());
}

#[test]
fn bench_measures() {
    let daemon = Daemon::answering(Answer::Valid {
        claims: b"{}",
        rotation: Cause::None,
    });
    let args = [
        "--json",
        "bench",
        "--token",
        "-",
        "--connections",
        "2",
        "--duration",
        "100ms",
    ];
    let (code, shape) = daemon.answers(&args, TOKEN);
    let shape: Value = serde_json::from_str(&shape).unwrap();
    assert_eq!((code, &shape["connections"]), (0, &json!(2)));
    assert!(shape["calls"].as_u64().unwrap() > 10, "{shape}");
    assert!(
        shape["p50_microseconds"].as_f64() <= shape["p99_microseconds"].as_f64(),
        "{shape}"
    );
}

#[test]
fn completions_are_printed() {
    let daemon = Daemon::answering(Answer::Pong);
    for shell in ["bash", "zsh", "fish"] {
        let (code, script) = daemon.answers(&["completions", shell], "");
        assert_eq!(code, 0);
        assert!(
            script.contains("jwtkeeperctl") && script.contains("issued-before") && script.contains("EdDSA"),
            "{shell}"
        );
    }
}

#[test]
fn a_wrong_environment_is_a_usage_error() {
    let daemon = Daemon::answering(Answer::Pong);
    let socket = daemon.fake.config().socket;
    let mut command = Command::cargo_bin("jwtkeeperctl").unwrap();
    command
        .env("JWTKEEPER_SERVER_UID", "abc")
        .arg("--socket")
        .arg(socket)
        .arg("ping");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = "jwtkeeperctl: JWTKEEPER_SERVER_UID is neither a uid nor `any`; correct it, or unset it\n";
    assert_eq!(text(&output.stderr), said);
}
