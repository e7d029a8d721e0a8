//! The threads for slow signatures: with a lower priority, few in number, and of one uid
//! only so many at a time.

use std::num::NonZero;

use tokio::runtime::{Builder, Runtime};

use jwtkeeper_core::jwt::{Algorithm, Family};

/// The nice value of these threads (setpriority(2)): a thread that wakes up beside them need not wait until they are
/// done.
const NICENESS: i32 = 10;

/// The threads.
pub fn signers() -> std::io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads())
        .thread_name("signer")
        .on_thread_start(|| {
            if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
                tracing::debug!(%error, "slow signatures run at normal priority");
            }
        })
        .build()
}

/// Returns the number of threads, and how many of them one uid may have: half of the processors, so that the others'
/// requests find another.
pub(super) fn threads() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    (processors / 2).max(1)
}

/// Returns true if a signature takes as long as hundreds of validates: it must not hold them up.
pub(crate) fn is_slow(algorithm: Algorithm) -> bool {
    algorithm.family() == Family::Rsa
}
