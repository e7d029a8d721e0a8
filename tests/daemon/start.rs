//! What keeps the daemon from starting: each with a clear error, its exit status, and nothing harmed.

use std::os::unix::fs::FileTypeExt;
use std::process::{Command, Output};

use jwtkeeper_client::Issue;

use jwtkeeper_testkit::daemons::daemon::{SECRET, chmod};
use jwtkeeper_testkit::daemons::{Daemon, Setup, exit_of, until, wait_for};

fn refused(output: &Output, code: i32, says: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    for text in says {
        assert!(said.contains(text), "{text:?} is not in: {said}");
    }
}

/// The store may be there: nobody is told to make an empty one.
#[test]
fn unreadable_state_dir_is_not_a_missing_store() {
    let setup = Setup::new();
    setup.init();
    chmod(&setup.state_dir(), 0o000);
    for args in [&[][..], &["--init"]] {
        let plain = setup.command(args);
        let mut command = Command::new("setpriv");
        if nix::unistd::geteuid().is_root() {
            command.arg("--bounding-set=-dac_override,-dac_read_search");
        }
        command.arg(plain.get_program()).args(plain.get_args());
        let output = exit_of(command);
        refused(&output, 69, &["Permission denied", "denylist.redb cannot be opened"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("--init") && !said.contains("there is no"), "{said}");
    }
    chmod(&setup.state_dir(), 0o700);
    drop(Daemon::start(setup));
}

#[test]
fn no_store() {
    let setup = Setup::new();
    std::fs::create_dir(setup.state_dir()).unwrap();
    refused(
        &setup.run(&[]),
        78,
        &["there is no denylist store", "jwtkeeperd --init"],
    );
    assert!(!setup.socket().exists());
    setup.init();
    refused(
        &setup.run(&["--init"]),
        78,
        &["there is a denylist store", "left as it is"],
    );
    drop(Daemon::start(setup));
}

/// For a step that runs at each start, such as a container's init step. A revocation survives it.
#[test]
fn init_if_missing_makes_a_store_once_and_keeps_it() {
    let setup = Setup::new();
    let run = |setup: &Setup| {
        let output = setup.run(&["--init-if-missing"]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let made = format!("made an empty denylist store in {}\n", setup.state_dir().display());
    assert_eq!(run(&setup), made);
    let mut daemon = Daemon::start(setup);
    daemon.client().revoke_jti("one").unwrap();
    daemon.stop();
    let said = run(&daemon.setup);
    assert!(said.ends_with("already; left as it is\n"), "{said}");
    daemon.restart();
    assert_eq!(daemon.client().status("one").unwrap().state.to_string(), "hard");
}

/// A store whose file is removed while the daemon runs: what would be lost is not acknowledged.
#[test]
fn a_store_that_is_removed() {
    let daemon = Setup::new().start();
    let client = daemon.client();
    client.revoke_jti("before").unwrap();
    std::fs::remove_file(daemon.setup.state_dir().join("denylist.redb")).unwrap();
    until("it is seen", || !client.health().unwrap().ready);
    let error = client.revoke_jti("after").unwrap_err();
    assert!(error.to_string().contains("its file was removed"), "{error}");
    assert_eq!(
        client.status("after").unwrap().state.to_string(),
        "hard",
        "in effect all the same"
    );
}

#[test]
fn a_corrupt_store() {
    let setup = Setup::new();
    setup.init();
    let file = setup.state_dir().join("denylist.redb");
    let whole = std::fs::read(&file).unwrap();
    for bytes in [&b"this is no store at all"[..], &[], &whole[..whole.len() / 2]] {
        std::fs::write(&file, bytes).unwrap();
        refused(
            &setup.run(&[]),
            78,
            &["denylist.redb", "is corrupt", "backup", "--init"],
        );
        assert_eq!(std::fs::read(&file).unwrap(), bytes, "the file was changed");
    }
}

#[test]
fn a_store_that_another_daemon_has() {
    let daemon = Setup::new().start();
    let other = Setup::new();
    let state = daemon.setup.state_dir();
    other.configure();
    let text = std::fs::read_to_string(other.path("jwtkeeper.toml")).unwrap();
    let text = text.replace(&other.state_dir().display().to_string(), &state.display().to_string());
    other.write("other.toml", &text);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_jwtkeeperd"));
    command.arg("--config").arg(other.path("other.toml"));
    let output = jwtkeeper_testkit::daemons::exit_of(command);
    refused(
        &output,
        69,
        &["another process has the denylist store", "one daemon at a time"],
    );
    daemon.client().ping().unwrap();
}

#[test]
fn a_live_daemon_on_the_socket() {
    let daemon = Setup::new().start();
    let token = daemon.client().issue(Issue::new()).unwrap().token().to_owned();
    let other = Setup::new();
    other.init();
    let text = std::fs::read_to_string(other.path("jwtkeeper.toml")).unwrap();
    let text = text.replace(
        &other.socket().display().to_string(),
        &daemon.setup.socket().display().to_string(),
    );
    other.write("other.toml", &text);
    let start = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_jwtkeeperd"));
        command.arg("--config").arg(other.path("other.toml"));
        jwtkeeper_testkit::daemons::exit_of(command)
    };
    refused(&start(), 69, &["another jwtkeeperd serves on"]);
    // Even when nobody holds the lock: whoever answers there is alive.
    std::fs::remove_file(daemon.setup.path("jwtkeeper.sock.lock")).unwrap();
    refused(&start(), 69, &["another jwtkeeperd serves on"]);
    assert!(daemon.client().validate(token.as_str()).unwrap().is_valid());
}

#[test]
fn a_socket_path_that_is_something_else() {
    let setup = Setup::new();
    setup.init();
    setup.write("jwtkeeper.sock", "someone's file");
    refused(&setup.run(&[]), 78, &["is not a socket", "move it away"]);
    assert_eq!(std::fs::read_to_string(setup.socket()).unwrap(), "someone's file");
    std::fs::remove_file(setup.socket()).unwrap();
    std::os::unix::fs::symlink("/nowhere", setup.socket()).unwrap();
    refused(&setup.run(&[]), 78, &["is not a socket"]);
    std::fs::remove_file(setup.socket()).unwrap();
    std::fs::create_dir(setup.socket()).unwrap();
    refused(&setup.run(&[]), 78, &["is not a socket"]);
}

#[test]
fn a_socket_path_that_is_too_long() {
    let setup = Setup::new();
    setup.configure();
    let long = "x".repeat(100);
    let text = std::fs::read_to_string(setup.path("jwtkeeper.toml")).unwrap();
    setup.write("long.toml", &text.replace("jwtkeeper.sock", &long));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_jwtkeeperd"));
    command.arg("--config").arg(setup.path("long.toml"));
    refused(
        &jwtkeeper_testkit::daemons::exit_of(command),
        78,
        &["long.toml:1:", "the socket path", "choose a shorter one"],
    );
}

/// Every fault of a configuration, at once, each with its file and line.
#[test]
fn all_faults_of_a_configuration_at_once() {
    let setup = Setup::bare();
    setup.write_secret("weak", b"only-sixteen-byt");
    setup.write_secret("good", SECRET.as_bytes());
    let made = std::process::Command::new("openssl")
        .args(["genpkey", "-algorithm", "ED25519"])
        .output()
        .unwrap();
    setup.write_secret("ed.pem", &made.stdout);
    let path = |name: &str| setup.path(name).display().to_string();
    let text = [
        "sockett = \"/run/x\"",
        "socket_mode = \"rw\"",
        "[realms.weak]",
        "algorithm = \"HS256\"",
        &format!("secret_file = \"{}\"", path("weak")),
        "[realms.missing]",
        "algorithm = \"HS256\"",
        &format!("secret_file = \"{}\"", path("nowhere")),
        "[realms.wrong_type]",
        "algorithm = \"RS256\"",
        &format!("key_file = \"{}\"", path("ed.pem")),
        "[realms.spans]",
        "algorithm = \"HS256\"",
        &format!("secret_file = \"{}\"", path("good")),
        "expiry = \"soon\"",
    ];
    setup.write("bad.toml", &text.join("\n"));
    let check = |name: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_jwtkeeperd"));
        command.arg("--check").arg("--config").arg(setup.path(name));
        jwtkeeper_testkit::daemons::exit_of(command)
    };
    let output = check("bad.toml");
    let says = [
        "bad.toml:1:",
        "sockett",
        "bad.toml:2:",
        "socket_mode",
        "bad.toml:5:",
        "32",
        "bad.toml:8:",
        "nowhere",
        "No such file",
        "bad.toml:11:",
        "ed.pem",
        "bad.toml:15:",
        "expiry",
    ];
    refused(&output, 78, &says);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.lines().count(), 6, "{said}");
}

