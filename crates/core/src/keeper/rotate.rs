//! Rotate: one successor for each token, whoever asks and however often within the grace.

use std::sync::Arc;

use aws_lc_rs::rand;
use jwtkeeper_wire::Reason;
use zeroize::Zeroizing;

use super::claims::{Draft, OwnDraft, Wanted, form};
use super::issue::{as_minted, check_size, lock_of};
use super::jti::new_jti;
use super::seal::{has_forged_end, sealed, sealed_end};
use super::validate::{judge_claims, life_of_successor, reused, seconds, session_end};
use super::verification::{LockState, Origin, VerifiedToken, session_start, subject_of};
use super::{HandOut, Keeper, RealmState, Refusal, Rotated, Unsigned};
use crate::denylist::{Change, Kind, Level, Lock, MARGIN, Outcome, Record, Rotate, Rotation};
use crate::jwt::read_claims;
use crate::keyring::{CookieSecret, Effort, Seal, SigningKey};
use crate::realm::{CookieLock, OwnClaim, Policy};
use crate::types::{Id, Millis, Seconds};

impl Keeper {
    /// Replaces a valid token by its one successor. With `claims`, those are its private claims; without, the old
    /// token's. Its session and subject stay the old token's in any case.
    pub async fn rotate(
        &self,
        served: &RealmState,
        now: Millis,
        token: &[u8],
        cookie: Option<&str>,
        claims: Option<&[u8]>,
        effort: &mut Effort,
    ) -> Result<Rotated, Refusal> {
        let mut buffer = Vec::new();
        let (verified, cause) = match self.accept(served, now, token, cookie, &mut buffer, effort) {
            Ok(accepted) => accepted,
            Err(rejection) => return Ok(Rotated::Invalid(rejection)),
        };
        if verified.origin == Origin::Foreign {
            return Err(Refusal::ForeignToken);
        }
        let policy = &served.realm.policy;
        // Who comes after the first is not made to think of a successor of his own; the store decides all the same.
        let record = match served
            .index
            .rotation(&verified.jti)
            .and_then(|rotation| rotation.record)
        {
            Some(record) => record,
            None => Arc::new(self.draft(served, now, &verified, claims)?),
        };
        let subject = verified.subject().map(Id::parse).transpose();
        // As long as the successor may live, a revoked jti must lead to it.
        let until = verified
            .claims
            .exp
            .max(now.seconds().saturating_add(seconds(policy.expiry)));
        let rotate = Rotate {
            old: verified.jti.clone(),
            until: until.saturating_add(MARGIN),
            session: verified.session.clone(),
            subject: subject.map_err(|problem| Refusal::BadId {
                what: "the subject",
                problem,
            })?,
            start: verified.start,
            now,
            record,
        };
        let (session, until) = (rotate.session.clone(), rotate.until);
        match self
            .denylist
            .apply(&served.index, Change::Rotate(Box::new(rotate)))
            .await?
        {
            Outcome::First(record) | Outcome::Already(record) => {
                // The store may have learned only now, from another host, when its grace ends.
                let known = served.index.rotation(&verified.jti);
                if known.is_some_and(|rotation| has_forged_end(served, &verified, &rotation)) {
                    return Err(Refusal::BadSeal);
                }
                let hand_out = HandOut {
                    old: verified.jti.clone(),
                    session,
                    until,
                    key: record.key,
                };
                successor(served, &verified, record).map(|successor| Rotated::Successor(successor, cause, hand_out))
            }
            Outcome::Reused => Ok(Rotated::Invalid(reused(&verified))),
            Outcome::Revoked | Outcome::Done => Ok(Rotated::Invalid(Reason::Revoked.into())),
        }
    }

