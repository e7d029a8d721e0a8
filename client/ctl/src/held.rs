//! The kind of key that a file holds, so that no key is replaced by one of another kind by mistake.

use std::fmt;

use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair,
};
use zeroize::Zeroize;

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Secret,
    Rsa,
    P256,
    P384,
    Ed25519,
    /// PEM or JSON of another form: public keys, certificates, JWKs, older forms of private keys.
    Other,
}

impl Held {
    /// The kind of a file's content; `None` for an empty one. Text that is neither PEM nor JSON is an HMAC secret.
    pub(crate) fn of(content: &[u8]) -> Option<Self> {
        let text = content.trim_ascii();
        let is_pem = || text.windows(11).any(|part| part == b"-----BEGIN ");
        match text {
            [] => None,
            [b'{', ..] => Some(Self::Other),
            _ if is_pem() => Some(Self::of_pem(text)),
            _ => Some(Self::Secret),
        }
    }

    fn of_pem(text: &[u8]) -> Self {
        let Ok(block) = pem::parse(text) else {
            return Self::Other;
        };
        let der = block.contents();
        let is_ec = |curve: &'static EcdsaSigningAlgorithm| EcdsaKeyPair::from_pkcs8(curve, der).is_ok();
        let kind = if is_ec(&ECDSA_P256_SHA256_FIXED_SIGNING) {
            Self::P256
        } else if is_ec(&ECDSA_P384_SHA384_FIXED_SIGNING) {
            Self::P384
        } else if Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).is_ok() {
            Self::Ed25519
        } else if rsa::KeyPair::from_pkcs8(der).is_ok() {
            Self::Rsa
        } else {
            Self::Other
        };
        block.into_contents().zeroize();
        kind
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "an HMAC secret",
            Self::Rsa => "an RSA private key",
            Self::P256 => "a private key for ES256",
            Self::P384 => "a private key for ES384",
            Self::Ed25519 => "a private key for EdDSA",
            Self::Other => "a key of another form (PEM or JSON)",
        })
    }
}
