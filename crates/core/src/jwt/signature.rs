//! Signatures (RFC 7518 section 3): signers and verifiers built once per key, each for exactly one algorithm.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{
    self as sig, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey, RsaEncoding, VerificationAlgorithm,
};
use aws_lc_rs::{hmac, rsa};
use jwtkeeper_sys::{Locked, with_scrubbed_stack, with_scrubbed_stack_of};

use super::Algorithm;

/// The smallest RSA modulus, in bytes (RFC 7518 section 3.3: 2048 bits).
pub const MIN_RSA: usize = 256;
/// The largest, which bounds what a signature costs.
pub const MAX_RSA: usize = 1024;

/// The bytes of stack to overwrite after a signature by a private key.
const SIGNING: usize = 16 * 1024;

/// A key that does not fit its algorithm, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Any other reason.
    #[error("{0}")]
    Because(&'static str),
    /// An RSA key of this many bits.
    #[error("RSA key has {0} bits; the {limit} (RFC 7518 section 3.3)", limit = rsa_limit(*.0))]
    RsaBits(usize),
}

fn rsa_limit(bits: usize) -> &'static str {
    match bits < MIN_RSA * 8 {
        true => "minimum is 2048",
        false => "maximum is 8192",
    }
}

fn hmac_algorithm(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    match algorithm {
        Algorithm::HS256 => Some(hmac::HMAC_SHA256),
        Algorithm::HS384 => Some(hmac::HMAC_SHA384),
        Algorithm::HS512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

/// An HMAC key on locked pages. The library keeps the states of the hash after the padded key (RFC 2104 section 4),
/// which sign as well as the secret does. Clones share them.
#[derive(Clone)]
pub struct MacKey(Arc<Locked<hmac::Key>>);

impl MacKey {
    /// A key of these bytes; the length is the caller's business.
    pub fn new(algorithm: Algorithm, secret: &[u8]) -> Result<Self, Rejected> {
        let hmac = hmac_algorithm(algorithm).ok_or(Rejected::Because("not an HMAC algorithm"))?;
        let key =
            Locked::new(|| hmac::Key::new(hmac, secret)).map_err(|_| Rejected::Because("no memory for the key"))?;
        Ok(Self(Arc::new(key)))
    }

    /// The MAC of `message`. No trace of the key stays on the stack.
    pub fn sign(&self, message: &[u8]) -> hmac::Tag {
        with_scrubbed_stack(|| hmac::sign(&self.0, message))
    }

    /// Returns true if `tag` is the MAC of `message`, in constant time and at exact length.
    pub fn verify(&self, message: &[u8], tag: &[u8]) -> bool {
        with_scrubbed_stack(|| hmac::verify(&self.0, message, tag).is_ok())
    }

    /// The library's key, to be used within [`with_scrubbed_stack`] alone: its operations copy it to the stack.
    pub fn expose(&self) -> &hmac::Key {
        &self.0
    }
}

/// Signs with one key by one algorithm.
pub enum Signer {
    /// HS*.
    Hmac(MacKey),
    /// RS*, PS*.
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    /// ES*.
    Ec(EcdsaKeyPair),
    /// EdDSA.
    Ed(Ed25519KeyPair),
}

impl Signer {
    /// A signer by HMAC; the length of the secret is the caller's business.
    pub fn hmac(algorithm: Algorithm, secret: &[u8]) -> Result<Self, Rejected> {
        MacKey::new(algorithm, secret).map(Signer::Hmac)
    }

    /// A signer by RSA.
    pub fn rsa(algorithm: Algorithm, key: RsaKeyPair) -> Result<Self, Rejected> {
        use Algorithm::*;
        if key.public_modulus_len() < MIN_RSA {
            return Err(Rejected::RsaBits(key.public_modulus_len() * 8));
        }
        let encoding: &'static dyn RsaEncoding = match algorithm {
            RS256 => &sig::RSA_PKCS1_SHA256,
            RS384 => &sig::RSA_PKCS1_SHA384,
            RS512 => &sig::RSA_PKCS1_SHA512,
            PS256 => &sig::RSA_PSS_SHA256,
            PS384 => &sig::RSA_PSS_SHA384,
            PS512 => &sig::RSA_PSS_SHA512,
            _ => return Err(Rejected::Because("an RSA key, which this algorithm does not take")),
        };
        Ok(Signer::Rsa(key, encoding))
    }

    /// The signature of `message`; `None` when the library fails.
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        if let Signer::Hmac(key) = self {
            return Some(key.sign(message).as_ref().to_vec());
        }
        with_scrubbed_stack_of::<SIGNING, _>(|| self.sign_privately(message))
    }

    fn sign_privately(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Signer::Hmac(_) => None,
            Signer::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(*encoding, &SystemRandom::new(), message, &mut signature)
                    .ok()?;
                Some(signature)
            }
            Signer::Ec(key) => Some(key.sign(&SystemRandom::new(), message).ok()?.as_ref().to_vec()),
            Signer::Ed(key) => Some(key.sign(message).as_ref().to_vec()),
        }
    }

    /// The one length that its signatures have, in bytes.
    pub fn signature_length(&self) -> usize {
        match self {
            Signer::Hmac(key) => key.expose().algorithm().tag_len(),
            Signer::Rsa(key, _) => key.public_modulus_len(),
            Signer::Ec(key) if key.algorithm() == &sig::ECDSA_P384_SHA384_FIXED_SIGNING => 96,
            Signer::Ec(_) | Signer::Ed(_) => 64,
        }
    }

    /// The public key: SubjectPublicKeyInfo or PKCS#1 for RSA, the point for EC, 32 bytes for Ed25519; `None` for HMAC.
    pub fn public_key(&self) -> Option<&[u8]> {
        match self {
            Signer::Hmac(_) => None,
            Signer::Rsa(key, _) => Some(key.public_key().as_ref()),
            Signer::Ec(key) => Some(key.public_key().as_ref()),
            Signer::Ed(key) => Some(key.public_key().as_ref()),
        }
    }
}

