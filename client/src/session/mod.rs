//! The session flow of an app, in rules without I/O: where a request's token and lock cookie stand, what an answer of
//! the daemon's means for the request, and how the cookie is cleared. Every language's middleware follows these.
//!
//! A request whose token is absent or invalid is not authenticated (401); one whose token could not be judged is
//! answered 503, and nothing is cleared; a rotation that is due but cannot be had now leaves the old token serving.

use cookie::{Cookie, SameSite, time::OffsetDateTime};
use jwtkeeper_wire::{ErrorCode, Reason};

use crate::error::Error;

#[cfg(feature = "http")]
mod headers;
#[cfg(feature = "tower")]
mod layer;
#[cfg(feature = "http")]
mod outage;
#[cfg(feature = "http")]
mod outcome;
#[cfg(feature = "http")]
mod request;
#[cfg(feature = "http")]
mod sessions;

#[cfg(feature = "http")]
pub use headers::{clear, write};
#[cfg(feature = "tower")]
pub use layer::{EmptyBody, Refuse, RefuseWith, SessionLayer, SessionService};
#[cfg(feature = "http")]
pub use outcome::{Authenticated, Outcome, Refusal};
#[cfg(feature = "http")]
pub use request::Session;
#[cfg(feature = "http")]
pub use sessions::{Regenerated, Sessions};

pub use crate::lock_cookie::LockCookie;

impl LockCookie {
    /// The value of a `Set-Cookie` header that takes it from the browser.
    pub fn clear(&self) -> String {
        let mut cookie = Cookie::build((self.name.as_str(), ""))
            .max_age(cookie::time::Duration::ZERO)
            .expires(OffsetDateTime::UNIX_EPOCH)
            .secure(self.secure)
            .http_only(self.http_only);
        if let Some(same_site) = self.same_site.as_deref().and_then(same_site) {
            cookie = cookie.same_site(same_site);
        }
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(domain.as_str());
        }
        if let Some(path) = &self.path {
            cookie = cookie.path(path.as_str());
        }
        cookie.build().to_string()
    }
}

fn same_site(name: &str) -> Option<SameSite> {
    match name {
        "strict" => Some(SameSite::Strict),
        "lax" => Some(SameSite::Lax),
        "none" => Some(SameSite::None),
        _ => None,
    }
}

/// The token of an `Authorization` header (RFC 6750 section 2.1); the scheme's case does not matter. `None` for
/// another scheme, and for a header without a token.
pub fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.trim().split_once([' ', '\t'])?;
    let token = token.trim_start();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Returns true if a token that is invalid for this reason takes its cookie with it: no other token could still need
/// it.
pub fn clears_cookie(reason: Reason) -> bool {
    matches!(reason, Reason::Expired | Reason::Revoked)
}

/// Returns true if a request goes on with its old token, which is valid, when rotating it ended in this error. It does
/// not where the app's own claims are at fault: the app must hear of that.
pub fn goes_on(error: &Error) -> bool {
    error.is_temporary()
        || error.is_not_permitted()
        || matches!(error.code(), Some(ErrorCode::ValidateOnly | ErrorCode::ForeignToken))
}

/// The HTTP status of a request whose token could not be judged: 503 where another try may be answered, 500 where
/// the set-up is wrong.
pub fn status(error: &Error) -> u16 {
    if error.is_temporary() { 503 } else { 500 }
}

/// The value of a `WWW-Authenticate` header of an answer 401 (RFC 6750 section 3): why is the daemon's log's to say.
pub fn challenge(presented: bool) -> &'static str {
    if presented {
        r#"Bearer error="invalid_token""#
    } else {
        "Bearer"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_is_a_scheme_and_a_token() {
        assert_eq!(bearer("Bearer a.b.c"), Some("a.b.c"));
        assert_eq!(bearer(" bEARER \t a.b.c "), Some("a.b.c"));
        for none in [
            "",
            "Bearer",
            "Bearer ",
            "a.b.c",
            "Basic YTpi",
            "Bearera.b.c",
            "Token a.b.c",
        ] {
            assert_eq!(bearer(none), None, "{none}");
        }
    }

    #[test]
    fn a_cleared_cookie_names_the_same_place() {
        let cookie = LockCookie {
            domain: Some("example.com".to_owned()),
            ..LockCookie::default()
        };
        assert_eq!(
            cookie.clear(),
            "jwt_keeper=; HttpOnly; Secure; Path=/; Domain=example.com; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
        );
    }
}
