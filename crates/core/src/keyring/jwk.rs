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
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::roca;
use crate::jwt::{Algorithm, Family, MAX_RSA, MIN_RSA, Rejected, encode_base64url, explain};

/// The names that members of a JWK or a JWK Set have, which messages may repeat.
pub(super) const NAMES: [&str; 18] = [
    "keys", "kty", "use", "key_ops", "alg", "kid", "crv", "n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y", "k",
];

/// A member that must be a string where it is used. Another type makes one key useless, and not a whole set.
#[derive(Default, Zeroize)]
pub(super) enum Member {
    #[default]
    Missing,
    Text(String),
    OtherType,
}

/// `key_ops` (RFC 7517 section 4.3).
#[derive(Default, Zeroize)]
enum Operations {
    #[default]
    Missing,
    List(Vec<String>),
    OtherType,
}

/// A key as RFC 7517 writes it, private parts and all. Wiped when dropped.
#[derive(serde::Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct RawJwk {
    #[serde(default)]
    kty: Member,
    #[serde(rename = "use", default)]
    usage: Member,
    #[serde(default)]
    key_ops: Operations,
    #[serde(default)]
    alg: Member,
    #[serde(default)]
    kid: Member,
    #[serde(default)]
    crv: Member,
    #[serde(default)]
    n: Member,
    #[serde(default)]
    e: Member,
    #[serde(default)]
    d: Member,
    #[serde(default)]
    p: Member,
    #[serde(default)]
    q: Member,
    #[serde(default)]
    dp: Member,
    #[serde(default)]
    dq: Member,
    #[serde(default)]
    qi: Member,
    #[serde(default)]
    x: Member,
    #[serde(default)]
    y: Member,
    #[serde(default)]
    k: Member,
}

/// A set of keys, each as it is written: one that cannot be read must not spoil the others (RFC 7517 section 5).
#[derive(serde::Deserialize)]
pub(super) struct RawJwks<'a> {
    #[serde(borrow)]
    pub(super) keys: Vec<&'a RawValue>,
}

/// The reason why a key of a set is left out.
pub(super) enum Skipped {
    /// It is for another purpose or another algorithm, as providers' sets hold them: no cause for a warning.
    ForOthers(&'static str),
    /// Something is wrong with it.
    Faulty(String),
}

impl From<Rejected> for Skipped {
    fn from(rejected: Rejected) -> Self {
        Skipped::Faulty(rejected.to_string())
    }
}

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Skipped::ForOthers(reason) => f.write_str(reason),
            Skipped::Faulty(reason) => f.write_str(reason),
        }
    }
}

