//! Requests as operations of the wire, and answers of the wire as what the caller gets: the one place where a
//! client knows which answers belong to which operation.

use std::time::Duration;

use jwtkeeper_wire as wire;
use jwtkeeper_wire::{Answer, Cause, Op};
use serde_bytes::Bytes;

use crate::answer::{Claims, Document, Health, Imported, Minted, Reloaded, Revoked, Rotation, Status, Verdict};
use crate::given::Before;
use crate::request::{
    Flag, FlagTarget, GetHealth, GetJwks, GetStatus, Import, Issue, Ping, Presented, Reload, ReloadReport, Revoke,
    RevokeTarget, Rotate, Validate,
};

/// A request, and the answer that belongs to it. Both clients' `call` takes any; the set is closed.
pub trait Operation: sealed::Sealed {
    /// What the caller gets.
    type Output;

    #[doc(hidden)]
    fn op<'s>(&'s self, realm: &'s str) -> Op<'s>;

    /// The lock cookie that must be known before this is asked.
    #[doc(hidden)]
    fn lock(&self) -> Option<Lock<'_>> {
        None
    }

    /// `None` for an answer that does not belong to this operation.
    #[doc(hidden)]
    fn output(&self, answer: Answer<'_>) -> Option<Self::Output>;
}

/// A lock cookie that is to be found: that of a realm, of the client's without, in these headers.
#[doc(hidden)]
pub struct Lock<'a> {
    pub(crate) realm: Option<&'a str>,
    pub(crate) headers: &'a [&'a str],
}

fn lock<'a>(realm: Option<&'a str>, cookie: &Presented<'a>) -> Option<Lock<'a>> {
    let headers = cookie.headers;
    (!headers.is_empty()).then_some(Lock { realm, headers })
}

/// Asks nothing, and has the client hear from the daemon what the realm's lock cookie is.
pub(crate) struct Learn<'a>(pub(crate) &'a str);

impl Operation for Learn<'_> {
    type Output = ();

    fn op<'s>(&'s self, _: &'s str) -> Op<'s> {
        Op::Ping
    }

    fn lock(&self) -> Option<Lock<'_>> {
        let (realm, headers) = (Some(self.0), [].as_slice());
        Some(Lock { realm, headers })
    }

    fn output(&self, answer: Answer<'_>) -> Option<()> {
        matches!(answer, Answer::Pong).then_some(())
    }
}

/// Whether a value may be a lock cookie's. A longer one locks nothing, and is not worth sending.
pub(crate) fn can_be_cookie(value: &str) -> bool {
    value.len() <= 1024
}

mod sealed {
    use crate::request::{
        Flag, GetHealth, GetJwks, GetStatus, Import, Issue, Ping, Reload, ReloadReport, Revoke, Rotate, Validate,
    };

    pub trait Sealed {}

    impl Sealed for Ping {}
    impl Sealed for super::Learn<'_> {}
    impl Sealed for Issue<'_> {}
    impl Sealed for Validate<'_> {}
    impl Sealed for Rotate<'_> {}
    impl Sealed for Flag<'_> {}
    impl Sealed for Revoke<'_> {}
    impl Sealed for GetStatus<'_> {}
    impl Sealed for GetJwks<'_> {}
    impl Sealed for GetHealth {}
    impl Sealed for Reload {}
    impl Sealed for Import {}
    impl Sealed for ReloadReport {}
}

impl Operation for Ping {
    type Output = ();

    fn op<'s>(&'s self, _: &'s str) -> Op<'s> {
        Op::Ping
    }

    fn output(&self, answer: Answer<'_>) -> Option<()> {
        matches!(answer, Answer::Pong).then_some(())
    }
}

impl Operation for Issue<'_> {
    type Output = Minted;

    fn op<'s>(&'s self, realm: &'s str) -> Op<'s> {
        Op::Issue {
            realm: self.realm.unwrap_or(realm),
            claims: self.claims.as_ref().map_or(&[], |claims| &claims.0),
            ttl: self.ttl.map(whole_seconds),
        }
    }

    fn output(&self, answer: Answer<'_>) -> Option<Minted> {
        match answer {
            Answer::Issued(minted) => Some(minted.into()),
            _ => None,
        }
    }
}

/// A part of a second counts as one: a ttl is never cut to 0.
fn whole_seconds(ttl: Duration) -> u64 {
    ttl.as_secs().saturating_add(u64::from(ttl.subsec_nanos() > 0))
}

impl Operation for Validate<'_> {
    type Output = Verdict;

    fn op<'s>(&'s self, realm: &'s str) -> Op<'s> {
        Op::Validate {
            realm: self.realm.unwrap_or(realm),
            token: self.token,
            cookie: self.cookie.value.filter(|cookie| can_be_cookie(cookie)),
        }
    }

    fn lock(&self) -> Option<Lock<'_>> {
        lock(self.realm, &self.cookie)
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

