//! The async client: many calls at once on one connection, replies matched by id.
//!
//! A call may be dropped at any moment; its reply is thrown away when it comes. Use a client on one runtime: its
//! connection lives there. It does not survive fork (no tokio program does); [`blocking`](crate::blocking) does.

mod connection;
mod frames;
mod stream;
mod waiting;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::{Instant, sleep, timeout_at};

use crate::answer::{Document, Health, Imported, Minted, Revoked, Rotation, Status, Verdict};
use crate::call::{Call, Failure};
use crate::config::Config;
use crate::error::Error;
use crate::given::Before;
use crate::lock_cookie::{Learned, LockCookie};
use crate::operations::{Flag, GetHealth, GetJwks, GetStatus, Import, Issue, Ping, Reload, Revoke, Rotate, Validate};
use crate::operations::{Learn, Operation};

use connection::Connection;

/// The async client. A clone is cheap and shares the connection.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    current: Mutex<Option<Arc<Connection>>>,
    connecting: tokio::sync::Mutex<()>,
    learned: Mutex<Learned>,
}

impl Client {
    /// A client that connects when it is first used.
    pub fn new(config: Config) -> Self {
        let connecting = tokio::sync::Mutex::new(());
        Self {
            shared: Arc::new(Shared {
                config,
                current: Mutex::default(),
                learned: Mutex::default(),
                connecting,
            }),
        }
    }

    /// Returns the configuration.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Asks, and tries again until the deadline: see the operation's own type for what it means. The methods below
    /// are short for this. Safe to cancel.
    pub async fn call<O: Operation>(&self, operation: &O) -> Result<O::Output, Error> {
        let mut call = Call::new(operation, &self.shared.config);
        if let Some(output) = call.local_answer() {
            return Ok(output);
        }
        loop {
            call.begin();
            match self.shared.attempt(&call).await {
                Ok(output) => return Ok(output),
                Err(failure) => sleep(call.after(failure)?).await,
            }
        }
    }

    /// The lock cookie of the client's realm: what the configuration says, or else the daemon.
    pub async fn lock_cookie(&self) -> Result<LockCookie, Error> {
        self.lock_cookie_of(&self.config().realm).await
    }

    /// The lock cookie of a realm: what the configuration says, or else the daemon, who is asked where it is not known.
    pub async fn lock_cookie_of(&self, realm: &str) -> Result<LockCookie, Error> {
        if let Some(known) = self.known_lock_cookie_of(realm) {
            return Ok(known);
        }
        self.call(&Learn(realm)).await?;
        Ok(self.known_lock_cookie_of(realm).unwrap_or_default())
    }

    /// The lock cookie of a realm, if it is known: the daemon is not asked. It is once a connection was made.
    pub fn known_lock_cookie_of(&self, realm: &str) -> Option<LockCookie> {
        let explicit = self.config().lock_cookie.clone();
        explicit.or_else(|| self.shared.learned().of(realm))
    }

    /// Is the daemon there?
    pub async fn ping(&self) -> Result<(), Error> {
        self.call(&Ping).await
    }

    /// Mints a token.
    pub async fn issue(&self, issue: Issue<'_>) -> Result<Minted, Error> {
        self.call(&issue).await
    }

