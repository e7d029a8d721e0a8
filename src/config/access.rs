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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::OVERFLOW;

    const ALL: [Right; 12] = [
        Right::Issue,
        Right::Validate,
        Right::Rotate,
        Right::RotateClaims,
        Right::Flag,
        Right::Revoke,
        Right::RevokeId,
        Right::RevokeSubject,
        Right::RevokeBefore,
        Right::Status,
        Right::Jwks,
        Right::Reload,
    ];

    fn peer(uid: u32) -> Peer {
        Peer {
            uid,
            gid: uid,
            groups: Vec::new(),
        }
    }

    #[test]
    fn ending_every_session_and_reload_are_for_root_and_our_own_user() {
        let access = Access { own_uid: 990 };
        for right in ALL {
            let guarded = matches!(right, Right::RevokeBefore | Right::Reload);
            for (uid, own) in [(0, true), (990, true), (1000, false), (991, false)] {
                assert_eq!(
                    access.permits(&peer(uid), right, "default"),
                    own || !guarded,
                    "{uid} {}",
                    right.name()
                );
            }
        }
    }

    /// Whoever has no name here is nobody, even to a daemon that has none itself.
    #[test]
    fn the_overflow_uid_is_nobody() {
        let access = Access { own_uid: OVERFLOW };
        assert!(!access.permits(&peer(OVERFLOW), Right::Reload, "default"));
        assert!(access.permits(&peer(0), Right::Reload, "default"));
    }
}
