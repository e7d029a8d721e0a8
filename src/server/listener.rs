//! The socket's file: taken over from a dead daemon, never from a live one, and never from anyone else.
//!
//! Under a lock beside it: what is at the path must be nothing, or a socket of ours that nobody answers on; the new
//! socket is bound aside, given its mode, made to listen, and only then renamed into place.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket};
use nix::unistd::{AccessFlags, access};

const ASIDE: &str = ".new";
const LOCK: &str = ".lock";
const BACKLOG: i32 = 1024;

/// Why the daemon cannot listen at a path, and what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the texts say it
pub enum BindError {
    #[error("another jwtkeeperd serves on {0}; stop it first, or set another socket")]
    InUse(PathBuf),
    #[error("{0} is there and is not a socket; move it away, or set another socket")]
    NotASocket(PathBuf),
    #[error("{path} is a socket of the user {uid}; remove it if nothing uses it, or set another socket")]
    Foreign { path: PathBuf, uid: u32 },
    #[error("cannot make a socket in {path}: {error}; make the directory, and give it to the daemon's user")]
    Directory { path: PathBuf, error: io::Error },
    #[error("cannot {what} {path}: {error}")]
    Io {
        what: &'static str,
        path: PathBuf,
        error: io::Error,
    },
}

/// The file, ours until dropped: then it is removed, unless someone else's has taken its place.
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
    _lock: File,
}

impl SocketFile {
    /// Takes the path over and listens there. It is no longer than [`MAX_SOCKET_PATH`](crate::config::MAX_SOCKET_PATH).
    pub fn listen(path: &Path, mode: u32) -> Result<(Self, UnixListener), BindError> {
        let lock = lock(path)?;
        check_free(path)?;
        let aside = with_suffix(path, ASIDE);
        remove(&aside)?;
        let (listener, identity) = listen_aside(&aside, mode)?;
        if let Err(error) = std::fs::rename(&aside, path) {
            let _ = std::fs::remove_file(&aside); // the first failure is the one to tell
            return Err(failed("rename the new socket to", path)(error));
        }
        Ok((
            Self {
                path: path.to_owned(),
                identity,
                _lock: lock,
            },
            listener,
        ))
    }

    /// Returns true unless the file was removed or replaced.
    pub fn is_in_place(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.identity)
    }

    /// Finds what would keep a start from listening at the path, and changes nothing. The kernel's list comes first: a
    /// connection would start a daemon by its socket unit. The list lacks sockets of other network namespaces, such as those
    /// that a daemon with `PrivateNetwork=yes` makes itself; these take a connection.
    pub fn examine(path: &Path) -> Result<(), BindError> {
        if listens(path) || matches!(probe(path), Ok(()) | Err(Errno::EAGAIN)) {
            return Err(BindError::InUse(path.to_owned()));
        }
        check_ours(path)?;
        let directory = path.parent().unwrap_or(Path::new("."));
        access(directory, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|errno| BindError::Directory {
            path: directory.to_owned(),
            error: errno.into(),
        })?;
        let lock = with_suffix(path, LOCK);
        match access(&lock, AccessFlags::W_OK) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(failed("open the lock file", &lock)(errno.into())),
        }
    }
}

/// Returns true if the kernel lists a socket that listens at the path, or that was renamed to it.
fn listens(path: &Path) -> bool {
    let all = std::fs::read("/proc/net/unix").unwrap_or_default();
    let aside = with_suffix(path, ASIDE);
    let names = [path.as_os_str().as_bytes(), aside.as_os_str().as_bytes()];
    // Num RefCount Protocol Flags Type St Inode Path, see unix(7) and net/unix/af_unix.c: the flag is __SO_ACCEPTCON.
    all.split(|byte| *byte == b'\n').any(|line| {
        let mut fields = line.splitn(8, |byte| *byte == b' ');
        let is_listening = fields.nth(3) == Some(b"00010000");
        is_listening
            && names.iter().any(|name| {
                line.ends_with(name)
                    && line
                        .get(..line.len() - name.len())
                        .is_some_and(|rest| rest.ends_with(b" "))
            })
    })
}

