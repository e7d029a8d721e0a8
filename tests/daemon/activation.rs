//! A socket that the service manager holds, as systemd does for a socket unit: a restart refuses nobody, and what is
//! handed over is looked at.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jwtkeeper_client::{Config, Issue, Reason, Verdict, blocking};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use jwtkeeper_testkit::daemons::{Daemon, Over, PATIENCE, Rounds, Setup, until, wait_for};

/// The daemon's command, with these descriptors from 3 on.
fn with(setup: &Setup, descriptors: Vec<OwnedFd>) -> Command {
    // stdin, stdout and stderr are what can be handed over without unsafe code: there are three at most.
    let script = match descriptors.len() {
        1 => "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"",
        2 => "exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_PID=$$ LISTEN_FDS=2 exec \"$@\"",
        more => panic!("{more} descriptors"),
    };
    let daemon = setup.command(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(daemon.get_program());
    command.args(daemon.get_args());
    let mut descriptors = descriptors.into_iter();
    command.stdin(descriptors.next().unwrap());
    if let Some(second) = descriptors.next() {
        command.stdout(second);
    }
    command
}

fn refused(what: &str, descriptors: Vec<OwnedFd>) {
    let setup = Setup::new();
    setup.init();
    let mut command = with(&setup, descriptors);
    let log = std::fs::File::create(setup.path("log")).unwrap();
    let mut child = command.stderr(log).spawn().unwrap();
    let status = wait_for("it refuses", || child.try_wait().unwrap());
    let log = std::fs::read_to_string(setup.path("log")).unwrap();
    assert_eq!(status.code(), Some(78), "{log}");
    assert!(log.contains(what) && log.contains("LISTEN_FDS"), "{log}");
}

#[test]
fn what_cannot_be_served_on_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    refused(
        "no Unix stream socket",
        vec![TcpListener::bind("127.0.0.1:0").unwrap().into()],
    );
    refused(
        "no Unix stream socket",
        vec![UnixDatagram::bind(path("datagram")).unwrap().into()],
    );
    refused(
        "no Unix stream socket",
        vec![std::fs::File::open("/dev/null").unwrap().into()],
    );
    refused("does not listen", vec![UnixStream::pair().unwrap().0.into()]);
    let two = ["one", "two"].map(|name| UnixListener::bind(path(name)).unwrap().into());
    refused("2 sockets", two.into());
}

/// What is meant for another process is not taken: the daemon binds its own.
#[test]
fn what_is_for_another_process_is_left_alone() {
    let setup = Setup::new();
    setup.init();
    let mut command = setup.command(&[]);
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "1");
    let mut daemon = Daemon::start_with(setup, command);
    daemon.client().ping().unwrap();
    daemon.stop();
}

#[test]
fn systemd_socket_activate_starts_it() {
    let setup = Setup::new();
    setup.init();
    let socket = setup.path("handed.sock");
    let daemon = setup.command(&[]);
    let mut command = Command::new("systemd-socket-activate");
    command.arg("--listen").arg(&socket).arg(daemon.get_program());
    command.args(daemon.get_args());
    let log = std::fs::File::create(setup.path("log")).unwrap();
    let mut child = command.stdin(Stdio::null()).stderr(log).spawn().unwrap();
    wait_for("the socket is there", || socket.exists().then_some(()));
    let client = blocking::Client::new(Config::new(&socket).with_deadline(PATIENCE));
    client.ping().unwrap(); // it starts the daemon
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    assert!(wait_for("it ends", || child.try_wait().unwrap()).success());
    assert!(socket.exists(), "the socket's file is not ours to remove");
    assert!(!setup.socket().exists(), "nothing is bound beside what was handed over");
}

/// A daemon whose socket the test holds.
struct Held {
    setup: Setup,
    listener: UnixListener,
    child: Child,
}

impl Held {
    fn start(setup: Setup) -> Self {
        setup.init();
        let listener = UnixListener::bind(setup.socket()).unwrap();
        let child = Self::spawn(&setup, &listener);
        Self { setup, listener, child }
    }

