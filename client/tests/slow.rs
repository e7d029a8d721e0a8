//! Both clients against a daemon that is silent or slow: the deadline holds, whatever trickles in.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use jwtkeeper_client::Config;
use jwtkeeper_testkit::fake::Fake;
use jwtkeeper_testkit::pace::pace;
use support::driver::{Driver, each};

fn short(fake: &Fake) -> Config {
    fake.config().with_deadline(Duration::from_millis(200))
}

fn times_out(client: &Driver) {
    let began = Instant::now();
    let error = client.subject("late").unwrap_err();
    assert!(error.is_timeout(), "{error}");
    let took = began.elapsed();
    assert!((150..10_000).contains(&took.as_millis()), "{took:?}");
}

#[test]
fn a_reply_that_never_comes() {
    each(
        || {
            Fake::start(|number, mut peer| match number {
                0 => drop(peer.greet().asked().map(|_| peer.until_closed())),
                _ => peer.echo_all(),
            })
        },
        short,
        |fake, client| {
            times_out(client);
            assert_eq!(client.subject("mine").unwrap(), "mine");
            assert_eq!(fake.accepted(), 2, "a silent connection is not used again");
        },
    );
}

#[test]
fn a_greeting_that_never_comes() {
    each(
        || Fake::start(|_, peer| peer.until_closed()),
        short,
        |_, client| times_out(client),
    );
}

#[test]
fn a_reply_that_drips() {
    each(
        || {
            Fake::start(|_, mut peer| {
                peer.greet();
                let _asked = peer.asked();
                for byte in [60, 0, 0, 0].into_iter().chain([1; 60]) {
                    peer.raw(&[byte]);
                    pace(Duration::from_millis(15));
                }
            })
        },
        short,
        |_, client| times_out(client),
    );
}
