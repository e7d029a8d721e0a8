//! `flag`.

use jwtkeeper_wire as wire;
use jwtkeeper_wire::{Answer, Op};

use super::Operation;
use crate::given::Before;

enum FlagTarget<'a> {
    Jti(&'a str),
    Subject(&'a str, Before),
}

/// Make rotation due on next sight. Answered by `()` when it is stored durably.
pub struct Flag<'a> {
    realm: Option<&'a str>,
    target: FlagTarget<'a>,
}

with_realm!(Flag);

impl<'a> Flag<'a> {
    fn new(target: FlagTarget<'a>) -> Self {
        Self { realm: None, target }
    }

    /// One token, by its `jti`.
    pub fn jti(jti: &'a str) -> Self {
        Self::new(FlagTarget::Jti(jti))
    }

    /// Every token of a subject born by a time.
    pub fn subject(subject: &'a str, before: Before) -> Self {
        Self::new(FlagTarget::Subject(subject, before))
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
