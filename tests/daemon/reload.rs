//! SIGHUP and `jwtkeeperctl reload`: everything is read again; what is wrong leaves what stood in effect.

use jwtkeeper_client::{Cause, Issue, Reason, Verdict};
use nix::sys::signal::Signal;

use jwtkeeper_testkit::daemons::{Daemon, Setup, exit_of, until};

const OTHER: &[u8] = b"another secret of the tests, as long as the first: 0123456789abcdef";

fn generation(daemon: &Daemon) -> u64 {
    daemon.client().health().unwrap().generation
}

#[test]
fn sighup_takes_a_new_secret_and_version() {
    let setup = Setup::new();
    setup.write("version", "1");
    let version = setup.path("version");
    let daemon = setup
        .lines(&format!("version_file = \"{}\"", version.display()))
        .start();
    let client = daemon.client();
    let minted = client.issue(Issue::new()).unwrap();
    daemon.setup.write("version", "2");
    daemon.signal(Signal::SIGHUP);
    until("the version is in effect", || generation(&daemon) == 2);
    assert_eq!(
        client.validate(minted.token()).unwrap().rotation(),
        Some(Cause::StaleVersion)
    );
    daemon.setup.write_secret("default.secret", OTHER);
    daemon.signal(Signal::SIGHUP);
    until("the secret is in effect", || generation(&daemon) == 3);
    assert_eq!(
        client.validate(minted.token()).unwrap(),
        Verdict::Invalid(Reason::BadSignature)
    );
}

#[test]
fn a_fault_leaves_what_stood_and_is_said_everywhere() {
    let mut daemon = Setup::new().start();
    let client = daemon.client();
    let minted = client.issue(Issue::new()).unwrap();
    daemon.setup.write_secret("default.secret", b"short");
    let mut reload = daemon.ctl();
    reload.arg("reload");
    let output = exit_of(reload);
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for text in ["jwtkeeper.toml:6:", "default.secret", "32"] {
        assert!(said.contains(text), "{text}: {said}");
    }
    daemon.logged("rejected; keeping the previous state");
    assert!(client.validate(minted.token()).unwrap().is_valid());
    let health = client.health().unwrap();
    assert!(!health.ready);
    assert!(String::from_utf8_lossy(health.document.as_bytes()).contains("default.secret"));
    // A fault in the configuration holds back no secret.
    daemon.setup.write_secret("default.secret", OTHER);
    daemon.setup.replace("algorithm", "allgorithm");
    let error = client.reload().unwrap_err();
    assert!(error.to_string().contains("allgorithm"), "{error}");
    assert_eq!(
        client.validate(minted.token()).unwrap(),
        Verdict::Invalid(Reason::BadSignature)
    );
    daemon.setup.replace("allgorithm", "algorithm");
    client.reload().unwrap();
    assert!(client.health().unwrap().ready);
}

/// Of one file, what can change while the daemon runs does; the rest keeps its running value and is named.
#[test]
fn setting_that_needs_a_restart_holds_back_no_other() {
    let mut daemon = Setup::new()
        .top("socket_mode = \"0600\"")
        .lines("issuer = \"one\"")
        .start();
    let client = daemon.client();
    let minted = client.issue(Issue::new()).unwrap();
    let state_dir = "[log]\nformat = \"json\"\n[audit]\nto = \"file\"\nfile = \"/nowhere/audit\"";
    daemon.setup.replace(
        "socket_mode = \"0600\"",
        &format!("socket_mode = \"0666\"\n{state_dir}"),
    );
    daemon.setup.replace("issuer = \"one\"", "issuer = \"two\"");
    assert_eq!(client.reload().unwrap(), 2);
    let verdict = client.validate(minted.token()).unwrap();
    assert_eq!(verdict, Verdict::Invalid(Reason::WrongIssuer), "the rest is in effect");
    let pending = serde_json::json!(["socket_mode", "audit", "log.format"]);
    let health = daemon.health();
    assert_eq!(health["pending_restart"], pending);
    let warning = health["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("socket_mode, audit, log.format takes effect after a restart"),
        "{warning}"
    );
    assert!(client.health().unwrap().ready, "{health}");
    daemon.logged("restart pending: the new value of socket_mode, audit, log.format");
    let mut shown = daemon.ctl();
    shown.arg("health");
    let shown = String::from_utf8(exit_of(shown).stdout).unwrap();
    assert!(shown.contains("log.format takes effect after a restart"), "{shown}");
    daemon.setup.replace(&format!("0666\"\n{state_dir}"), "0600\"");
    assert_eq!(client.reload().unwrap(), 3);
    assert_eq!(daemon.health()["pending_restart"], serde_json::json!([]));
    daemon.logged("no restart is pending anymore");
}

