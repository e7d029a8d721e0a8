//! A server as a process: started, stopped, killed; and a port for it to listen at.

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis::{FromRedisValue, RedisResult};

/// The time that a server may take to answer a test.
const PATIENCE: Duration = Duration::from_secs(20);
/// Below the ports that the kernel hands out, and so low that a cluster's bus (10,000 higher) has a port too.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// The environment variable that names another server's program, by its whole path.
const PROGRAM: &str = "JWTKEEPER_TEST_REDIS";

/// The server's program.
fn program() -> OsString {
    std::env::var_os(PROGRAM).unwrap_or("redis-server".into())
}

/// Ends the test at once where the program cannot be run. Without it, each test would wait for a server until its
/// deadline.
fn check_program() {
    static PROBLEM: OnceLock<Option<String>> = OnceLock::new();
    let problem = PROBLEM.get_or_init(|| {
        let program = program();
        let ran = Command::new(&program).arg("--version").stdin(Stdio::null()).output();
        let problem = match ran {
            Ok(output) if output.status.success() => return None,
            Ok(output) => output.status.to_string(),
            Err(error) => error.to_string(),
        };
        let hint = match std::env::var_os(PROGRAM) {
            Some(_) => format!("{PROGRAM} names it"),
            None => format!("install redis-server, or name one by {PROGRAM}"),
        };
        Some(format!(
            "cannot run the server's program {}: {problem}; {hint}",
            program.display()
        ))
    });
    if let Some(problem) = problem {
        panic!("{problem}");
    }
}

/// Returns true if the server knows a setting: an older one names it as the first that is wrong, and ends.
pub fn knows_setting(setting: &str, value: &str) -> bool {
    check_program();
    let mut command = Command::new(program());
    command.args(["--port", "0", setting, value, "--no-such-setting", "x"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    !String::from_utf8_lossy(&said).contains(setting.trim_start_matches('-'))
}

/// Returns true if the server can speak TLS; servers from PyPI are built without.
pub fn speaks_tls() -> bool {
    check_program();
    let mut command = Command::new(program());
    // One that can misses its certificate, and ends.
    command.args(["--port", "0", "--tls-port", &free_port().to_string()]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let speaks = said.contains("tls-cert-file");
    if !speaks {
        println!("this server is built without TLS: {said}");
    }
    speaks
}

/// A redis-server, killed when dropped, or when the thread that started it ends.
pub struct Process(Child, PathBuf);

impl Process {
    /// Starts one in this directory, with what it says in `log` there.
    pub fn start(directory: &Path, arguments: &[String]) -> Self {
        let path = directory.join("log");
        let log = fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        check_program();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program()).args(arguments);
        command.current_dir(directory).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Self(command.spawn().unwrap(), path)
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id() as i32), signal).unwrap();
    }

    /// Ends the test if the server ended by itself.
    pub fn check_alive(&mut self) {
        if let Some(status) = self.0.try_wait().unwrap() {
            panic!("redis-server ended ({status}); it said:\n{}", self.log());
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.1).unwrap_or_default()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let _ = self.0.kill(); // it may be dead already
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Asks as redis-cli would.
pub fn ask<T: FromRedisValue>(url: &str, words: &[&str]) -> RedisResult<T> {
    let mut connection = redis::Client::open(url)?.get_connection_with_timeout(PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query(&mut connection)
}

/// A port of the loopback that nobody listens at, nor did a moment ago. Each process begins somewhere else.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = PORTS.end - PORTS.start;
    let begin = (std::process::id().wrapping_mul(617) % u32::from(span)) as u16;
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(number < span, "no port is free");
        let port = PORTS.start + (begin + number) % span;
        // A cluster's bus is 10,000 higher.
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && free(port + 10_000) {
            return port;
        }
    }
}

pub fn free_ports<const N: usize>() -> [u16; N] {
    [(); N].map(|()| free_port())
}
