//! The supplementary groups of the process at the other end of a Unix socket.

use std::os::fd::{AsRawFd, BorrowedFd};

/// The groups that the peer of `socket` had when it connected (`SO_PEERGROUPS`, Linux 4.13), its primary
/// group not counted.
pub fn peer_groups(socket: BorrowedFd<'_>) -> std::io::Result<Vec<u32>> {
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let mut bytes = (groups.len() * size_of::<libc::gid_t>()) as libc::socklen_t;
        // SAFETY: the buffer is `bytes` long and writable, and both live through the call.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &mut bytes,
            )
        };
        let count = bytes as usize / size_of::<libc::gid_t>();
        if result == 0 {
            groups.truncate(count);
            return Ok(groups);
        }
        let error = std::io::Error::last_os_error();
        // ERANGE: the kernel has put the length that it needs into `bytes`.
        if error.raw_os_error() != Some(libc::ERANGE) || count <= groups.len() {
            return Err(error);
        }
        groups.resize(count, 0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    #[test]
    fn answers_for_a_pair_of_our_own() {
        let (one, _two) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(super::peer_groups(one.as_fd()).is_ok());
    }
}
