//! Callers that revoke on every host of a fleet, and others that ask about what was revoked; and what may be answered
//! when.
//!
//! A revocation is acknowledged at some moment. The host that took it says so of every validate that begins after that
//! moment. Another host may say "valid" for a while: its copy is right as of some moment not longer than `max_staleness`
//! before each such answer, so it knows whatever Redis was told before. Hence no validate that begins later than
//! `max_staleness` after the acknowledgement is answered "valid", and there is no allowance for anything: as long as
//! Redis keeps what it acknowledged, none is needed.
//!
//! A fault that makes Redis lose what it acknowledged can do so before another host has heard of it. Then only the host
//! that took it knows, and puts it back. Once Redis has it again, the same rule holds for the other hosts: `max_staleness`
//! later all of them know. The same is true of what was answered `unavailable`: it holds on its own host at once, and on
//! the others when it has come to Redis.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use jwtkeeper_client::{Config, Issue, Reason, Verdict, blocking};

use crate::hosts::MAX_STALENESS;
use jwtkeeper_testkit::daemons::{Daemon, Random, pace};

/// Callers that revoke on each host.
const CALLERS: usize = 2;
/// Between two revocations of one caller.
const PACE: Duration = Duration::from_millis(5);
/// Asked about each time: the newest, and any.
const NEWEST: usize = 20;
const ANY: u64 = 10;
/// Between two times: what is measured is Redis and the daemons, not who asks.
const LOOK: Duration = Duration::from_millis(5);

/// A token that somebody revoked.
#[derive(Debug, Clone)]
pub struct Gone {
    pub token: String,
    pub jti: String,
    /// The host that took it.
    pub host: usize,
    /// Not before it was answered.
    pub at: Instant,
    /// Whether it was acknowledged, or answered `unavailable`.
    pub acknowledged: bool,
}

/// The end of a fault.
pub struct Over {
    pub at: Instant,
    /// The moment from which Redis had everything again that was revoked before `at`.
    pub healed: Instant,
    /// Whether Redis may have lost what it acknowledged.
    pub loses: bool,
}

/// The callers, and what they found.
pub struct Load {
    configs: Vec<Config>,
    gone: Mutex<Vec<Gone>>,
    /// The last validate that was answered "valid": of which, at which host, and when it began.
    accepted: Mutex<HashMap<(usize, usize), Instant>>,
    over: AtomicBool,
    pub asked: AtomicU64,
    pub unavailable: AtomicU64,
}

impl Load {
    pub fn new(hosts: &[Daemon]) -> Self {
        let configs = hosts.iter().map(Daemon::config);
        Self {
            configs: configs
                .map(|config| config.with_deadline(Duration::from_secs(15)))
                .collect(),
            gone: Mutex::default(),
            accepted: Mutex::default(),
            over: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            unavailable: AtomicU64::new(0),
        }
    }

