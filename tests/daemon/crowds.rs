//! More connections than there may be: of one uid, of several, of more than the system has open files for.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use jwtkeeper_wire::{Answer, Op};

use jwtkeeper_testkit::daemons::daemon::{SECRET, chmod};
use jwtkeeper_testkit::daemons::{Daemon, Setup, until};

/// Connections that another user opens and keeps, silent; until it is dropped.
struct Crowd(Child);

impl Crowd {
    fn of(uid: u32, count: usize, daemon: &Daemon) -> Self {
        let script = "import socket, sys, time\nheld = []\nfor _ in range(int(sys.argv[2])):\n    s = socket.socket(socket.AF_UNIX)\n    \
                      s.setblocking(False)\n    \
                      until = time.monotonic() + 5\n    while s.connect_ex(sys.argv[1]) and time.monotonic() < until: time.sleep(0.001)\n    held.append(s)\nprint('held', flush=True)\n\
                      sys.stdin.read()";
        let mut python = Command::new("/usr/bin/python3");
        python
            .args(["-c", script])
            .arg(daemon.setup.socket())
            .arg(count.to_string());
        std::os::unix::process::CommandExt::uid(&mut python, uid);
        let mut crowd = python
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("/usr/bin/python3 is there; install python3");
        crowd.stdout.as_mut().unwrap().read_exact(&mut [0; 4]).unwrap();
        Self(crowd)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

/// A daemon whose socket is open to all; none where there are no other users to be.
fn open_to_all(limits: &str) -> Option<Daemon> {
    if !nix::unistd::geteuid().is_root() {
        println!("not root: no other user to be");
        return None;
    }
    let daemon = Setup::new()
        .top(&format!("socket_mode = \"0666\"\n[limits]\n{limits}"))
        .start();
    chmod(&daemon.setup.path(""), 0o755);
    Some(daemon)
}

fn warnings(daemon: &Daemon) -> String {
    daemon.health()["warnings"].to_string()
}

/// However many connections one uid opens and keeps silent, others get theirs.
#[test]
fn a_uid_that_opens_all_it_can_starves_nobody() {
    let limits = "connections = 60\nconnections_per_uid = 20\nframe_timeout = \"10s\"";
    let Some(daemon) = open_to_all(limits) else { return };
    let _crowd = Crowd::of(64_000, 300, &daemon);
    let longest = (0..20).map(|_| {
        let began = Instant::now();
        daemon.client().ping().unwrap();
        began.elapsed()
    });
    println!(
        "300 connections held by another uid: the longest ping took {:?}",
        longest.max()
    );
}

/// Where several uids take all places, who can mend it gets in: root, and the daemon's own user.
#[test]
fn there_is_always_a_place_for_who_mends() {
    let limits = "connections = 8\nconnections_per_uid = 6\nframe_timeout = \"1m\"";
    let Some(daemon) = open_to_all(limits) else { return };
    assert_eq!(warnings(&daemon), "[]");
    let crowds = [64_001, 64_002].map(|uid| Crowd::of(uid, 20, &daemon));
    until("all places are taken", || {
        warnings(&daemon).contains("all 8 connections are taken")
    });
    daemon.client().reload().unwrap();
    let mut mender = daemon.ctl();
    assert!(mender.arg("health").status().unwrap().success());
    // Another waits, and has a place once there is one.
    let mut waits = daemon.ctl();
    std::os::unix::process::CommandExt::uid(&mut waits, 64_003);
    let mut waits = waits.args(["--timeout", "30s", "ping"]).spawn().unwrap();
    assert_eq!(waits.try_wait().unwrap(), None);
    drop(crowds);
    assert!(waits.wait().unwrap().success());
}

/// The uid of a connection is known only once it is accepted: however many wait, administrators are accepted and answered.
#[test]
fn root_is_answered_while_thousands_of_others_wait() {
    const IDLE: usize = 4600;
    let limits = "connections_per_uid = 8192\nframe_timeout = \"10m\"";
    let Some(daemon) = open_to_all(limits) else { return };
    let _crowd = Crowd::of(64_004, IDLE, &daemon);
    let began = Instant::now();
    let health = daemon.ctl().arg("health").output().unwrap();
    let told = String::from_utf8_lossy(&health.stdout).into_owned();
    println!(
        "{IDLE} idle connections of another uid: health after {:?}",
        began.elapsed()
    );
    assert!(
        health.status.success(),
        "{told} {}",
        String::from_utf8_lossy(&health.stderr)
    );
    assert!(told.contains("all 4096 connections are taken"), "{told}");
}

/// Connections leave open files for all else.
#[test]
fn files_are_read_though_connections_are_as_many_as_can_be() {
    let setup = Setup::new();
    setup.init();
    let plain = setup.command(&[]);
    let mut command = Command::new("prlimit");
    command
        .arg("--nofile=300:300")
        .arg(plain.get_program())
        .args(plain.get_args());
    let daemon = Daemon::start_with(setup, command);
    let told = warnings(&daemon);
    assert!(
        told.contains("limits.connections is 4096, and the system gives open files for 150"),
        "{told}"
    );
    let mut first = daemon.wire();
    // As its own user we have 16 more than others; and 64 wait at the door.
    let _served: Vec<_> = (0..165).map(|_| daemon.wire()).collect();
    let _at_the_door: Vec<_> = (0..100)
        .map(|_| std::os::unix::net::UnixStream::connect(daemon.setup.socket()).unwrap())
        .collect();
    daemon
        .setup
        .write_secret("default.secret", SECRET.to_uppercase().as_bytes());
    until("the new secret is in effect", || {
        first.ask(1, Op::Health);
        first.reply(|_, answer| match answer {
            Answer::Health { ready, generation, .. } => {
                assert!(ready);
                generation == 2
            }
            other => panic!("{other:?}"),
        })
    });
    assert!(!daemon.log().contains("Too many open files"), "{}", daemon.log());
}
