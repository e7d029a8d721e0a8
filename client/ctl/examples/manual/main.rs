//! Writes the manual into a directory: pages of jwtkeeperctl (one for each command, as git has them), jwtkeeperd and
//! jwtkeeper.toml, and completions of both programs for bash, zsh and fish. All of it comes from the command lines and
//! from examples/jwtkeeper.toml, so that nothing is said twice. It is not installed: `make manuals` runs it.

mod configuration;
mod page;
mod programs;

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .ok_or("usage: manual DIR")?;
    fs::create_dir_all(&directory)?;
    for (name, text) in programs::control(&jwtkeeper_ctl::command())? {
        fs::write(directory.join(name), text)?;
    }
    fs::write(directory.join("jwtkeeperd.8"), programs::daemon(&daemon())?)?;
    fs::write(directory.join("jwtkeeper.toml.5"), configuration::page()?)?;
    complete(jwtkeeper_ctl::command(), &directory)?;
    complete(daemon(), &directory)?;
    Ok(())
}

fn daemon() -> Command {
    jwtkeeper::process::Args::command()
}

/// `NAME.bash`, `_NAME` for zsh, `NAME.fish`.
fn complete(mut command: Command, directory: &Path) -> std::io::Result<()> {
    let name = command.get_name().to_owned();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command, &name, directory)?;
    }
    Ok(())
}
