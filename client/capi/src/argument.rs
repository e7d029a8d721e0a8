//! Arguments from C, checked: handles and strings. Nothing is read before it is known to be wanted, and a length that
//! no object can have is refused unread.

use std::borrow::Cow;
use std::ffi::{CStr, c_char};

use jwtkeeper_client::{Before, ClientCode, Error, Revoke, Rotate, Validate, session};

/// As a length: the string ends at its NUL.
pub const JWTKEEPER_NUL: usize = usize::MAX;

/// As a time: the moment of the call, which a repeated attempt keeps.
pub const JWTKEEPER_NOW: i64 = -1;

/// As a ttl: what the realm says.
pub const JWTKEEPER_REALM_EXPIRY: i64 = -1;

/// Why a call has no answer.
pub(crate) enum Fault {
    /// An argument that cannot be meant; says which.
    Argument(&'static str, &'static str),
    OutOfTurn,
    Client(Error),
}

impl Fault {
    pub(crate) fn code(&self) -> i32 {
        match self {
            Self::Argument(..) => code(ClientCode::BadArgument),
            Self::OutOfTurn => code(ClientCode::OutOfTurn),
            Self::Client(error) => error.number().into(),
        }
    }

    /// The HTTP status of a request that asked for this.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Client(error) => session::status(error),
            _ => 500,
        }
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::Argument(name, fault) => format!("{name} {fault}"),
            Self::OutOfTurn => meaning(ClientCode::OutOfTurn).to_owned(),
            Self::Client(error) => match error.lines().count() {
                0 | 1 => error.to_string(),
                _ => error.lines().collect::<Vec<_>>().join("\n"),
            },
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

pub(crate) fn code(code: ClientCode) -> i32 {
    code.code().into()
}

pub(crate) fn meaning(code: ClientCode) -> &'static str {
    code.row().map_or("", |row| row.meaning)
}

/// A string that may be left out: NULL is none, whatever its length.
///
/// # Safety
/// `text` is NULL, or points to `length` readable bytes (to a NUL-terminated string where that is
/// [`JWTKEEPER_NUL`]) which nobody changes for `'a`.
pub(crate) unsafe fn optional<'a>(
    name: &'static str,
    text: *const c_char,
    length: usize,
) -> Result<Option<&'a [u8]>, Fault> {
    if text.is_null() {
        return Ok(None);
    }
    if length == JWTKEEPER_NUL {
        // SAFETY: by this function's contract.
        return Ok(Some(unsafe { CStr::from_ptr(text) }.to_bytes()));
    }
    if length > isize::MAX as usize {
        return Err(Fault::Argument(name, "is longer than anything in memory can be"));
    }
    // SAFETY: by this function's contract; the length is one that an object can have.
    Ok(Some(unsafe { std::slice::from_raw_parts(text.cast(), length) }))
}

/// A string that must be given.
///
/// # Safety
/// As of [`optional`].
pub(crate) unsafe fn required<'a>(name: &'static str, text: *const c_char, length: usize) -> Result<&'a [u8], Fault> {
    // SAFETY: by this function's contract.
    unsafe { optional(name, text, length) }?.ok_or(Fault::Argument(name, "is NULL"))
}

/// Text that must be given, and be UTF-8.
///
/// # Safety
/// As of [`optional`].
pub(crate) unsafe fn utf8<'a>(name: &'static str, text: *const c_char, length: usize) -> Result<&'a str, Fault> {
    // SAFETY: by this function's contract.
    let bytes = unsafe { required(name, text, length) }?;
    std::str::from_utf8(bytes).map_err(|_| Fault::Argument(name, "is not UTF-8"))
}

/// The part of a browser's input that is looked at: four times the longest token. A longer one is wrong by its length
/// alone, and no more memory is spent on it: a mark stands for the rest, lest its beginning be right by itself.
const LOOKED_AT: usize = 128 * 1024;

/// Text that a browser sent, which may be any bytes: bytes that are not UTF-8 are replaced, and so judged as wrong.
///
/// # Safety
/// As of [`optional`].
pub(crate) unsafe fn lossy<'a>(
    name: &'static str,
    text: *const c_char,
    length: usize,
) -> Result<Option<Cow<'a, str>>, Fault> {
    // SAFETY: by this function's contract.
    let bytes = unsafe { optional(name, text, length) }?;
    Ok(bytes.map(|bytes| match bytes.split_at_checked(LOOKED_AT) {
        Some((looked_at, rest)) if !rest.is_empty() => {
            let mut text = String::from_utf8_lossy(looked_at).into_owned();
            text.push(char::REPLACEMENT_CHARACTER);
            Cow::Owned(text)
        }
        _ => String::from_utf8_lossy(bytes),
    }))
}

/// The lock cookie that came along: its value, or the `Cookie` header that it is in. A value never holds a `=`.
pub(crate) struct CookieGiven<'a> {
    value: Option<&'a str>,
    header: Option<[&'a str; 1]>,
}

impl<'a> CookieGiven<'a> {
    pub(crate) fn new(text: Option<&'a str>) -> Self {
        let (header, value) = match text {
            Some(text) if text.contains('=') => (Some([text]), None),
            value => (None, value),
        };
        Self { value, header }
    }

    pub(crate) fn validate<'b>(&'b self, token: &'b [u8]) -> Validate<'b> {
        match &self.header {
            Some(headers) => Validate::new(token).cookie_headers(headers),
            None => Validate::new(token).cookie(self.value),
        }
    }

    pub(crate) fn rotate<'b>(&'b self, token: &'b [u8]) -> Rotate<'b> {
        match &self.header {
            Some(headers) => Rotate::new(token).cookie_headers(headers),
            None => Rotate::new(token).cookie(self.value),
        }
    }

    pub(crate) fn revoke<'b>(&'b self, token: &'b [u8]) -> Revoke<'b> {
        match &self.header {
            Some(headers) => Revoke::token_with_headers(token, headers),
            None => Revoke::token(token, self.value),
        }
    }
}

/// A cutoff: milliseconds since 1970-01-01T00:00:00Z, or [`JWTKEEPER_NOW`].
pub(crate) fn before(before_ms: i64) -> Result<Before, Fault> {
    match u64::try_from(before_ms) {
        Ok(at) => Ok(Before::At(at)),
        Err(_) if before_ms == JWTKEEPER_NOW => Ok(Before::Now),
        Err(_) => Err(Fault::Argument("before_ms", "is negative and not JWTKEEPER_NOW")),
    }
}
