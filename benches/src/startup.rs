//! How soon the daemon serves, and how much memory it takes before anyone has asked.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use jwtkeeper::denylist::{Denylist, Embedded};

use crate::fault::{Doing, Result};
use crate::in_process::{revoke, runtime};
use crate::measure::{median, ms};
use crate::peers::daemon::{Daemon, Home};
use crate::work;

/// Entries of the full store.
const ENTRIES: usize = 100_000;
/// Entries written in one step while it is filled.
const STEP: usize = 1000;
/// How long a daemon has been idle when its memory is looked at.
const IDLE: Duration = Duration::from_millis(300);

/// The figures. Times are from the process's start to the answer to its first ping, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Startup {
    /// Resident memory on an empty store, in MiB.
    pub(crate) idle_rss_mib: f64,
    /// Resident memory with the full store, in MiB.
    pub(crate) full_rss_mib: f64,
    /// On an empty store.
    pub(crate) ready_ms: f64,
    /// On a store of 100,000 entries that was closed in order.
    pub(crate) load_ms: f64,
    /// On the same after the process was killed.
    pub(crate) load_after_kill_ms: f64,
}

/// Starts the daemon again and again. Its store is replaced.
pub(crate) fn measure(home: &Home, aside: &Path, starts: usize) -> Result<Startup> {
    let (mut ready, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..starts {
        home.empty_store()?;
        let (daemon, time) = timed_start(home)?;
        ready.push(time);
        memory.push(idle_rss_mib(&daemon)?);
    }
    home.empty_store()?;
    fill(home.state())?;
    copy(home.state(), aside)?;
    let (mut load, mut after_kill, mut full) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..starts {
        home.no_store()?;
        copy(aside, home.state())?;
        let (daemon, time) = timed_start(home)?;
        check_full(&daemon)?;
        load.push(time);
        full.push(idle_rss_mib(&daemon)?);
        drop(daemon); // by SIGKILL
        after_kill.push(timed_start(home)?.1);
    }
    Ok(Startup {
        idle_rss_mib: median(memory),
        full_rss_mib: median(full),
        ready_ms: median(ready),
        load_ms: median(load),
        load_after_kill_ms: median(after_kill),
    })
}

fn timed_start(home: &Home) -> Result<(Daemon, f64)> {
    let began = Instant::now();
    let daemon = home.start()?;
    Ok((daemon, ms(began.elapsed())))
}

fn idle_rss_mib(daemon: &Daemon) -> Result<f64> {
    let until = Instant::now() + IDLE;
    while Instant::now() < until {
        std::thread::park_timeout(IDLE);
    }
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.peer.pid())).doing("the daemon's status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    Ok(kib.ok_or("the daemon's status has no VmRSS")? / 1024.0)
}

fn check_full(daemon: &Daemon) -> Result<()> {
    let health = daemon.health()?;
    match health.pointer("/store/entries").and_then(serde_json::Value::as_u64) {
        Some(entries) if entries >= ENTRIES as u64 => Ok(()),
        entries => Err(format!("the daemon loaded {entries:?} of {ENTRIES} entries").into()),
    }
}

/// Fills the store while no daemon has it.
fn fill(state: &Path) -> Result<()> {
    let now = work::now()?;
    let store = Embedded::open(state, now, 2000).doing("filling the store")?;
    let realm = store.index().realm("default");
    let jtis: Vec<_> = work::jtis(now, 3).take(ENTRIES).collect();
    let runtime = runtime()?;
    for step in jtis.chunks(STEP) {
        runtime
            .block_on(store.apply(&realm, revoke(step.iter().cloned(), now)))
            .doing("filling the store")?;
    }
    store.close();
    Ok(())
}

/// Copies the files of a directory and waits until the disk has them: a start is not to pay for that.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).doing("copying the store")?;
    for entry in fs::read_dir(from).doing("copying the store")? {
        let entry = entry.doing("copying the store")?;
        if entry.file_type().doing("copying the store")?.is_file() {
            let copied = to.join(entry.file_name());
            fs::copy(entry.path(), &copied).doing("copying the store")?;
            let copied = fs::File::open(copied).doing("copying the store")?;
            copied.sync_all().doing("copying the store")?;
        }
    }
    Ok(())
}
