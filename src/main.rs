//! jwtkeeperd: see README.md and docs/.

use std::process::ExitCode;

use clap::Parser;
use jwtkeeper::process::{Args, hold_signals, run};

#[allow(clippy::print_stderr)] // faults found before there is a log, and by --check, go to whoever started us
fn main() -> ExitCode {
    hold_signals();
    match run(&Args::parse()) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("jwtkeeperd: {failure}");
            failure.exit_code()
        }
    }
}
