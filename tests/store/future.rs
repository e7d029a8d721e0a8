//! A cutoff in the future, found in Redis: applied as of when it was first seen, even when its time has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jwtkeeper_core::denylist::{Denylist, Kind, Level, Revocation};
use jwtkeeper_core::types::Millis;

use crate::redis::{host, host_by};
use crate::support::{NOW, apply, cutoff, entries, id, moment, raise, realm, until, uuid};
use jwtkeeper_testkit::servers::Server;

/// What this test's host thinks the time is.
static CLOCK: AtomicU64 = AtomicU64::new(0);

fn clock() -> Millis {
    Millis(CLOCK.load(Ordering::SeqCst))
}

/// Twice what clocks may differ by.
const AHEAD_MS: u64 = 4000;

fn cutoff_at(moment: Millis) -> Revocation {
    Revocation {
        until: NOW + 7200,
        ..cutoff(Kind::Realm, &uuid(0), Level::Hard, moment)
    }
}

#[test]
fn a_future_cutoff_stays_where_it_was_first_seen() {
    let server = Arc::new(Server::start());
    CLOCK.store(moment(0).0, Ordering::SeqCst);
    let (store, _place) = host_by(&server, clock);
    let realm = realm(store.index());
    let first_seen = moment(0).plus(AHEAD_MS);
    let marker = id("marker");
    apply(
        &store,
        &realm,
        entries(vec![raise(Kind::Token, &marker, Level::Hard, NOW + 7200)]),
    )
    .unwrap();
    let future = moment(3600);
    let put = || {
        let value = format!(
            r#"{{"revoked":{{"steps":[[{},{}]],"until":{}}}}}"#,
            future.0,
            moment(0).micros(),
            NOW + 7200
        );
        server.ask::<()>(&["SET", "JWTKeeper:~r", &value, "EX", "7200"]);
    };
    // Told of a change, and with everything else.
    let read_again = || {
        put();
        let mut pipeline = ::redis::pipe();
        let kill = ["KILL", "TYPE", "normal", "SKIPME", "yes"];
        pipeline
            .atomic()
            .cmd("CLIENT")
            .arg(&kill)
            .cmd("DEL")
            .arg("JWTKeeper:marker");
        pipeline.exec(&mut server.client().get_connection().unwrap()).unwrap();
        until("everything was read", || {
            let value: Option<String> = server.ask(&["GET", "JWTKeeper:marker"]);
            value.is_some()
        });
    };
    put();
    until("it is seen", || !realm.realm_cutoff().is_none());
    assert_eq!(realm.realm_cutoff().start(), first_seen);
    assert!(
        store
            .health()
            .warnings
            .iter()
            .any(|line| line.contains("in the future"))
    );
    for second in [1, 10, 3500, 3599, 3600, 3700] {
        CLOCK.store(moment(second).0, Ordering::SeqCst);
        read_again();
        assert_eq!(realm.realm_cutoff().start(), first_seen, "at second {second}");
    }
    assert!(
        !store
            .health()
            .warnings
            .iter()
            .any(|line| line.contains("in the future")),
        "its time has come"
    );
    // One that is not in the future counts as it says.
    let (other, _other_place) = host(&server);
    let later = cutoff_at(moment(3650));
    apply(&other, &crate::support::realm(other.index()), entries(vec![later])).unwrap();
    until("a later cutoff holds", || realm.realm_cutoff().start() == moment(3650));
}
