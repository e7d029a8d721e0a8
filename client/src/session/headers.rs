//! The session flow's headers: what a request carries of it, and what a response tells the browser. `write` is for a
//! login, `clear` for a logout.

use http::header::{AUTHORIZATION, COOKIE, InvalidHeaderValue, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use super::{LockCookie, bearer};
use crate::answer::Minted;

/// The token that a request carries.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    bearer(str::from_utf8(headers.get(AUTHORIZATION)?.as_bytes()).ok()?)
}

/// The value of the lock cookie that a request carries.
pub(super) fn secret<'a>(headers: &'a HeaderMap, cookie: &LockCookie) -> Option<&'a str> {
    // HTTP/2 may send one header for each cookie (RFC 9113 section 8.2.3).
    let all = headers.get_all(COOKIE).iter();
    all.filter_map(|header| str::from_utf8(header.as_bytes()).ok())
        .find_map(|header| cookie.find(header))
}

/// Whether a handler has said itself what becomes of the session: it wrote a token, or wrote or cleared the cookie.
pub(super) fn are_written(headers: &HeaderMap, cookie: &LockCookie) -> bool {
    let of_the_lock = |header: &HeaderValue| {
        let name = header.as_bytes().split(|byte| *byte == b'=').next();
        name.is_some_and(|name| name.trim_ascii() == cookie.name.as_bytes())
    };
    headers.contains_key(AUTHORIZATION) || headers.get_all(SET_COOKIE).iter().any(of_the_lock)
}

/// Gives a new token to whoever the response goes to: `Authorization`, and `Set-Cookie` where the realm locks. The layer
/// adds nothing to a response that this was done to.
///
/// It fails when the realm's cookie does not fit a header, which a daemon does not let happen.
pub fn write(headers: &mut HeaderMap, minted: &Minted) -> Result<(), InvalidHeaderValue> {
    let authorization = sensitive(&format!("Bearer {}", minted.token()))?;
    let cookie = minted.cookie.as_ref().map(|cookie| sensitive(cookie.set_cookie()));
    if let Some(cookie) = cookie.transpose()? {
        headers.append(SET_COOKIE, cookie);
    }
    headers.insert(AUTHORIZATION, authorization);
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
