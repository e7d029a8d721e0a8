//! `--check` finds whatever would keep the daemon from starting, as the daemon's user, and disturbs nobody.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use jwtkeeper_testkit::daemons::daemon::chmod;
use jwtkeeper_testkit::daemons::{Daemon, Setup, exit_of, until};

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The check fails with this status and these texts, and does not say that all is right.
fn finds(output: &Output, status: i32, says: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{said}");
    for text in says {
        assert!(said.contains(text), "{text:?} is not in: {said}");
    }
    assert!(!stdout(output).contains("the configuration is right"));
    assert!(stdout(output).contains("not checked:\n  - "), "{}", stdout(output));
}

fn check(setup: &Setup) -> Output {
    setup.run(&["--check"])
}

/// The output names the user and what was not checked.
#[test]
fn a_right_configuration_is_told_with_what_was_not_checked() {
    let setup = Setup::new();
    setup.init();
    let output = check(&setup);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let said = stdout(&output);
    assert!(
        said.contains("jwtkeeper.toml: the configuration is right\nchecked as "),
        "{said}"
    );
    assert!(said.contains("not checked:\n  - "), "{said}");
    drop(Daemon::start(setup));
}

#[test]
fn a_missing_state_directory_or_store_is_found() {
    let setup = Setup::new();
    let missing = ["there is no denylist store at ", "jwtkeeperd --init"];
    finds(&check(&setup), 78, &missing);
    std::fs::create_dir(setup.state_dir()).unwrap();
    finds(&check(&setup), 78, &missing);
    assert_eq!(
        std::fs::read_dir(setup.state_dir()).unwrap().count(),
        0,
        "a check made something"
    );
}

/// What the daemon would say of itself once it runs.
#[test]
fn a_daemon_that_would_not_be_ready_is_found() {
    let setup =
        Setup::new().lines("max_token = 256\nissuer = \"https://issuer.example.com/a/rather/long/path/for/the/token\"");
    setup.init();
    let issuer = ["realm default: the self-test fails: no token can be issued: the token would have"];
    finds(&check(&setup), 78, &issuer);
    let setup = Setup::new().top("[audit]\nfile = \"nowhere/audit.json\"\non_failure = \"continue\"");
    setup.init();
    let output = check(&setup);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("warning: the audit "));
}

#[test]
fn a_corrupt_store_is_found_and_left_as_it_is() {
    let setup = Setup::new();
    setup.init();
    let file = setup.state_dir().join("denylist.redb");
    let whole = std::fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    flipped[..128].iter_mut().for_each(|byte| *byte = !*byte);
    for bytes in [
        &b"this is no store at all"[..],
        &[],
        &whole[..whole.len() / 2],
        &flipped,
    ] {
        std::fs::write(&file, bytes).unwrap();
        finds(&check(&setup), 78, &["denylist.redb", "is corrupt", "backup"]);
        assert_eq!(std::fs::read(&file).unwrap(), bytes, "the file was changed");
    }
}

/// A store that was not closed is repaired by the next start: the check repairs a copy in memory.
#[test]
fn a_store_of_a_killed_daemon_is_right_and_left_as_it_is() {
    let mut daemon = Setup::new().start();
    daemon.client().revoke_jti("one").unwrap();
    daemon.kill();
    let file = daemon.setup.state_dir().join("denylist.redb");
    let before = std::fs::read(&file).unwrap();
    let output = check(&daemon.setup);
    assert!(output.status.success(), "{output:?}");
    assert!(!stdout(&output).contains("in use"), "{}", stdout(&output));
    assert_eq!(std::fs::read(&file).unwrap(), before, "the file was changed");
}

/// Neither its store nor its socket is touched, and neither is a fault.
#[test]
fn a_running_daemon_is_not_disturbed() {
    let daemon = Setup::new().top("[metrics]\nlisten = \"127.0.0.1:0\"").start();
    daemon.client().revoke_jti("one").unwrap();
    let output = check(&daemon.setup);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let said = stdout(&output);
    assert!(
        said.contains("denylist.redb: in use by a running daemon; not opened"),
        "{said}"
    );
    assert!(
        said.contains("jwtkeeper.sock: a running daemon or its socket unit listens there"),
        "{said}"
    );
    daemon.client().revoke_jti("two").unwrap();
    assert!(daemon.client().health().unwrap().ready);
}

