//! `revoke`.

use jwtkeeper_wire as wire;
use jwtkeeper_wire::{Answer, Op};

use super::presented::{Lock, Presented};
use super::Operation;
use crate::answer::Revoked;
use crate::given::Before;

enum RevokeTarget<'a> {
    Token { token: &'a [u8], cookie: Presented<'a> },
    Jti(&'a str),
    Session(&'a str),
    Subject(&'a str, Before),
    IssuedBefore(Before),
}

/// Revoke. Answered by [`Revoked`](crate::Revoked) when it is stored durably.
pub struct Revoke<'a> {
    realm: Option<&'a str>,
    target: RevokeTarget<'a>,
}

with_realm!(Revoke);

impl<'a> Revoke<'a> {
    fn new(target: RevokeTarget<'a>) -> Self {
        Self { realm: None, target }
    }

    /// A token in hand and its session, with the value of the lock cookie that came along, if one did.
    pub fn token(token: &'a (impl AsRef<[u8]> + ?Sized), cookie: impl Into<Option<&'a str>>) -> Self {
        Self::new(RevokeTarget::Token {
            token: token.as_ref(),
            cookie: Presented::value(cookie.into()),
        })
    }

    /// A token in hand and its session, with the lock cookie in these `Cookie` headers, if one is there.
    pub fn token_with_headers(token: &'a (impl AsRef<[u8]> + ?Sized), headers: &'a [&'a str]) -> Self {
        Self::new(RevokeTarget::Token {
            token: token.as_ref(),
            cookie: Presented::headers(headers),
        })
    }

    /// A token by its `jti`, the session that it began, and the successor that it leads to.
    pub fn jti(jti: &'a str) -> Self {
        Self::new(RevokeTarget::Jti(jti))
    }

    /// All tokens of a session, by the jti of its first token: `jwtkeeper.sid` in its successors.
    pub fn session(session: &'a str) -> Self {
        Self::new(RevokeTarget::Session(session))
    }

    /// Every login of a subject begun by a time.
    pub fn subject(subject: &'a str, before: Before) -> Self {
        Self::new(RevokeTarget::Subject(subject, before))
    }

    /// Every login of the realm begun by a time.
    pub fn issued_before(before: Before) -> Self {
        Self::new(RevokeTarget::IssuedBefore(before))
    }
}

impl Operation for Revoke<'_> {
    type Output = Revoked;

    fn op<'s>(&'s self, realm: &'s str) -> Op<'s> {
        let target = match self.target {
            RevokeTarget::Token { token, cookie } => wire::RevokeTarget::Token {
                token,
                cookie: cookie.sent(),
            },
            RevokeTarget::Jti(jti) => wire::RevokeTarget::Jti(jti),
            RevokeTarget::Session(session) => wire::RevokeTarget::Session(session),
            RevokeTarget::Subject(subject, before) => wire::RevokeTarget::Subject {
                subject,
                before: before.into(),
            },
            RevokeTarget::IssuedBefore(before) => wire::RevokeTarget::IssuedBefore(before.into()),
        };
        Op::Revoke {
            realm: self.realm.unwrap_or(realm),
            target,
        }
    }

    fn lock(&self) -> Option<Lock<'_>> {
        match &self.target {
            RevokeTarget::Token { cookie, .. } => cookie.lock(self.realm),
            _ => None,
        }
    }

    fn output(&self, answer: Answer<'_>) -> Option<Revoked> {
        match answer {
            Answer::Done => Some(Revoked::Done),
            Answer::Invalid { reason } if matches!(self.target, RevokeTarget::Token { .. }) => {
                Some(Revoked::Invalid(reason))
            }
            _ => None,
        }
    }
}
