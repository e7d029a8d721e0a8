//! What a reload does not take: the old state serves on, health and log say why and what to do, `--check` says the same
//! in the same words, and once it is right it is taken by itself.

mod configurations;
mod drips;
mod files;

use std::path::Path;
use std::process::Command;

use jwtkeeper_client::{Issue, Reason, Verdict};

use jwtkeeper_testkit::daemons::{Daemon, Setup, exit_of, until};

/// How long files rest in these tests: no test waits longer than it must.
const SETTLE: &str = "[reload]\npoll = \"1s\"\nsettle = \"50ms\"";
const OTHER: &[u8] = b"another secret of the tests, as long as the first: 0123456789abcdef";

fn setup() -> Setup {
    Setup::new().top(SETTLE)
}

/// What health says is wrong.
fn faults(daemon: &Daemon) -> Vec<String> {
    let faults = daemon.health()["faults"].clone();
    serde_json::from_value(faults).unwrap()
}

/// That the daemon says what is wrong everywhere where it is looked for, in all these words, and serves on as it was;
/// `token` is one of before.
fn refused(daemon: &Daemon, token: &str, says: &[&str]) {
    until("health says what is wrong", || {
        says.iter()
            .all(|text| faults(daemon).iter().any(|fault| fault.contains(text)))
    });
    let health = daemon.client().health().unwrap();
    assert!(!health.ready, "it does not say that it is not right");
    assert_eq!(health.generation, 1, "something was taken");
    for fault in faults(daemon) {
        daemon.logged(&format!("keeping the previous state fault={fault}"));
    }
    serves_as_before(daemon, token);
    let mut reload = daemon.ctl();
    reload.arg("reload");
    let output = exit_of(reload);
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    for fault in faults(daemon) {
        assert!(said.contains(&fault), "{fault} is not in: {said}");
    }
    serves_as_before(daemon, token);
}

fn serves_as_before(daemon: &Daemon, token: &str) {
    let client = daemon.client();
    assert!(client.validate(token).unwrap().is_valid(), "the old state is gone");
    let minted = client.issue(Issue::new()).unwrap();
    assert!(client.validate(minted.token()).unwrap().is_valid());
}

/// What `jwtkeeperd --check` says of the configuration as it is now.
fn check(daemon: &Daemon) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jwtkeeperd"));
    command
        .arg("--check")
        .arg("--config")
        .arg(daemon.setup.path("jwtkeeper.toml"));
    let output = exit_of(command);
    assert_eq!(output.status.code(), Some(78), "--check finds nothing");
    let said = String::from_utf8(output.stderr).unwrap();
    said.lines()
        .map(|line| line.trim_start_matches("jwtkeeperd: ").to_owned())
        .collect()
}

/// That everything is right again, by itself, and that the new secret is what is in effect.
fn recovered(daemon: &Daemon, token: &str) {
    until("it is right again", || daemon.client().health().unwrap().ready);
    until("the new secret is in effect", || {
        daemon.client().validate(token).unwrap() == Verdict::Invalid(Reason::BadSignature)
    });
    assert_eq!(faults(daemon), [""; 0]);
    daemon.logged("fault resolved");
}

/// Puts a new secret in place whole.
fn put_secret(daemon: &Daemon, name: &str, bytes: &[u8]) {
    daemon.setup.write_secret("aside", bytes);
    put(&daemon.setup.path("aside"), &daemon.setup.path(name));
}

/// Renames over whatever is there.
fn put(from: &Path, to: &Path) {
    if to.is_dir() && !to.is_symlink() {
        std::fs::remove_dir(to).unwrap();
    }
    std::fs::rename(from, to).unwrap();
}

/// A daemon and a token of it.
fn start(setup: Setup) -> (Daemon, String) {
    let daemon = setup.start();
    let token = daemon.client().issue(Issue::new()).unwrap().token().to_owned();
    (daemon, token)
}
