//! The configuration of a client, and its deadlines.

use std::path::PathBuf;
use std::time::Duration;

use jwtkeeper_wire::DEFAULT_SOCKET;

use crate::lock_cookie::LockCookie;
use crate::peer::Server;

/// The environment variable that names the socket.
const SOCKET_VARIABLE: &str = "JWTKEEPER_SOCKET";
/// The environment variable that names the user that the daemon runs as.
const SERVER_VARIABLE: &str = "JWTKEEPER_SERVER_UID";

/// The configuration of a client, and its deadlines.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// The realm of requests that name none; empty means the daemon's `default`.
    pub realm: String,
    /// The deadline of a call, with connecting and trying again; 5 seconds by default.
    pub deadline: Duration,
    /// The deadline of one attempt to connect, hello and greeting included; 2 seconds by default.
    pub connect_timeout: Duration,
    /// The users that the daemon may run as: [`Server::trusted`] unless told otherwise.
    pub server: Server,
    /// The number of unused connections that the blocking client keeps; 16 by default.
    pub max_idle: usize,
    /// The lock cookie of every realm; without, the daemon says what that of each realm is.
    pub lock_cookie: Option<LockCookie>,
    /// The client's name in the daemon's log: a name and a version, never a secret.
    pub name: String,
}

impl Config {
    /// The defaults, with this socket.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
            realm: String::new(),
            deadline: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            server: Server::trusted(),
            max_idle: 16,
            lock_cookie: None,
            name: concat!("jwtkeeper-client/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// The defaults, with the socket that `JWTKEEPER_SOCKET` names, or else
    /// [`DEFAULT_SOCKET`](crate::DEFAULT_SOCKET); and with the user that `JWTKEEPER_SERVER_UID` names: a uid, or `any`.
    pub fn from_env() -> Self {
        let named = |variable| std::env::var_os(variable).filter(|value| !value.is_empty());
        let mut config = Self::new(named(SOCKET_VARIABLE).unwrap_or_else(|| DEFAULT_SOCKET.into()));
        if let Some(uid) = named(SERVER_VARIABLE) {
            config.server = Server::named(&uid.to_string_lossy());
        }
        config
    }

    /// The same with another realm.
    #[must_use]
    pub fn with_realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = realm.into();
        self
    }

    /// The same with another deadline.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The same with a lock cookie, whatever the daemon says that it is.
    #[must_use]
    pub fn with_lock_cookie(mut self, cookie: LockCookie) -> Self {
        self.lock_cookie = Some(cookie);
        self
    }

    /// The same with the users that the daemon may run as.
    #[must_use]
    pub fn with_server(mut self, server: Server) -> Self {
        self.server = server;
        self
    }
}

impl Default for Config {
    /// As [`Config::from_env`].
    fn default() -> Self {
        Self::from_env()
    }
}
