//! The session flow's headers: what a request carries of it, and what a response tells the browser. `write` is for a
//! login, `clear` for a logout.

use http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, InvalidHeaderValue, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use super::{LockCookie, bearer};
use crate::answer::Minted;

/// The token that a request carries.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    bearer(str::from_utf8(headers.get(AUTHORIZATION)?.as_bytes()).ok()?)
}

/// The `Cookie` headers of a request: HTTP/2 may send one for each cookie (RFC 9113 section 8.2.3).
pub(super) fn cookies(headers: &HeaderMap) -> Vec<&str> {
    let all = headers.get_all(COOKIE).iter();
    all.filter_map(|header| str::from_utf8(header.as_bytes()).ok())
        .collect()
}

/// The value of the lock cookie in them.
pub(super) fn secret<'a>(cookies: &[&'a str], cookie: &LockCookie) -> Option<&'a str> {
    cookies.iter().find_map(|header| cookie.find(header))
}

/// Returns true if a handler wrote the session itself: a token, or the cookie, or its deletion.
pub(super) fn are_written(headers: &HeaderMap, cookie: &LockCookie) -> bool {
    let of_the_lock = |header: &HeaderValue| {
        let name = header.as_bytes().split(|byte| *byte == b'=').next();
        name.is_some_and(|name| name.trim_ascii() == cookie.name.as_bytes())
    };
    headers.contains_key(AUTHORIZATION) || headers.get_all(SET_COOKIE).iter().any(of_the_lock)
}

/// Gives a new token to whoever the response goes to: `Authorization`, and `Set-Cookie` where the realm locks. No
/// cache may keep the response. The layer adds nothing to a response that this was done to.
///
/// It fails when the realm's cookie does not fit a header, which a daemon does not let happen.
pub fn write(headers: &mut HeaderMap, minted: &Minted) -> Result<(), InvalidHeaderValue> {
    let authorization = sensitive(&format!("Bearer {}", minted.token()))?;
    let cookie = minted.cookie.as_ref().map(|cookie| sensitive(cookie.set_cookie()));
    if let Some(cookie) = cookie.transpose()? {
        headers.append(SET_COOKIE, cookie);
    }
    headers.insert(AUTHORIZATION, authorization);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(())
}

/// Takes the session from whoever the response goes to: no `Authorization`, and the lock cookie cleared. The layer adds
/// nothing to a response that this was done to.
pub fn clear(headers: &mut HeaderMap, cookie: &LockCookie) -> Result<(), InvalidHeaderValue> {
    headers.remove(AUTHORIZATION);
    headers.append(SET_COOKIE, HeaderValue::from_str(&cookie.clear())?);
    Ok(())
}

/// A value that Debug does not show.
fn sensitive(text: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(text)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn headers(of: &[(http::HeaderName, &'static [u8])]) -> HeaderMap {
        let pair =
            |(name, value): &(http::HeaderName, &'static [u8])| (name.clone(), HeaderValue::from_bytes(value).unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in of.iter().map(pair) {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn cookies_may_come_in_many_headers() {
        let cookie = LockCookie::default();
        let split = headers(&[(COOKIE, b"a=1"), (COOKIE, b"b=\xff"), (COOKIE, b"jwt_keeper=x; c=2")]);
        assert_eq!(secret(&cookies(&split), &cookie), Some("x"));
        assert_eq!(secret(&cookies(&headers(&[(COOKIE, b"a=1")])), &cookie), None);
    }

    #[test]
    fn bytes_that_are_no_text_are_no_token() {
        assert_eq!(token(&headers(&[(AUTHORIZATION, b"Bearer \xff")])), None);
        assert_eq!(token(&headers(&[(AUTHORIZATION, b"Bearer x")])), Some("x"));
    }

    #[test]
    fn a_response_is_written_by_its_token_or_its_lock_cookie() {
        let cookie = LockCookie::default();
        let mut cleared = HeaderMap::new();
        clear(&mut cleared, &cookie).unwrap();
        assert!(are_written(&cleared, &cookie));
        assert!(are_written(&headers(&[(AUTHORIZATION, b"")]), &cookie));
        for other in [&b"jwt_keeper2=1"[..], b"a=jwt_keeper=1"] {
            assert!(!are_written(&headers(&[(SET_COOKIE, other)]), &cookie));
        }
    }

    #[test]
    fn debug_shows_no_token_and_no_cookie_secret() {
        let value = sensitive("Bearer s3cret").unwrap();
        assert!(!format!("{value:?}").contains("s3cret"));
    }
}
