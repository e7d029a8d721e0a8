//! The bench runs and writes down what it measured: a part that needs no daemon, and one that needs a redis-server and
//! the daemon of this build (cargo build --workspace --bins), and where no time is too short on a machine that is busy.

use std::process::Command;

#[test]
fn a_part_runs_and_is_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_jwtkeeper-bench"))
        .args(["--quick", "--only", "in-process", "--dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("jsonwebtoken decode in process"), "{table}");
    let summary = std::fs::read(dir.path().join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    for name in ["validate_in_process_ns", "decode_in_process_ns"] {
        assert!(summary[name].as_f64().unwrap() > 0.0, "{summary}");
    }
    assert_eq!(summary["mode"], "quick, only in-process");
}

#[test]
fn what_a_fleet_shares_is_measured_and_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_jwtkeeper-bench"))
        .args(["--quick", "--only", "fleet", "--dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(table.contains("of which 10000 were made"), "{table}");
    let summary = std::fs::read(dir.path().join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    for name in [
        "revokes_per_s",
        "revokes_redis_mib",
        "followed_daemon_mib",
        "loaded_complete_ms",
    ] {
        assert!(summary["fleet"][name].as_f64().unwrap() > 0.0, "{summary}");
    }
}

#[test]
fn what_default_limits_allow_is_measured_and_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_jwtkeeper-bench"))
        .args(["--quick", "--only", "limits", "--dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let summary = std::fs::read(dir.path().join("summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&summary).unwrap();
    for algorithm in ["hs256", "rs256", "eddsa", "es256"] {
        let share = &summary["default_limits_allow_percent"][algorithm];
        assert!(share.as_f64().unwrap() > 0.0, "{summary}");
    }
}

#[test]
fn a_daemon_that_is_not_there_is_named_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_jwtkeeper-bench"))
        .args(["--quick", "--only", "issue", "--daemon", "/nowhere/jwtkeeperd", "--dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("/nowhere/jwtkeeperd is not there: build it"), "{said}");
}
