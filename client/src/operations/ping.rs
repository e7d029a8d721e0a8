//! `ping`.

use jwtkeeper_wire::{Answer, Op};

use super::Operation;

/// Is the daemon there? Answered by `()`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ping;

impl Operation for Ping {
    type Output = ();

    fn op<'s>(&'s self, _: &'s str) -> Op<'s> {
        Op::Ping
    }

    fn output(&self, answer: Answer<'_>) -> Option<()> {
        matches!(answer, Answer::Pong).then_some(())
    }
}
