//! Compaction: a store file that is mostly dead is replaced by a copy of the rows that live. The copy is made in
//! slices, between commits, and each slice is on disk before the next; then one rename puts it in the file's place.

use std::path::{Path, PathBuf};

use redb::ReadableTable;

use crate::backend::File;
use crate::journal::{Journal, MARKS, ROWS, RowKey};
use jwtkeeper_core::denylist::StoreError;
use jwtkeeper_core::types::Seconds;

/// A smaller file is not worth a copy.
const SMALL: u64 = 4 * 1024 * 1024;
/// A file is mostly dead if the rows that live are less than this part of it. A copy is at most half as large then:
/// pages are half full at the least, and redb doubles a file that grows.
const PART: u64 = 8;
/// Rows that one slice copies.
const SLICE: usize = 2000;

/// A copy under way.
pub(crate) struct Compaction {
    copy: Box<Journal>,
    path: PathBuf,
    /// The next row to be copied.
    next: RowKey,
    /// Rows that were committed since the last slice.
    since: Vec<(RowKey, Vec<u8>)>,
    /// Rows that were removed since the last slice: the copy may hold them already.
    removed: Vec<RowKey>,
}

impl Compaction {
    /// Takes note of a row that was committed to the old file.
    pub(crate) fn note(&mut self, key: RowKey, row: &[u8]) {
        self.since.push((key, row.to_vec()));
    }

    /// Takes note of a row that was removed from the old file.
    pub(crate) fn note_removed(&mut self, key: RowKey) {
        self.removed.push(key);
    }
}

impl Drop for Compaction {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path); // by now it has another name, or nobody needs it
    }
}

/// The copy of a file until it takes its place.
fn beside(target: &Path) -> PathBuf {
    target.with_extension("redb.compact")
}

/// Removes the copy that a killed daemon left. The caller has the lock of the file.
pub(crate) fn remove_leavings(file: &Path) {
    if let Ok(target) = std::fs::canonicalize(file) {
        let _ = std::fs::remove_file(beside(&target)); // there is none as a rule
    }
}

impl Journal {
    /// Returns true if most of the file is dead.
    pub(crate) fn is_mostly_dead(&self) -> bool {
        let length = self.watch.length();
        self.backend.file().is_some() && length > SMALL && self.live_bytes() < length / PART
    }

    /// Begins a copy of the rows whose deadline is not before `from`.
    pub(crate) fn begin_compaction(&mut self, from: Seconds) -> Result<(), String> {
        let file = self.backend.file().ok_or("it is not a file")?;
        let words = |error: std::io::Error| error.to_string();
        let target = std::fs::canonicalize(file).map_err(words)?;
        let path = beside(&target);
        let permissions = std::fs::metadata(&target).map_err(words)?.permissions();
        let copy = Journal::create_at(Box::new(File::new(path.clone()))).map_err(|error| error.to_string())?;
        let compaction = Compaction {
            copy: Box::new(copy),
            path,
            next: (from, 0),
            since: Vec::new(),
            removed: Vec::new(),
        };
        std::fs::set_permissions(&compaction.path, permissions).map_err(words)?;
        self.compaction = Some(compaction);
        Ok(())
    }

    /// Copies one slice. Returns true once the copy has taken the file's place. An error of the copy ends the
    /// compaction and harms nothing, unless it leaves in doubt which of the two files the next start will find.
    pub(crate) fn compact(&mut self) -> Result<bool, CompactError> {
        let Some(mut compaction) = self.compaction.take() else {
            return Ok(true);
        };
        let copied = self
            .copy_slice(&mut compaction)
            .map_err(|error| CompactError::Copy(error.to_string()))?;
        if copied == SLICE {
            self.compaction = Some(compaction);
            return Ok(false);
        }
        self.take_place(compaction)?;
        Ok(true)
    }

