//! jwtkeeperctl, as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    jwtkeeper_ctl::main()
}
