//! Issue: make a token. What validate would refuse is never minted.

use zeroize::Zeroizing;

use super::admission::{Admitted, LockState, read};
use super::claims::{Draft, Wanted};
use super::validate::{judge, seconds, session_end};
use super::{Keeper, Refusal, Served, Unsigned};
use crate::denylist::Lock;
use crate::keyring::{CookieSecret, LockKey, SigningKey};
use crate::realm::{CookieLock, OwnClaim, Policy};
use crate::words::{Id, Millis};

impl Keeper {
    /// Makes a token with the caller's `claims` (a JSON object, or nothing) that lives `ttl` seconds, or as long as
    /// the realm says.
    pub fn issue(&self, served: &Served, now: Millis, claims: &[u8], ttl: Option<u64>) -> Result<Unsigned, Refusal> {
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
        let jti = self.birth(policy, now)?;
        if let Some(span) = policy.session_lifetime {
            exp = exp.min(session_end(jti.birth().unwrap_or(now), span).seconds());
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
        if overridden(OwnClaim::Jti).is_some() {
            draft.number("born", jti.birth().unwrap_or(now).0);
        }
        if let (Lock::Claim, Some(cookie)) = (lock, &cookie) {
            draft.string("lck", &cookie.lock_claim());
        }
        wanted
            .private
            .iter()
            .for_each(|(name, value)| draft.raw(name, value.get()));
        let claims = draft.finish();
        let jti = would_validate(served, now, &claims, lock)?;
        // A successor says which session it belongs to: a token that leaves no room for that could never be rotated.
        let mut session = Draft::new();
        session.string("sid", &jti.to_string());
        check_size(key, claims.len() + session.finish().len() - 1, policy)?;
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

    /// The next birth in this realm.
    pub(super) fn birth(&self, policy: &Policy, now: Millis) -> Result<Id, Refusal> {
        self.minter
            .next(now, self.denylist.index().highest_cutoff(), policy.clock_skew_ms)
    }
}

/// That validate would accept these claims now; their jti.
fn would_validate(served: &Served, now: Millis, claims: &str, lock: Lock) -> Result<Id, Refusal> {
    let mut admitted = as_minted(served, claims, lock)?;
    judge(served, now, &mut admitted).map_err(|rejection| Refusal::DeadOnArrival(rejection.reason))?;
    Ok(admitted.jti)
}

/// Claims in the making as validate will see them, with the cookie that goes with them.
pub(super) fn as_minted<'c>(served: &Served, claims: &'c str, lock: Lock) -> Result<Admitted<'c>, Refusal> {
    let mut admitted = read(claims.as_bytes(), &served.realm.policy).map_err(Refusal::DeadOnArrival)?;
    admitted.claims.lck = None; // made a moment ago, of that cookie
    if lock != Lock::None {
        admitted.lock = LockState::Locked(0);
    }
    Ok(admitted)
}

/// How the realm locks with this key.
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
