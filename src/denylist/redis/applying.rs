//! Cutoffs that requests are applying in Redis at this moment.
//!
//! Each application gives a cutoff a new number. A repair that writes the same cutoff meanwhile must not give it another:
//! a login that carries the first number would be revoked by the second.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::denylist::change::{Kind, Level, Raise};
use crate::words::Id;

type Key = (String, Kind, Id, Level);

/// The cutoffs, each with the number of requests.
#[derive(Default)]
pub(super) struct Applying {
    requests: Mutex<HashMap<Key, usize>>,
}

/// A request that applies cutoffs; it is over when this is dropped.
pub(super) struct Request<'a> {
    applying: &'a Applying,
    keys: Vec<Key>,
}

impl Applying {
    /// Begins a request that applies cutoffs of realms.
    pub(super) fn enter<'r>(&self, cutoffs: impl Iterator<Item = (&'r str, &'r Raise)>) -> Request<'_> {
        let keys: Vec<_> = cutoffs.map(|(realm, raise)| key(realm, raise)).collect();
        if !keys.is_empty() {
            let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
            for key in &keys {
                *requests.entry(key.clone()).or_default() += 1;
            }
        }
        Request { applying: self, keys }
    }

    /// Returns true if a request applies this cutoff.
    pub(super) fn has(&self, realm: &str, raise: &Raise) -> bool {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.contains_key(&key(realm, raise))
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        if self.keys.is_empty() {
            return;
        }
        let mut requests = self.applying.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            if let Some(count) = requests.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    requests.remove(key);
                }
            }
        }
    }
}

fn key(realm: &str, raise: &Raise) -> Key {
    (realm.to_owned(), raise.kind, raise.id.clone(), raise.level)
}
