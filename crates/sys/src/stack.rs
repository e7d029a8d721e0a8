//! Stack memory that cryptographic operations leave behind: overwritten once they are over.

use std::mem::MaybeUninit;

/// Enough for an HMAC.
const MAC: usize = 8 * 1024;

/// Runs `work`, then overwrites the stack below this call, as far as an HMAC uses it. The result must not be a
/// secret. Not covered: deeper frames, registers, and the registers that the kernel saves for a signal or another
/// thread.
#[inline(always)]
pub fn with_scrubbed_stack<T>(work: impl FnOnce() -> T) -> T {
    with_scrubbed_stack_of::<MAC, T>(work)
}

/// As [`with_scrubbed_stack`], for `N` bytes of stack.
#[inline(never)]
pub fn with_scrubbed_stack_of<const N: usize, T>(work: impl FnOnce() -> T) -> T {
    let _scrub = Scrub::<N>; // after a panic too
    deeper(work)
}

/// A frame of its own, which starts where that of [`scrub`] starts.
#[inline(never)]
fn deeper<T>(work: impl FnOnce() -> T) -> T {
    work()
}

struct Scrub<const N: usize>;

impl<const N: usize> Drop for Scrub<N> {
    #[inline(always)]
    fn drop(&mut self) {
        scrub::<N>();
    }
}

#[inline(never)]
fn scrub<const N: usize>() {
    let mut frame = MaybeUninit::<[u8; N]>::uninit();
    // SAFETY: the array is a local of this function, N bytes long; zero is a valid byte.
    unsafe { std::ptr::write_bytes(frame.as_mut_ptr().cast::<u8>(), 0, N) };
    // The compiler must assume that the bytes are read, so it keeps the writes.
    std::hint::black_box(&frame);
}
