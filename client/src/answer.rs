//! Answers of the daemon, owned. Debug shows no token, no cookie secret and no claims.

use std::fmt;

use jwtkeeper_wire as wire;
use jwtkeeper_wire::{Cause, Reason, State};
use serde::Deserialize;
use serde_json::Value;

/// The answer to [`Validate`](crate::Validate).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The token is valid now.
    Valid {
        /// The claims, byte for byte.
        claims: Claims,
        /// Why it should be rotated now; `None` when rotation is not due.
        rotation: Option<Cause>,
    },
    /// The token is not valid.
    Invalid(Reason),
}

impl Verdict {
    /// The claims of a valid token.
    pub fn claims(&self) -> Option<&Claims> {
        match self {
            Self::Valid { claims, .. } => Some(claims),
            Self::Invalid(_) => None,
        }
    }

    /// Returns true if the token is valid.
    pub fn is_valid(&self) -> bool {
        self.claims().is_some()
    }

    /// Why a valid token should be rotated now, if it should.
    pub fn rotation(&self) -> Option<Cause> {
        match self {
            Self::Valid { rotation, .. } => *rotation,
            Self::Invalid(_) => None,
        }
    }
}

/// The answer to [`Rotate`](crate::Rotate).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[allow(clippy::large_enum_variant, reason = "moved once, and nearly always the large one")]
pub enum Rotation {
    /// The token's one successor.
    Rotated(Minted),
    /// The token is not valid, so it has none.
    Invalid(Reason),
}

/// The answer to [`Revoke`](crate::Revoke).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Revoked {
    /// Revoked, and stored durably.
    Done,
    /// The token in hand is not one of this realm, so there is nothing to revoke.
    Invalid(Reason),
}

impl Revoked {
    /// Ignores the answer to a revocation by id, which is always done: the core takes no other answer.
    pub(crate) fn done(self) {}
}

/// A token, new or a successor.
#[derive(Clone, PartialEq, Eq)]
pub struct Minted {
    token: String,
    /// The `jti`.
    pub jti: String,
    /// The `exp`, in seconds since the epoch.
    pub expires_at: u64,
    /// The claims.
    pub claims: Claims,
    /// The lock cookie to set beside it, where the realm locks.
    pub cookie: Option<Cookie>,
}

impl Minted {
    /// Compact serialization, for the `Authorization` header.
    pub fn token(&self) -> &str {
        &self.token
    }
}

impl fmt::Debug for Minted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minted")
            .field("jti", &self.jti)
            .field("expires_at", &self.expires_at)
            .field("cookie", &self.cookie)
            .finish_non_exhaustive()
    }
}

impl From<wire::Minted<'_>> for Minted {
    fn from(minted: wire::Minted<'_>) -> Self {
        Self {
            token: minted.token.to_owned(),
            jti: minted.jti.to_owned(),
            expires_at: minted.expires_at,
            claims: Claims(minted.claims.to_vec()),
            cookie: minted.cookie.map(Cookie::from),
        }
    }
}

/// The lock cookie: its parts, and the header ready made.
#[derive(Clone, PartialEq, Eq)]
pub struct Cookie {
    value: String,
    set_cookie: String,
    /// The name.
    pub name: String,
    /// In seconds since the epoch: the token's `exp`.
    pub expires_at: u64,
    /// The `Domain` attribute.
    pub domain: Option<String>,
    /// The `Path` attribute.
    pub path: Option<String>,
    /// The `Secure` attribute.
    pub secure: bool,
    /// The `HttpOnly` attribute.
    pub http_only: bool,
    /// The `SameSite` attribute: `strict`, `lax` or `none`.
    pub same_site: String,
}

impl Cookie {
    /// Returns the value. A secret: it goes to the browser and nowhere else.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The value of a `Set-Cookie` header. Holds the secret.
    pub fn set_cookie(&self) -> &str {
        &self.set_cookie
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cookie")
            .field("name", &self.name)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl From<wire::Cookie<'_>> for Cookie {
    fn from(cookie: wire::Cookie<'_>) -> Self {
        Self {
            value: cookie.value.to_owned(),
            set_cookie: cookie.set_cookie.to_owned(),
            name: cookie.name.to_owned(),
            expires_at: cookie.expires_at,
            domain: cookie.domain.map(str::to_owned),
            path: cookie.path.map(str::to_owned),
            secure: cookie.secure,
            http_only: cookie.http_only,
            same_site: cookie.same_site.to_owned(),
        }
    }
}

/// A token's claims: the JSON text as it stands in the token.
#[derive(Clone, PartialEq, Eq)]
pub struct Claims(pub(crate) Vec<u8>);

impl Claims {
    /// The JSON object, byte for byte.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The JSON object, byte for byte.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The claims as a type of the caller's, or a [`serde_json::Value`].
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }

    /// One claim.
    pub fn get(&self, name: &str) -> Option<Value> {
        match self.parse().ok()? {
            Value::Object(mut claims) => claims.remove(name),
            _ => None,
        }
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claims({} bytes)", self.0.len())
    }
}

/// A JSON document of the daemon's.
#[derive(Clone, PartialEq, Eq)]
pub struct Document(pub(crate) Vec<u8>);

impl Document {
    /// The JSON text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The document as a type of the caller's, or a [`serde_json::Value`].
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// The entry of a jti in the denylist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Status {
    /// The state.
    pub state: State,
    /// Until when, in seconds since the epoch; `None` when nothing stands.
    pub until: Option<u64>,
}

/// The result of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Imported {
    /// The number of entries that are known: the host's own store has them all.
    pub entries: u64,
    /// The number of them that the shared store still lacks: they are being put into it.
    pub pending: u64,
}

/// The changes of a reload, or of one that was only tried.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Reloaded {
    /// The generation in effect.
    pub generation: u64,
    /// The changes, the faults and the settings that wait for a restart; docs/protocol.md lists the members.
    pub document: Document,
}

/// The health of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Health {
    /// Requests are answered, and everything that they rest on is right.
    pub ready: bool,
    /// The generation of the snapshot in effect.
    pub generation: u64,
    /// A JSON object with the particulars; its members only ever grow.
    pub document: Document,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cret";

    fn minted() -> Minted {
        let cookie = wire::Cookie {
            name: "jwt_keeper",
            value: SECRET,
            expires_at: 7,
            domain: None,
            path: Some("/"),
            secure: true,
            http_only: true,
            same_site: "lax",
            set_cookie: "jwt_keeper=s3cret",
        };
        let cookie = Some(cookie);
        let claims = br#"{"sub":"s3cret","n":123456789012345678901234567890}"#;
        wire::Minted {
            token: SECRET,
            jti: "an-id",
            expires_at: 7,
            claims,
            cookie,
        }
        .into()
    }

    #[test]
    fn debug_shows_no_token_no_cookie_secret_and_no_claims() {
        let minted = minted();
        let claims = minted.claims.clone();
        for text in [
            format!("{minted:?}"),
            format!("{minted:#?}"),
            format!("{:?}", Rotation::Rotated(minted)),
            format!("{:?}", Verdict::Valid { claims, rotation: None }),
        ] {
            assert!(!text.contains(SECRET), "{text}");
        }
    }

    #[test]
    fn claims_keep_their_bytes() {
        let claims = minted().claims;
        assert!(claims.as_bytes().ends_with(b":123456789012345678901234567890}"));
        assert_eq!(claims.get("sub"), Some(Value::from(SECRET)));
        assert_eq!(claims.get("absent"), None);
    }
}
