//! Cutoffs that requests are applying in Redis at this moment.
//!
//! Each application gives a cutoff a new number. A repair that writes the same cutoff meanwhile must not give it
//! another: a login that carries the first number would be revoked by the second.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jwtkeeper_core::denylist::{Kind, Level, Revocation};
use jwtkeeper_core::types::{Id, Millis};

type Key = (String, Kind, Id, Level);

/// The starts of the cutoffs, one for each request.
#[derive(Default)]
pub(super) struct Applying {
    requests: Mutex<HashMap<Key, Vec<Millis>>>,
}

/// A request that applies cutoffs; it is over when this is dropped.
pub(super) struct Request<'a> {
    applying: &'a Applying,
    cutoffs: Vec<(Key, Millis)>,
}

impl Applying {
    /// Begins a request that applies cutoffs of realms.
    pub(super) fn enter<'r>(&self, cutoffs: impl Iterator<Item = (&'r str, &'r Revocation)>) -> Request<'_> {
        let cutoffs: Vec<_> = cutoffs
            .map(|(realm, raise)| (key(realm, raise), raise.cutoff.start()))
            .collect();
        if !cutoffs.is_empty() {
            let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, start) in &cutoffs {
                requests.entry(key.clone()).or_default().push(*start);
            }
        }
        Request {
            applying: self,
            cutoffs,
        }
    }

    /// Returns the starts that requests apply to what this raise speaks of.
    pub(super) fn starts(&self, realm: &str, raise: &Revocation) -> Vec<Millis> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.get(&key(realm, raise)).cloned().unwrap_or_default()
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        if self.cutoffs.is_empty() {
            return;
        }
        let mut requests = self.applying.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, start) in &self.cutoffs {
            if let Some(starts) = requests.get_mut(key) {
                if let Some(own) = starts.iter().position(|other| other == start) {
                    starts.swap_remove(own);
                }
                if starts.is_empty() {
                    requests.remove(key);
                }
            }
        }
    }
}

fn key(realm: &str, raise: &Revocation) -> Key {
    (realm.to_owned(), raise.kind, raise.id.clone(), raise.level)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jwtkeeper_core::denylist::Cutoff;

    fn cutoff(start: u64) -> Revocation {
        let raise = Revocation::hard(Kind::Subject, Id::parse("u").unwrap(), 0);
        let cutoff = Cutoff::new(Millis(start), 1);
        Revocation { cutoff, ..raise }
    }

    #[test]
    fn a_cutoff_is_applied_until_its_last_request_is_over() {
        let applying = Applying::default();
        let enter = |raise| applying.enter(std::iter::once(("realm", raise)));
        let (early, late) = (cutoff(1), cutoff(2));
        let requests = [enter(&early), enter(&early), enter(&late)];
        let starts = |realm| applying.starts(realm, &early);
        assert_eq!(starts("realm"), [Millis(1), Millis(1), Millis(2)]);
        assert!(starts("another").is_empty());
        let [first, second, third] = requests;
        drop(first);
        drop(third);
        assert_eq!(starts("realm"), [Millis(1)]);
        drop(second);
        assert!(starts("realm").is_empty() && applying.requests.lock().unwrap().is_empty());
    }
}
