//! Key files: PEM, DER within PEM, JWK, JWKS, raw.

use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::keyring::{Keyring, Role, ends_in_space, load_private, load_public};
use zeroize::Zeroizing;

const ALGORITHMS: [Algorithm; 7] = [
    Algorithm::HS256,
    Algorithm::HS512,
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

const TAGS: [&str; 6] = [
    "",
    "PRIVATE KEY",
    "PUBLIC KEY",
    "RSA PRIVATE KEY",
    "RSA PUBLIC KEY",
    "EC PRIVATE KEY",
];

/// The first byte picks the algorithm, the second the tag of a PEM block around the rest, or none.
pub fn run(data: &[u8]) {
    let [algorithm, tag, rest @ ..] = data else {
        return;
    };
    let algorithm = ALGORITHMS[usize::from(*algorithm) % ALGORITHMS.len()];
    let file = match TAGS[usize::from(*tag) % TAGS.len()] {
        "" => rest.to_vec(),
        tag => pem::encode(&pem::Pem::new(tag, rest)).into_bytes(),
    };
    let _ = ends_in_space(&file);
    if let Ok(keys) = load_public(&file, algorithm) {
        assert!(!keys.keys.is_empty());
        for key in keys.keys {
            assert!(!key.verify(b"message", b"signature"));
            republish(Role::Retired, key);
        }
    }
    if let Ok(loaded) = load_private(Zeroizing::new(file), algorithm, true) {
        let token = loaded.signing.sign("{}", None).expect("a key that is accepted signs");
        assert_eq!(token.len(), loaded.signing.token_length(2));
        let mut keyring = Keyring::default();
        keyring.add_signing(loaded);
        assert!(serde_json::to_vec(&keyring.jwks()).is_ok());
    }
}

/// Published keys are accepted again.
fn republish(role: Role, key: jwtkeeper_core::keyring::VerifyingKey) {
    let algorithm = key.algorithm;
    let mut keyring = Keyring::default();
    keyring.add_verifying(role, key);
    let jwks = keyring.jwks();
    let again = load_public(&serde_json::to_vec(&jwks).unwrap(), algorithm).expect("a published key loads");
    assert_eq!(again.keys.len(), jwks.keys.len());
}
