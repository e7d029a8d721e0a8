//! The socket that the service manager hands over, if it does (LISTEN_FDS, sd_listen_fds(3)): it listens already, and
//! goes on listening when we end, so that a restart refuses nobody. Its file is the manager's.

use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use nix::sys::socket::{getsockopt, sockopt};

/// Why what was handed over cannot be served on, and what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the texts say it
pub enum ActivationError {
    #[error("{0} sockets were handed over (LISTEN_FDS); have the socket unit hand over one, by one ListenStream=")]
    Many(usize),
    #[error("what was handed over (LISTEN_FDS) is no Unix stream socket: {0}; set ListenStream= to a path")]
    NotAStream(std::io::Error),
    #[error("the socket that was handed over (LISTEN_FDS) does not listen; set Accept=no in the socket unit")]
    NotListening,
    #[error("the socket that was handed over (LISTEN_FDS) cannot be used: {0}")]
    System(std::io::Error),
}

/// The socket that was handed over; none where none was, or where it is for another process.
pub(super) fn passed() -> Result<Option<UnixListener>, ActivationError> {
    let mut passed = ListenFd::from_env();
    match passed.len() {
        0 => return Ok(None),
        1 => {}
        many => return Err(ActivationError::Many(many)),
    }
    let Some(listener) = passed.take_unix_listener(0).map_err(ActivationError::NotAStream)? else {
        return Ok(None);
    };
    match getsockopt(&listener, sockopt::AcceptConn) {
        Ok(true) => {}
        Ok(false) => return Err(ActivationError::NotListening),
        Err(errno) => return Err(ActivationError::System(errno.into())),
    }
    listener.set_nonblocking(true).map_err(ActivationError::System)?;
    Ok(Some(listener))
}
