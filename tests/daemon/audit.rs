//! The audit: a line for whatever was done, before it is acknowledged; and what happens where it cannot be written.

use std::collections::HashSet;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use jwtkeeper_client::{Before, ErrorKind, Flag, Issue, Revoke, Rotate, Rotation, Verdict};
use nix::sys::signal::Signal;
use serde_json::Value;

use jwtkeeper_testkit::daemons::namespace::{Users, can, inside};
use jwtkeeper_testkit::daemons::{Daemon, Over, Rounds, Setup, exit_of, until};

fn audited(on_failure: &str) -> Setup {
    let setup = Setup::new();
    let file = setup.path("audit.json");
    setup.lines(&format!(
        "rotation_grace = \"1ms\"\n[audit]\nfile = \"{}\"\non_failure = \"{on_failure}\"",
        file.display()
    ))
}

/// The whole lines of a file.
fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines = whole.lines().filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn audit(daemon: &Daemon) -> Vec<Value> {
    lines(&daemon.setup.path("audit.json"))
}

#[test]
fn each_thing_done_has_its_line() {
    let daemon = audited("refuse").start();
    let client = daemon.client();
    let claims = serde_json::json!({"sub": "42"});
    let first = client.issue(Issue::new().claims(claims.clone())).unwrap();
    assert!(client.validate(first.token()).unwrap().is_valid());
    client.flag(Flag::jti(&first.jti)).unwrap();
    client.flag(Flag::subject("42", Before::Now)).unwrap();
    let Rotation::Rotated(successor) = client.rotate(Rotate::new(first.token())).unwrap() else {
        panic!("no successor")
    };
    // After its grace the old one is a reuse.
    until("the grace is over", || {
        !client.validate(first.token()).unwrap().is_valid()
    });
    let other = client.issue(Issue::new().claims(claims)).unwrap();
    let _ = client.revoke(Revoke::token(other.token(), None)).unwrap();
    let _ = client.revoke(Revoke::token("no.token.atall", None)).unwrap();
    client.revoke_jti("some-jti").unwrap();
    client.revoke_jti(successor.token()).unwrap(); // a slip
    client.revoke_session("some-session").unwrap();
    client.revoke_subject("43", Before::Now).unwrap();
    let _ = client.revoke(Revoke::issued_before(Before::Now)).unwrap();
    client.reload().unwrap();
    let wrong = daemon.realm("nowhere").issue(Issue::new()).unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::BadRequest);

    let lines = audit(&daemon);
    let told: Vec<String> = lines
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
            let id = |name: &str| {
                let id = text(name);
                let known = [
                    (&first.jti, "first"),
                    (&successor.jti, "successor"),
                    (&other.jti, "other"),
                ];
                let known = known.iter().find(|(jti, _)| **jti == id);
                known.map_or(id, |(_, name)| (*name).to_owned())
            };
            format!(
                "{} {} {} {} {} {} {} {}",
                text("operation"),
                text("realm"),
                text("outcome"),
                text("reason"),
                text("target"),
                id("jti"),
                id("session"),
                text("subject")
            )
        })
        .collect();
    let expected = [
        "issue default ok - - first first 42",
        "flag default ok - jti first - -",
        "flag default ok - subject - - 42",
        "rotate default ok flagged - successor first 42",
        "validate default reuse revoked - first first -",
        "issue default ok - - other other 42",
        "revoke default ok - token other other 42",
        "revoke default invalid malformed token - - -",
        "revoke default ok - jti some-jti - -",
        "revoke default ok - jti (a token) - -",
        "revoke default ok - session - some-session -",
        "revoke default ok - subject - - 43",
        "revoke default ok - issued_before - - -",
        "reload - ok - - - - -",
        "issue nowhere error unknown_realm - - - -",
    ];
    assert_eq!(told, expected);
    assert_eq!(lines[3]["predecessor"], first.jti);
    for line in &lines {
        let time = line["time"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
        assert_eq!(line["generation"], 1);
        assert_eq!(line["uid"], nix::unistd::getuid().as_raw());
        assert_eq!(line["gid"], nix::unistd::getgid().as_raw());
        assert_eq!(line["pid"], std::process::id());
    }
    let text = std::fs::read_to_string(daemon.setup.path("audit.json")).unwrap();
    for minted in [&first, &successor, &other] {
        for part in minted.token().split('.') {
            assert!(!text.contains(part), "a part of a token");
        }
    }
}

