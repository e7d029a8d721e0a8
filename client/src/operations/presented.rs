//! The lock cookie that came along with a token, and where to find it.

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

/// The lock cookie that came along with a token: its value, or the headers to find it in.
#[derive(Clone, Copy, Default)]
pub(crate) struct Presented<'a> {
    pub(crate) value: Option<&'a str>,
    pub(crate) headers: &'a [&'a str],
}

impl<'a> Presented<'a> {
    pub(super) fn value(value: Option<&'a str>) -> Self {
        Self {
            value: value.map(presented),
            headers: &[],
        }
    }

    pub(super) fn headers(headers: &'a [&'a str]) -> Self {
        Self { value: None, headers }
    }

    /// Returns the lock cookie that must be known before a request in `realm` is made.
    pub(super) fn lock(&self, realm: Option<&'a str>) -> Option<Lock<'a>> {
        let headers = self.headers;
        (!headers.is_empty()).then_some(Lock { realm, headers })
    }

    /// Returns the value to send, unless it is too long for a lock cookie's.
    pub(super) fn sent(&self) -> Option<&'a str> {
        self.value.filter(|cookie| can_be_cookie(cookie))
    }
}

/// A lock cookie that is to be found: that of a realm, of the client's without, in these headers.
#[doc(hidden)]
pub struct Lock<'a> {
    pub(crate) realm: Option<&'a str>,
    pub(crate) headers: &'a [&'a str],
}

/// Returns true if a value may be a lock cookie's. A longer one locks nothing, and is not worth sending.
pub(crate) fn can_be_cookie(value: &str) -> bool {
    value.len() <= 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_that_no_browser_keeps_is_cut() {
        let long = "\u{2603}".repeat(100_000);
        let cut = Presented::value(Some(&long)).value;
        assert_eq!(cut, Some("\u{2603}".repeat(4096 / 3).as_str()));
        assert_eq!(Presented::value(Some("x.y")).value, Some("x.y"));
    }
}
