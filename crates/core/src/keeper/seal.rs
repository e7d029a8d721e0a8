//! The seals of a rotation, of its record and of the end of its grace: what they are on, and what a rotation without
//! the right ones is worth.

use super::RealmState;
use super::verification::VerifiedToken;
use crate::denylist::{Record, Rotation};
use crate::keyring::Role;
use crate::types::{Id, Millis};

/// Returns the sealed parts of a record: which token of which session leads to which claims, and how they are locked.
/// The end of the grace has a seal of its own: it is known only once the successor is handed out.
pub(super) fn sealed<T>(old: &VerifiedToken<'_>, record: &Record, with: impl FnOnce(&[&[u8]]) -> T) -> T {
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

/// Returns true if none of the realm's keys made this record: then it says only that its token is used up. Of a key
/// whose public half alone is here, that cannot be told.
pub(super) fn is_forged(served: &RealmState, old: &VerifiedToken<'_>, record: &Record) -> bool {
    let keyring = &served.realm.keyring;
    match keyring.signed_with(&record.key) {
        Some(key) => !sealed(old, record, |parts| key.has_sealed(parts, &record.seal)),
        None => !keyring
            .keys()
            .any(|(role, key)| !matches!(role, Role::Foreign(_)) && key.id == record.key),
    }
}

/// The parts that the seal on the end of a grace covers: which token of which session leads to which successor, until
/// when. Their number differs from that of a record's parts, so neither seal holds for the other.
pub(super) fn sealed_end<T>(
    [old, session, successor]: [&Id; 3],
    grace_until: Millis,
    with: impl FnOnce(&[&[u8]]) -> T,
) -> T {
    let [old, session, successor] = [old, session, successor].map(ToString::to_string);
    with(&[
        b"grace",
        old.as_bytes(),
        session.as_bytes(),
        successor.as_bytes(),
        &grace_until.0.to_le_bytes(),
    ])
}

/// Returns true if the realm's key did not seal this end of the grace: the token is used up then. Nothing is told of
/// an end by a key whose public half alone is here.
pub(super) fn has_forged_end(served: &RealmState, old: &VerifiedToken<'_>, rotation: &Rotation) -> bool {
    let Some(record) = rotation.record.as_ref().filter(|_| !rotation.is_pending()) else {
        return false;
    };
    let Some(key) = served.realm.keyring.signed_with(&record.key) else {
        return false;
    };
    let ids = [&old.jti, &old.session, &record.successor];
    let holds = |seal| sealed_end(ids, rotation.grace_until, |parts| key.has_sealed(parts, seal));
    !rotation.grace_seal.as_ref().is_some_and(holds)
}
