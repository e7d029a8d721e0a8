//! Keys made at run time, one for each algorithm, and one of each that no realm knows.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
};
use jwtkeeper_core::jwt::{Algorithm, Family, Signer};
use jwtkeeper_core::keyring::{PrivateFile, VerifyingKey, load_private, load_public};
use zeroize::Zeroizing;

/// A secret, or a private key in PKCS#8, for one algorithm.
#[derive(Clone)]
pub struct Key {
    pub algorithm: Algorithm,
    bytes: Vec<u8>,
}

/// The key of this algorithm: the same one throughout a test binary.
pub fn key(algorithm: Algorithm) -> Key {
    shared(algorithm, &KEYS)
}

/// Another one.
pub fn stranger(algorithm: Algorithm) -> Key {
    shared(algorithm, &STRANGERS)
}

impl Key {
    /// A shared secret of these bytes.
    pub fn secret(algorithm: Algorithm, bytes: &[u8]) -> Self {
        Self {
            algorithm,
            bytes: bytes.to_vec(),
        }
    }

    /// As its file is loaded; secrets of any length.
    pub fn private(&self) -> PrivateFile {
        load_private(Zeroizing::new(self.file()), self.algorithm, true).unwrap()
    }

    /// Returns the key that verifies it.
    pub fn verifying(&self) -> VerifyingKey {
        if self.algorithm.family() == Family::Hmac {
            return self.private().signing.verifying;
        }
        let jwk = self.private().signing.verifying.public.unwrap();
        load_public(&serde_json::to_vec(&jwk).unwrap(), self.algorithm)
            .unwrap()
            .keys
            .remove(0)
    }

    /// The bytes that a MAC by the public key would be keyed with by whoever confuses the two.
    pub fn confusable(&self) -> Vec<Vec<u8>> {
        if self.algorithm.family() == Family::Hmac {
            return vec![self.bytes.clone()];
        }
        let signer = self.signer();
        let raw = signer.public_key().unwrap().to_vec();
        let jwk = serde_json::to_vec(&self.private().signing.verifying.public).unwrap();
        let pem = pem::encode(&pem::Pem::new("PUBLIC KEY", raw.clone())).into_bytes();
        vec![raw, pem, jwk]
    }

    /// Signs whatever it is given.
    pub fn signer(&self) -> Signer {
        match self.algorithm.family() {
            Family::Hmac => Signer::hmac(self.algorithm, &self.bytes).unwrap(),
            Family::Rsa => Signer::rsa(self.algorithm, RsaKeyPair::from_pkcs8(&self.bytes).unwrap()).unwrap(),
            Family::Ec => {
                let scheme = match self.algorithm {
                    Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
                    _ => &ECDSA_P384_SHA384_FIXED_SIGNING,
                };
                Signer::Ec(EcdsaKeyPair::from_pkcs8(scheme, &self.bytes).unwrap())
            }
            Family::Ed => Signer::Ed(Ed25519KeyPair::from_pkcs8(&self.bytes).unwrap()),
        }
    }

    /// The bytes of its key file: a raw secret, or PKCS#8 in PEM.
    pub fn file(&self) -> Vec<u8> {
        match self.algorithm.family() {
            Family::Hmac => self.bytes.clone(),
            _ => pem::encode(&pem::Pem::new("PRIVATE KEY", self.bytes.clone())).into_bytes(),
        }
    }
}

struct Set {
    secret: [u8; 64],
    rsa: Vec<u8>,
    p256: Vec<u8>,
    p384: Vec<u8>,
    ed: Vec<u8>,
}

static KEYS: LazyLock<Set> = LazyLock::new(Set::new);
static STRANGERS: LazyLock<Set> = LazyLock::new(Set::new);

fn shared(algorithm: Algorithm, set: &Set) -> Key {
    let bytes = match algorithm {
        // The realms of the three HMAC algorithms have one secret: only the algorithm tells them apart.
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => set.secret.to_vec(),
        Algorithm::ES256 => set.p256.clone(),
        Algorithm::ES384 => set.p384.clone(),
        Algorithm::EdDSA => set.ed.clone(),
        // And so have the six of RSA.
        _ => set.rsa.clone(),
    };
    Key { algorithm, bytes }
}

impl Set {
    fn new() -> Self {
        let random = SystemRandom::new();
        let mut secret = [0; 64];
        rand::fill(&mut secret).unwrap();
        if secret[63] == b'\n' {
            secret[63] = b'x'; // a raw secret's file loses its last newline
        }
        secret[0] = b'k'; // and one that began like PEM or JSON would be read as such
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let rsa = AsDer::<Pkcs8V1Der<'_>>::as_der(&rsa).unwrap().as_ref().to_vec();
        let ec = |scheme| EcdsaKeyPair::generate_pkcs8(scheme, &random).unwrap().as_ref().to_vec();
        Self {
            secret,
            rsa,
            p256: ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            p384: ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            ed: Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref().to_vec(),
        }
    }
}
