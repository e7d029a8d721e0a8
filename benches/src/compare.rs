//! Validate beside the two that it is held against, in turn: each ratio is that of neighbouring runs, and the median of
//! all rounds is what counts. A machine that slows down half way slows all of them.

use std::path::Path;

use crate::client::{Load, Requests, run};
use crate::dialect::{Bulk, Expect, Frames};
use crate::fault::{Doing, Result};
use crate::measure::{Measured, median};
use crate::peers::daemon::{Daemon, Home};
use crate::peers::{echo, redis};
use crate::shape::{Pace, SHAPES, Shape};
use crate::work;

/// Who is asked, in the order of the table.
pub(crate) const PEERS: [&str; 3] = ["validate", "echo", "redis_get"];

/// The runs of one peer in one shape.
pub(crate) struct Series {
    /// One of [`PEERS`].
    pub(crate) peer: &'static str,
    /// The shape.
    pub(crate) shape: Shape,
    /// One run a round.
    pub(crate) runs: Vec<Measured>,
}

/// All of them.
pub(crate) struct Compared {
    /// Each peer in each shape.
    pub(crate) series: Vec<Series>,
    /// The length of the tokens.
    pub(crate) token_bytes: usize,
}

impl Compared {
    /// The median over the rounds of how many times as fast as `other` a validate is.
    pub(crate) fn ratio(&self, other: &str, shape: Shape) -> f64 {
        let rates = |peer: &str| -> Vec<f64> {
            let found = self.series.iter().find(|row| row.peer == peer && row.shape == shape);
            found.map_or_else(Vec::new, |row| row.runs.iter().map(|run| run.rps).collect())
        };
        let pairs = rates("validate").into_iter().zip(rates(other));
        median(pairs.map(|(own, other)| own / other).collect())
    }
}

/// Runs all rounds.
pub(crate) fn measure(home: &Home, sockets: &Path, pace: Pace, loops: usize) -> Result<Compared> {
    let redis = redis::start(sockets)?;
    let echo = echo::start(sockets)?;
    let daemon = ready_daemon(home)?;
    let tokens = work::tokens(&daemon, "", work::TOKENS)?;
    let (validates, claims) = work::validates("", &tokens)?;
    let gets = redis::requests();
    let frame = validates.first().map_or(0, Vec::len) - jwtkeeper_wire::LENGTH_BYTES;
    let once = |peer: &'static str, shape: Shape| {
        let load = Load {
            shape,
            warm_up: pace.warm_up,
            counted: pace.compared,
            loops,
        };
        let validates = Requests::repeated(&validates);
        match peer {
            "validate" => run(load, &daemon.peer, &Frames(Expect::Valid(claims)), validates),
            "echo" => run(load, &echo, &Frames(Expect::Echo(frame)), validates),
            _ => run(load, &redis, &Bulk(redis::VALUE), Requests::repeated(&gets)),
        }
        .doing(format!("{peer} {}", shape.name))
    };
    let mut series: Vec<_> = SHAPES
        .iter()
        .flat_map(|shape| PEERS.map(|peer| (peer, *shape)))
        .map(|(peer, shape)| Series {
            peer,
            shape,
            runs: Vec::new(),
        })
        .collect();
    for round in 0..pace.rounds {
        for shape in SHAPES {
            // Another peer goes first in each round.
            for turn in 0..PEERS.len() {
                let peer = PEERS.iter().cycle().nth(round + turn).copied().unwrap_or_default();
                let measured = once(peer, shape)?;
                let row = series.iter_mut().find(|row| row.peer == peer && row.shape == shape);
                row.ok_or("an unknown peer")?.runs.push(measured);
            }
        }
    }
    Ok(Compared {
        series,
        token_bytes: tokens.first().map_or(0, |token| token.text.len()),
    })
}

/// The daemon on a fresh store, with some revoked tokens in it.
pub(crate) fn ready_daemon(home: &Home) -> Result<Daemon> {
    home.empty_store()?;
    let daemon = home.start()?;
    let denied = work::revokes(work::jtis(work::now()?, 1).take(work::DENIED))?;
    daemon.ask_all(&denied, |_| Ok(())).doing("filling the denylist")?;
    Ok(daemon)
}
