//! What the other tests rest on: that the servers lose, hold and forget what a fault says they do.

use std::time::{Duration, Instant};

use jwtkeeper_testkit::daemons::{pace, until};
use jwtkeeper_testkit::servers::proxy::Place;
use jwtkeeper_testkit::servers::{Cluster, Flow, Proxy, Sentinels, Server};

#[test]
fn a_failover_to_a_replica_that_lags_loses_what_was_written_last() {
    let mut sentinels = Sentinels::start(&[]);
    let old = sentinels.primary();
    let has = |sentinels: &Sentinels, server: usize, key: &str| {
        let value: Option<String> = sentinels.servers[server].ask(&["GET", key]);
        value.is_some()
    };
    sentinels.servers[old].ask::<()>(&["SET", "early", "1"]);
    until("the replica has it", || has(&sentinels, 1 - old, "early"));
    sentinels.stop_replication();
    sentinels.servers[old].ask::<()>(&["SET", "late", "1"]);
    let begun = Instant::now();
    sentinels.fail_over();
    println!("failed over in {:?}", begun.elapsed());
    assert_eq!(sentinels.primary(), 1 - old);
    assert!(has(&sentinels, 1 - old, "early") && !has(&sentinels, 1 - old, "late"));
}

#[test]
fn a_cluster_goes_on_without_a_primary_that_has_a_replica() {
    let mut cluster = Cluster::start(3, &[]);
    for key in ["a", "b", "c", "d"] {
        cluster.servers[cluster.owner(key)].ask::<()>(&["SET", key, "1"]);
        assert_eq!(cluster.get(key).as_deref(), Some("1"));
    }
    cluster.servers[0].kill();
    until("the replica is primary", || cluster.servers[3].is_primary());
}

#[test]
fn a_proxy_passes_holds_delays_loses_and_refuses() {
    let server = Server::start();
    let at = server.directory().join("proxy.sock");
    let proxy = Proxy::start(Place::Socket(at.clone()), Place::Socket(server.socket()));
    let connect = || {
        let client = redis::Client::open(proxy.url()).unwrap();
        client.get_connection_with_timeout(Duration::from_millis(500))
    };
    let ping = |connection: &mut redis::Connection, within: u64| {
        connection
            .set_read_timeout(Some(Duration::from_millis(within)))
            .unwrap();
        redis::cmd("PING").query::<String>(connection)
    };
    let mut one = connect().unwrap();
    ping(&mut one, 1000).unwrap();

    proxy.flows(Flow::Pass, Flow::Delay(Duration::from_millis(100)));
    let begun = Instant::now();
    ping(&mut one, 5000).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(100));

    proxy.flow(Flow::Hold);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| ping(&mut one, 10_000));
        pace(Duration::from_millis(100));
        assert!(!held.is_finished());
        proxy.flow(Flow::Pass);
        held.join().unwrap().unwrap();
    });

    proxy.flow(Flow::Swallow);
    ping(&mut one, 100).unwrap_err();
    proxy.flow(Flow::Pass);
    let mut two = connect().unwrap();
    ping(&mut two, 5000).unwrap();

    proxy.refuse(true);
    proxy.cut();
    ping(&mut two, 5000).unwrap_err();
    until("nobody listens", || connect().is_err());
    proxy.refuse(false);
    until("it passes again", || {
        connect().is_ok_and(|mut three| ping(&mut three, 5000).is_ok())
    });
}