    /// Starts the grace of a token whose successor `jti` was given to somebody. It is in effect on this host when the
    /// call returns; the future ends when it is durable.
    pub async fn hand_out(&self, served: &RealmState, now: Millis, jti: Id, hand_out: HandOut) -> Result<(), Refusal> {
        let HandOut {
            old,
            session,
            until,
            key,
        } = hand_out;
        let known = served.index.rotation(&old);
        if known.is_some_and(|rotation| rotation.successor == jti && !rotation.is_pending()) {
            return Ok(());
        }
        let grace_until = now.plus(served.realm.policy.rotation_grace_ms);
        let key = served.realm.keyring.signed_with(&key).ok_or(Refusal::KeyGone)?;
        let seal = sealed_end([&old, &session, &jti], grace_until, |parts| key.seal(parts));
        let seal = seal.ok_or(Refusal::Crypto)?;
        let rotation = Rotation::new(session, jti, grace_until, until).with_grace_seal(Some(seal));
        self.denylist
            .apply(&served.index, Change::Keep { old, rotation })
            .await?;
        Ok(())
    }

    /// The successor as it will be, should this rotation be the first.
    fn draft(
        &self,
        served: &RealmState,
        now: Millis,
        old: &VerifiedToken<'_>,
        claims: Option<&[u8]>,
    ) -> Result<Record, Refusal> {
        let policy = &served.realm.policy;
        let key = served.realm.keyring.signing().ok_or(Refusal::ValidateOnly)?;
        let wanted = match claims {
            Some(claims) => Wanted::read(claims, policy)?,
            None => Wanted::carried(old.bytes)?,
        };
        let jti = new_jti(now)?;
        served.index.note_minted(now);
        let mut nonce = [0; 16];
        rand::fill(&mut nonce).map_err(|_| Refusal::Crypto)?;
        let lock = match policy.cookie_lock {
            CookieLock::Off => Lock::None,
            CookieLock::Optional | CookieLock::Required => lock_of(policy, key),
        };
        let text = compose(served, now, old, &wanted, &jti, successor_lock(key, lock, &nonce)?)?;
        check_size(key, text.len(), policy)?;
        judge_claims(served, now, &mut as_minted(served, &text, lock)?).map_err(Refusal::DeadOnArrival)?;
        let mut record = Record {
            successor: jti,
            claims: text.into(),
            nonce,
            key: key.verifying.id,
            lock,
            seal: Seal::default(),
        };
        record.seal = sealed(old, &record, |parts| key.seal(parts)).ok_or(Refusal::Crypto)?;
        Ok(record)
    }
}

/// The claims of a successor.
fn compose(
    served: &RealmState,
    now: Millis,
    old: &VerifiedToken<'_>,
    wanted: &Wanted<'_>,
    jti: &Id,
    lock_claim: Option<String>,
) -> Result<String, Refusal> {
    let policy = &served.realm.policy;
    let iat = now.seconds();
    let mut draft = Draft::new();
    let subject_claim = policy.subject_claim.as_str();
    let members = crate::jwt::members(old.bytes).map_err(|malformed| form(old.bytes, malformed))?;
    let old_value = |name: &str| {
        members
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.get())
    };
    for claim in OwnClaim::ALL {
        // A successor is born now, under a jti of its own, whatever the realm lets callers of issue say. An audience
        // that the caller of issue narrowed is not widened by a rotation, nor is an issuer changed.
        let narrowed = match claim {
            OwnClaim::Iss | OwnClaim::Aud if policy.allow_overrides.contains(&claim) => old_value(claim.name()),
            _ => None,
        };
        let overridden = wanted
            .own
            .iter()
            .find(|(own, _)| *own == claim)
            .map(|(_, value)| value.get())
            .or(narrowed);
        match (claim, overridden) {
            (OwnClaim::Nbf | OwnClaim::Iat, _) => draft.number(claim.name(), iat),
            (OwnClaim::Jti, _) => draft.string("jti", &jti.to_string()),
            (_, Some(value)) => draft.raw(claim.name(), value),
            (OwnClaim::Iss, None) => policy.issuer.iter().for_each(|issuer| draft.string("iss", issuer)),
            (OwnClaim::Aud, None) => draft.audience(&policy.audience),
            (OwnClaim::Ver, None) => draft.version(&served.realm.version),
        }
    }
    draft.number("exp", expiry(policy, now, old, wanted.exp)?);
    let start = old.start.at;
    let subject = old.subject().and_then(|subject| Id::parse(subject).ok());
    let exemption = |subject: &Id| served.index.exemption(Kind::Subject, subject, Level::Soft, now);
    draft.own(&OwnDraft {
        session: Some(&old.session),
        start: Some(start).filter(|start| *start != session_start(&old.session, now)),
        seen: old.start,
        seen_flag: subject.as_ref().map_or(0, exemption),
        lock: lock_claim,
    });
    if let Some(subject) = old_value(subject_claim) {
        draft.raw(subject_claim, subject);
    }
    for (name, value) in wanted.private.iter().filter(|(name, _)| name != subject_claim) {
        draft.raw(name, value.get());
    }
    Ok(draft.finish())
}

