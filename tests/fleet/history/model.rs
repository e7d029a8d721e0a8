//! The rules by which answers are judged. Times are microseconds of the test's own clock, which never jumps; a host's clock
//! is that plus its offset.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub const SKEW_US: u64 = 2_000_000;
/// The offsets of the hosts' clocks, in microseconds: they differ by less than `clock_skew`.
pub const OFFSETS_US: [i64; 2] = [0, 1_500_000];
/// The time in which the other host learns of an acknowledged change.
const PROPAGATION_US: u64 = 2_000_000;
/// Daemons count whole milliseconds.
const TICK_US: u64 = 1000;
/// Older sessions are dropped, and changes that no session can outlive.
pub const LONGEST_US: u64 = 30_000_000;

/// The test's clock: it shows the wall time of the start plus what a monotonic clock measured since.
pub struct TestClock {
    start: Instant,
    wall: Duration,
}

impl TestClock {
    #[allow(clippy::disallowed_methods, reason = "cutoffs are wall times")]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            wall: SystemTime::now().duration_since(UNIX_EPOCH).unwrap(),
        }
    }

    pub fn now(&self) -> u64 {
        (self.wall + self.start.elapsed()).as_micros() as u64
    }
}

/// The sessions or tokens that a change covers.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    /// The one that it is recorded with.
    One,
    /// All that began before the call.
    Now,
    /// All that began by this time, in milliseconds.
    At(u64),
}

/// A revocation or a flag.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    pub scope: Scope,
    pub host: usize,
    pub call: u64,
    /// The time of its return; none while it is under way.
    pub returned: Option<u64>,
    /// It was acknowledged, and not answered `unavailable`.
    pub acknowledged: bool,
}

/// The span in which a session or a token began, and the host.
#[derive(Clone, Copy, Debug)]
pub struct Beginning {
    pub host: usize,
    pub call: u64,
    pub returned: u64,
}

/// A call whose answer is judged.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub host: usize,
    pub begun: u64,
    pub ended: u64,
}

impl Change {
    /// Returns true if the answer to a call must show this change.
    pub fn must_cover(&self, what: Beginning, call: Call) -> bool {
        let Some(returned) = self.returned.filter(|_| self.acknowledged) else {
            return false;
        };
        let earliest_start = what.returned.min(on(what.host, what.returned));
        returned + self.delay(call.host) < call.begun
            && match self.scope {
                Scope::One => true,
                Scope::Now => what.returned < self.call,
                Scope::At(at) => what.returned < self.call && earliest_start <= at * 1000,
            }
    }

    /// Returns true if the answer to a call may show this change.
    pub fn may_cover(&self, what: Beginning, call: Call) -> bool {
        let returned = self.returned.unwrap_or(call.ended);
        let latest_start = match self.scope {
            Scope::One => return self.call <= call.ended,
            Scope::Now => on(self.host, returned) + SKEW_US,
            Scope::At(at) => at * 1000 + SKEW_US,
        };
        let is_known = self.acknowledged && what.call > returned + self.delay(what.host);
        self.call <= call.ended && !is_known && on(what.host, what.call) <= latest_start + TICK_US
    }

    /// The time until a host knows of it.
    fn delay(&self, host: usize) -> u64 {
        if host == self.host { 0 } else { PROPAGATION_US }
    }
}

/// A time as a host's clock shows it.
fn on(host: usize, time: u64) -> u64 {
    time.saturating_add_signed(OFFSETS_US[host])
}

/// Changes of one token, session, subject or realm.
#[derive(Default)]
pub struct Changes(Mutex<Vec<Change>>);

impl Changes {
    fn lock(&self) -> MutexGuard<'_, Vec<Change>> {
        self.0.lock().unwrap()
    }

    /// Makes a change by `call`, which returns true if it was acknowledged. It is recorded before the call as well.
    pub fn make(&self, clock: &TestClock, scope: Scope, host: usize, call: impl FnOnce() -> bool) {
        let mut change = Change {
            scope,
            host,
            call: clock.now(),
            returned: None,
            acknowledged: false,
        };
        let is_same = move |other: &Change| (other.call, other.host, other.returned) == (change.call, host, None);
        let oldest = change.call.saturating_sub(2 * LONGEST_US);
        let mut all = self.lock();
        all.retain(|change| change.call > oldest);
        all.push(change);
        drop(all);
        change.acknowledged = call();
        change.returned = Some(clock.now());
        let mut all = self.lock();
        let own = all.iter_mut().find(|other| is_same(other));
        *own.expect("a change is kept for longer than a call takes") = change;
    }

    pub fn must_cover(&self, what: Beginning, call: Call) -> Option<Change> {
        self.lock().iter().find(|change| change.must_cover(what, call)).copied()
    }

    /// The changes of a few seconds before and after, with times since the beginning.
    fn near(&self, what: Beginning) -> Vec<String> {
        let since = |time: u64| (time as i64 - what.call as i64) / 1000;
        let all = self.lock();
        let near = all.iter().filter(|change| since(change.call) > -10_000);
        near.map(|change| {
            let times = [Some(change.call), change.returned].map(|time| time.map(since));
            let at = match change.scope {
                Scope::At(at) => Some(since(at * 1000)),
                _ => None,
            };
            format!(
                "host {}, {times:?} ms, at {at:?}, acknowledged {}",
                change.host, change.acknowledged
            )
        })
        .collect()
    }

    pub fn may_cover(&self, what: Beginning, call: Call) -> bool {
        self.lock().iter().any(|change| change.may_cover(what, call))
    }
}

/// A token of a session.
pub struct Token {
    pub text: String,
    pub jti: String,
    pub minted: Beginning,
    pub flags: Changes,
}

/// A session and its lineage.
pub struct Session {
    pub realm: usize,
    pub subject: usize,
    pub started: Beginning,
    pub lineage: Mutex<Vec<std::sync::Arc<Token>>>,
    pub revocations: Changes,
}

/// Changes of a realm.
pub struct RealmChanges {
    pub revocations: Changes,
    pub subjects: Vec<(Changes, Changes)>,
}

impl RealmChanges {
    pub fn new(subjects: usize) -> Self {
        Self {
            revocations: Changes::default(),
            subjects: (0..subjects).map(|_| Default::default()).collect(),
        }
    }

    fn revocations<'a>(&'a self, session: &'a Session) -> [&'a Changes; 3] {
        [
            &session.revocations,
            &self.subjects[session.subject].0,
            &self.revocations,
        ]
    }

    /// Judges an answer by which a session is revoked or not; returns what is wrong with it.
    pub fn judge(&self, session: &Session, call: Call, is_revoked: bool) -> Option<String> {
        let (all, started) = (self.revocations(session), session.started);
        if is_revoked {
            let is_wrong = !all.iter().any(|changes| changes.may_cover(started, call));
            let near = || all.map(|changes| changes.near(started)).concat().join("\n  ");
            return is_wrong.then(|| format!("revoked without cause: {started:?}, {call:?}; changes:\n  {}", near()));
        }
        let missed = all.iter().find_map(|changes| changes.must_cover(started, call));
        missed.map(|change| format!("valid after a revocation: {change:?}, {started:?}, {call:?}"))
    }

    /// Judges an answer by which no rotation of a valid token is due.
    pub fn judge_unflagged(&self, session: &Session, token: &Token, call: Call) -> Option<String> {
        let all = [&token.flags, &self.subjects[session.subject].1];
        let missed = all.iter().find_map(|changes| changes.must_cover(token.minted, call));
        missed.map(|change| format!("not flagged after a flag: {change:?}, {:?}, {call:?}", token.minted))
    }
}
