//! The file of the embedded store: rows ordered by their deadline in redb, and marks. Whatever is committed here is
//! on disk; whatever was refused is not half there.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use redb::{Database, DatabaseError, ReadableTable, StorageBackend, StorageError, TableDefinition};

use super::row::Rows;
use super::{StoreError, TOOK};
use crate::words::{Histogram, Seconds};

/// Deadline and sequence. Ordered by time, so that writes lie close together and the past goes in one piece.
pub(super) type RowKey = (Seconds, u64);

const ROWS: TableDefinition<RowKey, &[u8]> = TableDefinition::new("rows");
/// Numbers by name.
const MARKS: TableDefinition<&str, u64> = TableDefinition::new("marks");
/// The mark that says that the file is ours.
const FORMAT: &str = "format";
const FORMAT_NOW: u64 = 2;
/// What redb may keep of the file: the index in memory answers every read.
const CACHE: usize = 2 * 1024 * 1024;

/// What a commit forgets: rows whose deadline lies before this second, so many at the most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forget {
    pub(super) before: Seconds,
    pub(super) limit: usize,
}

/// Where the bytes of a store go: a file, or what a test puts in its place.
pub trait Backend: Send {
    /// Opens it; `create` makes a new one.
    fn open(&self, create: bool) -> Result<Database, DatabaseError>;
    /// Its name in messages.
    fn name(&self) -> String;

    /// Whether the next start will find it.
    fn is_there(&self) -> bool {
        true
    }
}

/// A file.
pub(super) struct File {
    path: PathBuf,
    /// The one that was opened: device and inode.
    opened: Mutex<Option<(u64, u64)>>,
}

impl File {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            opened: Mutex::default(),
        }
    }

    fn identity(&self) -> Option<(u64, u64)> {
        let found = std::fs::metadata(&self.path).ok()?;
        Some((found.dev(), found.ino()))
    }
}

impl Backend for File {
    fn open(&self, create: bool) -> Result<Database, DatabaseError> {
        if !self.is_there() {
            let other = std::io::Error::other("its file was removed or replaced");
            return Err(DatabaseError::Storage(StorageError::Io(other)));
        }
        let mut builder = builder();
        let database = if create {
            builder.create(&self.path)?
        } else {
            builder.set_check_integrity_on_open(true).open(&self.path)?
        };
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = self.identity();
        Ok(database)
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn is_there(&self) -> bool {
        let opened = *self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.is_none() || opened == self.identity()
    }
}

impl<F, S> Backend for F
where
    F: Fn() -> S + Send,
    S: StorageBackend,
{
    fn open(&self, _create: bool) -> Result<Database, DatabaseError> {
        builder().set_check_integrity_on_open(true).create_with_backend(self())
    }

    fn name(&self) -> String {
        "a store of the test's own".to_owned()
    }
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    builder
}

/// Why a store cannot be opened, and how to go on.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No file: a lost volume must not look like a first start.
    #[error(
        "there is no denylist store at {0}; for a first start make one with jwtkeeperd --init, otherwise bring the \
         state_dir back: without it, revoked tokens would be valid again"
    )]
    Missing(String),
    /// There is one already.
    #[error("there is a denylist store at {0} already; it was left as it is")]
    Exists(String),
    /// Another daemon has it.
    #[error("another process has the denylist store {0} open: a state_dir serves one daemon at a time")]
    InUse(String),
    /// The file is broken.
    #[error(
        "the denylist store {path} is corrupt ({why}); bring it back from a backup, or, to go on without what it held \
         (revoked tokens would be valid again), change every secret, move the file away and run jwtkeeperd --init"
    )]
    Corrupt {
        /// The file.
        path: String,
        /// What was found.
        why: String,
    },
    /// The file cannot be read or written.
    #[error("the denylist store {path} cannot be opened: {why}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
}

/// An open store file.
pub struct Journal {
    backend: Box<dyn Backend>,
    database: Option<Database>,
    sequence: u64,
}

/// A store file under a name of its own, which no other process makes and which goes however its making ends.
struct Unfinished(PathBuf);

