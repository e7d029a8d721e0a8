//! Key files: a raw secret, PEM (PKCS#8, PKCS#1, SEC 1, SubjectPublicKeyInfo), JWK or JWKS. What is found is checked
//! against the algorithm that it is for; nothing is guessed.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsBigEndian, AsDer};
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair};
use jwtkeeper_sys::with_scrubbed_stack_of;
use serde_json::value::RawValue;
use zeroize::{Zeroize, Zeroizing};

use super::confusable;
use super::identify;
use super::jwk::{self, RawJwk, RawJwks};
use super::key::{SigningKey, VerifyingKey};
use super::set::{self, SetKey};
use crate::jwt::{Algorithm, Family, MAX_RSA, MIN_RSA, MacKey, Rejected, Signer, Verifier, explain};
use crate::types::Secret;

/// The bytes of stack to overwrite after a key was read: checking an EC key seeds the thread's random generator first.
const LOADING: usize = 96 * 1024;

/// A fault of a key file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// No bytes.
    #[error("the file is empty; write the secret or key into it")]
    Empty,
    /// An HMAC secret shorter than the hash (RFC 7518 section 3.2).
    #[error(
        "the secret has {length} bytes; {algorithm} needs at least {needed} (RFC 7518 section 3.2), \
         or set allow_weak_secret = true"
    )]
    Weak {
        /// The length that it has.
        length: usize,
        /// The length that it needs.
        needed: usize,
        /// For which algorithm.
        algorithm: Algorithm,
    },
    /// A PEM or JWK file where a raw secret belongs, or the reverse.
    #[error("{0}")]
    Kind(&'static str),
    /// The same, told with what the file holds.
    #[error("{0}")]
    Found(String),
    /// No key of a set can be used.
    #[error("the JWK Set holds no key for {algorithm}: {reasons}")]
    NoKey {
        /// The algorithm.
        algorithm: Algorithm,
        /// Why each is left out.
        reasons: String,
    },
    /// A public or private key where a secret belongs: who has the public key could sign.
    #[error("the file holds {0}, where an HMAC algorithm needs a secret; make one with jwtkeeperctl secret generate")]
    KeyAsSecret(&'static str),
    /// The key does not fit.
    #[error("{0}")]
    Rejected(#[from] Rejected),
    /// The secret could not be given a page of its own.
    #[error("no memory for the secret: {0}")]
    Memory(#[from] std::io::Error),
}

/// The keys in a file of a private or shared key.
pub struct PrivateFile {
    /// The key that signs.
    pub signing: SigningKey,
    /// Public keys that came in the same JWKS: they verify.
    pub others: Vec<VerifyingKey>,
    /// False where the JWK's `key_ops` leave out `sign`: the key may verify only.
    pub may_sign: bool,
    /// Warnings: keys of the set that are left out.
    pub notes: Vec<String>,
}

/// Keys of a public file.
pub struct PublicFile {
    /// The usable keys, at least one.
    pub keys: Vec<VerifyingKey>,
    /// Warnings: keys of the set that are left out, and private keys where public ones belong.
    pub notes: Vec<String>,
}

/// Reads a file that must hold a private or shared key for `algorithm`.
pub fn load_private(
    bytes: Zeroizing<Vec<u8>>,
    algorithm: Algorithm,
    allow_weak: bool,
) -> Result<PrivateFile, KeyFault> {
    if bytes.is_empty() {
        return Err(KeyFault::Empty);
    }
    // The parts of a private key pass over the stack.
    with_scrubbed_stack_of::<LOADING, _>(|| parse_private(bytes, algorithm, allow_weak))
}

fn parse_private(bytes: Zeroizing<Vec<u8>>, algorithm: Algorithm, allow_weak: bool) -> Result<PrivateFile, KeyFault> {
    let alone = |signing| PrivateFile {
        signing,
        others: Vec::new(),
        may_sign: true,
        notes: Vec::new(),
    };
    match (Content::of(&bytes)?, algorithm.family()) {
        (Content::Set(keys), _) => from_set(set::read(&keys), algorithm, allow_weak),
        (Content::Key(key), _) => from_set(vec![Ok(*key)], algorithm, allow_weak),
        (Content::Pem(_), Family::Hmac) => Err(KeyFault::Kind(
            "a PEM file, where an HMAC algorithm needs a secret; a key file never serves as one",
        )),
        (Content::Pem(block), _) => from_pem(block, algorithm).map(alone),
        (Content::Raw, Family::Hmac) => {
            // The whole file: the newline that a secret is read without may be the last byte of a key.
            if let Some(form) = confusable::key_in(&bytes) {
                return Err(KeyFault::KeyAsSecret(form));
            }
            from_secret(raw_secret(bytes), algorithm, allow_weak, None).map(alone)
        }
        (Content::Raw, _) => Err(KeyFault::Kind(
            identify::other_file(&bytes)
                .unwrap_or("neither PEM nor JWK; the algorithm needs a private key in one of them"),
        )),
    }
}

/// Reads a file of public keys for `algorithm`: PEM, JWK or JWKS.
pub fn load_public(bytes: &[u8], algorithm: Algorithm) -> Result<PublicFile, KeyFault> {
    if bytes.is_empty() {
        return Err(KeyFault::Empty);
    }
    match Content::of(bytes)? {
        Content::Set(keys) => set::public(&set::read(&keys), algorithm),
        Content::Key(key) => {
            key.check(algorithm)?; // one that stands alone is meant for this algorithm; a set may mix them
            let keys = vec![set::public_jwk(&key, algorithm)?];
            let notes = key
                .is_private()
                .then(|| format!("the key {}", set::PRIVATE_AMONG_PUBLIC));
            Ok(PublicFile {
                keys,
                notes: notes.into_iter().collect(),
            })
        }
        Content::Pem(mut block) => {
            let key = match block.tag() {
                tag @ ("PUBLIC KEY" | "RSA PUBLIC KEY") => public_key(block.contents(), algorithm, None)
                    .map_err(|fault| unfit(tag, block.contents(), algorithm, fault)),
                tag => Err(not_public(tag)),
            };
            wipe(&mut block);
            Ok(PublicFile {
                keys: vec![key?],
                notes: Vec::new(),
            })
        }
        Content::Raw => Err(KeyFault::Kind(
            identify::other_file(bytes).unwrap_or("neither PEM nor JWK; a public key is needed in one of them"),
        )),
    }
}

/// The secret of a raw file: exactly one trailing newline is dropped.
fn raw_secret(mut bytes: Zeroizing<Vec<u8>>) -> Vec<u8> {
    let length = without_newline(&bytes).len();
    bytes.truncate(length);
    std::mem::take(&mut *bytes)
}

fn without_newline(bytes: &[u8]) -> &[u8] {
    bytes.strip_suffix(b"\n").unwrap_or(bytes)
}

/// Returns true if a raw secret ends in white space. That is part of it, and seldom meant to be.
pub fn ends_in_space(bytes: &[u8]) -> bool {
    let raw = matches!(Content::of(bytes), Ok(Content::Raw));
    raw && without_newline(bytes).last().is_some_and(u8::is_ascii_whitespace)
}

enum Content<'a> {
    Raw,
    Pem(pem::Pem),
    Key(Box<RawJwk>),
    Set(Vec<&'a RawValue>),
}

impl<'a> Content<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self, KeyFault> {
        let start = bytes.trim_ascii_start();
        if start.starts_with(b"{") {
            if let Ok(set) = serde_json::from_slice::<RawJwks>(bytes) {
                return Ok(Content::Set(set.keys));
            }
            if let Ok(key) = serde_json::from_slice::<RawJwk>(bytes) {
                return Ok(Content::Key(Box::new(key)));
            }
            // A JWK that is only half written must never become a secret of its own.
            if start.get(1..).unwrap_or_default().trim_ascii_start().starts_with(b"\"") {
                // A name that no JWK has may be part of a secret.
                let cause = explain(bytes, |name| jwk::NAMES.contains(&name));
                let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
                let message = format!("the file begins like a JWK and is not a whole one{cause}");
                return Err(KeyFault::Found(message));
            }
        }
        if has_pem(bytes) {
            return Self::of_pem(bytes);
        }
        Ok(Content::Raw)
    }
}

/// Returns true if a line begins as a PEM block does: text may stand before it (RFC 7468 section 2), and editors leave
/// a byte order mark.
fn has_pem(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut lines = text.split(|byte| *byte == b'\n');
    lines.any(|line| line.trim_ascii_start().starts_with(b"-----BEGIN"))
}

/// A key that its algorithm does not take, told by its kind where the file shows it.
fn unfit(tag: &str, der: &[u8], algorithm: Algorithm, fault: KeyFault) -> KeyFault {
    let wanted = identify::wanted(algorithm);
    match (fault, identify::kind(tag, der)) {
        (fault @ KeyFault::Rejected(Rejected::RsaBits(_)), _) => fault,
        (_, Some(found)) if found != wanted => {
            KeyFault::Found(format!("the file holds {found}; {algorithm} takes {wanted}"))
        }
        (fault, _) => fault,
    }
}

fn not_public(tag: &str) -> KeyFault {
    match identify::other_block(tag) {
        _ if tag.ends_with("PRIVATE KEY") => KeyFault::Found(format!(
            "the PEM block is a {tag}, where a public key is needed: openssl pkey -in FILE -pubout -out NEW"
        )),
        Some(message) => KeyFault::Kind(message),
        None => KeyFault::Found(format!(
            "the PEM block is {tag:?}; a public key is needed (PUBLIC KEY or RSA PUBLIC KEY)"
        )),
    }
}

impl Content<'_> {
    fn of_pem(bytes: &[u8]) -> Result<Self, KeyFault> {
        let blocks = pem::parse_many(bytes).map_err(|_| KeyFault::Kind("the PEM text is broken or not whole"))?;
        let keys = blocks.into_iter().filter(|block| block.tag() != "EC PARAMETERS");
        let mut keys: Vec<_> = keys.collect();
        let tags: Vec<_> = keys.iter().map(|block| block.tag().to_owned()).collect();
        match (tags.len(), keys.pop()) {
            (1, Some(block)) => return Ok(Content::Pem(block)),
            (_, last) => keys.into_iter().chain(last).for_each(|mut block| wipe(&mut block)),
        }
        Err(match tags.as_slice() {
            [] => KeyFault::Kind("the PEM file holds no key"),
            tags => KeyFault::Found(format!(
                "the PEM file holds more than one block: {}; keep the key alone",
                tags.join(", ")
            )),
        })
    }
}