#[test]
fn denials_and_what_files_bring_have_theirs() {
    let setup = audited("refuse").lines("[[access]]\nuser = 4242\nallow = [\"validate\"]");
    let daemon = setup.start();
    let client = daemon.client();
    let denied = client.validate("a.b.c").unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::NotPermitted);
    daemon.setup.write_secret("default.secret", b"short");
    assert!(client.reload().is_err());
    daemon.setup.write_secret("default.secret", &[b'x'; 64]);
    client.reload().unwrap();
    let lines = audit(&daemon);
    let has = |operation: &str, outcome: &str, asked: bool, text: &str| {
        let found = lines.iter().any(|line| {
            line["operation"] == operation
                && line["outcome"] == outcome
                && line["uid"].is_u64() == asked
                && line["text"].as_str().unwrap_or("").contains(text)
        });
        assert!(found, "{operation} {outcome} {text}: {lines:#?}");
    };
    has("validate", "denied", true, "may not validate in realm \"default\"");
    has("reload", "error", false, "the secret has 5 bytes");
    has("reload", "error", true, "");
    has("reload", "ok", false, "realm default: only tokens signed by key");
    has("reload", "ok", true, "");
}

/// Whatever was acknowledged has its line, though the daemon is killed.
#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let mut daemon = audited("refuse").start();
    let acknowledged: Mutex<HashSet<String>> = Mutex::default();
    let rounds = Rounds::new("audit", 10, 100);
    for _ in rounds {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _over = Over(&over);
            for _ in 0..4 {
                let config = daemon.config().with_deadline(std::time::Duration::from_millis(50));
                scope.spawn(|| {
                    let client = jwtkeeper_client::blocking::Client::new(config);
                    while !over.load(Ordering::Relaxed) {
                        if let Ok(minted) = client.issue(Issue::new()) {
                            acknowledged.lock().unwrap().insert(minted.jti);
                        }
                    }
                });
            }
            let before = acknowledged.lock().unwrap().len();
            until("some are issued", || acknowledged.lock().unwrap().len() > before + 50);
            daemon.kill();
        });
        daemon.restart();
    }
    let told: HashSet<String> = audit(&daemon)
        .iter()
        .filter_map(|line| Some(line["jti"].as_str()?.to_owned()))
        .collect();
    let acknowledged = acknowledged.into_inner().unwrap();
    let missing: Vec<_> = acknowledged.difference(&told).collect();
    assert!(
        missing.is_empty(),
        "{} of {}: {missing:?}",
        missing.len(),
        acknowledged.len()
    );
    println!("{} issued, each with its line", acknowledged.len());
}

/// A daemon whose audit cannot be written: its file leads to a device that is always full.
fn full(on_failure: &str) -> Daemon {
    let setup = audited(on_failure);
    symlink("/dev/full", setup.path("audit.json")).unwrap();
    setup.start()
}

fn heal(daemon: &Daemon) {
    symlink(daemon.setup.path("room.json"), daemon.setup.path("aside")).unwrap();
    std::fs::rename(daemon.setup.path("aside"), daemon.setup.path("audit.json")).unwrap();
    until("it is written again", || daemon.client().health().unwrap().ready);
    let lines = audit(daemon);
    assert_eq!(
        (&lines[0]["operation"], &lines[0]["outcome"]),
        (&"audit".into(), &"resumed".into())
    );
    daemon.logged("writing the audit works again");
}