/// A socket unit would start the daemon for a connection.
#[test]
fn a_socket_that_another_process_holds_gets_no_connection() {
    let setup = Setup::new();
    setup.init();
    let listener = std::os::unix::net::UnixListener::bind(setup.socket()).unwrap();
    listener.set_nonblocking(true).unwrap();
    let output = check(&setup);
    assert!(output.status.success(), "{output:?}");
    assert!(
        stdout(&output).contains("socket unit listens there"),
        "{}",
        stdout(&output)
    );
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn sockets_that_cannot_be_made_are_found() {
    let moved = |name: &str| {
        let setup = Setup::new();
        setup.init();
        let text = std::fs::read_to_string(setup.path("jwtkeeper.toml")).unwrap();
        setup.write("other.toml", &text.replace("jwtkeeper.sock", name));
        let mut command = Command::new(env!("CARGO_BIN_EXE_jwtkeeperd"));
        command.arg("--check").arg("--config").arg(setup.path("other.toml"));
        (exit_of(command), setup)
    };
    let (output, _setup) = moved("nowhere/jwtkeeper.sock");
    finds(
        &output,
        69,
        &[
            "cannot make a socket in ",
            "nowhere: No such file or directory",
            "; make the directory",
        ],
    );
    let (output, _setup) = moved("default.secret");
    finds(&output, 78, &["default.secret is there and is not a socket"]);
    let metrics = Setup::bare();
    let path = metrics.path("nowhere/metrics.sock").display().to_string();
    let setup = Setup::new().top(&format!("[metrics]\nsocket = \"{path}\""));
    setup.init();
    finds(&check(&setup), 69, &["cannot make a socket in ", "nowhere"]);
}

#[test]
fn an_address_that_the_host_lacks_is_found() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let setup = Setup::new().top(&format!("[metrics]\nlisten = \"{address}\""));
    setup.init();
    let output = check(&setup);
    assert!(output.status.success(), "{output:?}");
    let told = format!("metrics.listen {address}: in use");
    assert!(stdout(&output).contains(&told), "{}", stdout(&output));
    // The loopback device of a new network namespace is down, and has no address.
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net"]);
    let possible = command.arg("true").output().is_ok_and(|output| output.status.success());
    if !possible {
        println!("not shown: this host allows no namespaces");
        return;
    }
    let setup = Setup::new().top("[metrics]\nlisten = \"[::1]:9464\"");
    setup.init();
    let plain = setup.command(&["--check"]);
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net"]);
    command.arg(plain.get_program()).args(plain.get_args());
    finds(&exit_of(command), 69, &["cannot listen on metrics.listen [::1]:9464: "]);
}

/// A directory for PATH with a `systemctl` that shows this unit.
fn with_unit(setup: &Setup, unit: &str) -> PathBuf {
    let directory = setup.path("bin");
    std::fs::create_dir_all(&directory).unwrap();
    let script = format!("#!/bin/sh\ncat <<'END'\nLoadState=loaded\n{unit}\nEND\n");
    std::fs::write(directory.join("systemctl"), script).unwrap();
    std::fs::set_permissions(directory.join("systemctl"), PermissionsExt::from_mode(0o755)).unwrap();
    directory
}

fn check_with_unit(setup: &Setup, unit: &str) -> Output {
    let path = format!(
        "{}:{}",
        with_unit(setup, unit).display(),
        std::env::var("PATH").unwrap()
    );
    let mut command = setup.command(&["--check"]);
    command.env("PATH", path);
    exit_of(command)
}

/// The unit of the packages has no network.
#[test]
fn a_sandbox_that_forbids_the_network_is_found() {
    let lines = "[metrics]\nlisten = \"127.0.0.1:0\"\n\
                 [store]\nkind = \"redis\"\n[store.redis]\nurl = \"redis://127.0.0.1:1\"";
    let setup = Setup::new().top(lines);
    setup.init();
    let closed = "User=root\nPrivateNetwork=yes\nRestrictAddressFamilies=AF_UNIX";
    finds(
        &check_with_unit(&setup, closed),
        78,
        &[
            "metrics.listen 127.0.0.1:0: jwtkeeperd.service forbids it (PrivateNetwork=yes); set metrics.socket",
            "store.redis: jwtkeeperd.service forbids TCP (PrivateNetwork=yes); install the drop-in redis-tcp.conf",
        ],
    );
    let open = "User=root\nPrivateNetwork=no\nRestrictAddressFamilies=AF_UNIX AF_INET AF_INET6";
    let output = check_with_unit(&setup, open);
    assert!(output.status.success(), "{output:?}");
    let said = stdout(&output);
    assert!(
        said.contains("Redis at redis://127.0.0.1:1: whether it is reachable"),
        "{said}"
    );
}

