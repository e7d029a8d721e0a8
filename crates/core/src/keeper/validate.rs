//! Validate: the checks in their one order; the first that fails answers. A forged token never learns more than
//! `bad_signature`.

use jwtkeeper_wire::{Cause, Reason};

use super::seal::{has_forged_end, is_forged};
use super::verification::{LockState, Origin, VerifiedToken, verify_token};
use super::{Keeper, RealmState, Rejection, Reuse, Verdict};
use crate::denylist::{Change, EarlyToken, Kind, Level, Lookup, MARGIN, Revocation, Rotation};
use crate::jwt::Version;
use crate::keyring::Effort;
use crate::realm::{CookieLock, Policy, RotateOn};
use crate::types::{Id, Millis, Seconds};

/// The time for which requests with a token may be under way after its successor was rotated, in milliseconds.
const UNDER_WAY_MS: u64 = 10_000;

impl Keeper {
    /// Judges `token`: valid or not now, and due for rotation or not. `cookie` is the lock cookie's value, where one
    /// came along; `buffer` is scratch space that the claims in the answer lie in; `effort` counts the signature
    /// checks. Never blocks.
    pub fn validate<'b>(
        &self,
        served: &RealmState,
        now: Millis,
        token: &[u8],
        cookie: Option<&str>,
        buffer: &'b mut Vec<u8>,
        effort: &mut Effort,
    ) -> Verdict<'b> {
        match self.accept(served, now, token, cookie, buffer, effort) {
            Ok((verified, rotation)) => Verdict::Valid {
                claims: verified.bytes,
                rotation,
            },
            Err(rejection) => Verdict::Invalid(rejection),
        }
    }

    /// Makes all checks.
    pub(super) fn accept<'b>(
        &self,
        served: &RealmState,
        now: Millis,
        token: &[u8],
        cookie: Option<&str>,
        buffer: &'b mut Vec<u8>,
        effort: &mut Effort,
    ) -> Result<(VerifiedToken<'b>, Cause), Rejection> {
        let mut verified = verify_token(served, token, cookie, buffer, effort)?;
        let cause = judge(served, now, &mut verified).inspect_err(|rejection| {
            if rejection.reason == Reason::NotYetValid {
                self.note_early(served, now, &verified);
            }
        })?;
        Ok((verified, cause))
    }

    /// Sees to it that entries which revoke a token that is not yet valid last until it expires: those made from now
    /// on, and those made before.
    fn note_early(&self, served: &RealmState, now: Millis, verified: &VerifiedToken<'_>) {
        let (index, exp) = (&served.index, verified.claims.exp);
        index.note_future(exp, now);
        let until = exp.saturating_add(MARGIN);
        let ids = [(Kind::Session, &verified.session), (Kind::Token, &verified.jti)];
        let ids = ids.into_iter().filter(|(_, id)| !id.is_absent());
        let entries: Vec<_> = ids
            .map(|(kind, id)| Revocation::hard(kind, id.clone(), until))
            .collect();
        if let Some(entry) = entries.first().cloned() {
            let subject = verified.subject().and_then(|subject| Id::parse(subject).ok());
            let start = verified.start.at;
            index.note_early(EarlyToken { subject, start, entry }, now);
        }
        let short = index.too_short(entries);
        if !short.is_empty() {
            // In effect when the call returns; nobody waits for the disk.
            drop(self.denylist.apply(index, Change::raise(short)));
        }
    }
}

/// The checks that follow the signature.
pub(super) fn judge(served: &RealmState, now: Millis, verified: &mut VerifiedToken<'_>) -> Result<Cause, Rejection> {
    judge_claims(served, now, verified)?;
    let stands = check_denylist(served, now, verified)?;
    Ok(rotation_cause(served, now, verified, &stands))
}

/// Checks the claims alone.
pub(super) fn judge_claims(served: &RealmState, now: Millis, verified: &mut VerifiedToken<'_>) -> Result<(), Reason> {
    check_times(served, now, verified)?;
    verified.check_names(&served.realm.policy)?;
    verified.check_lock(&served.realm.policy)
}

fn check_times(served: &RealmState, now: Millis, verified: &VerifiedToken<'_>) -> Result<(), Reason> {
    let policy = &served.realm.policy;
    let claims = &verified.claims;
    let lifetime = claims.exp.saturating_sub(claims.iat.unwrap_or(now.seconds()));
    if lifetime > seconds(policy.max_lifetime) {
        return Err(Reason::LifetimeTooLong);
    }
    if now.seconds() >= claims.exp || claims.exp <= served.index.forgotten() {
        return Err(Reason::Expired);
    }
    if policy
        .session_lifetime
        .is_some_and(|span| now >= session_end(verified.start.at, span))
    {
        return Err(Reason::Expired);
    }
    let latest = now.plus(policy.clock_skew_ms);
    let future = |date: Option<Seconds>| date.is_some_and(|date| Millis::from_seconds(date) > latest);
    // A start later than any host's clock would escape cutoffs to come.
    let is_early = verified.issued.max(verified.start.at) > latest;
    if is_early || future(claims.nbf) || future(claims.iat) {
        return Err(Reason::NotYetValid);
    }
    Ok(())
}

/// The end of a session's whole life.
pub(super) fn session_end(start: Millis, span: u64) -> Millis {
    start.plus(span.saturating_mul(1000))
}

