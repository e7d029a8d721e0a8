//! A realm: a named policy with its keys and its version, as one immutable value. Pure.

use std::sync::Arc;

use crate::jwt::Version;
use crate::keyring::{Keyring, LockKey};

/// A realm.
pub struct Realm {
    /// The name.
    pub name: String,
    /// The rules.
    pub policy: Policy,
    /// The keys, which outlive a change of policy.
    pub keyring: Arc<Keyring>,
    /// The version.
    pub version: Version<'static>,
}

/// The rules of a realm. Spans are in seconds unless their name says milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// `iss`: minted, and required when set.
    pub issuer: Option<String>,
    /// `aud`: minted, and one of them required when not empty.
    pub audience: Vec<String>,
    /// The lifetime of a token unless the caller asks for another.
    pub expiry: u64,
    /// The longest lifetime of a token.
    pub max_lifetime: u64,
    /// A token without `iat` is malformed.
    pub require_iat: bool,
    /// The most that another host's clock may be ahead, in milliseconds.
    pub clock_skew_ms: u64,
    /// The time that a rotated token leads to its successor, in milliseconds.
    pub rotation_grace_ms: u64,
    /// The longest lifetime of a session, rotations included.
    pub session_lifetime: Option<u64>,
    /// The time before a token expires from which rotation is due; never unless set.
    pub renew_before: Option<u64>,
    /// Whose tokens are to be rotated.
    pub rotate_on: RotateOn,
    /// The longest token, in bytes.
    pub max_token: usize,
    /// The claim that names the subject.
    pub subject_claim: String,
    /// Which of the realm's own claims a caller may set.
    pub allow_overrides: Vec<OwnClaim>,
    /// True if tokens are locked by a cookie.
    pub cookie_lock: CookieLock,
    /// The way in which the cookie secret enters the key of an HMAC realm.
    pub lock_key: LockKey,
    /// Other ways that are still accepted, with rotation due as `unlocked`.
    pub accept_lock_keys: Vec<LockKey>,
    /// The lock cookie's attributes.
    pub cookie: CookiePolicy,
    /// The action on a rotated token that is presented after the grace.
    pub on_reuse: OnReuse,
    /// Issuers whose tokens are validated and never rotated.
    pub foreign_issuers: Vec<ForeignIssuer>,
}

/// A claim that comes from the realm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnClaim {
    /// `nbf`
    Nbf,
    /// `iat`
    Iat,
    /// `jti`
    Jti,
    /// `iss`
    Iss,
    /// `aud`
    Aud,
    /// `ver`
    Ver,
}

impl OwnClaim {
    /// All of them, in the order of minting.
    pub const ALL: [OwnClaim; 6] = [
        OwnClaim::Nbf,
        OwnClaim::Iat,
        OwnClaim::Jti,
        OwnClaim::Iss,
        OwnClaim::Aud,
        OwnClaim::Ver,
    ];

    /// The claim's name.
    pub fn name(self) -> &'static str {
        match self {
            OwnClaim::Nbf => "nbf",
            OwnClaim::Iat => "iat",
            OwnClaim::Jti => "jti",
            OwnClaim::Iss => "iss",
            OwnClaim::Aud => "aud",
            OwnClaim::Ver => "ver",
        }
    }

    /// The claim of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|claim| claim.name() == name)
    }
}

/// Cookie locking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieLock {
    /// Mints unlocked; takes locked tokens with their cookie.
    Off,
    /// Mints locked; an unlocked token is valid and due.
    Optional,
    /// Mints locked; an unlocked token is refused.
    Required,
}

/// The attributes of the lock cookie (RFC 6265 section 4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookiePolicy {
    /// The name.
    pub name: String,
    /// `Domain`.
    pub domain: Option<String>,
    /// `Path`.
    pub path: Option<String>,
    /// `Secure`.
    pub secure: bool,
    /// `HttpOnly`.
    pub http_only: bool,
    /// `SameSite`.
    pub same_site: SameSite,
}

/// `SameSite`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// `Strict`
    Strict,
    /// `Lax`
    Lax,
    /// `None`
    None,
}

impl SameSite {
    /// The name, as configured and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            SameSite::Strict => "strict",
            SameSite::Lax => "lax",
            SameSite::None => "none",
        }
    }
}

/// The action on reuse of a rotated token after the grace, apart from counting and logging it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReuse {
    /// Nothing more.
    Report,
    /// The session ends.
    RevokeSession,
}

/// Whose tokens are to be rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotateOn {
    /// Everybody's.
    Any,
    /// Tokens that came with a lock cookie: a browser's.
    Cookie,
}

/// An issuer elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignIssuer {
    /// The `iss`.
    pub issuer: String,
    /// True if it signs with a key of its own; otherwise with the realm's.
    pub own_key: bool,
    /// The media types that its tokens' `typ` may name. A token without `typ` is a `jwt`.
    pub typ: Vec<String>,
    /// False where its tokens may lack `jti`: then only their subject and their time can be revoked.
    pub require_jti: bool,
}

impl ForeignIssuer {
    /// An issuer of plain JWTs with `jti`.
    pub fn new(issuer: impl Into<String>, own_key: bool) -> Self {
        Self {
            issuer: issuer.into(),
            own_key,
            typ: vec!["jwt".to_owned()],
            require_jti: true,
        }
    }
}

/// As good as without end, in seconds: 50 years.
const WITHOUT_END: u64 = 50 * 365 * 24 * 3600;

impl Policy {
    /// The foreign issuer of this `iss`.
    pub fn foreign_issuer(&self, iss: Option<&str>) -> Option<&ForeignIssuer> {
        self.foreign_issuers.iter().find(|foreign| iss == Some(&foreign.issuer))
    }

    /// The longest that a token can be refused now and valid later: entries of the denylist are kept that long. Without
    /// `iat` nothing bounds it, for such a token is valid as soon as what is left of its life is short enough.
    pub fn kept_lifetime(&self) -> u64 {
        if self.require_iat {
            self.max_lifetime
        } else {
            self.max_lifetime.max(WITHOUT_END)
        }
    }

    /// The ways of locking by the key that are read, the current one first.
    pub fn locks(&self) -> Vec<LockKey> {
        let others = self
            .accept_lock_keys
            .iter()
            .copied()
            .filter(|lock| *lock != self.lock_key);
        std::iter::once(self.lock_key).chain(others).collect()
    }
}

impl Default for Policy {
    /// The defaults of the configuration.
    fn default() -> Self {
        Self {
            issuer: None,
            audience: Vec::new(),
            expiry: 24 * 3600,
            max_lifetime: 30 * 24 * 3600,
            require_iat: true,
            clock_skew_ms: 2000,
            rotation_grace_ms: 30_000,
            session_lifetime: None,
            renew_before: None,
            rotate_on: RotateOn::Any,
            max_token: 8 * 1024,
            subject_claim: "sub".to_owned(),
            allow_overrides: Vec::new(),
            cookie_lock: CookieLock::Off,
            lock_key: LockKey::Derived,
            accept_lock_keys: Vec::new(),
            cookie: CookiePolicy {
                name: "jwt_keeper".to_owned(),
                domain: None,
                path: Some("/".to_owned()),
                secure: true,
                http_only: true,
                same_site: SameSite::Lax,
            },
            on_reuse: OnReuse::Report,
            foreign_issuers: Vec::new(),
        }
    }
}
