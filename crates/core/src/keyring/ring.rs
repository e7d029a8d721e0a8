//! The keys of one realm, and which of them a token may be verified with (RFC 8725 section 3.1): each key has
//! exactly one algorithm, and `kid` only ever picks among these keys.

use jsonwebtoken::jwk::JwkSet;

use super::cookie::{CookieSecret, LockKey};
use super::effort::Effort;
use super::key::{KeyId, SigningKey, VerifyingKey};
use super::load::PrivateFile;
use crate::jwt::{Compact, Header};
use jwtkeeper_wire::Reason;

/// The role of a key in its realm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It signs now (or, in a realm that only validates, its owner's does).
    Current,
    /// It verifies only: rotation is due.
    Retired,
    /// It belongs to the foreign issuer of this index.
    Foreign(usize),
}

impl Role {
    /// Returns true if the keys of both roles belong to the same owner: the realm, or one foreign issuer.
    fn has_owner_of(self, other: Role) -> bool {
        match (self, other) {
            (Role::Foreign(one), Role::Foreign(another)) => one == another,
            (Role::Foreign(_), _) | (_, Role::Foreign(_)) => false,
            _ => true,
        }
    }
}

/// The lock of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Locked {
    /// Which part of the cookie's value.
    pub part: usize,
    /// In which way.
    pub lock: LockKey,
}

/// A signature that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Whose key it was.
    pub role: Role,
    /// The lock that was part of the key, if any.
    pub locked: Option<Locked>,
    /// The header's `typ`, where it is another than `JWT`.
    pub typ: Option<String>,
}

/// The keys of a realm.
#[derive(Default)]
pub struct Keyring {
    signing: Option<SigningKey>,
    /// Everything but `signing` that verifies, in the order of trying.
    verifying: Vec<(Role, VerifyingKey)>,
    /// Retired keys whose private half is still at hand. They sign nothing new: only a successor that they had
    /// signed already is made again, for the grace of its rotation.
    replaying: Vec<SigningKey>,
}

impl Keyring {
    /// Adds the realm's own key.
    pub fn add_signing(&mut self, file: PrivateFile) {
        self.signing = Some(file.signing);
        self.verifying
            .extend(file.others.into_iter().map(|key| (Role::Current, key)));
    }

    /// Adds a key that verifies.
    pub fn add_verifying(&mut self, role: Role, key: VerifyingKey) {
        self.verifying.push((role, key));
    }

    /// Adds a retired key whose file holds the private half too.
    pub fn add_retired(&mut self, file: PrivateFile) {
        self.verifying
            .extend(file.others.into_iter().map(|key| (Role::Retired, key)));
        self.replaying.push(file.signing);
    }

    /// The key that signs; `None` in a realm that only validates.
    pub fn signing(&self) -> Option<&SigningKey> {
        self.signing.as_ref()
    }

    /// The key of this id, if it may sign: the one that signs now, or one that signed a recorded successor, to make
    /// that same successor again.
    pub fn signed_with(&self, id: &KeyId) -> Option<&SigningKey> {
        self.signing
            .iter()
            .chain(&self.replaying)
            .find(|key| key.verifying.id == *id)
    }

    /// Every key that verifies, in the order of trying.
    pub fn keys(&self) -> impl Iterator<Item = (Role, &VerifyingKey)> {
        let own = self.signing.iter().map(|key| (Role::Current, &key.verifying));
        let retired = self.replaying.iter().map(|key| (Role::Retired, &key.verifying));
        own.chain(retired)
            .chain(self.verifying.iter().map(|(role, key)| (*role, key)))
    }

    /// Returns true if another holds the same keys for the same purposes.
    pub fn same(&self, other: &Self) -> bool {
        let signing = |ring: &Self| ring.signing.iter().map(|key| key.verifying.id).collect::<Vec<_>>();
        let known = |(role, key): (Role, &VerifyingKey)| (role, key.algorithm, key.id, key.name.clone());
        signing(self) == signing(other)
            && self.replaying.len() == other.replaying.len()
            && self.keys().map(known).eq(other.keys().map(known))
    }

