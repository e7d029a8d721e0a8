//! Faults that last longer than the grace while sessions rotate: a rotation that is refused leaves the old token valid, however
//! long the fault lasts, so nobody is logged out and no reuse is counted, even where reuse ends the session.

use std::os::unix::fs::symlink;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use jwtkeeper_client::{Reason, Rotation, Verdict, blocking};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::hosts::{at, entry, host, is_ready, issue, ready, record};
use jwtkeeper_testkit::daemons::{Daemon, Setup, pace, until};
use jwtkeeper_testkit::servers::Server;

/// Of sessions that rotate during a fault; `make prove-rotation-faults` asks for 100.
const SESSIONS: usize = 20;
/// The fault lasts longer than the grace of one second, and than clients wait for an answer.
const FAULT: Duration = Duration::from_secs(6);
const GRACE: Duration = Duration::from_secs(1);

/// Has both values of `on_reuse` tried at the same time: most of it is waiting.
fn with_either_on_reuse(body: impl Fn(&str) + Sync) {
    std::thread::scope(|scope| {
        for on_reuse in ["report", "revoke_session"] {
            let body = &body;
            scope.spawn(move || body(on_reuse));
        }
    });
}

fn lines(on_reuse: &str) -> String {
    format!("rotation_grace = \"{}s\"\non_reuse = \"{on_reuse}\"", GRACE.as_secs())
}

/// The outcomes of sessions during a fault.
#[derive(Default)]
struct Met {
    refused: AtomicUsize,
    rotated: AtomicUsize,
}

/// Has sessions rotate while a fault lasts, and asks them one grace after it.
fn endured(name: &str, daemon: &Daemon, strike: impl FnOnce(), heal: impl FnOnce()) {
    let sessions = match std::env::var_os("JWTKEEPER_PROVE") {
        Some(_) => 100,
        None => SESSIONS,
    };
    let client = daemon.client();
    let tokens: Vec<String> = (0..sessions).map(|_| issue(&client).token().to_owned()).collect();
    let (over, met) = (AtomicBool::new(false), Met::default());
    strike();
    let tokens: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = tokens
            .into_iter()
            .map(|token| scope.spawn(|| goes_on(daemon, token, &over, &met)))
            .collect();
        pace(FAULT);
        over.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    heal();
    until("the fault is over", || is_ready(daemon));
    pace(GRACE * 2);
    for token in &tokens {
        assert!(
            client.validate(token.as_str()).unwrap().is_valid(),
            "{name}: logged out"
        );
        let successor = rotate(&client, token).unwrap_or_else(|| panic!("{name}: refused once all is well"));
        assert!(
            client.validate(successor.as_str()).unwrap().is_valid(),
            "{name}: a dead successor"
        );
    }
    let reuses = daemon.health()["reuses"].as_u64().unwrap();
    let (refused, rotated) = (met.refused.into_inner(), met.rotated.into_inner());
    println!(
        "{name}: {sessions} sessions, {refused} rotations refused, {rotated} done, none logged out, {reuses} reuses"
    );
    assert_eq!(reuses, 0, "{name}");
    assert!(refused > 0, "{name}: the fault was none");
}

