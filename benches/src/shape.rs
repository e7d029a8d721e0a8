//! The shapes of load, and how long each run takes.

use std::time::Duration;

/// How many connections ask, how many requests each keeps in flight, and who drives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// As it is printed.
    pub(crate) name: &'static str,
    /// Connections.
    pub(crate) connections: usize,
    /// Requests in flight on each.
    pub(crate) depth: usize,
    /// Who drives them.
    pub(crate) driver: Driver,
}

/// Who drives the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    /// A thread for each, which writes and reads and waits: an app server's threads with a blocking client.
    Threads,
    /// A few event loops for all: the leanest client there can be, which leaves its peers all the processor it can.
    Loops,
}

/// One connection that asks again once it is answered: an app's thread.
pub(crate) const C1: Shape = Shape {
    name: "c1",
    connections: 1,
    depth: 1,
    driver: Driver::Threads,
};

/// Fifty of them: a host's app servers.
pub(crate) const C50: Shape = Shape {
    name: "c50",
    connections: 50,
    ..C1
};

/// Fifty pipelined connections.
pub(crate) const C50X32: Shape = Shape {
    name: "c50x32",
    depth: 32,
    ..C50
};

/// As c50, from event loops.
pub(crate) const C50_LOOPS: Shape = Shape {
    name: "c50_loops",
    driver: Driver::Loops,
    ..C50
};

/// As c50x32, from event loops.
pub(crate) const C50X32_LOOPS: Shape = Shape {
    name: "c50x32_loops",
    driver: Driver::Loops,
    ..C50X32
};

/// All shapes of the reading operations.
pub(crate) const SHAPES: [Shape; 5] = [C1, C50, C50X32, C50_LOOPS, C50X32_LOOPS];

/// How long things take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Rounds of the runs that are compared.
    pub(crate) rounds: usize,
    /// Load before anything is counted.
    pub(crate) warm_up: Duration,
    /// What is counted of a compared run.
    pub(crate) compared: Duration,
    /// What is counted of a run that stands alone.
    pub(crate) alone: Duration,
    /// How often each start is repeated.
    pub(crate) starts: usize,
    /// Revocations that a fleet shares.
    pub(crate) shared: usize,
}

impl Pace {
    /// The whole bench: some five minutes.
    pub(crate) const FULL: Pace = Pace {
        rounds: 5,
        warm_up: Duration::from_millis(300),
        compared: Duration::from_millis(1000),
        alone: Duration::from_millis(2000),
        starts: 5,
        shared: 1_000_000,
    };

    /// Enough to see that everything works; its figures mean little.
    pub(crate) const QUICK: Pace = Pace {
        rounds: 1,
        warm_up: Duration::from_millis(50),
        compared: Duration::from_millis(150),
        alone: Duration::from_millis(150),
        starts: 1,
        shared: 10_000,
    };
}
