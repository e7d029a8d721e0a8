//! Callers that issue and validate at full rate while files change, and judge every answer. Each state of the files has
//! a number, and a token tells which one minted it.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwtkeeper_client::{Cause, Config, Issue, Reason, Verdict, blocking};
use jwtkeeper_wire::{Answer, Op, Reply, decode};

use super::wire::frame;
use super::{Over, PATIENCE, SECRET, Wire};

/// Requests that a pipelining caller has on their way at once.
const BATCH: u64 = 16;

/// The place where a state's number shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Secret,
    /// In both, always the same.
    SecretAndVersion,
    Issuer,
}

/// The secret of a number. Their lengths differ, and none begins as another does.
pub fn secret(number: u64) -> String {
    let more = "and longer ".repeat(number as usize % 4);
    format!("{number:06} is the number of this secret {more}: 0123456789abcdef")
}

pub fn issuer(number: u64) -> String {
    format!("issuer-{number}")
}

/// Callers, and what they found.
pub struct Load {
    mark: Mark,
    socket: PathBuf,
    /// The first state that may be in effect, and the last.
    from: AtomicU64,
    to: AtomicU64,
    over: AtomicBool,
    requests: AtomicU64,
    issued: AtomicU64,
    mixes: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

/// An answer about a token.
#[derive(Debug)]
enum Answered {
    Valid(Option<Cause>),
    Invalid(Reason),
}

/// A token, and the number of the state that minted it.
#[derive(Clone)]
struct Held {
    token: String,
    number: u64,
}

impl Load {
    /// On a daemon with state 0 in effect.
    pub fn new(mark: Mark, socket: PathBuf) -> Self {
        Self {
            mark,
            socket,
            from: AtomicU64::new(0),
            to: AtomicU64::new(0),
            over: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            issued: AtomicU64::new(0),
            mixes: AtomicU64::new(0),
            wrong: Mutex::default(),
        }
    }

    /// From now on this state may be in effect too.
    pub fn may_be(&self, number: u64) {
        self.to.store(number, Ordering::SeqCst);
    }

    /// From now on no earlier state may serve a request.
    pub fn is(&self, number: u64) {
        self.from.store(number, Ordering::SeqCst);
    }

    /// The last state that may be in effect.
    pub fn last(&self) -> u64 {
        self.to.load(Ordering::SeqCst)
    }

    /// Does `work` while so many call, every other one with many requests on their way at once.
    pub fn during<T>(&self, callers: usize, work: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            for caller in 0..callers {
                scope.spawn(move || match caller % 2 {
                    0 => self.call(),
                    _ => self.pipeline(),
                });
            }
            let _over = Over(&self.over);
            work()
        })
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub fn issued(&self) -> u64 {
        self.issued.load(Ordering::Relaxed)
    }

    /// Answers for which two states were mixed.
    pub fn mixes(&self) -> u64 {
        self.mixes.load(Ordering::Relaxed)
    }