impl Unfinished {
    fn beside(path: &Path) -> Self {
        // Not the process id: two containers that share a directory can have the same.
        let mut random = [0; 8];
        let _ = aws_lc_rs::rand::fill(&mut random); // without, two that start at once collide, and one fails
        let name = format!("{:016x}.{}.new", u64::from_le_bytes(random), std::process::id());
        Self(path.with_extension(name))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0); // where it cannot be removed, it harms nobody
    }
}

/// Counts what was written, for health.
pub struct Written {
    /// Changes made durable.
    pub changes: AtomicU64,
    /// Commits, each of which is one fsync.
    pub commits: AtomicU64,
    /// How long each took.
    pub took: Histogram,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            changes: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            took: Histogram::new(TOOK),
        }
    }
}

impl Written {
    pub(super) fn add(&self, changes: u64) {
        self.changes.fetch_add(changes, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
    }
}

impl Journal {
    /// Makes a new store file. It appears whole or not at all.
    pub fn create(path: &Path) -> Result<(), OpenError> {
        let name = path.display().to_string();
        let io = |error: std::io::Error| OpenError::Io {
            path: name.clone(),
            why: error.to_string(),
        };
        if path.try_exists().map_err(io)? {
            return Err(OpenError::Exists(name));
        }
        let directory = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory).map_err(io)?;
        let new = Unfinished::beside(path);
        Self::create_on(Box::new(File::new(new.0.clone())))?;
        // A hard link fails where a file has appeared meanwhile; a rename would replace it.
        std::fs::hard_link(&new.0, path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => OpenError::Exists(name.clone()),
            _ => io(error),
        })?;
        drop(new);
        std::fs::File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(io)
    }

    /// Makes a new store on a backend.
    pub fn create_on(backend: Box<dyn Backend>) -> Result<(), OpenError> {
        let name = backend.name();
        let database = backend.open(true).map_err(|error| open_error(&name, error))?;
        let mut journal = Self {
            backend,
            database: Some(database),
            sequence: 0,
        };
        journal
            .commit(&Rows::new(), &[(FORMAT.to_owned(), FORMAT_NOW)], None)
            .map_err(|error| OpenError::Io {
                path: name,
                why: error.to_string(),
            })
    }

    /// Opens a store file, its whole content checked against its checksums.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        // A directory that we may not search is no reason to advise --init: the store may well be in it.
        let name = || path.display().to_string();
        match path.try_exists() {
            Ok(true) => {}
            Ok(false) => return Err(OpenError::Missing(name())),
            Err(error) => {
                let why = format!("{error}; let the daemon's user search the directories on the way to it");
                return Err(OpenError::Io { path: name(), why });
            }
        }
        Self::open_on(Box::new(File::new(path.to_owned())))
    }

    /// Opens a store on a backend.
    pub fn open_on(backend: Box<dyn Backend>) -> Result<Self, OpenError> {
        let name = backend.name();
        let corrupt = |why: String| OpenError::Corrupt {
            path: name.clone(),
            why,
        };
        // A file that is not what it seems may still trip an assertion below.
        let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| backend.open(false)));
        let database = match opened {
            Ok(Ok(database)) => database,
            Ok(Err(error)) => return Err(open_error(&name, error)),
            Err(_) => return Err(corrupt("it cannot be read".to_owned())),
        };
        let mut journal = Self {
            backend,
            database: Some(database),
            sequence: 0,
        };
        match journal.mark(FORMAT) {
            Ok(Some(FORMAT_NOW)) => {}
            Ok(Some(other)) => {
                return Err(corrupt(format!(
                    "its format is {other}; this version reads {FORMAT_NOW}"
                )));
            }
            Ok(None) => return Err(corrupt("it is not a denylist store".to_owned())),
            Err(error) => return Err(corrupt(error.to_string())),
        }
        journal.sequence = journal.rows().map_err(|error| corrupt(error.to_string()))?;
        Ok(journal)
    }

    /// A mark's value.
    fn mark(&self, name: &str) -> Result<Option<u64>, redb::Error> {
        Ok(self.read()?.open_table(MARKS)?.get(name)?.map(|value| value.value()))
    }

    /// All marks.
    pub fn marks(&self) -> Result<Vec<(String, u64)>, redb::Error> {
        let table = self.read()?.open_table(MARKS)?;
        table
            .iter()?
            .map(|entry| entry.map(|(name, value)| (name.value().to_owned(), value.value())))
            .map(|entry| Ok(entry?))
            .collect()
    }

    /// Gives each row, with its key, to `each`.
    pub(super) fn each_row<E>(
        &self,
        mut each: impl FnMut(RowKey, &[u8]) -> Result<(), E>,
    ) -> Result<Result<(), E>, redb::Error> {
        let table = self.read()?.open_table(ROWS)?;
        for entry in table.iter()? {
            let (key, row) = entry?;
            if let Err(error) = each(key.value(), row.value()) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    /// Writes rows and marks, and forgets some rows: on disk when it returns.
    pub(super) fn commit(
        &mut self,
        rows: &Rows,
        marks: &[(String, u64)],
        forget: Option<Forget>,
    ) -> Result<(), redb::Error> {
        let database = self.database.as_ref().ok_or(redb::Error::PreviousIo)?;
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(ROWS)?;
            if let Some(forget) = forget {
                let past = table.extract_from_if(..(forget.before, 0), |_, _| true)?;
                for entry in past.take(forget.limit) {
                    entry?;
                }
            }
            for (until, row) in rows {
                self.sequence += 1;
                table.insert((*until, self.sequence), row.as_slice())?;
            }
            let mut table = transaction.open_table(MARKS)?;
            for (name, value) in marks {
                table.insert(name.as_str(), value)?;
            }
        }
        transaction.commit()?; // redb::Durability::Immediate: returns after fsync
        Ok(())
    }

    /// Writes rows in place of others: on disk, all or none, when it returns.
    pub(super) fn replace(&mut self, gone: &[RowKey], rows: &Rows) -> Result<(), redb::Error> {
        let database = self.database.as_ref().ok_or(redb::Error::PreviousIo)?;
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(ROWS)?;
            for key in gone {
                table.remove(key)?;
            }
            for (until, row) in rows {
                self.sequence += 1;
                table.insert((*until, self.sequence), row.as_slice())?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Whether the next start will find it.
    pub(super) fn is_there(&self) -> bool {
        self.backend.is_there()
    }

    /// Opens the file again after a failed write: what was committed is there, what was not is gone.
    pub fn reopen(&mut self) -> Result<(), StoreError> {
        self.database = None; // its lock goes first
        match self.backend.open(false) {
            Ok(database) => {
                self.database = Some(database);
                Ok(())
            }
            Err(error) => Err(store_error(&error.into())),
        }
    }

    fn read(&self) -> Result<redb::ReadTransaction, redb::Error> {
        use redb::ReadableDatabase;
        Ok(self.database.as_ref().ok_or(redb::Error::PreviousIo)?.begin_read()?)
    }

    /// The highest sequence number of any row.
    fn rows(&self) -> Result<u64, redb::Error> {
        let mut highest = 0;
        let table = self.read()?.open_table(ROWS)?;
        for entry in table.iter()? {
            highest = highest.max(entry?.0.value().1);
        }
        Ok(highest)
    }
}

/// Whether a failed write is one of no room, after which writing may be tried again, or one that leaves in doubt what
/// is on disk.
pub(super) fn store_error(error: &redb::Error) -> StoreError {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match error {
        redb::Error::Io(io) if matches!(io.kind(), StorageFull | QuotaExceeded | FileTooLarge) => {
            StoreError::Full(io.to_string())
        }
        other => StoreError::Failed(other.to_string()),
    }
}

fn open_error(path: &str, error: DatabaseError) -> OpenError {
    let path = path.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen => OpenError::InUse(path),
        DatabaseError::Storage(StorageError::Io(io))
            if !matches!(
                io.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
            ) =>
        {
            OpenError::Io {
                path,
                why: io.to_string(),
            }
        }
        other => OpenError::Corrupt {
            path,
            why: other.to_string(),
        },
    }
}
