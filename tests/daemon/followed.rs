//! Odd turns that files take: each is followed at once, or told of.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use jwtkeeper_client::{Issue, Reason, Verdict};

use jwtkeeper_testkit::daemons::daemon::SECRET;
use jwtkeeper_testkit::daemons::{Daemon, Setup, exit_of, meanwhile, pace, until};

/// What must rest rests for so long that it shows, and no poll comes to help.
const RELOAD: &str = "[reload]\npoll = \"1h\"\nsettle = \"10s\"";
const OTHER: &[u8] = b"another secret of the tests, as long as the first: 0123456789abcdef";

fn start(setup: Setup) -> (Daemon, String) {
    let daemon = setup.start();
    // The daemon serves before its watches are set: until then what changes is seen, and rests.
    let mut before = 0;
    until("its files are watched", || {
        let now = watches(daemon.pid());
        now > 0 && std::mem::replace(&mut before, now) == now
    });
    let token = daemon.client().issue(Issue::new()).unwrap().token().to_owned();
    (daemon, token)
}

/// How many watches of inotify a process has.
fn watches(pid: u32) -> usize {
    let all = fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap();
    let lines = |entry: fs::DirEntry| fs::read_to_string(entry.path()).unwrap_or_default(); // it may be closed by now
    let watches = |text: String| text.lines().filter(|line| line.starts_with("inotify wd:")).count();
    all.map(|entry| watches(lines(entry.unwrap()))).sum()
}

fn is_dead(daemon: &Daemon, token: &str) -> bool {
    daemon.client().validate(token).unwrap() == Verdict::Invalid(Reason::BadSignature)
}

/// That the change which was made is in effect long before it could have rested.
fn at_once(daemon: &Daemon, token: &str) {
    let begin = Instant::now();
    until("it is in effect", || is_dead(daemon, token));
    assert!(
        begin.elapsed() < Duration::from_secs(8),
        "it had to rest: {:?}",
        begin.elapsed()
    );
}

fn put(daemon: &Daemon, name: &str, bytes: &[u8]) {
    daemon.setup.write_secret("aside", bytes);
    fs::rename(daemon.setup.path("aside"), daemon.setup.path(name)).unwrap();
}

fn health_lists(daemon: &Daemon, list: &str, text: &str) -> bool {
    let health = daemon.health();
    let all = health[list].as_array().unwrap().iter();
    all.map(|one| one.as_str().unwrap()).any(|one| one.contains(text))
}

/// As a program does that renames within the scope of its open file.
#[test]
fn closed_after_it_was_renamed() {
    let (daemon, token) = start(Setup::new().top(RELOAD));
    daemon.setup.write_secret("aside", b"");
    let aside = daemon.setup.path("aside");
    let mut file = fs::OpenOptions::new().write(true).open(&aside).unwrap();
    std::io::Write::write_all(&mut file, OTHER).unwrap();
    fs::rename(aside, daemon.setup.path("default.secret")).unwrap();
    drop(file);
    at_once(&daemon, &token);
}

#[test]
fn secret_generate_is_in_force_at_once() {
    let (daemon, token) = start(Setup::new().top(RELOAD));
    let mut command = daemon.ctl();
    command
        .args(["secret", "generate"])
        .arg(daemon.setup.path("default.secret"));
    assert!(exit_of(command).status.success());
    at_once(&daemon, &token);
}

/// A daemon whose realm `second` has its secret in a directory of its own, `keys`.
fn with_keys_in_a_directory(reload: &str) -> Daemon {
    let setup = Setup::new().top(reload);
    let keys = setup.path("keys");
    fs::create_dir(&keys).unwrap();
    setup.write_secret("keys/secret", SECRET.as_bytes());
    let file = keys.join("secret");
    let lines = format!(
        "[realms.second]\nalgorithm = \"HS256\"\nsecret_file = \"{}\"",
        file.display()
    );
    setup.lines(&lines).start()
}

/// The new directory may have the number of the old one.
#[test]
fn a_directory_that_goes_and_comes_stays_watched() {
    let daemon = with_keys_in_a_directory("[reload]\npoll = \"1h\"\nsettle = \"200ms\"");
    let (client, keys) = (daemon.realm("second"), daemon.setup.path("keys"));
    for round in 0..20 {
        let token = client.issue(Issue::new()).unwrap().token().to_owned();
        fs::remove_dir_all(&keys).unwrap();
        pace(Duration::from_millis(round % 7));
        fs::create_dir(&keys).unwrap();
        pace(Duration::from_millis(round % 3 * 20));
        put(&daemon, "keys/secret", format!("{SECRET} {round}").as_bytes());
        let begin = Instant::now();
        until("it is in effect", || {
            !client.validate(token.as_str()).unwrap().is_valid()
        });
        assert!(begin.elapsed() < Duration::from_secs(19), "only what rested was seen");
    }
}

