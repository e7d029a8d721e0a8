//! README.md's tour: its commands are run as they stand there, and print what it says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a test fails by panicking"
)]

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use jwtkeeper_testkit::daemons::daemon::{Setup, Spawned};

const MARK: &str = "-- the end of a block --";

/// The fenced blocks of README.md: language and text.
fn blocks() -> Vec<(String, String)> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let parts: Vec<_> = readme.split("```").collect();
    let fenced = parts.iter().skip(1).step_by(2);
    fenced
        .map(|block| block.split_once('\n').unwrap())
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .collect()
}

/// A directory that looks like the project's, with a daemon as `make run` starts it.
fn project(setup: &Setup) -> Spawned {
    let daemon = Path::new(env!("CARGO_BIN_EXE_jwtkeeperd"));
    jwtkeeper_testkit::daemons::daemon::ctl(); // it is built
    std::fs::create_dir(setup.path("target")).unwrap();
    symlink(daemon.parent().unwrap(), setup.path("target/release")).unwrap();
    let mut command = Command::new(daemon);
    command.args(["--dev", "target/dev"]).current_dir(setup.path(""));
    let daemon = Spawned::new(command, &setup.path("log"));
    daemon.client(&setup.path("target/dev/jwtkeeper.sock"));
    daemon
}

#[test]
fn the_shell_tour() {
    let setup = Setup::bare();
    let _daemon = project(&setup);
    let blocks = blocks();
    let mut script = String::from("set -eu\n");
    let mut expected = Vec::new();
    for (number, (language, text)) in blocks.iter().enumerate() {
        if language == "sh" {
            script.push_str(&format!("{text}\necho '{MARK}'\n"));
            let (next, says) = &blocks[number + 1];
            assert_eq!(next, "text", "what this prints is not said: {text}");
            expected.push(says.clone());
        }
    }
    assert!(expected.len() >= 5, "the tour is gone");
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(setup.path(""))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mark = format!("{MARK}\n");
    let printed: Vec<_> = said.split(&mark).collect();
    for (number, expected) in expected.iter().enumerate() {
        assert_eq!(printed[number], expected, "block {number}");
    }
}

#[test]
fn the_rust_tour() {
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/client/examples/tour.rs")).unwrap();
    let shown = |(language, text): &(String, String)| language == "rust" && source.ends_with(text.as_str());
    assert!(
        blocks().iter().any(shown),
        "README.md and client/examples/tour.rs differ"
    );
    let setup = Setup::bare();
    let _daemon = project(&setup);
    let tour = Path::new(env!("CARGO_BIN_EXE_jwtkeeperd"))
        .with_file_name("examples")
        .join("tour");
    assert!(
        tour.exists(),
        "the example is not built; run make test, or cargo build --workspace --examples"
    );
    let socket = setup.path("target/dev/jwtkeeper.sock");
    let output = Command::new(tour).env("JWTKEEPER_SOCKET", socket).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let expected = "Some(String(\"42\")), rotation: None\nrotation: Some(Flagged)\nstatus: rotated\nInvalid(Revoked)\n\
                    ready: true, 11 bytes of JWKS\n";
    assert_eq!(said, expected);
}

/// examples/jwtkeeper.toml says what the defaults are: without what is not marked as an example, nothing changes.
#[test]
fn the_commented_configuration_is_true() {
    let example = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/jwtkeeper.toml")).unwrap();
    let setup = Setup::bare();
    let print = |name: &str, text: &str| {
        setup.write(name, text);
        let mut command = Command::new(env!("CARGO_BIN_EXE_jwtkeeperd"));
        command.arg("--print-config").arg("--config").arg(setup.path(name));
        let output = jwtkeeper_testkit::daemons::exit_of(command);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let needed = |line: &&str| line.starts_with('[') || line.contains("# example");
    let minimal: Vec<_> = example.lines().filter(needed).collect();
    assert_eq!(
        print("whole.toml", &example),
        print("minimal.toml", &minimal.join("\n"))
    );
    let (head, tail) = example.split_at(example.find("# [[realms.default.retired_keys]]").unwrap());
    let uncommented = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if rest.starts_with("[[") || rest.contains(" = ") => rest.to_owned(),
        _ => line.to_owned(),
    };
    let tail: Vec<_> = tail.lines().map(uncommented).collect();
    let printed = print("keys.toml", &format!("{head}{}", tail.join("\n")));
    for text in ["partner.example.org", "secret.old", "group = \"users\""] {
        assert!(printed.contains(text), "{text}: {printed}");
    }
}
