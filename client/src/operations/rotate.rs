//! `rotate`.

use jwtkeeper_wire::{Answer, Op};
use serde_bytes::Bytes;

use super::presented::{Lock, Presented};
use super::Operation;
use crate::answer::Rotation;
use crate::given::NewClaims;

/// Replace a valid token by its one successor. Answered by [`Rotation`](crate::Rotation).
#[derive(Clone)]
pub struct Rotate<'a> {
    realm: Option<&'a str>,
    token: &'a [u8],
    cookie: Presented<'a>,
    claims: Option<NewClaims<'a>>,
}

with_realm!(Rotate);
of_a_token!(Rotate);

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

impl Operation for Rotate<'_> {
    type Output = Rotation;

    fn op<'s>(&'s self, realm: &'s str) -> Op<'s> {
        Op::Rotate {
            realm: self.realm.unwrap_or(realm),
            token: self.token,
            cookie: self.cookie.sent(),
            claims: self.claims.as_ref().map(|claims| Bytes::new(&claims.0)),
        }
    }

    fn lock(&self) -> Option<Lock<'_>> {
        self.cookie.lock(self.realm)
    }

    fn output(&self, answer: Answer<'_>) -> Option<Rotation> {
        match answer {
            Answer::Rotated(minted) => Some(Rotation::Rotated(minted.into())),
            Answer::Invalid { reason } => Some(Rotation::Invalid(reason)),
            _ => None,
        }
    }
}
