//! From a token's bytes to what they prove: form, key, signature, claims, lock. What follows (times, denylist) is
//! `validate`'s; revoking a token in hand needs only this much.

use jwtkeeper_wire::Reason;
use subtle::ConstantTimeEq;

use super::RealmState;
use crate::denylist::SessionStart;
use crate::jwt::{Claims, Compact, OwnClaims, read_claims};
use crate::keyring::{CookieSecret, Effort, Role};
use crate::realm::{CookieLock, ForeignIssuer, Policy};
use crate::types::{Id, Millis, Seconds};

/// A token whose signature holds.
pub(super) struct VerifiedToken<'b> {
    /// The claims, as read.
    pub(super) claims: Claims<'b>,
    /// The claims, as bytes.
    pub(super) bytes: &'b [u8],
    /// The jti; that of a foreign token in its issuer's namespace, or [`Id::absent`].
    pub(super) jti: Id,
    /// The session: the token's own jti for a first token. That of a foreign token is its `sid`, as above.
    pub(super) session: Id,
    /// The start of its session.
    pub(super) start: SessionStart,
    /// The moment at which it was minted.
    pub(super) issued: Millis,
    /// True if a retired key signed it.
    pub(super) retired: bool,
    /// The maker.
    pub(super) origin: Origin,
    /// The state of the cookie lock.
    pub(super) lock: LockState,
    /// The cookie secrets that came along.
    pub(super) cookies: Vec<CookieSecret>,
}

/// The maker of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The realm.
    Realm,
    /// A foreign issuer.
    Foreign,
    /// Someone under another's name: a foreign issuer's key signs for that issuer alone, and an issuer with a key of
    /// its own is signed for by no other.
    Impostor,
}

/// The state of a token's cookie lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LockState {
    /// By this part of the presented cookie, the way the realm locks now.
    Locked(usize),
    /// By this part of the presented cookie, in an older way.
    LockedOldWay(usize),
    /// Not.
    Unlocked,
}

/// Takes the token apart and proves its signature: the first half of the checks, in their order.
pub(super) fn verify_token<'b>(
    served: &RealmState,
    token: &[u8],
    cookie: Option<&str>,
    buffer: &'b mut Vec<u8>,
    effort: &mut Effort,
) -> Result<VerifiedToken<'b>, Reason> {
    let policy = &served.realm.policy;
    if token.len() > policy.max_token {
        return Err(Reason::Malformed);
    }
    let known = served.realm.keyring.signing().map(|key| key.header_segment());
    let compact = Compact::parse(token, known, buffer).map_err(|_| Reason::Malformed)?;
    let cookies = cookie.map(CookieSecret::parse_value).unwrap_or_default();
    let locks = if cookies.is_empty() { Vec::new() } else { policy.locks() };
    let proof = served.realm.keyring.verify(&compact, &cookies, &locks, effort)?;
    let mut verified = read(compact.claims, policy)?;
    verified.retired = proof.role == Role::Retired;
    verified.origin = origin(policy, proof.role, verified.claims.iss.as_deref());
    check_typ(policy, verified.claims.iss.as_deref(), proof.typ.as_deref())?;
    if verified.origin != Origin::Realm {
        verified.claims.own = Ok(OwnClaims::default()); // another's claim of the same name
    }
    verified.read_own()?;
    verified.lock = match proof.locked {
        Some(locked) if locked.lock == policy.lock_key => LockState::Locked(locked.part),
        Some(locked) => LockState::LockedOldWay(locked.part),
        None => LockState::Unlocked,
    };
    verified.cookies = cookies;
    Ok(verified)
}

/// Checks the header's `typ`, `None` for a plain JWT: the realm's tokens are plain JWTs, those of a foreign issuer
/// what its section says. It comes after the signature, for the issuer decides.
fn check_typ(policy: &Policy, iss: Option<&str>, typ: Option<&str>) -> Result<(), Reason> {
    let right = match policy.foreign_issuer(iss) {
        Some(issuer) => issuer.typ.iter().any(|one| one == typ.unwrap_or("jwt")),
        None => typ.is_none(),
    };
    if right { Ok(()) } else { Err(Reason::Malformed) }
}

/// Reads the claims of a token that the realm makes or made; what a signature would tell is left at its plainest.
pub(super) fn read_own<'b>(bytes: &'b [u8], policy: &Policy) -> Result<VerifiedToken<'b>, Reason> {
    let mut verified = read(bytes, policy)?;
    verified.read_own()?;
    Ok(verified)
}

/// Reads claims and the ids in them, but for the daemon's own claim: what that is worth depends on who signed.
fn read<'b>(bytes: &'b [u8], policy: &Policy) -> Result<VerifiedToken<'b>, Reason> {
    let mut claims = read_claims(bytes, &policy.subject_claim).map_err(|_| Reason::Malformed)?;
    if policy.require_iat && claims.iat.is_none() {
        return Err(Reason::Malformed);
    }
    let (jti, session) = match policy.foreign_issuer(claims.iss.as_deref()) {
        Some(issuer) => {
            claims.own = Ok(OwnClaims::default()); // another's claim of the same name
            foreign_ids(&claims, issuer)?
        }
        None => {
            let jti = own_id(claims.jti.as_deref())?;
            (jti.clone(), jti)
        }
    };
    if let Some(subject) = subject_of(&claims) {
        Id::check(subject).map_err(|_| Reason::Malformed)?;
    }
    let issued = issued(&jti, claims.iat);
    Ok(VerifiedToken {
        claims,
        bytes,
        session,
        start: SessionStart {
            at: issued,
            ..SessionStart::default()
        },
        issued,
        jti,
        retired: false,
        origin: Origin::Realm,
        lock: LockState::Unlocked,
        cookies: Vec::new(),
    })
}

