//! The file of a store, and a watch over it: what the store wrote must still be there, and an fsync that
//! failed is not forgotten.

use std::fs::{Metadata, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use redb::backends::FileBackend;
use redb::{BackendError, Database, DatabaseError, StorageBackend, StorageError};

/// The cache of redb, in bytes: the index in memory answers every read.
const CACHE: usize = 2 * 1024 * 1024;
/// The beginning of the file: redb's header, which every commit changes.
const HEAD: usize = 320;

/// The destination of a store's bytes: a file, or a substitute in tests.
pub trait Backend: Send {
    /// Opens it, watched; `create` makes a new one.
    fn open(&self, create: bool) -> Result<(Database, Arc<Watch>), DatabaseError>;
    /// Returns the name in messages.
    fn name(&self) -> String;

    /// Returns true if the next start will find it.
    fn is_there(&self) -> bool {
        true
    }

    /// The file, if it is one: one that is mostly dead is replaced by a copy of what lives.
    fn file(&self) -> Option<&Path> {
        None
    }

    /// Device and inode of the file that was opened.
    fn opened(&self) -> Option<(u64, u64)> {
        None
    }

    /// Takes over the file that another has opened, and that lies at this one's path by now.
    fn become_another(&self, _other: &dyn Backend) {}
}

/// A file.
pub(crate) struct File {
    path: PathBuf,
    /// The one that was opened: device and inode.
    opened: Mutex<Option<(u64, u64)>>,
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

impl File {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            opened: Mutex::default(),
        }
    }
}

impl Backend for File {
    fn open(&self, create: bool) -> Result<(Database, Arc<Watch>), DatabaseError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(create)
            .open(&self.path)?;
        let found = file.metadata()?;
        if self.opened().is_some_and(|opened| opened != identity(&found)) {
            return Err(io::Error::other(GONE).into());
        }
        if !create {
            if found.len() == 0 {
                return Err(io::Error::from(io::ErrorKind::InvalidData).into());
            }
            // Pages whose fsync failed are in the cache as if they were on the disk: the disk is asked what it has.
            file.sync_data()?;
            let _ = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED); // some file systems cannot
        }
        let opened = open_watched(FileBackend::new(file)?, !create)?;
        // The lock is ours by now. Another daemon may have put a copy in its place before.
        if std::fs::metadata(&self.path).map(|at| identity(&at)).ok() != Some(identity(&found)) {
            return Err(io::Error::other(GONE).into());
        }
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(identity(&found));
        Ok(opened)
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn is_there(&self) -> bool {
        let at = std::fs::metadata(&self.path).map(|at| identity(&at)).ok();
        self.opened().is_none_or(|opened| at == Some(opened))
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.path)
    }

    fn opened(&self) -> Option<(u64, u64)> {
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn become_another(&self, other: &dyn Backend) {
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = other.opened();
    }
}

impl<F, S> Backend for F
where
    F: Fn() -> S + Send,
    S: StorageBackend,
{
    fn open(&self, _create: bool) -> Result<(Database, Arc<Watch>), DatabaseError> {
        open_watched(self(), true)
    }

    fn name(&self) -> String {
        "a store of the test's own".to_owned()
    }
}

pub(crate) fn open_watched(storage: impl StorageBackend, check: bool) -> Result<(Database, Arc<Watch>), DatabaseError> {
    let storage: Arc<dyn StorageBackend> = Arc::new(storage);
    let mut head = Head {
        length: storage.len().map_err(StorageError::from)?,
        bytes: [0; HEAD],
    };
    if head.length >= HEAD as u64 {
        storage.read(0, &mut head.bytes).map_err(StorageError::from)?;
    }
    let watch = Arc::new(Watch {
        storage,
        head: Mutex::new(head),
        sync_failed: AtomicBool::new(false),
    });
    let database = Database::builder()
        .set_cache_size(CACHE)
        .set_check_integrity_on_open(check)
        .create_with_backend(Watched(watch.clone()))?;
    Ok((database, watch))
}

const GONE: &str = "its file was removed or replaced";
const CHANGED: &str = "its file was changed by another program";

/// The last write, as far as it distinguishes our file from another.
#[derive(Debug)]
struct Head {
    length: u64,
    bytes: [u8; HEAD],
}

/// Watches over the bytes of a store.
#[derive(Debug)]
pub struct Watch {
    storage: Arc<dyn StorageBackend>,
    head: Mutex<Head>,
    sync_failed: AtomicBool,
}

impl Watch {
    /// Returns true if an fsync failed. What it was to write may be lost though the kernel says from then on that it is
    /// on disk.
    pub(crate) fn sync_failed(&self) -> bool {
        self.sync_failed.load(Ordering::Acquire)
    }

    /// The length of the file.
    pub(crate) fn length(&self) -> u64 {
        self.head().length
    }

    /// Why the file is no longer what was written to it; `None` while it is.
    pub(crate) fn changed(&self, backend: &dyn Backend) -> Option<&'static str> {
        if !backend.is_there() {
            return Some(GONE);
        }
        let head = self.head();
        let mut bytes = [0; HEAD];
        let same = self.storage.len().is_ok_and(|length| length == head.length)
            && self.storage.read(0, &mut bytes).is_ok()
            && bytes == head.bytes;
        (!same).then_some(CHANGED)
    }

    fn head(&self) -> std::sync::MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A storage that is watched.
#[derive(Debug)]
struct Watched(Arc<Watch>);

impl StorageBackend for Watched {
    fn len(&self) -> io::Result<u64> {
        self.0.storage.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.storage.read(offset, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.storage.set_len(length)?;
        self.0.head().length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let synced = self.0.storage.sync_data();
        self.0.sync_failed.fetch_or(synced.is_err(), Ordering::AcqRel);
        synced
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.storage.write(offset, bytes)?;
        let mut head = self.0.head();
        head.length = head.length.max(offset.saturating_add(bytes.len() as u64));
        let begin = usize::try_from(offset).unwrap_or(usize::MAX);
        if let Some(part) = head.bytes.get_mut(begin..) {
            part.iter_mut().zip(bytes).for_each(|(at, byte)| *at = *byte);
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.0.storage.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.storage.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.storage.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.storage.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.storage.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.storage.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.storage.query_lock_range(start, end)
    }
}
