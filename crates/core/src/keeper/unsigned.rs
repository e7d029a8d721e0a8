//! A token that is decided on and not yet signed. To sign it asks nobody and changes nothing, and takes long with RSA:
//! where that is done is the caller's to choose.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Minted, RealmState, Refusal};
use crate::denylist::Lock;
use crate::jwt::Algorithm;
use crate::keyring::{CookieSecret, KeyId, LockKey};
use crate::types::{Id, Seconds};

/// A token to be signed, with its cookie.
pub struct Unsigned {
    /// The key that signs, one of the realm's.
    pub(super) key: KeyId,
    /// The algorithm of that key.
    pub algorithm: Algorithm,
    pub(super) jti: Id,
    pub(super) expires_at: Seconds,
    pub(super) claims: Arc<str>,
    pub(super) lock: Lock,
    /// The cookie secret that locks it.
    pub(super) cookie: Option<CookieSecret>,
    /// The value of the lock cookie.
    pub(super) value: Option<Zeroizing<String>>,
}

impl Unsigned {
    /// Signs it.
    pub fn sign(self, served: &RealmState) -> Result<Minted, Refusal> {
        let key = served.realm.keyring.signed_with(&self.key).ok_or(Refusal::KeyGone)?;
        let secret = || self.cookie.as_ref().ok_or(Refusal::Crypto);
        let by_key = match self.lock {
            Lock::None | Lock::Claim => None,
            Lock::Derived => Some((LockKey::Derived, secret()?)),
            Lock::Concat => Some((LockKey::Concat, secret()?)),
        };
        Ok(Minted {
            token: key.sign(&self.claims, by_key).ok_or(Refusal::Crypto)?,
            jti: self.jti,
            expires_at: self.expires_at,
            claims: self.claims,
            cookie: self.value,
        })
    }
}
