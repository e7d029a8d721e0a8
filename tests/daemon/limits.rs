//! What one uid may ask of the daemon, whatever it does: so many requests in a second, over all its connections.

use std::time::{Duration, Instant};

use jwtkeeper_client::Issue;
use jwtkeeper_wire::{Answer, Op, RevokeTarget};
use nix::sys::signal::Signal;

use jwtkeeper_testkit::daemons::daemon::{P256, RSA};
use jwtkeeper_testkit::daemons::wire::frame;
use jwtkeeper_testkit::daemons::{Daemon, Setup};

fn limited(per_second: usize) -> Daemon {
    Setup::new()
        .lines(&format!("[limits]\nrequests_per_uid = {per_second}"))
        .start()
}

/// Over any time no more is answered than comes into the bucket, it holds, and one batch of each connection.
#[test]
fn a_uid_is_held_to_its_rate_and_refused_nothing() {
    const RATE: usize = 1000;
    const CONNECTIONS: usize = 4;
    const BATCH: u64 = 10;
    let daemon = limited(RATE);
    let began = Instant::now();
    let mut answered = 0;
    let mut wires: Vec<_> = (0..CONNECTIONS).map(|_| daemon.wire()).collect();
    while began.elapsed() < Duration::from_secs(1) {
        for wire in &mut wires {
            wire.send(&(0..BATCH).flat_map(|id| frame(id, Op::Ping)).collect::<Vec<_>>());
        }
        for wire in &mut wires {
            for id in 0..BATCH {
                wire.reply(|got, answer| assert_eq!((got, answer), (id, Answer::Pong)));
                answered += 1;
            }
        }
    }
    let came = began.elapsed().as_secs_f64() * RATE as f64;
    let most = came + (RATE / 10) as f64 + (CONNECTIONS as u64 * BATCH) as f64;
    assert!((answered as f64) < most, "{answered} in {:?}", began.elapsed());
    assert!(answered > RATE / 4, "{answered}: it is held up for more than its due");
}

/// A denial costs as much as a hundred requests: each has its line in the audit.
#[test]
fn denials_cost_more() {
    let rules = "[limits]\nrequests_per_uid = 1000\n[[access]]\nuser = 4242\nallow = [\"validate\"]";
    let daemon = Setup::new().lines(rules).start();
    let mut wire = daemon.wire();
    let began = Instant::now();
    for id in 0..12 {
        wire.ask(id, Op::Jwks { realm: "" });
        wire.reply(|_, answer| assert!(matches!(answer, Answer::Error { .. })));
    }
    // 1,200 of 1,000 a second, the first hundred and what was under way for nothing.
    assert!(began.elapsed() > Duration::from_millis(900), "{:?}", began.elapsed());
}

/// What takes longer costs more: together about 1,180 of 1,000 a second, the first hundred for nothing.
#[test]
fn what_takes_longer_costs_more() {
    let setup = Setup::new().top("[limits]\nrequests_per_uid = 1000");
    let setup = setup.realm_with_key("rsa", "RS256", RSA, "");
    let daemon = setup.realm_with_key("elliptic", "ES256", P256, "").start();
    let began = Instant::now();
    let minted = daemon.realm("elliptic").issue(Issue::new()).unwrap();
    let mut wire = daemon.wire();
    let mut ask = |op: Op<'_>| {
        wire.ask(1, op);
        wire.reply(|_, answer| assert!(!matches!(answer, Answer::Error { .. }), "{answer:?}"));
    };
    for _ in 0..10 {
        let (realm, claims, ttl) = ("rsa", &b""[..], None);
        ask(Op::Issue { realm, claims, ttl });
    }
    for _ in 0..100 {
        let (realm, token, cookie) = ("elliptic", minted.token().as_bytes(), None);
        ask(Op::Validate { realm, token, cookie });
    }
    for round in 0..100 {
        let (realm, jti) = ("", round.to_string());
        let target = RevokeTarget::Jti(&jti);
        ask(Op::Revoke { realm, target });
    }
    assert!(began.elapsed() > Duration::from_millis(1000), "{:?}", began.elapsed());
}

/// The health document needs no right and costs more than a ping: it is charged so.
#[test]
fn health_is_charged_by_its_cost() {
    let daemon = limited(1000);
    let mut wire = daemon.wire();
    let began = Instant::now();
    for id in 0..500 {
        wire.ask(id, Op::Health);
        wire.reply(|_, answer| assert!(matches!(answer, Answer::Health { .. })));
    }
    // Charged as a ping, they would take 400 ms.
    assert!(began.elapsed() > Duration::from_millis(700), "{:?}", began.elapsed());
}

/// However many connections it has: no more denials than its rate allows, and one for each processor that is at one already.
#[test]
fn denials_from_many_connections_cost_no_less() {
    let rules = "[limits]\nrequests_per_uid = 1000\n[[access]]\nuser = 4242\nallow = [\"validate\"]";
    let daemon = Setup::new().lines(rules).start();
    let asked: Vec<u8> = (0..16).flat_map(|id| frame(id, Op::Jwks { realm: "" })).collect();
    let mut wires: Vec<_> = (0..50).map(|_| daemon.wire()).collect();
    let began = Instant::now();
    for wire in &mut wires {
        wire.send(&asked);
    }
    // Each in its turn has one answered.
    for wire in &mut wires[..20] {
        wire.reply(|_, answer| assert!(matches!(answer, Answer::Error { .. })));
    }
    let at_once = 1 + std::thread::available_parallelism().unwrap().get();
    let least = Duration::from_millis(100) * (20 - 1 - at_once) as u32;
    assert!(began.elapsed() > least, "{:?}", began.elapsed());
}

/// A new rate counts for those who wait already.
#[test]
fn a_new_rate_lets_go_of_who_waits() {
    let mut daemon = limited(1);
    let mut wire = daemon.wire();
    wire.send(&(0..400).flat_map(|id| frame(id, Op::Ping)).collect::<Vec<_>>());
    wire.reply(|_, answer| assert_eq!(answer, Answer::Pong));
    daemon.setup.replace("requests_per_uid = 1", "requests_per_uid = 0");
    daemon.signal(Signal::SIGHUP);
    for _ in 1..400 {
        wire.reply(|_, answer| assert_eq!(answer, Answer::Pong));
    }
}

/// Who leaves and comes back pays what it owed.
#[test]
fn coming_back_does_not_pay() {
    let daemon = limited(100);
    let began = Instant::now();
    for _ in 0..3 {
        let mut wire = daemon.wire();
        wire.send(&(0..100).flat_map(|id| frame(id, Op::Ping)).collect::<Vec<_>>());
        for _ in 0..100 {
            wire.reply(|_, answer| assert_eq!(answer, Answer::Pong));
        }
    }
    // The third waits for what the first two owe.
    assert!(began.elapsed() > Duration::from_millis(1700), "{:?}", began.elapsed());
}