    /// Asserts that no answer was wrong so far.
    pub fn assert_right(&self) {
        let wrong = self.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn call(&self) {
        let client = blocking::Client::new(Config::new(&self.socket).with_deadline(PATIENCE));
        let mut held: Vec<Held> = Vec::new();
        while !self.over.load(Ordering::Relaxed) {
            let from = self.from.load(Ordering::SeqCst);
            match client.issue(Issue::new()) {
                Ok(minted) => self.hold(&mut held, minted.token(), from),
                Err(error) => self.wrong(format!("issue: {error}")),
            }
            for one in &held {
                let from = self.from.load(Ordering::SeqCst);
                match client.validate(one.token.as_str()) {
                    Ok(Verdict::Valid { rotation, .. }) => self.judge(one, from, &Answered::Valid(rotation)),
                    Ok(Verdict::Invalid(reason)) => self.judge(one, from, &Answered::Invalid(reason)),
                    Err(error) => self.wrong(format!("validate: {error}")),
                }
            }
        }
    }

    fn pipeline(&self) {
        let mut wire = Wire::greeted(&self.socket);
        let mut held: Vec<Held> = Vec::new();
        let mut next = 0;
        while !self.over.load(Ordering::Relaxed) {
            let from = self.from.load(Ordering::SeqCst);
            let asked = held.clone();
            // The even ones issue; each odd one asks about one of those held.
            let about = |id: u64| (id % 2 == 1).then(|| asked.get(id as usize / 2 % asked.len().max(1)))?;
            let ids = next..next + BATCH;
            let frames = ids.clone().flat_map(|id| match about(id) {
                Some(held) => frame(id, validate(held.token.as_bytes())),
                None => frame(id, ISSUE),
            });
            wire.send(&frames.collect::<Vec<u8>>());
            for _ in ids {
                let message = match wire.message() {
                    Ok(message) => message,
                    Err(error) => return self.wrong(format!("dropped: {error}")),
                };
                let reply: Reply<'_> = decode(&message).unwrap();
                match (about(reply.id), reply.answer) {
                    (None, Answer::Issued(minted)) => self.hold(&mut held, minted.token, from),
                    (Some(one), Answer::Valid { rotation, .. }) => {
                        let due = (rotation != Cause::None).then_some(rotation);
                        self.judge(one, from, &Answered::Valid(due));
                    }
                    (Some(one), Answer::Invalid { reason }) => self.judge(one, from, &Answered::Invalid(reason)),
                    (_, other) => self.wrong(format!("{other:?}")),
                }
            }
            next += BATCH;
        }
    }

    /// Judges a token just minted, asked for when `from` was the first that could be in effect. The newest is held, and
    /// the last one of an earlier state.
    fn hold(&self, held: &mut Vec<Held>, token: &str, from: u64) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.issued.fetch_add(1, Ordering::Relaxed);
        let to = self.last();
        let Some(number) = self.minted_by(token, from..=to) else {
            return self.wrong(format!("no state from {from} to {to} mints {token}"));
        };
        if held.last().is_some_and(|last| last.number == number) {
            held.pop();
        }
        held.push(Held {
            token: token.to_owned(),
            number,
        });
        if held.len() > 2 {
            held.remove(0);
        }
    }

    fn minted_by(&self, token: &str, mut numbers: impl Iterator<Item = u64>) -> Option<u64> {
        let claims = claims(token);
        if self.mark == Mark::Issuer {
            let named = |number: &u64| claims["iss"] == issuer(*number).as_str() && is_signed(token, SECRET);
            return numbers.find(named);
        }
        let number = numbers.find(|number| is_signed(token, &secret(*number)))?;
        if self.mark == Mark::SecretAndVersion && claims["ver"] != number {
            self.mixes.fetch_add(1, Ordering::Relaxed);
        }
        Some(number)
    }

    fn judge(&self, held: &Held, from: u64, answered: &Answered) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let to = self.last();
        let no = match self.mark {
            Mark::Issuer => Reason::WrongIssuer,
            _ => Reason::BadSignature,
        };
        let right = match answered {
            Answered::Valid(None) => (from..=to).contains(&held.number),
            // Valid by the key of its state, and stale by the version of another.
            Answered::Valid(Some(Cause::StaleVersion)) if self.mark == Mark::SecretAndVersion => {
                self.mixes.fetch_add(1, Ordering::Relaxed);
                true
            }
            Answered::Valid(Some(_)) => false,
            Answered::Invalid(reason) => *reason == no && (from != to || held.number != from),
        };
        if !right {
            let number = held.number;
            self.wrong(format!(
                "a token of state {number}, in effect {from} to {to}: {answered:?}"
            ));
        }
    }

    fn wrong(&self, what: String) {
        self.over.store(true, Ordering::Relaxed);
        self.wrong.lock().unwrap().push(what);
    }
}

const ISSUE: Op<'_> = Op::Issue {
    realm: "",
    claims: b"",
    ttl: None,
};

pub fn validate(token: &[u8]) -> Op<'_> {
    Op::Validate {
        realm: "",
        token,
        cookie: None,
    }
}

fn claims(token: &str) -> serde_json::Value {
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

/// Returns true if this secret made the token's signature (HS256).
fn is_signed(token: &str, secret: &str) -> bool {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).is_ok()
}

/// A client of its own, for whoever asks beside a load.
pub fn client(socket: &Path) -> blocking::Client {
    blocking::Client::new(Config::new(socket).with_deadline(PATIENCE))
}
