//! A reply never reaches another caller: thousands of calls with subjects of their own are given up at random
//! moments, while a slow daemon answers them late and out of order.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jwtkeeper_client::blocking;
use jwtkeeper_testkit::fake::{Fake, Peer};
use jwtkeeper_testkit::pace::{Random, pace};
use support::driver::subject;

const CALLS: usize = 10_000;

/// Answers one request after another, each a little late.
fn late(number: usize, mut peer: Peer) {
    let mut random = Random(number as u64 + 1);
    peer.greet();
    while let Some(asked) = peer.asked() {
        pace(Duration::from_millis(random.below(24)));
        peer.reply_to(&asked);
    }
}

#[test]
fn blocking_calls_that_time_out() {
    const THREADS: usize = 40;
    let fake = Fake::start(late);
    let patience = [4, 8, 12, 5_000].map(Duration::from_millis);
    let clients = patience.map(|time| blocking::Client::new(fake.config().with_deadline(time)));
    let (answered, given_up) = (AtomicUsize::new(0), AtomicUsize::new(0));

    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (clients, answered, given_up) = (&clients, &answered, &given_up);
            scope.spawn(move || {
                let mut random = Random(thread as u64 + 99);
                for call in 0..CALLS / THREADS {
                    let mine = format!("thread-{thread}-call-{call}");
                    let client = clients.get(random.below(4) as usize).unwrap();
                    match client.validate(mine.as_str()) {
                        Ok(verdict) => {
                            assert_eq!(subject(&verdict), mine);
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => {
                            assert!(error.is_timeout(), "{error}");
                            given_up.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    assert!(answered.load(Ordering::Relaxed) > CALLS / 10, "{answered:?}");
    assert!(given_up.load(Ordering::Relaxed) > CALLS / 10, "{given_up:?}");
}

#[cfg(feature = "tokio")]
mod asynchronous {
    use super::*;
    use jwtkeeper_client::{Config, tokio::Client};
    use std::time::Instant;

    /// Reads all that comes, and answers each a little late: so in any order.
    fn late_and_out_of_order(number: usize, mut peer: Peer) {
        let mut random = Random(number as u64 + 1);
        let mut owed = Vec::new();
        peer.greet();
        while let Ok(asked) = peer.next_within(Duration::from_micros(200)) {
            if let Some(asked) = asked {
                let due = Instant::now() + Duration::from_micros(random.below(6_000));
                owed.push((due, asked));
            }
            let now = Instant::now();
            for (_, asked) in owed.extract_if(.., |(due, _)| *due <= now) {
                peer.reply_to(&asked);
            }
        }
    }

    async fn call(client: &Client, random: &mut Random, mine: &str) -> bool {
        let patience = Duration::from_micros(random.below(9_000));
        match tokio::time::timeout(patience, client.validate(mine)).await {
            Ok(verdict) => {
                assert_eq!(subject(&verdict.unwrap()), mine);
                true
            }
            Err(_given_up) => false,
        }
    }

    #[test]
    fn calls_that_are_dropped_on_one_connection() {
        const TASKS: usize = 50;
        let fake = Fake::start(late_and_out_of_order);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        let runtime = runtime.unwrap();
        let answered = runtime.block_on(async {
            let client = Client::new(fake.config());
            client.ping().await.unwrap();
            let tasks = (0..TASKS).map(|task| {
                let client = client.clone();
                tokio::spawn(async move {
                    let mut random = Random(task as u64 + 99);
                    let mut answered = 0;
                    for number in 0..CALLS / TASKS {
                        let mine = format!("task-{task}-call-{number}");
                        answered += usize::from(call(&client, &mut random, &mine).await);
                    }
                    answered
                })
            });
            let mut answered = 0;
            for task in tasks.collect::<Vec<_>>() {
                answered += task.await.unwrap();
            }
            answered
        });
        assert!((CALLS / 10..CALLS * 9 / 10).contains(&answered), "{answered}");
        assert_eq!(fake.accepted(), 1, "a dropped call costs no connection");
    }

    #[test]
    fn calls_that_time_out_leave_the_others_alone() {
        let fake = Fake::start(late_and_out_of_order);
        let runtime = support::driver::runtime();
        runtime.block_on(async {
            let config = |time| -> Config { fake.config().with_deadline(time) };
            let hasty = Client::new(config(Duration::from_millis(3)));
            let mut calls = Vec::new();
            for number in 0..1_000 {
                let hasty = hasty.clone();
                calls.push(tokio::spawn(async move {
                    let mine = format!("call-{number}");
                    match hasty.validate(mine.as_str()).await {
                        Ok(verdict) => assert_eq!(subject(&verdict), mine),
                        // A connection that breaks with no time left to try again is out of time too.
                        Err(error) => assert!(error.is_timeout() || error.is_unreachable(), "{error}"),
                    }
                }));
                if number % 50 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            for call in calls {
                call.await.unwrap();
            }
        });
    }

    /// A client outlives the runtime that its connection lived on.
    #[test]
    fn a_runtime_that_ends_takes_only_its_connection() {
        let fake = Fake::start(|_, peer| peer.echo_all());
        let client = Client::new(fake.config());
        for mine in ["first", "second", "third"] {
            let runtime = support::driver::runtime();
            let verdict = runtime.block_on(client.validate(mine)).unwrap();
            assert_eq!(subject(&verdict), mine);
        }
        assert_eq!(fake.accepted(), 3);
    }

    #[test]
    fn many_calls_share_one_connection() {
        let fake = Fake::start(|_, peer| peer.echo_all());
        let runtime = support::driver::runtime();
        runtime.block_on(async {
            let client = Client::new(fake.config());
            let calls = (0..5_000).map(|number| {
                let client = client.clone();
                tokio::spawn(async move {
                    let mine = format!("call-{number}");
                    assert_eq!(subject(&client.validate(mine.as_str()).await.unwrap()), mine);
                })
            });
            for call in calls.collect::<Vec<_>>() {
                call.await.unwrap();
            }
        });
        assert_eq!(fake.accepted(), 1);
    }
}
