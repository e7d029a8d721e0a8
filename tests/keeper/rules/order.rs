//! The order of the checks: of two things that are wrong with a token, the earlier check answers. So whoever forges
//! learns nothing of what stands behind the signature.

use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::keeper::Revoke;
use jwtkeeper_core::keyring::CookieSecret;
use jwtkeeper_core::realm::CookieLock;
use jwtkeeper_wire::Reason;

use jwtkeeper_testkit::world::keys::{key, stranger};
use jwtkeeper_testkit::world::{Builder, NOW, VALID, World, refused};

/// What can be wrong, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Wrong {
    Size,
    Form,
    Algorithm,
    Kid,
    Signature,
    Claims,
    Lifetime,
    Exp,
    Nbf,
    Issuer,
    Audience,
    Lock,
    Revoked,
}

const ALL: [(Wrong, Reason); 13] = [
    (Wrong::Size, Reason::Malformed),
    (Wrong::Form, Reason::Malformed),
    (Wrong::Algorithm, Reason::AlgorithmNotAllowed),
    (Wrong::Kid, Reason::UnknownKey),
    (Wrong::Signature, Reason::BadSignature),
    (Wrong::Claims, Reason::Malformed),
    (Wrong::Lifetime, Reason::LifetimeTooLong),
    (Wrong::Exp, Reason::Expired),
    (Wrong::Nbf, Reason::NotYetValid),
    (Wrong::Issuer, Reason::WrongIssuer),
    (Wrong::Audience, Reason::WrongAudience),
    (Wrong::Lock, Reason::LockRequired),
    (Wrong::Revoked, Reason::Revoked),
];

const COOKIE: &str = "35a496b4d4aa7dcb08389ef2e22728dc";
const MAX: i64 = 1000;

fn world() -> World {
    let world = Builder::named(&key(Algorithm::ES256), "ours")
        .with(|policy| {
            policy.issuer = Some("i".to_owned());
            policy.audience = vec!["a".to_owned()];
            policy.max_lifetime = MAX as u64;
            policy.cookie_lock = CookieLock::Required;
            policy.max_token = 4096;
        })
        .serve();
    world.revoke(Revoke::Jti("revoked"));
    world
}

fn token(wrong: &[Wrong]) -> String {
    let is = |one: Wrong| wrong.contains(&one);
    let alg = if is(Wrong::Algorithm) { "HS256" } else { "ES256" };
    let kid = if is(Wrong::Kid) { r#","kid":"nobody""# } else { "" };
    let (iat, exp) = match (is(Wrong::Lifetime), is(Wrong::Exp)) {
        (false, false) => (NOW, NOW + 60),
        (true, false) => (NOW, NOW + MAX + 1),
        (false, true) => (NOW - 60, NOW),
        (true, true) => (NOW - MAX - 1, NOW),
    };
    let nbf = if is(Wrong::Nbf) { NOW + 100 } else { NOW };
    let iss = if is(Wrong::Issuer) { "x" } else { "i" };
    let aud = if is(Wrong::Audience) { "x" } else { "a" };
    let jti = if is(Wrong::Revoked) { "revoked" } else { "j" };
    let lock = CookieSecret::parse(COOKIE.as_bytes()).unwrap().lock_claim();
    let lck = if is(Wrong::Lock) {
        String::new()
    } else {
        format!(r#","jwtkeeper":{{"lock":"{lock}"}}"#)
    };
    let twice = if is(Wrong::Claims) { r#","x":1,"x":2"# } else { "" };
    let pad = if is(Wrong::Size) {
        format!(r#","pad":"{}""#, "p".repeat(4000))
    } else {
        String::new()
    };
    let claims = format!(
        r#"{{"iat":{iat},"exp":{exp},"nbf":{nbf},"iss":"{iss}","aud":"{aud}","jti":"{jti}"{lck}{twice}{pad}}}"#
    );
    let signer = if is(Wrong::Signature) {
        stranger(Algorithm::ES256)
    } else {
        key(Algorithm::ES256)
    };
    let token = signer.sign(&format!(r#"{{"alg":"{alg}"{kid}}}"#), &claims);
    if is(Wrong::Form) { format!("{token}=") } else { token }
}

#[test]
fn each_check_by_itself() {
    let world = world();
    assert_eq!(world.say_with(&token(&[]), Some(COOKIE)), VALID);
    for (wrong, reason) in ALL {
        assert_eq!(
            world.say_with(&token(&[wrong]), Some(COOKIE)),
            refused(reason),
            "{wrong:?}"
        );
    }
}

#[test]
fn of_any_two_the_earlier_answers() {
    let world = world();
    for (place, (first, reason)) in ALL.into_iter().enumerate() {
        for (second, _) in &ALL[place + 1..] {
            let said = world.say_with(&token(&[first, *second]), Some(COOKIE));
            assert_eq!(said, refused(reason), "{first:?} and {second:?}");
        }
        let rest: Vec<_> = ALL[place..].iter().map(|(wrong, _)| *wrong).collect();
        assert_eq!(
            world.say_with(&token(&rest), Some(COOKIE)),
            refused(reason),
            "{first:?} and all after it"
        );
    }
}

#[test]
fn a_forged_token_learns_nothing_of_a_revoked_jti() {
    let world = world();
    for jti in ["revoked", "j"] {
        let claims = format!(r#"{{"exp":{},"jti":"{jti}","iss":"x"}}"#, NOW - 5);
        let forged = stranger(Algorithm::ES256).sign(r#"{"alg":"ES256"}"#, &claims);
        assert_eq!(world.say(&forged), refused(Reason::BadSignature), "{jti}");
        let answer = world
            .try_revoke(Revoke::Token {
                token: forged.as_bytes(),
                cookie: None,
            })
            .unwrap();
        assert_eq!(answer.unwrap_err().reason, Reason::BadSignature, "{jti}");
    }
}
