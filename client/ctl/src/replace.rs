//! Replacing a file in one step: whoever opens it, at any moment and after any failure, finds the old content or the
//! new, whole. The new content is written to a file beside it, which takes its place by rename(2) once it is on disk.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, RenameFlags, renameat2};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Gid, Group, Uid, User, geteuid};
use zeroize::Zeroizing;

use crate::times::{now, time};

/// As many symlinks as the kernel follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Why a file was not replaced. All but the last leave what was there untouched, and nothing beside it.
pub(crate) enum Fault {
    /// The system's answer, and to what.
    System(&'static str, PathBuf, io::Error),
    /// A directory, a FIFO, a device.
    NotAFile(PathBuf),
    /// It belongs to someone to whom we may not give a file.
    Owner(PathBuf, String),
    /// It was replaced, and may be the old one again after a power cut.
    Unsynced(PathBuf, io::Error),
}

impl Fault {
    /// 78 where the user must put something right, 69 where the system failed.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::NotAFile(_) | Self::Owner(..) => 78,
            Self::Unsynced(..) => 69,
            Self::System(..) => match self.errno() {
                Errno::EACCES | Errno::EPERM | Errno::EROFS | Errno::EBUSY => 78,
                Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ENAMETOOLONG => 78,
                _ => 69,
            },
        }
    }

    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::NotAFile(_) => "name a file, or - for stdout",
            Self::Owner(..) => "run it as root",
            Self::Unsynced(..) => "see to the disk, then run it again",
            Self::System(..) => match self.errno() {
                Errno::EACCES | Errno::EPERM => "run it as a user who may write there; nothing was changed",
                Errno::EROFS => "the file system is mounted read-only; nothing was changed",
                Errno::EBUSY => "is it mounted there by itself? then replace what is mounted; nothing was changed",
                Errno::ENOENT => "make the directory first",
                Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG => "make room; nothing was changed",
                _ => "nothing was changed",
            },
        }
    }

    fn errno(&self) -> Errno {
        match self {
            Self::System(_, _, error) => Errno::from_raw(error.raw_os_error().unwrap_or(0)),
            _ => Errno::UnknownErrno,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(what, path, error) => write!(f, "cannot {what} {}: {error}", path.display()),
            Self::NotAFile(path) => write!(f, "{} is not a regular file; it was left as it is", path.display()),
            Self::Owner(path, owner) => write!(
                f,
                "{} belongs to {owner}, and only root may give a new file to them; it was left as it is",
                path.display()
            ),
            Self::Unsynced(path, error) => write!(
                f,
                "{} was replaced, and its directory could not be synced: after a power cut the old one may be back: {error}",
                path.display()
            ),
        }
    }
}

/// Returns the content of the file that `path` leads to; `None` if there is none.
pub(crate) fn content(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
    match find(path)? {
        (_, None) => Ok(None),
        (path, Some(old)) => match read(&path) {
            // Nor could a new file be given to its owner.
            Err(fault) if fault.errno() == Errno::EACCES && old.uid() != geteuid().as_raw() => {
                Err(Fault::Owner(path, names(old.uid(), old.gid())))
            }
            content => content.map(Some),
        },
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let content = fs::read(path).map_err(|error| Fault::System("read", path.to_owned(), error))?;
    Ok(Zeroizing::new(content))
}

/// The outcome of a replacement.
pub(crate) struct Replaced {
    /// There was a file.
    pub(crate) existed: bool,
    /// The copy of its content, for its owner alone.
    pub(crate) backup: Option<PathBuf>,
}

/// Puts `bytes` in the file that `path` leads to. A file that was there keeps its owner, its group, and the group's
/// right to read it; a new one is for its owner alone, whatever the umask. Symlinks stay. With `keeps_backup`, the
/// content of a file that was there and not empty is kept beside it.
///
/// From here on to its end the process cannot be interrupted: a new file half done would stay behind, and nobody would
/// be told whether the old one is still there.
pub(crate) fn replace(path: &Path, bytes: &[u8], keeps_backup: bool) -> Result<Replaced, Fault> {
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |error| Fault::System(what, path, error)
    };
    const MODE: &str = "set the mode of a new";
    hold_signals().map_err(failed("hold back signals for", path))?;
    let (path, old) = find(path)?;
    let directory = directory_of(&path);
    // Opened before anything changes: without it, what is renamed could not be made to last.
    let opened = File::open(directory).map_err(failed("open", directory))?;
    let mut new = New::beside(&path).map_err(failed("make a file in", directory))?;
    match &old {
        None => new.set_mode(0o600).map_err(failed(MODE, &path))?,
        Some(old) => {
            let mode = (old.mode() & 0o640) | 0o600;
            new.set_mode(mode).map_err(failed(MODE, &path))?;
            new.give_to_owner_of(old, &path)?;
        }
    }
    new.file
        .write_all(bytes)
        .and_then(|()| new.file.sync_all())
        .map_err(failed("write a file in", directory))?;
    let mut backup = match &old {
        Some(old) if keeps_backup && old.len() > 0 => Some(back_up(&path, old)?),
        _ => None,
    };
    fs::rename(&new.path, &path).map_err(failed("replace", &path))?;
    new.stays = true;
    if let Some(backup) = &mut backup {
        backup.stays = true;
    }
    match opened.sync_all() {
        Ok(()) => Ok(Replaced {
            existed: old.is_some(),
            backup: backup.map(|backup| backup.path.clone()),
        }),
        Err(error) => Err(Fault::Unsynced(path, error)),
    }
}

