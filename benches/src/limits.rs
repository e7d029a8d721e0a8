//! The default limits: the share of what is possible that one uid gets, for each algorithm. Whole requests, one at a time on fifty
//! connections, to a daemon without a limit of requests and to one with the defaults, in the same run.

use std::path::Path;

use crate::client::{Load, Requests, run};
use crate::compare::ready_daemon;
use crate::dialect::{Expect, Frames};
use crate::fault::{Doing, Result};
use crate::measure::Measured;
use crate::peers::daemon::{Daemon, EDDSA, ES256, Home, RS256, Store};
use crate::shape::{C50_LOOPS, Pace};
use crate::work;

/// The realms, with the names of their algorithms.
const REALMS: [(&str, &str); 4] = [("", "hs256"), (RS256, "rs256"), (EDDSA, "eddsa"), (ES256, "es256")];

/// The validates of one algorithm.
pub(crate) struct Share {
    /// The algorithm.
    pub(crate) algorithm: &'static str,
    /// Without a limit.
    pub(crate) possible: Measured,
    /// With the default limits.
    pub(crate) limited: Measured,
}

impl Share {
    /// The share of what is possible.
    pub(crate) fn of_possible(&self) -> f64 {
        self.limited.rps / self.possible.rps
    }
}

/// Measures every algorithm on both daemons.
pub(crate) fn measure(program: &Path, disk: &Path, sockets: &Path, pace: Pace, loops: usize) -> Result<Vec<Share>> {
    let unlimited = Home::make(program, disk, sockets, "unlimited", Store::Embedded)?;
    let limited = Home::make(program, disk, sockets, "limited", Store::Embedded)?;
    limited.set_default_limits()?;
    let (unlimited, limited) = (ready_daemon(&unlimited)?, ready_daemon(&limited)?);
    let load = Load {
        shape: C50_LOOPS,
        warm_up: pace.warm_up,
        counted: pace.alone,
        loops,
    };
    let validates = |daemon: &Daemon, realm: &str| {
        let tokens = work::tokens(daemon, realm, work::TOKENS)?;
        let (list, claims) = work::validates(realm, &tokens)?;
        run(
            load,
            &daemon.peer,
            &Frames(Expect::Valid(claims)),
            Requests::repeated(&list),
        )
    };
    let one = |(realm, algorithm)| {
        Ok(Share {
            algorithm,
            possible: validates(&unlimited, realm).doing(algorithm)?,
            limited: validates(&limited, realm).doing(algorithm)?,
        })
    };
    REALMS.into_iter().map(one).collect()
}
