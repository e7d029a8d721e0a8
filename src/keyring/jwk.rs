//! JWK and JWKS (RFC 7517, RFC 7518 section 6): read with their private parts, which jsonwebtoken's types do not
//! hold, and published without.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeyPairComponents, PublicKey as RsaPublicKey, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING,
    ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{self, Jwk, ThumbprintHash};
use serde::Deserialize;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::jwt::{Algorithm, Family, Rejected, encode_base64url};

/// A key as RFC 7517 writes it, private parts and all. Wiped when dropped.
#[derive(Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct RawJwk {
    kty: String,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    pub(super) alg: Option<String>,
    pub(super) kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    d: Option<String>,
    p: Option<String>,
    q: Option<String>,
    dp: Option<String>,
    dq: Option<String>,
    qi: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
}

/// A set of keys.
#[derive(Deserialize)]
pub(super) struct RawJwks {
    pub(super) keys: Vec<RawJwk>,
}

type Bytes = Zeroizing<Vec<u8>>;

fn part(field: &Option<String>, missing: &'static str) -> Result<Bytes, Rejected> {
    let text = field.as_ref().ok_or(Rejected(missing))?;
    BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .map(Zeroizing::new)
        .map_err(|_| Rejected("a member of the JWK is not base64url"))
}

impl RawJwk {
    /// That the key says nothing against being used for signatures by `algorithm`.
    pub(super) fn check(&self, algorithm: Algorithm) -> Result<(), Rejected> {
        let kty = match algorithm.family() {
            Family::Hmac => "oct",
            Family::Rsa => "RSA",
            Family::Ec => "EC",
            Family::Ed => "OKP",
        };
        if self.kty != kty {
            return Err(Rejected("the JWK's kty is not what the algorithm takes"));
        }
        if self.alg.as_deref().is_some_and(|alg| alg != algorithm.name()) {
            return Err(Rejected("the JWK's alg is another algorithm"));
        }
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Err(Rejected("the JWK's use is not sig"));
        }
        let curve = match algorithm {
            Algorithm::ES256 => "P-256",
            Algorithm::ES384 => "P-384",
            Algorithm::EdDSA => "Ed25519",
            _ => return Ok(()),
        };
        if self.crv.as_deref() == Some(curve) {
            return Ok(());
        }
        Err(Rejected("the JWK's crv is not the algorithm's curve"))
    }

    /// Whether the reader of a set leaves it alone (RFC 7517 section 5): it is for encryption, of a kind that is not
    /// known here, or names no algorithm and does not fit this one. A shared secret among public keys is no such: it
    /// is refused.
    pub(super) fn is_passed_over(&self, algorithm: Algorithm) -> bool {
        let known = match self.kty.as_str() {
            "oct" => return false,
            "RSA" => true,
            "EC" => matches!(self.crv.as_deref(), Some("P-256" | "P-384")),
            "OKP" => self.crv.as_deref() == Some("Ed25519"),
            _ => false,
        };
        let elsewhere = self.usage.as_deref().is_some_and(|usage| usage != "sig");
        let fits = match self.alg.as_deref() {
            Some(alg) => Algorithm::parse(alg).is_some(),
            None => self.check(algorithm).is_ok(),
        };
        !known || elsewhere || !fits
    }

    /// Whether it holds a private or shared key.
    pub(super) fn is_private(&self) -> bool {
        self.d.is_some() || self.k.is_some()
    }

    /// A shared secret.
    pub(super) fn secret(&self) -> Result<Vec<u8>, Rejected> {
        part(&self.k, "the JWK has no k").map(|mut bytes| std::mem::take(&mut *bytes))
    }

    /// An RSA private key: all its components must be there.
    pub(super) fn rsa(&self) -> Result<RsaKeyPair, Rejected> {
        const ALL: &str = "the JWK lacks one of n e d p q dp dq qi";
        let components = KeyPairComponents {
            public_key: PublicKeyComponents {
                n: part(&self.n, ALL)?,
                e: part(&self.e, ALL)?,
            },
            d: part(&self.d, ALL)?,
            p: part(&self.p, ALL)?,
            q: part(&self.q, ALL)?,
            dP: part(&self.dp, ALL)?,
            dQ: part(&self.dq, ALL)?,
            qInv: part(&self.qi, ALL)?,
        };
        RsaKeyPair::from_components(&components).map_err(|_| Rejected("the JWK is not a valid RSA key"))
    }

    /// An EC private key.
    pub(super) fn ec(&self, algorithm: Algorithm) -> Result<EcdsaKeyPair, Rejected> {
        let d = part(&self.d, "the JWK has no d")?;
        EcdsaKeyPair::from_private_key_and_public_key(ec_signing(algorithm)?, &d, &self.point()?)
            .map_err(|_| Rejected("the JWK is not a valid EC key"))
    }

    /// An Ed25519 private key.
    pub(super) fn ed(&self) -> Result<Ed25519KeyPair, Rejected> {
        let d = part(&self.d, "the JWK has no d")?;
        let x = part(&self.x, "the JWK has no x")?;
        Ed25519KeyPair::from_seed_and_public_key(&d, &x).map_err(|_| Rejected("the JWK is not a valid Ed25519 key"))
    }

    /// The public key in a form that `Verifier::public` takes.
    pub(super) fn public(&self, algorithm: Algorithm) -> Result<Vec<u8>, Rejected> {
        match algorithm.family() {
            Family::Hmac => Err(Rejected("a shared secret is no public key")),
            Family::Rsa => {
                let n = part(&self.n, "the JWK has no n")?;
                let e = part(&self.e, "the JWK has no e")?;
                let key = PublicKeyComponents {
                    n: n.as_slice(),
                    e: e.as_slice(),
                }
                .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
                .map_err(|_| Rejected("the JWK is not a valid RSA key"))?;
                Ok(key.as_ref().to_vec())
            }
            Family::Ec => self.point(),
            Family::Ed => part(&self.x, "the JWK has no x").map(|bytes| bytes.to_vec()),
        }
    }

    /// The uncompressed point (SEC 1 section 2.3.3).
    fn point(&self) -> Result<Vec<u8>, Rejected> {
        let x = part(&self.x, "the JWK has no x")?;
        let y = part(&self.y, "the JWK has no y")?;
        Ok([&[4u8][..], &x, &y].concat())
    }
}

