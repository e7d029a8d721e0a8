//! The system calls that the daemon makes lie inside its unit's filter. `make prove-syscalls` has every daemon of the tests
//! watched so.

use jwtkeeper_client::{Before, Flag, Issue, Rotation};
use nix::sys::signal::Signal;

use jwtkeeper_testkit::daemons::http::At;
use jwtkeeper_testkit::daemons::syscalls::{allowed, outside};
use jwtkeeper_testkit::daemons::{Daemon, Setup};

/// Starts, does everything once, and stops; returns the calls that were not in `allowed`.
fn calls_outside(allowed: &std::collections::BTreeSet<String>) -> String {
    let setup = Setup::new();
    let (audit, metrics) = (setup.path("audit.json"), setup.path("metrics.sock"));
    let setup = setup.lines(&format!(
        "[audit]\nfile = \"{}\"\n[metrics]\nsocket = \"{}\"",
        audit.display(),
        metrics.display()
    ));
    setup.init();
    let trace = setup.path("outside");
    let plain = setup.command(&[]);
    let mut command = outside(allowed, &trace, env!("CARGO_BIN_EXE_jwtkeeperd").as_ref());
    command.args(plain.get_args().skip_while(|arg| *arg != "--config"));
    let mut daemon = Daemon::start_with(setup, command);
    let client = daemon.client();
    let minted = client.issue(Issue::new()).unwrap();
    client.flag(Flag::jti(&minted.jti)).unwrap();
    assert!(matches!(client.rotate(minted.token()).unwrap(), Rotation::Rotated(_)));
    client.revoke_subject("42", Before::Now).unwrap();
    client.reload().unwrap();
    assert!(client.health().unwrap().ready);
    let page = At::Unix(metrics).page(true);
    assert!(page.contains("jwtkeeper_ready 1"), "{page}");
    assert!(client.status(&minted.jti).is_ok());
    daemon.signal(Signal::SIGHUP);
    daemon.signal(Signal::SIGUSR1);
    daemon.logged("reopened the audit file");
    daemon.stop();
    let told = std::fs::read_to_string(trace).unwrap();
    // Threads that were ending when the process did are told of, and of no call.
    told.lines().filter(|line| !line.contains("???(")).collect()
}

#[test]
fn they_lie_inside_the_units_filter() {
    let mut allowed = allowed();
    assert!(allowed.len() > 200, "{allowed:?}");
    assert_eq!(calls_outside(&allowed), "");
    // The harness sees one that lies outside.
    assert!(allowed.remove("fdatasync") | allowed.remove("fsync"));
    let outside = calls_outside(&allowed);
    assert!(outside.contains("sync("), "{outside}");
}
