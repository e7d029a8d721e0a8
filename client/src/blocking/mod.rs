//! The blocking client: no threads, no runtime, usable from many threads at once and across fork.
//!
//! Each call has a connection to itself, taken from a small pool and put back when its reply is read. A connection
//! whose call failed in any way is closed, never put back: its reply may still come, and belongs to nobody else.

mod connection;
mod pool;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::answer::{Document, Health, Imported, Minted, Revoked, Rotation, Status, Verdict};
use crate::call::{Call, Failure};
use crate::config::Config;
use crate::error::Error;
use crate::given::Before;
use crate::lock_cookie::{Learned, LockCookie};
use crate::operations::{Flag, GetHealth, GetJwks, GetStatus, Import, Issue, Ping, Reload, Revoke, Rotate, Validate};
use crate::operations::{Learn, Operation};

use connection::Connection;
use pool::{Pool, Pools};

/// The blocking client. Share one between all threads, and keep it across fork: a child connects anew. Deadlines are
/// kept to within a few milliseconds, which is how finely the kernel counts them on sockets.
pub struct Client {
    config: Config,
    pools: Arc<Pools>,
}

impl Client {
    /// A client that connects when it is first used.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            pools: Arc::default(),
        }
    }

    /// Returns a client with another deadline, over the same connections.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self {
            config: self.config.clone().with_deadline(deadline),
            pools: self.pools.clone(),
        }
    }

    /// Returns the configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Asks, and tries again until the deadline: see the operation's own type for what it means. The methods below
    /// are short for this.
    pub fn call<O: Operation>(&self, operation: &O) -> Result<O::Output, Error> {
        let pool = self.pools.mine();
        let mut call = Call::new(operation, &self.config);
        if let Some(output) = call.local_answer() {
            return Ok(output);
        }
        loop {
            call.begin();
            match self.attempt(pool, &call) {
                Ok(output) => return Ok(output),
                Err(failure) => pause(call.after(failure)?),
            }
        }
    }

    fn attempt<O: Operation>(&self, pool: Option<&Pool>, call: &Call<'_, O>) -> Result<O::Output, Failure> {
        let (mut connection, used) = match pool.and_then(|pool| pool.take(call.lock_realm())) {
            Some(connection) => (connection, true),
            None => (self.connect(pool, call)?, false),
        };
        let id = connection.next_id();
        let frame = call.frame(id, connection.max_frame(), connection.announced());
        let answered = match frame {
            Ok(frame) => connection
                .exchange(&frame, call.deadline())
                .map(|body| call.settle(id, body)),
            Err(failure) => Ok(Err(failure)),
        };
        match (answered, pool) {
            (Ok(result @ (Ok(_) | Err(Failure::Final(_)))), Some(pool)) if connection.is_clean() => {
                pool.put(connection, self.config.max_idle);
                result
            }
            (Ok(result), _) => result,
            (Err(Failure::Broken(_)), Some(pool)) if used => {
                pool.clear();
                Err(Failure::Stale)
            }
            (Err(failure), _) => Err(failure),
        }
    }

    fn connect<O: Operation>(&self, pool: Option<&Pool>, call: &Call<'_, O>) -> Result<Connection, Failure> {
        let names = match pool {
            Some(pool) => pool.names(&self.config, call.lock_realm()),
            None => Learned::default().names(&self.config, call.lock_realm()),
        };
        let connection = Connection::open(&self.config, names, call.connect_deadline())?;
        if let Some(pool) = pool {
            pool.learn(connection.announced());
        }
        Ok(connection)
    }

    /// The lock cookie of the client's realm: what the configuration says, or else the daemon.
    pub fn lock_cookie(&self) -> Result<LockCookie, Error> {
        self.lock_cookie_of(&self.config.realm)
    }

    /// The lock cookie of a realm: what the configuration says, or else the daemon, who is asked where it is not known.
    pub fn lock_cookie_of(&self, realm: &str) -> Result<LockCookie, Error> {
        if let Some(known) = self.known_lock_cookie_of(realm) {
            return Ok(known);
        }
        self.call(&Learn(realm))?;
        Ok(self.known_lock_cookie_of(realm).unwrap_or_default())
    }

    /// The lock cookie of a realm, if it is known: the daemon is not asked. It is once a connection was made.
    pub fn known_lock_cookie_of(&self, realm: &str) -> Option<LockCookie> {
        let explicit = self.config.lock_cookie.clone();
        explicit.or_else(|| self.pools.mine()?.lock_cookie(realm))
    }

    /// Is the daemon there?
    pub fn ping(&self) -> Result<(), Error> {
        self.call(&Ping)
    }

    /// Mints a token.
    pub fn issue(&self, issue: Issue<'_>) -> Result<Minted, Error> {
        self.call(&issue)
    }

    /// Is a token valid now? Takes a token, or a [`Validate`] with its cookie and realm.
    pub fn validate<'a>(&self, validate: impl Into<Validate<'a>>) -> Result<Verdict, Error> {
        self.call(&validate.into())
    }

    /// Replaces a valid token by its one successor. Takes a token, or a [`Rotate`] with its cookie and realm.
    pub fn rotate<'a>(&self, rotate: impl Into<Rotate<'a>>) -> Result<Rotation, Error> {
        self.call(&rotate.into())
    }

    /// Makes rotation due on next sight, durably.
    pub fn flag(&self, flag: Flag<'_>) -> Result<(), Error> {
        self.call(&flag)
    }

    /// Flags one token of the client's realm.
    pub fn flag_jti(&self, jti: &str) -> Result<(), Error> {
        self.flag(Flag::jti(jti))
    }

    /// Flags every token of a subject of the client's realm born by a time.
    pub fn flag_subject(&self, subject: &str, before: Before) -> Result<(), Error> {
        self.flag(Flag::subject(subject, before))
    }

    /// Revokes, durably.
    pub fn revoke(&self, revoke: Revoke<'_>) -> Result<Revoked, Error> {
        self.call(&revoke)
    }

    /// Revokes a token of the client's realm and its session, with its lock cookie's value if one came along.
    pub fn revoke_token(&self, token: &str, cookie: Option<&str>) -> Result<Revoked, Error> {
        self.revoke(Revoke::token(token, cookie))
    }

    /// Revokes a token of the client's realm by its `jti`, the session that it began, and its successor.
    pub fn revoke_jti(&self, jti: &str) -> Result<(), Error> {
        self.revoke(Revoke::jti(jti)).map(Revoked::done)
    }

    /// Revokes all tokens of a session of the client's realm.
    pub fn revoke_session(&self, session: &str) -> Result<(), Error> {
        self.revoke(Revoke::session(session)).map(Revoked::done)
    }

    /// Revokes every login of a subject of the client's realm begun by a time.
    pub fn revoke_subject(&self, subject: &str, before: Before) -> Result<(), Error> {
        self.revoke(Revoke::subject(subject, before)).map(Revoked::done)
    }

    /// Revokes every login of the client's realm begun by a time.
    pub fn revoke_issued_before(&self, before: Before) -> Result<(), Error> {
        self.revoke(Revoke::issued_before(before)).map(Revoked::done)
    }

    /// Looks up a `jti` in the denylist of the client's realm.
    pub fn status(&self, jti: &str) -> Result<Status, Error> {
        self.call(&GetStatus::jti(jti))
    }

    /// The public keys of the client's realm: a JWK Set.
    pub fn jwks(&self) -> Result<Document, Error> {
        self.call(&GetJwks::new())
    }

    /// Asks for the daemon's health.
    pub fn health(&self) -> Result<Health, Error> {
        self.call(&GetHealth)
    }

    /// Has the daemon read all files again; answers the generation now in force.
    pub fn reload(&self) -> Result<u64, Error> {
        self.call(&Reload)
    }

    /// Has the daemon bring its own store and the shared one level.
    pub fn import(&self) -> Result<Imported, Error> {
        self.call(&Import)
    }
}

impl Default for Client {
    /// With [`Config::from_env`].
    fn default() -> Self {
        Self::new(Config::from_env())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "a blocking client has nothing else to wait on between attempts"
)]
fn pause(time: Duration) {
    if !time.is_zero() {
        std::thread::sleep(time);
    }
}
