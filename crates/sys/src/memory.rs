//! Memory that was freed, and that the allocator keeps.

/// Returns freed memory to the system. The allocator keeps most of what was freed in small pieces, in case it is
/// needed again: after millions of entries have gone, hundreds of megabytes. Only where that is worth some
/// milliseconds of work.
pub fn return_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, touches only what is free, and may be called from any thread (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}
