//! Request metrics: the number of requests by operation, realm and outcome, and their durations. Plain
//! numbers, many of each so that connections seldom meet on one: a validate takes a microsecond.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jwtkeeper_wire::{Cause, ErrorCode, OPERATION_COUNT, OPERATIONS, OperationRow, Reason, UNKNOWN_OPERATION};

use crate::ops::outcome::Outcome;
use jwtkeeper_core::types::{Durations, Histogram};

/// The number of shards.
const SHARDS: usize = 8;
/// All operations, and messages without one that is known.
const ROWS: usize = OPERATION_COUNT + 1;
const REASONS: usize = Reason::ALL.len();
const ERRORS: usize = ErrorCode::ALL.len();
const CAUSES: usize = Cause::ALL.len();
/// Done; each cause of rotation; each reason; each error.
const OUTCOMES: usize = 1 + CAUSES + REASONS + ERRORS;
/// The kinds of targets.
const TARGETS: [&str; 5] = ["token", "jti", "session", "subject", "issued_before"];
/// Realms counted by name; a realm that is not there, or one too many, is counted under no name.
const MOST_REALMS: usize = 256;

/// Upper bounds of how long requests took, in microseconds.
const BOUNDS: &[u64] = &[
    1, 2, 5, 10, 25, 50, 100, 250, 1_000, 2_500, 10_000, 50_000, 250_000, 1_000_000,
];

/// All numbers.
#[derive(Default)]
pub struct RequestMetrics {
    realms: Mutex<Vec<Arc<RealmMetrics>>>,
    next: AtomicUsize,
}

/// The metrics of one realm.
pub(super) struct RealmMetrics {
    name: String,
    shards: [Shard; SHARDS],
}

struct Shard {
    counts: [[AtomicU64; OUTCOMES]; ROWS],
    targets: [AtomicU64; TARGETS.len()],
    durations: [Histogram; ROWS],
}

impl RealmMetrics {
    fn new(name: &str) -> Self {
        let zero = || AtomicU64::new(0);
        let shard = || Shard {
            counts: std::array::from_fn(|_| std::array::from_fn(|_| zero())),
            targets: std::array::from_fn(|_| zero()),
            durations: std::array::from_fn(|_| Histogram::new(BOUNDS)),
        };
        Self {
            name: name.to_owned(),
            shards: std::array::from_fn(|_| shard()),
        }
    }

    /// Returns the number of times that an operation had the outcome of this index.
    fn counted(&self, operation: &OperationRow, index: usize) -> u64 {
        let of = |shard: &Shard| {
            let count = shard.counts.get(operation.place)?.get(index)?;
            Some(count.load(Ordering::Relaxed))
        };
        self.shards.iter().filter_map(of).sum()
    }

    fn count(&self, shard: usize, operation: &OperationRow, outcome: Outcome, took: Duration) {
        let Some(shard) = self.shards.get(shard) else { return };
        let operation = operation.place;
        if let Some(number) = shard.counts.get(operation).and_then(|all| all.get(index(outcome))) {
            number.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(durations) = shard.durations.get(operation) {
            durations.count(took);
        }
    }
}

fn index(outcome: Outcome) -> usize {
    let place = |found: Option<usize>| found.unwrap_or(0); // ALL has all that this build makes
    match outcome {
        Outcome::Done => 0,
        Outcome::Valid(cause) | Outcome::Rotated(cause) => 1 + place(Cause::ALL.iter().position(|one| *one == cause)),
        Outcome::Invalid(reason) => 1 + CAUSES + place(Reason::ALL.iter().position(|one| *one == reason)),
        Outcome::Error(code) => 1 + CAUSES + REASONS + place(ErrorCode::ALL.iter().position(|one| *one == code)),
    }
}

fn outcome(operation: &OperationRow, index: usize) -> Outcome {
    let mut rest = index;
    if rest == 0 {
        return Outcome::Done;
    }
    rest -= 1;
    if let Some(cause) = Cause::ALL.get(rest) {
        return match operation.name {
            "rotate" => Outcome::Rotated(*cause),
            _ => Outcome::Valid(*cause),
        };
    }
    rest -= CAUSES;
    if let Some(reason) = Reason::ALL.get(rest) {
        return Outcome::Invalid(*reason);
    }
    let code = ErrorCode::ALL.get(rest - REASONS);
    Outcome::Error(code.copied().unwrap_or(ErrorCode::Internal))
}

/// All operations, and messages without one that is known.
fn rows() -> impl Iterator<Item = &'static OperationRow> {
    OPERATIONS.iter().chain([&UNKNOWN_OPERATION])
}

