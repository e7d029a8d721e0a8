//! Common parts of the tests of the rules: a realm served over a denylist in memory, a clock that stands still, and
//! keys with which to forge what no keeper would mint.

pub mod builder;
pub mod keys;

use std::sync::Arc;

pub use builder::Builder;
use futures_util::FutureExt;
use jwtkeeper_core::denylist::Change;
use jwtkeeper_core::jwt::{Algorithm, encode_base64url, sign_compact};
use jwtkeeper_core::keeper::{
    Before, Flag, Keeper, Minted, RealmState, Refusal, Rejection, Revoke, Rotated, State, Verdict,
};
use jwtkeeper_core::keyring::Effort;
use jwtkeeper_core::types::Millis;
use jwtkeeper_wire::{Cause, Reason};
use keys::Key;
use serde_json::Value;

/// The second at which the clock stands, and the moment in it.
pub const NOW: i64 = 1_700_000_000;
pub const MOMENT: Millis = Millis(1_700_000_000_400);

/// The moment of [`MOMENT`]'s clock this many milliseconds later, or earlier.
pub fn at(ms: i64) -> Millis {
    Millis(MOMENT.0.checked_add_signed(ms).expect("a moment"))
}

/// The answer of validate, owned.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    Valid(Cause),
    Invalid(Reason),
}

pub const VALID: Said = Said::Valid(Cause::None);

pub fn due(cause: Cause) -> Said {
    Said::Valid(cause)
}

pub fn refused(reason: Reason) -> Said {
    Said::Invalid(reason)
}

/// A realm, its keeper, and the time.
pub struct World {
    pub keeper: Arc<Keeper>,
    pub served: RealmState,
    pub now: Millis,
    /// True if successors reach those who ask for them.
    pub hands_out: bool,
    key: Option<Key>,
}

impl World {
    pub fn issue(&self, claims: Value) -> Minted {
        self.try_issue(claims, None).unwrap()
    }

    pub fn try_issue(&self, claims: Value, ttl: Option<u64>) -> Result<Minted, Refusal> {
        let text = if claims.is_null() {
            String::new()
        } else {
            claims.to_string()
        };
        self.mint(&text, ttl)
    }

    /// Issues with claims as they are written.
    pub fn mint(&self, claims: &str, ttl: Option<u64>) -> Result<Minted, Refusal> {
        let unsigned = self.keeper.issue(&self.served, self.now, claims.as_bytes(), ttl)?;
        unsigned.sign(&self.served)
    }

    pub fn say(&self, token: &str) -> Said {
        self.say_with(token, None)
    }

    /// With a lock cookie.
    pub fn say_with(&self, token: &str, cookie: Option<&str>) -> Said {
        self.validate(token, cookie, |verdict| match verdict {
            Verdict::Valid { rotation, .. } => Said::Valid(rotation),
            Verdict::Invalid(rejection) => Said::Invalid(rejection.reason),
        })
    }

