//! How soon the daemon serves, and how much memory it takes before anyone has asked.

use std::fs;
use std::path::Path;
use std::time::Instant;

use jwtkeeper_core::denylist::Denylist;
use jwtkeeper_store::Embedded;

use crate::fault::{Doing, Result};
use crate::in_process::{revoke, runtime};
use crate::measure::{median, ms};
use crate::peers::daemon::{Daemon, Home};
use crate::work;

/// Entries of the full store.
pub(crate) const ENTRIES: usize = 100_000;
/// Entries written in one step while it is filled.
const STEP: usize = 1000;

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
        memory.push(daemon.idle_mib()?);
    }
    home.empty_store()?;
    fill(home.state())?;
    copy(home.state(), aside)?;
    let (mut load, mut after_kill, mut full) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..starts {
        home.no_store()?;
        copy(aside, home.state())?;
        let (daemon, time) = timed_start(home)?;
        daemon.wait_for(ENTRIES)?;
        load.push(time);
        full.push(daemon.idle_mib()?);
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

/// Fills the store while no daemon has it, with the jtis of [`work::denied`].
pub(crate) fn fill(state: &Path) -> Result<()> {
    let now = work::now()?;
    let store = Embedded::open(state, now, 2000).doing("filling the store")?;
    let realm = store.index().realm("default");
    let jtis: Vec<_> = work::denied(now).take(ENTRIES).collect();
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
