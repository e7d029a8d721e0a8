//! Secret bytes: one type, without Debug or Clone, on locked pages, wiped when dropped.

use jwtkeeper_sys::LockedBytes;

/// A secret. It is shared by reference, never copied.
pub struct Secret(LockedBytes);

impl Secret {
    /// Takes the bytes over and wipes where they were; fails when the system has no page left.
    pub fn new(bytes: Vec<u8>) -> std::io::Result<Self> {
        LockedBytes::new(bytes).map(Secret)
    }

    /// The bytes, for the one who signs with them.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Returns true if the system agreed to keep them in memory.
    pub fn is_locked(&self) -> bool {
        self.0.is_locked()
    }
}