/// Two names of one file share a watch; it must not go with one of them.
#[test]
fn two_realms_on_one_file() {
    let setup = Setup::new().top("[reload]\npoll = \"1h\"\nsettle = \"50ms\"");
    fs::hard_link(setup.path("default.secret"), setup.path("second.secret")).unwrap();
    fs::create_dir(setup.path("elsewhere")).unwrap();
    fs::hard_link(setup.path("default.secret"), setup.path("elsewhere/third")).unwrap();
    let second = setup.path("second.secret");
    let lines = format!(
        "[realms.second]\nalgorithm = \"HS256\"\nsecret_file = \"{}\"",
        second.display()
    );
    let (daemon, token) = start(setup.lines(&lines));
    put(&daemon, "second.secret", OTHER);
    until("the second realm has its own", || {
        !daemon.realm("second").validate(token.as_str()).unwrap().is_valid()
    });
    daemon.setup.write_secret("elsewhere/third", &OTHER[..40]);
    until("what is written by another name is seen", || is_dead(&daemon, &token));
}

/// Whatever else never comes to rest, a new secret does not wait for it.
fn beside(churn: impl Fn(&Daemon, u64) + Sync) {
    let setup = Setup::new().top(RELOAD).realm("second", "HS256", OTHER, "");
    fs::create_dir(setup.path("conf.d")).unwrap();
    let (daemon, token) = start(setup);
    meanwhile(
        |number| churn(&daemon, number),
        || {
            pace(Duration::from_millis(100));
            put(&daemon, "default.secret", OTHER);
            at_once(&daemon, &token);
        },
    );
}

#[test]
fn another_realms_secret_replaced_without_end() {
    beside(|daemon, number| {
        daemon
            .setup
            .write_secret("other", format!("{SECRET}{number}").as_bytes());
        fs::rename(daemon.setup.path("other"), daemon.setup.path("second.secret")).unwrap();
        pace(Duration::from_millis(number % 4));
    });
}

#[test]
fn a_directory_of_drop_ins_that_cannot_be_read() {
    let setup = Setup::new().top("[reload]\npoll = \"1h\"\nsettle = \"50ms\"");
    fs::create_dir(setup.path("conf.d")).unwrap();
    let (daemon, _) = start(setup);
    let drop_ins = daemon.setup.path("conf.d");
    fs::remove_dir(&drop_ins).unwrap();
    fs::write(&drop_ins, "no directory").unwrap();
    until("it is said", || {
        health_lists(&daemon, "faults", "conf.d: cannot be read")
    });
    fs::remove_file(&drop_ins).unwrap();
    fs::create_dir(&drop_ins).unwrap();
    until("it is right again", || daemon.client().health().unwrap().ready);
}

/// A volume that is not mounted must not take back what it says.
#[test]
fn a_drop_in_that_leads_nowhere() {
    let setup = Setup::new().top("[reload]\npoll = \"1h\"\nsettle = \"50ms\"");
    fs::create_dir(setup.path("conf.d")).unwrap();
    setup.write("there.toml", "[realms.default]\nissuer = \"one\"\n");
    symlink(setup.path("there.toml"), setup.path("conf.d/10.toml")).unwrap();
    let (daemon, token) = start(setup);
    fs::rename(daemon.setup.path("there.toml"), daemon.setup.path("away")).unwrap();
    until("it is missed", || {
        health_lists(&daemon, "faults", "10.toml: cannot be read")
    });
    assert!(daemon.client().validate(token.as_str()).unwrap().is_valid());
    assert_eq!(daemon.client().health().unwrap().generation, 1);
    fs::rename(daemon.setup.path("away"), daemon.setup.path("there.toml")).unwrap();
    until("it is right again", || daemon.client().health().unwrap().ready);
    fs::remove_file(daemon.setup.path("conf.d/10.toml")).unwrap();
    until("one that is taken away is gone", || {
        daemon.client().health().unwrap().generation == 2
    });
}

/// What goes in is told though something else does not.
#[test]
fn a_refused_reload_tells_what_was_taken() {
    let (mut daemon, _) = start(Setup::new().top("[reload]\nsettle = \"50ms\""));
    daemon.setup.replace("algorithm", "allgorithm");
    put(&daemon, "default.secret", OTHER);
    let mut command = daemon.ctl();
    command.arg("reload");
    let output = exit_of(command);
    assert_eq!(output.status.code(), Some(78));
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(said.contains("realm default: only tokens signed by key"), "{said}");
    assert!(
        complained.lines().count() >= 2 && complained.contains("allgorithm"),
        "{complained}"
    );
}