impl Operation for Rotate<'_> {
    type Output = Rotation;

    fn op<'s>(&'s self, realm: &'s str) -> Op<'s> {
        Op::Rotate {
            realm: self.realm.unwrap_or(realm),
            token: self.token,
            cookie: self.cookie.value.filter(|cookie| can_be_cookie(cookie)),
            claims: self.claims.as_ref().map(|claims| Bytes::new(&claims.0)),
        }
    }

    fn lock(&self) -> Option<Lock<'_>> {
        lock(self.realm, &self.cookie)
    }

    fn output(&self, answer: Answer<'_>) -> Option<Rotation> {
        match answer {
            Answer::Rotated(minted) => Some(Rotation::Rotated(minted.into())),
            Answer::Invalid { reason } => Some(Rotation::Invalid(reason)),
            _ => None,
        }
    }
}

impl Operation for Flag<'_> {
    type Output = ();

    fn op<'s>(&'s self, realm: &'s str) -> Op<'s> {
        let target = match self.target {
            FlagTarget::Jti(jti) => wire::FlagTarget::Jti(jti),
            FlagTarget::Subject(subject, before) => wire::FlagTarget::Subject {
                subject,
                before: before.into(),
            },
        };
        Op::Flag {
            realm: self.realm.unwrap_or(realm),
            target,
        }
    }

    fn output(&self, answer: Answer<'_>) -> Option<()> {
        matches!(answer, Answer::Done).then_some(())
    }
}

impl Operation for Revoke<'_> {
    type Output = Revoked;

    fn op<'s>(&'s self, realm: &'s str) -> Op<'s> {
        let target = match self.target {
            RevokeTarget::Token { token, cookie } => wire::RevokeTarget::Token {
                token,
                cookie: cookie.value.filter(|cookie| can_be_cookie(cookie)),
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
            RevokeTarget::Token { cookie, .. } => lock(self.realm, cookie),
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

impl From<Before> for wire::Before {
    fn from(before: Before) -> Self {
        match before {
            Before::At(time) => Self::At(time),
            Before::Now => Self::Now { first_asked: None },
        }
    }
}

impl Operation for GetStatus<'_> {
    type Output = Status;

    fn op<'s>(&'s self, realm: &'s str) -> Op<'s> {
        Op::Status {
            realm: self.realm.unwrap_or(realm),
            jti: self.jti,
        }
    }

    fn output(&self, answer: Answer<'_>) -> Option<Status> {
        match answer {
            Answer::Status { state, until } => Some(Status {
                state,
                until: (until != 0).then_some(until),
            }),
            _ => None,
        }
    }
}

impl Operation for GetJwks<'_> {
    type Output = Document;

    fn op<'s>(&'s self, realm: &'s str) -> Op<'s> {
        Op::Jwks {
            realm: self.realm.unwrap_or(realm),
        }
    }

    fn output(&self, answer: Answer<'_>) -> Option<Document> {
        match answer {
            Answer::Jwks { document } => Some(Document(document.to_vec())),
            _ => None,
        }
    }
}

impl Operation for GetHealth {
    type Output = Health;

    fn op<'s>(&'s self, _: &'s str) -> Op<'s> {
        Op::Health
    }

    fn output(&self, answer: Answer<'_>) -> Option<Health> {
        match answer {
            Answer::Health {
                ready,
                generation,
                document,
            } => Some(Health {
                ready,
                generation,
                document: Document(document.to_vec()),
            }),
            _ => None,
        }
    }
}

impl Operation for Reload {
    type Output = u64;

    fn op<'s>(&'s self, _: &'s str) -> Op<'s> {
        Op::Reload
    }

    fn output(&self, answer: Answer<'_>) -> Option<u64> {
        match answer {
            Answer::Reloaded { generation } => Some(generation),
            _ => None,
        }
    }
}

impl Operation for Import {
    type Output = Imported;

    fn op<'s>(&'s self, _: &'s str) -> Op<'s> {
        Op::Import
    }

    fn output(&self, answer: Answer<'_>) -> Option<Imported> {
        match answer {
            Answer::Imported { entries, pending } => Some(Imported { entries, pending }),
            _ => None,
        }
    }
}

impl Operation for ReloadReport {
    type Output = Reloaded;

    fn op<'s>(&'s self, _: &'s str) -> Op<'s> {
        Op::ReloadReport { dry_run: self.dry_run }
    }

    fn output(&self, answer: Answer<'_>) -> Option<Reloaded> {
        match answer {
            Answer::ReloadReport { generation, document } => Some(Reloaded {
                generation,
                document: Document(document.to_vec()),
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ttl(ttl: Duration) -> Option<u64> {
        match Issue::new().ttl(ttl).op("") {
            Op::Issue { ttl, .. } => ttl,
            _ => None,
        }
    }

    #[test]
    fn a_ttl_is_never_cut_to_nothing() {
        assert_eq!(ttl(Duration::from_millis(1)), Some(1));
        assert_eq!(ttl(Duration::from_secs(60)), Some(60));
        assert_eq!(ttl(Duration::from_millis(60_001)), Some(61));
        assert_eq!(ttl(Duration::ZERO), Some(0));
        assert_eq!(ttl(Duration::MAX), Some(u64::MAX));
    }

    #[test]
    fn a_request_names_its_realm_or_gets_the_clients() {
        assert_eq!(GetJwks::new().op("shop"), Op::Jwks { realm: "shop" });
        assert_eq!(GetJwks::new().realm("admin").op("shop"), Op::Jwks { realm: "admin" });
    }
}
