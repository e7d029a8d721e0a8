//! kill -9 at random moments under a full load of revokes: what was acknowledged stays revoked. The same harness finds
//! the loss when a daemon acknowledges before its commit, so it can find one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jwtkeeper_client::{Issue, Reason, Verdict};

use crate::support::{Daemon, Random, Rounds, Setup, pace};

const REVOKERS: u64 = 16;
/// Acknowledged in earlier rounds and asked about again, each round.
const SAMPLE: usize = 200;

#[test]
fn no_acknowledged_revocation_is_lost_by_kill_9() {
    let mut daemon = Setup::new().start();
    let mut random = Random(2026);
    let mut all: Vec<String> = Vec::new();
    let rounds = Rounds::new("crash", 30, 200);
    let kills = rounds.all();
    for round in rounds {
        random.0 ^= round + 1;
        let acknowledged = revoke_until_killed(&mut daemon, Duration::from_micros(20_000 + random.below(60_000)));
        daemon.restart();
        let earlier = (0..SAMPLE.min(all.len())).map(|_| all[random.below(all.len() as u64) as usize].clone());
        let asked: Vec<String> = acknowledged.iter().cloned().chain(earlier).collect();
        assert_eq!(
            accepted(&daemon, &asked),
            0,
            "round {round}: acknowledged, and accepted again"
        );
        all.extend(acknowledged);
    }
    assert_eq!(accepted(&daemon, &all), 0);
    println!(
        "{kills} kills, {} acknowledged revocations, none accepted again",
        all.len()
    );
    assert!(all.len() as u64 > kills * 10, "too few to show anything");
}

/// A daemon that acknowledges before its commit (a switch of debug builds) is caught by the same harness.
#[test]
fn the_harness_sees_an_acknowledgement_before_the_commit() {
    if !cfg!(debug_assertions) {
        println!("a release build has no such switch");
        return;
    }
    let mut daemon = Setup::new()
        .environment("JWTKEEPER_TEST_EARLY_ACKNOWLEDGEMENT", "1")
        .start();
    let mut random = Random(99);
    for round in 0..200 {
        let acknowledged = revoke_until_killed(&mut daemon, Duration::from_micros(5_000 + random.below(20_000)));
        daemon.restart();
        let lost = accepted(&daemon, &acknowledged);
        if lost > 0 {
            println!("caught in round {round}: {lost} acknowledged revocations accepted again");
            return;
        }
    }
    panic!("200 kills, and the loss was never seen: the harness cannot tell");
}

/// Revokes as fast as it can by many callers, kills the daemon in the midst of it, and returns the tokens whose
/// revocation was acknowledged.
fn revoke_until_killed(daemon: &mut Daemon, after: Duration) -> Vec<String> {
    let acknowledged = Mutex::new(Vec::new());
    let killed = AtomicBool::new(false);
    let clients: Vec<_> = (0..REVOKERS)
        .map(|_| daemon.client_with(|config| config.with_deadline(Duration::from_millis(100))))
        .collect();
    std::thread::scope(|scope| {
        for client in &clients {
            let (acknowledged, killed) = (&acknowledged, &killed);
            scope.spawn(move || {
                while !killed.load(Ordering::Relaxed) {
                    let Ok(minted) = client.issue(Issue::new()) else { return };
                    if client.revoke_jti(&minted.jti).is_err() {
                        return;
                    }
                    acknowledged.lock().unwrap().push(minted.token().to_owned());
                }
            });
        }
        pace(after);
        daemon.kill();
        killed.store(true, Ordering::Relaxed);
    });
    acknowledged.into_inner().unwrap()
}

/// How many of these tokens are accepted.
fn accepted(daemon: &Daemon, tokens: &[String]) -> usize {
    let client = daemon.client();
    let is_accepted = |token: &&String| match client.validate(token.as_str()).unwrap() {
        Verdict::Invalid(Reason::Revoked) => false,
        Verdict::Invalid(other) => panic!("{other}"),
        _ => true,
    };
    tokens.iter().filter(is_accepted).count()
}
