//! A look at a store as a start would open it, which changes nothing: no lock is taken, and what opening repairs or
//! writes stays in memory.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, Database, DatabaseError, StorageBackend};

use crate::backend::{Backend, Watch, open_watched};
use crate::embedded::Embedded;
use crate::journal::{Journal, OpenError};
use jwtkeeper_core::types::Millis;

/// The unit in which changed bytes are kept.
const PAGE: usize = 4096;

/// Checks the store at `path` as a start would; returns the number of cutoffs that lie in the future. A store that a
/// daemon has open is not read.
pub(crate) fn examine(path: &Path, now: Millis, skew_ms: u64) -> Result<u64, OpenError> {
    Journal::find(path)?;
    let examined = Journal::open_on(Box::new(Examined(path.to_owned())))
        .and_then(|journal| Embedded::on(journal, now, skew_ms))
        .map(|store| store.future_cutoffs());
    match examined {
        // A daemon that has started meanwhile wrote while the file was read.
        Err(OpenError::Corrupt { .. }) if in_use(path).unwrap_or(false) => {
            Err(OpenError::InUse(path.display().to_string()))
        }
        examined => examined,
    }
}

/// Returns true if a daemon holds the lock of the store. Asking takes no lock.
fn in_use(path: &Path) -> Result<bool, DatabaseError> {
    let file = FileBackend::new(open(path)?)?;
    Ok(file
        .query_lock_range(Bound::Unbounded, Bound::Unbounded)
        .unwrap_or(false)) // a file system without such locks
}

/// With the rights that a start needs.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// A store file that is only read.
struct Examined(PathBuf);

impl Backend for Examined {
    fn open(&self, _create: bool) -> Result<(Database, Arc<Watch>), DatabaseError> {
        if in_use(&self.0)? {
            return Err(DatabaseError::DatabaseAlreadyOpen);
        }
        let file = open(&self.0)?;
        let length = file.metadata()?.len();
        if length == 0 {
            return Err(io::Error::from(io::ErrorKind::InvalidData).into());
        }
        let changed = Mutex::new(Changed {
            pages: HashMap::new(),
            length,
            original: length,
        });
        open_watched(Overlay { file, changed }, true)
    }

    fn name(&self) -> String {
        self.0.display().to_string()
    }
}

/// A file, and what was written since, in memory.
#[derive(Debug)]
struct Overlay {
    file: File,
    changed: Mutex<Changed>,
}

#[derive(Debug)]
struct Changed {
    pages: HashMap<u64, Vec<u8>>,
    length: u64,
    /// The length of the part of the file that still applies.
    original: u64,
}

impl Overlay {
    fn changed(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page as it is now.
    fn page(&self, changed: &Changed, number: u64) -> io::Result<Vec<u8>> {
        if let Some(page) = changed.pages.get(&number) {
            return Ok(page.clone());
        }
        let mut page = vec![0; PAGE];
        let begin = number * PAGE as u64;
        let present = changed.original.saturating_sub(begin).min(PAGE as u64) as usize;
        let (bytes, _) = page.split_at_mut(present);
        self.file.read_exact_at(bytes, begin)?;
        Ok(page)
    }

    /// Calls `each` with every page that the span touches, where the span begins in it, and the part of the span.
    fn spans(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
        let mut done = 0;
        std::iter::from_fn(move || {
            let at = offset + done as u64;
            let within = (at % PAGE as u64) as usize;
            let part = (PAGE - within).min(length - done);
            let range = done..done + part;
            done += part;
            (part > 0).then_some((at / PAGE as u64, within, range))
        })
    }
}

impl StorageBackend for Overlay {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changed().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changed = self.changed();
        if offset.saturating_add(out.len() as u64) > changed.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, within, range) in Self::spans(offset, out.len()) {
            let page = self.page(&changed, number)?;
            let part = out.get_mut(range).into_iter().flatten();
            part.zip(page.iter().skip(within)).for_each(|(to, from)| *to = *from);
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut changed = self.changed();
        changed.length = length;
        changed.original = changed.original.min(length);
        changed.pages.retain(|number, _| number * (PAGE as u64) < length);
        if let Some(page) = changed.pages.get_mut(&(length / PAGE as u64)) {
            page.iter_mut()
                .skip((length % PAGE as u64) as usize)
                .for_each(|byte| *byte = 0);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut changed = self.changed();
        for (number, within, range) in Self::spans(offset, bytes.len()) {
            let mut page = self.page(&changed, number)?;
            let part = bytes.get(range).into_iter().flatten();
            page.iter_mut()
                .skip(within)
                .zip(part)
                .for_each(|(to, from)| *to = *from);
            changed.pages.insert(number, page);
        }
        changed.length = changed.length.max(offset.saturating_add(bytes.len() as u64));
        Ok(())
    }

    fn try_lock_range(&self, _start: Bound<u64>, _end: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn unlock_range(&self, _start: Bound<u64>, _end: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(bytes: &[u8]) -> Overlay {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        let length = bytes.len() as u64;
        let changed = Mutex::new(Changed {
            pages: HashMap::new(),
            length,
            original: length,
        });
        Overlay { file, changed }
    }

    fn all(overlay: &Overlay) -> Vec<u8> {
        let mut bytes = vec![1; overlay.len().unwrap() as usize];
        overlay.read(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn writes_are_seen_and_leave_the_file_alone() {
        let original: Vec<_> = (0..10_000_u32).map(|n| n as u8).collect();
        let overlay = overlay(&original);
        assert_eq!(all(&overlay), original);
        overlay.write(4090, &[7; 5000]).unwrap();
        overlay.write(9999, b"beyond").unwrap();
        let mut expected = original.clone();
        expected[4090..9090].fill(7);
        expected.truncate(9999);
        expected.extend(b"beyond");
        assert_eq!(all(&overlay), expected);
        let mut file = vec![0; 10_000];
        overlay.file.read_exact_at(&mut file, 0).unwrap();
        assert_eq!(file, original);
        assert_eq!(overlay.file.metadata().unwrap().len(), 10_000);
    }

    #[test]
    fn bytes_beyond_a_cut_are_zero() {
        let overlay = overlay(&[9; 9000]);
        overlay.write(4100, &[8; 10]).unwrap();
        overlay.set_len(4105).unwrap();
        overlay.set_len(12_000).unwrap();
        let mut expected = [vec![9; 4100], vec![8; 5]].concat();
        expected.resize(12_000, 0);
        assert_eq!(all(&overlay), expected);
        overlay.read(11_999, &mut [0; 2]).unwrap_err();
    }
}