/// Checks the denylist; a token that passes is valid.
fn check_denylist(served: &RealmState, now: Millis, verified: &VerifiedToken<'_>) -> Result<Lookup, Rejection> {
    let index = &served.index;
    let stands = index.look(&verified.jti, &verified.session, verified.subject());
    let start = verified.start;
    let revoked = stands.token == Some(Level::Hard)
        || stands.session_revoked
        || index.realm_cutoff().covers(start.at, start.seen_realm)
        || stands.subject.hard.covers(start.at, start.seen_subject);
    if revoked {
        return Err(Reason::Revoked.into());
    }
    match &stands.rotation {
        Some(rotation) if now >= rotation.grace_until => Err(reused(verified)),
        Some(rotation) if is_overtaken(served, now, rotation) => Err(reused(verified)),
        Some(rotation) if index.token(&rotation.successor) == Some(Level::Hard) => Err(Reason::Revoked.into()),
        // Who can write to a shared store must not turn a revoked token into a rotated one.
        Some(rotation) if is_rotation_forged(served, verified, rotation) => Err(Reason::Revoked.into()),
        _ => Ok(stands),
    }
}

/// Returns true if the successor was itself rotated so long ago that no request with the old token can be under way any
/// more. Whoever presents the old token then did not hear of the rotations, or stole it (RFC 9700 section 4.14.2).
fn is_overtaken(served: &RealmState, now: Millis, rotation: &Rotation) -> bool {
    let policy = &served.realm.policy;
    let next = served.index.rotation(&rotation.successor);
    let Some(next) = next.filter(|next| !next.is_pending()) else {
        return false;
    };
    // When that was handed out; no earlier than it was made, should the grace have been shorter then.
    let handed_out = Millis(next.grace_until.0.saturating_sub(policy.rotation_grace_ms));
    let handed_out = handed_out.max(next.successor.birth().unwrap_or_default());
    now >= handed_out.plus(UNDER_WAY_MS).plus(policy.clock_skew_ms)
}

fn is_rotation_forged(served: &RealmState, verified: &VerifiedToken<'_>, rotation: &Rotation) -> bool {
    let record = rotation.record.as_ref();
    record.is_some_and(|record| is_forged(served, verified, record)) || has_forged_end(served, verified, rotation)
}

/// The rejection of a rotated token after its grace.
pub(super) fn reused(verified: &VerifiedToken<'_>) -> Rejection {
    let reuse = Reuse {
        jti: verified.jti.clone(),
        session: verified.session.clone(),
    };
    Rejection {
        reason: Reason::Revoked,
        reuse: Some(reuse),
    }
}

fn rotation_cause(served: &RealmState, now: Millis, verified: &VerifiedToken<'_>, stands: &Lookup) -> Cause {
    if verified.origin == Origin::Foreign {
        return Cause::None;
    }
    if stands.rotation.is_some() {
        return Cause::Rotated;
    }
    let policy = &served.realm.policy;
    // Who ignores a new token would be locked out at the end of the grace.
    if policy.rotate_on == RotateOn::Cookie && verified.cookies.is_empty() {
        return Cause::None;
    }
    if is_flagged(verified, stands) {
        return Cause::Flagged;
    }
    // Two hosts on two versions, or on two keys, must not rotate a session on every request.
    let fresh = verified.session != verified.jti && now.since(verified.issued) < policy.rotation_grace_ms;
    if !fresh && !same_version(&verified.claims.ver, &served.realm.version) {
        return Cause::StaleVersion;
    }
    if !fresh && verified.retired {
        return Cause::RetiredKey;
    }
    if is_unlocked(policy, verified.lock) {
        return Cause::Unlocked;
    }
    if is_expiring(served, now, verified) {
        return Cause::Expiring;
    }
    Cause::None
}

/// Returns true in the last `renew_before` of a token's life, if a successor would outlive it. That is never in the
/// first half of its life: a short-lived token would be rotated by each request.
fn is_expiring(served: &RealmState, now: Millis, verified: &VerifiedToken<'_>) -> bool {
    let policy = &served.realm.policy;
    let Some(span) = policy.renew_before else { return false };
    let (exp, now_s) = (verified.claims.exp, now.seconds());
    let life = life_of_successor(policy, now, verified);
    let left = exp.saturating_sub(now_s);
    let mut outlives = now_s.saturating_add(life) > exp;
    if let Some(span) = policy.session_lifetime {
        outlives &= session_end(verified.start.at, span).seconds() > exp;
    }
    outlives && left <= seconds(span).min(life / 2) && served.realm.keyring.signing().is_some()
}

/// The lifetime of a successor in seconds, if nothing else bounds it: as long as the old token did, and no longer than
/// the realm's `expiry`.
pub(super) fn life_of_successor(policy: &Policy, now: Millis, old: &VerifiedToken<'_>) -> Seconds {
    let lived = old.claims.exp.saturating_sub(old.claims.iat.unwrap_or(now.seconds()));
    lived.min(seconds(policy.expiry))
}

fn is_flagged(verified: &VerifiedToken<'_>, stands: &Lookup) -> bool {
    let seen = verified.own(|own| own.seen_flag).unwrap_or(0);
    stands.token == Some(Level::Soft) || stands.subject.soft.covers(verified.issued, seen)
}

fn same_version(token: &Version<'_>, realm: &Version<'_>) -> bool {
    token == realm
}

fn is_unlocked(policy: &Policy, lock: LockState) -> bool {
    match (policy.cookie_lock, lock) {
        (_, LockState::LockedOldWay(_)) => true,
        (CookieLock::Off, _) | (_, LockState::Locked(_)) => false,
        (CookieLock::Optional | CookieLock::Required, LockState::Unlocked) => true,
    }
}

/// A configured span as a signed number of seconds.
pub(super) fn seconds(span: u64) -> Seconds {
    Seconds::try_from(span).unwrap_or(Seconds::MAX)
}
