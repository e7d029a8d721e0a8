//! The manual pages and completions that `make manuals` writes: they render without a warning, and leave nothing out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use clap::CommandFactory;
use tempfile::TempDir;

/// A directory with everything in it.
fn manual() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_jwtkeeperctl"))
        .with_file_name("examples")
        .join("manual");
    assert!(
        program.exists(),
        "{} is not built; run make test, or cargo build --workspace --examples",
        program.display()
    );
    let status = Command::new(program).arg(directory.path()).status().unwrap();
    assert!(status.success());
    directory
}

fn names(directory: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn read(directory: &TempDir, name: &str) -> String {
    let path = directory.path().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A page as it is read at a terminal of that width, without bold and underlining.
fn shown(directory: &TempDir, page: &str, width: usize) -> String {
    let Output { status, stdout, stderr } = Command::new("groff")
        .args(["-ww", "-man", "-Kutf8", "-Tutf8", "-P-cbou", &format!("-rLL={width}n")])
        .arg(directory.path().join(page))
        .output()
        .expect("groff is there; install groff-base (make test does it as root)");
    let complaints = String::from_utf8(stderr).unwrap();
    assert!(status.success() && complaints.is_empty(), "{page}: {complaints}");
    // The dash of an option is a minus there.
    String::from_utf8(stdout)
        .unwrap()
        .replace(['\u{2212}', '\u{2010}'], "-")
}

/// A command and all below it, with the names of their pages.
fn commands(command: &clap::Command, page: &str) -> Vec<(String, clap::Command)> {
    let mut all = vec![(page.to_owned(), command.clone())];
    for below in command.get_subcommands() {
        all.extend(commands(below, &format!("{page}-{}", below.get_name())));
    }
    all
}

fn assert_complete(page: &str, text: &str, command: &clap::Command) {
    for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
        let name = match argument.get_long() {
            Some(long) => format!("--{long}"),
            None => argument.get_value_names().unwrap()[0].to_string(),
        };
        assert!(text.contains(&name), "{page} lacks {name}: {text}");
        if matches!(argument.get_id().as_str(), "help" | "version") {
            continue; // their text is another in a manual
        }
        let help = argument.get_help().unwrap().to_string();
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(text).contains(&words(&help)), "{page} lacks {help:?}: {text}");
    }
}

#[test]
fn every_command_has_a_page_with_every_option() {
    let directory = manual();
    let mut ctl = jwtkeeper_ctl::command().disable_help_subcommand(true);
    ctl.build();
    let mut pages: Vec<(String, clap::Command)> = commands(&ctl, "jwtkeeperctl")
        .into_iter()
        .map(|(name, command)| (format!("{name}.1"), command))
        .collect();
    pages.push(("jwtkeeperd.8".to_owned(), jwtkeeper::process::Args::command()));
    assert!(pages.len() > 15, "{}", pages.len());
    for (page, command) in &pages {
        let text = shown(&directory, page, 2_000);
        assert_complete(page, &text, command);
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO"] {
            assert!(
                text.lines().any(|line| line == section),
                "{page} lacks {section}: {text}"
            );
        }
        let about = command.get_about().unwrap().to_string();
        assert!(text.contains(&about), "{page} lacks {about:?}: {text}");
    }
    let files = names(&directory);
    let known: Vec<_> = pages.into_iter().map(|(page, _)| page).collect();
    for name in files.iter().filter(|name| name.ends_with(".1") || name.ends_with(".8")) {
        assert!(known.contains(name), "{name} is of no command");
    }
    let top = shown(&directory, "jwtkeeperctl.1", 100);
    for command in ["issue(1)", "jwtkeeperctl-revoke(1)", "EXIT STATUS", "JWTKEEPER_SOCKET"] {
        assert!(top.contains(command), "{command}: {top}");
    }
}

/// The example's keys and their text, in its order.
#[test]
fn the_configuration_has_a_page_with_every_key() {
    let directory = manual();
    shown(&directory, "jwtkeeper.toml.5", 80);
    let text = shown(&directory, "jwtkeeper.toml.5", 2_000);
    let example = include_str!("../../../examples/jwtkeeper.toml");
    let mut rest = text.as_str();
    let mut keys = 0;
    for line in example.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)) {
        let code = line.split('#').next().unwrap().trim();
        let is_key = code.split_once(" = ").is_some_and(|(name, _)| !name.contains(' '));
        let is_table = code.starts_with('[') && code.ends_with(']');
        if !is_key && !is_table {
            continue;
        }
        keys += usize::from(is_key);
        let at = rest
            .find(code)
            .unwrap_or_else(|| panic!("{code} is missing, or out of its place: {text}"));
        rest = &rest[at + code.len()..];
        if let (true, Some((_, comment))) = (is_key, line.split_once('#')) {
            let comment = comment.trim().split_at(1).1;
            let (found, _) = rest.split_at(rest.floor_char_boundary(400));
            assert!(found.contains(comment), "{code} lacks {comment:?}: {found}");
        }
    }
    assert!(keys > 60, "{keys}");
}

#[test]
fn completions_load_and_complete() {
    let directory = manual();
    for program in ["jwtkeeperctl", "jwtkeeperd"] {
        for name in [
            format!("{program}.bash"),
            format!("_{program}"),
            format!("{program}.fish"),
        ] {
            let script = read(&directory, &name);
            let option = if program == "jwtkeeperd" {
                "print-config"
            } else {
                "issued-before"
            };
            assert!(script.contains(option), "{name}");
        }
    }
    let completed = |program: &str, words: &str, at: usize| {
        let script = format!(
            "set -eu; source {0}/{program}.bash; complete -p {program} >&2; COMP_WORDS=({words}); COMP_CWORD={at}; COMPREPLY=()\n\
             _{program} {program} \"${{COMP_WORDS[{at}]}}\" \"${{COMP_WORDS[{before}]}}\" || true; echo \"${{COMPREPLY[@]}}\"",
            directory.path().display(),
            before = at - 1
        );
        let output = Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
        let complaints = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.success() && complaints.starts_with("complete "),
            "{complaints}"
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(completed("jwtkeeperctl", "jwtkeeperctl rev", 1), "revoke");
    assert_eq!(
        completed("jwtkeeperctl", "jwtkeeperctl revoke --iss", 2),
        "--issued-before"
    );
    assert_eq!(completed("jwtkeeperctl", "jwtkeeperctl secret gen", 2), "generate");
    assert_eq!(completed("jwtkeeperd", "jwtkeeperd --print", 1), "--print-config");
}
