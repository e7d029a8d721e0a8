//! The seal of a rotation's record: what it is on, and what a record without the right one is worth.

use super::Served;
use super::admission::Admitted;
use crate::denylist::Record;
use crate::keyring::Role;

/// What a seal is on: which token of which session leads to which claims, and how they are locked.
/// The end of the grace is not part of it: it is known only once the successor is handed out.
pub(super) fn sealed<T>(old: &Admitted<'_>, record: &Record, with: impl FnOnce(&[&[u8]]) -> T) -> T {
    let (jti, session) = (old.jti.to_string(), old.session.to_string());
    let successor = record.successor.to_string();
    with(&[
        jti.as_bytes(),
        session.as_bytes(),
        successor.as_bytes(),
        record.claims.as_bytes(),
        &record.nonce,
        &record.key.0,
        &[record.lock.code()],
    ])
}

/// Whether none of the realm's keys made this record: then it says only that its token is used up. Of a key whose public
/// half alone is here, that cannot be told.
pub(super) fn is_forged(served: &Served, old: &Admitted<'_>, record: &Record) -> bool {
    let keyring = &served.realm.keyring;
    match keyring.signed_with(&record.key) {
        Some(key) => !sealed(old, record, |parts| key.has_sealed(parts, &record.seal)),
        None => !keyring
            .keys()
            .any(|(role, key)| !matches!(role, Role::Foreign(_)) && key.id == record.key),
    }
}
