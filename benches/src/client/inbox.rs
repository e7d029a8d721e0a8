//! Bytes that were read and not yet taken.

use std::io::{Read, Result};

use jwtkeeper_wire::{LENGTH_BYTES, MAX_FRAME};

/// Room for the longest reply twice over.
const ROOM: usize = 2 * (LENGTH_BYTES + MAX_FRAME);

/// A buffer between a socket and the replies in it.
pub(super) struct Inbox {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
}

/// What a read brought.
pub(super) struct Arrived {
    /// How many bytes; 0 at the end of the stream.
    pub(super) bytes: usize,
    /// The read had room for more than came: the socket is empty.
    pub(super) drained: bool,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; ROOM],
            from: 0,
            to: 0,
        }
    }

    /// One read into the free room.
    pub(super) fn fill(&mut self, source: &mut impl Read) -> Result<Arrived> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        } else if self.to > ROOM / 2 {
            self.bytes.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        let room = self.bytes.get_mut(self.to..).unwrap_or_default();
        let size = room.len();
        let bytes = source.read(room)?;
        self.to += bytes;
        Ok(Arrived {
            bytes,
            drained: bytes < size,
        })
    }

    /// What is there.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.from..self.to).unwrap_or_default()
    }

    /// The first bytes were taken.
    pub(super) fn take(&mut self, count: usize) {
        self.from += count;
    }
}