/// Verifies by one key and one algorithm.
pub enum Verifier {
    /// HS*.
    Hmac(MacKey),
    /// All others, with the one length that a signature has.
    Public(ParsedPublicKey, usize),
}

impl Verifier {
    /// A verifier by HMAC.
    pub fn hmac(algorithm: Algorithm, secret: &[u8]) -> Result<Self, Rejected> {
        MacKey::new(algorithm, secret).map(Verifier::Hmac)
    }

    /// A verifier by a public key: SubjectPublicKeyInfo, or PKCS#1 (RSA), a point (EC), 32 bytes (Ed25519).
    pub fn public(algorithm: Algorithm, key: &[u8]) -> Result<Self, Rejected> {
        use Algorithm::*;
        let verification: &'static dyn VerificationAlgorithm = match algorithm {
            HS256 | HS384 | HS512 => {
                return Err(Rejected::Because("a public key, which an HMAC algorithm does not take"));
            }
            RS256 => &sig::RSA_PKCS1_2048_8192_SHA256,
            RS384 => &sig::RSA_PKCS1_2048_8192_SHA384,
            RS512 => &sig::RSA_PKCS1_2048_8192_SHA512,
            PS256 => &sig::RSA_PSS_2048_8192_SHA256,
            PS384 => &sig::RSA_PSS_2048_8192_SHA384,
            PS512 => &sig::RSA_PSS_2048_8192_SHA512,
            ES256 => &sig::ECDSA_P256_SHA256_FIXED,
            ES384 => &sig::ECDSA_P384_SHA384_FIXED,
            EdDSA => &sig::ED25519,
        };
        let length = match algorithm {
            ES256 | EdDSA => 64,
            ES384 => 96,
            _ => {
                let public = rsa::PublicKey::from_der(key).map_err(|_| Rejected::Because("not an RSA public key"))?;
                if !(MIN_RSA..=MAX_RSA).contains(&public.modulus_len()) {
                    return Err(Rejected::RsaBits(public.modulus_len() * 8));
                }
                public.modulus_len()
            }
        };
        let key = ParsedPublicKey::new(verification, key)
            .map_err(|_| Rejected::Because("not a public key of the kind that the algorithm takes"))?;
        Ok(Verifier::Public(key, length))
    }

    /// Returns true if `signature` is that of `message`: exact length, constant time where the key is secret.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Verifier::Hmac(key) => key.verify(message, signature),
            Verifier::Public(key, length) => signature.len() == *length && key.verify_sig(message, signature).is_ok(),
        }
    }
}
