//! For tests only: running a part of a test in a forked child, as preforking servers do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitStatus;
use std::time::{Duration, Instant};
use std::{io, os::unix::process::ExitStatusExt};

/// A forked child.
#[derive(Debug)]
pub struct Child {
    pid: libc::pid_t,
}

/// Runs `work` in a forked child, which exits with what it returns, or with 101 when it panics. Neither the test
/// harness nor any destructor of the parent's values runs in the child.
pub fn fork_run(work: impl FnOnce() -> u8) -> io::Result<Child> {
    // SAFETY: only the calling thread lives on in the child. POSIX promises no more than async-signal-safe calls
    // there; glibc and musl also keep the allocator usable, which is what a forking server rests on, and what
    // the tests that call this are about.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(101);
            // SAFETY: _exit takes any integer, runs nothing and does not return.
            unsafe { libc::_exit(i32::from(code)) }
        }
        pid => Ok(Child { pid }),
    }
}

impl Child {
    /// Waits for the child to end, at most this long; then it is killed.
    pub fn wait(self, limit: Duration) -> io::Result<ExitStatus> {
        let end = Instant::now() + limit;
        let mut status = 0;
        loop {
            // SAFETY: `status` outlives the call, and the pid is a child's that nobody has waited for.
            match unsafe { libc::waitpid(self.pid, &raw mut status, libc::WNOHANG) } {
                -1 => return Err(io::Error::last_os_error()),
                0 if Instant::now() < end => std::thread::park_timeout(Duration::from_millis(2)),
                0 => {
                    // SAFETY: as above; the child has not been waited for, so the pid is still its.
                    unsafe { libc::kill(self.pid, libc::SIGKILL) };
                    // SAFETY: as above.
                    unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
                    return Err(io::ErrorKind::TimedOut.into());
                }
                _ => return Ok(ExitStatus::from_raw(status)),
            }
        }
    }
}

/// Gives SIGPIPE back its default, which kills: how a host that is not written in Rust runs.
pub fn default_sigpipe() {
    // SAFETY: sets a disposition, installs no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}
