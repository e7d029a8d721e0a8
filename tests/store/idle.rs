//! Connections to Redis that are lost while nobody uses them: the next change succeeds all the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jwtkeeper_core::denylist::{Denylist, Kind};

use crate::redis::{guest_at, host};
use crate::support::{apply, entries, hard, pace, realm, rotate, until, uuid};
use jwtkeeper_testkit::servers::proxy::Place;
use jwtkeeper_testkit::servers::{Proxy, Server};

/// Changes after a quiet spell each.
const SPELLS: u64 = 4;
/// Redis looks for idle clients as rarely as once a second.
const QUIET: Duration = Duration::from_secs(3);

#[test]
fn change_after_a_quiet_spell_succeeds_where_redis_closes_idle_connections() {
    let server = Arc::new(Server::with(&["--timeout", "1"]));
    let (store, _place) = host(&server);
    let realm = realm(store.index());
    for number in 0..SPELLS {
        pace(QUIET);
        apply(&store, &realm, entries(vec![hard(Kind::Token, &uuid(number))])).unwrap();
        apply(&store, &realm, rotate(&uuid(100 + number), &uuid(200 + number), 0)).unwrap();
    }
}

fn ids_of_writers(server: &Server) -> Vec<String> {
    let list: String = server.ask(&["CLIENT", "LIST"]);
    let writers = list.lines().filter(|line| line.contains("name=jwtkeeperd-writes"));
    let id = |line: &str| {
        line.split(' ')
            .find_map(|word| word.strip_prefix("id=").map(str::to_owned))
    };
    writers.filter_map(id).collect()
}

#[test]
fn change_is_repeated_on_a_fresh_connection_where_the_old_one_was_closed() {
    let server = Arc::new(Server::start());
    let (store, _place) = host(&server);
    let realm = realm(store.index());
    for number in 0..20 {
        for id in ids_of_writers(&server) {
            server.ask::<u64>(&["CLIENT", "KILL", "ID", &id]);
        }
        apply(&store, &realm, entries(vec![hard(Kind::Token, &uuid(number))])).unwrap();
    }
    assert_eq!(server.entries(), 20);
}

#[test]
fn change_succeeds_in_time_where_connections_were_lost_without_a_word() {
    let server = Server::start();
    let proxy = Proxy::start(
        Place::Socket(server.directory().join("proxy.sock")),
        Place::Socket(server.socket()),
    );
    let (store, _place) = guest_at(proxy.url());
    let realm = realm(store.index());
    for number in 0..2 {
        proxy.lose();
        let began = Instant::now();
        apply(&store, &realm, entries(vec![hard(Kind::Token, &uuid(number))])).unwrap();
        let took = began.elapsed();
        assert!(took < Duration::from_secs(2), "{took:?}");
        // Doubt opens a connection every five seconds: the next loss comes when everything is connected anew.
        until("the connections are well again", || {
            pace(Duration::from_secs(6));
            store.health().fault.is_none()
        });
    }
}