#[test]
fn refuse_acknowledges_nothing_that_has_no_line() {
    let daemon = full("refuse");
    let client = daemon.client_with(|config| config.with_deadline(std::time::Duration::from_millis(300)));
    let refused = client.issue(Issue::new()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(refused.to_string().contains("the audit cannot be written"), "{refused}");
    // What is not audited goes on.
    assert!(matches!(client.validate("a.b.c").unwrap(), Verdict::Invalid(_)));
    let health = client.health().unwrap();
    assert!(!health.ready);
    daemon.logged("writing the audit failed");
    // Refused, and in effect all the same: it is asked for again.
    assert!(client.revoke_jti("some-jti").is_err());
    assert_eq!(client.status("some-jti").unwrap().state.to_string(), "hard");
    heal(&daemon);
    let client = daemon.client();
    client.issue(Issue::new()).unwrap();
    client.revoke_jti("some-jti").unwrap();
    assert_eq!(audit(&daemon).last().unwrap()["jti"], "some-jti");
}

#[test]
fn continue_goes_on_and_shouts() {
    let daemon = full("continue");
    let client = daemon.client();
    client.issue(Issue::new()).unwrap();
    client.revoke_jti("some-jti").unwrap();
    let health = client.health().unwrap();
    assert!(!health.ready);
    assert!(
        daemon.health()["faults"][0]
            .as_str()
            .unwrap()
            .contains("writing the audit failed")
    );
    daemon.logged("writing the audit failed");
    heal(&daemon);
    assert!(audit(&daemon)[0]["text"].as_str().unwrap().starts_with("2 lines"));
}

/// What is written to stalls: audited operations are refused in time, health tells of it, and nothing else is held up.
#[test]
fn a_stall_holds_up_nothing_else() {
    let setup = audited("refuse");
    let fifo = setup.path("audit.json");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let daemon = setup.start();
    let client = daemon.client_with(|config| config.with_deadline(std::time::Duration::from_secs(3)));
    let minted = client.issue(Issue::new()).unwrap();
    // Nobody reads it: once the kernel holds no more, nothing is acknowledged.
    let refused = (0..5000).find_map(|_| client.issue(Issue::new()).err()).unwrap();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(refused.to_string().contains("does not answer"), "{refused}");
    assert!(client.validate(minted.token()).unwrap().is_valid());
    assert!(!client.health().unwrap().ready);
    let mut reader = std::fs::File::open(&fifo).unwrap();
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        until("it is written again", || daemon.client().health().unwrap().ready);
        daemon.client().issue(Issue::new()).unwrap();
        daemon.signal(Signal::SIGKILL);
        reading.join().unwrap().unwrap();
    });
}

/// A file that cannot be opened anew is told of, and tried again, while lines go on to where they went.
#[test]
fn a_reopen_that_fails_is_told_of_and_tried_again() {
    let daemon = audited("refuse").start();
    let client = daemon.client();
    let file = daemon.setup.path("audit.json");
    std::fs::rename(&file, daemon.setup.path("audit.1")).unwrap();
    std::fs::create_dir(&file).unwrap();
    daemon.signal(Signal::SIGUSR1);
    until("health tells of it", || !client.health().unwrap().ready);
    client.issue(Issue::new()).unwrap();
    assert_eq!(lines(&daemon.setup.path("audit.1")).len(), 1);
    std::fs::remove_dir(&file).unwrap();
    until("it is open", || client.health().unwrap().ready);
    client.revoke_jti("some-jti").unwrap();
    assert_eq!(audit(&daemon).last().unwrap()["jti"], "some-jti");
}

/// logrotate moves the file and sends SIGUSR1: no line is lost on the way.
#[test]
fn sigusr1_opens_it_anew() {
    let daemon = audited("refuse").start();
    let issued = Mutex::new(0);
    jwtkeeper_testkit::daemons::meanwhile(
        |_| {
            daemon.client().issue(Issue::new()).unwrap();
            *issued.lock().unwrap() += 1;
        },
        || {
            for round in 0..5 {
                let file = daemon.setup.path("audit.json");
                let before = *issued.lock().unwrap();
                until("some are issued", || *issued.lock().unwrap() > before + 20);
                std::fs::rename(&file, daemon.setup.path(&format!("audit.{round}"))).unwrap();
                daemon.signal(Signal::SIGUSR1);
                until("there is a new one", || file.exists());
            }
        },
    );
    let old = (0..5).map(|round| lines(&daemon.setup.path(&format!("audit.{round}"))).len());
    let all = old.sum::<usize>() + audit(&daemon).len();
    assert_eq!(all, issued.into_inner().unwrap());
}

/// One whose file has no directory yet.
fn nowhere(on_failure: &str) -> Setup {
    let setup = Setup::new();
    let file = setup.path("nowhere/audit.json");
    let file = file.display();
    setup.lines(&format!("[audit]\nfile = \"{file}\"\non_failure = \"{on_failure}\""))
}

/// What is missing at a start is a fault like any later one, and mended like it: the daemon serves, and needs no restart.
#[test]
fn what_cannot_be_opened_at_the_start_may_come_later() {
    for on_failure in ["refuse", "continue"] {
        let mut daemon = nowhere(on_failure).start();
        let client = daemon.client();
        assert!(matches!(client.validate("a.b.c").unwrap(), Verdict::Invalid(_)));
        let issued = client.issue(Issue::new());
        match on_failure {
            "refuse" => {
                let refused = issued.unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::Unavailable);
                assert!(refused.to_string().contains("No such file or directory"), "{refused}");
            }
            _ => assert!(client.validate(issued.unwrap().token()).unwrap().is_valid()),
        }
        let fault = daemon.health()["faults"][0].to_string();
        assert!(
            fault.contains("writing the audit failed: ") && fault.contains("nowhere/audit.json"),
            "{fault}"
        );
        let log = daemon.log();
        let by_the_audit = log.lines().filter(|line| !line.contains("::readiness: "));
        let told = by_the_audit.filter(|line| line.contains("writing the audit failed"));
        assert_eq!(told.count(), 1, "{log}");
        std::fs::create_dir(daemon.setup.path("nowhere")).unwrap();
        until("it is written", || client.health().unwrap().ready);
        let minted = client.issue(Issue::new()).unwrap();
        let told = lines(&daemon.setup.path("nowhere/audit.json"));
        assert!(told[0]["text"].as_str().unwrap().starts_with("1 lines"), "{told:?}");
        assert_eq!(told.last().unwrap()["jti"], minted.jti);
        daemon.stop();
    }
}

