//! The documented roll-over of a key, run as a script without a pause under a load of validates: nobody is logged out.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jwtkeeper_client::{Cause, Issue, Verdict};

use jwtkeeper_testkit::daemons::daemon::ctl;
use jwtkeeper_testkit::daemons::{Daemon, Over, Rounds, Setup, exit_of, until};

const CALLERS: usize = 4;
const SECRET: &[u8] = b"a secret of the tests, long enough for the hash of HS512: 0123456789abcdef";

/// The shell block with this marker in docs/operations.md, for files in this directory.
fn documented(marker: &str, directory: &Path) -> String {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let text = std::fs::read_to_string(manual).unwrap();
    let blocks = text
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let mut found = blocks.filter(|block| block.contains(marker));
    let block = found.next().expect("docs/operations.md has the script");
    assert!(found.next().is_none(), "{marker} is in two scripts");
    // The daemon's user is the test's.
    let block = block.replace(" --user jwtkeeper", "");
    block.replace("/etc/jwtkeeper", directory.to_str().unwrap())
}

struct RollOver {
    daemon: Daemon,
    /// A directory with jwtkeeperctl and jwtkeeperd alone.
    tools: PathBuf,
    roll_over: String,
    retire: String,
    /// What the callers ask about.
    token: Mutex<String>,
    validates: AtomicU64,
    refused: Mutex<Vec<String>>,
}

impl RollOver {
    fn start() -> Self {
        let setup = Setup::bare().top("[reload]\npoll = \"1h\"\nsettle = \"200ms\"\n[log]\nformat = \"auto\"");
        setup.write_secret("secret", SECRET);
        std::fs::create_dir(setup.path("conf.d")).unwrap();
        std::fs::create_dir(setup.path("tools")).unwrap();
        let tools = setup.path("tools");
        symlink(ctl(), tools.join("jwtkeeperctl")).unwrap();
        symlink(env!("CARGO_BIN_EXE_jwtkeeperd"), tools.join("jwtkeeperd")).unwrap();
        let secret = setup.path("secret");
        let lines = "[realms.default]\nalgorithm = \"HS512\"\nsecret_file = ";
        let daemon = setup.lines(&format!("{lines}\"{}\"", secret.display())).start();
        let directory = secret.parent().unwrap();
        Self {
            tools,
            roll_over: documented("--no-backup /etc", directory),
            retire: documented("rm /etc", directory),
            token: Mutex::new(minted(&daemon)),
            validates: AtomicU64::new(0),
            refused: Mutex::default(),
            daemon,
        }
    }

    fn run(&self, script: &str) {
        let output = self.output_of(script);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }

    /// Runs a script as one that is pasted into a shell: a failed line alone does not end it.
    fn output_of(&self, script: &str) -> Output {
        let path = format!("{}:{}", self.tools.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("PATH", path);
        command.env("JWTKEEPER_SOCKET", self.daemon.setup.socket());
        exit_of(command)
    }

    /// Rolls the key over while the newest token is validated all the time.
    fn round(&self) {
        let old = minted(&self.daemon);
        self.token.lock().unwrap().clone_from(&old);
        let before = self.validates.load(Ordering::Relaxed);
        self.run(&self.roll_over);
        until("the old token is of a retired key", || {
            self.rotation(&old) == Some(Cause::RetiredKey)
        });
        until("it was validated", || {
            self.validates.load(Ordering::Relaxed) > before + 8
        });
        let refused = self.refused.lock().unwrap();
        assert!(refused.is_empty(), "{refused:?}\n{}", self.daemon.log());
    }

    fn rotation(&self, token: &str) -> Option<Cause> {
        match self.daemon.client().validate(token).unwrap() {
            Verdict::Valid { rotation, .. } => rotation,
            Verdict::Invalid(reason) => panic!("{reason}"),
        }
    }

    fn validate(&self, over: &AtomicBool) {
        let client = self.daemon.client();
        while !over.load(Ordering::Relaxed) {
            let token = self.token.lock().unwrap().clone();
            let verdict = client.validate(token.as_str());
            self.validates.fetch_add(1, Ordering::Relaxed);
            // One that was put away meanwhile may end.
            if !verdict.as_ref().is_ok_and(Verdict::is_valid) && *self.token.lock().unwrap() == token {
                self.refused.lock().unwrap().push(format!("{verdict:?}"));
            }
        }
    }

    fn rounds(&self, name: &str) {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _over = Over(&over);
            for _ in 0..CALLERS {
                scope.spawn(|| self.validate(&over));
            }
            let rounds = Rounds::new(name, 4, 100).map(|number| {
                self.round();
                // Every other one is the first of its kind; the others find the lines and the file of the last one.
                if number % 2 == 1 {
                    let new = minted(&self.daemon);
                    self.token.lock().unwrap().clone_from(&new);
                    self.run(&self.retire);
                }
            });
            println!(
                "{} roll-overs, {} validates, none refused",
                rounds.count(),
                self.validates.load(Ordering::Relaxed)
            );
        });
    }
}

fn minted(daemon: &Daemon) -> String {
    daemon.client().issue(Issue::new()).unwrap().token().to_owned()
}

#[test]
fn documented_script_logs_nobody_out() {
    RollOver::start().rounds("rollover");
}

#[test]
fn pending_restart_does_not_hold_back_a_roll_over() {
    let mut roll_over = RollOver::start();
    roll_over.daemon.setup.replace("format = \"auto\"", "format = \"json\"");
    roll_over.rounds("rollover-pending-restart");
    let health = roll_over.daemon.health();
    assert_eq!(health["pending_restart"], serde_json::json!(["log.format"]), "{health}");
    assert!(roll_over.daemon.client().health().unwrap().ready, "{health}");
}

/// As on a host where nobody has written a file there yet.
#[test]
fn a_roll_over_needs_no_conf_d() {
    let roll_over = RollOver::start();
    let token = minted(&roll_over.daemon);
    std::fs::remove_dir(roll_over.daemon.setup.path("conf.d")).unwrap();
    roll_over.run(&roll_over.roll_over);
    assert_eq!(roll_over.rotation(&token), Some(Cause::RetiredKey));
}

/// A key that cannot be retired is not replaced: that would log everybody out.
#[test]
fn a_roll_over_that_cannot_retire_the_key_changes_nothing() {
    let roll_over = RollOver::start();
    let token = minted(&roll_over.daemon);
    let secret = std::fs::read(roll_over.daemon.setup.path("secret")).unwrap();
    std::fs::create_dir(roll_over.daemon.setup.path("secret.old")).unwrap();
    roll_over
        .daemon
        .setup
        .write("secret.old/secret", "the copy cannot be written here");
    std::fs::create_dir_all(roll_over.daemon.setup.path("conf.d/retired.toml")).unwrap();
    assert!(!roll_over.output_of(&roll_over.roll_over).status.success());
    assert_eq!(std::fs::read(roll_over.daemon.setup.path("secret")).unwrap(), secret);
    assert_eq!(roll_over.rotation(&token), None);
}
