//! An app of some language as a process: started on a daemon's socket, found by the line that it prints, killed with its
//! process group.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use jwtkeeper_testkit::daemons::PATIENCE;

/// A program of a language: its name in messages, and how it is started in the project's root.
pub struct Language {
    pub name: &'static str,
    command: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
}

impl Language {
    /// `program` is a path, or a name to look up in PATH; `arguments` are relative to the project's root.
    pub fn new(name: &'static str, program: impl Into<OsString>, arguments: &[&str]) -> Self {
        let mut command = vec![program.into()];
        command.extend(arguments.iter().map(OsString::from));
        Self {
            name,
            command,
            environment: Vec::new(),
        }
    }

    /// The same with a variable, such as PYTHONPATH; [`root`] helps with paths.
    #[allow(dead_code, reason = "for languages that look for a library")]
    pub fn env(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Starts it on this socket, with these variables more, and waits until it says where it listens: what follows
    /// `says` up to the end of the line ends in the port.
    pub fn start(&self, says: &str, socket: &Path, environment: &[(&str, &str)]) -> App {
        // The kernel kills it if this thread ends.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL"])
            .args(&self.command)
            .current_dir(root(""));
        command
            .env("JWTKEEPER_SOCKET", socket)
            .envs(environment.iter().copied());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let library = built("libjwtkeeper.so");
        if library.exists() {
            command.env("JWTKEEPER_LIBRARY", library);
        }
        App::start(self.name, says, command)
    }
}

/// A path in the project.
pub fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What cargo builds beside the daemon.
pub fn built(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_jwtkeeperd")).with_file_name(name)
}

/// A running app.
pub struct App {
    name: &'static str,
    child: Child,
    port: u16,
    directory: TempDir,
}

impl App {
    fn start(name: &'static str, says: &str, mut command: Command) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = fs::File::create(directory.path().join("log")).unwrap();
        command.process_group(0).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(log.try_clone().unwrap());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {command:?}: {error}"));
        let lines = follow(child.stdout.take().unwrap(), log);
        let mut app = Self {
            name,
            child,
            port: 0,
            directory,
        };
        while app.port == 0 {
            let Ok(line) = lines.recv_timeout(PATIENCE) else {
                panic!("{name} did not say where it listens: {command:?}");
            };
            app.port = line.strip_prefix(says).map_or(0, port_in);
        }
        app
    }

    /// Where it listens.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What it printed to both its streams.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Kills it with its process group,.
    fn kill(&mut self) {
        let _ = killpg(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL); // it may have ended
        self.child.wait().unwrap();
    }

    /// Ends it; it must have printed none of these.
    pub fn kept_quiet_about<'a>(mut self, secrets: impl Iterator<Item = &'a str>) {
        self.kill();
        let log = self.log();
        for secret in secrets {
            assert!(
                !log.contains(secret),
                "{} printed a token or a cookie secret",
                self.name
            );
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("what {} printed:\n{}", self.name, self.log());
        }
    }
}

/// The lines of its stdout as they come; they go to the log too.
fn follow(stdout: impl Read + Send + 'static, mut log: fs::File) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            writeln!(log, "{line}").unwrap();
            let _ = sender.send(line); // nobody listens once the port is known
        }
    });
    lines
}

fn port_in(text: &str) -> u16 {
    let digits = text.trim().rsplit(|c: char| !c.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