    fn validate<T>(&self, token: &str, cookie: Option<&str>, read: impl FnOnce(Verdict<'_>) -> T) -> T {
        let (mut buffer, mut effort) = (Vec::new(), Effort::default());
        let (keeper, served, token) = (&self.keeper, &self.served, token.as_bytes());
        read(keeper.validate(served, self.now, token, cookie, &mut buffer, &mut effort))
    }

    /// Validates a token as it was minted, with its cookie.
    pub fn say_of(&self, minted: &Minted) -> Said {
        self.say_with(&minted.token, minted.cookie.as_ref().map(|cookie| cookie.as_str()))
    }

    /// The rejection with all that it carries.
    pub fn rejection(&self, token: &str, cookie: Option<&str>) -> Option<Rejection> {
        self.validate(token, cookie, |verdict| match verdict {
            Verdict::Valid { .. } => None,
            Verdict::Invalid(rejection) => Some(rejection),
        })
    }

    pub fn try_rotate(
        &self,
        token: &str,
        cookie: Option<&str>,
        claims: Option<&Value>,
    ) -> Result<Result<Minted, Rejection>, Refusal> {
        let claims = claims.map(ToString::to_string);
        let claims = claims.as_ref().map(String::as_bytes);
        let rotated = self
            .keeper
            .rotate(
                &self.served,
                self.now,
                token.as_bytes(),
                cookie,
                claims,
                &mut Effort::default(),
            )
            .now_or_never()
            .expect("memory answers at once")?;
        match rotated {
            Rotated::Successor(unsigned, _, hand_out) => {
                let minted = unsigned.sign(&self.served)?;
                if self.hands_out {
                    let handed_out = self
                        .keeper
                        .hand_out(&self.served, self.now, minted.jti.clone(), hand_out);
                    handed_out.now_or_never().expect("memory answers at once")?;
                }
                Ok(Ok(minted))
            }
            Rotated::Invalid(rejection) => Ok(Err(rejection)),
        }
    }

    /// Rotates, and expects a successor.
    pub fn rotate(&self, old: &Minted) -> Minted {
        let cookie = old.cookie.as_ref().map(|cookie| cookie.as_str());
        self.try_rotate(&old.token, cookie, None).unwrap().expect("a successor")
    }

    /// Rotates, and expects none.
    pub fn rotate_refused(&self, old: &Minted) -> Rejection {
        let cookie = old.cookie.as_ref().map(|cookie| cookie.as_str());
        match self.try_rotate(&old.token, cookie, None).unwrap() {
            Ok(_) => panic!("a successor of a token that may have none"),
            Err(rejection) => rejection,
        }
    }

    pub fn try_revoke(&self, target: Revoke<'_>) -> Result<Result<(), Rejection>, Refusal> {
        self.keeper
            .revoke(&self.served, self.now, target, &mut Effort::default())
            .now_or_never()
            .expect("memory answers at once")
    }

    pub fn revoke(&self, target: Revoke<'_>) {
        self.try_revoke(target).unwrap().unwrap();
    }

    pub fn try_flag(&self, target: Flag<'_>) -> Result<(), Refusal> {
        self.keeper
            .flag(&self.served, self.now, target)
            .now_or_never()
            .expect("memory answers at once")
    }

    pub fn flag(&self, target: Flag<'_>) {
        self.try_flag(target).unwrap();
    }

    pub fn status(&self, jti: &str) -> State {
        self.keeper.status(&self.served, self.now, jti).unwrap()
    }

    /// A second passes for the store: what may be forgotten is.
    pub fn tick(&self) {
        self.apply(Change::Tick {
            now: self.now,
            elapsed_ms: 1000,
        });
    }

    /// Changes the denylist past the keeper, as somebody else does who shares it.
    pub fn apply(&self, change: Change) {
        let applied = self.keeper.denylist().apply(&self.served.index, change);
        applied.now_or_never().expect("memory answers at once").unwrap();
    }

    /// A token with this header and these claims, signed by the realm's own key.
    pub fn forge(&self, header: &str, claims: &str) -> String {
        self.key.as_ref().expect("a key").sign(header, claims)
    }

    /// A token with these claims under the header that the realm mints with.
    pub fn forge_claims(&self, claims: &str) -> String {
        let key = self.key.as_ref().expect("a key");
        key.sign(&format!(r#"{{"alg":"{}","typ":"JWT"}}"#, key.algorithm.name()), claims)
    }
}

/// The claims that were minted.
pub fn claims(minted: &Minted) -> Value {
    serde_json::from_str(&minted.claims).unwrap()
}

/// A cutoff now, asked for the first time.
pub const JUST_NOW: Before = Before::Now { first_asked: None };

/// A token of three segments as they are.
pub fn compact(header: &str, claims: &str, signature: &[u8]) -> String {
    let [header, claims] = [header, claims].map(|part| encode_base64url(part.as_bytes()));
    format!("{header}.{claims}.{}", encode_base64url(signature))
}

/// The realm of most tests: one HMAC key, no issuer, no version.
pub fn plain() -> World {
    Builder::signing(&keys::key(Algorithm::HS256)).serve()
}

/// The fewest claims that are valid now.
pub fn fewest() -> String {
    format!(r#"{{"iat":{NOW},"exp":{},"jti":"a"}}"#, NOW + 60)
}

impl Key {
    /// A token with this header and these claims.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        sign_compact(&encode_base64url(header.as_bytes()), claims, &self.signer()).expect("a signature")
    }
}

impl World {
    /// The key that the realm was built with.
    pub fn key(&self) -> &Key {
        self.key.as_ref().expect("a key")
    }
}
