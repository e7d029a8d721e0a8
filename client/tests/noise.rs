//! Both clients against bytes that nobody meant: no panic, no waiting beyond the deadline, no memory for lies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::{Duration, Instant};

use jwtkeeper_client::ErrorKind;
use jwtkeeper_testkit::fake::{Fake, Peer};
use jwtkeeper_testkit::pace::Random;
use jwtkeeper_wire::{Answer, Cookie, Minted, Reply, put_frame};
use support::driver::{Driver, each};

fn impatient(fake: &Fake) -> jwtkeeper_client::Config {
    fake.config().with_deadline(Duration::from_millis(150))
}

/// Calls end in time, and with an error of this side.
fn endure(client: &Driver, calls: usize) {
    for call in 0..calls {
        let began = Instant::now();
        let result = client.call(&jwtkeeper_client::Issue::new());
        assert!(began.elapsed() < Duration::from_secs(10), "call {call}");
        if let Err(error) = result {
            let known = matches!(
                error.kind(),
                ErrorKind::Protocol | ErrorKind::Unreachable | ErrorKind::Timeout
            );
            assert!(known || error.code().is_some(), "call {call}: {error}");
        }
    }
}

#[test]
fn random_bytes_for_a_reply() {
    let noise = || {
        Fake::start(|number, mut peer: Peer| {
            let mut random = Random(number as u64 * 7_919 + 1);
            peer.greet();
            let _asked = peer.asked();
            let length = random.below(200) as u32;
            let bytes: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
            if random.below(2) == 0 {
                peer.raw(&length.to_le_bytes());
            }
            peer.raw(&bytes);
        })
    };
    each(noise, impatient, |_, client| endure(client, 40));
}

fn issued() -> Vec<u8> {
    let cookie = Cookie {
        name: "jwt_keeper",
        value: "00112233445566778899aabbccddeeff",
        expires_at: 7,
        domain: Some("example.com"),
        path: None,
        secure: true,
        http_only: true,
        same_site: "lax",
        set_cookie: "jwt_keeper=00112233445566778899aabbccddeeff",
    };
    let cookie = Some(cookie);
    let minted = Minted {
        token: "a.b.c",
        jti: "an-id",
        expires_at: 7,
        claims: b"{}",
        cookie,
    };
    let mut frame = Vec::new();
    put_frame(
        &Reply {
            id: 1,
            answer: Answer::Issued(minted),
        },
        &mut frame,
    )
    .unwrap();
    frame
}

#[test]
fn a_reply_with_changed_bytes() {
    let noise = || {
        Fake::start(|number, mut peer: Peer| {
            let mut random = Random(number as u64 * 104_729 + 1);
            peer.greet();
            let _asked = peer.asked();
            let mut frame = issued();
            for _ in 0..=random.below(3) {
                let at = random.below(frame.len() as u64) as usize;
                frame[at] = random.below(256) as u8;
            }
            peer.raw(&frame);
        })
    };
    each(noise, impatient, |_, client| endure(client, 60));
}

#[test]
fn random_bytes_for_a_greeting() {
    let noise = || {
        Fake::start(|number, mut peer: Peer| {
            let mut random = Random(number as u64 * 7_907 + 1);
            peer.hello();
            let bytes: Vec<u8> = (0..64).map(|_| random.below(3) as u8).collect();
            peer.raw(&bytes);
        })
    };
    each(noise, impatient, |_, client| endure(client, 40));
}
