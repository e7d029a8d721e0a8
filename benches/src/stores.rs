//! The redis store beside the embedded one: two daemons that differ in nothing else, each with 100,000 revoked tokens,
//! asked in turn.

use std::path::Path;

use crate::client::{Load, Requests, run};
use crate::dialect::{Expect, Frames};
use crate::fault::{Doing, Result};
use crate::measure::Measured;
use crate::peers::daemon::{Daemon, Home, Store};
use crate::peers::{Peer, redis};
use crate::rounds::Rounds;
use crate::shape::{C1, C50, C50X32, Pace, Shape};
use crate::startup::{ENTRIES, fill};
use crate::work;

/// How validates of each are called: the redis store's, and the embedded one's.
pub(crate) const VALIDATES: [&str; 2] = ["validate_redis", "validate_embedded"];
/// How revokes are called.
pub(crate) const REVOKES: [&str; 2] = ["revoke_redis", "revoke_embedded"];
/// The shapes of both.
pub(crate) const SHAPES: [Shape; 3] = [C1, C50, C50X32];

/// Validates are asked in so many times as many rounds, each as much shorter: their ratio is to be close to 1.
const FINER: u32 = 3;

/// Revokes of one run at the most: more than any store of today takes in its time.
const MOST: [usize; 3] = [20_000, 100_000, 250_000];

/// Both operations.
pub(crate) struct Stores {
    /// Validates.
    pub(crate) validate: Rounds,
    /// Revokes; none of them acknowledged before it stands where it must.
    pub(crate) revoke: Rounds,
}

/// The daemons, and the server of one of them.
struct Pair {
    redis: Daemon,
    embedded: Daemon,
    _server: Peer,
}

/// Runs all rounds. The store of `home` is replaced.
pub(crate) fn measure(
    home: &Home,
    program: &Path,
    disk: &Path,
    sockets: &Path,
    pace: Pace,
    loops: usize,
) -> Result<Stores> {
    let pair = Pair::start(home, program, disk, sockets)?;
    let load = |shape, part| Load {
        shape,
        warm_up: pace.warm_up / part,
        counted: pace.compared / part,
        loops,
    };
    // Both daemons have the same keys: they are asked the very same.
    let tokens = work::tokens(&pair.embedded, "", work::TOKENS)?;
    let (validates, claims) = work::validates("", &tokens)?;
    let one_validate = |name: &'static str, shape: Shape, _| {
        let (frames, requests) = (Frames(Expect::Valid(claims)), Requests::repeated(&validates));
        run(load(shape, FINER), &pair.of(name).peer, &frames, requests).doing(format!("{name} {}", shape.name))
    };
    let validate = Rounds::run(&VALIDATES, &SHAPES, pace.rounds * FINER as usize, one_validate)?;
    let one_revoke = |name: &'static str, shape: Shape, number: u64| -> Result<Measured> {
        let most = SHAPES.iter().zip(MOST).find(|(one, _)| **one == shape);
        let most = most.map_or(0, |(_, most)| most);
        let list = work::revokes(work::jtis(work::now()?, 100 + number).take(most))?;
        let (frames, requests) = (Frames(Expect::Done), Requests::once(&list));
        run(load(shape, 1), &pair.of(name).peer, &frames, requests).doing(format!("{name} {}", shape.name))
    };
    let revoke = Rounds::run(&REVOKES, &SHAPES, pace.rounds, one_revoke)?;
    Ok(Stores { validate, revoke })
}

impl Pair {
    fn start(home: &Home, program: &Path, disk: &Path, sockets: &Path) -> Result<Self> {
        let server = redis::start(sockets, "stores-redis")?;
        redis::revoke(&server, work::denied(work::now()?).take(ENTRIES)).doing("filling Redis")?;
        let shared = Home::make(program, disk, sockets, "stores", Store::Redis(&server))?;
        shared.empty_store()?;
        let redis = shared.start()?;
        redis.wait_for(ENTRIES)?;
        home.empty_store()?;
        fill(home.state())?;
        let embedded = home.start()?;
        embedded.wait_for(ENTRIES)?;
        Ok(Self {
            redis,
            embedded,
            _server: server,
        })
    }

    fn of(&self, name: &str) -> &Daemon {
        if name.ends_with("_redis") {
            &self.redis
        } else {
            &self.embedded
        }
    }
}
