//! The configuration: whatever is wrong with it, `--check` and a reload say the same, and no secret waits for it.

use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::*;
use jwtkeeper_testkit::daemons::daemon::chmod;

/// Breaks the configuration of a running daemon; a new secret counts all the same; then it is put right.
fn configuration(breaks: impl FnOnce(&Daemon, &Path), says: &[&str]) {
    let (daemon, token) = start(setup());
    let file = daemon.setup.path("jwtkeeper.toml");
    let whole = fs::read_to_string(&file).unwrap();
    breaks(&daemon, &file);
    refused(&daemon, &token, says);
    assert_eq!(check(&daemon), lines_of(&faults(&daemon)));
    put_secret(&daemon, "default.secret", OTHER);
    until("the new secret is in effect", || {
        daemon.client().validate(token.as_str()).unwrap() == Verdict::Invalid(Reason::BadSignature)
    });
    assert!(
        !daemon.client().health().unwrap().ready,
        "the configuration is still wrong"
    );
    daemon.setup.write("aside", &whole);
    put(&daemon.setup.path("aside"), &file);
    let _none = fs::remove_dir_all(daemon.setup.path("conf.d"));
    recovered(&daemon, &token);
}

/// A fault can have more than one line.
fn lines_of(faults: &[String]) -> Vec<String> {
    faults
        .iter()
        .flat_map(|fault| fault.lines())
        .map(str::to_owned)
        .collect()
}

/// Writes the configuration anew, with one thing changed.
fn replace(daemon: &Daemon, from: &str, to: &str) {
    let text = fs::read_to_string(daemon.setup.path("jwtkeeper.toml")).unwrap();
    assert!(text.contains(from));
    daemon.setup.write("aside", &text.replacen(from, to, 1));
    put(&daemon.setup.path("aside"), &daemon.setup.path("jwtkeeper.toml"));
}

fn replaced(from: &'static str, to: &'static str) -> impl FnOnce(&Daemon, &Path) {
    move |daemon, _| replace(daemon, from, to)
}

#[test]
fn no_toml() {
    configuration(
        replaced("algorithm = \"HS256\"", "algorithm = \"HS256"),
        &["jwtkeeper.toml:8:"],
    );
}

#[test]
fn a_typo() {
    configuration(
        replaced("algorithm", "allgorithm"),
        &["jwtkeeper.toml:8:", "allgorithm"],
    );
}

#[test]
fn more_than_one_fault() {
    let says = ["realms.default.expiry", "reload.settle", "realms.default.colour"];
    let breaks = |daemon: &Daemon, _: &Path| {
        replace(daemon, "settle = \"50ms\"", "settle = \"1h\"");
        replace(
            daemon,
            "[realms.\"default\"]",
            "[realms.\"default\"]\nexpiry = 5\ncolour = \"red\"",
        );
    };
    configuration(breaks, &says);
}

#[test]
fn a_rotation_that_could_never_be_right() {
    let settings = "renew_before = \"25h\"\nrotate_on = \"cookie\"\nalgorithm = \"HS256\"";
    configuration(
        replaced("algorithm = \"HS256\"", settings),
        &[
            "renew_before is not shorter than expiry",
            "rotate_on = \"cookie\" needs cookie_lock",
        ],
    );
    configuration(
        replaced("algorithm = \"HS256\"", "renew_before = \"0s\"\nalgorithm = \"HS256\""),
        &["renew_before must be one or more whole seconds"],
    );
}

#[test]
fn a_wrong_value() {
    configuration(replaced("HS256", "HS257"), &["algorithm must be", "HS257"]);
}

#[test]
fn a_poll_that_is_none() {
    configuration(
        replaced("poll = \"1s\"", "poll = \"0s\""),
        &["reload.poll must be from 20ms to 1h"],
    );
}

#[test]
fn no_realm() {
    configuration(|_, file| fs::write(file, "").unwrap(), &["there is no realm"]);
}

#[test]
fn another_algorithm_without_its_key() {
    configuration(replaced("HS256", "ES256"), &["secret_file is for HMAC algorithms"]);
}

#[test]
fn a_longer_hash_than_the_secret() {
    let realm = "\n[realms.second]\nalgorithm = \"HS512\"\nsecret_file = ";
    let breaks = |daemon: &Daemon, _: &Path| {
        put_secret(daemon, "short", b"forty bytes are too few for this hash: 4");
        let file = daemon.setup.path("short");
        replace(daemon, "[realms.", &format!("{realm}\"{}\"\n[realms.", file.display()));
    };
    configuration(breaks, &["has 40 bytes", "HS512 needs at least 64", "short"]);
}