/// The private key of a set, with the public ones beside it.
fn from_set(keys: Vec<SetKey>, algorithm: Algorithm, allow_weak: bool) -> Result<PrivateFile, KeyFault> {
    let is_private = |key: &SetKey| key.as_ref().is_ok_and(RawJwk::is_private);
    let mut private = keys.iter().filter(|key| is_private(key));
    let (Some(Ok(key)), None) = (private.next(), private.next()) else {
        return Err(KeyFault::Kind(
            "the file must hold exactly one private key; the others must be public",
        ));
    };
    key.check(algorithm)?;
    let kid = key.kid()?;
    let signing = match algorithm.family() {
        Family::Hmac => from_secret(key.secret()?, algorithm, allow_weak, kid)?,
        Family::Rsa => from_rsa(key.rsa()?, algorithm, kid)?,
        Family::Ec => from_ec(key.ec(algorithm)?, algorithm, kid)?,
        Family::Ed => from_ed(key.ed()?, algorithm, kid)?,
    };
    let found = set::sort(&keys, algorithm, is_private);
    Ok(PrivateFile {
        signing,
        others: found.keys,
        may_sign: key.permits("sign")?,
        notes: found.notes,
    })
}

/// A public key in any form that `Verifier::public` takes.
pub(super) fn public_key(key: &[u8], algorithm: Algorithm, kid: Option<String>) -> Result<VerifyingKey, KeyFault> {
    check_pss(key, algorithm)?;
    let verifier = Verifier::public(algorithm, key)?;
    Ok(VerifyingKey::public(
        algorithm,
        verifier,
        jwk::published(algorithm, key)?,
        kid,
    )?)
}

