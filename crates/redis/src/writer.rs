//! The connection that writes. It is probed while idle, and replaced where it was lost: servers, NATs and load
//! balancers close idle connections, some of them without a word.

use std::sync::Arc;
use std::time::Duration;

use redis::{ErrorKind, Pipeline, RedisError, Value};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::connection::Connection;
use super::fleet::Fleet;
use super::link::{ends, open_writes};
use super::node::Node;
use super::servers::PATIENCE;
use super::sync::{PING, every, gone};

/// Without an answer for so long, a fresh connection is tried beside the silent one.
const DOUBT: Duration = Duration::from_millis(500);
/// A server that stalls is silent on fresh connections too: doubt opens no more than one in this time.
const DOUBT_AGAIN: Duration = Duration::from_secs(5);
/// The time that replicas have to answer the periodic WAIT, in milliseconds.
const REPLICAS_MS: u64 = 200;

/// The life of the key that is written for it, in milliseconds.
const PROBE_MS: u64 = 10_000;

/// The answers to a pipeline, and the connection that gave them: WAIT counts what its own connection wrote.
pub(super) type Answered = (Vec<Result<Value, RedisError>>, Connection);

impl Fleet {
    /// Runs a pipeline of scripts on the connection that writes. Each script is idempotent, so the pipeline is run once
    /// more on a fresh connection where the first was lost or stays silent. Both runs share one deadline.
    pub(super) async fn run_scripts(
        &self,
        node: &Node,
        pipeline: &Pipeline,
        writes: Arc<Connection>,
    ) -> Result<Answered, RedisError> {
        let late = || Err((ErrorKind::Io, "it did not answer in time").into());
        let run = self.run_or_rerun(node, pipeline, writes);
        timeout(PATIENCE, run).await.unwrap_or_else(|_| late())
    }

    async fn run_or_rerun(
        &self,
        node: &Node,
        pipeline: &Pipeline,
        writes: Arc<Connection>,
    ) -> Result<Answered, RedisError> {
        let mut first = std::pin::pin!(self.run_on(pipeline, Connection::clone(&writes)));
        let answered = tokio::select! {
            answered = &mut first => Some(answered),
            () = sleep(DOUBT) => None,
        };
        let rerun = async {
            let fresh = self.replace_writes(node, &writes).await?;
            self.run_on(pipeline, Connection::clone(&fresh)).await
        };
        match answered {
            Some(Err(error)) if ends(&error) && !error.is_timeout() => rerun.await,
            Some(answered) => answered,
            None if !node.may_doubt(DOUBT_AGAIN) => first.await,
            None => tokio::select! {
                Ok(answered) = &mut first => Ok(answered),
                Ok(answered) = rerun => Ok(answered),
                else => Err((ErrorKind::Io, "it does not answer").into()),
            },
        }
    }

    async fn run_on(&self, pipeline: &Pipeline, mut connection: Connection) -> Result<Answered, RedisError> {
        let answers = self.scripts.run(&mut pipeline.clone(), &mut connection).await?;
        Ok((answers, connection))
    }

    /// Opens the connection that writes anew, unless somebody else has replaced the lost one meanwhile.
    async fn replace_writes(&self, node: &Node, lost: &Arc<Connection>) -> Result<Arc<Connection>, RedisError> {
        let _turn = node.reopening.lock().await;
        if let Some(writes) = node.writes.load_full().filter(|writes| !Arc::ptr_eq(writes, lost)) {
            return Ok(writes);
        }
        let server = self.servers.target(&node.server)?;
        // It outlives the caller, and so its driver runs where everything else of the store does.
        let scripts = self.scripts.clone();
        let opening = self.runtime.spawn(async move { open_writes(&server, &scripts).await });
        let opened = AbortOnDropHandle::new(opening).await;
        let fresh = Arc::new(opened.map_err(|_| gone())??);
        node.clock.forget();
        node.writes.store(Some(fresh.clone()));
        tracing::debug!(server = node.name, "replaced the connection that writes to Redis");
        Ok(fresh)
    }
}

/// Probes the connection that writes, again and again, apart from everything else: it may wait for replicas. With
/// `wanted` replicas it asks whether so many follow.
pub(super) async fn watch_writes(fleet: Arc<Fleet>, node: Arc<Node>, wanted: u64) {
    let mut ticks = every(PING);
    loop {
        ticks.tick().await;
        let Some(writes) = node.writes.load_full() else {
            continue;
        };
        let mut connection = Connection::clone(&writes);
        let probed = if wanted > 0 {
            // Valkey counts what this connection wrote last: without a write, replicas that are gone still count.
            let mut write = redis::cmd("SET");
            write
                .arg(format!("{}-probe", node.sentinel()))
                .arg(1)
                .arg("PX")
                .arg(PROBE_MS);
            let _refused: Result<(), _> = write.exec_async(&mut connection).await; // each change says so
            let mut wait = redis::cmd("WAIT");
            let count = wait.arg(wanted).arg(REPLICAS_MS).query_async(&mut connection).await;
            count.map(|count| node.followed_by(count, wanted))
        } else {
            Ok(())
        };
        let time = redis::cmd("TIME").query_async::<(u64, u64)>(&mut connection).await;
        let timed = time.map(|(seconds, micros)| node.clock.set(seconds * 1000 + micros / 1000));
        let probed = probed.and(timed);
        // Other errors say that the server answers: an ACL may forbid WAIT, and each change says so.
        if probed.is_err_and(|error| ends(&error)) && fleet.replace_writes(&node, &writes).await.is_err() {
            node.give_up();
        }
    }
}
