//! `validate`.

use jwtkeeper_wire::{Answer, Cause, Op};

use super::presented::{Lock, Presented};
use super::Operation;
use crate::answer::{Claims, Verdict};

/// Is a token valid now? Answered by [`Verdict`](crate::Verdict).
#[derive(Clone)]
pub struct Validate<'a> {
    realm: Option<&'a str>,
    token: &'a [u8],
    cookie: Presented<'a>,
}

with_realm!(Validate);
of_a_token!(Validate);

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

impl Operation for Validate<'_> {
    type Output = Verdict;

    fn op<'s>(&'s self, realm: &'s str) -> Op<'s> {
        Op::Validate {
            realm: self.realm.unwrap_or(realm),
            token: self.token,
            cookie: self.cookie.sent(),
        }
    }

    fn lock(&self) -> Option<Lock<'_>> {
        self.cookie.lock(self.realm)
    }

    fn output(&self, answer: Answer<'_>) -> Option<Verdict> {
        match answer {
            Answer::Valid { claims, rotation } => Some(Verdict::Valid {
                claims: Claims(claims.to_vec()),
                // A cause that this build does not know is a cause.
                rotation: (rotation != Cause::None).then_some(rotation),
            }),
            Answer::Invalid { reason } => Some(Verdict::Invalid(reason)),
            _ => None,
        }
    }
}
