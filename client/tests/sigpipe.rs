//! A library cannot know what its host does with SIGPIPE. Here it kills, as in a host that is not written in Rust:
//! the clients must never raise it. A file of its own, because the disposition is the whole process's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::Mutex;
use std::sync::mpsc::channel;

use jwtkeeper_testkit::fake::Fake;
use jwtkeeper_testkit::pace::until;
use support::driver::each;

#[test]
fn a_daemon_that_went_away_does_not_kill_the_host() {
    jwtkeeper_sys::testing::default_sigpipe();
    for _ in 0..50 {
        let (closed, is_closed) = channel();
        let is_closed = Mutex::new(is_closed);
        each(
            || {
                let closed = closed.clone();
                Fake::start(move |_, mut peer| {
                    peer.greet();
                    if let Some(asked) = peer.asked() {
                        peer.reply_to(&asked);
                    }
                    drop(peer);
                    closed.send(()).unwrap();
                })
            },
            Fake::config,
            |fake, client| {
                for number in 0..3 {
                    let mine = format!("call-{number}");
                    assert_eq!(client.subject(&mine).unwrap(), mine);
                    until("the daemon closed", || is_closed.lock().unwrap().try_recv().is_ok());
                }
                assert_eq!(fake.accepted(), 3);
            },
        );
    }
}
