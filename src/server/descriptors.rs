//! Open files, of which the system gives us only so many: connections leave some for all else, and what an accept loop
//! does when there is none.

use std::io;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};

use crate::config::Limits;
use jwtkeeper_log_limit::limited;

/// Open files that are not for connections: files that are read, the store, the audit, those at the door, peers of
/// metrics.
const RESERVE: usize = 256;

/// The time to wait when the system has no descriptor or memory left for a connection.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Returns the number of connections that are served at a time: as many as `limits` says, if the system gives us that
/// many open files.
pub(crate) fn connections(limits: &Limits) -> usize {
    limits.connections.min(most())
}

/// Says so, if it does not.
pub(crate) fn warning(limits: &Limits) -> Option<String> {
    let (wanted, most) = (limits.connections, most());
    (most < wanted).then(|| {
        format!(
            "limits.connections is {wanted}, and the system gives open files for {most}: raise the limit of open files \
             (LimitNOFILE in the unit, ulimit -n) to {}, or lower limits.connections",
            wanted + RESERVE
        )
    })
}

fn most() -> usize {
    // Were it not to be had, accept would tell.
    let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(u64::MAX, |(soft, _)| soft);
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    files.saturating_sub(RESERVE.min(files / 2)).max(1)
}

/// The state of an accept loop: a failure is logged when it begins and when it ends.
pub(crate) struct Trouble {
    what: &'static str,
    fails: bool,
}

impl Trouble {
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what, fails: false }
    }

    /// Returns what was accepted; if nothing was, waits a moment.
    pub(crate) async fn judge<T>(&mut self, accepted: io::Result<T>) -> Option<T> {
        let what = self.what;
        match accepted {
            Ok(accepted) => {
                if std::mem::take(&mut self.fails) {
                    limited!(info, "accepting again", key = what, "{what} is accepted again");
                }
                Some(accepted)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.fails, true) {
                    limited!(
                        warn,
                        "not accepted",
                        key = what,
                        "{what} could not be accepted; retrying: {error}"
                    );
                }
                tokio::time::sleep(BACK_OFF).await;
                None
            }
        }
    }
}
