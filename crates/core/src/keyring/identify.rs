//! The kind of a key that does not fit: named in a message, with the command that makes it fit. Nothing is decided
//! here.

use crate::jwt::{Algorithm, Family};

/// DER encodings of object identifiers, and the kind of key that has them.
const KINDS: [(&[u8], &str); 11] = [
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1], "an RSA key"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], "an EC key on P-256"),
    (&[0x2b, 0x81, 4, 0, 0x22], "an EC key on P-384"),
    (&[0x2b, 0x81, 4, 0, 0x23], "an EC key on P-521"),
    (&[0x2b, 0x81, 4, 0, 0x0a], "an EC key on secp256k1"),
    (&[0x2b, 0x24, 3, 3, 2, 8, 1, 1], "an EC key on a Brainpool curve"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1], "an EC key on another curve"),
    (&[0x06, 3, 0x2b, 0x65, 0x70], "an Ed25519 key"),
    (&[0x06, 3, 0x2b, 0x65, 0x71], "an Ed448 key"),
    (&[0x06, 3, 0x2b, 0x65, 0x6e], "an X25519 key, which does not sign"),
    (&[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1], "a DSA key"),
];

/// Bytes at the front of a key that hold its identifiers.
const FRONT: usize = 64;

/// The kind of a key in DER; `tag` is that of its PEM block.
pub(super) fn kind(tag: &str, der: &[u8]) -> Option<&'static str> {
    match tag {
        "RSA PRIVATE KEY" | "RSA PUBLIC KEY" => return Some("an RSA key"),
        "DSA PRIVATE KEY" => return Some("a DSA key"),
        _ => {}
    }
    // In SEC 1 the curve comes after the private number, which has at most 66 bytes.
    let front = match tag {
        "EC PRIVATE KEY" => der,
        _ => der.get(..FRONT.min(der.len())).unwrap_or_default(),
    };
    let has = |wanted: &[u8]| front.windows(wanted.len()).any(|bytes| bytes == wanted);
    KINDS.iter().find(|(id, _)| has(id)).map(|(_, kind)| *kind)
}

/// The key that an algorithm takes.
pub(super) fn wanted(algorithm: Algorithm) -> &'static str {
    match (algorithm, algorithm.family()) {
        (_, Family::Hmac) => "a secret",
        (_, Family::Rsa) => "an RSA key",
        (Algorithm::ES384, _) => "an EC key on P-384",
        (_, Family::Ec) => "an EC key on P-256",
        (_, Family::Ed) => "an Ed25519 key",
    }
}

/// The size of an RSA private key: its modulus is the number after the version 0 (RFC 8017 appendix A.1.2).
pub(super) fn rsa_bits(der: &[u8]) -> Option<usize> {
    const VERSION_AND_NUMBER: [u8; 4] = [2, 1, 0, 2];
    let windows = der.windows(VERSION_AND_NUMBER.len());
    let start = windows.enumerate().find(|(_, bytes)| **bytes == VERSION_AND_NUMBER)?.0;
    let (length, modulus) = match der.get(start + VERSION_AND_NUMBER.len()..)? {
        [0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        [0x81, length, rest @ ..] => (usize::from(*length), rest),
        [length @ 1..=0x7f, rest @ ..] => (usize::from(*length), rest),
        _ => return None,
    };
    let modulus = modulus.get(..length)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(zeros)?;
    Some((length - zeros) * 8 - first.leading_zeros() as usize)
}

/// Names a PEM block that is no key for us, and the remedy.
pub(super) fn other_block(tag: &str) -> Option<&'static str> {
    Some(match tag {
        "ENCRYPTED PRIVATE KEY" => ENCRYPTED,
        "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE" => {
            "the file holds a certificate, not a key; write out its public key: openssl x509 -in FILE -noout -pubkey"
        }
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
            "the file holds a certificate request, not a key; write out its public key: openssl req -in FILE -noout -pubkey"
        }
        "OPENSSH PRIVATE KEY" => {
            "the file holds an OpenSSH private key; convert a copy of it: ssh-keygen -p -m PKCS8 -N '' -f COPY"
        }
        _ => return None,
    })
}

/// A private key that needs a pass phrase.
pub(super) const ENCRYPTED: &str =
    "the private key is encrypted, and nobody enters a pass phrase; decrypt it: openssl pkey -in FILE -out NEW";

/// Names a file that is neither PEM nor JSON, and the remedy.
pub(super) fn other_file(bytes: &[u8]) -> Option<&'static str> {
    let text = bytes.trim_ascii_start();
    let ssh = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-", "---- BEGIN SSH2 "];
    if ssh.iter().any(|start| text.starts_with(start.as_bytes())) {
        return Some("the file holds an SSH public key; convert it: ssh-keygen -e -m PKCS8 -f FILE");
    }
    let length = match bytes {
        [0x30, 0x82, high, low, rest @ ..] => usize::from(u16::from_be_bytes([*high, *low])) == rest.len(),
        [0x30, 0x81, length, rest @ ..] | [0x30, length @ ..=0x7f, rest @ ..] => usize::from(*length) == rest.len(),
        _ => false,
    };
    length.then_some(
        "the file is DER; convert it to PEM: openssl pkey -inform DER -in FILE -out NEW (a public key: with -pubin; a \
         certificate: openssl x509 -inform DER -in FILE -noout -pubkey)",
    )
}
