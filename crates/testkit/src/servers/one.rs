//! One redis-server, on a Unix socket, and on a port of the loopback where a test wants one.

use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use redis::{FromRedisValue, RedisResult};
use tempfile::TempDir;

use super::process::{Process, ask, free_port};
use crate::pace::until;

/// A redis-server in a directory of its own, without persistence unless its arguments say otherwise.
pub struct Server {
    directory: TempDir,
    port: u16,
    arguments: Vec<String>,
    process: Process,
}

impl Server {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// One with more arguments.
    pub fn with(arguments: &[&str]) -> Self {
        Self::at(0, arguments)
    }

    /// One that listens at a port too.
    pub fn on_port(arguments: &[&str]) -> Self {
        Self::at(free_port(), arguments)
    }

    /// One that listens at this port too; 0 for none.
    pub fn at(port: u16, arguments: &[&str]) -> Self {
        Self::at_in(tempfile::tempdir().unwrap(), port, arguments)
    }

    /// The same in a directory that is there.
    pub fn at_in(directory: TempDir, port: u16, arguments: &[&str]) -> Self {
        let socket = directory.path().join("redis.sock");
        let port_text = port.to_string();
        let mut all = vec!["--port", &port_text, "--bind", "127.0.0.1", "--save", ""];
        all.extend(["--repl-diskless-sync-delay", "0"]);
        all.extend(["--appendonly", "no", "--unixsocket", socket.to_str().unwrap()]);
        all.extend(arguments);
        let arguments: Vec<_> = all.into_iter().map(str::to_owned).collect();
        let process = Process::start(directory.path(), &arguments);
        let mut server = Self {
            directory,
            port,
            arguments,
            process,
        };
        server.listens();
        server
    }

    fn listens(&mut self) {
        let socket = self.socket();
        until("redis-server listens", || {
            self.process.check_alive();
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket().display())
    }

    pub fn tcp_url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn client(&self) -> redis::Client {
        redis::Client::open(format!("{}?protocol=resp3", self.url())).unwrap()
    }

    /// Returns the answer to a command, as redis-cli would see it.
    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words).unwrap()
    }

    pub fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        ask(&self.url(), words)
    }

    /// The number of its keys without the sentinel; 0 where it does not answer.
    pub fn entries(&self) -> u64 {
        let all: u64 = self.try_ask(&["DBSIZE"]).unwrap_or(0);
        let sentinel: u64 = self.try_ask(&["EXISTS", "jwtkeeper-dataset:{0}"]).unwrap_or(0);
        all.saturating_sub(sentinel)
    }

    /// A line of INFO; empty where there is none, or no answer.
    pub fn info(&self, name: &str) -> String {
        let all: String = self.try_ask(&["INFO", "everything"]).unwrap_or_default();
        let line = all.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_default().to_owned()
    }

    /// Returns true if it says that it is a primary.
    pub fn is_primary(&self) -> bool {
        let role: Vec<redis::Value> = self.try_ask(&["ROLE"]).unwrap_or_default();
        role.first() == Some(&redis::Value::BulkString(b"master".to_vec()))
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.process.kill();
        let _none = std::fs::remove_file(self.socket());
    }

    /// Starts it anew, as it was started.
    pub fn restart(&mut self) {
        self.kill();
        self.process = Process::start(self.directory.path(), &self.arguments);
        self.listens();
    }

    /// It is there and does nothing.
    pub fn pause(&self) {
        self.process.signal(Signal::SIGSTOP);
    }

    pub fn resume(&self) {
        self.process.signal(Signal::SIGCONT);
    }
}
