//! Twenty hosts that know many entries, on one Redis that loses them all: it has them again, and whoever else uses it
//! meanwhile is not kept waiting.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jwtkeeper_core::denylist::{Denylist, Kind};
use jwtkeeper_redis::Redis;

use crate::redis::{Place, guest};
use crate::support::{apply, entries, hard, pace, realm, until, uuid};
use jwtkeeper_testkit::servers::Server;

const HOSTS: usize = 20;
const ENTRIES: u64 = 20_000;
/// In `make prove`.
const MANY: u64 = 100_000;
/// Between two pings of somebody else.
const LOOK: Duration = Duration::from_millis(2);
/// In which 99 of 100 of them are answered.
const ANSWERED: Duration = Duration::from_millis(250);
/// In which every copy is fresh again after a restart, for so many on so few cores.
const FRESH: Duration = Duration::from_secs(30);

fn count() -> u64 {
    if std::env::var_os("JWTKEEPER_PROVE").is_some() {
        MANY
    } else {
        ENTRIES
    }
}

fn all_back(server: &Server, hosts: &[(Redis, Place)], count: u64) {
    until("everything is back", || {
        pace(LOOK);
        server.entries() >= count
    });
    until("nothing is pending", || {
        pace(LOOK);
        let pending = |store: &Redis| store.health().shared.unwrap().pending;
        hosts.iter().all(|(store, _)| pending(store) == 0)
    });
}

/// How long each ping of an ordinary client takes while `body` runs, the shortest first.
fn pings(server: &Server, body: impl FnOnce()) -> Vec<Duration> {
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let over = AtomicBool::new(false);
    let mut connection = server.client().get_connection().unwrap();
    std::thread::scope(|scope| {
        let pinging = scope.spawn(|| {
            let mut times = Vec::new();
            while !over.load(Ordering::SeqCst) {
                let begun = Instant::now();
                ::redis::cmd("PING").exec(&mut connection).unwrap();
                times.push(begun.elapsed());
                pace(LOOK);
            }
            times.sort_unstable();
            times
        });
        let ended = Over(&over);
        body();
        drop(ended);
        pinging.join().unwrap()
    })
}

#[test]
fn a_crowd_puts_everything_back_and_keeps_nobody_waiting() {
    let count = count();
    let mut server = Server::start();
    let hosts: Vec<_> = (0..HOSTS).map(|_| guest(&server)).collect();
    let (first, _) = &hosts[0];
    for part in (0..count).collect::<Vec<_>>().chunks(1000) {
        let raises = part.iter().map(|number| hard(Kind::Token, &uuid(*number)));
        apply(first, &realm(first.index()), entries(raises.collect())).unwrap();
    }
    for (store, _) in &hosts {
        until("it is known there", || store.health().entries >= count);
    }
    let begun = Instant::now();
    let times = pings(&server, || {
        server.ask::<()>(&["FLUSHALL"]);
        all_back(&server, &hosts, count);
    });
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "{HOSTS} hosts put {count} entries back in {:?}; {} pings meanwhile: p50 {:?}, p99 {:?}, max {:?}",
        begun.elapsed(),
        times.len(),
        at(50),
        at(99),
        at(100)
    );
    assert!(at(99) < ANSWERED, "{:?}", at(99));
    assert_eq!(server.entries(), count);

    let begun = Instant::now();
    server.restart();
    until("every copy is fresh again", || {
        pace(LOOK);
        let is_fresh = |store: &Redis| {
            let age = store.health().shared.unwrap().age;
            age.is_some_and(|age| age < begun.elapsed().min(Duration::from_secs(3)))
        };
        hosts.iter().all(|(store, _)| is_fresh(store))
    });
    let fresh = begun.elapsed();
    all_back(&server, &hosts, count);
    println!(
        "after a restart all are fresh in {fresh:?}, and everything is back in {:?}",
        begun.elapsed()
    );
    assert!(fresh < FRESH, "{fresh:?}");
}
