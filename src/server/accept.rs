//! The accept loop. Room is made before a connection is accepted: what does not fit waits in the backlog.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jwtkeeper_wire::ErrorCode;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Context;
use super::census::{Counted, Refusing};
use super::connection;
use super::probe::Probes;
use super::rate::Bucket;
use crate::words::Peer;

/// How long a peer that is refused has to hear of it.
const REFUSAL: Duration = Duration::from_secs(1);

/// How long to wait when the system has no descriptor or memory left for a connection.
const BACK_OFF: Duration = Duration::from_millis(100);

/// Serves until `stop`, then lets what is in progress end, at most as long as `shutdown_grace`. Says whether all of it
/// did.
pub async fn serve(listener: UnixListener, mut probes: Probes, context: Arc<Context>, stop: CancellationToken) -> bool {
    let tasks = TaskTracker::new();
    let connections = || context.live.snapshot().settings.limits.connections;
    let next = async || {
        context.census.room(connections).await;
        listener.accept().await
    };
    let accepting = async {
        loop {
            let accepted = tokio::select! {
                accepted = next() => accepted,
                stream = probes.next() => {
                    admit_own(stream, &context, &stop, &tasks);
                    continue;
                }
            };
            match accepted {
                Ok((stream, _)) => admit(stream, &context, &stop, &tasks),
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        }
    };
    stop.run_until_cancelled(accepting).await;
    context.stopping.store(true, Ordering::Relaxed); // for connections too busy to be woken
    drop(listener); // who connects from here on is told at once, and comes back to the next daemon
    tasks.close();
    let grace = context.live.snapshot().settings.limits.shutdown_grace;
    tokio::time::timeout(grace, tasks.wait()).await.is_ok()
}

fn admit(stream: UnixStream, context: &Arc<Context>, stop: &CancellationToken, tasks: &TaskTracker) {
    let peer = match peer(&stream) {
        Ok(peer) => peer,
        Err(error) => return tracing::warn!(%error, "a connection was closed: who it is cannot be told"),
    };
    let limit = context.live.snapshot().settings.limits.connections_per_uid;
    let (context, stop) = (context.clone(), stop.clone());
    if let Some(counted) = Counted::new(context.clone(), peer.uid, limit) {
        tasks.spawn(async move {
            let bucket = counted.bucket.clone();
            connection::run(stream, peer, bucket, context, stop).await;
            drop(counted);
        });
    } else if let Some(refusing) = Refusing::new(context.clone()) {
        tasks.spawn(async move {
            let told = connection::refuse(stream, peer, context, stop, ErrorCode::Overloaded);
            let _ = tokio::time::timeout(REFUSAL, told).await; // who does not listen is not told
            drop(refusing);
        });
    }
}

/// A connection of the daemon's own: it takes nobody's place, and no limit holds it up.
fn admit_own(stream: UnixStream, context: &Arc<Context>, stop: &CancellationToken, tasks: &TaskTracker) {
    let peer = Peer {
        uid: context.live.snapshot().access.own_uid,
        gid: nix::unistd::getegid().as_raw(),
        groups: Vec::new(),
        pid: None,
    };
    tasks.spawn(connection::run(
        stream,
        peer,
        Arc::new(Bucket::bottomless()),
        context.clone(),
        stop.clone(),
    ));
}

/// Who is at the other end, as of when it connected.
fn peer(stream: &UnixStream) -> std::io::Result<Peer> {
    let credentials = stream.peer_cred()?;
    let groups = jwtkeeper_sys::peer_groups(stream.as_fd())?;
    Ok(Peer {
        uid: credentials.uid(),
        gid: credentials.gid(),
        groups,
        pid: credentials.pid(),
    })
}