type Bytes = Zeroizing<Vec<u8>>;

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Member;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("any value")
            }
            fn visit_str<E>(self, text: &str) -> Result<Member, E> {
                Ok(Member::Text(text.to_owned()))
            }
            fn visit_unit<E>(self) -> Result<Member, E> {
                Ok(Member::OtherType)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Member, E> {
                Ok(Member::OtherType)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Member, E> {
                Ok(Member::OtherType)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Member, E> {
                Ok(Member::OtherType)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Member, E> {
                Ok(Member::OtherType)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Member, A::Error> {
                IgnoredAny.visit_seq(seq).map(|_| Member::OtherType)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Member, A::Error> {
                IgnoredAny.visit_map(map).map(|_| Member::OtherType)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl<'de> Deserialize<'de> for Operations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // It holds no secret, so a detour over a general value leaves none behind.
        let value = serde_json::Value::deserialize(deserializer)?;
        Ok(serde_json::from_value(value).map_or(Operations::OtherType, Operations::List))
    }
}

impl Member {
    fn text(&self) -> Option<&str> {
        match self {
            Member::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text, or nothing where the member is missing.
    fn optional(&self, other_type: &'static str) -> Result<Option<&str>, Rejected> {
        match self {
            Member::Missing => Ok(None),
            Member::Text(text) => Ok(Some(text)),
            Member::OtherType => Err(Rejected::Because(other_type)),
        }
    }
}

fn part(field: &Member, missing: &'static str) -> Result<Bytes, Rejected> {
    let other_type = "a member of the JWK is not a string";
    let text = field.optional(other_type)?.ok_or(Rejected::Because(missing))?;
    BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .map(Zeroizing::new)
        .map_err(|_| Rejected::Because("a member of the JWK is not base64url"))
}

impl RawJwk {
    /// Reads one key of a set.
    pub(super) fn of_set(text: &RawValue) -> Result<Self, String> {
        let text = text.get();
        serde_json::from_str(text).map_err(|_| {
            let cause = explain(text.as_bytes(), |name| NAMES.contains(&name));
            cause.map_or_else(
                || "it is not an object".to_owned(),
                |cause| format!("{cause} of the key"),
            )
        })
    }

    /// Returns the name.
    pub(super) fn kid(&self) -> Result<Option<String>, Rejected> {
        let kid = self.kid.optional("its kid is not a string")?;
        Ok(kid.map(str::to_owned))
    }

    /// Checks that the key says nothing against being used for signatures by `algorithm`.
    pub(super) fn check(&self, algorithm: Algorithm) -> Result<(), Rejected> {
        let kty = match algorithm.family() {
            Family::Hmac => "oct",
            Family::Rsa => "RSA",
            Family::Ec => "EC",
            Family::Ed => "OKP",
        };
        let missing = Rejected::Because("the JWK has no kty");
        if self.kty.optional("the JWK's kty is not a string")?.ok_or(missing)? != kty {
            return Err(Rejected::Because("the JWK's kty is not what the algorithm takes"));
        }
        let alg = self.alg.optional("the JWK's alg is not a string")?;
        if alg.is_some_and(|alg| alg != algorithm.name()) {
            return Err(Rejected::Because("the JWK's alg is another algorithm"));
        }
        let usage = self.usage.optional("the JWK's use is not a string")?;
        if usage.is_some_and(|usage| usage != "sig") {
            return Err(Rejected::Because("the JWK's use is not sig"));
        }
        if !self.permits("sign")? && !self.permits("verify")? {
            return Err(Rejected::Because("the JWK's key_ops hold neither sign nor verify"));
        }
        let curve = match algorithm {
            Algorithm::ES256 => "P-256",
            Algorithm::ES384 => "P-384",
            Algorithm::EdDSA => "Ed25519",
            _ => return Ok(()),
        };
        if self.crv.text() == Some(curve) {
            return Ok(());
        }
        Err(Rejected::Because("the JWK's crv is not the algorithm's curve"))
    }

    /// Returns true unless `key_ops` leave this operation out.
    pub(super) fn permits(&self, operation: &str) -> Result<bool, Rejected> {
        match &self.key_ops {
            Operations::Missing => Ok(true),
            Operations::List(operations) => Ok(operations.iter().any(|one| one == operation)),
            Operations::OtherType => Err(Rejected::Because("the JWK's key_ops are not a list of strings")),
        }
    }

    /// The algorithm that a public key of a set verifies: the one that it names, else `wanted`. Otherwise the reason to
    /// leave the key out.
    pub(super) fn algorithm_in_set(&self, wanted: Algorithm) -> Result<Algorithm, Skipped> {
        self.kid()?;
        let kty = self.kty.optional("its kty is not a string")?;
        let crv = self.crv.text();
        match (kty.ok_or(Rejected::Because("it has no kty"))?, crv) {
            ("oct", _) => return Err(Rejected::Because("it is a shared secret among public keys").into()),
            ("RSA", _) | ("EC", Some("P-256" | "P-384")) | ("OKP", Some("Ed25519")) => {}
            ("EC" | "OKP", None) => return Err(Rejected::Because("it has no crv").into()),
            _ => return Err(Skipped::ForOthers("its kty or crv is not supported")),
        }
        let usage = self.usage.optional("its use is not a string")?;
        if usage.is_some_and(|usage| usage != "sig") {
            return Err(Skipped::ForOthers("its use is not sig"));
        }
        if !(self.permits("verify")? || self.is_private() && self.permits("sign")?) {
            return Err(Skipped::ForOthers("its key_ops do not hold verify"));
        }
        let algorithm = match self.alg.optional("its alg is not a string")? {
            Some(name) => Algorithm::parse(name).ok_or(Skipped::ForOthers("its alg is not supported"))?,
            None if self.check(wanted).is_err() => {
                return Err(Skipped::ForOthers("it is of another kind than the algorithm takes"));
            }
            None => wanted,
        };
        self.check(algorithm)?;
        Ok(algorithm)
    }

    /// Returns true if it holds a private or shared key.
    pub(super) fn is_private(&self) -> bool {
        let present = |member: &Member| !matches!(member, Member::Missing);
        present(&self.d) || present(&self.k)
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
        RsaKeyPair::from_components(&components).map_err(|_| Rejected::Because("the JWK is not a valid RSA key"))
    }

    /// An EC private key.
    pub(super) fn ec(&self, algorithm: Algorithm) -> Result<EcdsaKeyPair, Rejected> {
        let d = part(&self.d, "the JWK has no d")?;
        EcdsaKeyPair::from_private_key_and_public_key(ec_signing(algorithm)?, &d, &self.point()?)
            .map_err(|_| Rejected::Because("the JWK is not a valid EC key"))
    }

    /// An Ed25519 private key.
    pub(super) fn ed(&self) -> Result<Ed25519KeyPair, Rejected> {
        let d = part(&self.d, "the JWK has no d")?;
        let x = part(&self.x, "the JWK has no x")?;
        Ed25519KeyPair::from_seed_and_public_key(&d, &x)
            .map_err(|_| Rejected::Because("the JWK is not a valid Ed25519 key"))
    }

    /// The public key in a form that `Verifier::public` takes.
    pub(super) fn public(&self, algorithm: Algorithm) -> Result<Vec<u8>, Rejected> {
        match algorithm.family() {
            Family::Hmac => Err(Rejected::Because("a shared secret is no public key")),
            Family::Rsa => {
                let n = part(&self.n, "the JWK has no n")?;
                let length = n.iter().skip_while(|byte| **byte == 0).count();
                if !(MIN_RSA..=MAX_RSA).contains(&length) {
                    return Err(Rejected::RsaBits(length * 8));
                }
                let e = part(&self.e, "the JWK has no e")?;
                let key = PublicKeyComponents {
                    n: n.as_slice(),
                    e: e.as_slice(),
                }
                .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
                .map_err(|_| Rejected::Because("the JWK is not a valid RSA key"))?;
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
        _ => Err(Rejected::Because("an EC key, which this algorithm does not take")),
    }
}

/// The public key as published: parameters, `alg`, `use`, and its thumbprint (RFC 7638) as `kid`. `key` is in any form
/// that `Verifier::public` takes.
pub(super) fn published(algorithm: Algorithm, key: &[u8]) -> Result<Jwk, Rejected> {
    const BAD: Rejected = Rejected::Because("not a public key of the kind that the algorithm takes");
    let parameters = match algorithm.family() {
        Family::Hmac => return Err(Rejected::Because("a shared secret is never published")),
        Family::Rsa => {
            let key = RsaPublicKey::from_der(key).map_err(|_| BAD)?;
            roca::check(key.modulus().big_endian_without_leading_zero())?;
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
    const BAD: Rejected = Rejected::Because("the public key cannot be written out");
    let der = key.as_der().map_err(|_| BAD)?;
    let bytes: &[u8] = der.as_ref();
    let start = bytes.len().checked_sub(length).ok_or(BAD)?;
    bytes.get(start..).map(<[u8]>::to_vec).ok_or(BAD)
}

fn key_algorithm(algorithm: Algorithm) -> Option<jwk::KeyAlgorithm> {
    algorithm.name().parse().ok()
}
