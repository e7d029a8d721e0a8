//! The disk of state_dir is full: validates go on, over a stop, a kill and a start too; what is lost with a stop is told; and
//! once there is room it is written with no restart.

use std::process::Command;

use jwtkeeper_client::{ErrorKind, Issue};
use nix::unistd::Pid;

use jwtkeeper_testkit::daemons::namespace::{SmallDisk, Users, can};
use jwtkeeper_testkit::daemons::{Daemon, Setup, exit_of, until};

/// A daemon on a disk of its own.
fn small(setup: Setup) -> (SmallDisk, Daemon) {
    setup.init();
    let disk = SmallDisk::new(&setup.state_dir(), "4m");
    let command = disk.on(&setup.command(&[]));
    (disk, Daemon::start_with(setup, command))
}

/// Revokes until there is no room for it, and then some more; those that were not acknowledged.
fn refused(daemon: &Daemon) -> Vec<String> {
    let client = daemon.client();
    let all = (0..10_000).map(|n| format!("jti-{n}"));
    let refused = all.filter(|jti| match client.revoke_jti(jti) {
        Ok(()) => false,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            true
        }
    });
    let refused: Vec<_> = refused.take(3).collect();
    assert_eq!(refused.len(), 3, "there was room for all");
    for jti in &refused {
        assert_eq!(client.status(jti).unwrap().state.to_string(), "hard", "not in effect");
    }
    refused
}

#[test]
fn a_start_on_it_validates() {
    if !can(Users::Shared) {
        return;
    }
    let (mut disk, mut daemon) = small(Setup::new().lines("max_lifetime = \"2d\""));
    let minted = daemon.client().issue(Issue::new()).unwrap();
    let revoked = daemon.client().issue(Issue::new()).unwrap();
    daemon.client().revoke_jti(&revoked.jti).unwrap();
    disk.fill();
    let lost = refused(&daemon);
    daemon.stop();
    // Each jti also names the session that it began.
    let told = "6 denylist entries could not be written and are lost with this process";
    assert!(daemon.log().contains(told), "{}", daemon.log());
    for killed in [false, true] {
        daemon.restart_with(disk.on(&daemon.setup.command(&[])));
        let client = daemon.client();
        assert!(client.validate(minted.token()).unwrap().is_valid());
        assert!(!client.validate(revoked.token()).unwrap().is_valid());
        assert!(!client.health().unwrap().ready);
        assert!(daemon.health()["faults"].to_string().contains("no room left"));
        // They were not acknowledged, and are forgotten: docs/operations.md says not to restart.
        assert_eq!(client.status(&lost[0]).unwrap().state.to_string(), "none");
        if killed {
            daemon.kill();
        } else {
            daemon.stop();
        }
    }
    // Tokens that live longer than the store knows of could outlive what revokes them.
    daemon.setup.replace("max_lifetime = \"2d\"", "max_lifetime = \"3d\"");
    let output = exit_of(disk.on(&daemon.setup.command(&[])));
    assert_eq!(output.status.code(), Some(69), "{output:?}");

    daemon.setup.replace("max_lifetime = \"3d\"", "max_lifetime = \"2d\"");
    daemon.restart_with(disk.on(&daemon.setup.command(&[])));
    assert!(!daemon.client().health().unwrap().ready);
    disk.free();
    until("it is written again", || daemon.client().health().unwrap().ready);
    daemon.logged("the denylist store accepts commits again");
    daemon.client().revoke_jti(&lost[0]).unwrap();
}

/// The kernel answers a write beyond RLIMIT_FSIZE with SIGXFSZ, which kills whoever does not expect it.
#[test]
fn file_size_limit_is_a_full_disk() {
    let daemon = Setup::new().start();
    let size = std::fs::metadata(daemon.setup.state_dir().join("denylist.redb"))
        .unwrap()
        .len();
    let pid = Pid::from_raw(daemon.pid() as i32);
    let limit = |bytes: &str| {
        let mut command = Command::new("prlimit");
        command.arg(format!("--pid={pid}")).arg(format!("--fsize={bytes}:"));
        assert!(exit_of(command).status.success());
    };
    limit(&size.to_string());
    let lost = refused(&daemon);
    assert!(daemon.health()["faults"].to_string().contains("no room left"));
    limit("unlimited");
    until("it is written again", || daemon.client().health().unwrap().ready);
    daemon.client().revoke_jti(&lost[0]).unwrap();
}

/// With room again it is all written by the stop at the latest.
#[test]
fn what_was_refused_is_written_once_there_is_room() {
    if !can(Users::Shared) {
        return;
    }
    let (mut disk, mut daemon) = small(Setup::new());
    disk.fill();
    let refused = refused(&daemon);
    disk.free();
    daemon.stop();
    assert!(!daemon.log().contains("could not be written"), "{}", daemon.log());
    daemon.restart_with(disk.on(&daemon.setup.command(&[])));
    for jti in &refused {
        assert_eq!(daemon.client().status(jti).unwrap().state.to_string(), "hard");
    }
}
