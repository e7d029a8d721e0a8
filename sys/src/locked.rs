//! Bytes on pages of their own: locked in memory (never swapped), left out of core dumps, wiped when dropped.

use zeroize::Zeroize;

/// Bytes that never leave memory. No Debug, no Clone.
pub struct LockedBytes {
    // Fields drop in this order: the lock goes before the pages that it holds.
    lock: Option<region::LockGuard>,
    pages: region::Allocation,
    length: usize,
}

// SAFETY: the pages belong to this value alone, are written only before it is shared and while it is
// dropped, and neither mapping nor unlocking depends on the thread.
unsafe impl Send for LockedBytes {}
// SAFETY: as above; shared access only reads.
unsafe impl Sync for LockedBytes {}

impl LockedBytes {
    /// Moves `bytes` to locked pages and wipes where they were. An error means that no page could be had;
    /// a page that could not be locked (`RLIMIT_MEMLOCK`) is no error: see [`LockedBytes::is_locked`].
    pub fn new(mut bytes: Vec<u8>) -> std::io::Result<Self> {
        let length = bytes.len();
        let mut pages = region::alloc(length.max(1), region::Protection::READ_WRITE).map_err(std::io::Error::other)?;
        let lock = region::lock(pages.as_ptr::<u8>(), pages.len()).ok();
        // SAFETY: `pages` is one mapping of `pages.len()` bytes that this value owns. A kernel that does
        // not know the advice answers with an error, which changes nothing.
        unsafe {
            libc::madvise(pages.as_mut_ptr(), pages.len(), libc::MADV_DONTDUMP);
        }
        // SAFETY: the mapping is writable, at least `length` long, fresh (so it overlaps nothing), and no
        // reference to it exists yet.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), pages.as_mut_ptr::<u8>(), length);
        }
        bytes.zeroize();
        Ok(Self { lock, pages, length })
    }

    /// Whether the system agreed to keep the pages in memory.
    pub fn is_locked(&self) -> bool {
        self.lock.is_some()
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: the mapping lives as long as `self`, `length` bytes of it were written in `new`, and
        // nothing writes to it while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.pages.as_ptr::<u8>(), self.length) }
    }
}

impl Drop for LockedBytes {
    fn drop(&mut self) {
        let (start, length) = (self.pages.as_mut_ptr::<u8>(), self.length);
        // SAFETY: as in `as_bytes`, and `&mut self` means that no one else reads.
        unsafe { std::slice::from_raw_parts_mut(start, length) }.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_it_was_given() {
        for length in [0, 1, 32, 4096, 4097] {
            let bytes: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let locked = LockedBytes::new(bytes.clone()).unwrap();
            assert_eq!(locked.as_bytes(), bytes);
        }
    }
}
