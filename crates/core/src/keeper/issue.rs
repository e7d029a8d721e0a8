//! Issue: make a token. What validate would refuse is never minted.

use jwtkeeper_wire::Reason;
use zeroize::Zeroizing;

use super::claims::{Draft, OwnDraft, Wanted};
use super::jti::new_jti;
use super::validate::{judge, seconds, session_end};
use super::verification::{LockState, VerifiedToken, read_own};
use super::{Keeper, RealmState, Refusal, Rejection, Unsigned};
use crate::denylist::{Kind, Level, Lock, MAX_SEQUENCE};
use crate::jwt::Member;
use crate::keyring::{CookieSecret, LockKey, SigningKey};
use crate::realm::{CookieLock, OwnClaim, Policy};
use crate::types::{Id, Millis};

impl Keeper {
    /// Makes a token with the caller's `claims` (a JSON object, or nothing) that lives `ttl` seconds, or as long as
    /// the realm says.
    pub fn issue(
        &self,
        served: &RealmState,
        now: Millis,
        claims: &[u8],
        ttl: Option<u64>,
    ) -> Result<Unsigned, Refusal> {
        served.index.note_minted(now);
        self.mint(served, now, claims, ttl)
    }

    /// The same for a token that nobody gets.
    pub(super) fn mint(
        &self,
        served: &RealmState,
        now: Millis,
        claims: &[u8],
        ttl: Option<u64>,
    ) -> Result<Unsigned, Refusal> {
        let policy = &served.realm.policy;
        let key = served.realm.keyring.signing().ok_or(Refusal::ValidateOnly)?;
        let wanted = Wanted::read(claims, policy)?;
        let iat = now.seconds();
        let mut exp = match (wanted.exp, ttl) {
            (Some(_), Some(_)) => {
                return Err(Refusal::ClaimValue {
                    claim: "exp",
                    problem: "and a ttl cannot both be set",
                });
            }
            (Some(exp), None) => exp,
            (None, Some(ttl)) => iat.saturating_add(seconds(ttl)),
            (None, None) => iat.saturating_add(seconds(policy.expiry)),
        };
        if exp <= iat {
            return Err(Refusal::ClaimValue {
                claim: "exp",
                problem: "must be later than now",
            });
        }
        if exp.saturating_sub(iat) > seconds(policy.max_lifetime) {
            return Err(Refusal::LifetimeTooLong {
                asked: exp.saturating_sub(iat),
                max: policy.max_lifetime,
            });
        }
        let jti = new_jti(now)?;
        if let Some(span) = policy.session_lifetime {
            exp = exp.min(session_end(now, span).seconds());
        }
        let (lock, cookie) = match policy.cookie_lock {
            CookieLock::Off => (Lock::None, None),
            CookieLock::Optional | CookieLock::Required => (
                lock_of(policy, key),
                Some(CookieSecret::random().ok_or(Refusal::Crypto)?),
            ),
        };
        let mut draft = Draft::new();
        let overridden = |claim: OwnClaim| {
            wanted
                .own
                .iter()
                .find(|(own, _)| *own == claim)
                .map(|(_, value)| value.get())
        };
        for claim in OwnClaim::ALL {
            match (overridden(claim), claim) {
                (Some(value), _) => draft.raw(claim.name(), value),
                (None, OwnClaim::Nbf | OwnClaim::Iat) => draft.number(claim.name(), iat),
                (None, OwnClaim::Jti) => draft.string("jti", &jti.to_string()),
                (None, OwnClaim::Iss) => policy.issuer.iter().for_each(|issuer| draft.string("iss", issuer)),
                (None, OwnClaim::Aud) => draft.audience(&policy.audience),
                (None, OwnClaim::Ver) => draft.version(&served.realm.version),
            }
        }
        draft.number("exp", exp);
        let has_own_time = overridden(OwnClaim::Jti).is_some() || overridden(OwnClaim::Iat).is_some();
        let mut own = OwnDraft {
            start: has_own_time.then_some(now),
            lock: cookie
                .as_ref()
                .filter(|_| lock == Lock::Claim)
                .map(CookieSecret::lock_claim),
            ..OwnDraft::default()
        };
        let (claims, jti) = finish(served, now, &draft, &mut own, &wanted.private, lock)?;
        check_size(key, claims.len() + successor_room(&own, &jti), policy)?;
        let value = cookie.as_ref().map(|cookie| Zeroizing::new(cookie.expose().to_owned()));
        Ok(Unsigned {
            key: key.verifying.id,
            algorithm: key.verifying.algorithm,
            jti,
            expires_at: exp,
            claims: claims.into(),
            lock,
            cookie,
            value,
        })
    }
}

