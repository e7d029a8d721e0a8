//! `import`.

use jwtkeeper_wire::{Answer, Op};

use super::Operation;
use crate::answer::Imported;

/// Bring the host's own store and the one that it shares level. Answered by [`Imported`](crate::Imported).
#[derive(Debug, Clone, Copy, Default)]
pub struct Import;

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
