//! Key files that are of another kind than the algorithm takes: the message names the kind, the cause and the remedy.

use std::io::Write;
use std::process::{Command, Stdio};

use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::keyring::{load_private, load_public};
use zeroize::Zeroizing;

use jwtkeeper_testkit::world::keys::key;

fn openssl(args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is installed");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn genpkey(kind: &[&str]) -> Vec<u8> {
    openssl(&[&["genpkey"], kind].concat(), b"")
}

fn ec(curve: &str) -> Vec<u8> {
    genpkey(&["-algorithm", "EC", "-pkeyopt", &format!("ec_paramgen_curve:{curve}")])
}

fn rsa(bits: u32) -> Vec<u8> {
    genpkey(&["-algorithm", "RSA", "-pkeyopt", &format!("rsa_keygen_bits:{bits}")])
}

/// The message about a file where a private key is needed.
fn private(file: &[u8], algorithm: Algorithm) -> Option<String> {
    let loaded = load_private(Zeroizing::new(file.to_vec()), algorithm, false);
    loaded.err().map(|fault| fault.to_string())
}

fn public(file: &[u8], algorithm: Algorithm) -> Option<String> {
    load_public(file, algorithm).err().map(|fault| fault.to_string())
}

const ENCRYPTED: &str =
    "the private key is encrypted, and nobody enters a pass phrase; decrypt it: openssl pkey -in FILE -out NEW";
const CERTIFICATE: &str =
    "the file holds a certificate, not a key; write out its public key: openssl x509 -in FILE -noout -pubkey";
const DER: &str = "the file is DER; convert it to PEM: openssl pkey -inform DER -in FILE -out NEW (a public key: with \
                   -pubin; a certificate: openssl x509 -inform DER -in FILE -noout -pubkey)";
const SSH: &str = "the file holds an SSH public key; convert it: ssh-keygen -e -m PKCS8 -f FILE";

