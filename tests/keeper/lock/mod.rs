//! The cookie lock: which token comes in with which cookie under which policy, and what a rotation sets.

mod golden;
mod rotation;

use jwtkeeper_core::jwt::Algorithm;
use jwtkeeper_core::keyring::{CookieSecret, LockKey};
use jwtkeeper_core::realm::{CookieLock, Policy};
use jwtkeeper_wire::Cause::Unlocked;
use jwtkeeper_wire::Reason::{BadSignature, LockRequired};
use serde_json::json;

use jwtkeeper_testkit::world::keys::{Key, key};
use jwtkeeper_testkit::world::{Builder, NOW, VALID, World, claims, due, fewest, refused};

const RIGHT: &str = "35a496b4d4aa7dcb08389ef2e22728dc";
const WRONG: &str = "00000000000000000000000000000000";
const POLICIES: [CookieLock; 3] = [CookieLock::Off, CookieLock::Optional, CookieLock::Required];

/// How a realm locks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Derived,
    Concat,
    Claim,
}

const KINDS: [Kind; 3] = [Kind::Derived, Kind::Concat, Kind::Claim];

impl Kind {
    fn algorithm(self) -> Algorithm {
        if self == Kind::Claim {
            Algorithm::ES256
        } else {
            Algorithm::HS512
        }
    }

    fn set(self, policy: &mut Policy) {
        policy.lock_key = if self == Kind::Concat {
            LockKey::Concat
        } else {
            LockKey::Derived
        };
    }

    fn realm(self, lock: CookieLock) -> World {
        let builder = Builder::signing(&key(self.algorithm())).with(|policy| policy.cookie_lock = lock);
        builder.with(|policy| self.set(policy)).serve()
    }

    /// A token locked so by [`RIGHT`].
    fn locked(self) -> String {
        let cookie = CookieSecret::parse(RIGHT.as_bytes()).unwrap();
        let signing = key(self.algorithm()).private().signing;
        match self {
            Kind::Derived => signing.sign(&fewest(), Some((LockKey::Derived, &cookie))).unwrap(),
            Kind::Concat => signing.sign(&fewest(), Some((LockKey::Concat, &cookie))).unwrap(),
            Kind::Claim => {
                let claims = format!(
                    r#"{{"exp":{},"jti":"a","jwtkeeper":{{"lock":"{}"}}}}"#,
                    NOW + 60,
                    cookie.lock_claim()
                );
                signing.sign(&claims, None).unwrap()
            }
        }
    }

    fn unlocked(self) -> String {
        key(self.algorithm()).private().signing.sign(&fewest(), None).unwrap()
    }
}

/// Cookies that may come along, and whether the right secret is among their parts in its one form.
fn cookies() -> Vec<(Option<String>, bool)> {
    let some = |text: String, right: bool| (Some(text), right);
    vec![
        (None, false),
        some(String::new(), false),
        some(WRONG.to_owned(), false),
        some(RIGHT.to_owned(), true),
        some(format!("{RIGHT}.{WRONG}"), true),
        some(format!("{WRONG}.{RIGHT}"), true),
        some(format!("{WRONG}.{WRONG}"), false),
        some(format!("{RIGHT}\0"), false),
        some(format!("{RIGHT}\0\0\0\0"), false),
        some(RIGHT.to_uppercase(), false),
        some(format!("{RIGHT} "), false),
        some(format!(" {RIGHT}"), false),
        some(format!("{RIGHT}\n"), false),
        some(format!("{RIGHT}."), false),
        some(format!(".{RIGHT}"), false),
        some(format!("{RIGHT}.x"), false),
        some(format!("{RIGHT}.{WRONG}.{WRONG}"), false),
        some(RIGHT[1..].to_owned(), false),
        some(format!("{RIGHT}0"), false),
        some(format!("\"{RIGHT}\""), false),
        some(".".to_owned(), false),
        some("0".repeat(100_000), false),
    ]
}

#[test]
fn every_policy_kind_token_and_cookie() {
    for lock in POLICIES {
        for kind in KINDS {
            let world = kind.realm(lock);
            for (cookie, right) in cookies() {
                let cookie = cookie.as_deref();
                let shown = cookie.map(|cookie| &cookie[..cookie.len().min(80)]);
                let expected = match (right, kind) {
                    (true, _) => VALID,
                    (false, Kind::Claim) => refused(LockRequired),
                    (false, _) => refused(BadSignature),
                };
                let said = world.say_with(&kind.locked(), cookie);
                assert_eq!(said, expected, "{lock:?}, {kind:?}, locked, {shown:?}");

                let expected = match lock {
                    CookieLock::Off => VALID,
                    CookieLock::Optional => due(Unlocked),
                    CookieLock::Required => refused(LockRequired),
                };
                let said = world.say_with(&kind.unlocked(), cookie);
                assert_eq!(said, expected, "{lock:?}, {kind:?}, unlocked, {shown:?}");
            }
        }
    }
}

