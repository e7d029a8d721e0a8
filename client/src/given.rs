//! Arguments of requests: claims, and moments.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::answer::Claims;

/// Claims that a caller gives: a JSON object, as text, bytes, or a [`serde_json::Value`]. Text keeps integers of
/// any size and the order of members.
#[derive(Clone)]
pub struct NewClaims<'a>(pub(crate) Cow<'a, [u8]>);

impl<'a> From<&'a str> for NewClaims<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text.as_bytes()))
    }
}

impl<'a> From<&'a [u8]> for NewClaims<'a> {
    fn from(text: &'a [u8]) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a Claims> for NewClaims<'a> {
    fn from(claims: &'a Claims) -> Self {
        Self(Cow::Borrowed(claims.as_bytes()))
    }
}

impl From<String> for NewClaims<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text.into_bytes()))
    }
}

impl From<Vec<u8>> for NewClaims<'_> {
    fn from(text: Vec<u8>) -> Self {
        Self(Cow::Owned(text))
    }
}

impl From<&Value> for NewClaims<'_> {
    fn from(value: &Value) -> Self {
        Self(Cow::Owned(value.to_string().into_bytes()))
    }
}

impl From<Value> for NewClaims<'_> {
    fn from(value: Value) -> Self {
        Self::from(&value)
    }
}

/// A moment that a cutoff holds up to, itself included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Milliseconds since 1970-01-01T00:00:00Z; refused when in the future.
    At(u64),
    /// The moment of the call; a retry keeps the moment of the first attempt.
    Now,
}

impl From<SystemTime> for Before {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::At(since.as_millis() as u64)
    }
}
