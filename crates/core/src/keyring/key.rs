//! Keys, built once. A verifying key cannot sign: what is retired is one, and so are the keys of others.

use std::sync::Arc;

use aws_lc_rs::{digest, hmac};
use jsonwebtoken::jwk::Jwk;
use jwtkeeper_sys::with_scrubbed_stack_of;
use zeroize::Zeroizing;

use super::cookie::{CookieSecret, LockKey};
use crate::jwt::{
    Algorithm, Header, MacKey, Rejected, Signer, Verifier, encode_base64url, sign_compact, sign_compact_with,
};
use crate::types::Secret;

/// The bytes of stack to overwrite after a token was signed or verified with the key that a cookie is part of.
const LOCKING: usize = 16 * 1024;

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
    /// The key's name in records.
    pub id: KeyId,
    /// The key's name: the `kid` that its own file or the configuration gives it.
    pub name: Option<String>,
    /// The public key for the JWKS; `None` for a shared secret.
    pub public: Option<Jwk>,
    thumbprint: Option<String>,
    verifier: Verifier,
    secret: Option<Arc<Secret>>,
}

impl VerifyingKey {
    /// A shared secret. Its length is the caller's business.
    pub(super) fn hmac(algorithm: Algorithm, key: MacKey, secret: Arc<Secret>, kid: Option<String>) -> Self {
        Self {
            algorithm,
            id: key_id(key.sign(b"jwtkeeper key id").as_ref()),
            name: kid,
            public: None,
            thumbprint: None,
            verifier: Verifier::Hmac(key),
            secret: Some(secret),
        }
    }

    /// A public key, its `jwk` as published.
    pub(super) fn public(
        algorithm: Algorithm,
        verifier: Verifier,
        mut jwk: Jwk,
        kid: Option<String>,
    ) -> Result<Self, Rejected> {
        let thumbprint = jwk
            .common
            .key_id
            .clone()
            .ok_or(Rejected::Because("no thumbprint can be made of the public key"))?;
        let id = key_id(digest::digest(&digest::SHA256, thumbprint.as_bytes()).as_ref());
        if kid.is_some() {
            jwk.common.key_id.clone_from(&kid);
        }
        Ok(Self {
            algorithm,
            id,
            name: kid,
            public: Some(jwk),
            thumbprint: Some(thumbprint),
            verifier,
            secret: None,
        })
    }

    /// Gives the key the name that the configuration has for it. A key whose own file names it differently is refused.
    pub fn rename(&mut self, name: &str) -> Result<(), Rejected> {
        if self.name.as_deref().is_some_and(|own| own != name) {
            return Err(Rejected::Because(
                "the key's own kid differs from the kid that is configured",
            ));
        }
        self.name = Some(name.to_owned());
        if let Some(jwk) = &mut self.public {
            jwk.common.key_id = Some(name.to_owned());
        }
        Ok(())
    }

    /// Returns true if `kid` is the key's name or its thumbprint (RFC 7638).
    pub fn is_called(&self, kid: &str) -> bool {
        self.name.as_deref() == Some(kid) || self.thumbprint.as_deref() == Some(kid)
    }

    /// The `kid` that tokens by this key carry: its name, else the thumbprint of a public key.
    pub fn kid(&self) -> Option<&str> {
        self.name.as_deref().or(self.thumbprint.as_deref())
    }

    /// Returns true if the plain key signed `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verify(message, signature)
    }

    /// Returns true if the key locked with `cookie` signed `message`. Only shared secrets lock so.
    pub fn verify_locked(&self, lock: LockKey, cookie: &CookieSecret, message: &[u8], signature: &[u8]) -> bool {
        self.locked(lock, cookie, |key| hmac::verify(key, message, signature).is_ok())
            .unwrap_or(false)
    }

    /// Runs `work` with the key that `cookie` is part of. No trace of that key outlives the call; the result is not a
    /// secret.
    fn locked<T>(&self, lock: LockKey, cookie: &CookieSecret, work: impl FnOnce(&hmac::Key) -> T) -> Option<T> {
        let Verifier::Hmac(key) = &self.verifier else {
            return None;
        };
        let (key, secret) = (key.expose(), self.secret.as_ref()?);
        with_scrubbed_stack_of::<LOCKING, _>(|| {
            let locked = match lock {
                LockKey::Derived => hmac::Key::new(key.algorithm(), hmac::sign(key, &cookie.lock_message()).as_ref()),
                LockKey::Concat => {
                    let joined = Zeroizing::new([secret.expose(), cookie.expose().as_bytes()].concat());
                    hmac::Key::new(key.algorithm(), &joined)
                }
            };
            Some(work(&locked))
        })
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
        let key = Self {
            header_segment: header_segment(&verifying),
            verifying,
            signer,
            material,
        };
        key.self_test()?;
        Ok(key)
    }

    /// Gives the key a name: see [`VerifyingKey::rename`].
    pub fn rename(&mut self, name: &str) -> Result<(), Rejected> {
        self.verifying.rename(name)?;
        self.header_segment = header_segment(&self.verifying);
        Ok(())
    }

    /// Signs claims (a JSON text): a token in compact form. With a cookie, an HMAC key is locked by it. `None` when
    /// the library fails.
    pub fn sign(&self, claims: &str, lock: Option<(LockKey, &CookieSecret)>) -> Option<String> {
        match lock {
            Some((lock, cookie)) if self.verifying.secret.is_some() => self.verifying.locked(lock, cookie, |key| {
                let mac = |message: &[u8]| Some(hmac::sign(key, message).as_ref().to_vec());
                sign_compact_with(&self.header_segment, claims, mac)
            })?,
            _ => sign_compact(&self.header_segment, claims, &self.signer),
        }
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

    /// Returns the secret from which successors' cookie secrets are derived.
    pub fn material(&self) -> &Secret {
        &self.material
    }

    /// Returns true if the lock is part of the key, and not a claim.
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
            Err(Rejected::Because("the key does not verify what it signs"))
        }
    }
}

fn header_segment(key: &VerifyingKey) -> String {
    encode_base64url(Header::text(key.algorithm.name(), key.kid()).as_bytes())
}

fn key_id(bytes: &[u8]) -> KeyId {
    KeyId(bytes.first_chunk().copied().unwrap_or_default())
}
