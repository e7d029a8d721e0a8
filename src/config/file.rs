//! Reading a file that may hold a secret: only a regular file, never one that blocks, never more than its share, and
//! none that everyone may read.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use zeroize::Zeroizing;

/// The longest file that is read, in bytes.
const LIMIT: u64 = 64 * 1024;

/// What is in a file, as far as its permissions go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A secret.
    Secret,
    /// A secret on a volume that gives everyone the right to read (`allow_world_readable`).
    MountedSecret,
    /// Nothing secret.
    Public,
}

/// The bytes of a file; an error says what is wrong and what to do.
pub fn read_file(path: &Path, kind: FileKind) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    // O_NONBLOCK: opening a FIFO that nobody writes to must not wait.
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_CLOEXEC | OFlag::O_NOCTTY).bits())
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile);
    }
    if metadata.len() > LIMIT {
        return Err(ReadError::TooLarge(metadata.len()));
    }
    let mode = metadata.mode();
    if kind != FileKind::Public && mode & 0o002 != 0 {
        return Err(ReadError::WorldWritable);
    }
    if kind == FileKind::Secret && mode & 0o004 != 0 {
        return Err(ReadError::WorldReadable);
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(metadata.len() as usize + 1));
    file.take(LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LIMIT {
        return Err(ReadError::TooLarge(bytes.len() as u64));
    }
    Ok(bytes)
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system's answer.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// A directory, a FIFO, a device.
    #[error("is not a regular file")]
    NotAFile,
    /// Longer than any key file.
    #[error("has {0} bytes; a key file has at most {LIMIT}")]
    TooLarge(u64),
    /// Others may read it.
    #[error("can be read by everyone; run chmod 0600, or set allow_world_readable = true for a mounted volume")]
    WorldReadable,
    /// Others may write it.
    #[error("can be written by everyone; run chmod 0600")]
    WorldWritable,
}

impl ReadError {
    /// Whether there simply is no file.
    pub fn is_missing(&self) -> bool {
        matches!(self, ReadError::Io(error) if error.kind() == std::io::ErrorKind::NotFound)
    }
}
