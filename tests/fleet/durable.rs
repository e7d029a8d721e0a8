//! What an operator may ask of Redis beyond an answer: that it cannot lose entries, and that replicas have them.

use jwtkeeper_client::Rotation;

use crate::hosts::{at, complaints, entry, host, is_ready, is_revoked, issue, ready, revoke, session};
use jwtkeeper_testkit::daemons::{pace, until};
use jwtkeeper_testkit::servers::Server;

#[test]
fn a_redis_that_can_lose_entries_is_refused_where_so_told() {
    let server = Server::start();
    let daemon = at(&server.url()).top("require_durable = true").start();
    until("it says why", || complaints(&daemon).contains("require_durable"));
    assert!(!is_ready(&daemon));
    let token = issue(&daemon.client());
    let error = daemon.client().revoke_token(token.token(), None).unwrap_err();
    assert!(error.is_unavailable(), "{error}");
}

#[test]
fn a_redis_that_writes_everything_down_is_taken() {
    let server = Server::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let daemon = host(at(&server.url()).top("require_durable = true"));
    let minted = issue(&daemon.client());
    revoke(&daemon.client(), minted.token());
}

#[test]
fn without_its_replicas_nothing_is_acknowledged_where_so_told() {
    let server = Server::on_port(&[]);
    let daemon = at(&server.url()).top("wait_replicas = 1").start();
    until("it says why", || {
        complaints(&daemon).contains("0 of 1 replicas of Redis follow it (wait_replicas)")
    });
    assert!(!is_ready(&daemon));
    let client = daemon.client();
    let minted = issue(&client);
    let error = client.revoke_token(minted.token(), None).unwrap_err();
    assert!(
        error.is_unavailable() && error.to_string().contains("wait_replicas"),
        "{error}"
    );
    let replica = Server::on_port(&[]);
    replica.ask::<()>(&["REPLICAOF", "127.0.0.1", &server.port().to_string()]);
    until("the replica follows", || replica.info("master_link_status") == "up");
    ready(&daemon);
    revoke(&client, minted.token());
    assert_eq!(replica.ask::<String>(&["GET", &entry(&minted.jti)]), "hard");
    // A replica that is there and does not answer is none.
    replica.pause();
    let (other, rotated) = (issue(&client), issue(&client));
    until("it is not ready", || !is_ready(&daemon));
    for error in [
        client.revoke_token(other.token(), None).unwrap_err(),
        client.rotate(rotated.token()).unwrap_err(),
    ] {
        assert!(
            error.is_unavailable() && error.to_string().contains("wait_replicas"),
            "{error}"
        );
    }
    assert!(is_revoked(&client, other.token()), "it does not hold on this host");
    replica.resume();
    ready(&daemon);
    let there = |key: &str| {
        pace(std::time::Duration::from_millis(5));
        replica.ask::<Option<String>>(&["GET", key]).is_some()
    };
    for key in [entry(&other.jti), session(&other.jti)] {
        until("it is in the replica", || there(&key));
    }
    // What could not be acknowledged was not decided.
    assert!(client.validate(rotated.token()).unwrap().is_valid());
    assert!(matches!(client.rotate(rotated.token()).unwrap(), Rotation::Rotated(_)));
}
