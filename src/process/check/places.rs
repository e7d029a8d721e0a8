//! The places that a start opens or makes: the store, the sockets, the address of the metrics.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use nix::unistd::{AccessFlags, access, geteuid};
use socket2::{Domain, Socket, Type};

use super::Report;
use crate::config::{MetricsSettings, Settings};
use crate::process::metrics::refused;
use crate::process::{Failure, clock, state};
use crate::server::{BindError, SocketFile};
use jwtkeeper_store::OpenError;

pub(super) fn check(settings: &Settings, report: &mut Report) {
    check_store(settings, report);
    check_socket("the socket", &settings.socket, report);
    match &settings.metrics {
        Some(MetricsSettings::Socket { path, .. }) => check_socket("metrics.socket", path, report),
        Some(MetricsSettings::Listen(address)) => check_listen(*address, report),
        None => {}
    }
}

fn check_store(settings: &Settings, report: &mut Report) {
    match state::examine(settings, clock::now()) {
        Ok(0) => {}
        Ok(cutoffs) => report.warnings.push(format!(
            "{cutoffs} cutoffs in the denylist store lie in the future: the daemon is not ready after its next start; check the \
             host's clock"
        )),
        Err(Failure::Store(OpenError::InUse(path))) => {
            let what = format!("the denylist store {path}: in use by a running daemon; not opened");
            report.unchecked.push(what);
        }
        Err(failure) => return report.failures.push(failure),
    }
    let directory = &settings.state_dir;
    if let Err(errno) = access(directory, AccessFlags::W_OK | AccessFlags::X_OK) {
        let directory = directory.display();
        report.warnings.push(format!(
            "state_dir {directory}: {}: the store cannot be compacted there; give the directory to the daemon's user",
            errno.desc()
        ));
    }
}

fn check_socket(what: &str, path: &Path, report: &mut Report) {
    match SocketFile::examine(path) {
        Ok(()) => {}
        Err(BindError::InUse(path)) => {
            let path = path.display();
            report.unchecked.push(format!(
                "{what} {path}: a running daemon or its socket unit listens there"
            ));
        }
        // A dead daemon's socket is taken over by its user's next one. Which user that is, root does not tell.
        Err(BindError::Foreign { path, uid }) if geteuid().is_root() => {
            let path = path.display();
            report.unchecked.push(format!(
                "{what} {path}: a socket of the user {uid}; if the daemon runs as another user, remove it; name the daemon's user with --user"
            ));
        }
        Err(error) => report.failures.push(error.into()),
    }
}

/// Binds the address without listening on it, so that a daemon starting at the same time can still listen on it.
fn check_listen(address: SocketAddr, report: &mut Report) {
    let bound = Socket::new(Domain::for_address(address), Type::STREAM, None).and_then(|made| {
        made.set_reuse_address(true)?;
        made.bind(&address.into())
    });
    match bound {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => report.unchecked.push(format!(
            "metrics.listen {address}: in use, by a running daemon or by another program"
        )),
        Err(error) => report.failures.push(Failure::Metrics(refused(address, &error))),
    }
}