#[test]
fn a_private_key_of_another_kind_is_named() {
    use Algorithm::{ES256, ES384, EdDSA, PS256, RS256};
    let p256 = ec("P-256");
    let certificate = openssl(&["req", "-x509", "-new", "-subj", "/CN=a", "-key", "/dev/stdin"], &p256);
    let request = openssl(&["req", "-new", "-subj", "/CN=a", "-key", "/dev/stdin"], &p256);
    let small = rsa(1024);
    let small_public = openssl(&["pkey", "-pubout"], &small);
    let ssh = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJzm me@host\n";
    let ssh_private = b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    let both = [&certificate[..], &p256].concat();
    let bits = "RSA key has 1024 bits; the minimum is 2048 (RFC 7518 section 3.3)";
    for (file, algorithm, message) in [
        (
            &openssl(&["pkcs8", "-topk8", "-passout", "pass:word"], &p256),
            ES256,
            ENCRYPTED,
        ),
        (
            &openssl(&["ec", "-aes128", "-passout", "pass:word"], &p256),
            ES256,
            ENCRYPTED,
        ),
        (&small, RS256, bits),
        (&openssl(&["rsa", "-traditional"], &small), PS256, bits),
        (
            &p256,
            ES384,
            "the file holds an EC key on P-256; ES384 takes an EC key on P-384",
        ),
        (
            &ec("P-521"),
            ES256,
            "the file holds an EC key on P-521; ES256 takes an EC key on P-256",
        ),
        (
            &openssl(&["ec"], &ec("P-384")),
            ES256,
            "the file holds an EC key on P-384; ES256 takes an EC key on P-256",
        ),
        (
            &ec("secp256k1"),
            ES256,
            "the file holds an EC key on secp256k1; ES256 takes an EC key on P-256",
        ),
        (
            &p256,
            RS256,
            "the file holds an EC key on P-256; RS256 takes an RSA key",
        ),
        (
            &p256,
            EdDSA,
            "the file holds an EC key on P-256; EdDSA takes an Ed25519 key",
        ),
        (
            &rsa(2048),
            EdDSA,
            "the file holds an RSA key; EdDSA takes an Ed25519 key",
        ),
        (
            &openssl(&["rsa", "-traditional"], &rsa(2048)),
            ES256,
            "the file holds an RSA key; ES256 takes an EC key on P-256",
        ),
        (
            &genpkey(&["-algorithm", "ED448"]),
            EdDSA,
            "the file holds an Ed448 key; EdDSA takes an Ed25519 key",
        ),
        (
            &genpkey(&["-algorithm", "X25519"]),
            EdDSA,
            "the file holds an X25519 key, which does not sign; EdDSA takes an Ed25519 key",
        ),
        (
            &openssl(&["pkey", "-pubout"], &p256),
            ES256,
            "a public key, where a private one is needed; public_key_file validates only",
        ),
        (&certificate, ES256, CERTIFICATE),
        (
            &request,
            ES256,
            "the file holds a certificate request, not a key; write out its public key: openssl req -in FILE -noout -pubkey",
        ),
        (
            &both,
            ES256,
            "the PEM file holds more than one block: CERTIFICATE, PRIVATE KEY; keep the key alone",
        ),
        (&openssl(&["pkey", "-outform", "DER"], &p256), ES256, DER),
        (&openssl(&["pkey", "-outform", "DER"], &rsa(2048)), RS256, DER),
        (&ssh.to_vec(), EdDSA, SSH),
        (
            &ssh_private.to_vec(),
            EdDSA,
            "the file holds an OpenSSH private key; convert a copy of it: ssh-keygen -p -m PKCS8 -N '' -f COPY",
        ),
        (
            &b"hello".to_vec(),
            ES256,
            "neither PEM nor JWK; the algorithm needs a private key in one of them",
        ),
        (&br#"{"kty":"EC","kty":"EC"}"#.to_vec(), ES256, JWK_TWICE),
        (&br#"{"kty":"EC","x":"\ud800"}"#.to_vec(), ES256, JWK_SURROGATE),
    ] {
        assert_eq!(private(file, algorithm).as_deref(), Some(message), "{algorithm}");
    }
    assert_eq!(public(&small_public, RS256).as_deref(), Some(bits));
}

const JWK_TWICE: &str = r#"the file begins like a JWK and is not a whole one: duplicate name "kty" at byte 12"#;
const JWK_SURROGATE: &str = "the file begins like a JWK and is not a whole one: lone surrogate in a string at byte 17";

#[test]
fn a_public_key_of_another_kind_is_named() {
    use Algorithm::{ES256, EdDSA, RS256};
    let p384 = ec("P-384");
    let spki = openssl(&["pkey", "-pubout"], &p384);
    let certificate = openssl(&["req", "-x509", "-new", "-subj", "/CN=a", "-key", "/dev/stdin"], &p384);
    let der = openssl(&["pkey", "-pubin", "-outform", "DER"], &spki);
    for (file, algorithm, message) in [
        (
            &spki,
            ES256,
            "the file holds an EC key on P-384; ES256 takes an EC key on P-256",
        ),
        (
            &spki,
            RS256,
            "the file holds an EC key on P-384; RS256 takes an RSA key",
        ),
        (
            &p384,
            ES256,
            "the PEM block is a PRIVATE KEY, where a public key is needed: openssl pkey -in FILE -pubout -out NEW",
        ),
        (&certificate, ES256, CERTIFICATE),
        (&der, ES256, DER),
        (&b"ssh-rsa AAAA".to_vec(), RS256, SSH),
        (
            &b"-----BEGIN PGP PUBLIC KEY BLOCK-----\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n".to_vec(),
            EdDSA,
            "the PEM block is \"PGP PUBLIC KEY BLOCK\"; a public key is needed (PUBLIC KEY or RSA PUBLIC KEY)",
        ),
    ] {
        assert_eq!(public(file, algorithm).as_deref(), Some(message), "{algorithm}");
    }
}

/// RFC 7468 section 2: text may stand before a block. Editors leave a byte order mark and the line ends of their system.
#[test]
fn text_before_a_key_is_passed_over() {
    let file = key(Algorithm::ES256).file();
    let text = String::from_utf8(file.clone()).unwrap();
    for before in [
        "\u{feff}",
        "# our key\n",
        "Bag Attributes\n    localKeyID: 01\nKey Attributes: <No Attributes>\n",
        "{ not json\n",
    ] {
        let with = format!("{before}{text}");
        assert_eq!(private(with.as_bytes(), Algorithm::ES256), None, "{before:?}");
        let windows = with.replace('\n', "\r\n");
        assert_eq!(private(windows.as_bytes(), Algorithm::ES256), None, "{before:?}");
    }
    let spki = openssl(&["pkey", "-pubout"], &file);
    let with = [b"subject=CN = a\n\n", &spki[..]].concat();
    assert_eq!(public(&with, Algorithm::ES256), None);
    // Never a secret, wherever it begins.
    for before in ["", "\u{feff}", "# our key\n"] {
        let with = format!("{before}{text}");
        assert!(private(with.as_bytes(), Algorithm::HS256).is_some(), "{before:?}");
    }
}

/// A file may be a secret that begins like JSON: only names that every JWK has are repeated.
#[test]
fn a_name_that_no_jwk_has_is_not_repeated() {
    let message = private(br#"{"hunter2":1,"hunter2":2,"k":"\ud800"}"#, Algorithm::HS256).unwrap();
    assert_eq!(
        message,
        "the file begins like a JWK and is not a whole one: duplicate name at byte 13"
    );
}
