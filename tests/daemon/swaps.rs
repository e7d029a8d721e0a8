//! The secret and the version change together, at once and under load: no request is served by one of each.

use std::time::{Duration, Instant};

use jwtkeeper_client::Issue;

use jwtkeeper_testkit::daemons::follow::refused;
use jwtkeeper_testkit::daemons::load::{Load, Mark, client, secret};
use jwtkeeper_testkit::daemons::ways::Volume;
use jwtkeeper_testkit::daemons::{Daemon, Figures, PATIENCE, Rounds, Setup};

const CALLERS: usize = 8;

/// A daemon on a volume with secret 0 and version 0.
fn setup() -> Setup {
    let setup = Setup::bare();
    let files = setup.path("files");
    std::fs::create_dir(&files).unwrap();
    swap(&setup, 0);
    setup.lines(&format!(
        "[realms.default]\nalgorithm = \"HS256\"\nsecret_file = \"{0}/secret\"\nversion_file = \"{0}/version\"",
        files.display()
    ))
}

fn swap(setup: &Setup, number: u64) -> Instant {
    let files = [("secret", &*secret(number)), ("version", &*number.to_string())];
    Volume(&setup.path("files")).swap(&files)
}

/// Swaps once more, and waits until health tells of it: from then on nobody may be served by what was before.
fn swap_under(load: &Load, daemon: &Daemon, number: u64) -> Duration {
    let client = client(&daemon.setup.socket());
    let token = client.issue(Issue::new()).unwrap().token().to_owned();
    let before = client.health().unwrap().generation;
    load.may_be(number);
    let (whole, seen) = std::thread::scope(|scope| {
        let seen = scope.spawn(|| refused(&client, &token));
        (swap(&daemon.setup, number), seen.join().unwrap())
    });
    let told = |health: &serde_json::Value| health["realms"][0]["version"] == number;
    let end = Instant::now() + PATIENCE;
    let mut health = daemon.health();
    while !told(&health) {
        assert!(Instant::now() < end, "health does not tell of swap {number}: {health}");
        health = daemon.health();
    }
    let generation = client.health().unwrap().generation;
    assert_eq!(
        generation,
        before + 1,
        "one swap, one generation: {health}; {}",
        daemon.log()
    );
    load.is(number);
    seen.saturating_duration_since(whole)
}

#[test]
fn no_request_sees_two_states() {
    let daemon = setup().start();
    let load = Load::new(Mark::SecretAndVersion, daemon.setup.socket());
    let mut number = 0;
    let figures = load.during(CALLERS, || {
        let spans = Rounds::new("swaps", 100, 1000).map(|_| {
            number += 1;
            let span = swap_under(&load, &daemon, number);
            load.assert_right();
            span
        });
        Figures(spans.collect())
    });
    load.assert_right();
    assert_eq!(load.mixes(), 0, "requests were served by two states at once");
    assert!(load.issued() > number, "too few to show anything");
    println!(
        "{number} swaps, {} requests, {} of them tokens issued, none of two states; in effect after {figures}",
        load.requests(),
        load.issued()
    );
}

/// A daemon that takes the secret of one state and the version of another (a switch of debug builds) is caught by the
/// same harness.
#[test]
fn the_harness_sees_a_mixture_of_two_states() {
    if !cfg!(debug_assertions) {
        println!("a release build has no such switch");
        return;
    }
    let daemon = setup().environment("JWTKEEPER_TEST_MIXED_SNAPSHOTS", "1").start();
    let load = Load::new(Mark::SecretAndVersion, daemon.setup.socket());
    let caught = load.during(CALLERS, || {
        (1..=300).find(|number| {
            swap_under(&load, &daemon, *number);
            load.mixes() > 0
        })
    });
    let swaps = caught.expect("300 swaps, and no mixture was seen: the harness cannot tell");
    println!("caught at swap {swaps}: {} answers were of two states", load.mixes());
}
