//! The connections to one Redis: one that reads and is told of changes, one that writes; and what is asked of them.

use std::sync::Arc;

use redis::aio::SendError;
use redis::{ErrorKind, Pipeline, RedisError, Script, ServerErrorKind, Value};

use super::connection::{Connection, Target};
use super::invalidations::Invalidations;
use super::script;
use super::servers::patient;
use jwtkeeper_core::denylist::StoreError;

/// The interval at which a server is given its scripts again before it is told to whoever asked.
const TRIES: usize = 4;

/// The scripts, with their digests.
pub(super) struct Scripts {
    pub(super) raise: Script,
    pub(super) cutoff: Script,
    pub(super) rotate: Script,
    pub(super) restore: Script,
    pub(super) dataset: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            raise: Script::new(script::RAISE),
            cutoff: Script::new(script::CUTOFF),
            rotate: Script::new(script::ROTATE),
            restore: Script::new(script::RESTORE),
            dataset: Script::new(script::DATASET),
        }
    }
}

impl Scripts {
    /// Gives them to a server.
    async fn load(&self, connection: &mut Connection) -> Result<(), RedisError> {
        for script in [&self.raise, &self.cutoff, &self.rotate, &self.restore, &self.dataset] {
            script.load_async(connection).await?;
        }
        Ok(())
    }

    /// Runs a pipeline of scripts. A server that was restarted, or made to forget them, is given them again: each is
    /// one atomic step that may be taken twice.
    pub(super) async fn run(
        &self,
        pipeline: &mut Pipeline,
        connection: &mut Connection,
    ) -> Result<Vec<Result<Value, RedisError>>, RedisError> {
        pipeline.ignore_errors();
        let forgotten = |answer: &Result<Value, RedisError>| {
            let kind = answer.as_ref().err().map(RedisError::kind);
            kind == Some(ErrorKind::Server(ServerErrorKind::NoScript))
        };
        let answers: Vec<Result<Value, RedisError>> = pipeline.query_async(connection).await?;
        if !answers.iter().any(forgotten) {
            return Ok(answers);
        }
        // It may forget them again at any moment: what runs them follows in the same write, so that a server seldom does
        // anything else in between.
        let mut both = Pipeline::new();
        both.ignore_errors();
        for text in script::ALL {
            both.cmd("SCRIPT").arg("LOAD").arg(text).ignore();
        }
        for command in pipeline.cmd_iter() {
            both.add_command(command.clone());
        }
        for _ in 0..TRIES {
            let answers: Vec<Result<Value, RedisError>> = both.query_async(connection).await?;
            if !answers.iter().any(forgotten) {
                return Ok(answers);
            }
        }
        self.load(connection).await?; // it says why it takes none
        pipeline.query_async(connection).await
    }
}

/// A connection that reads and tells of changes, and one that writes: who waits for replicas delays no invalidation.
pub(super) struct Link {
    pub(super) reads: Connection,
    pub(super) writes: Connection,
    pub(super) invalidations: Arc<Invalidations>,
}

impl Link {
    /// Connects, by RESP3, and asks to be told of every change below these prefixes. The server must be a primary: a
    /// replica, or a primary that was demoted, still answers.
    pub(super) async fn open(
        server: &Target,
        prefixes: impl Iterator<Item = &str>,
        scripts: &Scripts,
    ) -> Result<Self, RedisError> {
        let invalidations = Arc::new(Invalidations::default());
        let hears = invalidations.clone();
        let config = patient().set_push_sender(move |push| -> Result<(), SendError> {
            hears.hear(push);
            Ok(())
        });
        let mut reads = server.connect(config).await?;
        expect_primary(&mut reads).await?;
        // Not NOLOOP: of a change of ours and one of another's in one turn of Redis's loop, it would hide both.
        let mut command = redis::cmd("CLIENT");
        command.arg("TRACKING").arg("ON").arg("BCAST");
        for prefix in prefixes {
            command.arg("PREFIX").arg(prefix);
        }
        command.exec_async(&mut reads).await?;
        name_connection(&mut reads, "jwtkeeperd-reads").await;
        let writes = open_writes(server, scripts).await?;
        Ok(Self {
            reads,
            writes,
            invalidations,
        })
    }
}

