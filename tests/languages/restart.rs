//! The daemon is restarted under a load of each language: callers wait, and none of them hears of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use jwtkeeper_client::Issue;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use crate::app::{built, root};
use jwtkeeper_testkit::daemons::{Rounds, Setup};

/// Calls between two restarts: a third of a second, more or less.
const SPELL: u32 = 10_000;

/// Ends what it is given with its process group, should the test fail.
struct Load(std::process::Child);

impl Drop for Load {
    fn drop(&mut self) {
        let _ = killpg(Pid::from_raw(self.0.id() as i32), Signal::SIGKILL); // it has mostly ended
        let _ = self.0.wait();
    }
}

/// Restarts the daemon, in turn by SIGTERM and by kill -9, under the load of benches/languages.
pub fn hears_of_no_restart(language: &str) {
    let mut daemon = Setup::new().start();
    let token = daemon.client().issue(Issue::new()).unwrap();
    let proving = std::env::var_os("JWTKEEPER_PROVE").is_some();
    let mut load = Command::new(root("benches/languages/run"));
    load.args([language, "--begin", "--seconds", if proving { "60" } else { "5" }])
        .env("JWTKEEPER_BUILD", built("."))
        .env("JWTKEEPER_SOCKET", daemon.setup.socket())
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut load = Load(load.spawn().unwrap());
    let mut input = load.0.stdin.take().unwrap();
    writeln!(input, "{}", token.token()).unwrap();
    drop(input);
    let mut said = BufReader::new(load.0.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "begun\n", "{language}");

    // Fewer than there is time for: the load must see the last one too.
    let mut restarts = 0;
    for round in Rounds::new(&format!("restart-{language}"), 6, 100) {
        if round % 2 == 0 {
            daemon.stop();
        } else {
            daemon.kill();
        }
        daemon.restart();
        // A spell of service, longer than the longest pause between two attempts of a client.
        let client = daemon.client();
        (0..SPELL).for_each(|_| client.ping().unwrap());
        restarts += 1;
    }

    let mut text = String::new();
    said.read_to_string(&mut text).unwrap();
    let figures: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{language}: {error}: {text}"));
    assert_eq!(figures["errors"], 0, "{language}: {figures}");
    assert!(figures["calls"].as_u64().unwrap() > restarts, "{language}: {figures}");
    println!(
        "{language}: {restarts} restarts, {} calls, no errors; p50 {} µs, p99 {} µs, longest {} µs",
        figures["calls"], figures["p50_us"], figures["p99_us"], figures["max_us"]
    );
}
