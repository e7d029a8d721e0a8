//! Keys of pairs that pose as HMAC secrets. Everyone who has the public key could sign with it, so a file that holds
//! one in any usual form is refused.

use aws_lc_rs::rsa::PublicKey as RsaPublicKey;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P256K1_SHA256_FIXED, ECDSA_P384_SHA384_FIXED,
    ECDSA_P521_SHA512_FIXED, ED25519, EcdsaKeyPair, Ed25519KeyPair, ParsedPublicKey, VerificationAlgorithm,
};
use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// The shortest base64 text of a key: 32 bytes could be any secret.
const SHORTEST: usize = 44;

/// Returns the form of the key that `secret` is, for a message; `None` for a secret.
pub(super) fn key_in(secret: &[u8]) -> Option<&'static str> {
    if contains(secret, b"-----BEGIN ") || contains(secret, b"---- BEGIN ") {
        return Some("a PEM key or certificate");
    }
    if is_der(secret) {
        return Some("a key or certificate in DER");
    }
    // A JWK file was read as one by now: this is one in quotes, in a list, or after a byte order mark.
    if contains(secret, JWK_MEMBER) {
        return Some("a JWK in another text");
    }
    if hex(secret).is_some_and(|bytes| is_der(&bytes)) {
        return Some("a key or certificate in hexadecimal digits");
    }
    let joined: Zeroizing<Vec<u8>> =
        Zeroizing::new(secret.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect());
    // Quotes, or the beginning of a data URL, may surround it.
    let words = secret.split(|byte| !(byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte)));
    let texts = std::iter::once(joined.as_slice()).chain(words);
    texts.filter(|text| text.len() >= SHORTEST).find_map(|text| {
        [STANDARD, URL_SAFE].iter().find_map(|alphabet| {
            let bytes = Zeroizing::new(lenient(alphabet).decode(text).ok()?);
            if is_ssh(&bytes) {
                return Some("an SSH public key");
            }
            let is_text = contains(&bytes, b"-----BEGIN ") || contains(&bytes, JWK_MEMBER);
            (is_text || is_der(&bytes)).then_some("a key or certificate in base64")
        })
    })
}

/// The beginning of the member that every JWK has, its closing quote escaped or not.
const JWK_MEMBER: &[u8] = b"\"kty";

/// Decodes hexadecimal digits, with white space or colons between them or not.
fn hex(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let digits = text.iter().filter(|byte| !byte.is_ascii_whitespace() && **byte != b':');
    let digits: Zeroizing<Vec<u32>> = Zeroizing::new(digits.map(digit).collect::<Option<_>>()?);
    let (pairs, []) = digits.as_chunks::<2>() else {
        return None;
    };
    let bytes = pairs.iter().map(|[high, low]| (high << 4 | low) as u8);
    Some(Zeroizing::new(bytes.collect()))
}

fn lenient(alphabet: &Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(alphabet, config)
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Returns true for DER with or without a newline after it. A newline may also be the last byte of the key itself.
fn is_der(bytes: &[u8]) -> bool {
    is_exact_der(bytes) || bytes.strip_suffix(b"\n").is_some_and(is_exact_der)
}

/// A SEQUENCE that is exactly as long as it says. A short one must also hold a key, for 1 in 65,536 random secrets
/// begins like a short SEQUENCE; one in 2^24 at the most begins like a long one.
fn is_exact_der(bytes: &[u8]) -> bool {
    match bytes {
        [0x30, 0x82, high, low, rest @ ..] => usize::from(u16::from_be_bytes([*high, *low])) == rest.len(),
        [0x30, 0x81, length, rest @ ..] => usize::from(*length) == rest.len(),
        [0x30, length, rest @ ..] => usize::from(*length) == rest.len() && is_key(bytes),
        [4, ..] => is_key(bytes), // a point on a curve
        _ => false,
    }
}

fn is_key(bytes: &[u8]) -> bool {
    let algorithms: [&'static dyn VerificationAlgorithm; 5] = [
        &ED25519,
        &ECDSA_P256_SHA256_FIXED,
        &ECDSA_P384_SHA384_FIXED,
        &ECDSA_P521_SHA512_FIXED,
        &ECDSA_P256K1_SHA256_FIXED,
    ];
    // Any 32 bytes could be an Ed25519 key; they are the usual length of a secret.
    bytes.len() > 32
        && (RsaPublicKey::from_der(bytes).is_ok()
            || Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).is_ok()
            || EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes).is_ok()
            || algorithms
                .into_iter()
                .any(|algorithm| ParsedPublicKey::new(algorithm, bytes).is_ok()))
}

/// The wire form of an SSH key (RFC 4253 section 6.6): its name after the name's length.
fn is_ssh(bytes: &[u8]) -> bool {
    let names: [&[u8]; 3] = [b"ssh-", b"ecdsa-sha2-", b"sk-"];
    match bytes {
        [0, 0, 0, length, name @ ..] => *length < 64 && names.into_iter().any(|start| name.starts_with(start)),
        _ => false,
    }
}
