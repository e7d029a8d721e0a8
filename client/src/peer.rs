//! The process at the other end of the socket: it must be one that may be the daemon.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::str::FromStr;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use nix::unistd::geteuid;

use crate::call::Failure;
use crate::error::Fault;

/// The users that the daemon may run as; a peer of another user is sent nothing, and none of its answers is believed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Server(Allowed);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Allowed {
    #[default]
    Trusted,
    Uid(u32),
    Any,
    Unreadable,
}

impl Server {
    /// Root, the client's own user, and the owner of the socket's directory. The owner does not count where everybody
    /// may write to the directory, unless it is sticky. The default.
    pub fn trusted() -> Self {
        Self(Allowed::Trusted)
    }

    /// One user alone.
    pub fn uid(uid: u32) -> Self {
        Self(Allowed::Uid(uid))
    }

    /// Every user. Whoever can bind the socket first can then make the client believe anything.
    pub fn any() -> Self {
        Self(Allowed::Any)
    }

    /// As `JWTKEEPER_SERVER_UID` says. What is neither a uid nor `any` makes every call fail.
    pub(crate) fn named(text: &str) -> Self {
        text.parse().unwrap_or(Self(Allowed::Unreadable))
    }

    /// Refuses a peer that another user runs.
    pub(crate) fn check(&self, socket: &impl AsFd, path: &Path) -> Result<(), Failure> {
        let credentials =
            getsockopt(socket, PeerCredentials).map_err(|error| Failure::Broken(io::Error::from(error)))?;
        let found = credentials.uid();
        let fault = match self.0 {
            Allowed::Any => None,
            Allowed::Unreadable => Some(Fault::ServerUid),
            Allowed::Uid(expected) => (found != expected).then_some(Fault::WrongUid { found, expected }),
            Allowed::Trusted => (!is_trusted(found, path)).then_some(Fault::Untrusted { found }),
        };
        fault.map_or(Ok(()), |fault| Err(Failure::Fault(fault)))
    }
}

/// Returns true for root, the process's own user, and the owner of the socket's directory.
fn is_trusted(uid: u32, path: &Path) -> bool {
    uid == 0 || !is_unmapped(uid) && (uid == geteuid().as_raw() || is_owner(uid, path))
}

impl FromStr for Server {
    type Err = BadServer;

    /// A uid, or `any`.
    fn from_str(text: &str) -> Result<Self, BadServer> {
        match text {
            "any" => Ok(Self::any()),
            text => text.parse().map(Self::uid).map_err(|_| BadServer),
        }
    }
}

/// A text that names no [`Server`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither a uid nor `any`")]
pub struct BadServer;

/// Returns true if the user owns the directory that this path lies in, and not everybody can rename what lies there.
fn is_owner(uid: u32, path: &Path) -> bool {
    const STICKY: u32 = 0o1000;
    const OTHERS_WRITE: u32 = 0o002;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::metadata(directory).is_ok_and(|found| {
        let is_safe = found.mode() & OTHERS_WRITE == 0 || found.mode() & STICKY != 0;
        found.uid() == uid && is_safe
    })
}

/// Returns true for the uid that stands for every user that has none in this user namespace (user_namespaces(7)).
fn is_unmapped(uid: u32) -> bool {
    const OVERFLOW: u32 = 65_534;
    let has = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) = (numbers.next(), numbers.next(), numbers.next()) else {
            return false;
        };
        uid.checked_sub(first).is_some_and(|offset| offset < count)
    };
    uid == OVERFLOW && fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !map.lines().any(has))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_owner_counts_where_not_everybody_may_write() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("jwtkeeper.sock");
        let own = geteuid().as_raw();
        for (mode, is_safe) in [
            (0o755, true),
            (0o770, true),
            (0o1777, true),
            (0o777, false),
            (0o702, false),
        ] {
            fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_owner(own, &socket), is_safe, "{mode:o}");
            assert!(!is_owner(own + 1, &socket), "{mode:o}");
        }
        assert!(!is_owner(own, Path::new("/nowhere/jwtkeeper.sock")));
    }

    #[test]
    fn a_server_is_a_uid_or_any() {
        assert_eq!("0".parse(), Ok(Server::uid(0)));
        assert_eq!("4294967295".parse(), Ok(Server::uid(u32::MAX)));
        assert_eq!("any".parse(), Ok(Server::any()));
        for bad in ["", "-1", "4294967296", "root", " 0", "Any"] {
            assert_eq!(bad.parse::<Server>(), Err(BadServer), "{bad:?}");
            assert_eq!(Server::named(bad), Server(Allowed::Unreadable));
        }
    }
}
