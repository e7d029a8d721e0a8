//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::fault::{Doing, Result};
use crate::machine::cores;

/// Measures jwtkeeperd: rates and times through its socket, beside an echo server and redis-server asked by the very
/// same client.
#[derive(Parser)]
#[command(name = "jwtkeeper-bench", version)]
pub(crate) struct Args {
    /// A smoke run of some seconds: shows that everything works; its figures mean little
    #[arg(long)]
    pub(crate) quick: bool,
    /// Run one part alone
    #[arg(long, value_name = "PART")]
    pub(crate) only: Option<Part>,
    /// The daemon [default: jwtkeeperd beside this program]
    #[arg(long, value_name = "FILE")]
    daemon: Option<PathBuf>,
    /// Where the store and the summary go, on a disk [default: bench beside this program's directory]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Event loops of the client, where it is driven by loops [default: half of the processors, at most 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=50))]
    loops: Option<u8>,
    /// Be the echo server on this socket
    #[arg(long, value_name = "SOCKET", hide = true)]
    pub(crate) echo_server: Option<PathBuf>,
}

/// What can be measured alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Validate of HS256, beside the echo server and redis
    Validate,
    /// A validate without a socket, and jsonwebtoken's decode
    InProcess,
    /// Validate of ES256
    Es256,
    /// Issue
    Issue,
    /// Rotate
    Rotate,
    /// Revoke
    Revoke,
    /// What one uid gets with the default limits, for each algorithm
    Limits,
    /// Memory, and the time from start to service
    Startup,
    /// Validate and revoke with the redis store, beside the embedded one
    Stores,
    /// What 1,000,000 revocations cost that a fleet shares through Redis
    Fleet,
    /// A validate from each language, beside the Rust client
    Languages,
}

impl Args {
    /// Whether a part is to run.
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.only.is_none_or(|only| only == part)
    }

    /// What kind of run it is.
    pub(crate) fn mode(&self) -> String {
        let length = if self.quick { "quick" } else { "full" };
        match self.only.and_then(|part| part.to_possible_value()) {
            Some(part) => format!("{length}, only {}", part.get_name()),
            None => length.to_owned(),
        }
    }

    /// Event loops of the client: the same for every peer. More of them than this only get in the peers' way.
    pub(crate) fn loops(&self) -> usize {
        self.loops.map_or_else(|| (cores() / 2).clamp(1, 4), usize::from)
    }

    /// The daemon's program.
    pub(crate) fn daemon(&self) -> Result<PathBuf> {
        let program = match &self.daemon {
            Some(program) => program.clone(),
            None => std::env::current_exe()
                .doing("finding this program")?
                .with_file_name("jwtkeeperd"),
        };
        if self.only != Some(Part::InProcess) && !program.is_file() {
            let missing = format!("{} is not there", program.display());
            return Err(format!("{missing}: build it (cargo build --release), or name one with --daemon").into());
        }
        Ok(program)
    }

    /// The directory of the store and the summary, made where it is missing.
    pub(crate) fn dir(&self) -> Result<PathBuf> {
        let dir = match &self.dir {
            Some(dir) => dir.clone(),
            None => {
                let program = std::env::current_exe().doing("finding this program")?;
                let target = program.ancestors().nth(2).ok_or("this program lies in no directory")?;
                target.join("bench")
            }
        };
        std::fs::create_dir_all(&dir).doing(dir.display())?;
        dir.canonicalize().doing(dir.display())
    }
}