fn row(name: &str) -> &'static OperationRow {
    rows().find(|row| row.name == name).unwrap_or(&UNKNOWN_OPERATION)
}

/// One line of the counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// The realm; empty where the request names none that there is.
    pub realm: String,
    /// The operation.
    pub operation: &'static str,
    /// `ok`, `invalid`, `denied` or `error`.
    pub outcome: &'static str,
    /// Why: a reason, an error, or the cause for which rotation is due or was; empty for none.
    pub reason: &'static str,
    /// The count.
    pub count: u64,
}

impl RequestMetrics {
    fn realms(&self) -> Vec<Arc<RealmMetrics>> {
        self.realms.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn realm(&self, asked: &str) -> Arc<RealmMetrics> {
        let mut realms = self.realms.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |name: &str| realms.iter().find(|realm| realm.name == name).cloned();
        let name = if realms.len() < MOST_REALMS { asked } else { "" };
        if let Some(realm) = known(asked).or_else(|| known(name)) {
            return realm;
        }
        let realm = Arc::new(RealmMetrics::new(name));
        realms.push(realm.clone());
        realm
    }

    /// Every count that is not 0.
    pub fn counts(&self) -> Vec<Count> {
        let mut all = Vec::new();
        for realm in self.realms() {
            for operation in rows() {
                for index in 0..OUTCOMES {
                    let count = realm.counted(operation, index);
                    if count == 0 {
                        continue;
                    }
                    let outcome = outcome(operation, index);
                    all.push(Count {
                        realm: realm.name.clone(),
                        operation: operation.name,
                        outcome: outcome.kind(),
                        reason: outcome.reason().unwrap_or(""),
                        count,
                    });
                }
            }
        }
        all
    }

    /// Revocations that were done: realm, target, how many.
    pub fn revocations(&self) -> Vec<(String, &'static str, u64)> {
        let mut all = Vec::new();
        for realm in self.realms() {
            for (index, target) in TARGETS.into_iter().enumerate() {
                let of = |shard: &Shard| Some(shard.targets.get(index)?.load(Ordering::Relaxed));
                let count = realm.shards.iter().filter_map(of).sum();
                if count > 0 {
                    all.push((realm.name.clone(), target, count));
                }
            }
        }
        all
    }

    /// Returns the time that requests took, by operation; those that there were none of are left out.
    pub fn durations(&self) -> Vec<(&'static str, Durations)> {
        let realms = self.realms();
        let of = |operation: &'static OperationRow| {
            let mut all = Durations::default();
            let shards = realms.iter().flat_map(|realm| &realm.shards);
            let each = shards.filter_map(|shard| shard.durations.get(operation.place));
            each.for_each(|durations| all.add(&durations.read()));
            (operation.name, all)
        };
        let all = rows().map(of);
        all.filter(|(_, took)| took.count() > 0).collect()
    }

    /// Tokens minted in a realm: issued, and successors.
    pub fn minted(&self, realm: &str) -> u64 {
        let realms = self.realms();
        let Some(realm) = realms.iter().find(|one| one.name == realm) else {
            return 0;
        };
        let rotated = Cause::ALL
            .iter()
            .map(|cause| realm.counted(row("rotate"), index(Outcome::Rotated(*cause))));
        realm.counted(row("issue"), index(Outcome::Done)) + rotated.sum::<u64>()
    }
}

/// The counter of one connection.
pub(crate) struct Counter {
    request_metrics: Arc<RequestMetrics>,
    shard: usize,
    /// The realms that it has asked in, by their names.
    realms: Vec<(String, Arc<RealmMetrics>)>,
}

/// A request that is being handled.
pub(crate) struct Ticket {
    realm: Arc<RealmMetrics>,
    shard: usize,
    operation: &'static OperationRow,
    began: std::time::Instant,
}

