//! The operations: what is asked, what is answered, and one row each in [`OPERATIONS`], which access rules, prices,
//! metrics and the audit of the daemon are derived from. Variants are only ever appended and structs never change: an
//! operation that needs more gets a new variant.

use serde::{Deserialize, Serialize};

use crate::codes::{Cause, ErrorCode, Reason, State};
use crate::message::Minted;

/// The operations. An empty `realm` means `default`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op<'a> {
    /// Answered by [`Answer::Pong`].
    Ping,
    /// Mint a token. Answered by [`Answer::Issued`].
    Issue {
        /// The realm whose policy and key mint it.
        realm: &'a str,
        /// A JSON object; empty for none.
        #[serde(borrow, with = "serde_bytes")]
        claims: &'a [u8],
        /// The lifetime in seconds; `None` for the realm's `expiry`.
        ttl: Option<u64>,
    },
    /// Is this token valid now? Answered by [`Answer::Valid`] or [`Answer::Invalid`].
    Validate {
        /// The realm that it should be of.
        realm: &'a str,
        /// Compact serialization.
        #[serde(borrow, with = "serde_bytes")]
        token: &'a [u8],
        /// The value of the lock cookie, where one came along.
        cookie: Option<&'a str>,
    },
    /// Replace a valid token by its one successor. Answered by [`Answer::Rotated`] or [`Answer::Invalid`].
    Rotate {
        /// The realm that it should be of.
        realm: &'a str,
        /// Compact serialization.
        #[serde(borrow, with = "serde_bytes")]
        token: &'a [u8],
        /// The value of the lock cookie, where one came along.
        cookie: Option<&'a str>,
        /// New private claims, a JSON object (needs the right `rotate_claims`); the old ones without.
        claims: Option<&'a serde_bytes::Bytes>,
    },
    /// Make rotation due on next sight. Answered by [`Answer::Done`].
    Flag {
        /// The realm.
        realm: &'a str,
        /// Of what.
        target: FlagTarget<'a>,
    },
    /// Revoke. Answered by [`Answer::Done`] once it is stored durably, or by [`Answer::Invalid`] for a token that
    /// is not of this realm.
    Revoke {
        /// The realm.
        realm: &'a str,
        /// The target.
        #[serde(borrow)]
        target: RevokeTarget<'a>,
    },
    /// Looks a jti up in the denylist. Answered by [`Answer::Status`].
    Status {
        /// The realm.
        realm: &'a str,
        /// The token's `jti`.
        jti: &'a str,
    },
    /// The realm's public keys. Answered by [`Answer::Jwks`].
    Jwks {
        /// The realm.
        realm: &'a str,
    },
    /// Asks for the daemon's health. Answered by [`Answer::Health`].
    Health,
    /// Read all files again. Answered by [`Answer::Reloaded`], or an error that says which file and line are wrong.
    Reload,
    /// Bring this host's store and the one that it shares level: what either lacks is put into it. Answered by
    /// [`Answer::Imported`].
    Import,
    /// Reads all files again and reports what that changed, or only reports what it would change. Answered by
    /// [`Answer::ReloadReport`], also where files are wrong. Needs the right of [`Op::Reload`].
    ReloadReport {
        /// Nothing is applied.
        dry_run: bool,
    },
    /// Examines a token for an administrator, and changes nothing. Answered by [`Answer::Introspection`], also where
    /// the token is not valid.
    Introspect {
        /// The realm that it should be of.
        realm: &'a str,
        /// Compact serialization.
        #[serde(borrow, with = "serde_bytes")]
        token: &'a [u8],
        /// The value of the lock cookie, where one came along.
        cookie: Option<&'a str>,
    },
}

/// The right to an operation in a realm. docs/security.md explains each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // their names say it
pub enum Right {
    Issue,
    Validate,
    Rotate,
    /// New claims at a rotation.
    RotateClaims,
    Flag,
    /// Revokes a token in hand.
    Revoke,
    /// Revokes by jti or session.
    RevokeId,
    RevokeSubject,
    RevokeBefore,
    Status,
    Jwks,
    Reload,
    /// The claims and the state of a token in hand.
    Introspect,
}

impl Right {
    /// All rights, with their names in the configuration and in errors.
    pub const ALL: [(Right, &'static str); 13] = [
        (Right::Issue, "issue"),
        (Right::Validate, "validate"),
        (Right::Rotate, "rotate"),
        (Right::RotateClaims, "rotate_claims"),
        (Right::Flag, "flag"),
        (Right::Revoke, "revoke"),
        (Right::RevokeId, "revoke_id"),
        (Right::RevokeSubject, "revoke_subject"),
        (Right::RevokeBefore, "revoke_before"),
        (Right::Status, "status"),
        (Right::Jwks, "jwks"),
        (Right::Reload, "reload"),
        (Right::Introspect, "introspect"),
    ];

    /// Returns the name.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(right, _)| *right == self)
            .map_or("", |(_, name)| name)
    }
}

/// The work of an operation that its price counts, beyond reading and answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// It makes a signature.
    pub signs: bool,
    /// It checks the signature of a token before its price can be counted exactly.
    pub checks: bool,
    /// The store keeps a change.
    pub stores: bool,
}

