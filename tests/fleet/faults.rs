//! What happens to Redis itself: killed, emptied, out of memory, stopped.

use std::time::{Duration, Instant};

use crate::hosts::{entry, session};
use crate::stage::{Fault, World};
use jwtkeeper_testkit::daemons::{Random, pace, until};

/// How long something lasts: one to three seconds, up to ten in `make prove`.
fn some_time(random: &mut Random) -> Duration {
    let most = if std::env::var_os("JWTKEEPER_PROVE").is_some() {
        10_000
    } else {
        3_000
    };
    Duration::from_millis(1000 + random.below(most - 1000))
}

#[test]
fn nothing_is_lost_by_kill_9_of_a_redis_that_keeps_nothing() {
    let fault = Fault {
        name: "kill -9 and empty restart",
        loses: true,
    };
    fault.endured(World::simple, |world, _, random| {
        world.shared.kill();
        pace(Duration::from_millis(random.below(1000)));
        world.shared.restart();
    });
}

#[test]
fn nothing_is_lost_by_flushall() {
    let fault = Fault {
        name: "FLUSHALL",
        loses: true,
    };
    fault.endured(World::simple, |world, _, _| world.shared.ask::<()>(&["FLUSHALL"]));
}

#[test]
fn nothing_is_lost_by_del_of_many_keys() {
    let fault = Fault {
        name: "DEL",
        loses: true,
    };
    fault.endured(World::simple, |world, load, random| {
        let mut keys = vec!["DEL".to_owned()];
        keys.extend((0..2000).map(|_| entry(&crate::hosts::gem_jti(random.below(crate::stage::PRELOADED)))));
        for gone in load.gone().iter().rev().take(500) {
            keys.extend([entry(&gone.jti), session(&gone.jti)]);
        }
        let words: Vec<_> = keys.iter().map(String::as_str).collect();
        let count: u64 = world.shared.ask(&words);
        assert!(count > 1000, "{count}");
    });
}

#[test]
fn nothing_is_lost_by_eviction() {
    let fault = Fault {
        name: "eviction",
        loses: true,
    };
    fault.endured(World::simple, |world, _, random| {
        let server = &world.shared;
        let policy = ["volatile-ttl", "volatile-random", "allkeys-lru"][random.below(3) as usize];
        server.ask::<()>(&["CONFIG", "SET", "maxmemory-policy", policy]);
        let before: u64 = server.info("evicted_keys").parse().unwrap();
        let used: u64 = server.info("used_memory").parse().unwrap();
        server.ask::<()>(&["CONFIG", "SET", "maxmemory", &(used - used / 6).to_string()]);
        until("entries are evicted", || {
            server.info("evicted_keys").parse::<u64>().unwrap() > before + 500
        });
        pace(some_time(random));
        server.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]);
    });
}

#[test]
fn nobody_is_let_in_while_redis_is_stopped() {
    let fault = Fault {
        name: "SIGSTOP of Redis",
        loses: false,
    };
    fault.endured(World::simple, |world, _, random| {
        world.shared.pause();
        pace(some_time(random));
        world.shared.resume();
    });
}

#[test]
fn nobody_is_let_in_while_redis_is_paused() {
    let fault = Fault {
        name: "CLIENT PAUSE",
        loses: false,
    };
    fault.endured(World::simple, |world, _, random| {
        let time = some_time(random);
        let end = Instant::now() + time;
        world
            .shared
            .ask::<()>(&["CLIENT", "PAUSE", &time.as_millis().to_string(), "ALL"]);
        // Asked of a Redis that is paused, this ends with the pause.
        world.shared.ask::<()>(&["PING"]);
        pace(end.saturating_duration_since(Instant::now()));
    });
}
