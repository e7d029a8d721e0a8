//! Who is at the other end of the socket.

use std::io;
use std::os::fd::AsFd;

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;

use crate::call::Failure;
use crate::error::Fault;

/// Refuses a peer that does not run as `expected`: an impostor that bound the path first.
pub(crate) fn check(socket: &impl AsFd, expected: Option<u32>) -> Result<(), Failure> {
    let Some(expected) = expected else {
        return Ok(());
    };
    let credentials = getsockopt(socket, PeerCredentials).map_err(|error| Failure::Broken(io::Error::from(error)))?;
    match credentials.uid() {
        found if found == expected => Ok(()),
        found => Err(Failure::Fault(Fault::WrongUid { found, expected })),
    }
}