    fn spawn(setup: &Setup, listener: &UnixListener) -> Child {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(setup.path("log"));
        let mut command = with(setup, vec![listener.try_clone().unwrap().into()]);
        let log = log.unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    fn restart(&mut self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
        let status = wait_for("it ends", || self.child.try_wait().unwrap());
        assert!(signal == Signal::SIGKILL || status.success(), "{status}");
        self.child = Self::spawn(&self.setup, &self.listener);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        self.child.wait().unwrap();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.setup.path("log")).unwrap_or_default();
            eprintln!("the daemon's log:\n{log}");
        }
    }
}

/// A manager's socket whose file is gone reaches nobody either.
#[test]
fn a_handed_over_socket_whose_file_is_removed_is_a_fault() {
    let held = Held::start(Setup::new());
    let client = blocking::Client::new(Config::new(held.setup.socket()).with_deadline(PATIENCE));
    assert!(client.health().unwrap().ready);
    std::fs::remove_file(held.setup.socket()).unwrap();
    let health = client.health().unwrap();
    let document = String::from_utf8_lossy(health.document.as_bytes()).into_owned();
    assert!(
        !health.ready && document.contains("was removed: new clients cannot reach"),
        "{document}"
    );
}

/// Restarts it over and over under a load of validates: each is answered, and rightly.
fn restarts(name: &str, signal: Signal) {
    let mut held = Held::start(Setup::new());
    let config = Config::new(held.setup.socket()).with_deadline(PATIENCE);
    let client = blocking::Client::new(config.clone());
    let good = client.issue(Issue::new()).unwrap();
    let bad = client.issue(Issue::new()).unwrap();
    client.revoke_jti(&bad.jti).unwrap();
    let over = AtomicBool::new(false);
    let all: Mutex<Vec<(Instant, Duration)>> = Mutex::default();
    let calls: Vec<_> = (0..4).map(|_| AtomicU64::new(0)).collect();
    let mut restarted = Vec::new();
    let work = |calls: &AtomicU64| {
        let client = blocking::Client::new(config.clone());
        let mut took = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let began = Instant::now();
            let valid = client.validate(good.token()).unwrap();
            took.push((began, began.elapsed()));
            assert!(matches!(valid, Verdict::Valid { .. }), "{valid:?}");
            let revoked = client.validate(bad.token()).unwrap();
            assert!(matches!(revoked, Verdict::Invalid(Reason::Revoked)), "{revoked:?}");
            calls.fetch_add(1, Ordering::Relaxed);
        }
        all.lock().unwrap().extend(took);
    };
    std::thread::scope(|scope| {
        let _over = Over(&over);
        let workers: Vec<_> = calls.iter().map(|calls| scope.spawn(|| work(calls))).collect();
        for _ in Rounds::new(name, 15, 100) {
            restarted.push(Instant::now());
            held.restart(signal);
            let before: Vec<_> = calls.iter().map(|calls| calls.load(Ordering::Relaxed)).collect();
            until("each is answered again", || {
                assert!(!workers.iter().any(|worker| worker.is_finished()), "a call failed");
                let mut all = calls.iter().zip(&before);
                all.all(|(calls, before)| calls.load(Ordering::Relaxed) > *before + 1)
            });
        }
    });
    let all = all.into_inner().unwrap();
    let mut longest: Vec<Duration> = restarted
        .iter()
        .map(|at| {
            // Under way when it was asked to end, or begun soon after.
            let until = *at + Duration::from_millis(20);
            let hit = all
                .iter()
                .filter(|(began, took)| *began < until && *began + *took > *at);
            hit.map(|(_, took)| *took).max().unwrap_or_default()
        })
        .collect();
    longest.sort_unstable();
    let mut usual: Vec<Duration> = all.iter().map(|(_, took)| *took).collect();
    usual.sort_unstable();
    let at = |all: &[Duration], part: usize| all[(all.len() - 1) * part / 100];
    println!(
        "{} restarts by {signal}, {} validates, none failed; a validate p50 {:?}; the longest of each restart p50 {:?}, p99 {:?}, max {:?}",
        restarted.len(),
        all.len(),
        at(&usual, 50),
        at(&longest, 50),
        at(&longest, 99),
        longest[longest.len() - 1],
    );
}

#[test]
fn a_restart_refuses_nobody() {
    restarts("restarts", Signal::SIGTERM);
}

#[test]
fn a_kill_is_only_retried() {
    restarts("kills", Signal::SIGKILL);
}
