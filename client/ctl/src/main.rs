//! jwtkeeperctl: the command line of jwtkeeperd. Scripts depend on its options, its exit codes (0 yes or done, 1 the
//! answer is no, 2 usage, 69 unavailable, 77 not permitted, 78 configuration) and its `--json` shapes.

mod args;
mod bench;
mod input;
mod outcome;
mod output;
mod replace;
mod run;
mod secret;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    match run::run(&args) {
        Ok(outcome) => ExitCode::from(outcome.code()),
        Err(failure) => {
            outcome::complain(&failure);
            ExitCode::from(failure.code())
        }
    }
}
