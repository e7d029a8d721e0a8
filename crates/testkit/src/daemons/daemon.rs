//! The daemon as a process.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use jwtkeeper_client::{Config, blocking};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{Wire, until, wait_for};

/// The configuration of a test's daemon, in a directory of its own.
pub struct Setup {
    directory: TempDir,
    top: String,
    realms: String,
    environment: Vec<(&'static str, &'static str)>,
}

pub const SECRET: &str = "a secret of the tests, long enough for every hash: 0123456789abcdef";

/// Arguments of openssl that make a key.
pub const RSA: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
pub const P256: &[&str] = &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

impl Setup {
    /// One realm, `default`, HS256, with defaults for everything.
    pub fn new() -> Self {
        Self::bare().realm("default", "HS256", SECRET.as_bytes(), "")
    }

    /// No realm.
    pub fn bare() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            top: String::new(),
            realms: String::new(),
            environment: Vec::new(),
        }
    }

    /// Lines before the realms.
    pub fn top(mut self, lines: &str) -> Self {
        self.top.push_str(lines);
        self.top.push('\n');
        self
    }

    /// Lines of the last realm.
    pub fn lines(mut self, lines: &str) -> Self {
        self.realms.push_str(lines);
        self.realms.push('\n');
        self
    }

    /// A realm with its secret in a file.
    pub fn realm(self, name: &str, algorithm: &str, secret: &[u8], lines: &str) -> Self {
        self.write_secret(&format!("{name}.secret"), secret);
        let file = self.path(&format!("{name}.secret"));
        self.lines(&format!(
            "\n[realms.{name:?}]\nalgorithm = \"{algorithm}\"\nsecret_file = \"{}\"\n{lines}",
            file.display()
        ))
    }

    /// A realm with a new private key in a file; `kind` is what openssl genpkey is told.
    pub fn realm_with_key(self, name: &str, algorithm: &str, kind: &[&str], lines: &str) -> Self {
        let output = Command::new("openssl").arg("genpkey").args(kind).output();
        let output = output.expect("openssl is installed");
        assert!(output.status.success(), "{output:?}");
        let file = format!("{name}.pem");
        self.write_secret(&file, &output.stdout);
        let file = self.path(&file);
        self.lines(&format!(
            "\n[realms.{name:?}]\nalgorithm = \"{algorithm}\"\nkey_file = \"{}\"\n{lines}",
            file.display()
        ))
    }

    /// A variable of the daemon's environment.
    pub fn environment(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file that its owner alone may read.
    pub fn write_secret(&self, name: &str, bytes: &[u8]) {
        let file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(self.path(name));
        file.unwrap().write_all(bytes).unwrap();
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn socket(&self) -> PathBuf {
        self.path("jwtkeeper.sock")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.path("state")
    }

    /// Writes the configuration; returns its file.
    pub fn configure(&self) -> PathBuf {
        let text = format!(
            "socket = \"{}\"\nstate_dir = \"{}\"\n{}{}",
            self.socket().display(),
            self.state_dir().display(),
            self.top,
            self.realms
        );
        self.write("jwtkeeper.toml", &text);
        self.path("jwtkeeper.toml")
    }

    /// Replaces lines of the realms.
    pub fn replace(&mut self, from: &str, to: &str) {
        assert!(self.realms.contains(from) || self.top.contains(from));
        self.realms = self.realms.replace(from, to);
        self.top = self.top.replace(from, to);
        self.configure();
    }

    /// The daemon's command, with its configuration written.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = super::syscalls::watched(&binary());
        command
            .arg("--config")
            .arg(self.configure())
            .args(args)
            .stdin(Stdio::null());
        command.envs(self.environment.iter().copied());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        exit_of(self.command(args))
    }

    /// Makes the store.
    pub fn init(&self) {
        let output = self.run(&["--init"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes the store and starts.
    pub fn start(self) -> Daemon {
        self.init();
        Daemon::start(self)
    }
}

/// Runs a command that must end by itself.
pub fn exit_of(mut command: Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let (done, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output()));
    ended.recv_timeout(super::PATIENCE).map_or_else(
        |_| {
            let _ = kill(Pid::from_raw(pid as i32), Signal::SIGKILL); // it may have ended this moment
            panic!("{command:?} did not end");
        },
        Result::unwrap,
    )
}

/// A running daemon, killed when dropped.
pub struct Daemon {
    pub setup: Setup,
    child: Child,
}

impl Daemon {
    /// Starts it on the store that is there, and waits until it answers.
    pub fn start(setup: Setup) -> Self {
        let command = setup.command(&[]);
        Self::start_with(setup, command)
    }

    /// The same by another command.
    pub fn start_with(setup: Setup, mut command: Command) -> Self {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(setup.path("log"))
            .unwrap();
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut daemon = Self { setup, child };
        daemon.ready();
        daemon
    }

    fn ready(&mut self) {
        let client = self.client_with(|config| config.with_deadline(Duration::from_millis(200)));
        wait_for("the daemon answers", || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the daemon ended with {status}: {}", self.log());
            }
            client.ping().ok()
        });
    }

    /// Starts it anew on the same state, with the configuration as it is now.
    pub fn restart(&mut self) {
        self.restart_with(self.setup.command(&[]));
    }

    /// The same by another command.
    pub fn restart_with(&mut self, mut command: Command) {
        assert!(self.child.try_wait().unwrap().is_some(), "it still runs");
        let log = fs::OpenOptions::new()
            .append(true)
            .open(self.setup.path("log"))
            .unwrap();
        self.child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        self.ready();
    }

    pub fn config(&self) -> Config {
        Config::new(self.setup.socket()).with_deadline(super::PATIENCE)
    }

    pub fn client(&self) -> blocking::Client {
        blocking::Client::new(self.config())
    }

    pub fn client_with(&self, change: impl FnOnce(Config) -> Config) -> blocking::Client {
        blocking::Client::new(change(self.config()))
    }

    pub fn realm(&self, name: &str) -> blocking::Client {
        self.client_with(|config| config.with_realm(name))
    }

    /// A connection by hand, greeted.
    pub fn wire(&self) -> Wire {
        Wire::greeted(&self.setup.socket())
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Kills it, as a power switch would a process; under strace its child too, which would live on.
    pub fn kill(&mut self) {
        let pid = self.child.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            let _ = kill(Pid::from_raw(child), Signal::SIGKILL); // it may have ended
        }
        let _ = self.child.kill(); // it may be dead already
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for("the daemon ends", || self.child.try_wait().unwrap())
    }

    pub fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.wait();
        assert!(status.success(), "{status}: {}", self.log());
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.setup.path("log")).unwrap_or_default()
    }

    /// Waits until the log says this.
    pub fn logged(&self, text: &str) {
        until(&format!("the log says {text:?}"), || self.log().contains(text));
    }

    /// The health document.
    pub fn health(&self) -> serde_json::Value {
        self.client().health().unwrap().document.parse().unwrap()
    }

    /// Resident memory, in bytes.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// jwtkeeperctl for this daemon.
    pub fn ctl(&self) -> Command {
        let mut command = Command::new(ctl());
        command.arg("--socket").arg(self.setup.socket()).stdin(Stdio::null());
        command
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let threads = if std::thread::panicking() {
            threads(self.pid())
        } else {
            String::new()
        };
        self.kill();
        if std::thread::panicking() {
            eprintln!("its threads:\n{threads}");
            eprintln!("the daemon's log:\n{}", self.log());
        }
    }
}

