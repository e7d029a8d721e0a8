//! The lock cookie as it travels: in parts, and as the value of a Set-Cookie header.

use ::cookie::time::OffsetDateTime;
use ::cookie::{Cookie, SameSite as Same};
use jwtkeeper_wire as wire;
use zeroize::Zeroizing;

use jwtkeeper_core::realm::{CookiePolicy, SameSite};
use jwtkeeper_core::types::Seconds;

/// The value of a Set-Cookie header (RFC 6265 section 4.1).
pub(super) fn set_cookie(policy: &CookiePolicy, value: &str, expires_at: Seconds) -> Zeroizing<String> {
    let same_site = match policy.same_site {
        SameSite::Strict => Same::Strict,
        SameSite::Lax => Same::Lax,
        SameSite::None => Same::None,
    };
    let mut cookie = Cookie::build((policy.name.as_str(), value))
        .secure(policy.secure)
        .http_only(policy.http_only)
        .same_site(same_site);
    if let Ok(expires) = OffsetDateTime::from_unix_timestamp(expires_at) {
        cookie = cookie.expires(expires);
    }
    if let Some(domain) = &policy.domain {
        cookie = cookie.domain(domain.as_str());
    }
    if let Some(path) = &policy.path {
        cookie = cookie.path(path.as_str());
    }
    Zeroizing::new(cookie.build().to_string())
}

/// The whole of it.
pub(super) fn on_the_wire<'a>(
    policy: &'a CookiePolicy,
    value: &'a str,
    expires_at: Seconds,
    set_cookie: &'a str,
) -> wire::Cookie<'a> {
    wire::Cookie {
        name: &policy.name,
        value,
        expires_at: u64::try_from(expires_at).unwrap_or(0),
        domain: policy.domain.as_deref(),
        path: policy.path.as_deref(),
        secure: policy.secure,
        http_only: policy.http_only,
        same_site: policy.same_site.name(),
        set_cookie,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_every_attribute() {
        let mut policy = jwtkeeper_core::realm::Policy::default().cookie;
        let text = set_cookie(&policy, "00ff", 4_102_444_800);
        let whole = "jwt_keeper=00ff; HttpOnly; SameSite=Lax; Secure; Path=/; Expires=Fri, 01 Jan 2100 00:00:00 GMT";
        assert_eq!(*text, whole);
        policy.domain = Some("example.com".to_owned());
        policy.path = None;
        policy.secure = false;
        policy.http_only = false;
        policy.same_site = SameSite::Strict;
        let text = set_cookie(&policy, "00ff", 0);
        assert_eq!(
            *text,
            "jwt_keeper=00ff; SameSite=Strict; Domain=example.com; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
        );
    }
}
