//! The outcome of a request: what is counted, and what the audit has of it.

use std::future::Future;
use std::sync::Arc;

use jwtkeeper_wire::{Cause, ErrorCode, Reason};

use jwtkeeper_core::keeper::{HandOut, Names, RealmState, Refusal};
use jwtkeeper_core::types::Id;

use super::Answered;
use crate::server::reply::{put_error, put_refusal, redacted};

/// The outcome of a request.
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

/// The facts that the audit has of a request beside that. Gathered only where there is an audit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) jti: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) subject: Option<String>,
    /// The jti of the token that a rotation replaces.
    pub(crate) predecessor: Option<String>,
    /// The target of a flag or a revocation.
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
    pub(crate) served: Arc<RealmState>,
    pub(crate) jti: Id,
    pub(crate) hand_out: HandOut,
}

impl Facts {
    /// Returns the facts about a token.
    pub(super) fn of(names: Option<Names>) -> Self {
        let Some(Names { jti, session, subject }) = names else {
            return Facts::default();
        };
        Facts {
            jti: Some(jti.to_string()),
            session: Some(session.to_string()),
            subject,
            ..Facts::default()
        }
    }

    /// Returns the facts about a target that is named by its id.
    pub(super) fn named(target: &'static str, id: &str) -> Self {
        // An id can be as long as a frame; an id that is too long to be one is truncated.
        let id = Some(redacted(id).chars().take(1024).collect());
        let facts = Facts {
            target: Some(target),
            ..Facts::default()
        };
        match target {
            "jti" => Facts { jti: id, ..facts },
            "session" => Facts { session: id, ..facts },
            _ => Facts { subject: id, ..facts },
        }
    }
}

pub(super) fn later(work: impl Future<Output = Done> + Send + 'static) -> Answered {
    Answered::Later(Box::pin(work))
}

/// An answer that is written already, of which the audit tells nothing more.
pub(super) fn now(outcome: Outcome) -> Answered {
    Answered::Now(outcome, Facts::default())
}

pub(super) fn done(put: impl FnOnce(&mut Vec<u8>) -> (Outcome, Facts)) -> Done {
    let mut bytes = Vec::new();
    let (outcome, facts) = put(&mut bytes);
    Done {
        bytes,
        outcome,
        facts,
        hand_out: None,
    }
}

pub(super) fn plain(put: impl FnOnce(&mut Vec<u8>) -> Outcome) -> Done {
    done(|out| (put(out), Facts::default()))
}

pub(super) fn refused(id: u64, refusal: &Refusal) -> Done {
    plain(|out| put_refusal(id, refusal, out))
}

pub(super) fn unavailable(id: u64, why: &str) -> Done {
    plain(|out| put_error(id, ErrorCode::Unavailable, why, out))
}