    /// Is a token valid now? Takes a token, or a [`Validate`] with its cookie and realm.
    pub async fn validate<'a>(&self, validate: impl Into<Validate<'a>>) -> Result<Verdict, Error> {
        self.call(&validate.into()).await
    }

    /// Replaces a valid token by its one successor. Takes a token, or a [`Rotate`] with its cookie and realm.
    pub async fn rotate<'a>(&self, rotate: impl Into<Rotate<'a>>) -> Result<Rotation, Error> {
        self.call(&rotate.into()).await
    }

    /// Makes rotation due on next sight, durably.
    pub async fn flag(&self, flag: Flag<'_>) -> Result<(), Error> {
        self.call(&flag).await
    }

    /// Flags one token of the client's realm.
    pub async fn flag_jti(&self, jti: &str) -> Result<(), Error> {
        self.flag(Flag::jti(jti)).await
    }

    /// Flags every token of a subject of the client's realm born by a time.
    pub async fn flag_subject(&self, subject: &str, before: Before) -> Result<(), Error> {
        self.flag(Flag::subject(subject, before)).await
    }

    /// Revokes, durably.
    pub async fn revoke(&self, revoke: Revoke<'_>) -> Result<Revoked, Error> {
        self.call(&revoke).await
    }

    /// Revokes a token of the client's realm and its session, with its lock cookie's value if one came along.
    pub async fn revoke_token(&self, token: &str, cookie: Option<&str>) -> Result<Revoked, Error> {
        self.revoke(Revoke::token(token, cookie)).await
    }

    /// Revokes a token of the client's realm by its `jti`, the session that it began, and its successor.
    pub async fn revoke_jti(&self, jti: &str) -> Result<(), Error> {
        self.revoke(Revoke::jti(jti)).await.map(Revoked::done)
    }

    /// Revokes all tokens of a session of the client's realm.
    pub async fn revoke_session(&self, session: &str) -> Result<(), Error> {
        self.revoke(Revoke::session(session)).await.map(Revoked::done)
    }

    /// Revokes every login of a subject of the client's realm begun by a time.
    pub async fn revoke_subject(&self, subject: &str, before: Before) -> Result<(), Error> {
        self.revoke(Revoke::subject(subject, before)).await.map(Revoked::done)
    }

    /// Revokes every login of the client's realm begun by a time.
    pub async fn revoke_issued_before(&self, before: Before) -> Result<(), Error> {
        self.revoke(Revoke::issued_before(before)).await.map(Revoked::done)
    }

    /// Looks up a `jti` in the denylist of the client's realm.
    pub async fn status(&self, jti: &str) -> Result<Status, Error> {
        self.call(&GetStatus::jti(jti)).await
    }

    /// The public keys of the client's realm: a JWK Set.
    pub async fn jwks(&self) -> Result<Document, Error> {
        self.call(&GetJwks::new()).await
    }

    /// Asks for the daemon's health.
    pub async fn health(&self) -> Result<Health, Error> {
        self.call(&GetHealth).await
    }

    /// Has the daemon read all files again; answers the generation now in effect.
    pub async fn reload(&self) -> Result<u64, Error> {
        self.call(&Reload).await
    }

    /// Has the daemon bring its own store and the shared one level.
    pub async fn import(&self) -> Result<Imported, Error> {
        self.call(&Import).await
    }
}

impl Shared {
    async fn attempt<O: Operation>(&self, call: &Call<'_, O>) -> Result<O::Output, Failure> {
        let (connection, used) = self.connection(call).await?;
        let (began, delivered) = (Instant::now(), connection.delivered());
        match timeout_at(call.deadline().into(), connection.ask(call)).await {
            Ok(Err(Failure::Fault(fault))) => {
                connection.close(Some(fault));
                Err(Failure::Fault(fault))
            }
            Ok(Err(Failure::Broken(_))) if used => Err(Failure::Stale),
            Ok(result) => result,
            Err(_) => {
                // Slow is no reason to give the connection up; silent for most of a call is.
                let long = began.elapsed() >= self.config.deadline / 2;
                if long && connection.delivered() == delivered {
                    connection.close(None);
                }
                Err(Failure::TimedOut)
            }
        }
    }

    /// The connection, and whether it was there before. One caller connects; the others wait for it.
    async fn connection<O: Operation>(&self, call: &Call<'_, O>) -> Result<(Arc<Connection>, bool), Failure> {
        if let Some(connection) = self.open(call.lock_realm()) {
            return Ok((connection, true));
        }
        let deadline = Instant::from_std(call.deadline());
        let _turn = timeout_at(deadline, self.connecting.lock())
            .await
            .map_err(|_| Failure::TimedOut)?;
        if let Some(connection) = self.open(call.lock_realm()) {
            return Ok((connection, true));
        }
        let names = self.learned().names(&self.config, call.lock_realm());
        let opened = timeout_at(call.connect_deadline().into(), Connection::open(&self.config, names));
        let connection = Arc::new(opened.await.map_err(|_| Failure::TimedOut)??);
        self.learned().learn(connection.announced());
        *self.current() = Some(Arc::clone(&connection));
        Ok((connection, false))
    }

    /// The connection, if it is open, and its greeting announced the lock cookie that is needed.
    fn open(&self, lock_realm: Option<&str>) -> Option<Arc<Connection>> {
        let announces = |connection: &Connection| lock_realm.is_none_or(|realm| connection.announced().names(realm));
        self.current()
            .as_ref()
            .filter(|connection| connection.is_open() && announces(connection))
            .cloned()
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<Connection>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
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
            .field("config", self.config())
            .finish_non_exhaustive()
    }
}
