//! The operations that sign or that the disk must keep, and the validates of another algorithm: each alone, on one
//! connection and on fifty.

use serde_json::Value;

use crate::client::{Load, Requests, run};
use crate::compare::ready_daemon;
use crate::dialect::{Expect, Frames};
use crate::fault::{Doing, Result};
use crate::measure::Measured;
use crate::peers::daemon::{Daemon, ES256, Home};
use crate::shape::{C1, C50, C50X32, Pace, Shape};
use crate::work;

/// Requests a second that no disk of today takes: so many are made ready where each can be sent once only.
const MOST: [(Shape, f64); 2] = [(C1, 15_000.0), (C50, 60_000.0)];

/// The figures of one operation in each shape.
pub(crate) type Rows = Vec<(Shape, Measured)>;

/// The daemon and how it is asked.
pub(crate) struct Changes {
    daemon: Daemon,
    pace: Pace,
    loops: usize,
}

impl Changes {
    /// A daemon on a fresh store.
    pub(crate) fn start(home: &Home, pace: Pace, loops: usize) -> Result<Self> {
        let daemon = ready_daemon(home)?;
        Ok(Self { daemon, pace, loops })
    }

    fn run(&self, name: &str, shape: Shape, expect: Expect, requests: Requests<'_>) -> Result<(Shape, Measured)> {
        let load = Load {
            shape,
            warm_up: self.pace.warm_up,
            counted: self.pace.alone,
            loops: self.loops,
        };
        let measured = run(load, &self.daemon.peer, &Frames(expect), requests);
        Ok((shape, measured.doing(format!("{name} {}", shape.name))?))
    }

    /// How many requests a run may use up.
    fn enough(&self, rate: f64) -> usize {
        ((self.pace.warm_up + self.pace.alone).as_secs_f64() * rate) as usize
    }

    /// Validates of ES256.
    pub(crate) fn validate_es256(&self) -> Result<Rows> {
        let tokens = work::tokens(&self.daemon, ES256, work::TOKENS)?;
        let (list, claims) = work::validates(ES256, &tokens)?;
        let requests = Requests::repeated(&list);
        let one = |shape| self.run("validate_es256", shape, Expect::Valid(claims), requests);
        [C1, C50, C50X32].into_iter().map(one).collect()
    }

    /// Issues.
    pub(crate) fn issue(&self) -> Result<Rows> {
        let list = work::issues("", work::TOKENS)?;
        let one = |shape| self.run("issue", shape, Expect::Issued, Requests::repeated(&list));
        [C1, C50].into_iter().map(one).collect()
    }

    /// Rotations, each of a token of its own.
    pub(crate) fn rotate(&self) -> Result<Rows> {
        let one = |(shape, rate)| {
            let tokens = work::tokens(&self.daemon, "", self.enough(rate))?;
            let list = work::rotates(&tokens)?;
            self.run("rotate", shape, Expect::Rotated, Requests::once(&list))
        };
        MOST.into_iter().map(one).collect()
    }

    /// Revocations of as many jtis, and how many were acknowledged for each fsync on fifty connections.
    pub(crate) fn revoke(&self) -> Result<(Rows, f64)> {
        let mut rows = Rows::new();
        let mut acks_per_fsync = 0.0;
        for (seed, (shape, rate)) in (10..).zip(MOST) {
            let list = work::revokes(work::jtis(work::now()?, seed).take(self.enough(rate)))?;
            let before = self.written()?;
            rows.push(self.run("revoke", shape, Expect::Done, Requests::once(&list))?);
            let after = self.written()?;
            acks_per_fsync = (after.changes - before.changes) / (after.commits - before.commits).max(1.0);
        }
        Ok((rows, acks_per_fsync))
    }

    fn written(&self) -> Result<Written> {
        let health = self.daemon.health()?;
        let count = |name: &str| {
            let found = health.pointer(name).and_then(Value::as_f64);
            found.ok_or_else(|| format!("the health document has no {name}"))
        };
        Ok(Written {
            changes: count("/store/changes")?,
            commits: count("/store/commits")?,
        })
    }
}

/// What the store has made durable.
struct Written {
    changes: f64,
    commits: f64,
}
