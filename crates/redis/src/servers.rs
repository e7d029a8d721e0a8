//! The servers of Redis, and how they are opened. Credentials and certificates are read with each connection: who
//! changes them need not restart anything.

use std::time::Duration;

use redis::{AsyncConnectionConfig, ConnectionInfo, ProtocolVersion, RedisError, TlsCertificates};

use super::connection::{Connection, Target};

/// The time that Redis may take for anything; and how long a connection that is half open stays unnoticed, less a ping.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// The address of Redis.
#[derive(Debug, Clone)]
pub enum Reach {
    /// One server.
    One(ConnectionInfo),
    /// Whichever server these sentinels call the primary of that name.
    Sentinels(Vec<ConnectionInfo>, String),
    /// The primaries of the cluster that these are of.
    Cluster(Vec<ConnectionInfo>),
}

/// The credentials of a connection. Never printed.
#[derive(Default)]
pub struct Keys {
    /// The servers' ACL user.
    pub username: Option<String>,
    /// And password.
    pub password: Option<String>,
    /// The sentinels' ACL user.
    pub sentinel_username: Option<String>,
    /// And password.
    pub sentinel_password: Option<String>,
    /// For TLS: who signs, and what we show; none for what the system trusts.
    pub tls: Option<TlsCertificates>,
}

/// Reads the keys anew; a text says what is wrong with them.
pub type ReadKeys = Box<dyn Fn() -> Result<Keys, String> + Send + Sync>;

/// The servers of Redis and their credentials.
pub struct Servers {
    /// The address.
    pub reach: Reach,
    /// With what.
    pub keys: ReadKeys,
}

impl Servers {
    /// One server that asks for nothing.
    pub fn open(reach: Reach) -> Self {
        let keys = || Ok(Keys::default());
        Self {
            reach,
            keys: Box::new(keys),
        }
    }

    /// Returns what connects to a server that holds entries.
    pub(super) fn target(&self, server: &ConnectionInfo) -> Result<Target, RedisError> {
        let keys = self.read_keys()?;
        Ok(target(
            server,
            keys.username,
            keys.password,
            keys.tls,
            ProtocolVersion::RESP3,
        ))
    }

    /// Connects to a sentinel, or to a member of a cluster that is asked where the others are.
    pub(super) async fn guide(&self, server: &ConnectionInfo) -> Result<Connection, RedisError> {
        let keys = self.read_keys()?;
        let (username, password) = match self.reach {
            Reach::Sentinels(..) => (keys.sentinel_username, keys.sentinel_password),
            _ => (keys.username, keys.password),
        };
        // Of a database the servers know, and not those who name them.
        let settings = server.redis_settings().clone().set_db(0);
        let server = &server.clone().set_redis_settings(settings);
        let target = target(server, username, password, keys.tls, ProtocolVersion::RESP2);
        target.connect(patient()).await
    }

    fn read_keys(&self) -> Result<Keys, RedisError> {
        (self.keys)().map_err(|why| RedisError::from((redis::ErrorKind::InvalidClientConfig, "its keys", why)))
    }
}

/// Waits as long as we do.
pub(super) fn patient() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE))
}

fn target(
    server: &ConnectionInfo,
    username: Option<String>,
    password: Option<String>,
    tls: Option<TlsCertificates>,
    protocol: ProtocolVersion,
) -> Target {
    let mut settings = server
        .redis_settings()
        .clone()
        .set_protocol(protocol)
        .set_skip_set_lib_name();
    if let Some(username) = username {
        settings = settings.set_username(username);
    }
    if let Some(password) = password {
        settings = settings.set_password(password);
    }
    let info = server.clone().set_redis_settings(settings);
    Target { info, tls }
}