/// Of daemons that begin at once on one socket, one serves; the others leave it alone.
#[test]
fn two_that_begin_at_once() {
    for _ in 0..5 {
        let one = Setup::new();
        let other = Setup::new();
        one.init();
        other.init();
        let text = std::fs::read_to_string(other.path("jwtkeeper.toml")).unwrap();
        let (socket, theirs) = (one.socket().display().to_string(), other.socket().display().to_string());
        other.write("other.toml", &text.replace(&theirs, &socket));
        let mut second = std::process::Command::new(env!("CARGO_BIN_EXE_jwtkeeperd"));
        second.arg("--config").arg(other.path("other.toml"));
        let mut both = [one.command(&[]), second].map(|mut command| command.spawn().unwrap());
        let ended = wait_for("one of them ends", || {
            both.iter_mut().find_map(|child| child.try_wait().unwrap())
        });
        assert_eq!(ended.code(), Some(69));
        let client = jwtkeeper_client::blocking::Client::new(jwtkeeper_client::Config::new(one.socket()));
        let served = client.ping();
        for mut child in both {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        served.unwrap();
    }
}

/// A socket of someone else's is not ours to take, though nobody answers there.
#[test]
fn a_socket_of_another_user() {
    if !nix::unistd::geteuid().is_root() {
        println!("not root: no other user to be");
        return;
    }
    let setup = Setup::new();
    setup.init();
    drop(std::os::unix::net::UnixListener::bind(setup.socket()).unwrap());
    std::os::unix::fs::chown(setup.socket(), Some(64_000), None).unwrap();
    refused(&setup.run(&[]), 78, &["is a socket of the user 64000", "remove it"]);
    assert!(setup.socket().exists());
}

/// A log level that is none would silence everything.
#[test]
fn a_log_level_that_is_none() {
    for level in ["inof", "", "info,jwtkeeper", "jwtkeeper=loud"] {
        let setup = Setup::new().top(&format!("[log]\nlevel = {level:?}"));
        refused(&setup.run(&["--check"]), 78, &["log.level must be"]);
    }
    for level in ["warn", "info,jwtkeeper::server=debug"] {
        let setup = Setup::new().top(&format!("[log]\nlevel = {level:?}"));
        setup.init();
        assert!(setup.run(&["--check"]).status.success());
    }
}

#[test]
fn foreign_issuers_are_read_as_strictly_as_realms() {
    let cases = [
        (
            "secret_file = \"a\"\npublic_key_file = \"b\"\nalgorithm = \"HS256\"",
            "more than one key",
        ),
        ("algorithm = \"RS256\"", "is for an issuer with a key"),
        ("kid = \"key-1\"", "is for an issuer with a key"),
        ("secret_file = \"a\"\nalgorithm = \"RS256\"", "is for HMAC algorithms"),
        ("jwks_file = \"a\"", "algorithm is missing"),
        (
            "[[realms.default.foreign_issuers]]\nissuer = \"partner\"",
            "is named twice",
        ),
    ];
    for (lines, says) in cases {
        let lines = format!("[[realms.default.foreign_issuers]]\nissuer = \"partner\"\n{lines}");
        refused(&Setup::new().lines(&lines).run(&["--check"]), 78, &[says]);
    }
}

#[test]
fn key_files_that_others_can_read_or_that_are_no_files() {
    let setup = Setup::new();
    setup.init();
    chmod(&setup.path("default.secret"), 0o644);
    refused(&setup.run(&[]), 78, &["default.secret", "chmod 0600"]);
    std::fs::remove_file(setup.path("default.secret")).unwrap();
    nix::unistd::mkfifo(&setup.path("default.secret"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    refused(&setup.run(&[]), 78, &["default.secret", "not a regular file"]);
    std::fs::remove_file(setup.path("default.secret")).unwrap();
    std::fs::create_dir(setup.path("default.secret")).unwrap();
    refused(&setup.run(&[]), 78, &["default.secret", "not a regular file"]);
}

#[test]
fn print_config_reads_back_to_the_same() {
    let setup = Setup::new()
        .top("[limits]\nconnections = 77\nidle_timeout = \"1m 30s\"")
        .lines("issuer = \"api \\\"quoted\\\"\"\naudience = [\"a\", \"b\"]\ncookie_lock = \"optional\"");
    let first = setup.run(&["--print-config"]);
    assert!(first.status.success());
    let text = String::from_utf8(first.stdout).unwrap();
    for part in [
        "connections = 77",
        "idle_timeout = \"1m 30s\"",
        "cookie_lock = \"optional\"",
        "rotation_grace = \"30s\"",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert!(!text.contains(SECRET));
    setup.write("again.toml", &text);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_jwtkeeperd"));
    command
        .arg("--print-config")
        .arg("--config")
        .arg(setup.path("again.toml"));
    let again = jwtkeeper_testkit::daemons::exit_of(command);
    assert_eq!(String::from_utf8(again.stdout).unwrap(), text);
    setup.init();
    assert!(setup.run(&["--check"]).status.success());
}

#[test]
fn conf_d_is_read_after_the_file() {
    let setup = Setup::new().lines("issuer = \"one\"");
    std::fs::create_dir(setup.path("conf.d")).unwrap();
    setup.write("conf.d/10-issuer.toml", "[realms.default]\nissuer = \"two\"\n");
    let printed = String::from_utf8(setup.run(&["--print-config"]).stdout).unwrap();
    assert!(printed.contains("issuer = \"two\""), "{printed}");
    setup.write("conf.d/.#10-issuer.toml", "an editor's lock");
    setup.init();
    assert!(setup.run(&["--check"]).status.success());
    setup.write("conf.d/20-bad.toml", "\n[realms.default]\nisuer = \"three\"\n");
    refused(&setup.run(&["--check"]), 78, &["20-bad.toml:3:", "isuer"]);
}

#[test]
fn usage() {
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_jwtkeeperd"));
        command.args(args);
        jwtkeeper_testkit::daemons::exit_of(command)
    };
    refused(&run(&["--no-such-option"]), 2, &["--no-such-option"]);
    refused(&run(&["--dev", "--init"]), 2, &["--init"]);
    refused(
        &run(&["--config", "/nowhere/jwtkeeper.toml"]),
        78,
        &["/nowhere/jwtkeeper.toml"],
    );
}

/// `--dev` makes all that it needs, says how to use it, and goes on with it the next time.
#[test]
fn dev_needs_nothing() {
    let setup = Setup::bare();
    let directory = setup.path("dev");
    let dev = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_jwtkeeperd"));
        command.arg("--dev").arg(&directory).stdin(std::process::Stdio::null());
        command
    };
    let socket = directory.join("jwtkeeper.sock");
    let token = {
        let dev = jwtkeeper_testkit::daemons::daemon::Spawned::new(dev(), &setup.path("log"));
        let client = dev.client(&socket);
        let token = client.issue(Issue::new()).unwrap().token().to_owned();
        assert!(std::fs::symlink_metadata(&socket).unwrap().file_type().is_socket());
        let said = std::fs::read_to_string(setup.path("log")).unwrap();
        for text in ["JWTKEEPER_SOCKET=", "jwtkeeperctl issue", "throw-away secret"] {
            assert!(said.contains(text), "{text} is not in: {said}");
        }
        token
    };
    let again = jwtkeeper_testkit::daemons::daemon::Spawned::new(dev(), &setup.path("log"));
    assert!(again.client(&socket).validate(token.as_str()).unwrap().is_valid());
    let secret = std::fs::read_to_string(directory.join("secret")).unwrap();
    assert!(
        !std::fs::read_to_string(setup.path("log"))
            .unwrap()
            .contains(secret.trim())
    );
}