fn from_secret(
    mut secret: Vec<u8>,
    algorithm: Algorithm,
    allow_weak: bool,
    kid: Option<String>,
) -> Result<SigningKey, KeyFault> {
    if let Some(form) = confusable::key_in(&secret) {
        secret.zeroize();
        return Err(KeyFault::KeyAsSecret(form));
    }
    let (length, needed) = (secret.len(), algorithm.hash_length());
    if length == 0 {
        return Err(KeyFault::Empty);
    }
    if length < needed && !allow_weak {
        secret.zeroize();
        return Err(KeyFault::Weak {
            length,
            needed,
            algorithm,
        });
    }
    let secret = Arc::new(Secret::new(secret)?);
    let key = MacKey::new(algorithm, secret.expose())?;
    let verifying = VerifyingKey::hmac(algorithm, key.clone(), secret.clone(), kid);
    Ok(SigningKey::new(verifying, Signer::Hmac(key), secret)?)
}

fn from_pem(mut block: pem::Pem, algorithm: Algorithm) -> Result<SigningKey, KeyFault> {
    const BAD: Rejected = Rejected::Because("the PEM block is not a valid key of the kind that the algorithm takes");
    let tag = block.tag().to_owned();
    let is_encrypted = block
        .headers()
        .get("Proc-Type")
        .is_some_and(|kind| kind.contains("ENCRYPTED"));
    let der = Zeroizing::new(block.contents().to_vec());
    wipe(&mut block);
    if is_encrypted {
        return Err(KeyFault::Kind(identify::ENCRYPTED));
    }
    check_pss(&der, algorithm)?;
    let key = match (tag.as_str(), algorithm.family()) {
        ("PRIVATE KEY", Family::Rsa) => RsaKeyPair::from_pkcs8(&der)
            .map_err(|_| bad_rsa(&der))
            .and_then(|key| from_rsa(key, algorithm, None)),
        ("RSA PRIVATE KEY", Family::Rsa) => RsaKeyPair::from_der(&der)
            .map_err(|_| bad_rsa(&der))
            .and_then(|key| from_rsa(key, algorithm, None)),
        ("PRIVATE KEY" | "EC PRIVATE KEY", Family::Ec) => {
            EcdsaKeyPair::from_private_key_der(jwk::ec_signing(algorithm)?, &der)
                .map_err(|_| BAD.into())
                .and_then(|key| from_ec(key, algorithm, None))
        }
        ("PRIVATE KEY", Family::Ed) => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
            .map_err(|_| BAD.into())
            .and_then(|key| from_ed(key, algorithm, None)),
        ("PUBLIC KEY" | "RSA PUBLIC KEY", _) => Err(KeyFault::Kind(
            "a public key, where a private one is needed; public_key_file validates only",
        )),
        (tag, _) => Err(match identify::other_block(tag) {
            Some(message) => KeyFault::Kind(message),
            None => KeyFault::Found(format!(
                "the PEM block is {tag:?}; a private key is needed (PRIVATE KEY)"
            )),
        }),
    };
    key.map_err(|fault| match fault {
        KeyFault::Kind(_) => fault,
        fault => unfit(&tag, &der, algorithm, fault),
    })
}

