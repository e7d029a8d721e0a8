//! A primary, a replica, and three sentinels that watch them and fail over within a second or two.

use std::time::Duration;

use redis::FromRedisValue;
use tempfile::TempDir;

use super::one::Server;
use super::process::{Process, ask, free_port};
use crate::pace::{until, wait_for};

/// The sentinels' name of the primary.
pub const NAME: &str = "mymaster";
/// After this long without an answer a server is thought down.
const DOWN_AFTER: Duration = Duration::from_millis(500);

struct Sentinel {
    port: u16,
    _directory: TempDir,
    _process: Process,
}

/// Two servers, one of them the primary, and their sentinels.
pub struct Sentinels {
    pub servers: [Server; 2],
    sentinels: Vec<Sentinel>,
}

impl Sentinels {
    /// All is well: the replica has what the primary has, and the sentinels know each other.
    pub fn start(arguments: &[&str]) -> Self {
        let primary = Server::on_port(arguments);
        let replica = Server::on_port(arguments);
        replica.ask::<()>(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
        until("the replica follows", || replica.info("master_link_status") == "up");
        let sentinels = (0..3).map(|_| sentinel(primary.port())).collect();
        let all = Self {
            servers: [primary, replica],
            sentinels,
        };
        all.watched();
        all
    }

    /// Waits until every sentinel knows the other two and a replica that is well.
    pub fn watched(&self) {
        for sentinel in &self.sentinels {
            until("the sentinels know each other and the replica", || {
                let master: Vec<String> = sentinel.ask(&["SENTINEL", "MASTER", NAME]).unwrap_or_default();
                let said = |name: &str| {
                    let pair = master.chunks(2).find(|pair| pair[0] == name);
                    pair.map(|pair| pair[1].as_str()).unwrap_or_default()
                };
                said("flags") == "master" && said("num-other-sentinels") == "2" && said("num-slaves") == "1"
            });
        }
        let replica = &self.servers[1 - self.primary()];
        until("the replica follows", || replica.info("master_link_status") == "up");
    }

    pub fn urls(&self) -> Vec<String> {
        let url = |sentinel: &Sentinel| format!("redis://127.0.0.1:{}", sentinel.port);
        self.sentinels.iter().map(url).collect()
    }

    /// Which of the servers the sentinels call the primary.
    pub fn primary(&self) -> usize {
        let port = wait_for("the sentinels agree", || {
            let mut said = self.sentinels.iter().map(|sentinel| {
                let address: Option<(String, u16)> =
                    sentinel.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).ok()?;
                Some(address?.1)
            });
            let first = said.next()??;
            said.all(|other| other == Some(first)).then_some(first)
        });
        self.servers.iter().position(|server| server.port() == port).unwrap()
    }

    /// From now on the replica learns nothing more. It stays one that the sentinels would promote for five seconds.
    pub fn stop_replication(&self) {
        let primary = &self.servers[self.primary()];
        primary.ask::<()>(&["ACL", "SETUSER", "default", "-psync", "-sync"]);
        primary.ask::<redis::Value>(&["CLIENT", "KILL", "TYPE", "replica"]);
    }

    /// kill -9 of the primary; ends when the sentinels have made the other one primary, and it says so itself.
    pub fn fail_over(&mut self) {
        let old = self.primary();
        self.servers[old].kill();
        self.promoted(old);
    }

    /// Waits until another than `old` is the primary.
    pub fn promoted(&self, old: usize) {
        let new = &self.servers[1 - old];
        until("the sentinels fail over", || new.is_primary());
        until("the sentinels say so", || self.primary() == 1 - old);
    }
}

impl Sentinel {
    fn ask<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        ask(&format!("redis://127.0.0.1:{}", self.port), words)
    }
}

fn sentinel(primary: u16) -> Sentinel {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let text = format!(
        "port {port}\nbind 127.0.0.1\nsentinel monitor {NAME} 127.0.0.1 {primary} 2\n\
         sentinel down-after-milliseconds {NAME} {}\nsentinel failover-timeout {NAME} 3000\n\
         sentinel parallel-syncs {NAME} 1\n",
        DOWN_AFTER.as_millis()
    );
    std::fs::write(directory.path().join("sentinel.conf"), text).unwrap();
    let arguments = ["sentinel.conf", "--sentinel"].map(str::to_owned);
    let process = Process::start(directory.path(), &arguments);
    let sentinel = Sentinel {
        port,
        _directory: directory,
        _process: process,
    };
    until("the sentinel answers", || sentinel.ask::<String>(&["PING"]).is_ok());
    sentinel
}