/// Opens a connection that writes. The server must be a primary.
pub(super) async fn open_writes(server: &Target, scripts: &Scripts) -> Result<Connection, RedisError> {
    let mut writes = server.connect(patient()).await?;
    expect_primary(&mut writes).await?;
    name_connection(&mut writes, "jwtkeeperd-writes").await;
    scripts.load(&mut writes).await?;
    Ok(writes)
}

/// Names a connection in CLIENT LIST.
async fn name_connection(connection: &mut Connection, name: &str) {
    let mut named = redis::cmd("CLIENT");
    named.arg("SETNAME").arg(name);
    let _refused: Result<(), _> = named.exec_async(connection).await; // an ACL may forbid it
}

/// Checks that the server is a primary now.
pub(super) async fn expect_primary(connection: &mut Connection) -> Result<(), RedisError> {
    let role: Vec<Value> = redis::cmd("ROLE").query_async(connection).await?;
    match role.first() {
        Some(Value::BulkString(name)) if name == b"master" => Ok(()),
        _ => Err((ErrorKind::Server(ServerErrorKind::ReadOnly), "the server is a replica").into()),
    }
}

/// Returns true if an error ends a connection: what was asked may have been done or not.
pub(super) fn ends(error: &RedisError) -> bool {
    error.is_io_error() || error.is_timeout() || error.is_connection_dropped() || error.is_unrecoverable_error()
}

/// The code of an error: before Redis 7, one within a script stands in the text of another.
fn code(error: &RedisError) -> Option<&str> {
    let code = error.code()?;
    let within = || error.detail()?.split(" -").nth(1)?.split(' ').next();
    if code == "ERR" {
        within().or(Some(code))
    } else {
        Some(code)
    }
}

/// Returns true if an error says that a key lies at another primary, or is on its way there.
pub(super) fn has_moved(error: &RedisError) -> bool {
    matches!(code(error), Some("MOVED" | "ASK" | "TRYAGAIN"))
}

/// Returns true if an error says that the primary may be elsewhere now.
pub(super) fn is_elsewhere(error: &RedisError) -> bool {
    has_moved(error) || matches!(code(error), Some("CLUSTERDOWN" | "MASTERDOWN" | "READONLY"))
}

/// Why Redis does not do what it is asked, and what to do.
pub(super) fn in_words(error: &RedisError) -> StoreError {
    const ACL: &str = "its ACL forbids it: docs/operations.md has the smallest that works";
    // Within a script an ACL answers by this text alone.
    let in_script = || {
        error
            .detail()
            .is_some_and(|text| text.contains("user executing the script"))
    };
    let remedy = match code(error) {
        Some("OOM") => "it has no memory left: raise maxmemory",
        Some("READONLY") => "it is a replica: name the primary, or its sentinels",
        Some("LOADING") => "it is loading its data: wait until it has",
        Some("MISCONF") => "it cannot write to its disk: see its log",
        Some("NOREPLICAS") => "too few replicas follow it: see min-replicas-to-write",
        Some("MASTERDOWN") => "it is a replica whose primary is gone",
        Some("NOAUTH" | "WRONGPASS") => "see username and password_file",
        Some("NOPERM") => ACL,
        Some("CLUSTERDOWN") => "see CLUSTER INFO",
        Some("MOVED" | "ASK" | "TRYAGAIN") => "its slots are being moved: ask again",
        Some("WRONGTYPE") => "a key of ours holds something else",
        Some("BUSY") => "a script keeps it busy: SCRIPT KILL ends that",
        _ if in_script() => ACL,
        _ if error.kind() == ErrorKind::AuthenticationFailed => "see username and password_file",
        _ if error.kind() == ErrorKind::InvalidClientConfig => "see [store.redis]",
        _ if ends(error) => "is it running, and reached from here?",
        _ => "see its log",
    };
    let state = if ends(error) { "is away" } else { "refuses" };
    // Some servers repeat what they did not understand: it may be our password.
    let repeats = error.detail().is_some_and(|text| text.contains("args beginning with"));
    match repeats {
        true => StoreError::Away(format!(
            "Redis {state}: it does not know a command that is needed; {remedy}"
        )),
        false => StoreError::Away(format!("Redis {state}: {error}; {remedy}")),
    }
}