/// A stop waits for no audit that there is not.
#[test]
fn what_was_never_opened_ends_as_asked() {
    let mut daemon = nowhere("refuse").start();
    daemon.client().issue(Issue::new()).unwrap_err();
    daemon.stop();
}

#[test]
fn a_check_says_what_would_keep_it_from_being_written() {
    let setup = nowhere("refuse");
    setup.init();
    let warned = |why: &str| {
        let output = setup.run(&["--check"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains("the audit ") && said.contains(why), "{said}");
    };
    warned("nowhere: No such file or directory; the daemon starts");
    std::fs::create_dir(setup.path("nowhere")).unwrap();
    let output = setup.run(&["--check"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(!setup.path("nowhere/audit.json").exists(), "a check made it");
    if can(Users::Shared) {
        let script = format!("mount -t tmpfs -o ro tmpfs '{}'", setup.path("nowhere").display());
        let output = exit_of(inside(&setup.command(&["--check"]), &script, Users::Shared));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(78) && said.contains("Read-only file system"),
            "{said}"
        );
    }
}

/// A file that was removed would take lines that were acknowledged with it.
#[test]
fn a_removed_file_is_made_anew() {
    let daemon = audited("refuse").start();
    let client = daemon.client();
    let file = daemon.setup.path("audit.json");
    let jtis = || lines(&file).iter().map(|line| line["jti"].clone()).collect::<Vec<_>>();
    let first = client.issue(Issue::new()).unwrap();
    assert_eq!(jtis(), [&*first.jti]);
    std::fs::remove_file(&file).unwrap();
    let second = client.issue(Issue::new()).unwrap();
    let third = client.issue(Issue::new()).unwrap();
    assert_eq!(jtis(), [&*second.jti, &third.jti]);
    daemon.logged("the audit file was removed");
    // One that another file was renamed over is as one that was removed.
    std::fs::write(daemon.setup.path("other"), "").unwrap();
    std::fs::rename(daemon.setup.path("other"), &file).unwrap();
    let fourth = client.issue(Issue::new()).unwrap();
    assert_eq!(jtis(), [&*fourth.jti]);
    // One that was renamed is another's to close, by SIGUSR1.
    std::fs::rename(&file, daemon.setup.path("audit.1")).unwrap();
    let fifth = client.issue(Issue::new()).unwrap();
    assert!(!file.exists());
    assert_eq!(lines(&daemon.setup.path("audit.1"))[1]["jti"], fifth.jti);
    assert!(client.health().unwrap().ready);
}

/// Where it cannot be made anew, health tells of it, and nothing is acknowledged.
#[test]
fn a_file_removed_with_its_directory_is_a_fault() {
    let setup = nowhere("refuse");
    std::fs::create_dir(setup.path("nowhere")).unwrap();
    let daemon = setup.start();
    let client = daemon.client();
    client.issue(Issue::new()).unwrap();
    std::fs::remove_dir_all(daemon.setup.path("nowhere")).unwrap();
    let refused = client.issue(Issue::new()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(daemon.health()["faults"][0].to_string().contains("nowhere/audit.json"));
    std::fs::create_dir(daemon.setup.path("nowhere")).unwrap();
    until("it is written", || client.health().unwrap().ready);
    client.issue(Issue::new()).unwrap();
}

/// What no time will mend is no start.
#[test]
fn a_directory_is_no_audit() {
    let setup = nowhere("continue");
    std::fs::create_dir_all(setup.path("nowhere/audit.json")).unwrap();
    setup.init();
    for (args, says) in [
        (&["--check"][..], "is a directory; name a file in it"),
        (&[], "Is a directory"),
    ] {
        let output = setup.run(args);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{error}");
        assert!(error.contains("nowhere/audit.json") && error.contains(says), "{error}");
    }
}
