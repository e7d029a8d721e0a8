//! Health and metrics over HTTP: what a page says, that others can read it, and that it follows what happens.

mod configured;
mod peers;
mod readiness;
mod watching;

use std::process::Command;

use jwtkeeper_client::{Issue, Rotation};
use serde_json::Value;

use jwtkeeper_testkit::daemons::http::{At, parsed, piped, start, start_tcp};
use jwtkeeper_testkit::daemons::{Daemon, SECRET, Setup, until};

const OTHER: &[u8] = b"another secret of the tests, as long as the first: 0123456789abcdef";

/// Several realms, keys of each role, a version that is a number and one that is not.
fn rich() -> Setup {
    let setup = Setup::new();
    setup.write("version", "7");
    setup.write("word", "a-secret-put-there-by-mistake");
    setup.write_secret("old.secret", OTHER);
    let lines = format!(
        "version_file = \"{}\"\ncookie_lock = \"required\"\n[[realms.default.retired_keys]]\nalgorithm = \"HS384\"\nfile = \"{}\"\n\
         [[realms.default.retired_keys]]\nalgorithm = \"HS384\"\nfile = \"{}\"",
        setup.path("version").display(),
        setup.path("old.secret").display(),
        setup.path("old.secret").display(),
    );
    let word = format!("version_file = \"{}\"", setup.path("word").display());
    setup.lines(&lines).realm("second", "HS256", OTHER, &word)
}