/// The most attempts at a login whose cutoffs climb while it is made.
const TRIES: usize = 8;

/// Adds the daemon's own claim and the private ones, and checks that validate would accept the token now; returns its
/// claims and its jti.
fn finish(
    served: &RealmState,
    now: Millis,
    draft: &Draft,
    own: &mut OwnDraft<'_>,
    private: &[Member<'_>],
    lock: Lock,
) -> Result<(String, Id), Refusal> {
    let index = &served.index;
    let subject = subject_of(private, &served.realm.policy);
    let exemption = |subject: &Id, level| index.exemption(Kind::Subject, subject, level, now);
    for _ in 0..TRIES {
        own.seen.seen_realm = index.exemption(Kind::Realm, &Id::Uuid(0), Level::Hard, now);
        own.seen.seen_subject = subject.as_ref().map_or(0, |subject| exemption(subject, Level::Hard));
        own.seen_flag = subject.as_ref().map_or(0, |subject| exemption(subject, Level::Soft));
        let mut draft = draft.clone();
        draft.own(own);
        private.iter().for_each(|(name, value)| draft.raw(name, value.get()));
        let claims = draft.finish();
        let mut verified = as_minted(served, &claims, lock)?;
        match judge(served, now, &mut verified) {
            Ok(_) => {
                let jti = verified.jti;
                return Ok((claims, jti));
            }
            Err(Rejection {
                reason: Reason::Revoked,
                ..
            }) if !index.token_revoked(&verified.jti) && !index.session_revoked(&verified.jti) => {}
            Err(rejection) => return Err(Refusal::DeadOnArrival(rejection.reason)),
        }
    }
    Err(Refusal::Unconfirmed)
}

/// The subject of a token in the making.
fn subject_of(private: &[Member<'_>], policy: &Policy) -> Option<Id> {
    let (_, value) = private.iter().find(|(name, _)| *name == policy.subject_claim)?;
    let text = match serde_json::from_str(value.get()).ok()? {
        serde_json::Value::String(text) => text,
        number @ serde_json::Value::Number(_) => number.to_string(),
        _ => return None,
    };
    Id::parse(&text).ok()
}

/// The bytes by which the claims of a successor may be longer, for its own claim: a token that leaves no room for that
/// could never be rotated.
fn successor_room(own: &OwnDraft<'_>, jti: &Id) -> usize {
    let successor = OwnDraft {
        session: Some(jti),
        seen_flag: MAX_SEQUENCE,
        lock: own.lock.clone(),
        ..*own
    };
    let length = |own: &OwnDraft<'_>| {
        let mut draft = Draft::new();
        draft.own(own);
        draft.finish().len()
    };
    let comma = usize::from(own.value().is_none());
    (length(&successor) + comma).saturating_sub(length(own))
}

/// Claims in the making as validate will see them, with the cookie that goes with them.
pub(super) fn as_minted<'c>(served: &RealmState, claims: &'c str, lock: Lock) -> Result<VerifiedToken<'c>, Refusal> {
    let mut verified = read_own(claims.as_bytes(), &served.realm.policy).map_err(Refusal::DeadOnArrival)?;
    if let Ok(own) = &mut verified.claims.own {
        own.lock = None; // made a moment ago, of that cookie
    }
    if lock != Lock::None {
        verified.lock = LockState::Locked(0);
    }
    Ok(verified)
}

/// Returns the realm's lock for this key.
pub(super) fn lock_of(policy: &Policy, key: &SigningKey) -> Lock {
    match (key.locks_by_key(), policy.lock_key) {
        (false, _) => Lock::Claim,
        (true, LockKey::Derived) => Lock::Derived,
        (true, LockKey::Concat) => Lock::Concat,
    }
}

/// Validate refuses what is longer.
pub(super) fn check_size(key: &SigningKey, claims: usize, policy: &Policy) -> Result<(), Refusal> {
    let size = key.token_length(claims);
    if size > policy.max_token {
        return Err(Refusal::TokenTooLarge {
            size,
            max: policy.max_token,
        });
    }
    Ok(())
}