/// The same file, named in another line, is the same setting.
#[test]
fn lines_added_above_a_file_need_no_restart() {
    let setup = Setup::new();
    setup.write_secret("password", b"open-sesame");
    let password = setup.path("password");
    let setup = setup.top(&format!(
        "# here\n[store]\nkind = \"redis\"\n[store.redis]\nurl = \"redis://127.0.0.1:1\"\npassword_file = \"{}\"",
        password.display()
    ));
    let mut daemon = setup.start();
    daemon.setup.replace("# here", "# here\n# and here");
    assert_eq!(daemon.client().reload().unwrap(), 2);
    assert_eq!(daemon.health()["pending_restart"], serde_json::json!([]));
}

#[test]
fn the_log_level_is_live() {
    let mut daemon = Setup::new().top("[log]\nlevel = \"warn\"").start();
    daemon.client().reload().unwrap();
    assert!(!daemon.log().contains("reloaded"), "{}", daemon.log());
    daemon.setup.replace("level = \"warn\"", "level = \"debug\"");
    daemon.client().reload().unwrap();
    daemon.client().ping().unwrap();
    daemon.logged("connection opened");
}

#[test]
fn realms_come_and_go() {
    let mut daemon = Setup::new().lines("issuer = \"one\"").start();
    let client = daemon.client();
    let minted = client.issue(Issue::new()).unwrap();
    daemon.setup.replace("issuer = \"one\"", "issuer = \"two\"");
    assert_eq!(client.reload().unwrap(), 2);
    assert_eq!(
        client.validate(minted.token()).unwrap(),
        Verdict::Invalid(Reason::WrongIssuer)
    );
    daemon.setup.replace("[realms.\"default\"]", "[realms.\"other\"]");
    client.reload().unwrap();
    assert!(client.validate(minted.token()).is_err());
    assert!(daemon.realm("other").issue(Issue::new()).is_ok());
}

#[test]
fn a_storm_of_sighups_is_a_few_reloads_and_harms_nobody() {
    let daemon = Setup::new().start();
    let client = daemon.client();
    for _ in 0..1000 {
        daemon.signal(Signal::SIGHUP);
    }
    client.ping().unwrap();
    until("it has reloaded", || daemon.health()["reload"]["reloads"] != 0);
    client.reload().unwrap(); // after all of them
    let reloads = daemon.health()["reload"]["reloads"].as_u64().unwrap();
    println!("1,000 SIGHUPs: {reloads} reloads");
    assert!(reloads < 100, "{reloads}");
    assert_eq!(generation(&daemon), 1, "nothing is new");
}

/// A file system that does not answer: said, and nobody waits for it.
#[test]
fn a_file_that_cannot_be_opened_nor_not() {
    let setup = Setup::new().top("[reload]\npoll = \"200ms\"");
    setup.init();
    let plain = setup.command(&[]);
    let mut command = std::process::Command::new("strace");
    command
        .args(["-qq", "-f", "-o", "/dev/null", "-P"])
        .arg(setup.path("default.secret"));
    command.args(["-e", "trace=openat", "-e", "inject=openat:delay_enter=30s:when=2+"]);
    command.arg(plain.get_program()).args(plain.get_args());
    let daemon = Daemon::start_with(setup, command);
    let stuck = |fault: &serde_json::Value| fault.as_str().unwrap().contains("without an end");
    until("it is said", || {
        daemon.health()["faults"].as_array().unwrap().iter().any(stuck)
    });
    daemon.client().issue(Issue::new()).unwrap();
}
