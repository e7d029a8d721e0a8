//! SIGHUP from the first moment at which it cannot kill by nature: all through start and stop, it never does.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use jwtkeeper_testkit::daemons::{Over, Rounds, Setup, until, wait_for};

/// Blocked by whoever starts it, before it is jwtkeeperd at all.
#[test]
fn blocked_by_the_parent() {
    let mut command = Command::new("env");
    command.args(["--block-signal=HUP", env!("CARGO_BIN_EXE_jwtkeeperd")]);
    lives("hangup-parent", &command);
}

/// Blocked by itself, first thing in main.
#[test]
fn blocked_by_itself() {
    lives("hangup-own", &Command::new(env!("CARGO_BIN_EXE_jwtkeeperd")));
}

fn lives(name: &str, command: &Command) {
    let setup = Setup::new();
    setup.init();
    let config = setup.path("jwtkeeper.toml");
    let sent = AtomicU64::new(0);
    let mut rounds = 0;
    for round in Rounds::new(name, 100, 200) {
        let mut this = Command::new(command.get_program());
        this.args(command.get_args()).arg("--config").arg(&config);
        let log = std::fs::File::create(setup.path("log")).unwrap();
        let mut child = this.stdin(Stdio::null()).stderr(log).spawn().unwrap();
        let status = hang_up_all_the_while(&mut child, &setup, &sent);
        let log = std::fs::read_to_string(setup.path("log")).unwrap();
        assert!(status.success(), "round {round}: {status}: {log}");
        rounds += 1;
    }
    println!(
        "{rounds} starts and stops, {} SIGHUPs, none died of it",
        sent.load(Ordering::Relaxed)
    );
}

/// Sends SIGHUP as fast as it can from when it is blocked to the end; in the midst of it the daemon is asked to stop.
fn hang_up_all_the_while(child: &mut Child, setup: &Setup, sent: &AtomicU64) -> ExitStatus {
    let pid = Pid::from_raw(child.id() as i32);
    until("SIGHUP is blocked or handled", || holds_sighup(pid));
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _over = Over(&over);
        scope.spawn(|| {
            // It is waited for only once this has ended: its pid is nobody else's.
            while !over.load(Ordering::Relaxed) {
                kill(pid, Signal::SIGHUP).unwrap();
                sent.fetch_add(1, Ordering::Relaxed);
            }
        });
        until("it serves", || {
            assert!(
                !ended(pid),
                "it died: {}",
                std::fs::read_to_string(setup.path("log")).unwrap()
            );
            std::os::unix::net::UnixStream::connect(setup.socket()).is_ok()
        });
        kill(pid, Signal::SIGTERM).unwrap();
        until("it ends", || ended(pid));
    });
    wait_for("its status", || child.try_wait().unwrap())
}

/// Whether the kernel holds the signal back, or the daemon handles it.
fn holds_sighup(pid: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    ["SigBlk:", "SigCgt:"].into_iter().any(|name| {
        let mask = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap() & 1 == 1
    })
}

/// Whether it has ended, and waits to be waited for.
fn ended(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(") ").unwrap().1.starts_with('Z')
}
