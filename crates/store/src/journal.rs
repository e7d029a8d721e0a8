//! The file of the embedded store: rows ordered by their deadline in redb, and marks. Whatever is committed here is
//! on disk; whatever was refused is not half there.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::{Database, DatabaseError, ReadableTable, StorageError, TableDefinition};

use crate::backend::{Backend, File, Watch};
use crate::compaction::{Compaction, remove_leavings};
use crate::row::Rows;
use crate::unfinished::{Unfinished, remove_unfinished};
use jwtkeeper_core::denylist::{StoreError, TOOK};
use jwtkeeper_core::types::{Histogram, Seconds};

/// Deadline and sequence. Ordered by time, so that writes lie close together and the past goes in one piece.
pub(crate) type RowKey = (Seconds, u64);

pub(crate) const ROWS: TableDefinition<RowKey, &[u8]> = TableDefinition::new("rows");
/// Numbers by name.
pub(crate) const MARKS: TableDefinition<&str, u64> = TableDefinition::new("marks");
/// The mark that says that the file is ours.
const FORMAT: &str = "format";
const FORMAT_NOW: u64 = 2;
/// Seconds to a span of deadlines, of which it is known how much there is.
const SPAN: Seconds = 64;

/// The rows that a commit deletes: those whose deadline lies before this second, up to a limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Forget {
    pub(crate) before: Seconds,
    pub(crate) limit: usize,
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
        /// The finding.
        why: String,
    },
    /// The file cannot be read or written.
    #[error("the denylist store {path} cannot be opened: {why}")]
    Io {
        /// The file.
        path: String,
        /// The system's error.
        why: String,
    },
}

/// An open store file.
pub struct Journal {
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) database: Option<Database>,
    pub(crate) watch: Arc<Watch>,
    sequence: u64,
    /// Bytes of rows, by spans of their deadlines.
    bytes: BTreeMap<Seconds, u64>,
    /// A copy under way that is to take the file's place.
    pub(crate) compaction: Option<Compaction>,
}

