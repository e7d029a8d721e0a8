//! The four operations of the mission and what belongs to them. Every rule of the product lives here, and is
//! tested here with a fixed clock: no socket, no file, no ambient time.

mod claims;
mod examine;
mod issue;
mod jti;
mod names;
mod revoke;
mod rotate;
mod seal;
mod self_test;
mod unsigned;
mod validate;
mod verification;

use std::sync::Arc;

use jwtkeeper_wire::{Cause, ErrorCode, Reason};

use crate::denylist::{Denylist, RealmIndex, StoreError};
use crate::keyring::KeyId;
use crate::realm::Realm;
use crate::types::{Id, IdError, Seconds};

pub use examine::Examined;
pub use names::Names;
pub use revoke::{Before, Flag, Revoke, State};
pub use self_test::SelfTestError;
pub use unsigned::Unsigned;

/// A realm together with what is denied in it.
pub struct RealmState {
    /// The policy and keys.
    pub realm: Realm,
    /// The denylist's copy in memory.
    pub index: Arc<RealmIndex>,
}

/// Issues, validates, rotates and revokes.
pub struct Keeper {
    denylist: Arc<dyn Denylist>,
}

impl Keeper {
    /// A keeper over a denylist.
    pub fn new(denylist: Arc<dyn Denylist>) -> Self {
        Self { denylist }
    }

    /// The denylist.
    pub fn denylist(&self) -> &Arc<dyn Denylist> {
        &self.denylist
    }
}

/// The answer to a validate.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict<'b> {
    /// Valid.
    Valid {
        /// The claims, byte for byte.
        claims: &'b [u8],
        /// Why rotation is due, if it is.
        rotation: Cause,
    },
    /// Not valid.
    Invalid(Rejection),
}

/// Why a token is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The reason.
    pub reason: Reason,
    /// A rotated token was presented after its grace: someone kept it, or stole it.
    pub reuse: Option<Reuse>,
}

impl From<Reason> for Rejection {
    fn from(reason: Reason) -> Self {
        Self { reason, reuse: None }
    }
}

/// A rotated token presented after its grace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reuse {
    /// The token.
    pub jti: Id,
    /// The session that may be in two hands.
    pub session: Id,
}

/// A token that was minted, with its cookie.
#[derive(PartialEq, Eq)]
pub struct Minted {
    /// Compact serialization.
    pub token: String,
    /// The jti.
    pub jti: Id,
    /// The exp.
    pub expires_at: Seconds,
    /// The claims, a JSON text.
    pub claims: Arc<str>,
    /// The value of the lock cookie, where the realm locks.
    pub cookie: Option<zeroize::Zeroizing<String>>,
}

/// A rotation whose successor is about to be given to somebody: see [`Keeper::hand_out`]. A successor that is given to
/// nobody leaves the old token valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOut {
    old: Id,
    session: Id,
    until: Seconds,
    /// The key that seals the end of the grace.
    key: KeyId,
}

/// The answer to a rotate.
pub enum Rotated {
    /// The successor, the same for everyone who asks within the grace; why rotation was due; and what starts the grace
    /// once the successor is given to the caller.
    Successor(Unsigned, Cause, HandOut),
    /// The token is not valid.
    Invalid(Rejection),
}

/// Why a request cannot be answered. The text names what is wrong and what to do; it holds no token and no secret.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the texts say it
pub enum Refusal {
    #[error("the claims are not a strict JSON object: {0}")]
    ClaimsForm(String),
    #[error("the claim {claim} {problem}")]
    ClaimValue { claim: &'static str, problem: &'static str },
    #[error("the token would be refused as {0}: check the claims against the realm")]
    DeadOnArrival(Reason),
    #[error("the claim {0} is the realm's: allow_overrides = [\"{0}\"] in the realm would let callers set it")]
    ReservedByRealm(&'static str),
    #[error("the claim iss is the realm's issuer, the only one that validate accepts: leave it out")]
    IssuerIsFixed,
    #[error("the claim {0} is the daemon's own: leave it out")]
    ReservedByDaemon(&'static str),
    #[error("the token would live {asked} seconds; the realm's max_lifetime is {max}")]
    LifetimeTooLong { asked: Seconds, max: u64 },
    #[error("the token would have {size} bytes; the realm's max_token is {max}: send fewer claims")]
    TokenTooLarge { size: usize, max: usize },
    #[error("the realm has no signing key: it only validates")]
    ValidateOnly,
    #[error("the token comes from the foreign issuer, who alone can rotate it")]
    ForeignToken,
    #[error("the cutoff lies in the future; a login can only be revoked once it has begun")]
    CutoffInFuture,
    #[error("{what}: {problem}")]
    BadId { what: &'static str, problem: IdError },
    #[error("the foreign token has neither jti nor sid: revoke its subject, or all tokens issued by a time")]
    NoId,
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("the key that signed the successor is no longer there")]
    KeyGone,
    #[error("the record of this token's rotation was not made by this realm's key: it leads to no successor")]
    BadSeal,
    #[error("a token of another subject with the same jti was rotated; give each token a jti of its own")]
    SharedJti,
    #[error("a revocation of the subject or the realm is not yet in the shared store; try again in a moment")]
    Unconfirmed,
    #[error("a signature or random bytes could not be made")]
    Crypto,
}

impl Refusal {
    /// The code on the wire.
    pub fn code(&self) -> ErrorCode {
        match self {
            Refusal::ClaimsForm(_) | Refusal::ClaimValue { .. } | Refusal::DeadOnArrival(_) => ErrorCode::BadClaims,
            Refusal::ReservedByRealm(_) | Refusal::IssuerIsFixed | Refusal::ReservedByDaemon(_) => {
                ErrorCode::ReservedClaim
            }
            Refusal::LifetimeTooLong { .. } => ErrorCode::LifetimeTooLong,
            Refusal::TokenTooLarge { .. } => ErrorCode::TokenTooLarge,
            Refusal::ValidateOnly => ErrorCode::ValidateOnly,
            Refusal::ForeignToken => ErrorCode::ForeignToken,
            Refusal::CutoffInFuture => ErrorCode::CutoffInFuture,
            Refusal::BadId { .. } | Refusal::NoId => ErrorCode::BadId,
            Refusal::Store(_) | Refusal::Unconfirmed | Refusal::KeyGone | Refusal::BadSeal | Refusal::SharedJti => {
                ErrorCode::Unavailable
            }
            Refusal::Crypto => ErrorCode::Internal,
        }
    }
}
