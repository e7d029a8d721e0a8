//! The C ABI as C sees it: the programs in tests/c, compiled with every warning an error, run on real daemons, once
//! under the sanitizers and once, smaller, under valgrind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use jwtkeeper_testkit::pace::{Random, pace};
use support::{Build, Daemon, compile, good, here, succeeds};

/// The part of each test that runs under valgrind.
const SHARE: &str = "100";

fn under_valgrind(daemon: &Daemon, program: &Path) -> Command {
    let mut valgrind = daemon.run("valgrind");
    valgrind
        .args(["--error-exitcode=9", "--leak-check=full", "--quiet"])
        .arg(program);
    valgrind.env("JWTKEEPER_TEST_SHARE", SHARE);
    valgrind
}

/// Both ways; what it printed under the sanitizers.
fn runs(name: &str, sanitized: Build) -> String {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start();
    let program = compile(name, sanitized, directory.path());
    let said = succeeds(&mut daemon.run(program));
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start();
    let program = compile(name, Build::Plain, directory.path());
    succeeds(&mut under_valgrind(&daemon, &program));
    said
}

/// A new function without a line in arguments.c fails here.
#[test]
fn every_function_bears_every_argument() {
    let said = runs("arguments", Build::Sanitized);
    let mut called: Vec<_> = said.lines().collect();
    called.sort_unstable();
    let exported = std::fs::read_to_string(here("tests/abi.txt")).unwrap();
    assert_eq!(called, exported.lines().collect::<Vec<_>>());
}

#[test]
fn replies_and_handles_are_used_again() {
    runs("reuse", Build::Sanitized);
}

#[test]
fn answers_are_whole() {
    runs("whole", Build::Sanitized);
}

#[test]
fn threads_share_a_client() {
    runs("threads", Build::Sanitized);
}

#[test]
fn children_share_a_client() {
    runs("forks", Build::Forking);
}

/// Kills the daemon in the middle of calls, over and over, while a program calls it.
fn killed(mut daemon: Daemon, mut command: Command, rounds: u32) {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut program = command.spawn().unwrap();
    // Its calls have begun, which takes a while under valgrind; or it has ended, and says so below.
    let mut begun = BufReader::new(program.stdout.take().unwrap());
    begun.read_line(&mut String::new()).unwrap();
    program.stdout = Some(begun.into_inner());
    for _ in 0..rounds {
        pace(Duration::from_millis(random.below(40)));
        daemon.kill();
        pace(Duration::from_millis(random.below(40)));
        daemon.start_again();
        let ended = program.try_wait().unwrap();
        if ended.is_some() {
            break;
        }
    }
    // It may have failed, and says so below.
    let _ = program.stdin.take().unwrap().write_all(b"enough\n");
    let output = program.wait_with_output().unwrap();
    good(&command, output);
}

#[test]
fn a_killed_daemon_kills_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start();
    let command = daemon.run(compile("killed", Build::Sanitized, directory.path()));
    killed(daemon, command, 40);
    let directory = tempfile::tempdir().unwrap();
    let daemon = Daemon::start();
    let command = under_valgrind(&daemon, &compile("killed", Build::Plain, directory.path()));
    killed(daemon, command, 4);
}