impl Cost {
    const NONE: Cost = Cost {
        signs: false,
        checks: false,
        stores: false,
    };
    const SIGN: Cost = Cost {
        signs: true,
        ..Cost::NONE
    };
    const CHECK: Cost = Cost {
        checks: true,
        ..Cost::NONE
    };
    const STORE: Cost = Cost {
        stores: true,
        ..Cost::NONE
    };

    const fn and(self, other: Cost) -> Cost {
        Cost {
            signs: self.signs || other.signs,
            checks: self.checks || other.checks,
            stores: self.stores || other.stores,
        }
    }
}

/// The row of an operation.
#[derive(Debug, PartialEq, Eq)]
pub struct OperationRow {
    /// The place in [`OPERATIONS`].
    pub place: usize,
    /// The name in metrics, in the audit and in errors.
    pub name: &'static str,
    /// The right that it needs; `None` where everybody may.
    pub right: Option<Right>,
    /// The audit has a line for each, whatever the outcome.
    pub audited: bool,
    /// It answers by the denylist: refused while the copy of a shared store is older than `max_staleness`.
    pub needs_denylist: bool,
    /// The work.
    pub cost: Cost,
}

const AUDITED: bool = true;
const DENYLIST: bool = true;

macro_rules! operations {
    ($($place:literal $operation:pat => $name:literal, $right:expr, $audited:expr, $denylist:expr, $cost:expr;)*) => {
        /// The number of rows.
        pub const OPERATION_COUNT: usize = [$($place),*].len();

        /// All operations: one row for each.
        pub static OPERATIONS: &[OperationRow] = &[$(OperationRow {
            place: $place,
            name: $name,
            right: $right,
            audited: $audited,
            needs_denylist: $denylist,
            cost: $cost,
        }),*];

        impl Op<'_> {
            /// Returns the operation's row.
            pub fn row(&self) -> &'static OperationRow {
                let place: usize = match self { $($operation => $place,)* };
                OPERATIONS.get(place).unwrap_or(&UNKNOWN_OPERATION)
            }
        }
    };
}

operations! {
    // name, right, audited, needs the denylist, cost
    0 Op::Ping => "ping", None, !AUDITED, !DENYLIST, Cost::NONE;
    1 Op::Issue { .. } => "issue", Some(Right::Issue), AUDITED, !DENYLIST, Cost::SIGN;
    // Its checks are counted as they are made.
    2 Op::Validate { .. } => "validate", Some(Right::Validate), !AUDITED, DENYLIST, Cost::NONE;
    3 Op::Rotate { .. } => "rotate", Some(Right::Rotate), AUDITED, DENYLIST, Cost::CHECK.and(Cost::SIGN).and(Cost::STORE);
    4 Op::Flag { .. } => "flag", Some(Right::Flag), AUDITED, !DENYLIST, Cost::STORE;
    // Targets other than a token in hand need rights of their own: see Op::right.
    5 Op::Revoke { .. } => "revoke", Some(Right::Revoke), AUDITED, !DENYLIST, Cost::CHECK.and(Cost::STORE);
    6 Op::Status { .. } => "status", Some(Right::Status), !AUDITED, !DENYLIST, Cost::NONE;
    7 Op::Jwks { .. } => "jwks", Some(Right::Jwks), !AUDITED, !DENYLIST, Cost::NONE;
    8 Op::Health => "health", None, !AUDITED, !DENYLIST, Cost::NONE;
    9 Op::Reload | Op::ReloadReport { dry_run: false } => "reload", Some(Right::Reload), AUDITED, !DENYLIST, Cost::NONE;
    10 Op::Import => "import", Some(Right::Reload), AUDITED, !DENYLIST, Cost::NONE;
    11 Op::ReloadReport { dry_run: true } => "reload_dry_run", Some(Right::Reload), !AUDITED, !DENYLIST, Cost::NONE;
    // As of a validate.
    12 Op::Introspect { .. } => "introspect", Some(Right::Introspect), !AUDITED, DENYLIST, Cost::NONE;
}

/// The row of messages whose operation could not be read.
pub static UNKNOWN_OPERATION: OperationRow = OperationRow {
    place: OPERATION_COUNT,
    name: "unknown",
    right: None,
    audited: false,
    needs_denylist: false,
    cost: Cost::NONE,
};

/// The number of operations on the wire: tags from here on are unknown.
pub const OP_COUNT: u32 = 13;

impl<'a> Op<'a> {
    /// Returns the realm that the operation names; `None` for one about the daemon.
    pub fn realm(&self) -> Option<&'a str> {
        match *self {
            Op::Issue { realm, .. }
            | Op::Validate { realm, .. }
            | Op::Rotate { realm, .. }
            | Op::Flag { realm, .. }
            | Op::Revoke { realm, .. }
            | Op::Status { realm, .. }
            | Op::Jwks { realm }
            | Op::Introspect { realm, .. } => Some(realm),
            Op::Ping | Op::Health | Op::Reload | Op::Import | Op::ReloadReport { .. } => None,
        }
    }

    /// Returns the work of the operation.
    pub fn cost(&self) -> Cost {
        match self {
            Op::Revoke { target, .. } if !matches!(target, RevokeTarget::Token { .. }) => Cost::STORE,
            _ => self.row().cost,
        }
    }

    /// Returns the right that the operation needs; `None` where everybody may. A rotation with new claims needs
    /// [`Right::RotateClaims`] too.
    pub fn right(&self) -> Option<Right> {
        match self {
            Op::Revoke { target, .. } => Some(target.right()),
            _ => self.row().right,
        }
    }
}

