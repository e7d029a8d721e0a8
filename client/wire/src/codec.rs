//! Bytes of a message: bincode's legacy layout (fixed-width little-endian integers, u32 enum tags,
//! u64 lengths). The layout is the contract; the crate behind it is named in this file only.
//!
//! Every decode is limited (a lying length must not reserve memory) and complete (trailing bytes are
//! an error: the codec underneath does not look for them).

use bincode::config::{Configuration, Fixint, Limit, LittleEndian};
use bincode::enc::write::Writer;
use serde::{Deserialize, Serialize};

use crate::frame::MAX_FRAME;

/// A message that does not fit a frame, or that the layout cannot express.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The encoded message is longer than [`MAX_FRAME`].
    #[error("the message takes {0} bytes, more than a frame's {MAX_FRAME}")]
    TooLarge(usize),
    /// The message has a shape that the layout cannot express.
    #[error("the message cannot be encoded")]
    Unsupported,
}

/// Bytes that are not one whole message of the expected type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end early, or hold a value that the type does not have.
    #[error("the bytes are not a message of this type")]
    Malformed,
    /// Bytes follow the message.
    #[error("{0} bytes follow the message")]
    Trailing(usize),
}

const LAYOUT: Configuration<LittleEndian, Fixint, Limit<MAX_FRAME>> =
    bincode::config::legacy().with_limit::<MAX_FRAME>();

struct Append<'a>(&'a mut Vec<u8>);

impl Writer for Append<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), bincode::error::EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Appends the bytes of `message` to `out`. On an error `out` is as it was.
pub fn encode<T: Serialize>(message: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    let result = bincode::serde::encode_into_writer(message, Append(out), LAYOUT);
    let length = out.len().saturating_sub(start);
    if result.is_err() {
        out.truncate(start);
        return Err(EncodeError::Unsupported);
    }
    if length > MAX_FRAME {
        out.truncate(start);
        return Err(EncodeError::TooLarge(length));
    }
    Ok(())
}

/// The message that `bytes` hold, whole: strings and byte strings are borrowed from `bytes`.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    let (message, used) =
        bincode::serde::borrow_decode_from_slice(bytes, LAYOUT).map_err(|_| DecodeError::Malformed)?;
    match bytes.len().saturating_sub(used) {
        0 => Ok(message),
        rest => Err(DecodeError::Trailing(rest)),
    }
}