/// The ECDSA scheme of an algorithm.
pub(super) fn ec_signing(algorithm: Algorithm) -> Result<&'static EcdsaSigningAlgorithm, Rejected> {
    match algorithm {
        Algorithm::ES256 => Ok(&ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::ES384 => Ok(&ECDSA_P384_SHA384_FIXED_SIGNING),
        _ => Err(Rejected("an EC key, which this algorithm does not take")),
    }
}

/// The public key as published: parameters, `alg`, `use`, and its thumbprint (RFC 7638) as `kid`. `key` is in any form
/// that `Verifier::public` takes.
pub(super) fn published(algorithm: Algorithm, key: &[u8]) -> Result<Jwk, Rejected> {
    const BAD: Rejected = Rejected("not a public key of the kind that the algorithm takes");
    let parameters = match algorithm.family() {
        Family::Hmac => return Err(Rejected("a shared secret is never published")),
        Family::Rsa => {
            let key = RsaPublicKey::from_der(key).map_err(|_| BAD)?;
            jwk::AlgorithmParameters::RSA(jwk::RSAKeyParameters {
                key_type: jwk::RSAKeyType::RSA,
                n: encode_base64url(key.modulus().big_endian_without_leading_zero()),
                e: encode_base64url(key.exponent().big_endian_without_leading_zero()),
            })
        }
        Family::Ec => {
            let (length, curve) = match algorithm {
                Algorithm::ES256 => (32, jwk::EllipticCurve::P256),
                _ => (48, jwk::EllipticCurve::P384),
            };
            let verification = match algorithm {
                Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED,
                _ => &ECDSA_P384_SHA384_FIXED,
            };
            let parsed = ParsedPublicKey::new(verification, key).map_err(|_| BAD)?;
            let tail = tail(&parsed, 2 * length)?;
            let (x, y) = tail.split_at_checked(length).ok_or(BAD)?;
            jwk::AlgorithmParameters::EllipticCurve(jwk::EllipticCurveKeyParameters {
                key_type: jwk::EllipticCurveKeyType::EC,
                curve,
                x: encode_base64url(x),
                y: encode_base64url(y),
            })
        }
        Family::Ed => {
            let parsed = ParsedPublicKey::new(&ED25519, key).map_err(|_| BAD)?;
            jwk::AlgorithmParameters::OctetKeyPair(jwk::OctetKeyPairParameters {
                key_type: jwk::OctetKeyPairType::OctetKeyPair,
                curve: jwk::EllipticCurve::Ed25519,
                x: encode_base64url(&tail(&parsed, 32)?),
            })
        }
    };
    let mut published = Jwk {
        common: jwk::CommonParameters {
            public_key_use: Some(jwk::PublicKeyUse::Signature),
            key_algorithm: key_algorithm(algorithm),
            ..Default::default()
        },
        algorithm: parameters,
    };
    published.common.key_id = published.thumbprint(ThumbprintHash::SHA256).ok();
    Ok(published)
}

/// The last bytes of a SubjectPublicKeyInfo: its key is a BIT STRING that ends it, of a length that the curve fixes
/// (RFC 5480 section 2.2, RFC 8410 section 4).
fn tail(key: &ParsedPublicKey, length: usize) -> Result<Vec<u8>, Rejected> {
    const BAD: Rejected = Rejected("the public key cannot be written out");
    let der = key.as_der().map_err(|_| BAD)?;
    let bytes: &[u8] = der.as_ref();
    let start = bytes.len().checked_sub(length).ok_or(BAD)?;
    bytes.get(start..).map(<[u8]>::to_vec).ok_or(BAD)
}

fn key_algorithm(algorithm: Algorithm) -> Option<jwk::KeyAlgorithm> {
    algorithm.name().parse().ok()
}
