//! What a request came to: what is counted, and what the audit tells, of it.

use std::sync::Arc;

use jwtkeeper_wire::{Cause, ErrorCode, Op, Reason};

use jwtkeeper_core::keeper::{HandOut, Served};
use jwtkeeper_core::types::Id;

/// An operation, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // their names say it
pub(crate) enum Operation {
    Unknown,
    Ping,
    Issue,
    Validate,
    Rotate,
    Flag,
    Revoke,
    Status,
    Jwks,
    Health,
    Reload,
    Import,
    DryRun,
}

impl Operation {
    pub(crate) const ALL: [Operation; 13] = [
        Operation::Unknown,
        Operation::Ping,
        Operation::Issue,
        Operation::Validate,
        Operation::Rotate,
        Operation::Flag,
        Operation::Revoke,
        Operation::Status,
        Operation::Jwks,
        Operation::Health,
        Operation::Reload,
        Operation::Import,
        Operation::DryRun,
    ];

    /// The operation of a request, and the realm that it names.
    pub(crate) fn of<'a>(op: &Op<'a>) -> (Self, &'a str) {
        match *op {
            Op::Ping => (Operation::Ping, ""),
            Op::Issue { realm, .. } => (Operation::Issue, realm),
            Op::Validate { realm, .. } => (Operation::Validate, realm),
            Op::Rotate { realm, .. } => (Operation::Rotate, realm),
            Op::Flag { realm, .. } => (Operation::Flag, realm),
            Op::Revoke { realm, .. } => (Operation::Revoke, realm),
            Op::Status { realm, .. } => (Operation::Status, realm),
            Op::Jwks { realm } => (Operation::Jwks, realm),
            Op::Health => (Operation::Health, ""),
            Op::Reload => (Operation::Reload, ""),
            Op::Import => (Operation::Import, ""),
            Op::ReloadReport { dry_run: false } => (Operation::Reload, ""),
            Op::ReloadReport { dry_run: true } => (Operation::DryRun, ""),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Operation::Unknown => "unknown",
            Operation::Ping => "ping",
            Operation::Issue => "issue",
            Operation::Validate => "validate",
            Operation::Rotate => "rotate",
            Operation::Flag => "flag",
            Operation::Revoke => "revoke",
            Operation::Status => "status",
            Operation::Jwks => "jwks",
            Operation::Health => "health",
            Operation::Reload => "reload",
            Operation::Import => "import",
            Operation::DryRun => "reload_dry_run",
        }
    }

    /// Whether each of it is told by the audit, whatever it came to.
    pub(crate) fn is_audited(self) -> bool {
        use Operation::{Flag, Import, Issue, Reload, Revoke, Rotate};
        matches!(self, Issue | Rotate | Flag | Revoke | Reload | Import)
    }
}

/// What a request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done, or answered.
    Done,
    /// A valid token; why rotation is due.
    Valid(Cause),
    /// A successor; why it was due.
    Rotated(Cause),
    /// A token that is not valid.
    Invalid(Reason),
    /// No answer.
    Error(ErrorCode),
}

impl Outcome {
    /// The kind of it, as in metrics and the audit.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Outcome::Done | Outcome::Valid(_) | Outcome::Rotated(_) => "ok",
            Outcome::Invalid(_) => "invalid",
            Outcome::Error(ErrorCode::NotPermitted) => "denied",
            Outcome::Error(_) => "error",
        }
    }

    /// Why, by the name of its code.
    pub(crate) fn reason(self) -> Option<&'static str> {
        match self {
            Outcome::Done => None,
            Outcome::Valid(cause) | Outcome::Rotated(cause) => {
                cause.row().filter(|_| cause != Cause::None).map(|row| row.name)
            }
            Outcome::Invalid(reason) => reason.row().map(|row| row.name),
            Outcome::Error(code) => code.row().map(|row| row.name),
        }
    }
}

/// What the audit tells of a request beside that. Gathered only where there is an audit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) jti: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) subject: Option<String>,
    /// The jti of the token that a rotation replaces.
    pub(crate) predecessor: Option<String>,
    /// What a flag or a revocation names.
    pub(crate) target: Option<&'static str>,
    /// A rotated token was presented after its grace.
    pub(crate) reuse: bool,
    /// More, in words.
    pub(crate) text: Option<String>,
}

/// A request that was handled: its reply, and what it came to.
pub(crate) struct Done {
    pub(crate) bytes: Vec<u8>,
    pub(crate) outcome: Outcome,
    pub(crate) facts: Facts,
    /// The successor that it gives to its caller: once it is acknowledged, the grace starts.
    pub(crate) hand_out: Option<GivenSuccessor>,
}

/// A successor, as [`jwtkeeper_core::keeper::Keeper::hand_out`] wants it.
pub(crate) struct GivenSuccessor {
    pub(crate) served: Arc<Served>,
    pub(crate) jti: Id,
    pub(crate) hand_out: HandOut,
}
