//! What the kernel saw: the fsync before the reply, and what happens when it fails.

use std::process::Command;

use jwtkeeper_client::{ErrorKind, Issue, Reason, Verdict};

use jwtkeeper_wire::{Op, RevokeTarget};

use jwtkeeper_testkit::daemons::wire::frame;
use jwtkeeper_testkit::daemons::{Daemon, Setup, until};

const REVOKES: usize = 20;

/// The daemon under strace, which writes to `trace` in the test's directory.
fn traced(options: &[&str]) -> Daemon {
    let setup = Setup::new();
    setup.init();
    let daemon = setup.command(&[]);
    let mut command = Command::new("strace");
    command
        .args(["-f", "-s", "128"])
        .args(options)
        .arg("-o")
        .arg(setup.path("trace"));
    command.arg(daemon.get_program()).args(daemon.get_args());
    let there = Command::new("strace").arg("-V").output();
    assert!(
        there.is_ok(),
        "strace is missing; install it (make test does it as root)"
    );
    Daemon::start_with(setup, command)
}

#[test]
fn each_acknowledgement_follows_an_fsync() {
    let mut daemon = traced(&["-e", "trace=fsync,fdatasync,recvfrom,sendto,read,write,writev,sendmsg"]);
    let client = daemon.client();
    client.ping().unwrap();
    for number in 0..REVOKES {
        client.revoke_jti(&jti(number)).unwrap();
    }
    drop(client);
    stop(&mut daemon);
    let trace = std::fs::read_to_string(daemon.setup.path("trace")).unwrap();
    // Told by their sizes: what they hold is hidden from strace too, where that is not root's.
    let request = Op::Revoke {
        realm: "",
        target: RevokeTarget::Jti(&jti(0)),
    };
    let asks = format!(") = {}", frame(1, request).len());
    let (mut asked, mut synced, mut shown) = (false, false, 0);
    for line in trace.lines() {
        if line.contains("recvfrom") && line.ends_with(&asks) {
            (asked, synced) = (true, false);
        } else if line.contains("sync") && line.trim_end().ends_with("= 0") {
            synced = true;
        } else if asked && line.contains("sendto(") && line.contains(", 16, MSG_NOSIGNAL") {
            assert!(synced, "a reply before the fsync: {line}");
            (asked, shown) = (false, shown + 1);
        }
    }
    println!("{shown} acknowledgements, each after an fsync");
    assert_eq!(shown, REVOKES, "the trace was not understood:\n{trace}");
}

fn jti(number: usize) -> String {
    format!("traced-{number:03}")
}

/// Ends the daemon, which is strace's child.
fn stop(daemon: &mut Daemon) {
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", daemon.pid())).unwrap();
    let pid: i32 = children.split_whitespace().next().unwrap().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM).unwrap();
    assert!(daemon.wait().success());
}

/// An fsync that fails is never acknowledged, whatever comes later: what is on disk is in doubt until a restart.
#[test]
fn a_failed_fsync_is_never_acknowledged() {
    let mut daemon = traced(&[
        "-e",
        "trace=fdatasync,fsync",
        "-e",
        "inject=fdatasync,fsync:error=EIO:when=12+",
    ]);
    let client = daemon.client();
    let mut acknowledged = 0;
    let refused = loop {
        let minted = client.issue(Issue::new()).unwrap();
        match client.revoke_jti(&minted.jti) {
            Ok(()) => acknowledged += 1,
            Err(error) => break (minted, error),
        }
        assert!(acknowledged < 100, "no fsync failed");
    };
    assert_eq!(refused.1.kind(), ErrorKind::Unavailable, "{}", refused.1);
    // In force here all the same, said in health, and refused from now on.
    assert_eq!(
        client.validate(refused.0.token()).unwrap(),
        Verdict::Invalid(Reason::Revoked)
    );
    assert!(client.revoke_jti("another").is_err());
    let health = client.health().unwrap();
    assert!(!health.ready);
    assert!(String::from_utf8_lossy(health.document.as_bytes()).contains("restart"));
    // It issues and validates on.
    let minted = client.issue(Issue::new()).unwrap();
    assert!(client.validate(minted.token()).unwrap().is_valid());
    stop(&mut daemon);
}

/// A full disk is not acknowledged either, and is over when there is room again.
#[test]
fn a_full_disk_is_not_acknowledged_and_passes() {
    let mut daemon = traced(&["-e", "trace=pwrite64", "-e", "inject=pwrite64:error=ENOSPC:when=60..66"]);
    let client = daemon.client();
    let mut pending = None;
    for number in 0..200 {
        let minted = client.issue(Issue::new()).unwrap();
        if let Err(error) = client.revoke_jti(&minted.jti) {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(error.to_string().contains("no room"), "{number}: {error}");
            pending = Some(minted);
            break;
        }
    }
    let pending = pending.expect("a write found no room");
    assert_eq!(
        client.validate(pending.token()).unwrap(),
        Verdict::Invalid(Reason::Revoked)
    );
    until("there is room again", || client.revoke_jti("after").is_ok());
    assert!(client.health().unwrap().ready);
    stop(&mut daemon);
    // What was in effect without being stored is stored by now.
    daemon.restart();
    assert_eq!(
        daemon.client().validate(pending.token()).unwrap(),
        Verdict::Invalid(Reason::Revoked)
    );
}
