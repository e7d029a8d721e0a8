//! The keys of a JWK Set: those for us, and why each of the others is left out (RFC 7517 section 5).

use serde_json::value::RawValue;

use super::jwk::{RawJwk, Skipped};
use super::key::VerifyingKey;
use super::load::{KeyFault, PublicFile, public_key};
use crate::jwt::{Algorithm, Rejected};

/// A key of a set, or the reason why it cannot be read.
pub(super) type SetKey = Result<RawJwk, String>;

/// The most keys that a warning or an error names.
const NAMED: usize = 16;

/// The second half of a warning.
pub(super) const PRIVATE_AMONG_PUBLIC: &str =
    "is a private key in a file of public keys: keep only its public members, and replace it if others could read it";

/// Reads each key by itself.
pub(super) fn read(keys: &[&RawValue]) -> Vec<SetKey> {
    keys.iter().map(|key| RawJwk::of_set(key)).collect()
}

/// The public keys of a set for `algorithm`; an error where there is none.
pub(super) fn public(keys: &[SetKey], algorithm: Algorithm) -> Result<PublicFile, KeyFault> {
    let found = sort(keys, algorithm, |_| false);
    if found.keys.is_empty() {
        let reasons = match found.left_out.as_slice() {
            [] => "it is empty".to_owned(),
            all => first(all).join("; "),
        };
        return Err(KeyFault::NoKey { algorithm, reasons });
    }
    let PublicFile { keys, notes } = found.into();
    Ok(PublicFile { keys, notes })
}

/// The keys of a set, sorted.
pub(super) struct Sorted {
    pub(super) keys: Vec<VerifyingKey>,
    /// Warnings.
    pub(super) notes: Vec<String>,
    /// Why each other key is left out, warnings or not.
    left_out: Vec<String>,
}

impl From<Sorted> for PublicFile {
    fn from(sorted: Sorted) -> Self {
        Self {
            keys: sorted.keys,
            notes: sorted.notes,
        }
    }
}

/// Sorts the keys of a set, but for those that `passes_over` says are no business of this set's reader.
pub(super) fn sort(keys: &[SetKey], algorithm: Algorithm, passes_over: impl Fn(&SetKey) -> bool) -> Sorted {
    let (mut found, mut notes, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for (index, key) in keys.iter().enumerate().filter(|(_, key)| !passes_over(key)) {
        let name = name(index, key);
        match usable(key, algorithm) {
            Ok(usable) => {
                found.push(usable);
                if key.as_ref().is_ok_and(RawJwk::is_private) {
                    notes.push(format!("{name} {PRIVATE_AMONG_PUBLIC}"));
                }
            }
            Err(reason) => {
                left_out.push(format!("{name}: {reason}"));
                if let Skipped::Faulty(reason) = reason {
                    notes.push(format!("{name} is skipped: {reason}"));
                }
            }
        }
    }
    Sorted {
        keys: found,
        notes: first(&notes),
        left_out,
    }
}

fn usable(key: &SetKey, algorithm: Algorithm) -> Result<VerifyingKey, Skipped> {
    let key = key.as_ref().map_err(|cause| Skipped::Faulty(cause.clone()))?;
    let algorithm = key.algorithm_in_set(algorithm)?;
    public_jwk(key, algorithm).map_err(|fault| match fault {
        KeyFault::Rejected(rejected) => rejected.into(),
        KeyFault::Kind(reason) => Rejected::Because(reason).into(),
        _ => Rejected::Because("it is not a valid public key").into(),
    })
}

/// The public half of a key that has been checked against `algorithm`.
pub(super) fn public_jwk(key: &RawJwk, algorithm: Algorithm) -> Result<VerifyingKey, KeyFault> {
    public_key(&key.public(algorithm)?, algorithm, key.kid()?)
}

/// A key's place and name, for people.
fn name(index: usize, key: &SetKey) -> String {
    match key.as_ref().map(RawJwk::kid) {
        Ok(Ok(Some(kid))) => {
            let short: String = kid.chars().take(64).collect();
            format!("key {index} (kid {short:?})")
        }
        _ => format!("key {index}"),
    }
}

/// The first of many, and how many more there are.
fn first(all: &[String]) -> Vec<String> {
    let mut named: Vec<_> = all.iter().take(NAMED).cloned().collect();
    match all.len().saturating_sub(NAMED) {
        0 => {}
        more => named.push(format!("{more} more keys are left out")),
    }
    named
}
