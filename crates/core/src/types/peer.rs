//! The process at the other end of a socket, as it was when it connected. Nothing is decided by its pid: pids are
//! reused.

/// A peer. 65534 is the overflow id of user namespaces: it names nobody, and matches nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The uid.
    pub uid: u32,
    /// The primary gid.
    pub gid: u32,
    /// The supplementary gids.
    pub groups: Vec<u32>,
    /// The pid that it had, for the audit alone.
    pub pid: Option<i32>,
}

/// The number of uids and gids that have no name in this user namespace.
pub const OVERFLOW: u32 = 65_534;

/// The identity of a peer for records, without its groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerId {
    /// The uid.
    pub uid: u32,
    /// The primary gid.
    pub gid: u32,
    /// The pid that it had.
    pub pid: Option<i32>,
}

impl Peer {
    /// Returns the identity.
    pub fn id(&self) -> PeerId {
        let Peer { uid, gid, pid, .. } = *self;
        PeerId { uid, gid, pid }
    }

    /// Returns true if it runs as this user.
    pub fn is_user(&self, uid: u32) -> bool {
        self.uid == uid && uid != OVERFLOW
    }

    /// Returns true if it is in this group, its own or a supplementary one. Who has no name is in none.
    pub fn is_in(&self, gid: u32) -> bool {
        (self.gid == gid || self.groups.contains(&gid)) && gid != OVERFLOW && self.uid != OVERFLOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_nobody_and_in_no_group() {
        let of = |uid, gid, groups: &[u32]| Peer {
            uid,
            gid,
            groups: groups.to_vec(),
            pid: None,
        };
        assert!(of(7, 8, &[9]).is_user(7) && of(7, 8, &[9]).is_in(8) && of(7, 8, &[9]).is_in(9));
        let nobody = of(OVERFLOW, 8, &[9]);
        assert!(!nobody.is_user(OVERFLOW) && !nobody.is_in(8) && !nobody.is_in(9));
        assert!(!of(7, OVERFLOW, &[OVERFLOW]).is_in(OVERFLOW));
    }
}
