//! SIGTERM lets what was asked be answered, with a deadline; a second signal ends at once; a restart costs callers time
//! and no error.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jwtkeeper_client::Issue;
use jwtkeeper_wire::{Answer, Op, RevokeTarget};
use nix::sys::signal::Signal;

use jwtkeeper_testkit::daemons::wire::frame;
use jwtkeeper_testkit::daemons::{Daemon, Setup, Wire};

#[test]
fn what_was_asked_is_answered_before_the_end() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut daemon = Setup::new().start();
        let mut wire = daemon.wire();
        let many: Vec<u8> = (1..=300)
            .flat_map(|id| frame(id, revoke(&format!("jti-{id}"))))
            .collect();
        wire.send(&many);
        daemon.signal(signal);
        for _ in 1..=300 {
            wire.reply(|_, answer| assert_eq!(answer, Answer::Done));
        }
        wire.assert_closed();
        assert!(daemon.wait().success());
        assert!(!daemon.setup.socket().exists(), "the socket's file is left behind");
        daemon.restart();
        assert_eq!(daemon.client().status("jti-300").unwrap().state.to_string(), "hard");
    }
}

fn revoke(jti: &str) -> Op<'_> {
    Op::Revoke {
        realm: "",
        target: RevokeTarget::Jti(jti),
    }
}

/// A connection that the daemon cannot end: its peer reads nothing of what it asked for.
fn stuck(daemon: &Daemon) -> Wire {
    let claims = serde_json::json!({ "text": "x".repeat(4000) });
    let minted = daemon.client().issue(Issue::new().claims(claims)).unwrap();
    let mut wire = daemon.wire();
    let token = minted.token().as_bytes();
    let ask = frame(
        1,
        Op::Validate {
            realm: "",
            token,
            cookie: None,
        },
    );
    wire.stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    while std::io::Write::write_all(&mut wire.stream, &ask).is_ok() {}
    wire
}

#[test]
fn the_drain_has_a_deadline() {
    let mut daemon = Setup::new().top("[limits]\nshutdown_grace = \"500ms\"").start();
    let _stuck = stuck(&daemon);
    let began = Instant::now();
    daemon.signal(Signal::SIGTERM);
    assert!(daemon.wait().success());
    assert!(began.elapsed() >= Duration::from_millis(400), "it did not wait");
    assert!(daemon.log().contains("aborting requests in progress"));
    assert!(!daemon.setup.socket().exists());
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut daemon = Setup::new()
        .top("[limits]\nshutdown_grace = \"60s\"\nwrite_timeout = \"60s\"")
        .start();
    let _stuck = stuck(&daemon);
    daemon.signal(Signal::SIGTERM);
    daemon.logged("stopping");
    assert!(daemon.pid() > 0);
    let began = Instant::now();
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait().code(), Some(1));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(!daemon.setup.socket().exists());
    daemon.restart();
}

#[test]
fn a_restart_under_load_costs_no_caller_an_error() {
    let mut daemon = Setup::new().start();
    let client = daemon.client();
    let token = client.issue(Issue::new()).unwrap().token().to_owned();
    let (over, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for caller in 0..8 {
            let (client, token, over, answers) = (&client, &token, &over, &answers);
            scope.spawn(move || {
                let mut number = 0;
                while !over.load(Ordering::Relaxed) {
                    assert!(client.validate(token.as_str()).unwrap().is_valid());
                    client.revoke_jti(&format!("jti-{caller}-{number}")).unwrap();
                    client.issue(Issue::new()).unwrap();
                    number += 1;
                    answers.fetch_add(3, Ordering::Relaxed);
                }
            });
        }
        for _ in 0..5 {
            let before = answers.load(Ordering::Relaxed);
            jwtkeeper_testkit::daemons::until("work goes on", || answers.load(Ordering::Relaxed) > before + 200);
            daemon.stop();
            daemon.restart();
        }
        over.store(true, Ordering::Relaxed);
    });
    println!("5 restarts, {} calls, no error", answers.load(Ordering::Relaxed));
}

/// Killed, it leaves its socket behind, and the next one takes it over.
#[test]
fn a_dead_daemons_socket_is_taken_over() {
    let mut daemon = Setup::new().start();
    daemon.kill();
    assert!(daemon.setup.socket().exists());
    daemon.restart();
    daemon.client().ping().unwrap();
}
