//! Many ask for one token's successor at once: there is one, and all get it.

use std::collections::HashSet;
use std::process::Command;
use std::sync::Barrier;

use jwtkeeper_client::{Config, Issue, Rotation, blocking};

use jwtkeeper_testkit::daemons::{Rounds, Setup};

const TOKENS: u64 = 200;
const PARALLEL: usize = 64;
const PROCESSES: usize = 8;

#[test]
fn sixty_four_at_once_get_one_successor() {
    let daemon = Setup::new().start();
    let client = daemon.client();
    let rounds = Rounds::new("rotate-parallel", TOKENS, TOKENS);
    let mut asked = 0;
    let barrier = Barrier::new(PARALLEL);
    for _ in rounds {
        let token = client
            .issue(Issue::new().claims(r#"{"sub":"racer"}"#))
            .unwrap()
            .token()
            .to_owned();
        let successors: Vec<String> = std::thread::scope(|scope| {
            let one = || {
                barrier.wait();
                successor(&client, &token)
            };
            let threads: Vec<_> = (0..PARALLEL).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        asked += successors.len();
        // The same bytes: HS256 is deterministic.
        assert_eq!(successors.iter().collect::<HashSet<_>>().len(), 1);
        assert!(client.validate(successors[0].as_str()).unwrap().is_valid());
    }
    println!("{asked} rotates, each token with exactly one successor, none refused");
}

#[test]
fn eight_processes_get_one_successor() {
    let daemon = Setup::new().start();
    let client = daemon.client();
    let tokens: Vec<String> = (0..TOKENS)
        .map(|_| client.issue(Issue::new()).unwrap().token().to_owned())
        .collect();
    daemon.setup.write("tokens", &tokens.join("\n"));
    let children: Vec<_> = (0..PROCESSES)
        .map(|number| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args([
                "--exact",
                "rotate_race::one_of_eight_processes",
                "--ignored",
                "--nocapture",
            ]);
            command.env("ROTATE_RACE_SOCKET", daemon.setup.socket());
            command.env("ROTATE_RACE_TOKENS", daemon.setup.path("tokens"));
            command.env("ROTATE_RACE_OUTPUT", daemon.setup.path(&format!("successors.{number}")));
            command.stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let read = |number| {
        let text = std::fs::read_to_string(daemon.setup.path(&format!("successors.{number}"))).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let first = read(0);
    assert_eq!(first.len(), tokens.len());
    for number in 1..PROCESSES {
        assert_eq!(read(number), first, "process {number} got other successors");
    }
    assert_eq!(first.iter().collect::<HashSet<_>>().len(), tokens.len());
}

/// Run by the test above, in a process of its own.
#[test]
#[ignore = "a part of eight_processes_get_one_successor, which runs it"]
fn one_of_eight_processes() {
    let variable = |name| std::env::var_os(name).expect("started by eight_processes_get_one_successor");
    let client = blocking::Client::new(Config::new(variable("ROTATE_RACE_SOCKET")));
    let tokens = std::fs::read_to_string(variable("ROTATE_RACE_TOKENS")).unwrap();
    let successors: Vec<_> = tokens.lines().map(|token| successor(&client, token)).collect();
    std::fs::write(variable("ROTATE_RACE_OUTPUT"), successors.join("\n")).unwrap();
}

fn successor(client: &blocking::Client, token: &str) -> String {
    match client.rotate(token).unwrap() {
        Rotation::Rotated(minted) => minted.token().to_owned(),
        other => panic!("refused: {other:?}"),
    }
}
