//! What can be asked. Each request is a value that is built once and may be asked many times. None has Debug:
//! they hold tokens, cookie secrets and claims.

use std::time::Duration;

use crate::given::{Before, NewClaims};

/// The longest cookie that browsers must keep (RFC 6265 section 6.1); a lock cookie is far shorter.
const LONGEST_COOKIE: usize = 4096;

/// A cookie that came along. A longer one than any is wrong however much of it is sent, and must not make the request
/// one that the daemon does not take: whoever sends it to the app is told no, and causes no error.
pub(crate) fn presented(cookie: &str) -> &str {
    match cookie.len() > LONGEST_COOKIE {
        true => cookie.split_at(cookie.floor_char_boundary(LONGEST_COOKIE)).0,
        false => cookie,
    }
}

/// Declares requests with a realm, and the setter of it.
macro_rules! with_realm {
    ($($request:ident)*) => {$(
        impl<'a> $request<'a> {
            /// In this realm, instead of the client's.
            #[must_use]
            pub fn realm(mut self, realm: &'a str) -> Self {
                self.realm = Some(realm);
                self
            }
        }
    )*};
}

with_realm!(Issue Validate Rotate Flag Revoke GetStatus GetJwks);

/// Declares that a token alone is such a request.
macro_rules! of_a_token {
    ($($request:ident from $token:ty;)*) => {$(
        impl<'a> From<&'a $token> for $request<'a> {
            fn from(token: &'a $token) -> Self {
                Self::new(token)
            }
        }
    )*};
}

of_a_token! {
    Validate from str;
    Validate from String;
    Validate from [u8];
    Rotate from str;
    Rotate from String;
    Rotate from [u8];
}

/// Is the daemon there? Answered by `()`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ping;

/// Mint a token. Answered by [`Minted`](crate::Minted).
#[derive(Clone, Default)]
pub struct Issue<'a> {
    pub(crate) realm: Option<&'a str>,
    pub(crate) claims: Option<NewClaims<'a>>,
    pub(crate) ttl: Option<Duration>,
}

impl<'a> Issue<'a> {
    /// A token with the realm's own claims and expiry.
    pub fn new() -> Self {
        Self::default()
    }

    /// With these claims merged in: a JSON object.
    #[must_use]
    pub fn claims(mut self, claims: impl Into<NewClaims<'a>>) -> Self {
        self.claims = Some(claims.into());
        self
    }

    /// That lives this long, in whole seconds (a part of one counts as one), up to the realm's `max_lifetime`.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}

/// The lock cookie that came along with a token: its value, or the headers to find it in.
#[derive(Clone, Copy, Default)]
pub(crate) struct Presented<'a> {
    pub(crate) value: Option<&'a str>,
    pub(crate) headers: &'a [&'a str],
}

impl<'a> Presented<'a> {
    fn value(value: Option<&'a str>) -> Self {
        Self {
            value: value.map(presented),
            headers: &[],
        }
    }

    fn headers(headers: &'a [&'a str]) -> Self {
        Self { value: None, headers }
    }
}

/// Is a token valid now? Answered by [`Verdict`](crate::Verdict).
#[derive(Clone)]
pub struct Validate<'a> {
    pub(crate) realm: Option<&'a str>,
    pub(crate) token: &'a [u8],
    pub(crate) cookie: Presented<'a>,
}

impl<'a> Validate<'a> {
    /// This token, in compact serialization. Any bytes may be asked about: they come from outside.
    pub fn new(token: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self {
            realm: None,
            token: token.as_ref(),
            cookie: Presented::default(),
        }
    }

    /// With the value of the lock cookie that came along, if one did.
    #[must_use]
    pub fn cookie(mut self, value: impl Into<Option<&'a str>>) -> Self {
        self.cookie = Presented::value(value.into());
        self
    }

    /// With the lock cookie in these `Cookie` headers, if one is there: the daemon says what it is called in the realm.
    #[must_use]
    pub fn cookie_headers(mut self, headers: &'a [&'a str]) -> Self {
        self.cookie = Presented::headers(headers);
        self
    }
}

/// Replace a valid token by its one successor. Answered by [`Rotation`](crate::Rotation).
#[derive(Clone)]
pub struct Rotate<'a> {
    pub(crate) realm: Option<&'a str>,
    pub(crate) token: &'a [u8],
    pub(crate) cookie: Presented<'a>,
    pub(crate) claims: Option<NewClaims<'a>>,
}

impl<'a> Rotate<'a> {
    /// This token, in compact serialization.
    pub fn new(token: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self {
            realm: None,
            token: token.as_ref(),
            cookie: Presented::default(),
            claims: None,
        }
    }

    /// With the value of the lock cookie that came along, if one did.
    #[must_use]
    pub fn cookie(mut self, value: impl Into<Option<&'a str>>) -> Self {
        self.cookie = Presented::value(value.into());
        self
    }

    /// With the lock cookie in these `Cookie` headers, if one is there: the daemon says what it is called in the realm.
    #[must_use]
    pub fn cookie_headers(mut self, headers: &'a [&'a str]) -> Self {
        self.cookie = Presented::headers(headers);
        self
    }

    /// With new private claims instead of the old token's: a JSON object. Needs the right `rotate_claims`.
    #[must_use]
    pub fn claims(mut self, claims: impl Into<NewClaims<'a>>) -> Self {
        self.claims = Some(claims.into());
        self
    }
}

