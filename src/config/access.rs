//! Who may do what: the one place that decides, asked for every request against the snapshot in force.

use crate::words::Peer;

/// A right: one for each operation and target. Ping and health need none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // their names say it; docs/security.md explains each
pub enum Right {
    Issue,
    Validate,
    Rotate,
    RotateClaims,
    Flag,
    /// A token in hand.
    Revoke,
    /// By jti or session.
    RevokeId,
    RevokeSubject,
    RevokeBefore,
    Status,
    Jwks,
    Reload,
}

impl Right {
    /// The name, as configured and in errors.
    pub fn name(self) -> &'static str {
        match self {
            Right::Issue => "issue",
            Right::Validate => "validate",
            Right::Rotate => "rotate",
            Right::RotateClaims => "rotate_claims",
            Right::Flag => "flag",
            Right::Revoke => "revoke",
            Right::RevokeId => "revoke_id",
            Right::RevokeSubject => "revoke_subject",
            Right::RevokeBefore => "revoke_before",
            Right::Status => "status",
            Right::Jwks => "jwks",
            Right::Reload => "reload",
        }
    }
}

/// The rules. Without any, whoever may open the socket may do everything but what ends every session or touches the
/// daemon itself: that is root's and the daemon's own user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The daemon's own user.
    pub own_uid: u32,
}

impl Access {
    /// Whether `peer` may do this in `realm`.
    pub fn permits(&self, peer: &Peer, right: Right, _realm: &str) -> bool {
        match right {
            Right::RevokeBefore | Right::Reload => peer.is_user(0) || peer.is_user(self.own_uid),
            _ => true,
        }
    }
}