/// The target of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlagTarget<'a> {
    /// One token.
    Jti(&'a str),
    /// Every token of a subject born by a time.
    Subject {
        /// The subject, as text.
        subject: &'a str,
        /// The time.
        before: Before,
    },
}

/// The target of a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RevokeTarget<'a> {
    /// A token in hand, and its session.
    Token {
        /// Compact serialization.
        #[serde(borrow, with = "serde_bytes")]
        token: &'a [u8],
        /// The value of the lock cookie, where one came along.
        cookie: Option<&'a str>,
    },
    /// A token by its `jti`, the session that it began, and the successor that it leads to.
    Jti(&'a str),
    /// All tokens of a session.
    Session(&'a str),
    /// Every login of a subject begun by a time.
    Subject {
        /// The subject, as text.
        subject: &'a str,
        /// The time.
        before: Before,
    },
    /// Every login of the realm begun by a time.
    IssuedBefore(Before),
}

impl RevokeTarget<'_> {
    fn right(&self) -> Right {
        match self {
            RevokeTarget::Token { .. } => Right::Revoke,
            RevokeTarget::Jti(_) | RevokeTarget::Session(_) => Right::RevokeId,
            RevokeTarget::Subject { .. } => Right::RevokeSubject,
            RevokeTarget::IssuedBefore(_) => Right::RevokeBefore,
        }
    }
}

/// A moment that a cutoff holds up to, itself included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Before {
    /// Milliseconds since 1970-01-01T00:00:00Z; refused when in the future.
    At(u64),
    /// The moment of the asking. A retry says when it asked first (milliseconds), and means that moment.
    Now {
        /// `None` the first time.
        first_asked: Option<u64>,
    },
}

/// The answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// Could not answer, and why.
    Error {
        /// The code.
        code: ErrorCode,
        /// For people: what is wrong and what to do. Holds no token and no secret.
        message: &'a str,
    },
    /// To [`Op::Ping`].
    Pong,
    /// To [`Op::Issue`].
    #[serde(borrow)]
    Issued(Minted<'a>),
    /// The token is valid.
    Valid {
        /// The token's own claims, a JSON object, byte for byte.
        #[serde(with = "serde_bytes")]
        claims: &'a [u8],
        /// Why it should be rotated now, if it should.
        rotation: Cause,
    },
    /// The token is not valid.
    Invalid {
        /// Why.
        reason: Reason,
    },
    /// To [`Op::Rotate`].
    Rotated(Minted<'a>),
    /// Flagged, or revoked: stored durably.
    Done,
    /// To [`Op::Status`].
    Status {
        /// The state.
        state: State,
        /// Until when, in seconds since the epoch; 0 when nothing stands.
        until: u64,
    },
    /// To [`Op::Jwks`]: a JWK Set (RFC 7517 section 5).
    Jwks {
        /// JSON.
        #[serde(with = "serde_bytes")]
        document: &'a [u8],
    },
    /// To [`Op::Health`].
    Health {
        /// Requests are answered, and everything that they rest on is right.
        ready: bool,
        /// The generation of the snapshot in effect.
        generation: u64,
        /// A JSON object; its members are listed in docs/protocol.md and only ever grow.
        #[serde(with = "serde_bytes")]
        document: &'a [u8],
    },
    /// To [`Op::Reload`].
    Reloaded {
        /// The generation now in effect.
        generation: u64,
    },
    /// To [`Op::Import`]: this host's store has everything that is known.
    Imported {
        /// The number of entries that are known.
        entries: u64,
        /// The number of them that the shared store still lacks: they are being put into it.
        pending: u64,
    },
    /// To [`Op::ReloadReport`].
    ReloadReport {
        /// The generation in effect.
        generation: u64,
        /// A JSON object; its members are listed in docs/protocol.md and only ever grow.
        #[serde(with = "serde_bytes")]
        document: &'a [u8],
    },
    /// To [`Op::Introspect`].
    Introspection {
        /// A JSON object; its members are listed in docs/protocol.md and only ever grow.
        #[serde(with = "serde_bytes")]
        document: &'a [u8],
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_knows_its_place() {
        for (place, row) in OPERATIONS.iter().enumerate() {
            assert_eq!(row.place, place, "{}", row.name);
            let same = OPERATIONS.iter().filter(|other| other.name == row.name);
            assert_eq!(same.count(), 1, "{}", row.name);
        }
        assert_eq!(UNKNOWN_OPERATION.place, OPERATIONS.len());
        assert_eq!(Op::Import.row().name, "import");
    }
}
