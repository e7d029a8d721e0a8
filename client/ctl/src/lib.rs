//! jwtkeeperctl: the command line of jwtkeeperd. Scripts depend on its options, its exit codes (0 yes or done, 1 the
//! answer is no, 2 usage, 69 unavailable, 77 not permitted, 78 configuration) and its `--json` shapes.
//!
//! A library only so that its manual can be made from its command line (examples/manual.rs).

mod args;
mod bench;
mod confirm;
mod document;
mod held;
mod input;
mod inspect;
mod outcome;
mod output;
mod paint;
mod reload;
mod replace;
mod run;
mod secret;
mod summary;
mod times;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

/// The command line, as its manual and its completions need it.
pub fn command() -> clap::Command {
    args::Args::command()
}

/// Runs what the process's command line says.
pub fn main() -> ExitCode {
    let args = args::Args::parse();
    match run::run(&args) {
        Ok(outcome) => ExitCode::from(outcome.code()),
        Err(failure) => {
            outcome::complain(&failure);
            ExitCode::from(failure.code())
        }
    }
}