    /// Copies up to [`SLICE`] rows, and all that were committed meanwhile; with the last slice, the marks.
    fn copy_slice(&self, compaction: &mut Compaction) -> Result<usize, redb::Error> {
        let old = self.read()?;
        let (rows, marks) = (old.open_table(ROWS)?, old.open_table(MARKS)?);
        let database = compaction.copy.database.as_ref().ok_or(redb::Error::PreviousIo)?;
        let transaction = database.begin_write()?;
        let mut copied = 0;
        {
            let mut table = transaction.open_table(ROWS)?;
            for entry in rows.range(compaction.next..)?.take(SLICE) {
                let (key, row) = entry?;
                table.insert(key.value(), row.value())?;
                let (until, sequence) = key.value();
                compaction.next = (until, sequence + 1);
                copied += 1;
            }
            for (key, row) in compaction.since.drain(..) {
                table.insert(key, row.as_slice())?;
            }
            for key in compaction.removed.drain(..) {
                table.remove(key)?;
            }
            let mut table = transaction.open_table(MARKS)?;
            for entry in marks.iter()? {
                let (name, value) = entry?;
                table.insert(name.value(), value.value())?;
            }
        }
        transaction.commit()?;
        Ok(copied)
    }

    fn take_place(&mut self, mut compaction: Compaction) -> Result<(), CompactError> {
        let target = self.backend.file().map(std::fs::canonicalize);
        let Some(Ok(target)) = target else {
            return Err(CompactError::Copy("its file has no path".to_owned()));
        };
        std::fs::rename(&compaction.path, &target).map_err(|error| CompactError::Copy(error.to_string()))?;
        // A rename that is not on disk may be undone by a crash, and with it every later commit.
        target
            .parent()
            .map_or(Ok(()), |directory| std::fs::File::open(directory)?.sync_all())
            .map_err(|error| {
                let why = format!("the rename of its compacted copy may not be on disk: {error}");
                CompactError::Doubt(StoreError::Failed(why))
            })?;
        self.backend.become_another(compaction.copy.backend.as_ref());
        let old = (
            std::mem::replace(&mut self.database, compaction.copy.database.take()),
            std::mem::replace(&mut self.watch, compaction.copy.watch.clone()),
        );
        // The kernel frees the room of a large file as its last descriptor is closed, which takes it 100 ms and more.
        let _ = std::thread::Builder::new().spawn(move || drop(old)); // without a thread it is dropped here
        Ok(())
    }
}

/// Why a compaction ended.
pub(crate) enum CompactError {
    /// The copy failed: the file is as it was.
    Copy(String),
    /// It is in doubt which file the next start finds.
    Doubt(StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Rows;

    /// A row that was copied before it was removed: the record of a successor, say, once that was handed out.
    #[test]
    fn removed_rows_are_not_in_the_copy() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("denylist.redb");
        Journal::create(&path).unwrap();
        let mut journal = Journal::open(&path).unwrap();
        let rows: Rows = (0..=SLICE as Seconds).map(|number| (1000 + number, vec![1])).collect();
        journal.commit(&rows, &[], None).unwrap();
        journal.begin_compaction(0).unwrap();
        assert!(journal.compact().is_ok_and(|is_over| !is_over));
        let (copied, not_copied) = ((1000, 1), (1000 + SLICE as Seconds, SLICE as u64 + 1));
        let added: Rows = vec![(5000, vec![2])];
        journal
            .commit_in_place_of(&[copied, not_copied], &added, &[], None)
            .unwrap();
        assert!(journal.compact().is_ok_and(|is_over| is_over));
        drop(journal);
        let mut keys = Vec::new();
        let mut journal = Journal::open(&path).unwrap();
        let read = journal.each_row(0, |key, _| {
            keys.push(key);
            Ok::<_, ()>(())
        });
        assert_eq!(read.unwrap(), Ok(()));
        assert_eq!(keys.len(), SLICE);
        assert!(!keys.contains(&copied) && !keys.contains(&not_copied));
        assert_eq!(keys.last().map(|(until, _)| *until), Some(5000));
    }
}
