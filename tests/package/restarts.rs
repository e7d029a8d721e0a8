//! The socket is systemd's: whatever becomes of the daemon, nobody who calls is refused, until it is of no use to wait.

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jwtkeeper_client::{Config, Issue, blocking::Client};

use crate::Machine;
use jwtkeeper_testkit::daemons::{meanwhile, until};

/// More than a socket unit would bear that gives up early.
const KILLS: usize = 8;

/// Calls without a second try: connects, and is refused where the socket is gone; and asks.
struct Caller {
    machine: Machine,
    token: String,
    answers: AtomicU64,
}

impl Caller {
    fn new() -> Self {
        let machine = Machine::installed();
        let token = machine.client().issue(Issue::new()).unwrap().token().to_owned();
        Self {
            machine,
            token,
            answers: AtomicU64::new(0),
        }
    }

    fn call(&self) {
        let _connected = UnixStream::connect(self.machine.socket()).expect("the socket refused a caller");
        let valid = self
            .machine
            .client()
            .validate(self.token.as_str())
            .expect("a call failed")
            .is_valid();
        assert!(valid);
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// Does something to the daemon while calls go on; then another one answers them.
    fn through(&self, script: &str) {
        let daemon = self.machine.daemon();
        let before = self.answers.load(Ordering::Relaxed);
        until("calls are answered", || self.answers.load(Ordering::Relaxed) > before);
        self.machine.sh(script);
        until("another daemon is ready", || {
            let now = self.machine.daemon();
            now != "0" && now != daemon && self.machine.show("jwtkeeperd", "ActiveState") == "active"
        });
        let then = self.answers.load(Ordering::Relaxed);
        until("calls are answered again", || {
            self.answers.load(Ordering::Relaxed) > then + 1
        });
    }
}

#[test]
fn a_restart_fails_no_call() {
    let caller = Caller::new();
    meanwhile(
        |_| caller.call(),
        || {
            for _ in 0..3 {
                caller.through("systemctl restart jwtkeeperd");
            }
            caller.through("dpkg --install /jwtkeeperd.deb");
            for _ in 0..KILLS {
                caller.through("systemctl kill --kill-whom=main --signal=KILL jwtkeeperd");
            }
        },
    );
    // Those that it was not called in time to start.
    let restarts: usize = caller.machine.show("jwtkeeperd", "NRestarts").parse().unwrap();
    assert!(restarts <= KILLS, "more than the killed ones were started: {restarts}");
}

/// A daemon that does nothing any more is killed by the watchdog, and another takes its place.
#[test]
fn a_daemon_that_hangs() {
    let caller = Caller::new();
    caller.machine.write(
        "/etc/systemd/system/jwtkeeperd.service.d/soon.conf",
        "[Service]\nWatchdogSec=2s\n",
    );
    caller
        .machine
        .sh("systemctl daemon-reload && systemctl restart jwtkeeperd");
    meanwhile(
        |_| caller.call(),
        || caller.through("systemctl kill --kill-whom=main --signal=STOP jwtkeeperd"),
    );
    let journal = caller.machine.sh("journalctl --no-pager --unit=jwtkeeperd");
    assert!(journal.contains("Watchdog timeout"), "{journal}");
}

/// What cannot start until something is put right is not started for ever: the socket closes, and callers are told.
#[test]
fn a_daemon_that_cannot_start() {
    let machine = Machine::installed();
    machine.sh("mv /etc/jwtkeeper/secret /root/");
    let refused = machine.try_sh("systemctl restart jwtkeeperd");
    assert!(!refused.status.success());
    assert_eq!(machine.show("jwtkeeperd", "ExecMainStatus"), "78");
    assert_eq!(machine.show("jwtkeeperd", "NRestarts"), "0", "it was tried again");

    let client = Client::new(Config::new(machine.socket()).with_deadline(Duration::from_millis(100)));
    until("the socket closes", || {
        assert!(client.ping().is_err());
        machine.show("jwtkeeperd.socket", "ActiveState") == "failed"
    });
    UnixStream::connect(machine.socket()).expect_err("callers wait for nobody");

    machine.sh("mv /root/secret /etc/jwtkeeper/ && systemctl restart jwtkeeperd");
    assert_eq!(
        machine.sh("systemctl is-active jwtkeeperd.socket jwtkeeperd.service"),
        "active\nactive\n"
    );
    machine.client().ping().unwrap();
}

/// Who calls when the daemon is down, but its socket is not, starts it.
#[test]
fn a_call_starts_it() {
    let machine = Machine::installed();
    machine.sh("systemctl stop jwtkeeperd.service");
    assert_eq!(machine.daemon(), "0");
    machine.client().ping().unwrap();
    assert_ne!(machine.daemon(), "0");
    // At the next boot, too, it is there without a call.
    machine.sh("systemctl stop jwtkeeperd.socket jwtkeeperd.service && systemctl start multi-user.target");
    assert_eq!(
        machine.sh("systemctl is-active jwtkeeperd.socket jwtkeeperd.service"),
        "active\nactive\n"
    );
}
