//! The number of connections that the clients make, keep, and close.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use jwtkeeper_client::{Config, blocking};
use jwtkeeper_testkit::fake::Fake;
use jwtkeeper_testkit::pace::until;
use support::driver::{Driver, subject};

/// An echoing daemon that counts the connections that are open.
fn counting(open: &Arc<AtomicUsize>) -> Fake {
    let open = Arc::clone(open);
    Fake::start(move |_, peer| {
        open.fetch_add(1, Ordering::SeqCst);
        peer.echo_all();
        open.fetch_sub(1, Ordering::SeqCst);
    })
}

#[test]
fn a_client_connects_when_it_is_used_and_closes_when_it_is_dropped() {
    let open = Arc::default();
    let fake = counting(&open);
    let client = blocking::Client::new(fake.config());
    let driver = Driver::Blocking(Box::new(client));
    assert_eq!(fake.accepted(), 0);
    assert_eq!(driver.subject("mine").unwrap(), "mine");
    assert_eq!(open.load(Ordering::SeqCst), 1);
    drop(driver);
    until("the connection is closed", || open.load(Ordering::SeqCst) == 0);
}

#[cfg(feature = "tokio")]
#[test]
fn an_async_client_closes_with_its_last_clone() {
    let open = Arc::default();
    let fake = counting(&open);
    support::driver::runtime().block_on(async {
        let client = jwtkeeper_client::tokio::Client::new(fake.config());
        let clone = client.clone();
        client.ping().await.unwrap();
        drop(client);
        clone.ping().await.unwrap();
        assert_eq!(open.load(Ordering::SeqCst), 1);
        drop(clone);
        until_async(|| open.load(Ordering::SeqCst) == 0).await;
    });
}

#[cfg(feature = "tokio")]
async fn until_async(condition: impl Fn() -> bool) {
    let polled = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), polled)
        .await
        .unwrap();
}

#[test]
fn threads_at_once_have_a_connection_each_and_few_are_kept() {
    const THREADS: usize = 12;
    const KEPT: usize = 3;
    let barrier = Arc::new(Barrier::new(THREADS));
    let open: Arc<AtomicUsize> = Arc::default();
    let (all_asked, counted) = (Arc::clone(&barrier), Arc::clone(&open));
    let fake = Fake::start(move |_, mut peer| {
        counted.fetch_add(1, Ordering::SeqCst);
        peer.greet();
        while let Some(asked) = peer.asked() {
            all_asked.wait(); // nobody is answered before all have asked
            peer.reply_to(&asked);
        }
        counted.fetch_sub(1, Ordering::SeqCst);
    });
    let mut config: Config = fake.config();
    config.max_idle = KEPT;
    let client = blocking::Client::new(config);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let client = &client;
            scope.spawn(move || {
                let mine = format!("thread-{thread}");
                assert_eq!(subject(&client.validate(&mine).unwrap()), mine);
            });
        }
    });
    assert_eq!(fake.accepted(), THREADS);
    until("the others are closed", || open.load(Ordering::SeqCst) == KEPT);
}

#[test]
fn one_thread_uses_one_connection() {
    let open = Arc::default();
    let fake = counting(&open);
    let client = blocking::Client::new(fake.config());
    for _ in 0..1_000 {
        client.ping().unwrap();
    }
    assert_eq!(fake.accepted(), 1);
}