/// An RSA key that the library refuses: mostly for its size.
fn bad_rsa(der: &[u8]) -> KeyFault {
    match identify::rsa_bits(der) {
        Some(bits) if !(MIN_RSA * 8..=MAX_RSA * 8).contains(&bits) => Rejected::RsaBits(bits).into(),
        _ => Rejected::Because("the PEM block is not a valid RSA key").into(),
    }
}

/// Refuses a key for RSASSA-PSS alone (RFC 4055 section 1.2): the library takes it, and then no signature verifies.
fn check_pss(der: &[u8], algorithm: Algorithm) -> Result<(), KeyFault> {
    const ID_RSASSA_PSS: [u8; 11] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
    // The algorithm stands at the front, before any part of the key itself.
    let front = der.get(..32.min(der.len())).unwrap_or_default();
    let is_pss = front.windows(ID_RSASSA_PSS.len()).any(|bytes| bytes == ID_RSASSA_PSS);
    if is_pss && algorithm.family() == Family::Rsa {
        return Err(KeyFault::Kind(
            "the key is for RSASSA-PSS alone (id-RSASSA-PSS), which is not supported; write it as a plain RSA key \
             (rsaEncryption), which PS256, PS384 and PS512 take too",
        ));
    }
    Ok(())
}

fn from_rsa(key: RsaKeyPair, algorithm: Algorithm, kid: Option<String>) -> Result<SigningKey, KeyFault> {
    let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der>::as_der(&key).map_err(|_| UNWRITABLE)?;
    finish(Signer::rsa(algorithm, key)?, der.as_ref().to_vec(), algorithm, kid)
}

fn from_ec(key: EcdsaKeyPair, algorithm: Algorithm, kid: Option<String>) -> Result<SigningKey, KeyFault> {
    let scalar =
        AsBigEndian::<aws_lc_rs::encoding::EcPrivateKeyBin>::as_be_bytes(&key.private_key()).map_err(|_| UNWRITABLE)?;
    finish(Signer::Ec(key), scalar.as_ref().to_vec(), algorithm, kid)
}

fn from_ed(key: Ed25519KeyPair, algorithm: Algorithm, kid: Option<String>) -> Result<SigningKey, KeyFault> {
    let seed = key.seed().map_err(|_| UNWRITABLE)?;
    let bytes = aws_lc_rs::encoding::AsBigEndian::<aws_lc_rs::encoding::Curve25519SeedBin>::as_be_bytes(&seed)
        .map_err(|_| UNWRITABLE)?;
    finish(Signer::Ed(key), bytes.as_ref().to_vec(), algorithm, kid)
}

const UNWRITABLE: Rejected = Rejected::Because("the private key cannot be read back");

fn finish(
    signer: Signer,
    material: Vec<u8>,
    algorithm: Algorithm,
    kid: Option<String>,
) -> Result<SigningKey, KeyFault> {
    let public = signer
        .public_key()
        .ok_or(Rejected::Because("the key has no public half"))?;
    let verifying = VerifyingKey::public(
        algorithm,
        Verifier::public(algorithm, public)?,
        jwk::published(algorithm, public)?,
        kid,
    )?;
    let material = Arc::new(Secret::new(material)?);
    Ok(SigningKey::new(verifying, signer, material)?)
}

/// The PEM crate does not wipe what it decoded.
fn wipe(block: &mut pem::Pem) {
    let taken = std::mem::replace(block, pem::Pem::new("", Vec::new()));
    taken.into_contents().zeroize();
}