/// Copies a file to one beside it, named after the time.
fn back_up(path: &Path, old: &Metadata) -> Result<New, Fault> {
    let failed = |error| Fault::System("write a backup of", path.to_owned(), error);
    let content = read(path)?;
    let mut backup = New::beside(path).map_err(failed)?;
    backup.set_mode(0o600).map_err(failed)?; // whatever the umask
    backup.give_to_owner_of(old, path)?;
    backup
        .file
        .write_all(&content)
        .and_then(|()| backup.file.sync_all())
        .map_err(failed)?;
    let time: String = time(now()).chars().filter(|c| !"-:".contains(*c)).collect();
    for number in 1.. {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".bak-{time}"));
        if number > 1 {
            name.push(format!("-{number}"));
        }
        match renameat2(
            AT_FDCWD,
            &backup.path,
            AT_FDCWD,
            Path::new(&name),
            RenameFlags::RENAME_NOREPLACE,
        ) {
            Ok(()) => {
                backup.path = name.into();
                break;
            }
            Err(Errno::EEXIST) => {}
            Err(error) => return Err(failed(error.into())),
        }
    }
    Ok(backup)
}

/// SIGXFSZ too: with a limit on the size of files, a write then fails instead.
fn hold_signals() -> io::Result<()> {
    let mut signals = SigSet::empty();
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
        Signal::SIGXFSZ,
    ] {
        signals.add(signal);
    }
    Ok(signals.thread_block()?)
}

/// The file that is meant, behind all symlinks, and what is known of it if it is there.
fn find(path: &Path) -> Result<(PathBuf, Option<Metadata>), Fault> {
    const LOOK: &str = "look at";
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => return Ok((path, Some(found))),
            Ok(found) if found.is_symlink() => match fs::read_link(&path) {
                Ok(to) => path = directory_of(&path).join(to),
                Err(error) => return Err(Fault::System(LOOK, path, error)),
            },
            Ok(_) => return Err(Fault::NotAFile(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((path, None)),
            Err(error) => return Err(Fault::System(LOOK, path, error)),
        }
    }
    Err(Fault::System(LOOK, path, Errno::ELOOP.into()))
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A file that is made beside another; removed when dropped, unless it stays.
struct New {
    file: File,
    path: PathBuf,
    stays: bool,
}

impl New {
    /// An empty file in the same directory, of a name that nobody can have made ready.
    fn beside(path: &Path) -> io::Result<Self> {
        let mut random = [0; 8];
        rand::fill(&mut random).map_err(|_| io::Error::other("there are no random bytes"))?;
        let name = format!(".jwtkeeper-secret-{:016x}", u64::from_ne_bytes(random));
        let path = directory_of(path).join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&path)?;
        Ok(Self {
            file,
            path,
            stays: false,
        })
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(mode))
    }

    /// Before anything is written: where it is refused, no secret was on disk.
    fn give_to_owner_of(&self, old: &Metadata, path: &Path) -> Result<(), Fault> {
        let failed = |error| Fault::System("set the owner of a new", path.to_owned(), error);
        let own = self.file.metadata().map_err(failed)?;
        let (uid, gid) = (old.uid(), old.gid());
        if (own.uid(), own.gid()) == (uid, gid) {
            return Ok(());
        }
        match fchown(&self.file, Some(uid), Some(gid)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(Fault::Owner(path.to_owned(), names(uid, gid)))
            }
            Err(error) => Err(failed(error)),
        }
    }
}

impl Drop for New {
    fn drop(&mut self) {
        if !self.stays {
            let _nothing_more_can_be_done = fs::remove_file(&self.path);
        }
    }
}

/// An owner and a group, by name where they have one.
fn names(uid: u32, gid: u32) -> String {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name);
    let group = Group::from_gid(Gid::from_raw(gid))
        .ok()
        .flatten()
        .map(|group| group.name);
    format!(
        "{}:{}",
        user.unwrap_or_else(|| uid.to_string()),
        group.unwrap_or_else(|| gid.to_string())
    )
}
