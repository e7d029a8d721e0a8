//! `status`.

use jwtkeeper_wire::{Answer, Op};

use super::Operation;
use crate::answer::Status;

/// Looks a jti up in the denylist. Answered by [`Status`](crate::Status).
#[derive(Debug, Clone)]
pub struct GetStatus<'a> {
    realm: Option<&'a str>,
    jti: &'a str,
}

with_realm!(GetStatus);

impl<'a> GetStatus<'a> {
    /// Of this `jti`.
    pub fn jti(jti: &'a str) -> Self {
        Self { realm: None, jti }
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
