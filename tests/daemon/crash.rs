//! kill -9 at random moments under a full load of revokes: what was acknowledged stays revoked. The same harness finds
//! the loss when a daemon acknowledges before its commit, so it can find one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jwtkeeper_client::{Issue, Reason, Rotation, Verdict, blocking};

use jwtkeeper_testkit::daemons::{Daemon, PATIENCE, Random, Rounds, Setup, pace};

const CALLERS: u64 = 16;
/// Acknowledged in earlier rounds and asked about again, each round.
const SAMPLE: usize = 200;

#[test]
fn no_acknowledged_revocation_is_lost_by_kill_9() {
    let mut daemon = Setup::new().start();
    let mut random = Random(2026);
    let mut all: Vec<String> = Vec::new();
    let mut kills = 0;
    for round in Rounds::new("crash", 30, 200) {
        kills += 1;
        random.0 ^= round + 1;
        let acknowledged = revoke_until_killed(&mut daemon, When::random(&mut random));
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
    assert!(all.len() > kills * 10, "too few to show anything");
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
    for round in 0..100 {
        let acknowledged = revoke_until_killed(&mut daemon, When::Seen(1 + random.below(100) as usize));
        daemon.restart();
        let lost = accepted(&daemon, &acknowledged);
        if lost > 0 {
            println!("caught in round {round}: {lost} acknowledged revocations accepted again");
            return;
        }
    }
    panic!("100 kills, and the loss was never seen: the harness cannot tell");
}

/// Killed while it rotates: nobody is logged out, and whoever was told a successor is told the same one again.
#[test]
fn no_session_is_lost_or_doubled_by_kill_9() {
    let mut daemon = Setup::new().start();
    let mut random = Random(35);
    let (mut told, mut untold) = (0, 0);
    for round in Rounds::new("crash-rotate", 10, 100) {
        random.0 ^= round + 1;
        let rotate = |client: &blocking::Client| {
            let minted = client.issue(Issue::new()).ok()?;
            let rotated = client.rotate(minted.token()).ok().map(successor);
            Some((minted.token().to_owned(), rotated))
        };
        let seen = until_killed(&mut daemon, When::random(&mut random), rotate);
        daemon.restart();
        let client = daemon.client();
        for (old, before) in seen {
            let now = successor(client.rotate(old.as_str()).unwrap());
            match before {
                Some(before) => assert_eq!(before, now, "round {round}: two successors"),
                None => untold += 1,
            }
            assert!(
                client.validate(now.as_str()).unwrap().is_valid(),
                "round {round}: logged out"
            );
            told += 1;
        }
    }
    println!("{told} sessions went on, {untold} of them with the first reply lost");
    assert!(told > 0, "nothing was shown");
}

fn successor(rotation: Rotation) -> String {
    match rotation {
        Rotation::Rotated(minted) => minted.token().to_owned(),
        Rotation::Invalid(reason) => panic!("logged out: {reason}"),
    }
}

/// Revokes as fast as it can, and returns the tokens whose revocation was acknowledged before the kill.
fn revoke_until_killed(daemon: &mut Daemon, when: When) -> Vec<String> {
    until_killed(daemon, when, |client| {
        let minted = client.issue(Issue::new()).ok()?;
        client.revoke_jti(&minted.jti).ok()?;
        Some(minted.token().to_owned())
    })
}

/// When to kill.
#[derive(Clone, Copy)]
enum When {
    /// At some moment.
    After(Duration),
    /// The moment so many answers have come: whatever they rest on had better be there.
    Seen(usize),
}

impl When {
    fn random(random: &mut Random) -> Self {
        match random.below(2) {
            0 => When::After(Duration::from_micros(20_000 + random.below(60_000))),
            _ => When::Seen(1 + random.below(200) as usize),
        }
    }
}

/// Works by many callers, kills the daemon in the midst of it, and returns what they saw.
fn until_killed<T: Send>(
    daemon: &mut Daemon,
    when: When,
    work: impl Fn(&blocking::Client) -> Option<T> + Sync,
) -> Vec<T> {
    let seen = Mutex::new(Vec::new());
    let killed = AtomicBool::new(false);
    let clients: Vec<_> = (0..CALLERS)
        .map(|_| daemon.client_with(|config| config.with_deadline(Duration::from_millis(100))))
        .collect();
    std::thread::scope(|scope| {
        for client in &clients {
            let (seen, killed, work) = (&seen, &killed, &work);
            scope.spawn(move || {
                // An answer can be late on a busy disk: that says nothing, and is no end.
                while !killed.load(Ordering::Relaxed) {
                    let one = work(client);
                    seen.lock().unwrap().extend(one);
                }
            });
        }
        match when {
            When::After(time) => pace(time),
            When::Seen(count) => {
                let end = Instant::now() + PATIENCE;
                while seen.lock().unwrap().len() < count {
                    assert!(Instant::now() < end, "no work gets done");
                    std::hint::spin_loop();
                }
            }
        }
        daemon.kill();
        killed.store(true, Ordering::Relaxed);
    });
    seen.into_inner().unwrap()
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
