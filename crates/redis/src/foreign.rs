//! Values in Redis that neither we nor a gem wrote: remembered so that they are told of once, cost nobody a second
//! login, and can be written over.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;

use super::naming;
use super::node::Job;
use super::value::{self, Decided, Said};
use jwtkeeper_core::denylist::Cutoff;
use jwtkeeper_core::denylist::Level;
use jwtkeeper_core::types::Millis;

/// So many are remembered, of each kind.
const MOST: usize = 10_000;
/// Characters of a key that are shown.
const SHOWN: usize = 200;

/// The values that could not be read.
#[derive(Default)]
pub(super) struct Foreign {
    /// Cutoffs that cannot be read hold as of when they were first seen, however often they are read again.
    first_seen: Mutex<HashMap<String, Millis>>,
    /// The SHA-1 of each record that cannot be read.
    records: Mutex<HashMap<String, String>>,
}

impl Foreign {
    /// Dates a cutoff that cannot be read.
    pub(super) fn date(&self, key: &str, said: &mut Said, now: Millis) {
        let mut first_seen = lock(&self.first_seen);
        if !said.unknown {
            if !first_seen.is_empty() {
                first_seen.remove(key);
            }
            return;
        }
        let dated =
            |raise: &&mut jwtkeeper_core::denylist::Revocation| !raise.cutoff.is_none() && raise.level == Level::Hard;
        for raise in said.raises.iter_mut().filter(dated) {
            let start = *remember(&mut first_seen, key, now);
            raise.cutoff = Cutoff::new(start, start.micros());
        }
    }

    /// Reads the record of a rotation. One that cannot be read is remembered.
    pub(super) fn read_record(&self, job: &Job, record: &[u8]) -> Option<Decided> {
        let decided = value::read_record(record);
        let mut records = lock(&self.records);
        if decided.is_none() {
            let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, record);
            let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            *remember(&mut records, &key_of(job), String::new()) = hex;
        } else if !records.is_empty() {
            records.remove(&key_of(job));
        }
        decided
    }

    /// The SHA-1 of a record that may be written over; empty for none.
    pub(super) fn unreadable(&self, job: &Job) -> String {
        let records = lock(&self.records);
        let of = || records.get(&key_of(job)).cloned();
        (!records.is_empty()).then(of).flatten().unwrap_or_default()
    }
}

fn key_of(job: &Job) -> String {
    naming::record(&job.shared.prefix, &job.id)
}

/// Returns what is remembered of a key, or this. Beyond [`MOST`] something else is forgotten.
fn remember<'m, V>(known: &'m mut HashMap<String, V>, key: &str, value: V) -> &'m mut V
where
    String: Eq + Hash,
{
    if known.len() >= MOST && !known.contains_key(key) {
        let any = known.keys().next().cloned();
        any.iter().for_each(|any| drop(known.remove(any)));
    }
    known.entry(key.to_owned()).or_insert(value)
}

/// A key as it may be shown: whoever can write to Redis has chosen it.
pub(super) fn shown(key: &str) -> String {
    let mut shown: String = key.escape_debug().take(SHOWN).collect();
    if key.escape_debug().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_shown_escaped_and_in_part() {
        assert_eq!(shown("JWTKeeper:a\nb"), "JWTKeeper:a\\nb");
        assert_eq!(shown(&"x".repeat(5000)).chars().count(), SHOWN + 1);
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let mut known = HashMap::new();
        for number in 0..2 * MOST {
            remember(&mut known, &number.to_string(), number);
        }
        assert_eq!(known.len(), MOST);
    }
}
