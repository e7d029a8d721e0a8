//! Keys, built once. A verifying key cannot sign: what is retired is one, and so are the keys of others.

use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use jsonwebtoken::jwk::Jwk;

use super::cookie::{CookieSecret, LockKey};
use crate::jwt::{Algorithm, Header, Rejected, Signer, Verifier, encode_base64url, sign_compact};
use crate::words::Secret;

/// Names a key in records and in health: says nothing of the key, and is the same on every host that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Verifies, for one algorithm.
pub struct VerifyingKey {
    /// The one algorithm.
    pub algorithm: Algorithm,
    /// What names it in records.
    pub id: KeyId,
    /// What `kid` may call it: its thumbprint (RFC 7638), and the name that its own file gives it.
    pub kids: Vec<String>,
    /// The public key for the JWKS; `None` for a shared secret.
    pub public: Option<Jwk>,
    verifier: Verifier,
    secret: Option<Arc<Secret>>,
}

impl VerifyingKey {
    /// A shared secret. Its length is the caller's business.
    pub(super) fn hmac(algorithm: Algorithm, secret: Arc<Secret>, kid: Option<String>) -> Result<Self, Rejected> {
        let verifier = Verifier::hmac(algorithm, secret.expose())?;
        let Verifier::Hmac(key) = &verifier else {
            return Err(Rejected("not an HMAC algorithm"));
        };
        let id = key_id(hmac::sign(key, b"jwtkeeper key id").as_ref());
        let kids = kid.into_iter().collect();
        Ok(Self {
            algorithm,
            id,
            kids,
            public: None,
            verifier,
            secret: Some(secret),
        })
    }

    /// A public key, its `jwk` as published.
    pub(super) fn public(
        algorithm: Algorithm,
        verifier: Verifier,
        jwk: Jwk,
        kid: Option<String>,
    ) -> Result<Self, Rejected> {
        let thumbprint = jwk
            .common
            .key_id
            .clone()
            .ok_or(Rejected("no thumbprint can be made of the public key"))?;
        let id = key_id(digest::digest(&digest::SHA256, thumbprint.as_bytes()).as_ref());
        let kids = std::iter::once(thumbprint).chain(kid).collect();
        Ok(Self {
            algorithm,
            id,
            kids,
            public: Some(jwk),
            verifier,
            secret: None,
        })
    }

    /// Whether the plain key signed `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verify(message, signature)
    }

    /// Whether the key locked with `cookie` signed `message`. Only shared secrets lock so.
    pub fn verify_locked(&self, lock: LockKey, cookie: &CookieSecret, message: &[u8], signature: &[u8]) -> bool {
        self.locked(lock, cookie, |secret| Verifier::hmac(self.algorithm, secret))
            .is_some_and(|verifier| verifier.verify(message, signature))
    }

    /// Builds something from the signing key that `cookie` is part of.
    fn locked<T>(
        &self,
        lock: LockKey,
        cookie: &CookieSecret,
        build: impl FnOnce(&[u8]) -> Result<T, Rejected>,
    ) -> Option<T> {
        let Verifier::Hmac(key) = &self.verifier else {
            return None;
        };
        match lock {
            LockKey::Derived => build(hmac::sign(key, &cookie.lock_message()).as_ref()).ok(),
            LockKey::Concat => {
                let secret = self.secret.as_ref()?.expose();
                let joined = [secret, cookie.expose().as_bytes()].concat();
                build(&zeroize::Zeroizing::new(joined)).ok()
            }
        }
    }
}

/// Signs, and verifies what it signed.
pub struct SigningKey {
    /// The verifying half.
    pub verifying: VerifyingKey,
    signer: Signer,
    material: Arc<Secret>,
    header_segment: String,
}

impl SigningKey {
    pub(super) fn new(verifying: VerifyingKey, signer: Signer, material: Arc<Secret>) -> Result<Self, Rejected> {
        let kid = verifying.public.as_ref().and_then(|jwk| jwk.common.key_id.as_deref());
        let header = Header::text(verifying.algorithm.name(), kid);
        let key = Self {
            header_segment: encode_base64url(header.as_bytes()),
            verifying,
            signer,
            material,
        };
        key.self_test()?;
        Ok(key)
    }

    /// Signs claims (a JSON text): a token in compact form. With a cookie, an HMAC key is locked by it. `None` when
    /// the library fails.
    pub fn sign(&self, claims: &str, lock: Option<(LockKey, &CookieSecret)>) -> Option<String> {
        let locked = match lock {
            Some((lock, cookie)) if self.verifying.secret.is_some() => Some(self.verifying.locked(
                lock,
                cookie,
                |secret| Signer::hmac(self.verifying.algorithm, secret),
            )?),
            _ => None,
        };
        sign_compact(&self.header_segment, claims, locked.as_ref().unwrap_or(&self.signer))
    }

    /// The length of a token with claims of this many bytes.
    pub fn token_length(&self, claims: usize) -> usize {
        let base64 = |bytes: usize| (bytes * 4).div_ceil(3);
        self.header_segment.len() + 1 + base64(claims) + 1 + base64(self.signer.signature_length())
    }

    /// The header of every token that this key signs, as its segment.
    pub fn header_segment(&self) -> &str {
        &self.header_segment
    }

    /// What successors' cookie secrets are made from.
    pub fn material(&self) -> &Secret {
        &self.material
    }

    /// Whether the lock is part of the key, and not a claim.
    pub fn locks_by_key(&self) -> bool {
        self.verifying.secret.is_some()
    }

    fn self_test(&self) -> Result<(), Rejected> {
        let message = b"jwtkeeper self-test";
        let right = self
            .signer
            .sign(message)
            .is_some_and(|signature| self.verifying.verify(message, &signature));
        if right {
            Ok(())
        } else {
            Err(Rejected("the key does not verify what it signs"))
        }
    }
}

fn key_id(bytes: &[u8]) -> KeyId {
    KeyId(bytes.first_chunk().copied().unwrap_or_default())
}
