//! Locks as others make them: vectors that were computed elsewhere.

use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::keyring::{CookieSecret, LockKey};
use jwtkeeper_core::realm::CookieLock;
use jwtkeeper_wire::Reason::LockRequired;

use super::{Kind, RIGHT};
use jwtkeeper_testkit::world::keys::Key;
use jwtkeeper_testkit::world::{Builder, NOW, Said, VALID, refused};

/// Signatures of {"exp":1700000060,"jti":"a"} under the header that is minted, by the 64 bytes 0x30 to 0x6f and the
/// cookie secret [`RIGHT`]; made with Python's hmac and hashlib.
const GOLDEN: [(Algorithm, LockKey, &str); 6] = [
    (
        Algorithm::HS256,
        LockKey::Derived,
        "h6Dk7sHOyMph2O9Mwf0DD2zoFdztfzmRcRGfHNQkORk",
    ),
    (
        Algorithm::HS256,
        LockKey::Concat,
        "Fkc2-xsymF7iXFXYpSmt5zygFR5A9MhDcmbG5w64Z1A",
    ),
    (
        Algorithm::HS384,
        LockKey::Derived,
        "R2Vfw7AW817jSexKnkzfwKa3c9-3qaSHGEbl8mxW_CARUWvoqvXXzQFhy_coBCky",
    ),
    (
        Algorithm::HS384,
        LockKey::Concat,
        "jPDQTEou-gzaTvG8FzhINkxDzbjHfaiyo4PALF_W6yOASuHHayTIbuWw3vBz-vTB",
    ),
    (
        Algorithm::HS512,
        LockKey::Derived,
        "Xh3uYKsDrbiI1GTxTBCThLJMDIg6TX6bkSFmaLdSIB7qUOttvQKGHzzWHxAnWpaLUbinxmZ8bmUYto7EMUVDyg",
    ),
    (
        Algorithm::HS512,
        LockKey::Concat,
        "hvE_qlgJd13wnlmxj9TerjOXMEqJHVx6MKrETbo1VXm5mfVvSx9ULkz3fic0KNZhBE8CsIM6mhIIeNV3DGTB5Q",
    ),
];

#[test]
fn golden_vectors() {
    let secret: Vec<u8> = (0x30..0x70).collect();
    let claims = r#"{"exp":1700000060,"jti":"a"}"#;
    let cookie = CookieSecret::parse(RIGHT.as_bytes()).unwrap();
    for (algorithm, lock, signature) in GOLDEN {
        let key = Key::secret(algorithm, &secret);
        let token = key.private().signing.sign(claims, Some((lock, &cookie))).unwrap();
        assert_eq!(token.rsplit('.').next(), Some(signature), "{algorithm} {lock:?}");
        let world = Builder::signing(&key).with(|policy| policy.lock_key = lock).serve();
        assert_eq!(world.say_with(&token, Some(RIGHT)), VALID, "{algorithm} {lock:?}");
    }
    assert_eq!(cookie.lock_claim(), "1Bc9IuGmVA9NnofmwVMox--muU6Ekg_Opfl3wSLF4Ec");
    let secret = jwtkeeper_core::types::Secret::new(secret).unwrap();
    let successor = CookieSecret::of_successor(&secret, &[7; 16]).unwrap();
    assert_eq!(successor.expose(), "3426fdc1af4a90e2e0308f2f19dec17b");
}

#[test]
fn a_fixed_claim_locks_an_asymmetric_token() {
    let world = Kind::Claim.realm(CookieLock::Required);
    let lck = "1Bc9IuGmVA9NnofmwVMox--muU6Ekg_Opfl3wSLF4Ec";
    let say = |lck: &str| -> Said {
        let claims = format!(r#"{{"exp":{},"jti":"a","jwtkeeper":{{"lock":"{lck}"}}}}"#, NOW + 60);
        world.say_with(&world.forge_claims(&claims), Some(RIGHT))
    };
    assert_eq!(say(lck), VALID);
    for bad in ["", &lck[1..], &format!("{lck}="), &lck.to_lowercase(), RIGHT] {
        assert_eq!(say(bad), refused(LockRequired), "{bad}");
    }
}