    /// The realm's own public keys (RFC 7517 section 5).
    pub fn jwks(&self) -> JwkSet {
        let own = self.keys().filter(|(role, _)| !matches!(role, Role::Foreign(_)));
        JwkSet {
            keys: own.filter_map(|(_, key)| key.public.clone()).collect(),
        }
    }

    /// Verifies a token's signature: with each part of a presented cookie first, then with the plain key. Counts each
    /// check.
    pub fn verify(
        &self,
        token: &Compact,
        cookies: &[CookieSecret],
        locks: &[LockKey],
        effort: &mut Effort,
    ) -> Result<Proof, Reason> {
        let known = |key: &&SigningKey| token.header_segment == key.header_segment().as_bytes();
        // The header that this key mints with, byte for byte, needs no reading.
        let tried = self.signing.as_ref().filter(known).map(|key| &key.verifying);
        if let Some(key) = tried
            && let Some(proof) = prove((Role::Current, key), token, cookies, locks, effort)
        {
            return Ok(proof);
        }
        let header = token.header().map_err(|_| Reason::Malformed)?;
        self.candidates(&header)?
            .into_iter()
            // A forged token must not cost a second try of the same key.
            .filter(|(_, key)| !tried.is_some_and(|tried| std::ptr::eq(tried, *key)))
            .find_map(|key| prove(key, token, cookies, locks, effort))
            .map(|proof| Proof {
                typ: header.typ,
                ..proof
            })
            .ok_or(Reason::BadSignature)
    }

    /// The keys that the header allows, in the order of trying: those of its algorithm, and with `kid` those that it
    /// names. Where `kid` names no key of an owner (the realm, or one foreign issuer), that owner's unnamed keys are
    /// tried: names are each owner's own, so one partner's choice of names never hides the keys of another.
    fn candidates(&self, header: &Header) -> Result<Vec<(Role, &VerifyingKey)>, Reason> {
        let algorithm_is = |key: &VerifyingKey| header.alg.as_deref() == Some(key.algorithm.name());
        if !self.keys().any(|(_, key)| algorithm_is(key)) {
            return Err(Reason::AlgorithmNotAllowed);
        }
        let meant: Vec<_> = match header.kid.as_deref() {
            None => self.keys().collect(),
            Some(kid) => {
                let called: Vec<_> = self.keys().filter(|(_, key)| key.is_called(kid)).collect();
                let is_taken = |role: Role| called.iter().any(|(owner, _)| role.has_owner_of(*owner));
                let may_be = |(role, key): &(Role, &VerifyingKey)| {
                    key.is_called(kid) || key.name.is_none() && algorithm_is(key) && !is_taken(*role)
                };
                self.keys().filter(may_be).collect()
            }
        };
        if meant.is_empty() {
            return Err(Reason::UnknownKey);
        }
        let right: Vec<_> = meant.into_iter().filter(|(_, key)| algorithm_is(key)).collect();
        if right.is_empty() {
            Err(Reason::AlgorithmNotAllowed)
        } else {
            Ok(right)
        }
    }
}

fn prove(
    (role, key): (Role, &VerifyingKey),
    token: &Compact,
    cookies: &[CookieSecret],
    locks: &[LockKey],
    effort: &mut Effort,
) -> Option<Proof> {
    let (message, signature) = (token.signing_input, token.signature);
    for (part, cookie) in cookies.iter().enumerate() {
        for lock in locks {
            effort.count(key.algorithm);
            if key.verify_locked(*lock, cookie, message, signature) {
                return Some(Proof {
                    role,
                    locked: Some(Locked { part, lock: *lock }),
                    typ: None,
                });
            }
        }
    }
    effort.count(key.algorithm);
    key.verify(message, signature).then_some(Proof {
        role,
        locked: None,
        typ: None,
    })
}
