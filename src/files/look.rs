//! One look at a file: only a regular file, never one that blocks, never more than its share, and no secret that
//! everyone may read.

use std::cmp::Ordering;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use nix::fcntl::OFlag;
use zeroize::Zeroizing;

/// The kind of a file, which decides its size and permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FileKind {
    /// The configuration.
    Configuration,
    /// A secret.
    Secret,
    /// A secret on a volume that gives everyone the right to read (`allow_world_readable`).
    MountedSecret,
    /// Nothing secret.
    Public,
}

/// The longest file of any kind, in bytes: the configuration. More is not read.
const LIMIT: u64 = 1024 * 1024;
/// The longest file of any other kind.
const KEY_LIMIT: u64 = 64 * 1024;

/// The identity of a file: device, inode, and when that was created, for inodes are used again.
pub(super) type Identity = (u64, u64, Option<SystemTime>);

/// The stamp of a file's state, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Which file it is.
    pub(super) identity: Identity,
    /// The permissions.
    mode: u32,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            identity: (metadata.dev(), metadata.ino(), metadata.created().ok()),
            mode: metadata.mode(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The rights that it gives to everyone.
    pub(super) fn rights_of_others(&self) -> u8 {
        (self.mode & 0o007) as u8
    }

    /// Checks that size and permissions fit the kind.
    pub(super) fn check(&self, kind: FileKind) -> Result<(), ReadError> {
        if kind != FileKind::Configuration && self.size > KEY_LIMIT {
            return Err(ReadError::TooLarge(self.size, KEY_LIMIT));
        }
        if kind != FileKind::Public && self.mode & 0o002 != 0 {
            return Err(ReadError::WorldWritable);
        }
        if kind == FileKind::Secret && self.mode & 0o004 != 0 {
            return Err(ReadError::WorldReadable);
        }
        Ok(())
    }

    /// Returns true if it was last written before `link` was made or moved to where it is (`Less`), or in the same
    /// tick of the file system's clock (`Equal`).
    pub(super) fn written_before(&self, link: &Path) -> Option<Ordering> {
        let link = std::fs::symlink_metadata(link).ok()?;
        Some(self.modified.cmp(&(link.ctime(), link.ctime_nsec())))
    }
}

/// The bytes of a file, and the stamp that it had all the while.
pub(super) fn look(path: &Path) -> Result<(Stamp, Zeroizing<Vec<u8>>), ReadError> {
    // Not opened at all: opening some devices has effects.
    if !std::fs::metadata(path)?.is_file() {
        return Err(ReadError::NotAFile);
    }
    // O_NONBLOCK: should it have become a FIFO in between, opening it must not wait.
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY).bits())
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile);
    }
    let bytes = read_all(&mut file, metadata.len())?;
    let stamp = Stamp::of(&file.metadata()?);
    if stamp != Stamp::of(&metadata) {
        return Err(ReadError::Changing);
    }
    Ok((stamp, bytes))
}

fn read_all(file: &mut File, length: u64) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    if length > LIMIT {
        return Err(ReadError::TooLarge(length, LIMIT));
    }
    // Some file systems know no lengths, and say 0.
    let most = if length == 0 { KEY_LIMIT } else { length };
    // With all the room that it can need: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(most as usize + 1));
    file.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        read if read <= most => Ok(bytes),
        read if length == 0 => Err(ReadError::TooLarge(read, KEY_LIMIT)),
        _ => Err(ReadError::Changing),
    }
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The system's answer.
    #[error("cannot be read: {error}{}", remedy(error))]
    Io {
        /// It.
        error: std::io::Error,
    },
    /// A directory, a FIFO, a device.
    #[error("is not a regular file; put a regular file there")]
    NotAFile,
    /// Longer than any such file.
    #[error("has {0} bytes; such a file has at most {1}")]
    TooLarge(u64, u64),
    /// Others may read it.
    #[error("can be read by everyone; run chmod 0600, or set allow_world_readable = true for a mounted volume")]
    WorldReadable,
    /// Others may write it.
    #[error("can be written by everyone; run chmod o-w")]
    WorldWritable,
    /// It was written while it was read.
    #[error("is being written")]
    Changing,
}

impl From<std::io::Error> for ReadError {
    fn from(error: std::io::Error) -> Self {
        ReadError::Io { error }
    }
}

fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => "; put it there",
        std::io::ErrorKind::PermissionDenied => {
            "; give it to the daemon's user or group (chown, chgrp), or let those read it"
        }
        _ => "",
    }
}

impl ReadError {
    /// Returns true if there simply is no file.
    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, ReadError::Io { error } if error.kind() == std::io::ErrorKind::NotFound)
    }
}

/// An error is told more than once: as long as it stands.
impl Clone for ReadError {
    fn clone(&self) -> Self {
        match self {
            ReadError::Io { error } => match error.raw_os_error() {
                Some(code) => std::io::Error::from_raw_os_error(code).into(),
                None => std::io::Error::from(error.kind()).into(),
            },
            ReadError::NotAFile => ReadError::NotAFile,
            ReadError::TooLarge(length, limit) => ReadError::TooLarge(*length, *limit),
            ReadError::WorldReadable => ReadError::WorldReadable,
            ReadError::WorldWritable => ReadError::WorldWritable,
            ReadError::Changing => ReadError::Changing,
        }
    }
}
