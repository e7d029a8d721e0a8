//! What health says of a shared store.

use std::time::Duration;

use serde_json::Value;

use crate::hosts::{Holder, MAX_STALENESS, at, complaints, entry, host, issue, ready, revoke};
use jwtkeeper_testkit::daemons::http::{self, parsed};
use jwtkeeper_testkit::daemons::{Daemon, until};
use jwtkeeper_testkit::servers::Server;

fn store(daemon: &Daemon) -> Value {
    daemon.health()["store"].clone()
}

#[test]
fn it_says_how_old_the_copy_is() {
    let mut server = Server::start();
    server.kill();
    let daemon = at(&server.url()).start();
    assert!(store(&daemon).get("age_ms").is_some_and(Value::is_null));
    assert!(complaints(&daemon).contains("Redis is away"), "{}", complaints(&daemon));
    server.restart();
    let age = |daemon: &Daemon| Some(Duration::from_millis(store(daemon)["age_ms"].as_u64()?));
    until("the copy is fresh", || {
        age(&daemon).is_some_and(|age| age < MAX_STALENESS)
    });
    server.kill();
    until("the copy is old", || age(&daemon).unwrap() > MAX_STALENESS);
}

#[test]
fn it_says_what_redis_does_not_have() {
    let server = Server::start();
    let daemon = host(at(&server.url()));
    assert_eq!(store(&daemon)["pending"], 0);
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    let minted = issue(&daemon.client());
    daemon.client().revoke_token(minted.token(), None).unwrap_err();
    // The token, and the session that it began.
    until("both are pending", || store(&daemon)["pending"] == 2);
    assert!(complaints(&daemon).contains("maxmemory"), "{}", complaints(&daemon));
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    until("nothing is pending", || store(&daemon)["pending"] == 0);
    until("nothing is wrong any more", || {
        !complaints(&daemon).contains("raise maxmemory")
    });
}

#[test]
fn it_says_what_was_repaired() {
    let server = Server::start();
    let daemon = host(at(&server.url()));
    for _ in 0..10 {
        let minted = issue(&daemon.client());
        revoke(&daemon.client(), minted.token());
    }
    assert_eq!(store(&daemon)["repaired"], 0);
    server.ask::<()>(&["FLUSHALL"]);
    until("all is put back", || {
        server.entries() == 20 && store(&daemon)["repaired"] == 20
    });
}

/// Metrics say the same as health, and apply_duration tells how long Redis took.
#[test]
fn metrics_say_it_too() {
    let server = Server::start();
    let (daemon, metrics) = http::start(at(&server.url()));
    ready(&daemon);
    let value = |series: &str| metrics.value(series).unwrap_or_else(|| panic!("no {series}"));
    assert_eq!(value("jwtkeeper_store_info{kind=\"redis\"}"), 1.0);
    assert_eq!(value("jwtkeeper_store_max_age_seconds"), MAX_STALENESS.as_secs_f64());
    assert!(value("jwtkeeper_store_age_seconds") < MAX_STALENESS.as_secs_f64());
    for _ in 0..10 {
        let minted = issue(&daemon.client());
        revoke(&daemon.client(), minted.token());
    }
    assert_eq!(value("jwtkeeper_store_apply_duration_seconds_count"), 10.0);
    assert!(value("jwtkeeper_store_apply_duration_seconds_sum") > 0.0);
    server.ask::<()>(&["FLUSHALL"]);
    until("all is put back", || value("jwtkeeper_store_repaired_total") == 20.0);
    server.ask::<()>(&["SETEX", &entry("odd"), "100", "HARD"]);
    until("it is told of", || value("jwtkeeper_store_unknown_total") == 1.0);
    until("it is written over", || {
        server.not_hard(&[entry("odd")]).is_empty() && value("jwtkeeper_store_pending_entries") == 0.0
    });
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    let minted = issue(&daemon.client());
    daemon.client().revoke_token(minted.token(), None).unwrap_err();
    until("both are pending", || value("jwtkeeper_store_pending_entries") == 2.0);
    assert_eq!((value("jwtkeeper_store_up"), metrics.ready().0), (0.0, false));
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    until("all is well", || {
        metrics.ready().0 && value("jwtkeeper_store_pending_entries") == 0.0
    });
    parsed(&metrics.page(true), "openmetrics");
}

#[test]
fn it_says_what_it_does_not_understand() {
    let server = Server::start();
    let daemon = host(at(&server.url()));
    assert_eq!(store(&daemon)["unknown"], 0);
    server.ask::<()>(&["SETEX", &entry("odd"), "100", "HARD"]);
    server.ask::<()>(&["RPUSH", &entry("list"), "x"]);
    until("both are told of", || store(&daemon)["unknown"] == 2);
}

/// A server without persistence, or one that evicts, can lose entries: that is said, and does no harm to readiness.
#[test]
fn it_warns_of_what_can_lose_entries() {
    let server = Server::with(&["--maxmemory", "100mb", "--maxmemory-policy", "volatile-ttl"]);
    let daemon = host(at(&server.url()));
    until("it warns", || {
        let said = complaints(&daemon);
        said.contains("volatile-ttl") && said.contains("appendonly")
    });
    assert!(daemon.client().health().unwrap().ready);
}
