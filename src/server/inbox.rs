//! Bytes read and not yet handled: one buffer, of bounded size, that gives out whole frames.

use std::ops::Range;

use jwtkeeper_wire::{FrameError, LENGTH_BYTES, frame_length};

/// The first size of an inbox, which it falls back to when its connection is idle.
const SMALL: usize = 4 * 1024;

/// The buffer.
pub(super) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; SMALL],
            start: 0,
            end: 0,
        }
    }

    /// Returns the space for the next read. It grows while reads fill it, up to one whole frame of `limit`.
    pub(super) fn spare(&mut self, limit: usize) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.end == self.bytes.len() {
            if self.start > 0 {
                self.bytes.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            let most = (limit + LENGTH_BYTES).max(SMALL);
            if self.bytes.len() < most {
                self.bytes.resize((self.bytes.len() * 2).min(most), 0);
            }
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Takes note that so many bytes were read into [`Inbox::spare`].
    pub(super) fn filled(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// Returns the bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The next whole frame's message, which counts as handled from here on; its bytes are at [`Inbox::message`].
    pub(super) fn next(&mut self, limit: usize) -> Result<Option<Range<usize>>, FrameError> {
        let Some(length) = frame_length(self.bytes(), limit)? else {
            return Ok(None);
        };
        let body = self.start + LENGTH_BYTES;
        if self.end - body < length {
            return Ok(None);
        }
        self.start = body + length;
        Ok(Some(body..self.start))
    }

    /// The bytes of a message that [`Inbox::next`] gave out.
    pub(super) fn message(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// Gives memory back that a busy connection needed.
    pub(super) fn rest(&mut self) {
        if self.is_empty() && self.bytes.len() > SMALL {
            *self = Self::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However the bytes arrive, the same messages come out.
    #[test]
    fn frames_cut_at_every_byte_are_the_same_messages() {
        let messages: Vec<Vec<u8>> = [0, 1, 3, 4096, 5000, 2, 0, 9000]
            .iter()
            .map(|n| vec![*n as u8; *n])
            .collect();
        let mut stream = Vec::new();
        for message in &messages {
            stream.extend_from_slice(&(message.len() as u32).to_le_bytes());
            stream.extend_from_slice(message);
        }
        for cut in 1..stream.len() {
            let (one, two) = stream.split_at(cut);
            let mut inbox = Inbox::new();
            let mut found = Vec::new();
            for mut part in [one, two] {
                while !part.is_empty() {
                    let spare = inbox.spare(10_000);
                    let count = spare.len().min(part.len());
                    spare[..count].copy_from_slice(&part[..count]);
                    inbox.filled(count);
                    part = &part[count..];
                    while let Some(range) = inbox.next(10_000).unwrap() {
                        found.push(inbox.message(range).to_vec());
                    }
                }
            }
            assert_eq!(found, messages, "cut at {cut}");
            assert!(inbox.is_empty());
        }
    }

    #[test]
    fn a_length_above_the_limit_reserves_nothing() {
        let mut inbox = Inbox::new();
        inbox.spare(1024)[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        inbox.filled(4);
        assert!(inbox.next(1024).is_err());
        assert_eq!(inbox.bytes.len(), SMALL);
    }
}