/// An app's session: it validates, rotates, and goes on with the old token where that is refused.
fn goes_on(daemon: &Daemon, mut token: String, over: &AtomicBool, met: &Met) -> String {
    let client = daemon.client_with(|config| config.with_deadline(Duration::from_secs(5)));
    while !over.load(Ordering::Relaxed) {
        if let Ok(Verdict::Invalid(reason)) = client.validate(token.as_str()) {
            panic!("logged out during the fault: {reason}");
        }
        match rotate(&client, &token) {
            Some(successor) => {
                token = successor;
                met.rotated.fetch_add(1, Ordering::Relaxed);
            }
            None => {
                met.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
        pace(Duration::from_millis(200));
    }
    token
}

/// The successor; none where the daemon cannot answer.
fn rotate(client: &blocking::Client, token: &str) -> Option<String> {
    match client.rotate(token) {
        Ok(Rotation::Rotated(minted)) => Some(minted.token().to_owned()),
        Ok(Rotation::Invalid(reason)) => panic!("logged out: {reason}"),
        Err(_) => None,
    }
}

#[test]
fn a_replica_that_is_dead_logs_nobody_out() {
    with_either_on_reuse(|on_reuse| {
        let (server, replica) = (Server::on_port(&[]), Server::on_port(&[]));
        replica.ask::<()>(&["REPLICAOF", "127.0.0.1", &server.port().to_string()]);
        until("the replica follows", || replica.info("master_link_status") == "up");
        let daemon = at(&server.url())
            .top("wait_replicas = 1")
            .lines(&lines(on_reuse))
            .start();
        ready(&daemon);
        endured("a dead replica", &daemon, || replica.pause(), || replica.resume());
    });
}

#[test]
fn a_redis_that_stands_still_logs_nobody_out() {
    with_either_on_reuse(|on_reuse| {
        let server = Server::start();
        let daemon = at(&server.url()).lines(&lines(on_reuse)).start();
        ready(&daemon);
        endured(
            "a Redis that stands still",
            &daemon,
            || server.pause(),
            || server.resume(),
        );
    });
}

#[test]
fn a_full_disk_of_the_audit_logs_nobody_out() {
    with_either_on_reuse(|on_reuse| {
        let setup = Setup::new();
        let (file, real) = (setup.path("audit.json"), setup.path("real.json"));
        symlink(&real, &file).unwrap();
        let audit = format!("{}\n[audit]\nfile = \"{}\"", lines(on_reuse), file.display());
        let daemon = setup.lines(&audit).start();
        let lead_to = |target: &std::path::Path| {
            std::fs::remove_file(&file).unwrap();
            symlink(target, &file).unwrap();
            daemon.signal(Signal::SIGUSR1);
        };
        let full = || lead_to(std::path::Path::new("/dev/full"));
        endured("a full audit", &daemon, full, || lead_to(&real));
    });
}

/// strace holds up each fsync of the daemon.
struct Stall(Child);

impl Stall {
    fn new(daemon: &Daemon) -> Self {
        let mut command = Command::new("strace");
        let inject = format!(
            "inject=fsync,fdatasync,sync_file_range:delay_enter={}",
            FAULT.as_micros()
        );
        command.args([
            "-f",
            "-qq",
            "-e",
            "trace=fsync,fdatasync,sync_file_range",
            "-e",
            &inject,
        ]);
        command.args(["-o", "/dev/null", "-p", &daemon.pid().to_string()]);
        let child = command.spawn().unwrap();
        let status = format!("/proc/{}/status", daemon.pid());
        until("strace watches", || {
            let status = std::fs::read_to_string(&status).unwrap();
            !status.contains("TracerPid:\t0\n")
        });
        Self(child)
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
        let _ended = self.0.wait().unwrap();
    }
}

#[test]
fn a_disk_that_stalls_logs_nobody_out() {
    with_either_on_reuse(|on_reuse| {
        let daemon = Setup::new().lines(&lines(on_reuse)).start();
        let stall = std::cell::RefCell::new(None);
        let strike = || *stall.borrow_mut() = Some(Stall::new(&daemon));
        endured("a disk that stalls", &daemon, strike, || drop(stall.take()));
    });
}

/// A rotation that Redis decides and the daemon cannot acknowledge: the other hosts take the old token as well.
#[test]
fn a_rotation_that_was_not_acknowledged_ends_on_no_host() {
    let (server, replica) = (Server::on_port(&[]), Server::on_port(&[]));
    replica.ask::<()>(&["REPLICAOF", "127.0.0.1", &server.port().to_string()]);
    until("the replica follows", || replica.info("master_link_status") == "up");
    let setup = || at(&server.url()).lines(&lines("revoke_session"));
    let (daemon, other) = (setup().top("wait_replicas = 1").start(), setup().start());
    ready(&daemon);
    ready(&other);
    let client = daemon.client();
    let minted = issue(&client);
    replica.pause();
    // Before it is known that the replica does not answer.
    let refused = client.rotate(minted.token()).unwrap_err();
    assert!(refused.is_unavailable(), "{refused}");
    pace(GRACE * 2);
    for host in [&daemon, &other] {
        assert!(host.client().validate(minted.token()).unwrap().is_valid());
    }
    // Once one of them hands it out, the grace ends on both.
    rotate(&other.client(), minted.token()).unwrap();
    for host in [&daemon, &other] {
        until("the grace is over", || {
            matches!(
                host.client().validate(minted.token()),
                Ok(Verdict::Invalid(Reason::Revoked))
            )
        });
    }
    replica.resume();
    ready(&daemon);
}

/// The daemon gives up after two seconds, and the client with it. What it sent lies in the socket until Redis reads it.
#[test]
fn an_abandoned_rotation_is_not_executed_later() {
    let server = Server::start();
    let daemon = host(at(&server.url()));
    let client = daemon.client();
    let minted = issue(&client);
    server.pause();
    let refused = client.rotate(minted.token()).unwrap_err();
    assert!(refused.is_unavailable(), "{refused}");
    server.resume();
    // Redis reads what waits on older connections before it answers on a new one.
    let keys = [entry(&minted.jti), record(&minted.jti)];
    let rotated = || server.ask::<u64>(&["EXISTS", &keys[0], &keys[1]]);
    assert_eq!(rotated(), 0, "rotated though the client gave up");
    ready(&daemon);
    assert_eq!(rotated(), 0, "rotated though the client gave up");
    until("a rotation that is asked for now is decided", || {
        rotate(&client, minted.token()).is_some()
    });
    assert_eq!(rotated(), 2);
}
