//! Hardening: the rights that the process gives up, and those that it asks for, before it reads a secret.

use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, umask};

/// Holds SIGHUP and SIGUSR1 back until there is someone to handle them: one that comes during a start must not kill the
/// daemon, and must not be lost. Blocks SIGXFSZ for good: a write beyond RLIMIT_FSIZE then fails with EFBIG, as one to
/// a full disk does, and does not kill the daemon. First thing in main, before any thread.
pub fn hold_signals() {
    // Each fails for a signal that does not exist.
    let _ = held().thread_block();
    let _ = SigSet::from(Signal::SIGXFSZ).thread_block();
}

/// Lets them in, once their handlers are there.
pub(super) fn release_signals() {
    let _ = held().thread_unblock(); // as above
}

fn held() -> SigSet {
    let mut set = SigSet::empty();
    set.add(Signal::SIGHUP);
    set.add(Signal::SIGUSR1);
    set
}

/// Whatever we make is ours alone.
pub(super) fn keep_files_private() {
    umask(Mode::from_bits_truncate(0o077));
}

/// No core dumps, no reading of our memory by others of our user, and all descriptors that we may have.
pub(super) fn harden() {
    let outcomes = [
        ("forbid core dumps", setrlimit(Resource::RLIMIT_CORE, 0, 0)),
        ("forbid dumps and tracing", set_dumpable(false)),
        ("raise the limit of open files", {
            getrlimit(Resource::RLIMIT_NOFILE).and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard))
        }),
    ];
    for (what, outcome) in outcomes {
        if let Err(error) = outcome {
            tracing::warn!(%error, "cannot {what}");
        }
    }
}
