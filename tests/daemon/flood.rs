//! One uid floods: crowds of idle connections, slow ones, ones that read nothing, and ones at full speed. Another uid has its
//! answers all the same, without an error; how late they come is printed.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use jwtkeeper_client::{Config, Issue, blocking};
use jwtkeeper_sys::testing::fork_run;
use jwtkeeper_wire::{MAGIC, PROTOCOL};
use nix::unistd::{Gid, Uid, getpid, setgid, setgroups, setuid};

use crate::support::daemon::chmod;
use crate::support::load::validate;
use crate::support::wire::{frame, hello};
use crate::support::{Daemon, PATIENCE, Setup, Wire, pace, until};

const FLOODER: u32 = 64_030;
const IDLE: usize = 1_200;
const SLOW: usize = 200;
const SPEEDING: usize = 24;
/// Requests that each of those has on their way.
const WINDOW: u64 = 32;

/// What a flooding process does until the file is there.
fn flood(kind: usize, socket: &Path, over: &Path, token: &str) -> u8 {
    let nice = Command::new("renice")
        .args(["-n", "19", "-p"])
        .arg(getpid().to_string())
        .output();
    assert!(nice.unwrap().status.success());
    setgroups(&[]).unwrap();
    setgid(Gid::from_raw(FLOODER)).unwrap();
    setuid(Uid::from_raw(FLOODER)).unwrap();
    match kind {
        0 => {
            let _idle: Vec<_> = (0..IDLE).map(|_| Wire::greeted(socket)).collect();
            begun(over, kind);
            until("it is over", || over.exists());
        }
        1 => {
            // A byte now and then; and a flood of questions whose answers nobody reads.
            let ask = frame(1, validate(token.as_bytes()));
            let mut slow: Vec<UnixStream> = (0..SLOW).map(|_| UnixStream::connect(socket).unwrap()).collect();
            let mut deaf: Vec<Wire> = (0..SLOW / 10).map(|_| Wire::greeted(socket)).collect();
            deaf.iter_mut()
                .for_each(|wire| wire.stream.set_nonblocking(true).unwrap());
            begun(over, kind);
            for byte in hello(MAGIC, PROTOCOL).iter().cycle().take_while(|_| !over.exists()) {
                for stream in &mut slow {
                    // It is closed by and by, and another takes its place.
                    if stream.write_all(&[*byte]).is_err() {
                        *stream = UnixStream::connect(socket).unwrap();
                    }
                }
                for wire in &mut deaf {
                    while wire.stream.write(&ask).is_ok() {}
                }
                pace(Duration::from_millis(50));
            }
        }
        _ => {
            let batch: Vec<u8> = (0..WINDOW)
                .flat_map(|id| frame(id, validate(token.as_bytes())))
                .collect();
            let mut wires: Vec<_> = (0..SPEEDING).map(|_| Wire::greeted(socket)).collect();
            wires.iter_mut().for_each(|wire| wire.send(&batch));
            begun(over, kind);
            while !over.exists() {
                for wire in &mut wires {
                    (0..WINDOW).for_each(|_| drop(wire.message().unwrap()));
                    wire.send(&batch);
                }
            }
        }
    }
    0
}

fn begun(over: &Path, kind: usize) {
    std::fs::write(over.with_extension(kind.to_string()), "").unwrap();
}

/// Validates, one after the other, for so long; how long each took.
fn validates(daemon: &Daemon, token: &str, length: Duration) -> Vec<Duration> {
    let client = blocking::Client::new(Config::new(daemon.setup.socket()).with_deadline(PATIENCE));
    let mut took = Vec::new();
    let end = Instant::now() + length;
    while Instant::now() < end {
        let began = Instant::now();
        assert!(client.validate(token).unwrap().is_valid());
        took.push(began.elapsed());
    }
    took.sort_unstable();
    took
}

fn at(took: &[Duration], share: f64) -> Duration {
    took[((took.len() - 1) as f64 * share) as usize]
}

#[test]
fn another_uid_has_its_answers() {
    if !nix::unistd::geteuid().is_root() {
        println!("only root can be two users");
        return;
    }
    let length = match std::env::var_os("JWTKEEPER_PROVE") {
        Some(_) => Duration::from_secs(10),
        None => Duration::from_secs(1),
    };
    let daemon = Setup::new().top("socket_mode = \"0666\"").start();
    chmod(&daemon.setup.path(""), 0o777);
    let minted = daemon.client().issue(Issue::new()).unwrap();
    let (socket, token) = (daemon.setup.socket(), minted.token());
    let mut ratios = Vec::new();
    for round in 0..3 {
        let calm = validates(&daemon, token, length);
        let over = daemon.setup.path(&format!("over{round}"));
        let flooded = std::thread::scope(|scope| {
            let floods: Vec<_> = (0..4)
                .map(|kind| fork_run(|| flood(kind, &socket, &over, token)).unwrap())
                .collect();
            let waiting = scope.spawn(|| {
                floods
                    .into_iter()
                    .map(|child| child.wait(PATIENCE * 4))
                    .collect::<Vec<_>>()
            });
            until("all of them flood", || {
                assert!(!waiting.is_finished(), "a flood ended");
                (0..4).all(|kind| over.with_extension(kind.to_string()).exists())
            });
            let took = validates(&daemon, token, length);
            std::fs::write(&over, "").unwrap();
            let statuses = waiting.join().unwrap();
            assert!(
                statuses
                    .iter()
                    .all(|status| status.as_ref().is_ok_and(|status| status.success())),
                "{statuses:?}"
            );
            took
        });
        let ratio = at(&flooded, 0.99).as_secs_f64() / at(&calm, 0.99).as_secs_f64();
        ratios.push(ratio);
        println!(
            "calm: {} validates, p50 {:?}, p99 {:?}; flooded: {}, p50 {:?}, p99 {:?}, max {:?}; p99 is {ratio:.2} times what it was",
            calm.len(),
            at(&calm, 0.5),
            at(&calm, 0.99),
            flooded.len(),
            at(&flooded, 0.5),
            at(&flooded, 0.99),
            flooded[flooded.len() - 1],
        );
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "p99 under the flood: {:.2} times, the middle of {} rounds; at most 2.00 is wanted",
        ratios[1],
        ratios.len()
    );
}
