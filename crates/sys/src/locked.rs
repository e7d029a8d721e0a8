//! Secrets on pages of their own: locked in memory (never swapped), left out of core dumps, wiped when dropped.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Deref;

use zeroize::Zeroize;

use crate::stack::with_scrubbed_stack;

/// Pages that are locked where the system allows it, and zeroed before they are given back.
struct Pages {
    // Fields drop in this order: the lock goes before the pages that it holds.
    lock: Option<region::LockGuard>,
    pages: region::Allocation,
}

// SAFETY: the pages belong to this value alone; neither mapping nor unlocking depends on the thread.
unsafe impl Send for Pages {}
// SAFETY: shared access only reads the address and the length.
unsafe impl Sync for Pages {}

impl Pages {
    fn new(length: usize) -> std::io::Result<Self> {
        let mut pages = region::alloc(length.max(1), region::Protection::READ_WRITE).map_err(std::io::Error::other)?;
        let lock = region::lock(pages.as_ptr::<u8>(), pages.len()).ok();
        // SAFETY: `pages` is one mapping of `pages.len()` bytes that this value owns. A kernel that does
        // not know the advice answers with an error, which changes nothing.
        unsafe {
            libc::madvise(pages.as_mut_ptr(), pages.len(), libc::MADV_DONTDUMP);
        }
        Ok(Self { lock, pages })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        let (start, length) = (self.pages.as_mut_ptr::<MaybeUninit<u8>>(), self.pages.len());
        // SAFETY: the mapping is writable and `length` long, and `&mut self` means that no one else reads. Nothing is asked of
        // the bytes: a value's padding may be among them.
        unsafe { std::slice::from_raw_parts_mut(start, length) }.zeroize();
    }
}

/// Bytes that never leave memory. No Debug, no Clone.
pub struct LockedBytes {
    pages: Pages,
    length: usize,
}

impl LockedBytes {
    /// Moves `bytes` to locked pages and wipes where they were. An error means that no page could be had;
    /// a page that could not be locked (`RLIMIT_MEMLOCK`) is no error: see [`LockedBytes::is_locked`].
    pub fn new(mut bytes: Vec<u8>) -> std::io::Result<Self> {
        let length = bytes.len();
        let mut pages = Pages::new(length)?;
        // SAFETY: the mapping is writable, at least `length` long, fresh (so it overlaps nothing), and no
        // reference to it exists yet.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), pages.pages.as_mut_ptr::<u8>(), length);
        }
        bytes.zeroize();
        Ok(Self { pages, length })
    }

    /// Returns true if the system agreed to keep the pages in memory.
    pub fn is_locked(&self) -> bool {
        self.pages.lock.is_some()
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: the mapping lives as long as `self`, `length` bytes of it were written in `new`, and
        // nothing writes to it while `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.pages.pages.as_ptr::<u8>(), self.length) }
    }
}

/// A value on locked pages, wiped after it is dropped. What it points to lies elsewhere.
pub struct Locked<T> {
    pages: Pages,
    value: PhantomData<T>,
}

impl<T> Locked<T> {
    /// Builds a value and moves it to locked pages; the stack where it was built is overwritten.
    pub fn new(build: impl FnOnce() -> T) -> std::io::Result<Self> {
        const { assert!(align_of::<T>() <= 4096, "pages are aligned to 4096 bytes or more") };
        let mut pages = Pages::new(size_of::<T>())?;
        let place = pages.pages.as_mut_ptr::<T>();
        // SAFETY: the mapping is fresh, writable, at least as long as T and aligned to a page.
        with_scrubbed_stack(|| unsafe { place.write(build()) });
        Ok(Self {
            pages,
            value: PhantomData,
        })
    }
}

impl<T> Deref for Locked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: `new` wrote a T there, only `drop` takes it away, and nothing writes to it while `self` is borrowed.
        unsafe { &*self.pages.pages.as_ptr::<T>() }
    }
}

impl<T> Drop for Locked<T> {
    fn drop(&mut self) {
        // SAFETY: the T of `new`, dropped once; `Pages` then overwrites its bytes.
        unsafe { self.pages.pages.as_mut_ptr::<T>().drop_in_place() };
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

    #[test]
    fn drops_its_value_once() {
        let counted = std::sync::Arc::new(());
        let locked = Locked::new(|| counted.clone()).unwrap();
        assert_eq!(std::sync::Arc::strong_count(&locked), 2);
        drop(locked);
        assert_eq!(std::sync::Arc::strong_count(&counted), 1);
    }
}
