//! `introspect`.

use jwtkeeper_wire::{Answer, Op};

use super::Operation;
use super::presented::Presented;
use crate::answer::Document;

/// Examines a token for an administrator, and changes nothing. Answered by a [`Document`](crate::Document), also where
/// the token is not valid: docs/protocol.md lists its members.
#[derive(Clone)]
pub struct Introspect<'a> {
    realm: Option<&'a str>,
    token: &'a [u8],
    cookie: Presented<'a>,
}

with_realm!(Introspect);
of_a_token!(Introspect);

impl<'a> Introspect<'a> {
    /// This token, in compact serialization.
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
}

impl Operation for Introspect<'_> {
    type Output = Document;

    fn op<'s>(&'s self, realm: &'s str) -> Op<'s> {
        Op::Introspect {
            realm: self.realm.unwrap_or(realm),
            token: self.token,
            cookie: self.cookie.sent(),
        }
    }

    fn output(&self, answer: Answer<'_>) -> Option<Document> {
        match answer {
            Answer::Introspection { document } => Some(Document(document.to_vec())),
            _ => None,
        }
    }
}