#[test]
fn the_user_of_the_unit_is_named() {
    let setup = Setup::new();
    setup.init();
    let output = check_with_unit(&setup, "User=jwtkeeper\nPrivateNetwork=yes");
    assert!(output.status.success(), "{output:?}");
    let said = stdout(&output);
    let told = "jwtkeeperd.service runs the daemon as jwtkeeper: as root, jwtkeeperd --check --user jwtkeeper";
    assert!(said.contains(told), "{said}");
}

/// Files that only root can read stop a daemon that runs as another user.
#[test]
fn the_rights_of_the_named_user_count() {
    let setup = Setup::new();
    setup.init();
    let check = |user: &str| setup.run(&["--check", "--user", user]);
    if !nix::unistd::geteuid().is_root() {
        finds_usage(&check("daemon"), "--user daemon needs root");
        return;
    }
    let directory = setup.path("");
    finds(&check("daemon"), 78, &["jwtkeeper.toml", "Permission denied"]);
    chmod(&directory, 0o755);
    assert!(setup.run(&["--check"]).status.success(), "root reads all");
    for user in ["daemon", "1"] {
        let says = [
            "default.secret: cannot be read: Permission denied",
            "denylist.redb cannot be opened: Permission denied",
            "cannot make a socket in ",
        ];
        finds(&check(user), 78, &says);
    }
    let (uid, gid) = (Some(1), Some(1));
    for name in ["", "default.secret", "state", "state/denylist.redb"] {
        std::os::unix::fs::chown(setup.path(name), uid, gid).unwrap();
    }
    let output = check("daemon");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(
        stdout(&output).contains("checked as the user daemon"),
        "{}",
        stdout(&output)
    );
}

fn finds_usage(output: &Output, text: &str) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(text), "{said}");
}

#[test]
fn a_user_that_is_none_is_a_slip_of_the_command_line() {
    let setup = Setup::new();
    finds_usage(
        &setup.run(&["--check", "--user", "no-such-user"]),
        "there is no such user on this host",
    );
    finds_usage(&setup.run(&["--user", "daemon"]), "--check");
}

/// Each pair of realms is told once.
#[test]
fn realms_of_one_denylist_are_told_once() {
    let setup = ["one", "two", "three"].into_iter().fold(Setup::bare(), |setup, name| {
        let lines = format!("denylist = \"shared\"\nstore_prefix = \"{name}:\"");
        setup.realm(
            name,
            "HS256",
            jwtkeeper_testkit::daemons::daemon::SECRET.as_bytes(),
            &lines,
        )
    });
    let output = check(&setup);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        said.matches("share a denylist; set the same store_prefix").count(),
        3,
        "{said}"
    );
}

/// A daemon that starts while the check runs finds the store and the address free.
#[test]
fn a_check_keeps_no_start_from_its_places() {
    let setup = Setup::new().top("[metrics]\nlisten = \"127.0.0.1:0\"");
    setup.init();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let command = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jwtkeeperd"));
        command.arg("--config").arg(setup.path("jwtkeeper.toml")).args(args);
        command
    };
    std::thread::scope(|scope| {
        let checks = scope.spawn(|| {
            let mut checks = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let output = exit_of(command(&["--check"]));
                assert!(output.status.success(), "{output:?}");
                checks += 1;
            }
            checks
        });
        for _ in 0..5 {
            let mut daemon = command(&[]).spawn().unwrap();
            let client = jwtkeeper_client::blocking::Client::new(jwtkeeper_client::Config::new(setup.socket()));
            until("it serves", || {
                assert_eq!(daemon.try_wait().unwrap(), None, "a check kept it from starting");
                client.ping().is_ok()
            });
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(checks.join().unwrap() > 0);
    });
}
