//! The pages of both programs: what their command lines say, then what those cannot say.

use std::io;

use clap::Command;
use clap_mangen::Man;

use crate::page::{MANUAL, Page};

/// The pages of jwtkeeperctl and of each of its commands, by the names of their files.
pub(crate) fn control(command: &Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = command.clone().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    for (name, below) in commands(&command, "jwtkeeperctl") {
        let mut text = Vec::new();
        render(below.clone(), "1", &mut text)?;
        let own = if name == "jwtkeeperctl" {
            whole_program()
        } else {
            Page::default().see_also(&[("jwtkeeperctl", "1"), ("jwtkeeperd", "8")])
        };
        own.write(&mut text)?;
        pages.push((format!("{name}.1"), text));
    }
    Ok(pages)
}

/// The page of jwtkeeperd.
pub(crate) fn daemon(command: &Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    render(command.clone(), "8", &mut text)?;
    Page::default()
        .section("SIGNALS")
        .entry("SIGHUP", "has everything read again, as jwtkeeperctl reload does.")
        .entry("SIGUSR1", "opens the audit's file anew, once it was renamed.")
        .entry(
            "SIGTERM, SIGINT",
            "stop accepting, answer what was asked, and end, after shutdown_grace at the latest. A second one ends it at \
             once, with status 1.",
        )
        .section("EXIT STATUS")
        .entry("0", "It stopped as asked.")
        .entry("2", "Usage.")
        .entry(
            "69",
            "Something is not to be had now: another daemon has the store or the socket, or the system refused.",
        )
        .entry(
            "78",
            "Something must be put right: the configuration, a key file, the store. The log says what and how.",
        )
        .section("FILES")
        .entry("/etc/jwtkeeper/jwtkeeper.toml", "The configuration.")
        .entry("/etc/jwtkeeper/conf.d/*.toml", "Read after it, in the order of their names.")
        .entry("/run/jwtkeeper/jwtkeeper.sock", "The socket, unless the configuration names another.")
        .entry(
            "/var/lib/jwtkeeper/denylist.redb",
            "The denylist store, unless the configuration names another state_dir. --init makes it.",
        )
        .see_also(&[("jwtkeeper.toml", "5"), ("jwtkeeperctl", "1")])
        .write(&mut text)?;
    Ok(text)
}

/// A command and all those below it, with their pages' names.
fn commands<'c>(command: &'c Command, name: &str) -> Vec<(String, &'c Command)> {
    let mut all = vec![(name.to_owned(), command)];
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        all.extend(commands(below, &format!("{name}-{}", below.get_name())));
    }
    all
}

/// Renders the options of a command line.
fn render(command: Command, section: &str, to: &mut Vec<u8>) -> io::Result<()> {
    let has_commands = command.has_subcommands();
    let source = concat!("jwtkeeper ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command).section(section).source(source).manual(MANUAL);
    man.render_title(to)?;
    man.render_name_section(to)?;
    man.render_synopsis_section(to)?;
    man.render_description_section(to)?;
    man.render_options_section(to)?;
    if has_commands {
        man.render_subcommands_section(to)?;
    }
    Ok(())
}

fn whole_program() -> Page {
    Page::default()
        .section("EXIT STATUS")
        .entry("0", "Yes, or done.")
        .entry("1", "The answer is no: an invalid token, a daemon that is not ready.")
        .entry("2", "Usage.")
        .entry("69", "Unavailable: no daemon answers, or it cannot answer now.")
        .entry("77", "Not permitted.")
        .entry("78", "Something must be put right: a file, the configuration.")
        .paragraph("Answers go to stdout, with --json as one object; errors go to stderr.")
        .section("ENVIRONMENT")
        .entry("JWTKEEPER_SOCKET", "The daemon's socket, where --socket names none.")
        .entry(
            "NO_COLOR",
            "Where it is set, there is no colour. There is none but at a terminal anyway.",
        )
        .section("FILES")
        .entry(
            "/run/jwtkeeper/jwtkeeper.sock",
            "The daemon's socket, unless another is named.",
        )
        .section("EXAMPLES")
        .paragraph("A token that need not stand in the command line, where every user of the host can read it:")
        .verbatim(&["jwtkeeperctl validate - --cookie @cookie.txt < token.txt"])
        .paragraph("Log everybody out, now:")
        .verbatim(&["jwtkeeperctl secret generate", "jwtkeeperctl reload"])
        .see_also(&[("jwtkeeperd", "8"), ("jwtkeeper.toml", "5")])
}
