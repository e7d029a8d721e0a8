//! `jwtkeeperctl reload`: it reports each change once, and with `--dry-run` applies none.

use jwtkeeper_client::{Issue, Reason, Verdict};
use serde_json::{Value, json};

use jwtkeeper_testkit::daemons::{Daemon, SECRET, Setup, exit_of, until};

const OTHER: &[u8] = b"another secret of the tests, which is long enough too: 0123456789abcdef";

/// The exit status, stdout and stderr.
fn reload(daemon: &Daemon, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = daemon.ctl();
    command.arg("reload").args(args);
    let output = exit_of(command);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn json_of(daemon: &Daemon, args: &[&str]) -> Value {
    let (_, said, error) = reload(daemon, &[args, &["--json"]].concat());
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}{error}"))
}

#[test]
fn a_change_is_reported_once() {
    let daemon = Setup::new().start();
    let ended = "realm default: only tokens signed by key";
    assert_eq!(reload(&daemon, &[]).1, "reloaded, generation 1, nothing changed\n");
    daemon.setup.write_secret("new", OTHER);
    std::fs::rename(daemon.setup.path("new"), daemon.setup.path("default.secret")).unwrap();
    let (code, said, _) = reload(&daemon, &[]);
    assert_eq!(code, Some(0));
    assert!(
        said.starts_with("reloaded, generation 2\nin effect since ") && said.contains(ended),
        "{said}"
    );
    let (code, said, _) = reload(&daemon, &[]);
    assert_eq!((code, &*said), (Some(0), "reloaded, generation 2, nothing changed\n"));
    // The daemon had seen this one before anybody asked.
    daemon
        .setup
        .write_secret("new", jwtkeeper_testkit::daemons::daemon::SECRET.as_bytes());
    std::fs::rename(daemon.setup.path("new"), daemon.setup.path("default.secret")).unwrap();
    until("it took effect", || daemon.client().health().unwrap().generation == 3);
    let report = json_of(&daemon, &[]);
    assert_eq!(report["changes"][0]["by_this_reload"], false, "{report}");
    assert_eq!(report["changes"][0]["ends_tokens"], true);
    assert_eq!(
        report["realms"],
        json!([{"name": "default", "ends": "all", "keys": [], "rotation_due": false}])
    );
    assert_eq!(json_of(&daemon, &[])["changes"], json!([]));
}

/// A daemon that applies no change by itself while a test looks: files that are written where they lie wait for 10 s.
fn patient(setup: Setup) -> Daemon {
    setup.top("[reload]\nsettle = \"10s\"\npoll = \"1h\"").start()
}

/// The realms of a dry run's report. The daemon goes on as it was.
fn realms_of_dry_run(daemon: &Daemon) -> Value {
    let report = json_of(daemon, &["--dry-run"]);
    assert_eq!(
        (&report["dry_run"], &report["generation"]),
        (&json!(true), &json!(1)),
        "{report}"
    );
    assert_eq!(daemon.client().health().unwrap().generation, 1, "something was applied");
    report["realms"].clone()
}

fn realm(name: &str, ends: &str, rotation_due: bool) -> Value {
    json!({"name": name, "ends": ends, "keys": [], "rotation_due": rotation_due})
}

#[test]
fn a_dry_run_applies_nothing() {
    let daemon = patient(Setup::new());
    let token = daemon.client().issue(Issue::new()).unwrap().token().to_owned();
    let (code, said, _) = reload(&daemon, &["--dry-run"]);
    assert_eq!((code, &*said), (Some(0), "dry run: a reload would change nothing\n"));
    daemon.setup.write_secret("default.secret", OTHER);
    assert_eq!(realms_of_dry_run(&daemon), json!([realm("default", "all", false)]));
    let (code, said, _) = reload(&daemon, &["--dry-run"]);
    assert_eq!(code, Some(0));
    assert!(said.ends_with("\ntokens of realm default: all would end\n"), "{said}");
    assert!(
        daemon.client().validate(token.as_str()).unwrap().is_valid(),
        "it was applied"
    );
    // The reload does what the dry run said.
    daemon.setup.write_secret("new", OTHER);
    std::fs::rename(daemon.setup.path("new"), daemon.setup.path("default.secret")).unwrap();
    let (_, said, _) = reload(&daemon, &[]);
    assert!(said.contains("realm default: only tokens signed by key"), "{said}");
    let verdict = daemon.client().validate(token.as_str()).unwrap();
    assert_eq!(verdict, Verdict::Invalid(Reason::BadSignature));
}

#[test]
fn a_dry_run_tells_rotation_from_the_end() {
    let setup = Setup::new().lines("version_file = \"version\"");
    setup.write("version", "1");
    let daemon = patient(setup);
    daemon.setup.write("version", "2");
    assert_eq!(realms_of_dry_run(&daemon), json!([realm("default", "none", true)]));
}

