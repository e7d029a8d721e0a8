//! A disk that can be cut from its power, run full, fail, or lie. It lives in memory: what was written is kept apart
//! from what was synced, and after a cut only the latter is sure to be there.

use std::io;
use std::sync::{Arc, Mutex};

use jwtkeeper_store::{Embedded, Journal, OpenError};

use crate::support::{Random, moment};

/// What a disk writes in one piece.
const SECTOR: usize = 512;

/// What goes wrong, at which operations that change the disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    None,
    /// From this operation on, the power is off: nothing works.
    PowerOff(u64),
    /// This one operation fails with an I/O error.
    ErrorAt(u64),
    /// The next sync panics, as a library may that finds what it never expected.
    PanicInSync,
    /// From this operation on there is no room to write, until the given number of operations has failed.
    FullFrom(u64, u64),
    /// The first sync from this operation on fails for want of room: a file system that finds room only then.
    FullSyncFrom(u64),
}

#[derive(Debug, Clone)]
enum Written {
    Bytes { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Debug, Default)]
struct State {
    /// What a reader sees.
    seen: Vec<u8>,
    /// What survives whatever happens.
    durable: Vec<u8>,
    /// What was written since the last sync.
    journal: Vec<Written>,
    operations: u64,
    failed: u64,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    fault: Mutex<Fault>,
    /// Sync does nothing: the positive control of every test here.
    lies: bool,
}

/// The disk. Its clones are the same disk.
#[derive(Debug, Clone)]
pub(crate) struct Disk(Arc<Inner>);

impl Disk {
    pub(crate) fn new(content: Vec<u8>, fault: Fault) -> Self {
        Self::build(content, fault, false)
    }

    /// A disk whose sync does nothing.
    pub(crate) fn lying(content: Vec<u8>, fault: Fault) -> Self {
        Self::build(content, fault, true)
    }

    fn build(content: Vec<u8>, fault: Fault, lies: bool) -> Self {
        let state = State {
            seen: content.clone(),
            durable: content,
            ..State::default()
        };
        Self(Arc::new(Inner {
            state: Mutex::new(state),
            fault: Mutex::new(fault),
            lies,
        }))
    }

    /// With a new, empty store on it.
    pub(crate) fn with_store() -> Vec<u8> {
        let disk = Self::new(Vec::new(), Fault::None);
        let backend = disk.clone();
        Journal::create_on(Box::new(move || backend.clone())).unwrap();
        disk.image(None)
    }

    /// Opens the store on it.
    pub(crate) fn open(&self, second: i64) -> Result<Embedded, OpenError> {
        let backend = self.clone();
        let journal = Journal::open_on(Box::new(move || backend.clone()))?;
        Embedded::on(journal, moment(second), 2000)
    }

    pub(crate) fn set_fault(&self, fault: Fault) {
        *self.0.fault.lock().unwrap() = fault;
    }

    /// How many operations have changed it, or tried to.
    pub(crate) fn operations(&self) -> u64 {
        self.0.state.lock().unwrap().operations
    }

    /// How many were refused.
    pub(crate) fn failed(&self) -> u64 {
        self.0.state.lock().unwrap().failed
    }

    /// What is on it once the power is back. Of what was written since the last sync nothing is there, or, by the
    /// numbers of `luck`, any part: writes whole, torn at a sector's edge, or lost, in any combination.
    pub(crate) fn image(&self, luck: Option<&mut Random>) -> Vec<u8> {
        let state = self.0.state.lock().unwrap();
        let mut image = state.durable.clone();
        let Some(luck) = luck else { return image };
        let style = luck.below(4);
        let cut = luck.below(state.journal.len() as u64 + 1) as usize;
        for (place, written) in state.journal.iter().enumerate() {
            let whole = match style {
                0 => place < cut, // in order, up to the cut
                1 => luck.below(2) == 0,
                2 => luck.below(8) != 0,
                _ => false,
            };
            match written {
                Written::Length(length) if whole || style != 3 => image.resize(*length, 0),
                Written::Length(_) => {}
                Written::Bytes { offset, bytes } => {
                    for (sector, part) in bytes.chunks(SECTOR).enumerate() {
                        if whole || (style == 3 || place == cut) && luck.below(2) == 0 {
                            put(&mut image, offset + sector * SECTOR, part);
                        }
                    }
                }
            }
        }
        image
    }

    /// One more operation that changes the disk: whether it works.
    fn step(&self, syncs: bool) -> io::Result<()> {
        let mut state = self.0.state.lock().unwrap();
        let number = state.operations;
        state.operations += 1;
        let error = match *self.0.fault.lock().unwrap() {
            Fault::PowerOff(from) if number >= from => Some(io::ErrorKind::NotConnected.into()),
            Fault::ErrorAt(at) if number == at => Some(io::Error::other("input/output error")),
            Fault::FullFrom(from, times) if !syncs && number >= from && state.failed < times => {
                Some(io::ErrorKind::StorageFull.into())
            }
            Fault::FullSyncFrom(from) if syncs && number >= from && state.failed == 0 => {
                Some(io::ErrorKind::StorageFull.into())
            }
            _ => None,
        };
        match error {
            Some(error) => {
                state.failed += 1;
                Err(error)
            }
            None => Ok(()),
        }
    }

    fn powered(&self) -> io::Result<()> {
        let state = self.0.state.lock().unwrap();
        match *self.0.fault.lock().unwrap() {
            Fault::PowerOff(from) if state.operations > from => Err(io::ErrorKind::NotConnected.into()),
            _ => Ok(()),
        }
    }
}

/// Writes as far as the disk reaches, and further: a lost change of length is made up for by the write.
fn put(image: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if image.len() < offset + bytes.len() {
        image.resize(offset + bytes.len(), 0);
    }
    image[offset..offset + bytes.len()].copy_from_slice(bytes);
}

impl redb::StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.powered()?;
        Ok(self.0.state.lock().unwrap().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.powered()?;
        let state = self.0.state.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        let bytes = state
            .seen
            .get(start..start + out.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.step(false)?;
        let mut state = self.0.state.lock().unwrap();
        let length = usize::try_from(length).unwrap();
        state.seen.resize(length, 0);
        state.journal.push(Written::Length(length));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let fault = *self.0.fault.lock().unwrap();
        assert!(fault != Fault::PanicInSync, "the test's own panic");
        self.step(true)?;
        if !self.0.lies {
            let mut state = self.0.state.lock().unwrap();
            state.durable = state.seen.clone();
            state.journal.clear();
        }
        Ok(())
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.step(false)?;
        let mut state = self.0.state.lock().unwrap();
        let offset = usize::try_from(offset).unwrap();
        put(&mut state.seen, offset, bytes);
        state.journal.push(Written::Bytes {
            offset,
            bytes: bytes.to_vec(),
        });
        Ok(())
    }
}