#[test]
fn minted_tokens_are_locked_by_a_fresh_secret_unless_the_lock_is_off() {
    for kind in KINDS {
        assert!(kind.realm(CookieLock::Off).issue(json!({})).cookie.is_none());
        for lock in [CookieLock::Optional, CookieLock::Required] {
            let world = kind.realm(lock);
            let (one, two) = (world.issue(json!({})), world.issue(json!({})));
            let value = one.cookie.as_ref().unwrap();
            assert!(CookieSecret::parse(value.as_bytes()).is_some(), "one part of 32 digits");
            assert_eq!(world.say_of(&one), VALID, "{kind:?}");
            assert_ne!(world.say(&one.token), VALID, "{kind:?}, without its cookie");
            assert_ne!(
                world.say_with(&one.token, two.cookie.as_ref().map(|c| c.as_str())),
                VALID,
                "another's cookie"
            );
            assert!(!one.claims.contains(value.as_str()), "the secret is in no claim");
        }
    }
}

#[test]
fn turning_the_lock_off_or_on_logs_no_one_out_who_has_a_cookie() {
    for kind in KINDS {
        let on = kind.realm(CookieLock::Required);
        let locked = on.issue(json!({}));
        let off = kind.realm(CookieLock::Off);
        assert_eq!(off.say_of(&locked), VALID, "{kind:?}");
        let new = off.rotate(&locked);
        assert!(new.cookie.is_none(), "{kind:?}: minted unlocked");
        assert_eq!(off.say(&new.token), VALID, "{kind:?}");
        assert_eq!(
            on.say(&new.token),
            refused(LockRequired),
            "{kind:?}: and not let in where a lock is required"
        );
    }
}

#[test]
fn the_other_lock_key_is_read_only_where_it_is_accepted() {
    let realm = |now: LockKey, accept: &[LockKey], lock: CookieLock| {
        Builder::signing(&key(Algorithm::HS512))
            .with(|policy| {
                policy.lock_key = now;
                policy.accept_lock_keys = accept.to_vec();
                policy.cookie_lock = lock;
            })
            .serve()
    };
    for lock in POLICIES {
        for (kind, now, old) in [
            (Kind::Concat, LockKey::Derived, LockKey::Concat),
            (Kind::Derived, LockKey::Concat, LockKey::Derived),
        ] {
            let token = kind.locked();
            let alone = realm(now, &[], lock);
            assert_eq!(
                alone.say_with(&token, Some(RIGHT)),
                refused(BadSignature),
                "{kind:?} {lock:?}"
            );
            let moving = realm(now, &[old], lock);
            assert_eq!(moving.say_with(&token, Some(RIGHT)), due(Unlocked), "{kind:?} {lock:?}");
            assert_eq!(
                moving.say_with(&token, Some(WRONG)),
                refused(BadSignature),
                "{kind:?} {lock:?}"
            );
            assert_eq!(moving.say(&token), refused(BadSignature), "{kind:?} {lock:?}");
        }
    }
    let moving = realm(LockKey::Derived, &[LockKey::Concat], CookieLock::Required);
    let rotated = moving.try_rotate(&Kind::Concat.locked(), Some(RIGHT), None).unwrap();
    let new = rotated.unwrap();
    assert_eq!(
        realm(LockKey::Derived, &[], CookieLock::Required).say_of(&new),
        VALID,
        "it has moved on"
    );
}

#[test]
fn the_end_of_a_secret_is_not_moved_into_a_cookie() {
    // The old secret ends in what could be a cookie; the new one is the old without it (or with it).
    let long = [vec![b's'; 64], RIGHT.as_bytes().to_vec()].concat();
    let (long, short) = (
        Key::secret(Algorithm::HS512, &long),
        Key::secret(Algorithm::HS512, &[b's'; 64]),
    );
    let derived = |key: &Key| {
        Builder::signing(key)
            .with(|policy| policy.cookie_lock = CookieLock::Optional)
            .serve()
    };
    let token = long.sign(r#"{"alg":"HS512"}"#, &fewest());
    assert_eq!(derived(&long).say(&token), due(Unlocked));
    assert_eq!(
        derived(&short).say_with(&token, Some(RIGHT)),
        refused(BadSignature),
        "the new secret revoked it"
    );
    let cookie = CookieSecret::parse(RIGHT.as_bytes()).unwrap();
    let locked = short
        .private()
        .signing
        .sign(&fewest(), Some((LockKey::Derived, &cookie)))
        .unwrap();
    assert_eq!(derived(&long).say(&locked), refused(BadSignature));
}

#[test]
fn nobody_else_sets_the_lock_claim() {
    for kind in KINDS {
        let refusal = kind
            .realm(CookieLock::Optional)
            .try_issue(json!({"jwtkeeper": {"lock": "x"}}), None);
        assert!(
            matches!(
                refusal,
                Err(jwtkeeper_core::keeper::Refusal::ReservedByDaemon("jwtkeeper"))
            ),
            "{kind:?}"
        );
    }
    let world = Kind::Claim.realm(CookieLock::Required);
    let minted = world.issue(json!({}));
    let cookie = CookieSecret::parse(minted.cookie.as_ref().unwrap().as_bytes()).unwrap();
    assert_eq!(claims(&minted)["jwtkeeper"]["lock"], cookie.lock_claim());
}
