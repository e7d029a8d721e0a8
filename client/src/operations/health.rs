//! `health`.

use jwtkeeper_wire::{Answer, Op};

use super::Operation;
use crate::answer::{Document, Health};

/// Asks for the daemon's health. Answered by [`Health`](crate::Health).
#[derive(Debug, Clone, Copy, Default)]
pub struct GetHealth;

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
