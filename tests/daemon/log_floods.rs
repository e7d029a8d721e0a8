//! A client that causes the same log line again and again: the log stays short, and counts what it leaves out.

use jwtkeeper_client::{Issue, Rotate, Rotation};

use jwtkeeper_testkit::daemons::{Setup, until};

/// The number that follows `suppressed=` in each line about an event, added up.
pub fn suppressed(lines: &[&str]) -> u64 {
    let count = |line: &&str| {
        let (_, rest) = line.split_once("suppressed=")?;
        rest.split_whitespace().next()?.parse::<u64>().ok()
    };
    lines.iter().filter_map(count).sum()
}

#[test]
fn one_reused_token_writes_a_few_lines_and_their_count() {
    const TIMES: usize = 3000;
    let mut daemon = Setup::new().lines("rotation_grace = \"1ms\"").start();
    let client = daemon.client();
    let first = client.issue(Issue::new()).unwrap();
    let Rotation::Rotated(_) = client.rotate(Rotate::new(first.token())).unwrap() else {
        panic!("no successor")
    };
    until("the grace is over", || {
        !client.validate(first.token()).unwrap().is_valid()
    });
    for _ in 0..TIMES {
        assert!(!client.validate(first.token()).unwrap().is_valid());
    }
    let reuses = daemon.health()["reuses"].as_u64().unwrap();
    daemon.stop();
    let log = daemon.log();
    let written = log
        .lines()
        .filter(|line| line.contains("reuse: a rotated token"))
        .count();
    let about: Vec<_> = log.lines().filter(|line| line.contains("reuse")).collect();
    assert!(about.len() <= 20, "{} lines: {about:?}", about.len());
    assert!(reuses > TIMES as u64);
    assert_eq!(written as u64 + suppressed(&about), reuses, "{about:?}");
}