/// Returns what each thread of a process waits for; where in the kernel, if that may be known.
fn threads(pid: u32) -> String {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return String::new();
    };
    let read = |task: &Path, name: &str| fs::read_to_string(task.join(name)).unwrap_or_default();
    let tasks = tasks.filter_map(|task| task.ok().map(|task| task.path()));
    let told = tasks.map(|task| {
        let (name, stat, stack) = (read(&task, "comm"), read(&task, "stat"), read(&task, "stack"));
        let state = stat
            .rsplit_once(") ")
            .map_or("?", |(_, rest)| rest.get(..1).unwrap_or("?"));
        let stack: Vec<_> = stack
            .lines()
            .take(6)
            .map(|line| line.trim_start_matches("[<0>] "))
            .collect();
        format!("{} {state} {}\n", name.trim(), stack.join(" < "))
    });
    told.collect()
}

/// The daemon; JWTKEEPERD names another build of it, for figures.
fn binary() -> PathBuf {
    std::env::var_os("JWTKEEPERD").map_or_else(|| built("jwtkeeperd"), PathBuf::from)
}

/// jwtkeeperctl.
pub fn ctl() -> PathBuf {
    built("jwtkeeperctl")
}

/// A program of this workspace: tests lie in a directory below it.
fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let found = test
        .ancestors()
        .map(|directory| directory.join(name))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built; run make test, or cargo build --workspace"))
}

/// Sets a file's mode.
pub fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A daemon that a test started its own way; asked to end when dropped.
pub struct Spawned(Child);

impl Spawned {
    pub fn new(mut command: Command, log: &Path) -> Self {
        let log = fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        Self(command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
    }

    /// A client, once it answers there.
    pub fn client(&self, socket: &Path) -> blocking::Client {
        let client = blocking::Client::new(Config::new(socket).with_deadline(super::PATIENCE));
        client.ping().unwrap();
        client
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.id() as i32), Signal::SIGTERM); // it may have ended
        self.0.wait().unwrap();
    }
}
