//! A daemon started for one test in a directory of its own, and what tests ask of it.

pub mod cases;
pub mod daemon;
pub mod follow;
pub mod http;
pub mod load;
pub mod namespace;
pub mod rounds;
pub mod syscalls;
pub mod ways;
pub mod wire;

use std::sync::atomic::{AtomicBool, Ordering};

pub use crate::pace::{PATIENCE, Random, pace, until, wait_for};
pub use daemon::{Daemon, SECRET, Setup, exit_of};
pub use follow::{Figures, Follow};
pub use rounds::Rounds;
pub use wire::Wire;

/// Sets a flag however its scope ends: a test that fails must not leave a thread behind that waits for it.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does `work` over and over, with a number that grows, for as long as `body` takes.
pub fn meanwhile<T>(work: impl Fn(u64) + Sync, body: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| {
            (0..).take_while(|_| !over.load(Ordering::Relaxed)).for_each(&work);
        });
        body()
    })
}