#[test]
fn a_new_realm_without_its_secret() {
    let breaks = |daemon: &Daemon, _: &Path| {
        let realm = "[realms.second]\nalgorithm = \"HS256\"\nsecret_file = \"/nowhere/secret\"\n[realms.";
        replace(daemon, "[realms.", realm);
    };
    configuration(breaks, &["secret_file /nowhere/secret", "No such file"]);
}

#[test]
fn missing() {
    configuration(
        |_, file| fs::remove_file(file).unwrap(),
        &["jwtkeeper.toml", "No such file"],
    );
}

#[test]
fn unreadable_bytes() {
    configuration(
        |_, file| fs::write(file, b"\xff\xfe\x00").unwrap(),
        &["is not UTF-8 text"],
    );
}

#[test]
fn a_fifo() {
    let breaks = |_: &Daemon, file: &Path| {
        fs::remove_file(file).unwrap();
        mkfifo(file, Mode::from_bits_truncate(0o600)).unwrap();
    };
    configuration(breaks, &["is not a regular file"]);
}

#[test]
fn an_endless_device() {
    let breaks = |_: &Daemon, file: &Path| {
        fs::remove_file(file).unwrap();
        symlink("/dev/zero", file).unwrap();
    };
    configuration(breaks, &["is not a regular file"]);
}

#[test]
fn too_long() {
    let breaks = |_: &Daemon, file: &Path| fs::write(file, vec![b'#'; 2 << 20]).unwrap();
    configuration(breaks, &["has 2097152 bytes", "at most 1048576"]);
}

#[test]
fn writable_by_everyone() {
    configuration(|_, file| chmod(file, 0o646), &["can be written by everyone"]);
}

#[test]
fn a_broken_drop_in() {
    let breaks = |daemon: &Daemon, _: &Path| {
        fs::create_dir(daemon.setup.path("conf.d")).unwrap();
        daemon
            .setup
            .write("conf.d/50-wrong.toml", "[realms.default]\nexpiry = \"soon\"\n");
    };
    configuration(breaks, &["50-wrong.toml:2:", "expiry", "soon"]);
}

#[test]
fn another_kind_of_store() {
    configuration(
        replaced("[reload]", "[store]\nkind = \"floppy\"\n[reload]"),
        &["store.kind must be"],
    );
}

/// An unreadable file of one realm, and a configuration with a typo: a new secret of another realm waits for neither.
#[test]
fn a_fault_elsewhere_holds_back_no_secret() {
    let (daemon, token) = start(setup().realm("second", "HS256", OTHER, ""));
    fs::remove_file(daemon.setup.path("second.secret")).unwrap();
    until("it is missed", || !faults(&daemon).is_empty());
    let breaks = replaced("algorithm", "allgorithm");
    breaks(&daemon, &daemon.setup.path("jwtkeeper.toml"));
    until("the typo is seen", || faults(&daemon).len() > 1);
    serves_as_before(&daemon, &token);
    put_secret(&daemon, "default.secret", OTHER);
    until("the new secret is in effect", || {
        daemon.client().validate(token.as_str()).unwrap() == Verdict::Invalid(Reason::BadSignature)
    });
    assert!(
        daemon.realm("second").issue(Issue::new()).is_ok(),
        "that one goes on as it was"
    );
    assert_eq!(faults(&daemon).len(), 3, "{:?}", faults(&daemon));
}

/// A store that cannot take note of a longer life holds back that life alone.
#[test]
fn a_store_that_takes_note_of_nothing() {
    let (daemon, token) = start(setup());
    fs::remove_file(daemon.setup.state_dir().join("denylist.redb")).unwrap();
    until("it is missed", || !faults(&daemon).is_empty());
    replace(
        &daemon,
        "[realms.\"default\"]",
        "[realms.\"default\"]\nmax_lifetime = \"90d\"",
    );
    let told = |fault: &String| fault.contains("did not take note of max_lifetime");
    until("it is said", || faults(&daemon).iter().any(told));
    put_secret(&daemon, "default.secret", OTHER);
    until("the new secret is in effect", || {
        daemon.client().validate(token.as_str()).unwrap() == Verdict::Invalid(Reason::BadSignature)
    });
    assert!(faults(&daemon).iter().any(told));
}
