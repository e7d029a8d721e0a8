//! The session as a handler behind the layer sees it: `Extension<Session>` in axum.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::LockCookie;
use crate::answer::{Claims, Minted};
use crate::operations::Revoke;

/// The session of a request that is authenticated, as it is from now on: after a rotation it is the successor's. Debug
/// shows no token, no cookie secret and no claims.
#[derive(Clone)]
pub struct Session(Arc<Parts>);

struct Parts {
    token: String,
    cookie: Option<String>,
    claims: Claims,
    lock_cookie: LockCookie,
    rotated: bool,
    /// The claims, taken apart when they are first looked at.
    parsed: OnceLock<Map<String, Value>>,
}

impl Session {
    /// Of the token that came with the request.
    pub(super) fn presented(token: String, cookie: Option<String>, claims: Claims, lock_cookie: LockCookie) -> Self {
        Self(Arc::new(Parts {
            token,
            cookie,
            claims,
            lock_cookie,
            rotated: false,
            parsed: OnceLock::new(),
        }))
    }

    /// Of the token's successor.
    pub(super) fn successor(minted: &Minted, lock_cookie: LockCookie) -> Self {
        Self(Arc::new(Parts {
            token: minted.token().to_owned(),
            cookie: minted.cookie.as_ref().map(|cookie| cookie.value().to_owned()),
            claims: minted.claims.clone(),
            lock_cookie,
            rotated: true,
            parsed: OnceLock::new(),
        }))
    }

    /// The claims.
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// The claims as a type of the app's.
    pub fn claims_as<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        self.0.claims.parse()
    }

    /// A claim, if the token has it. The claims are taken apart once for a session.
    pub fn get(&self, claim: &str) -> Option<&Value> {
        self.0
            .parsed
            .get_or_init(|| self.0.claims.parse().unwrap_or_default())
            .get(claim)
    }

    /// The token's `jti`. Every token has one; it is empty only if the daemon broke its word.
    pub fn jti(&self) -> &str {
        self.get("jti").and_then(Value::as_str).unwrap_or_default()
    }

    /// The token, in compact serialization.
    pub fn token(&self) -> &str {
        &self.0.token
    }

    /// The value of the lock cookie that belongs to the token, if there is one.
    pub fn cookie(&self) -> Option<&str> {
        self.0.cookie.as_deref()
    }

    /// The lock cookie of the realm: for [`clear`](super::clear) at logout.
    pub fn lock_cookie(&self) -> &LockCookie {
        &self.0.lock_cookie
    }

    /// Returns true if the token was rotated on this request: the response will carry the new one.
    pub fn is_rotated(&self) -> bool {
        self.0.rotated
    }

    /// Returns the request for a logout: revoke the token and its whole session.
    pub fn revoke(&self) -> Revoke<'_> {
        Revoke::token(self.token(), self.cookie())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("jti", &self.jti())
            .field("rotated", &self.0.rotated)
            .finish_non_exhaustive()
    }
}