#[test]
fn a_dry_run_names_the_key_whose_tokens_would_end() {
    let retired = "[[realms.default.retired_keys]]\nalgorithm = \"HS256\"\nfile = \"old.secret\"";
    let setup = Setup::new().lines(retired);
    setup.write_secret("old.secret", OTHER);
    let mut daemon = patient(setup);
    let keys = daemon.health()["realms"][0]["keys"].clone();
    let retired_key = keys
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["role"] == "retired")
        .unwrap();
    daemon.setup.replace(retired, "");
    let expected =
        json!([{"name": "default", "ends": "some", "keys": [retired_key["fingerprint"]], "rotation_due": false}]);
    assert_eq!(realms_of_dry_run(&daemon), expected);
}

#[test]
fn a_dry_run_names_realms_and_settings_that_await_a_restart() {
    let mut daemon = patient(
        Setup::new()
            .top("socket_mode = \"0660\"")
            .realm("api", "HS256", OTHER, ""),
    );
    daemon.setup.replace("[realms.\"api\"]", "[realms.\"other\"]");
    daemon.setup.replace("socket_mode = \"0660\"", "socket_mode = \"0600\"");
    let realms = json!([realm("api", "none", false), realm("other", "none", false)]);
    assert_eq!(realms_of_dry_run(&daemon), realms);
    assert_eq!(
        json_of(&daemon, &["--dry-run"])["pending_restart"],
        json!(["socket_mode"])
    );
    let (_, said, _) = reload(&daemon, &["--dry-run"]);
    assert_eq!(
        said.matches("restart pending: the new value of socket_mode").count(),
        1,
        "{said}"
    );
    assert_eq!(daemon.health()["pending_restart"], json!([]));
}

/// Faults are reported, and what they do not hold back too.
#[test]
fn a_dry_run_reports_faults() {
    let daemon = patient(Setup::new().realm("api", "HS256", OTHER, ""));
    daemon.setup.write_secret("default.secret", b"short");
    daemon
        .setup
        .write_secret("api.secret", jwtkeeper_testkit::daemons::daemon::SECRET.as_bytes());
    let (code, said, error) = reload(&daemon, &["--dry-run"]);
    assert_eq!(code, Some(78));
    assert!(said.contains("tokens of realm api: all would end"), "{said}");
    assert!(
        error.starts_with("jwtkeeperctl: refused: ") && error.contains("default.secret"),
        "{error}"
    );
    assert!(
        daemon.health()["faults"].as_array().unwrap().is_empty(),
        "a dry run is no fault"
    );
}

/// "Log everybody out" changes the original of a credential, and systemd alone copies it.
#[test]
fn a_secret_that_is_a_credential_is_told_as_a_copy() {
    let credentials = tempfile::tempdir().unwrap();
    let copy = credentials.path().join("secret");
    let setup = Setup::bare().lines(&format!(
        "[realms.default]\nalgorithm = \"HS256\"\nsecret_file = \"{}\"",
        copy.display()
    ));
    setup.write_secret("original", OTHER);
    std::fs::copy(setup.path("original"), &copy).unwrap();
    setup.init();
    let mut command = setup.command(&[]);
    command.env("CREDENTIALS_DIRECTORY", credentials.path());
    let daemon = Daemon::start_with(setup, command);
    daemon
        .setup
        .write_secret("original", jwtkeeper_testkit::daemons::daemon::SECRET.as_bytes());
    let (code, said, _) = reload(&daemon, &[]);
    assert_eq!(code, Some(0));
    let expected = format!(
        "reloaded, generation 1, nothing changed\nrealm default: secret_file {} is a credential, a copy that systemd makes when the \
         service starts; if you changed the original, run systemctl restart jwtkeeperd\n",
        copy.display()
    );
    assert_eq!(said, expected);
    // Once systemd has copied it, there is nothing to add.
    daemon
        .setup
        .write_secret("new", jwtkeeper_testkit::daemons::daemon::SECRET.as_bytes());
    std::fs::rename(daemon.setup.path("new"), &copy).unwrap();
    let (_, said, _) = reload(&daemon, &[]);
    assert!(said.contains("realm default: only tokens signed by key"), "{said}");
    assert!(!said.contains("credential"), "{said}");
}