/// The file that clients open, as it was when the daemon began to listen.
pub struct SocketWatch {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketWatch {
    /// The socket at a path; `None` where none can be seen, as from another mount namespace.
    pub fn of(path: &Path) -> Option<Self> {
        let found = std::fs::symlink_metadata(path).ok()?;
        found.file_type().is_socket().then(|| Self {
            path: path.to_owned(),
            identity: (found.dev(), found.ino()),
        })
    }

    /// The reason why no client can reach the daemon any more.
    pub(super) fn fault(&self) -> Option<String> {
        let done = match std::fs::symlink_metadata(&self.path) {
            Ok(found) if (found.dev(), found.ino()) == self.identity => return None,
            Ok(_) => "replaced",
            Err(error) if error.kind() == io::ErrorKind::NotFound => "removed",
            Err(_) => return None,
        };
        let path = self.path.display();
        Some(format!(
            "the socket {path} was {done}: new clients cannot reach this daemon; restart it (systemctl restart jwtkeeperd.socket \
             jwtkeeperd.service)"
        ))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_in_place() {
            let _ = std::fs::remove_file(&self.path); // a socket left behind is taken over by the next daemon
        }
    }
}

/// The lock stays where it is when we end: removing it would let two daemons hold two locks of one name.
fn lock(path: &Path) -> Result<File, BindError> {
    let name = with_suffix(path, LOCK);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(&name)
        .map_err(failed("open the lock file", &name))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(BindError::InUse(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed("lock", &name)(error)),
    }
}

/// Checks that nothing is at the path, or only what a dead daemon of ours left there.
fn check_free(path: &Path) -> Result<(), BindError> {
    if !check_ours(path)? {
        return Ok(());
    }
    match probe(path) {
        Err(Errno::ECONNREFUSED | Errno::ENOENT) => Ok(()),
        // A full backlog is someone who listens.
        Ok(()) | Err(Errno::EAGAIN) => Err(BindError::InUse(path.to_owned())),
        Err(errno) => Err(failed("see who listens on", path)(errno.into())),
    }
}

/// Returns true if a socket of ours is at the path, false if nothing is.
fn check_ours(path: &Path) -> Result<bool, BindError> {
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed("look at", path)(error)),
    };
    if !found.file_type().is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    if found.uid() != nix::unistd::geteuid().as_raw() {
        return Err(BindError::Foreign {
            path: path.to_owned(),
            uid: found.uid(),
        });
    }
    Ok(true)
}

fn probe(path: &Path) -> nix::Result<()> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let probe = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(probe.as_raw_fd(), &UnixAddr::new(path)?)
}

fn listen_aside(aside: &Path, mode: u32) -> Result<(UnixListener, (u64, u64)), BindError> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let at = |what| move |errno: Errno| failed(what, aside)(errno.into());
    let made = socket(AddressFamily::Unix, SockType::Stream, flags, None).map_err(at("make a socket for"))?;
    let address = UnixAddr::new(aside).map_err(at("name a socket"))?;
    bind(made.as_raw_fd(), &address).map_err(at("bind"))?;
    let found = std::fs::set_permissions(aside, std::fs::Permissions::from_mode(mode))
        .and_then(|()| std::fs::symlink_metadata(aside))
        .map_err(failed("set the mode of", aside))?;
    Backlog::new(BACKLOG)
        .and_then(|backlog| listen(&made, backlog))
        .map_err(at("listen on"))?;
    Ok((UnixListener::from(made), (found.dev(), found.ino())))
}

fn remove(path: &Path) -> Result<(), BindError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BindError {
    let path = path.to_owned();
    move |error| BindError::Io { what, path, error }
}
