//! Calls that are given up half-way, while the daemon stalls now and then: no answer ever reaches the wrong caller.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jwtkeeper_client::{Issue, Verdict};
use nix::sys::signal::Signal;
use serde_json::json;

use jwtkeeper_testkit::daemons::{Daemon, Over, Random, Setup, pace};

/// How many calls are given up.
const GIVEN_UP: u64 = 10_000;
/// Threads of the blocking client: the kernel counts their timeouts so coarsely that each stall should catch many.
const THREADS: u64 = 64;
const TOKENS: usize = 256;

/// Runs `calls` while the daemon is stopped, some milliseconds at a time.
fn while_it_stalls(daemon: &Daemon, calls: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random(7);
            while !over.load(Ordering::Relaxed) {
                daemon.signal(Signal::SIGSTOP);
                pace(Duration::from_micros(1000 + random.below(11_000)));
                daemon.signal(Signal::SIGCONT);
                pace(Duration::from_micros(random.below(6000)));
            }
            daemon.signal(Signal::SIGCONT);
        });
        let _over = Over(&over);
        calls();
    });
}

fn tokens(daemon: &Daemon) -> Vec<String> {
    let client = daemon.client();
    let issue = |number| {
        client
            .issue(Issue::new().claims(json!({ "sub": format!("subject-{number}") })))
            .unwrap()
    };
    (0..TOKENS).map(|number| issue(number).token().to_owned()).collect()
}

fn assert_is(verdict: &Verdict, number: usize) {
    let subject = verdict.claims().expect("a valid token").get("sub");
    assert_eq!(subject, Some(json!(format!("subject-{number}"))), "another's answer");
}

#[test]
fn dropped_calls_of_the_async_client() {
    let daemon = Setup::new().start();
    let tokens = tokens(&daemon);
    let (answered, dropped) = (AtomicU64::new(0), AtomicU64::new(0));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let client = jwtkeeper_client::tokio::Client::new(daemon.config());
    let caller = async |caller: u64| {
        let mut random = Random(caller + 1);
        while !enough(&answered, &dropped) {
            let number = random.below(TOKENS as u64) as usize;
            // Given up after so many turns of the runtime: before it is sent, while it waits, or never.
            let turns = random.below(40);
            tokio::select! {
                biased;
                verdict = client.validate(tokens[number].as_str()) => {
                    assert_is(&verdict.unwrap(), number);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                () = yields(turns), if turns < 30 => drop(dropped.fetch_add(1, Ordering::Relaxed)),
            }
        }
    };
    while_it_stalls(&daemon, || {
        runtime.block_on(async {
            let [a, b, c, d, e, f, g, h] = std::array::from_fn(|number| caller(number as u64));
            tokio::join!(a, b, c, d, e, f, g, h);
        });
    });
    report("dropped", &answered, &dropped);
}

#[test]
fn timed_out_calls_of_the_blocking_client() {
    let daemon = Setup::new().start();
    let tokens = tokens(&daemon);
    let (answered, timed_out) = (AtomicU64::new(0), AtomicU64::new(0));
    let client = daemon.client_with(|config| config.with_deadline(Duration::from_millis(1)));
    while_it_stalls(&daemon, || {
        std::thread::scope(|scope| {
            for caller in 0..THREADS {
                let (client, tokens, answered, timed_out) = (&client, &tokens, &answered, &timed_out);
                scope.spawn(move || {
                    let mut random = Random(caller + 1);
                    while !enough(answered, timed_out) {
                        let number = random.below(TOKENS as u64) as usize;
                        match client.validate(tokens[number].as_str()) {
                            Ok(verdict) => {
                                assert_is(&verdict, number);
                                answered.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(error) => {
                                assert!(error.is_timeout() || error.is_unreachable(), "{error}");
                                timed_out.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                    }
                });
            }
        });
    });
    report("timed out", &answered, &timed_out);
}

/// Both must happen, or nothing is shown.
fn enough(answered: &AtomicU64, given_up: &AtomicU64) -> bool {
    answered.load(Ordering::Relaxed) >= GIVEN_UP / 100 && given_up.load(Ordering::Relaxed) >= GIVEN_UP
}

async fn yields(turns: u64) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

fn report(how: &str, answered: &AtomicU64, given_up: &AtomicU64) {
    let (answered, given_up) = (answered.load(Ordering::Relaxed), given_up.load(Ordering::Relaxed));
    println!("{given_up} calls {how}, {answered} answered: each by its own");
}
