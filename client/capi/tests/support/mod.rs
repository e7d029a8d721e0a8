//! Support for tests in C: the library as cargo built it, under the names that the loader and the linker look for;
//! programs compiled against it; and a real daemon, in a directory of its own.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::fs;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use jwtkeeper_client::{Config, blocking};
use tempfile::TempDir;

use jwtkeeper_testkit::pace::PATIENCE;

/// Returns a file that cargo built, beside this test.
pub fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join(name);
    assert!(
        path.exists(),
        "{} is not built; run make test, or cargo build --workspace",
        path.display()
    );
    path
}

/// The shared library. Cargo's test command alone does not build it: one older than its sources is not what is tested.
pub fn library() -> PathBuf {
    let path = built("libjwtkeeper.so");
    let changed = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    for source in fs::read_dir(here("src")).unwrap() {
        let source = source.unwrap().path();
        assert!(
            changed(&source) <= changed(&path),
            "{} is older than {}; run make test, or cargo build -p jwtkeeper-capi",
            path.display(),
            source.display()
        );
    }
    path
}

/// A path of this crate.
pub fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs it to its end, which must be a good one; what it printed.
pub fn succeeds(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    good(command, output)
}

pub fn good(command: &Command, output: Output) -> String {
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{command:?}: {}\n{stdout}{stderr}",
        output.status
    );
    stdout.into_owned()
}

/// The ways to build a C program.
#[derive(Clone, Copy)]
pub enum Build {
    Plain,
    /// With AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer.
    Sanitized,
    /// With the last one alone. AddressSanitizer's allocator knows nothing of fork (gcc 12): a child hangs in it for
    /// ever when another thread was in it at the fork.
    Forking,
}

const WARNINGS: [&str; 5] = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic"];
const SANITIZERS: [&str; 2] = ["-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];

/// Compiles tests/c/NAME.c in a directory, against the library that cargo built.
pub fn compile(name: &str, build: Build, directory: &Path) -> PathBuf {
    let library = library();
    for link in ["libjwtkeeper.so", "libjwtkeeper.so.0"] {
        symlink(&library, directory.join(link)).unwrap();
    }
    let program = directory.join(name);
    let mut gcc = Command::new("gcc");
    gcc.args(WARNINGS).args(["-g", "-O1", "-pthread"]);
    match build {
        Build::Plain => &mut gcc,
        Build::Sanitized => gcc.args(SANITIZERS).arg("-fsanitize=address,undefined"),
        Build::Forking => gcc.args(SANITIZERS).arg("-fsanitize=undefined"),
    };
    gcc.arg("-I").arg(here("include")).arg("-o").arg(&program);
    gcc.arg(here(&format!("tests/c/{name}.c")));
    gcc.arg("-L").arg(directory).args(["-ljwtkeeper", "-Wl,-rpath,$ORIGIN"]);
    succeeds(&mut gcc);
    program
}

/// The time that a program may take; the longest takes a few seconds.
const LONGEST_RUN: Duration = Duration::from_secs(300);

const SECRET: &str = "a secret of the tests, long enough for every hash: 0123456789abcdef";
const NEW_SECRET: &str = "another secret of the tests, long enough too: 0123456789abcdefghij";

/// Realms of one secret, but for `successor`, which has retired it.
fn realms(directory: &Path) -> String {
    let realm = |name: &str, lines: &str| {
        format!(
            "[realms.{name}]\nalgorithm = \"HS256\"\nsecret_file = \"{0}/secret\"\nclock_skew = \"0s\"\n\
             rotation_grace = \"10m\"\n{lines}\n",
            directory.display()
        )
    };
    let path = |name: &str| directory.join(name).display().to_string();
    [
        realm("default", ""),
        realm(
            "locked",
            "cookie_lock = \"required\"\n[realms.locked.cookie]\nname = \"lock\"\ndomain = \"example.com\"\n\
             path = \"/app\"\nsame_site = \"strict\"",
        ),
        realm("optional", "cookie_lock = \"optional\""),
        realm("newer", &format!("version_file = {:?}", path("version"))),
        realm("elsewhere", "issuer = \"elsewhere\""),
        realm("others", "audience = [\"others\"]"),
        realm("longer", "").replace("HS256", "HS512"),
        realm("short", "expiry = \"1m\"\nmax_lifetime = \"1m\""),
        realm(
            "successor",
            &format!(
                "[[realms.successor.retired_keys]]\nalgorithm = \"HS256\"\nfile = {:?}",
                path("secret")
            ),
        )
        .replace("/secret\"\nclock", "/new_secret\"\nclock"),
    ]
    .concat()
}

/// A running daemon, killed when dropped.
pub struct Daemon {
    directory: TempDir,
    child: Child,
}

impl Daemon {
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for (name, text) in [("secret", SECRET), ("new_secret", NEW_SECRET)] {
            let file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(path(name));
            std::io::Write::write_all(&mut file.unwrap(), text.as_bytes()).unwrap();
        }
        fs::write(path("version"), "2\n").unwrap();
        let top = format!(
            "socket = {:?}\nstate_dir = {:?}\n",
            path("jwtkeeper.sock"),
            path("state")
        );
        fs::write(path("jwtkeeper.toml"), top + &realms(directory.path())).unwrap();
        succeeds(
            Command::new(built("jwtkeeperd"))
                .arg("--init")
                .arg("--config")
                .arg(path("jwtkeeper.toml")),
        );
        let child = spawn(directory.path());
        let daemon = Self { directory, child };
        daemon.answers();
        daemon
    }

    fn answers(&self) {
        let client = blocking::Client::new(Config::new(self.path("jwtkeeper.sock")).with_deadline(PATIENCE));
        client.ping().unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// kill -9, at whatever it is doing.
    pub fn kill(&mut self) {
        let _ = self.child.kill(); // it may be dead already
        self.child.wait().unwrap();
    }

    /// Starts it anew, after a kill.
    pub fn start_again(&mut self) {
        self.child = spawn(self.directory.path());
        self.answers();
    }

    /// A program that talks to it, ended with its children should it hang.
    pub fn run(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("timeout");
        command
            .args(["--signal=KILL", &LONGEST_RUN.as_secs().to_string()])
            .arg(program.as_ref());
        self.environment(&mut command);
        command
    }

    pub fn environment(&self, command: &mut Command) {
        command.env("JWTKEEPER_SOCKET", self.path("jwtkeeper.sock"));
        command.env("JWTKEEPER_TEST_CONFIG", self.path("jwtkeeper.toml"));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(directory: &Path) -> Child {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("log"))
        .unwrap();
    let mut command = Command::new(built("jwtkeeperd"));
    command
        .arg("--config")
        .arg(directory.join("jwtkeeper.toml"))
        .stdin(Stdio::null());
    command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
}
