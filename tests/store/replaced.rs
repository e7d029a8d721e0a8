//! Redis holds another data set than before, or loses entries: hosts repair it, and one that starts at that moment does
//! not answer before it knows everything that was acknowledged.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jwtkeeper_core::denylist::{Denylist, Kind, Level};
use jwtkeeper_core::types::Id;
use jwtkeeper_redis::{Redis, Terms};

use crate::redis::{Place, host, newcomer};
use crate::support::{apply, entries, hard, id, pace, realm, until, uuid};
use jwtkeeper_testkit::servers::Server;

const SENTINEL: &str = "jwtkeeper-dataset:{0}";

/// Three hosts, and what they acknowledged.
fn fleet(server: &Arc<Server>, count: u64) -> (Vec<(Redis, Place)>, Vec<Id>) {
    let hosts: Vec<_> = (0..3).map(|_| host(server)).collect();
    let gone: Vec<_> = (0..count).map(uuid).collect();
    for (number, part) in gone.chunks(100).enumerate() {
        let at = &hosts[number % 3].0;
        let raises = part.iter().map(|id| hard(Kind::Token, id)).collect();
        apply(at, &realm(at.index()), entries(raises)).unwrap();
    }
    for (store, _) in &hosts {
        until("every host knows all", || accepted(store, &gone) == 0);
        until("nothing is pending", || pending(store) == 0);
    }
    (hosts, gone)
}

/// The default terms of the daemon.
fn defaults(terms: &mut Terms) {
    terms.repair_grace = Duration::from_secs(5);
}

fn answers(store: &Redis) -> bool {
    store.stale(&realm(store.index())).is_none()
}

/// The number of revoked tokens that a store accepts.
fn accepted(store: &Redis, gone: &[Id]) -> usize {
    let realm = realm(store.index());
    gone.iter().filter(|id| realm.token(id) != Some(Level::Hard)).count()
}

fn pending(store: &Redis) -> u64 {
    store.health().shared.unwrap().pending
}

/// Starts a host, and counts the revoked tokens that it accepts as soon as it answers.
fn accepted_by_a_newcomer(server: &Arc<Server>, gone: &[Id]) -> usize {
    let (store, _place) = newcomer(server, defaults);
    let began = Instant::now();
    until("the newcomer answers", || answers(&store));
    let accepted = accepted(&store, gone);
    println!(
        "a newcomer answers after {:?}; it accepts {accepted} of {} revoked tokens",
        began.elapsed(),
        gone.len()
    );
    accepted
}

#[test]
fn newcomer_accepts_no_revoked_token_after_swapdb() {
    let server = Arc::new(Server::start());
    let (_hosts, gone) = fleet(&server, 1000);
    server.ask::<()>(&["SWAPDB", "0", "1"]);
    assert_eq!(accepted_by_a_newcomer(&server, &gone), 0);
    until("Redis has all of it again", || server.entries() == 1000);
}

#[test]
fn newcomer_accepts_no_revoked_token_after_flushall() {
    let server = Arc::new(Server::start());
    let (_hosts, gone) = fleet(&server, 1000);
    server.ask::<()>(&["FLUSHALL"]);
    assert_eq!(accepted_by_a_newcomer(&server, &gone), 0);
    until("Redis has all of it again", || server.entries() == 1000);
}

/// A newcomer that began to read before the loss.
#[test]
fn newcomer_that_is_reading_accepts_no_revoked_token_after_swapdb() {
    let server = Arc::new(Server::start());
    let (_hosts, gone) = fleet(&server, 1000);
    for _ in 0..3 {
        let (store, _place) = newcomer(&server, defaults);
        server.ask::<()>(&["SWAPDB", "0", "1"]);
        until("the newcomer answers", || answers(&store));
        // One that had read everything before the swap answers at once, and rightly.
        assert_eq!(accepted(&store, &gone), 0);
        until("Redis has all of it again", || server.entries() == 1000);
    }
}

#[test]
fn newcomer_accepts_no_revoked_token_under_eviction() {
    let server = Arc::new(Server::start());
    let (hosts, gone) = fleet(&server, 1000);
    server.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", "volatile-random"]);
    // What Redis uses without the entries varies with its connections: it must evict a part at once, and go on.
    let used: u64 = server.info("used_memory").parse().unwrap();
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", &(used - 60_000).to_string()]);
    let evicted = || server.info("evicted_keys").parse::<u64>().unwrap();
    until("entries are evicted", || evicted() > 100);
    let (store, _place) = newcomer(&server, defaults);
    let end = Instant::now() + Duration::from_secs(8);
    let mut unready = false;
    while Instant::now() < end {
        if answers(&store) {
            assert_eq!(accepted(&store, &gone), 0);
        }
        for (host, _) in &hosts {
            unready |= host
                .health()
                .fault
                .is_some_and(|fault| fault.contains("evicts entries"));
            assert!(pending(host) <= 1000, "{} are pending", pending(host));
        }
        pace(Duration::from_millis(10));
    }
    assert!(unready, "no host says that Redis evicts");
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    until("the newcomer answers", || answers(&store));
    assert_eq!(accepted(&store, &gone), 0);
    for (host, _) in &hosts {
        until("nothing is wrong any more", || {
            host.health().fault.is_none() && pending(host) == 0
        });
    }
    until("Redis has all of it again", || server.entries() == 1000);
}

/// The sentinel of a restored copy is the old one, as of when the copy was made.
#[test]
fn restored_copy_is_noticed_and_repaired() {
    let server = Arc::new(Server::start());
    let (hosts, _gone) = fleet(&server, 100);
    server.ask::<u64>(&["COPY", SENTINEL, SENTINEL, "DB", "1"]);
    let count = || server.ask::<String>(&["GET", SENTINEL]);
    let copied = count();
    until("the hosts look again", || count() != copied);
    pace(Duration::from_secs(2));
    server.ask::<()>(&["SWAPDB", "0", "1"]);
    until("Redis has all of it again", || server.entries() == 100);
    until("a host says that it repaired something", || {
        hosts
            .iter()
            .any(|(store, _)| store.health().shared.unwrap().repaired > 0)
    });
}

/// Nothing tells of this one: the copy has the sentinel as it was at that very moment.
#[test]
fn full_scan_repairs_a_loss_that_nothing_tells_of() {
    let server = Arc::new(Server::start());
    let (store, _place) = newcomer(&server, |terms| terms.full_scan_interval = Duration::from_secs(2));
    crate::redis::fresh(&store);
    let jti = id("abc");
    apply(&store, &realm(store.index()), entries(vec![hard(Kind::Token, &jti)])).unwrap();
    let mut pipeline = redis::pipe();
    pipeline
        .atomic()
        .cmd("COPY")
        .arg(SENTINEL)
        .arg(SENTINEL)
        .arg("DB")
        .arg(1);
    pipeline.cmd("SWAPDB").arg(0).arg(1);
    pipeline.exec(&mut server.client().get_connection().unwrap()).unwrap();
    assert_eq!(server.entries(), 0);
    until("the scan finds it, and puts it back", || server.entries() == 1);
}

#[test]
fn entry_that_redis_refuses_is_pending_once() {
    let server = Arc::new(Server::start());
    let (store, _place) = host(&server);
    let realm = realm(store.index());
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]);
    for _ in 0..50 {
        apply(&store, &realm, entries(vec![hard(Kind::Token, &id("abc"))])).unwrap_err();
        assert!(pending(&store) <= 1, "{}", pending(&store));
    }
    until("it is pending", || pending(&store) == 1);
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    until("nothing is pending", || pending(&store) == 0);
}
