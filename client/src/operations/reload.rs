//! `reload`, and its report.

use jwtkeeper_wire::{Answer, Op};

use super::Operation;
use crate::answer::{Document, Reloaded};

/// Read all files again. Answered by the generation now in effect.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reload;

/// Reads all files again and reports what that changed. Answered by [`Reloaded`](crate::Reloaded), also where files are
/// wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReloadReport {
    dry_run: bool,
}

impl ReloadReport {
    /// A reload.
    pub fn new() -> Self {
        Self::default()
    }

    /// A report of what a reload would change now; nothing is applied.
    pub fn dry_run() -> Self {
        Self { dry_run: true }
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
