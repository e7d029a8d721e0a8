//! The self-tests of all realms, made when somebody asks for health, and at most so often: who asks all the time costs
//! the others nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use crate::reload::Snapshot;
use crate::server::Context;
use crate::server::signers::is_slow;

/// The time for which a success is reused, and a failure.
const WELL: Duration = Duration::from_secs(5);
const ILL: Duration = Duration::from_secs(1);

/// The results of the last self-tests.
#[derive(Default)]
pub(crate) struct SelfTests {
    last: ArcSwapOption<Outcome>,
    /// Held by who makes them.
    making: Mutex<()>,
}

/// The results of the self-tests at one time.
pub(crate) struct Outcome {
    generation: u64,
    made: Instant,
    /// Of each realm that signs: why it cannot do its work, if it cannot.
    pub(crate) realms: BTreeMap<String, Option<String>>,
}

impl Outcome {
    fn counts(&self, snapshot: &Snapshot) -> bool {
        let well = self.realms.values().all(Option::is_none);
        self.generation == snapshot.generation && self.made.elapsed() < if well { WELL } else { ILL }
    }

    /// Returns the faults.
    pub(crate) fn faults(&self) -> impl Iterator<Item = String> {
        let failed = self
            .realms
            .iter()
            .filter_map(|(name, fault)| Some((name, fault.as_ref()?)));
        failed.map(|(name, fault)| format!("realm {name}: the self-test failed: {fault}"))
    }
}

impl SelfTests {
    /// Returns the current results, or recent ones.
    pub(crate) fn outcome(&self, context: &Context, snapshot: &Snapshot) -> Arc<Outcome> {
        let last = self.last.load_full();
        if let Some(last) = last.as_ref().filter(|last| last.counts(snapshot)) {
            return last.clone();
        }
        let _making = match (self.making.try_lock(), last) {
            (Ok(making), _) => making,
            // Someone is at it: nobody waits for what is as good as new.
            (Err(_), Some(last)) if last.generation == snapshot.generation => return last,
            (Err(_), _) => self.making.lock().unwrap_or_else(PoisonError::into_inner),
        };
        if let Some(last) = self.last.load_full().filter(|last| last.counts(snapshot)) {
            return last; // made while we waited
        }
        let outcome = Arc::new(make_aside(context, snapshot));
        self.last.store(Some(outcome.clone()));
        outcome
    }
}

/// RSA takes as long as thousands of validates: another thread takes this one's tasks over meanwhile.
fn make_aside(context: &Context, snapshot: &Snapshot) -> Outcome {
    let signing = snapshot
        .realms()
        .filter_map(|realm| realm.served.realm.keyring.signing());
    if signing.map(|key| key.verifying.algorithm).any(is_slow) {
        tokio::task::block_in_place(|| make(context, snapshot))
    } else {
        make(context, snapshot)
    }
}

fn make(context: &Context, snapshot: &Snapshot) -> Outcome {
    let signs = snapshot
        .realms()
        .filter(|realm| realm.served.realm.keyring.signing().is_some());
    let realms = signs.map(|realm| {
        let tested = context.keeper.self_test(&realm.served, (context.clock)());
        (
            realm.served.realm.name.clone(),
            tested.err().map(|error| error.to_string()),
        )
    });
    Outcome {
        generation: snapshot.generation,
        realms: realms.collect(),
        made: Instant::now(),
    }
}
