//! Validate beside the two that it is held against.

use std::path::Path;

use crate::client::{Load, Requests, run};
use crate::dialect::{Bulk, Expect, Frames};
use crate::fault::{Doing, Result};
use crate::peers::daemon::{Daemon, Home};
use crate::peers::{echo, redis};
use crate::rounds::Rounds;
use crate::shape::{Pace, SHAPES, Shape};
use crate::work;

/// Who is asked, in the order of the table.
pub(crate) const PEERS: [&str; 3] = ["validate", "echo", "redis_get"];

/// All of them.
pub(crate) struct Compared {
    /// Each peer in each shape.
    pub(crate) rounds: Rounds,
    /// The length of the tokens.
    pub(crate) token_bytes: usize,
}

impl Compared {
    /// The median over the rounds of how many times as fast as `other` a validate is.
    pub(crate) fn ratio(&self, other: &str, shape: Shape) -> f64 {
        self.rounds.ratio("validate", other, shape)
    }
}

/// Runs all rounds.
pub(crate) fn measure(home: &Home, sockets: &Path, pace: Pace, loops: usize) -> Result<Compared> {
    let redis = redis::start(sockets, "redis")?;
    redis::set_keys(&redis)?;
    let echo = echo::start(sockets)?;
    let daemon = ready_daemon(home)?;
    let tokens = work::tokens(&daemon, "", work::TOKENS)?;
    let (validates, claims) = work::validates("", &tokens)?;
    let gets = redis::requests();
    let frame = validates.first().map_or(0, Vec::len) - jwtkeeper_wire::LENGTH_BYTES;
    let once = |peer: &'static str, shape: Shape, _| {
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
    let rounds = Rounds::run(&PEERS, &SHAPES, pace.rounds, once)?;
    Ok(Compared {
        rounds,
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