fn family<'f>(families: &'f [Value], name: &str) -> &'f Value {
    let found = families.iter().find(|family| family["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn others_read_both_forms_over_both_ways() {
    for (daemon, at) in [start(rich()), start_tcp(rich())] {
        let minted = daemon.client().issue(Issue::new()).unwrap();
        daemon.client().revoke_jti(&minted.jti).unwrap();
        let open = parsed(&at.page(true), "openmetrics");
        let text = parsed(&at.page(false), "text");
        // The older form has no infos: they are gauges.
        let names = |families: &[Value]| -> Vec<String> {
            let name = |family: &Value| family["name"].as_str().unwrap().trim_end_matches("_info").to_owned();
            families.iter().map(name).collect()
        };
        assert_eq!(names(&open), names(&text));
        for family in &open {
            let (name, help) = (family["name"].as_str().unwrap(), family["help"].as_str().unwrap());
            assert!(name.starts_with("jwtkeeper_") || name.starts_with("process_"), "{name}");
            assert!(help.ends_with('.') && !help.ends_with(".."), "{name}: {help}");
        }
        let keys = family(&open, "jwtkeeper_key_since_timestamp_seconds")["samples"]
            .as_array()
            .unwrap();
        assert_eq!(keys.len(), 3, "a key that is named twice is told once: {keys:?}");
        let process = [
            "cpu_seconds",
            "start_time_seconds",
            "resident_memory_bytes",
            "open_fds",
            "max_fds",
            "threads",
        ];
        for name in process {
            let value = &family(&open, &format!("process_{name}"))["samples"][0][2];
            assert!(value.as_f64().unwrap() > 0.0, "{name}: {value}");
        }
        let promtool = piped(Command::new("promtool").args(["check", "metrics"]), &at.page(false));
        assert_eq!(promtool, "", "promtool has nothing to say");
    }
}

#[test]
fn values_follow_what_happens() {
    let (daemon, at) = start(rich());
    let value = |series: &str| at.value(series).unwrap_or_else(|| panic!("no {series}"));
    let uid = nix::unistd::getuid().as_raw();
    let client = daemon.client();
    let minted = client.issue(Issue::new()).unwrap();
    until("only our connection is there", || {
        value(&format!("jwtkeeper_connections{{uid=\"{uid}\"}}")) == 1.0
    });
    assert_eq!(value("jwtkeeper_store_entries"), 0.0);
    assert_eq!(value("jwtkeeper_store_apply_duration_seconds_count"), 0.0);
    let (changes, commits) = (
        value("jwtkeeper_store_changes_total"),
        value("jwtkeeper_store_commit_duration_seconds_count"),
    );
    client.revoke_jti(&minted.jti).unwrap();
    assert!(value("jwtkeeper_store_entries") >= 1.0);
    assert_eq!(value("jwtkeeper_store_apply_duration_seconds_count"), 1.0);
    assert!(value("jwtkeeper_store_apply_duration_seconds_sum") > 0.0);
    assert!(value("jwtkeeper_store_changes_total") > changes);
    assert!(value("jwtkeeper_store_commit_duration_seconds_count") > commits);
    assert!(value("jwtkeeper_store_size_bytes") > 4096.0);
    assert_eq!(value("jwtkeeper_realm_version{realm=\"default\"}"), 7.0);
    assert_eq!(at.value("jwtkeeper_realm_version{realm=\"second\"}"), None);
    assert_eq!(value("jwtkeeper_self_test_passed{realm=\"second\"}"), 1.0);
    client.reload().unwrap();
    assert_eq!(value("jwtkeeper_reloads_total"), 1.0);
    assert_eq!(value("jwtkeeper_generation"), 1.0);
    daemon.setup.write("version", "8");
    client.reload().unwrap();
    assert_eq!(value("jwtkeeper_generation"), 2.0);
    assert_eq!(value("jwtkeeper_realm_version{realm=\"default\"}"), 8.0);
    assert_eq!(value("jwtkeeper_realm_generation{realm=\"default\"}"), 2.0);
    assert_eq!(value("jwtkeeper_realm_generation{realm=\"second\"}"), 1.0);
    let page = at.page(false);
    for secret in [SECRET, "a-secret-put", minted.token()] {
        assert!(!page.contains(secret), "{secret}");
    }
}

#[test]
fn requests_are_told_by_what_they_came_to() {
    let (daemon, at) = start(Setup::new().lines(
        "[[access]]\nuser = 0\nallow = [\"issue\", \"validate\", \"rotate\", \"flag\", \"revoke\", \"revoke_id\"]",
    ));
    let client = daemon.client();
    let minted = client.issue(Issue::new()).unwrap();
    assert!(client.validate(minted.token()).unwrap().is_valid());
    client.flag(jwtkeeper_client::Flag::jti(&minted.jti)).unwrap();
    assert!(client.validate(minted.token()).unwrap().is_valid());
    assert!(matches!(client.rotate(minted.token()).unwrap(), Rotation::Rotated(_)));
    client.revoke_session(&minted.jti).unwrap();
    assert!(!client.validate(minted.token()).unwrap().is_valid());
    assert!(client.jwks().is_err());
    assert!(daemon.realm("nowhere").issue(Issue::new()).is_err());
    let count = |realm: &str, operation: &str, outcome: &str, reason: &str| {
        let labels = format!("realm=\"{realm}\",operation=\"{operation}\",outcome=\"{outcome}\",reason=\"{reason}\"");
        at.value(&format!("jwtkeeper_requests_total{{{labels}}}"))
            .unwrap_or(0.0)
    };
    for (realm, operation, outcome, reason) in [
        ("default", "issue", "ok", ""),
        ("default", "validate", "ok", ""),
        ("default", "validate", "ok", "flagged"),
        ("default", "rotate", "ok", "flagged"),
        ("default", "validate", "invalid", "revoked"),
        ("default", "jwks", "denied", "not_permitted"),
        ("", "issue", "error", "unknown_realm"),
    ] {
        assert_eq!(
            count(realm, operation, outcome, reason),
            1.0,
            "{realm} {operation} {outcome} {reason}"
        );
    }
    let session = "jwtkeeper_revocations_total{realm=\"default\",target=\"session\"}";
    assert_eq!(at.value(session), Some(1.0));
    let took = |what: &str| {
        at.value(&format!(
            "jwtkeeper_request_duration_seconds_{what}{{operation=\"validate\"}}"
        ))
    };
    assert_eq!(took("count"), Some(3.0));
    assert!(took("sum").unwrap() > 0.0);
}

/// The age of a key is that of the key, whatever becomes of its realm and its role.
#[test]
fn keys_are_as_old_as_they_are() {
    let (mut daemon, at) = start(Setup::new());
    let since = |role: &str| {
        let page = at.page(false);
        let labels = format!("jwtkeeper_key_since_timestamp_seconds{{realm=\"default\",role=\"{role}\"");
        let line = page.lines().find(|line| line.starts_with(&labels));
        let line = line.unwrap_or_else(|| panic!("no {role} key: {page}"));
        line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()
    };
    let began = at.value("process_start_time_seconds").unwrap();
    let first = since("current");
    assert!((first - began).abs() < 60.0, "{first} {began}");
    daemon.setup.write_secret("old.secret", SECRET.as_bytes());
    let retired = format!(
        "algorithm = \"HS256\"\nretired_keys = [{{ algorithm = \"HS256\", file = \"{}\" }}]",
        daemon.setup.path("old.secret").display()
    );
    daemon.setup.replace("algorithm = \"HS256\"", &retired);
    daemon.client().reload().unwrap();
    daemon.setup.write_secret("default.secret", OTHER);
    daemon.client().reload().unwrap();
    assert!((since("retired") - first).abs() < 0.0005, "the same key as before");
    assert!(since("current") > first);
}

#[test]
fn reuses_and_refusals_are_counted() {
    let limits = "[limits]\nconnections_per_uid = 2";
    let (daemon, at) = start(Setup::new().top(limits).lines("rotation_grace = \"1ms\""));
    let client = daemon.client();
    let minted = client.issue(Issue::new()).unwrap();
    assert!(matches!(client.rotate(minted.token()).unwrap(), Rotation::Rotated(_)));
    until("its grace is over", || {
        !client.validate(minted.token()).unwrap().is_valid()
    });
    until("the reuse is told", || at.value("jwtkeeper_reuses_total") > Some(0.0));
    assert_eq!(at.value("jwtkeeper_connections_refused_total"), Some(0.0));
    let _second = daemon.wire();
    let third = daemon.client_with(|config| config.with_deadline(std::time::Duration::from_millis(300)));
    assert!(third.ping().is_err());
    assert!(at.value("jwtkeeper_connections_refused_total") > Some(0.0));
}

#[test]
fn the_socket_is_for_whom_it_says_and_goes_with_the_daemon() {
    use std::os::unix::fs::PermissionsExt;
    let setup = Setup::new();
    let socket = setup.path("m.sock");
    let lines = format!("[metrics]\nsocket = \"{}\"\nsocket_mode = \"0600\"", socket.display());
    let mut daemon: Daemon = setup.top(&lines).start();
    let at = At::Unix(socket.clone());
    assert_eq!(socket.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(at.get("/livez").body, "alive\n");
    daemon.kill();
    assert!(socket.exists(), "nobody was there to remove it");
    daemon.restart();
    assert_eq!(at.get("/livez").status, 200, "it is taken over");
    std::fs::remove_file(&socket).unwrap();
    until("it is opened again", || socket.exists());
    assert_eq!(at.get("/livez").status, 200);
    daemon.stop();
    assert!(!socket.exists());
}

#[test]
fn a_scrape_changes_nothing() {
    let (daemon, at) = start(Setup::new());
    let client = daemon.client();
    let minted = client.issue(Issue::new()).unwrap();
    let before = client.health().unwrap().generation;
    let entries = at.value("jwtkeeper_store_entries");
    for _ in 0..20 {
        at.page(true);
    }
    assert_eq!(at.value("jwtkeeper_store_entries"), entries);
    assert_eq!(client.health().unwrap().generation, before);
    assert!(client.validate(minted.token()).unwrap().is_valid());
    assert_eq!(
        daemon.log().matches(" WARN ").count() + daemon.log().matches("ERROR").count(),
        0
    );
}