/// Counts what was written, for health.
pub struct Written {
    /// Changes made durable.
    pub changes: AtomicU64,
    /// Commits, each of which is one fsync.
    pub commits: AtomicU64,
    /// The time that each took.
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
    pub(crate) fn add(&self, changes: u64) {
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
        Self::create_on(Box::new(File::new(new.path().to_owned()))).map_err(|error| match path.exists() {
            true => OpenError::Exists(name.clone()), // whoever won a race has removed ours
            false => error,
        })?;
        // A hard link fails where a file has appeared meanwhile; a rename would replace it.
        std::fs::hard_link(new.path(), path).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => OpenError::Exists(name.clone()),
            std::io::ErrorKind::NotFound if path.exists() => OpenError::Exists(name.clone()),
            _ => io(error),
        })?;
        drop(new);
        remove_unfinished(path);
        std::fs::File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(io)
    }

    /// Makes a new store on a backend.
    pub fn create_on(backend: Box<dyn Backend>) -> Result<(), OpenError> {
        Self::create_at(backend).map(drop)
    }

    pub(crate) fn create_at(backend: Box<dyn Backend>) -> Result<Self, OpenError> {
        let name = backend.name();
        let opened = backend.open(true).map_err(|error| open_error(&name, error))?;
        let mut journal = Self::with(backend, opened);
        journal
            .commit(&Rows::new(), &[(FORMAT.to_owned(), FORMAT_NOW)], None)
            .map_err(|error| OpenError::Io {
                path: name,
                why: error.to_string(),
            })?;
        Ok(journal)
    }

    /// Opens a store file, its whole content checked against its checksums.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::find(path)?;
        let journal = Self::open_on(Box::new(File::new(path.to_owned())))?;
        remove_leavings(path);
        remove_unfinished(path);
        Ok(journal)
    }

    /// Checks that there is a store file.
    pub(crate) fn find(path: &Path) -> Result<(), OpenError> {
        // A directory that we may not search is no reason to advise --init: the store may well be in it.
        let name = || path.display().to_string();
        match path.try_exists() {
            Ok(true) => Ok(()),
            Ok(false) => Err(OpenError::Missing(name())),
            Err(error) => {
                let why = format!("{error}; let the daemon's user search the directories on the way to it");
                Err(OpenError::Io { path: name(), why })
            }
        }
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
        let opened = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return Err(open_error(&name, error)),
            Err(_) => return Err(corrupt("it cannot be read".to_owned())),
        };
        let journal = Self::with(backend, opened);
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
        Ok(journal)
    }

    fn with(backend: Box<dyn Backend>, (database, watch): (Database, Arc<Watch>)) -> Self {
        Self {
            backend,
            database: Some(database),
            watch,
            sequence: 0,
            bytes: BTreeMap::new(),
            compaction: None,
        }
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

    /// Gives each row whose deadline is not before `from`, with its key, to `each`.
    pub(crate) fn each_row<E>(
        &mut self,
        from: Seconds,
        mut each: impl FnMut(RowKey, &[u8]) -> Result<(), E>,
    ) -> Result<Result<(), E>, redb::Error> {
        let table = self.read()?.open_table(ROWS)?;
        for entry in table.range((from, 0)..)? {
            let (key, row) = entry?;
            let (key, row) = (key.value(), row.value());
            self.sequence = self.sequence.max(key.1);
            self.count(key.0, row.len());
            if let Err(error) = each(key, row) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    /// Returns the sequence of the next row.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.sequence + 1
    }

    /// Writes rows and marks, and forgets some rows: on disk when it returns. Returns how many were forgotten.
    pub(crate) fn commit(
        &mut self,
        rows: &Rows,
        marks: &[(String, u64)],
        forget: Option<Forget>,
    ) -> Result<usize, StoreError> {
        self.commit_in_place_of(&[], rows, marks, forget)
    }

    /// The same, and removes these rows.
    pub(crate) fn commit_in_place_of(
        &mut self,
        gone: &[RowKey],
        rows: &Rows,
        marks: &[(String, u64)],
        forget: Option<Forget>,
    ) -> Result<usize, StoreError> {
        let written = self.write(gone, rows, marks, forget);
        written.map_err(|error| self.store_error(&error))
    }

    /// Writes rows in place of others: on disk, all or none, when it returns.
    pub(crate) fn replace(&mut self, gone: &[RowKey], rows: &Rows) -> Result<(), StoreError> {
        let written = self.write(gone, rows, &[], None);
        written.map(drop).map_err(|error| self.store_error(&error))
    }

    fn write(
        &mut self,
        gone: &[RowKey],
        rows: &Rows,
        marks: &[(String, u64)],
        forget: Option<Forget>,
    ) -> Result<usize, redb::Error> {
        let mut forgotten = 0;
        let first = self.sequence + 1;
        let database = self.database.as_ref().ok_or(redb::Error::PreviousIo)?;
        let transaction = database.begin_write()?;
        {
            let mut table = transaction.open_table(ROWS)?;
            if let Some(forget) = forget {
                let past = table.extract_from_if(..(forget.before, 0), |_, _| true)?;
                for entry in past.take(forget.limit) {
                    entry?;
                    forgotten += 1;
                }
            }
            for key in gone {
                table.remove(key)?;
            }
            for ((until, row), sequence) in rows.iter().zip(first..) {
                table.insert((*until, sequence), row.as_slice())?;
            }
            let mut table = transaction.open_table(MARKS)?;
            for (name, value) in marks {
                table.insert(name.as_str(), value)?;
            }
        }
        transaction.commit()?; // redb::Durability::Immediate: returns after fsync
        for ((until, row), sequence) in rows.iter().zip(first..) {
            self.sequence = sequence;
            self.count(*until, row.len());
            if let Some(compaction) = &mut self.compaction {
                compaction.note((*until, sequence), row);
            }
        }
        if let Some(compaction) = &mut self.compaction {
            gone.iter().for_each(|key| compaction.note_removed(*key));
        }
        if let Some(forget) = forget {
            self.bytes = self.bytes.split_off(&(forget.before / SPAN));
        }
        Ok(forgotten)
    }

    /// Returns true if there may be rows whose deadline lies before this second.
    pub(crate) fn has_rows_before(&self, second: Seconds) -> bool {
        let first = self.bytes.first_key_value();
        first.is_some_and(|(span, _)| span.saturating_mul(SPAN) < second)
    }

    fn count(&mut self, until: Seconds, bytes: usize) {
        *self.bytes.entry(until / SPAN).or_default() += bytes as u64;
    }

    /// Bytes of rows that are not to be forgotten.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.bytes.values().sum()
    }

    /// Why the file is no longer the one that was written; `None` while it is.
    pub(crate) fn changed(&self) -> Option<&'static str> {
        self.watch.changed(self.backend.as_ref())
    }

    /// Opens the file again after a failed write: what was committed is there, what was not is gone.
    pub fn reopen(&mut self) -> Result<(), StoreError> {
        self.compaction = None;
        self.database = None; // its lock goes first
        let (database, watch) = self.backend.open(false).map_err(|error| kind_of(&error.into()))?;
        (self.database, self.watch) = (Some(database), watch);
        Ok(())
    }

    /// Returns what a failed write means: after one for want of room, writing may be tried again. Any other leaves in
    /// doubt what is on disk, and so does an fsync that failed, whatever it failed for.
    pub(crate) fn store_error(&self, error: &redb::Error) -> StoreError {
        match kind_of(error) {
            StoreError::Full(why) if self.watch.sync_failed() => {
                StoreError::Failed(format!("an fsync failed, and what it was to write may be lost: {why}"))
            }
            other => other,
        }
    }

    pub(crate) fn read(&self) -> Result<redb::ReadTransaction, redb::Error> {
        use redb::ReadableDatabase;
        Ok(self.database.as_ref().ok_or(redb::Error::PreviousIo)?.begin_read()?)
    }
}

fn kind_of(error: &redb::Error) -> StoreError {
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