#[test]
fn another_spelling_of_a_key_is_no_news() {
    let (daemon, _) = start(Setup::new().top("[reload]\nsettle = \"50ms\""));
    put(&daemon, "default.secret", format!("{SECRET}\n").as_bytes());
    daemon.client().reload().unwrap();
    assert_eq!(daemon.client().health().unwrap().generation, 1);
    let jwk = |secret: &[u8]| {
        use base64::Engine;
        let k = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(secret);
        format!(r#"{{"kty":"oct","k":"{k}"}}"#)
    };
    put(&daemon, "default.secret", jwk(SECRET.as_bytes()).as_bytes());
    daemon.client().reload().unwrap();
    assert_eq!(daemon.client().health().unwrap().generation, 1);
}

/// Whatever ends tokens is told as that.
#[test]
fn rules_that_end_tokens_are_told() {
    let lines = "issuer = \"one\"\ncookie_lock = \"optional\"\nexpiry = \"1h\"\nmax_lifetime = \"2h\"";
    let (mut daemon, _) = start(Setup::new().top("[reload]\nsettle = \"50ms\"").lines(lines));
    daemon.setup.replace("\"one\"", "\"two\"");
    daemon.setup.replace("\"optional\"", "\"required\"");
    daemon.setup.replace("\"2h\"", "\"1h\"");
    daemon.client().reload().unwrap();
    for text in [
        "whose issuer is not \"two\"",
        "that are not locked",
        "that live for more than 3600 s",
    ] {
        daemon.logged(&format!("tokens of realm default {text} are now invalid"));
    }
}

/// Whoever writes it believes that it counts.
#[test]
fn a_file_that_never_rests_is_told_of() {
    let (daemon, token) = start(Setup::new().top("[reload]\npoll = \"300ms\"\nsettle = \"100ms\""));
    let write = |number: u64| {
        let secret = format!("{SECRET}{number}");
        daemon.setup.write_secret("default.secret", secret.as_bytes());
        pace(Duration::from_millis(5));
    };
    meanwhile(write, || {
        until("it is told", || {
            health_lists(&daemon, "warnings", "default.secret: keeps changing")
        });
        assert!(daemon.client().validate(token.as_str()).unwrap().is_valid());
    });
    until("the last one counts", || is_dead(&daemon, &token));
    until("nothing is told any more", || {
        !health_lists(&daemon, "warnings", "keeps changing")
    });
}

/// A link that leads elsewhere vouches for no file that is written only then.
#[test]
fn a_link_before_its_file() {
    let (daemon, token) = start(Setup::new().top(RELOAD));
    let link = |target: &str| {
        symlink(target, daemon.setup.path("aside")).unwrap();
        fs::rename(daemon.setup.path("aside"), daemon.setup.path("default.secret")).unwrap();
    };
    link("elsewhere");
    pace(Duration::from_millis(50));
    daemon.setup.write_secret("elsewhere", &OTHER[..40]);
    pace(Duration::from_secs(1)); // far less than it must rest
    assert!(
        daemon.client().validate(token.as_str()).unwrap().is_valid(),
        "half of it is in effect"
    );
    daemon.setup.write_secret("whole", OTHER);
    pace(Duration::from_millis(50));
    link("whole");
    at_once(&daemon, &token);
}

/// What is held back while another file of its unit is away counts when that is back, though it is as it was.
#[test]
fn what_was_held_back_is_not_forgotten() {
    let setup = Setup::new().top("[reload]\npoll = \"1h\"\nsettle = \"300ms\"");
    setup.write_secret("old", SECRET.as_bytes());
    let old = setup.path("old");
    let lines = format!(
        "[[realms.default.retired_keys]]\nalgorithm = \"HS256\"\nfile = \"{}\"",
        old.display()
    );
    let (daemon, _) = start(setup.lines(&lines));
    let generation = || daemon.client().health().unwrap().generation;
    for round in 2..6 {
        let kept = fs::read(&old).unwrap();
        daemon.setup.write_secret("old", b"");
        pace(Duration::from_millis(20)); // it is seen that it is away
        put(&daemon, "default.secret", format!("{SECRET} {round}").as_bytes());
        pace(Duration::from_millis(50));
        daemon.setup.write_secret("old", &kept);
        until("the new secret counts", || generation() == round);
    }
    assert!(daemon.client().health().unwrap().ready);
}

/// A name that was moved there says nothing in another directory of the same name.
#[test]
fn a_directory_made_anew_vouches_for_nothing() {
    let daemon = with_keys_in_a_directory(RELOAD);
    let (client, keys) = (daemon.realm("second"), daemon.setup.path("keys"));
    let before = client.issue(Issue::new()).unwrap();
    put(&daemon, "keys/secret", OTHER);
    until("it was moved there", || {
        !client.validate(before.token()).unwrap().is_valid()
    });
    let token = client.issue(Issue::new()).unwrap();
    for _ in 0..20 {
        fs::remove_dir_all(&keys).unwrap();
        fs::create_dir(&keys).unwrap();
        daemon.setup.write_secret("keys/secret", &SECRET.as_bytes()[..40]);
        pace(Duration::from_millis(30));
        assert!(
            client.validate(token.token()).unwrap().is_valid(),
            "half of it is in effect"
        );
    }
}