impl Counter {
    pub(crate) fn new(request_metrics: &Arc<RequestMetrics>) -> Self {
        Self {
            request_metrics: request_metrics.clone(),
            shard: request_metrics.next.fetch_add(1, Ordering::Relaxed) % SHARDS,
            realms: Vec::new(),
        }
    }

    /// A request in a realm that there is, or in none.
    pub(crate) fn ticket(
        &mut self,
        realm: &str,
        operation: &'static OperationRow,
        began: std::time::Instant,
    ) -> Ticket {
        let known = self.realms.iter().find(|(name, _)| name == realm);
        let realm = match known {
            Some((_, known)) => known.clone(),
            None => {
                let found = self.request_metrics.realm(realm);
                self.realms.push((realm.to_owned(), found.clone()));
                found
            }
        };
        let shard = self.shard;
        Ticket {
            realm,
            shard,
            operation,
            began,
        }
    }
}

impl Ticket {
    /// Counts what it came to. `target`: what a revocation names.
    pub(crate) fn count(&self, outcome: Outcome, target: Option<&str>, now: std::time::Instant) {
        let took = now.saturating_duration_since(self.began);
        self.realm.count(self.shard, self.operation, outcome, took);
        let of = |target: &str| TARGETS.iter().position(|one| *one == target);
        if self.operation.name == "revoke"
            && outcome == Outcome::Done
            && let Some(index) = target.and_then(of)
            && let Some(number) = self
                .realm
                .shards
                .get(self.shard)
                .and_then(|shard| shard.targets.get(index))
        {
            number.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_a_place_of_its_own() {
        let mut places: Vec<_> = [Outcome::Done]
            .into_iter()
            .chain(Cause::ALL.iter().map(|cause| Outcome::Valid(*cause)))
            .chain(Reason::ALL.iter().map(|reason| Outcome::Invalid(*reason)))
            .chain(ErrorCode::ALL.iter().map(|code| Outcome::Error(*code)))
            .map(|one| {
                assert_eq!(outcome(row("validate"), index(one)), one);
                index(one)
            })
            .collect();
        places.dedup();
        assert_eq!(places.len(), OUTCOMES);
    }

    /// However many realms come and go, those that were there are counted on, and the others together.
    #[test]
    fn one_realm_too_many_is_counted_under_no_name() {
        let request_metrics = Arc::new(RequestMetrics::default());
        let mut counter = Counter::new(&request_metrics);
        let now = std::time::Instant::now();
        for _ in 0..2 {
            for number in 0..MOST_REALMS + 10 {
                let ticket = counter.ticket(&format!("realm-{number}"), row("issue"), now);
                ticket.count(Outcome::Done, None, now);
            }
        }
        assert_eq!(counter.realms.len(), MOST_REALMS + 10, "each is looked for once");
        assert_eq!(request_metrics.minted("realm-0"), 2);
        assert_eq!(request_metrics.minted(""), 2 * 10);
        assert_eq!(request_metrics.counts().len(), MOST_REALMS + 1);
    }

    #[test]
    fn what_is_counted_is_told() {
        let request_metrics = Arc::new(RequestMetrics::default());
        let began = std::time::Instant::now();
        let later = began + Duration::from_micros(3);
        for _ in 0..20 {
            let mut counter = Counter::new(&request_metrics);
            let ticket = counter.ticket("default", row("validate"), began);
            ticket.count(Outcome::Invalid(Reason::Expired), None, later);
            let ticket = counter.ticket("default", row("revoke"), began);
            ticket.count(Outcome::Done, Some("session"), later);
        }
        let counts = request_metrics.counts();
        assert_eq!(counts.len(), 2, "{counts:?}");
        assert_eq!(
            (counts[0].outcome, counts[0].reason, counts[0].count),
            ("invalid", "expired", 20)
        );
        assert_eq!(request_metrics.revocations(), [("default".to_owned(), "session", 20)]);
        let (operation, took) = request_metrics.durations().remove(0);
        assert_eq!((operation, took.count()), ("validate", 20));
        assert!((took.seconds - 60e-6).abs() < 1e-9);
        assert_eq!(took.buckets[2], (5e-6, 20));
    }
}