/// The jti of a token that names no foreign issuer.
fn own_id(jti: Option<&str>) -> Result<Id, Reason> {
    let id = Id::parse(jti.ok_or(Reason::Malformed)?).map_err(|_| Reason::Malformed)?;
    // An app's choice of ids must not reach the entries of a foreign issuer.
    if id.is_foreign() {
        Err(Reason::Malformed)
    } else {
        Ok(id)
    }
}

/// The jti and the session of a foreign token, in the namespace of its issuer.
fn foreign_ids(claims: &Claims<'_>, foreign: &ForeignIssuer) -> Result<(Id, Id), Reason> {
    let id = |text: &str| Id::foreign(&foreign.issuer, text).map_err(|_| Reason::Malformed);
    let jti = match claims.jti.as_deref() {
        Some(jti) => id(jti)?,
        None if foreign.require_jti => return Err(Reason::Malformed),
        None => Id::absent(),
    };
    let session = claims.sid.as_deref().filter(|sid| !sid.is_empty());
    Ok((jti, session.map_or_else(|| Ok(Id::absent()), id)?))
}

/// The moment at which a token was minted: that of its jti where its `iat` bears it out, else the start of `iat`'s
/// second. An id is no proof of a time: any app may have chosen it. Without `iat` it is 0, which every cutoff covers.
pub(super) fn issued(jti: &Id, iat: Option<Seconds>) -> Millis {
    let Some(iat) = iat else { return Millis(0) };
    let of_jti = jti.birth().filter(|birth| birth.seconds() == iat);
    of_jti.unwrap_or_else(|| Millis::from_seconds(iat))
}

/// Returns the subject. An empty string is a string (RFC 7519 section 4.1.2), and names nobody.
pub(super) fn subject_of<'c>(claims: &'c Claims<'_>) -> Option<&'c str> {
    claims.subject.as_deref().filter(|text| !text.is_empty())
}

impl VerifiedToken<'_> {
    /// Returns the subject, which can be an id.
    pub(super) fn subject(&self) -> Option<&str> {
        subject_of(&self.claims)
    }

    /// Takes in the daemon's own claim.
    fn read_own(&mut self) -> Result<(), Reason> {
        let own = self.claims.own.as_ref().map_err(|_| Reason::Malformed)?;
        if let Some(sid) = &own.sid {
            self.session = Id::parse(sid).map_err(|_| Reason::Malformed)?;
            self.start.at = session_start(&self.session, self.issued);
        }
        self.start = SessionStart {
            at: own.start.map_or(self.start.at, Millis),
            seen_realm: own.seen_realm.unwrap_or(0),
            seen_subject: own.seen_subject.unwrap_or(0),
        };
        Ok(())
    }

    /// A member of the daemon's own claim.
    pub(super) fn own<T>(&self, member: impl FnOnce(&OwnClaims<'_>) -> Option<T>) -> Option<T> {
        self.claims.own.as_ref().ok().and_then(member)
    }

    /// `iss` and `aud` are the realm's, byte for byte; a foreign token's `iss` is its issuer's.
    pub(super) fn check_names(&self, policy: &Policy) -> Result<(), Reason> {
        let right = match self.origin {
            Origin::Realm => policy.issuer.is_none() || self.claims.iss.as_deref() == policy.issuer.as_deref(),
            Origin::Foreign => true,
            Origin::Impostor => false,
        };
        if !right {
            return Err(Reason::WrongIssuer);
        }
        let mut audience = policy.audience.iter();
        if !policy.audience.is_empty() && !audience.any(|name| self.claims.aud.contains(name)) {
            return Err(Reason::WrongAudience);
        }
        Ok(())
    }

    /// Checks that the lock which the claims name is there, and that there is one where the policy requires it.
    pub(super) fn check_lock(&mut self, policy: &Policy) -> Result<(), Reason> {
        if self.origin == Origin::Foreign {
            return Ok(());
        }
        if let Some(lock) = self.claims.own.as_ref().ok().and_then(|own| own.lock.as_ref()) {
            let matches = |cookie: &CookieSecret| bool::from(cookie.lock_claim().as_bytes().ct_eq(lock.as_bytes()));
            let part = self.cookies.iter().position(matches).ok_or(Reason::LockRequired)?;
            self.lock = LockState::Locked(part);
        }
        if policy.cookie_lock == CookieLock::Required && self.lock == LockState::Unlocked {
            return Err(Reason::LockRequired);
        }
        Ok(())
    }
}

/// The start of the session of a successor whose own claim does not name it.
pub(super) fn session_start(session: &Id, issued: Millis) -> Millis {
    session.birth().unwrap_or(issued)
}

/// Returns the maker of a token that a key of this role signed under this `iss`.
fn origin(policy: &Policy, role: Role, iss: Option<&str>) -> Origin {
    let named = |foreign: &ForeignIssuer| iss == Some(&foreign.issuer);
    match role {
        Role::Foreign(index) if policy.foreign_issuers.get(index).is_some_and(named) => Origin::Foreign,
        Role::Foreign(_) => Origin::Impostor,
        Role::Current | Role::Retired => match policy.foreign_issuer(iss) {
            Some(foreign) if foreign.own_key => Origin::Impostor,
            Some(_) => Origin::Foreign,
            None => Origin::Realm,
        },
    }
}