/// Each setting that differs is named, with both values.
#[test]
fn settings_that_differ_are_named() {
    let mut daemon = patient(Setup::new().lines("expiry = \"1h\""));
    daemon
        .setup
        .replace("expiry = \"1h\"", "expiry = \"2h\"\nrenew_before = \"5m\"");
    let differences = [
        "realms.\"default\".expiry changed from \"1h\" to \"2h\"\n",
        "realms.\"default\".renew_before is set to \"5m\"\n",
    ];
    let (_, said, _) = reload(&daemon, &["--dry-run"]);
    assert!(differences.iter().all(|line| said.contains(line)), "{said}");
    let file = daemon.setup.path("jwtkeeper.toml");
    let replace = |text: &str| {
        daemon.setup.write("new", text);
        std::fs::rename(daemon.setup.path("new"), &file).unwrap();
    };
    let text = std::fs::read_to_string(&file).unwrap();
    replace(&text);
    let (_, said, _) = reload(&daemon, &[]);
    assert!(differences.iter().all(|line| said.contains(line)), "{said}");
    replace(&format!("# as agreed\n{text}"));
    let (_, said, _) = reload(&daemon, &[]);
    let same = "the configuration was rewritten; the settings in effect are the same\n";
    assert!(said.ends_with(same) && !said.contains("expiry"), "{said}");
}

/// Nobody learns by a dry run what only a reload's right shows.
#[test]
fn a_dry_run_needs_the_right_of_a_reload() {
    if !nix::unistd::geteuid().is_root() {
        println!("not root: no other user to be");
        return;
    }
    let daemon = Setup::new().top("[[access]]\nuser = 1\nallow = [\"issue\"]\n").start();
    jwtkeeper_testkit::daemons::daemon::chmod(&daemon.setup.path(""), 0o711);
    jwtkeeper_testkit::daemons::daemon::chmod(&daemon.setup.socket(), 0o666);
    let ctl = daemon.ctl();
    for args in [&["reload"][..], &["reload", "--dry-run"]] {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid=1", "--regid=1", "--clear-groups"]);
        command.arg(ctl.get_program()).args(ctl.get_args()).args(args);
        command.envs(ctl.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = exit_of(command);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(77), "{error}");
    }
}

/// Nothing is left out without a word: a report has room for so much, and says how much it leaves out.
#[test]
fn a_report_says_how_much_it_leaves_out() {
    let names: Vec<String> = (0..300).map(|number| format!("realm-{number}")).collect();
    let mut setup = Setup::new();
    for name in &names {
        setup = setup.realm(name, "HS256", SECRET.as_bytes(), "");
    }
    let daemon = setup.start();
    for name in &names {
        let secret = format!("another secret of {name}, long enough for every hash: 0123456789");
        daemon.setup.write_secret(&format!("{name}.secret"), secret.as_bytes());
    }
    let mut reload = daemon.ctl();
    reload.args(["--json", "reload"]);
    let output = exit_of(reload);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |list: &str| report[list].as_array().unwrap().len();
    let omitted = report["omitted"].as_u64().unwrap() as usize;
    assert!(omitted > 0, "all of it fits: the test must make more");
    assert_eq!(count("changes") + count("realms") + omitted, 2 * names.len());
}

/// A fault that is longer than a frame is cut, and never lost.
#[test]
fn a_refused_reload_is_no_success_however_long_its_fault() {
    let daemon = Setup::new().start();
    for key in ["x".repeat(20_000), "\\u0001".repeat(2000)] {
        daemon.setup.write("wrong", &format!("\"{key}\" = 1\n"));
        std::fs::create_dir_all(daemon.setup.path("conf.d")).unwrap();
        std::fs::rename(daemon.setup.path("wrong"), daemon.setup.path("conf.d/wrong.toml")).unwrap();
        for args in [&["--dry-run"][..], &[]] {
            let (code, _, error) = reload(&daemon, args);
            assert_eq!(code, Some(78), "{args:?}");
            assert!(error.contains("wrong.toml:1: unknown key"), "{args:?}");
        }
    }
}

/// Whoever asks for no report does not use it up.
#[test]
fn a_reload_without_a_report_leaves_the_changes_to_the_next() {
    let daemon = Setup::new().start();
    daemon.setup.write_secret("new", OTHER);
    std::fs::rename(daemon.setup.path("new"), daemon.setup.path("default.secret")).unwrap();
    daemon.client().reload().unwrap();
    let (_, said, _) = reload(&daemon, &[]);
    assert!(said.contains("realm default: only tokens signed by key"), "{said}");
    let (_, said, _) = reload(&daemon, &[]);
    assert!(said.ends_with("nothing changed\n"), "{said}");
}

/// Everybody may ask for health: it names settings, not their values.
#[test]
fn health_names_changed_settings_without_their_values() {
    let mut daemon = Setup::new().lines("issuer = \"one\"").start();
    daemon.setup.replace("\"one\"", "\"hidden.example.com\"");
    daemon.setup.configure();
    let (_, said, _) = reload(&daemon, &[]);
    assert!(said.contains("hidden.example.com"), "{said}");
    let changes = daemon.health()["reload"]["changes"].to_string();
    assert!(changes.contains(".issuer changed"), "{changes}");
    let values =
        |change: &Value| change["text"].as_str().unwrap().contains(".issuer") && change.to_string().contains("hidden");
    assert!(
        !daemon.health()["reload"]["changes"]
            .as_array()
            .unwrap()
            .iter()
            .any(values),
        "{changes}"
    );
}