    pub fn gone(&self) -> MutexGuard<'_, Vec<Gone>> {
        self.gone.lock().unwrap()
    }

    pub fn acknowledged(&self) -> usize {
        self.gone().iter().filter(|gone| gone.acknowledged).count()
    }

    /// Has it all go on while `body` runs.
    pub fn during<T>(&self, body: impl FnOnce() -> T) -> T {
        self.over.store(false, Ordering::Relaxed);
        std::thread::scope(|scope| {
            let _over = jwtkeeper_testkit::daemons::Over(&self.over);
            for host in 0..self.configs.len() {
                for _ in 0..CALLERS {
                    scope.spawn(move || self.revoke(host));
                }
                scope.spawn(move || self.check(host));
            }
            body()
        })
    }

    fn revoke(&self, host: usize) {
        let client = blocking::Client::new(self.configs[host].clone());
        while !self.over.load(Ordering::Relaxed) {
            pace(PACE);
            let Ok(minted) = client.issue(Issue::new()) else {
                continue;
            };
            let answer = client.revoke_token(minted.token(), None);
            let acknowledged = match answer {
                Ok(_) => true,
                Err(error) if error.is_unavailable() => false,
                Err(_) => continue, // not answered at all
            };
            let at = Instant::now();
            let (token, jti) = (minted.token().to_owned(), minted.jti.clone());
            self.gone().push(Gone {
                token,
                jti,
                host,
                at,
                acknowledged,
            });
        }
    }

    fn check(&self, host: usize) {
        let client = blocking::Client::new(self.configs[host].clone().with_deadline(Duration::from_secs(2)));
        let mut random = Random(host as u64 + 7);
        while !self.over.load(Ordering::Relaxed) {
            pace(LOOK);
            let some: Vec<_> = {
                let gone = self.gone();
                let newest = gone.len().saturating_sub(NEWEST)..gone.len();
                let any = (0..ANY.min(gone.len() as u64)).map(|_| random.below(gone.len() as u64) as usize);
                newest.chain(any).map(|index| (index, gone[index].clone())).collect()
            };
            for (index, gone) in some {
                if self.over.load(Ordering::Relaxed) {
                    return;
                }
                self.ask(&client, host, index, &gone);
            }
        }
    }

    /// Asks one host about one token: whether it is revoked there.
    fn ask(&self, client: &blocking::Client, host: usize, index: usize, gone: &Gone) -> bool {
        let begun = Instant::now();
        self.asked.fetch_add(1, Ordering::Relaxed);
        match client.validate(gone.token.as_str()) {
            Ok(Verdict::Invalid(Reason::Revoked)) => true,
            Ok(Verdict::Invalid(other)) => panic!("{other}"),
            Ok(Verdict::Valid { .. }) => {
                self.accepted.lock().unwrap().insert((index, host), begun);
                false
            }
            Err(_) => {
                self.unavailable.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }

    /// Asks every host about everything from the number `from` on, until each says revoked. Returns what did not become so
    /// by `end`.
    pub fn all_revoked(&self, from: usize, end: Instant) -> Vec<String> {
        let mut wrong = Vec::new();
        let all: Vec<_> = self.gone().iter().cloned().enumerate().skip(from).collect();
        for (host, config) in self.configs.iter().enumerate() {
            let client = blocking::Client::new(config.clone());
            for (index, gone) in &all {
                while !self.ask(&client, host, *index, gone) {
                    if Instant::now() > end {
                        wrong.push(format!("{} is not answered as revoked at host {host}", gone.jti));
                        break;
                    }
                    pace(Duration::from_millis(5));
                }
                if wrong.len() > 20 {
                    return wrong;
                }
            }
        }
        wrong
    }

    /// What was answered "valid" when it no longer may be; and how long after the acknowledgement another host said so.
    pub fn late(&self, over: &Over) -> (Vec<String>, Duration) {
        let mut wrong = Vec::new();
        let mut longest = Duration::ZERO;
        let gone = self.gone();
        for ((index, host), begun) in self.accepted.lock().unwrap().drain() {
            let gone = &gone[index];
            let Some(after) = begun.checked_duration_since(gone.at) else {
                continue;
            };
            if gone.acknowledged {
                longest = longest.max(after);
            }
            if latest(gone, host, over).is_some_and(|latest| begun > latest) {
                let what = if gone.acknowledged {
                    "acknowledged"
                } else {
                    "answered unavailable"
                };
                wrong.push(format!(
                    "{} was accepted at host {host} {after:?} after it was {what} at host {}, {:?} after the fault",
                    gone.jti,
                    gone.host,
                    begun.saturating_duration_since(over.at)
                ));
            }
        }
        (wrong, longest)
    }
}

/// The last moment at which a validate may begin that is answered "valid"; none where nothing tells when Redis had it.
fn latest(gone: &Gone, host: usize, over: &Over) -> Option<Instant> {
    let known = gone.at + MAX_STALENESS;
    let before = gone.at <= over.at;
    if gone.host == host {
        Some(gone.at)
    } else if gone.acknowledged && !(over.loses && before) {
        Some(known)
    } else {
        before.then(|| known.max(over.healed + MAX_STALENESS))
    }
}
