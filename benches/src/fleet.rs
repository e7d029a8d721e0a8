//! What 1,000,000 revocations cost: Redis's memory and processors, the daemon's, and the time until a daemon that starts
//! has read them all.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::client::{Asked, Load, Requests, run};
use crate::dialect::{Expect, Frames};
use crate::fault::{Doing, Result};
use crate::measure::ms;
use crate::peers::daemon::{Daemon, Home, Store};
use crate::peers::{Peer, redis};
use crate::shape::{C50X32, Pace};
use crate::work;

/// What the figures are of.
pub(crate) const MILLION: f64 = 1_000_000.0;

/// How long all revokes may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The figures. Memory in MiB and processor time in seconds, both for 1,000,000.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fleet {
    /// How many there were.
    pub(crate) shared: usize,
    /// Through the daemon.
    pub(crate) through: Through,
    /// By another host while the daemon followed.
    pub(crate) followed: Followed,
    /// By another host before the daemon was started.
    pub(crate) loaded: Loaded,
}

/// Revokes through a daemon, on fifty connections with 32 in flight on each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Through {
    /// Acknowledged in a second.
    pub(crate) acks_per_second: f64,
    /// Redis's memory.
    pub(crate) redis_mib: f64,
    /// Redis's processor time.
    pub(crate) redis_cpu_s: f64,
    /// The daemon's memory.
    pub(crate) daemon_mib: f64,
    /// The most that the daemon took over that of an empty one.
    pub(crate) daemon_peak_mib: f64,
    /// The daemon's processor time.
    pub(crate) daemon_cpu_s: f64,
    /// How long after the last acknowledgement the daemon was idle, in milliseconds, not scaled.
    pub(crate) idle_ms: f64,
}

/// SETs of another host, pipelined, which the daemon is told of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Followed {
    /// Redis's memory.
    pub(crate) redis_mib: f64,
    /// Redis's processor time.
    pub(crate) redis_cpu_s: f64,
    /// The daemon's memory.
    pub(crate) daemon_mib: f64,
    /// The most that the daemon took over that of an empty one.
    pub(crate) daemon_peak_mib: f64,
    /// The daemon's processor time.
    pub(crate) daemon_cpu_s: f64,
    /// How long the other host took, in milliseconds, not scaled.
    pub(crate) set_ms: f64,
    /// How long after the last SET the daemon had them all, in milliseconds, not scaled.
    pub(crate) behind_ms: f64,
}

/// A start with all of them in Redis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loaded {
    /// From the process's start until the copy was complete, in milliseconds, not scaled.
    pub(crate) complete_ms: f64,
    /// The daemon's memory over that of an empty one.
    pub(crate) daemon_mib: f64,
    /// The most that the daemon took over that of an empty one.
    pub(crate) daemon_peak_mib: f64,
    /// The daemon's processor time.
    pub(crate) daemon_cpu_s: f64,
    /// Redis's processor time.
    pub(crate) redis_cpu_s: f64,
}

/// Measures all of them, each on servers of its own.
pub(crate) fn measure(program: &Path, disk: &Path, sockets: &Path, pace: Pace, loops: usize) -> Result<Fleet> {
    let Pace { shared, .. } = pace;
    let server = redis::start(sockets, "through-redis")?;
    let home = Home::make(program, disk, sockets, "through", Store::Redis(&server))?;
    let through = through(&server, &empty(&home)?, shared, loops)?;
    drop(server);

    let server = redis::start(sockets, "fleet-redis")?;
    let home = Home::make(program, disk, sockets, "fleet", Store::Redis(&server))?;
    let daemon = empty(&home)?;
    let idle = daemon.idle_mib()?;
    let followed = followed(&server, &daemon, idle, shared)?;
    drop(daemon);
    home.empty_store()?;
    Ok(Fleet {
        shared,
        through,
        followed,
        loaded: loaded(&server, &home, idle, shared)?,
    })
}

/// A daemon that knows of nothing yet.
fn empty(home: &Home) -> Result<Daemon> {
    home.empty_store()?;
    let daemon = home.start()?;
    daemon.wait_for(0)?;
    Ok(daemon)
}

fn through(server: &Peer, daemon: &Daemon, revokes: usize, loops: usize) -> Result<Through> {
    let load = Load {
        shape: C50X32,
        warm_up: Duration::ZERO,
        counted: PATIENCE, // over when the requests are
        loops,
    };
    let list = work::revokes(work::jtis(work::now()?, 5).take(revokes))?;
    let (idle, worked, before) = (daemon.idle_mib()?, daemon.peer.cpu()?, redis::taken(server)?);
    let measured = run(load, &daemon.peer, &Frames(Expect::Done), Requests::once(&list)).doing("revokes")?;
    if measured.count != revokes as u64 {
        return Err(format!("{} of {revokes} revokes were acknowledged in time", measured.count).into());
    }
    // What is done after the last acknowledgement counts as well.
    let acknowledged = Instant::now();
    let memory = daemon.idle_mib()?;
    let idle_after = acknowledged.elapsed();
    let (after, scale) = (redis::taken(server)?, MILLION / revokes as f64);
    Ok(Through {
        acks_per_second: measured.rps,
        redis_mib: (after.memory_mib - before.memory_mib) * scale,
        redis_cpu_s: (after.cpu_s - before.cpu_s) * scale,
        daemon_mib: (memory - idle) * scale,
        daemon_peak_mib: (daemon.memory_mib("VmHWM")? - idle) * scale,
        daemon_cpu_s: daemon.peer.cpu()?.saturating_sub(worked).as_secs_f64() * scale,
        idle_ms: ms(idle_after),
    })
}

fn followed(server: &Peer, daemon: &Daemon, idle: f64, entries: usize) -> Result<Followed> {
    let (worked, before) = (daemon.peer.cpu()?, redis::taken(server)?);
    let began = Instant::now();
    redis::revoke(server, work::denied(work::now()?).take(entries)).doing("filling Redis")?;
    let set = Instant::now();
    daemon.wait_for(entries).doing("following")?;
    let behind = set.elapsed();
    let memory = daemon.idle_mib()?;
    let (after, scale) = (redis::taken(server)?, MILLION / entries as f64);
    Ok(Followed {
        redis_mib: (after.memory_mib - before.memory_mib) * scale,
        redis_cpu_s: (after.cpu_s - before.cpu_s) * scale,
        daemon_mib: (memory - idle) * scale,
        daemon_peak_mib: (daemon.memory_mib("VmHWM")? - idle) * scale,
        daemon_cpu_s: daemon.peer.cpu()?.saturating_sub(worked).as_secs_f64() * scale,
        set_ms: ms(set - began),
        behind_ms: ms(behind),
    })
}

fn loaded(server: &Peer, home: &Home, idle: f64, entries: usize) -> Result<Loaded> {
    let before = redis::taken(server)?;
    let began = Instant::now();
    let daemon = home.start()?;
    daemon.wait_for(entries).doing("reading all at a start")?;
    let complete = began.elapsed();
    let memory = daemon.idle_mib()?;
    let (after, scale) = (redis::taken(server)?, MILLION / entries as f64);
    Ok(Loaded {
        complete_ms: ms(complete),
        daemon_cpu_s: daemon.peer.cpu()?.as_secs_f64() * scale,
        redis_cpu_s: (after.cpu_s - before.cpu_s) * scale,
        daemon_mib: (memory - idle) * scale,
        daemon_peak_mib: (daemon.memory_mib("VmHWM")? - idle) * scale,
    })
}