pub(crate) enum FlagTarget<'a> {
    Jti(&'a str),
    Subject(&'a str, Before),
}

/// Make rotation due on next sight. Answered by `()` when it is stored durably.
pub struct Flag<'a> {
    pub(crate) realm: Option<&'a str>,
    pub(crate) target: FlagTarget<'a>,
}

impl<'a> Flag<'a> {
    fn new(target: FlagTarget<'a>) -> Self {
        Self { realm: None, target }
    }

    /// One token, by its `jti`.
    pub fn jti(jti: &'a str) -> Self {
        Self::new(FlagTarget::Jti(jti))
    }

    /// Every token of a subject born by a time.
    pub fn subject(subject: &'a str, before: Before) -> Self {
        Self::new(FlagTarget::Subject(subject, before))
    }
}

pub(crate) enum RevokeTarget<'a> {
    Token { token: &'a [u8], cookie: Presented<'a> },
    Jti(&'a str),
    Session(&'a str),
    Subject(&'a str, Before),
    IssuedBefore(Before),
}

/// Revoke. Answered by [`Revoked`](crate::Revoked) when it is stored durably.
pub struct Revoke<'a> {
    pub(crate) realm: Option<&'a str>,
    pub(crate) target: RevokeTarget<'a>,
}

impl<'a> Revoke<'a> {
    fn new(target: RevokeTarget<'a>) -> Self {
        Self { realm: None, target }
    }

    /// A token in hand and its session, with the value of the lock cookie that came along, if one did.
    pub fn token(token: &'a (impl AsRef<[u8]> + ?Sized), cookie: impl Into<Option<&'a str>>) -> Self {
        Self::new(RevokeTarget::Token {
            token: token.as_ref(),
            cookie: Presented::value(cookie.into()),
        })
    }

    /// A token in hand and its session, with the lock cookie in these `Cookie` headers, if one is there.
    pub fn token_with_headers(token: &'a (impl AsRef<[u8]> + ?Sized), headers: &'a [&'a str]) -> Self {
        Self::new(RevokeTarget::Token {
            token: token.as_ref(),
            cookie: Presented::headers(headers),
        })
    }

    /// A token by its `jti`, the session that it began, and the successor that it leads to.
    pub fn jti(jti: &'a str) -> Self {
        Self::new(RevokeTarget::Jti(jti))
    }

    /// All tokens of a session, by the jti of its first token: `jwtkeeper.sid` in its successors.
    pub fn session(session: &'a str) -> Self {
        Self::new(RevokeTarget::Session(session))
    }

    /// Every login of a subject begun by a time.
    pub fn subject(subject: &'a str, before: Before) -> Self {
        Self::new(RevokeTarget::Subject(subject, before))
    }

    /// Every login of the realm begun by a time.
    pub fn issued_before(before: Before) -> Self {
        Self::new(RevokeTarget::IssuedBefore(before))
    }
}

/// What the denylist says of a jti. Answered by [`Status`](crate::Status).
#[derive(Debug, Clone)]
pub struct GetStatus<'a> {
    pub(crate) realm: Option<&'a str>,
    pub(crate) jti: &'a str,
}

impl<'a> GetStatus<'a> {
    /// Of this `jti`.
    pub fn jti(jti: &'a str) -> Self {
        Self { realm: None, jti }
    }
}

/// The realm's public keys. Answered by a [`Document`](crate::Document): a JWK Set (RFC 7517 section 5).
#[derive(Debug, Clone, Default)]
pub struct GetJwks<'a> {
    pub(crate) realm: Option<&'a str>,
}

impl GetJwks<'_> {
    /// Of the client's realm.
    pub fn new() -> Self {
        Self::default()
    }
}

/// How the daemon is. Answered by [`Health`](crate::Health).
#[derive(Debug, Clone, Copy, Default)]
pub struct GetHealth;

/// Read all files again. Answered by the generation now in force.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reload;

/// Reads all files again and reports what that changed. Answered by [`Reloaded`](crate::Reloaded), also where files are
/// wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReloadReport {
    pub(crate) dry_run: bool,
}

impl ReloadReport {
    /// A reload.
    pub fn new() -> Self {
        Self::default()
    }

    /// A report of what a reload would change now; nothing is applied.
    pub fn dry_run() -> Self {
        Self { dry_run: true }
    }
}

/// Bring the host's own store and the one that it shares level. Answered by [`Imported`](crate::Imported).
#[derive(Debug, Clone, Copy, Default)]
pub struct Import;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_that_no_browser_keeps_is_cut() {
        let long = "\u{2603}".repeat(100_000);
        let cut = Validate::new("a.b.c").cookie(long.as_str()).cookie.value;
        assert_eq!(cut, Some("\u{2603}".repeat(4096 / 3).as_str()));
        assert_eq!(Rotate::new("a.b.c").cookie("x.y").cookie.value, Some("x.y"));
    }
}