/// A successor lives no longer than the old token did, than the realm's `expiry`, than the caller asks, and than the
/// session may.
fn expiry(policy: &Policy, now: Millis, old: &VerifiedToken<'_>, wanted: Option<Seconds>) -> Result<Seconds, Refusal> {
    let iat = now.seconds();
    let mut exp = iat.saturating_add(life_of_successor(policy, now, old));
    if let Some(wanted) = wanted {
        exp = exp.min(wanted);
    }
    if let Some(span) = policy.session_lifetime {
        exp = exp.min(session_end(old.start.at, span).seconds());
    }
    if exp <= iat {
        return Err(Refusal::ClaimValue {
            claim: "exp",
            problem: "must be later than now",
        });
    }
    Ok(exp)
}

/// The member `lock` of a successor that is locked so.
fn successor_lock(key: &SigningKey, lock: Lock, nonce: &[u8; 16]) -> Result<Option<String>, Refusal> {
    if lock != Lock::Claim {
        return Ok(None);
    }
    let cookie = CookieSecret::of_successor(key.material(), nonce).ok_or(Refusal::Crypto)?;
    Ok(Some(cookie.lock_claim()))
}

/// Makes the recorded successor: the same claims and cookie secret each time, and the same bytes where the algorithm
/// is deterministic.
fn successor(served: &RealmState, old: &VerifiedToken<'_>, record: Arc<Record>) -> Result<Unsigned, Refusal> {
    let key = served.realm.keyring.signed_with(&record.key).ok_or(Refusal::KeyGone)?;
    if !sealed(old, &record, |parts| key.has_sealed(parts, &record.seal)) {
        return Err(Refusal::BadSeal);
    }
    let cookie = match record.lock {
        Lock::None => None,
        _ => Some(CookieSecret::of_successor(key.material(), &record.nonce).ok_or(Refusal::Crypto)?),
    };
    let claims = read_claims(record.claims.as_bytes(), &served.realm.policy.subject_claim)
        .map_err(|malformed| form(record.claims.as_bytes(), malformed))?;
    // Apps that choose jtis may give one to two users, and neither may get the other's successor.
    if subject_of(&claims) != old.subject() {
        return Err(Refusal::SharedJti);
    }
    let value = cookie.as_ref().map(|new| cookie_value(new, old, record.lock));
    Ok(Unsigned {
        key: record.key,
        algorithm: key.verifying.algorithm,
        jti: record.successor.clone(),
        expires_at: claims.exp,
        claims: record.claims.as_ref().into(),
        lock: record.lock,
        cookie,
        value: value.map(Zeroizing::new),
    })
}

/// The value to set: `new.old` while an old tab may still send the old token with the new cookie; the new one alone
/// where the gem must read it, or where there was none before.
fn cookie_value(new: &CookieSecret, old: &VerifiedToken<'_>, lock: Lock) -> String {
    let part = match old.lock {
        LockState::Locked(part) | LockState::LockedOldWay(part) => old.cookies.get(part),
        LockState::Unlocked => None,
    };
    match (part, lock) {
        (Some(part), Lock::Derived | Lock::Claim) => format!("{}.{}", new.expose(), part.expose()),
        _ => new.expose().to_owned(),
    }
}
