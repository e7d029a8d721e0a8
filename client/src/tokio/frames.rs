//! Frames for tokio_util's codec: whole frames out, messages in.

use std::io;

use bytes::{Bytes, BytesMut};
use jwtkeeper_wire::{LENGTH_BYTES, MAX_FRAME, frame_length};
use tokio_util::codec::{Decoder, Encoder};

use crate::call::Failure;
use crate::error::Fault;

pub(super) struct Frames;

impl Decoder for Frames {
    type Item = Bytes;
    type Error = Failure;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Bytes>, Failure> {
        let length = match frame_length(bytes, MAX_FRAME) {
            Err(_) => return Err(Failure::Fault(Fault::FrameTooLarge)),
            Ok(None) => return Ok(None),
            Ok(Some(length)) => length,
        };
        let whole = LENGTH_BYTES + length;
        if bytes.len() < whole {
            bytes.reserve(whole - bytes.len());
            return Ok(None);
        }
        let mut frame = bytes.split_to(whole).freeze();
        Ok(Some(frame.split_off(LENGTH_BYTES)))
    }
}

impl Encoder<Vec<u8>> for Frames {
    type Error = Failure;

    fn encode(&mut self, frame: Vec<u8>, out: &mut BytesMut) -> Result<(), Failure> {
        out.extend_from_slice(&frame);
        Ok(())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn decode_all(bytes: &mut BytesMut) -> Vec<Bytes> {
        std::iter::from_fn(|| Frames.decode(bytes).unwrap()).collect()
    }

    #[test]
    fn frames_split_at_every_byte_give_the_same_messages() {
        let stream = b"\x03\0\0\0abc\0\0\0\0\x01\0\0\0d";
        for split in 0..=stream.len() {
            let mut bytes = BytesMut::from(&stream[..split]);
            let mut messages = decode_all(&mut bytes);
            bytes.extend_from_slice(&stream[split..]);
            messages.extend(decode_all(&mut bytes));
            assert_eq!(messages, [&b"abc"[..], b"", b"d"], "split at {split}");
        }
    }

    #[test]
    fn a_lying_length_reserves_nothing() {
        let mut bytes = BytesMut::from(&u32::MAX.to_le_bytes()[..]);
        let before = bytes.capacity();
        assert!(Frames.decode(&mut bytes).is_err());
        assert_eq!(bytes.capacity(), before);
    }
}
