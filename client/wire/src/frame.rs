//! Frames: a u32 little-endian length, then that many bytes of one message.

use serde::Serialize;

use crate::codec::{EncodeError, encode};

/// The longest message in a frame, its length not counted.
pub const MAX_FRAME: usize = 64 * 1024;

/// The bytes of a frame's length.
pub const LENGTH_BYTES: usize = 4;

/// A frame that must not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {length} bytes, where {limit} are the limit")]
pub struct FrameError {
    /// The length that the frame claims.
    pub length: usize,
    /// The limit.
    pub limit: usize,
}

/// The length of the message of the frame that `bytes` begin with, not counting the length itself;
/// `None` when too few bytes are there to say. Nothing is reserved for a length that is refused.
pub fn frame_length(bytes: &[u8], limit: usize) -> Result<Option<usize>, FrameError> {
    let Some(prefix) = bytes.first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*prefix) as usize;
    if length > limit.min(MAX_FRAME) {
        return Err(FrameError { length, limit });
    }
    Ok(Some(length))
}

/// Appends `message` as a frame. On an error `out` is as it was.
pub fn put_frame<T: Serialize>(message: &T, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    let body = out.len();
    if let Err(error) = encode(message, out) {
        out.truncate(start);
        return Err(error);
    }
    let length = (out.len() - body) as u32; // at most MAX_FRAME: encode checked
    if let Some(prefix) = out.get_mut(start..body) {
        prefix.copy_from_slice(&length.to_le_bytes());
    }
    Ok(())
}
