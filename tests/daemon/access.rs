//! Who may do what without rules: whoever may open the socket, all but what ends every session or touches the daemon.

use std::os::unix::process::CommandExt;
use std::process::Command;

use jwtkeeper_client::{Before, ErrorKind};

use jwtkeeper_testkit::daemons::daemon::{chmod, ctl};
use jwtkeeper_testkit::daemons::{Setup, exit_of};

/// A uid that is neither root's nor the daemon's.
const OTHER: u32 = 64_000;

#[test]
fn the_daemons_own_user_may_do_everything() {
    let daemon = Setup::new().start();
    let client = daemon.client();
    client.reload().unwrap();
    client.revoke_issued_before(Before::Now).unwrap();
}

/// Only root can become another user; the rule itself is tested on every machine beside its code.
#[test]
fn others_may_not_end_every_session_nor_reload() {
    if !nix::unistd::geteuid().is_root() {
        println!("not root: no other user to be");
        return;
    }
    let daemon = Setup::new().top("socket_mode = \"0666\"").start();
    chmod(daemon.setup.path("").as_path(), 0o755);
    let copy = daemon.setup.path("jwtkeeperctl");
    std::fs::copy(ctl(), &copy).unwrap();
    chmod(&copy, 0o755);
    let as_other = |args: &[&str]| {
        let mut command = Command::new(&copy);
        command
            .arg("--socket")
            .arg(daemon.setup.socket())
            .args(args)
            .uid(OTHER)
            .gid(OTHER);
        exit_of(command)
    };
    let socket = daemon.setup.socket();
    chmod(&socket, 0o660);
    let root_alone = as_other(&["ping"]);
    std::os::unix::fs::chown(&socket, None, Some(OTHER + 1)).unwrap();
    let a_group = as_other(&["ping"]);
    chmod(&socket, 0o666);
    for (output, advice) in [
        (
            root_alone,
            "permission denied; mode 0660, uid 0 and gid 0 keep this user out",
        ),
        (
            a_group,
            "permission denied; add the user to the group 64001 and start a new session",
        ),
    ] {
        assert_eq!(output.status.code(), Some(77));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(advice), "{said}");
    }
    for args in [&["reload"][..], &["revoke", "--issued-before", "now"]] {
        let output = as_other(args);
        assert_eq!(output.status.code(), Some(77), "{args:?}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("uid 64000 may not"), "{said}");
    }
    for args in [
        &["issue"][..],
        &["health"],
        &["jwks"],
        &["revoke", "--subject", "42"],
        &["flag", "--jti", "x"],
    ] {
        assert!(as_other(args).status.success(), "{args:?}");
    }
}

/// The mode of the socket decides before any rule does.
#[test]
fn the_sockets_mode_keeps_others_out() {
    if !nix::unistd::geteuid().is_root() {
        println!("not root: no other user to be");
        return;
    }
    let daemon = Setup::new().start();
    let found = std::fs::metadata(daemon.setup.socket()).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o777,
        0o660
    );
    chmod(daemon.setup.path("").as_path(), 0o755);
    let copy = daemon.setup.path("jwtkeeperctl");
    std::fs::copy(ctl(), &copy).unwrap();
    chmod(&copy, 0o755);
    let mut command = Command::new(&copy);
    command
        .arg("--socket")
        .arg(daemon.setup.socket())
        .arg("ping")
        .uid(OTHER)
        .gid(OTHER);
    assert_eq!(exit_of(command).status.code(), Some(77));
}

#[test]
fn what_is_not_there_is_said() {
    let daemon = Setup::new().start();
    let error = daemon
        .realm("nowhere")
        .issue(jwtkeeper_client::Issue::new())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadRequest);
    assert!(error.to_string().contains("there is no realm \"nowhere\""), "{error}");
}
