//! The accept loop. Every connection is accepted at once, because only then its uid is known: administrators are served
//! beyond the limit, and of the others a bounded number waits for room.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jwtkeeper_wire::ErrorCode;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Context;
use super::connection;
use super::connection_tracker::{Counted, Refusing};
use super::descriptors::{Trouble, connections};
use super::door::{Door, Waiting};
use super::rate::Bucket;
use crate::health::Probes;
use jwtkeeper_core::types::Peer;
use jwtkeeper_log_limit::limited;

/// The deadline of a refusal.
const REFUSAL: Duration = Duration::from_secs(1);

/// Connections of administrators that are served beyond the limit.
const KEPT_FREE: usize = 16;

/// A connection that is not served yet.
struct Arrived {
    stream: UnixStream,
    peer: Peer,
    counted: Counted,
    is_administrator: bool,
}

impl Waiting for Arrived {
    fn uid(&self) -> u32 {
        self.peer.uid
    }

    fn is_administrator(&self) -> bool {
        self.is_administrator
    }
}

/// Serves until `stop`, then lets what is in progress end, at most as long as `shutdown_grace`. Says whether all of it
/// did.
pub async fn serve(listener: UnixListener, mut probes: Probes, context: Arc<Context>, stop: CancellationToken) -> bool {
    let tasks = TaskTracker::new();
    let room = || connections(&context.live.snapshot().settings.limits);
    let mut door = Door::new();
    let mut trouble = Trouble::new("a connection");
    let accepting = async {
        loop {
            tokio::select! {
                biased;
                stream = probes.next() => admit_own(stream, &context, &stop, &tasks),
                () = context.connections.room(room), if !door.is_empty() => {
                    door.pop().into_iter().for_each(|next| begin(next, &context, &stop, &tasks));
                }
                accepted = listener.accept() => {
                    let Some((stream, _)) = trouble.judge(accepted).await else { continue };
                    let Some(arrived) = arrive(stream, &context, &stop, &tasks) else { continue };
                    if arrived.is_administrator && context.connections.served() < room() + KEPT_FREE {
                        begin(arrived, &context, &stop, &tasks);
                    } else if let Some(Arrived { stream, peer, counted, .. }) = door.push(arrived) {
                        drop(counted);
                        context.connections.count_refused();
                        refuse(stream, peer, &context, &stop, &tasks);
                    }
                }
            }
        }
    };
    stop.run_until_cancelled(accepting).await;
    std::iter::from_fn(|| door.pop()).for_each(|next| begin(next, &context, &stop, &tasks)); // each hears that the daemon stops
    context.stopping.store(true, Ordering::Relaxed); // for connections too busy to be woken
    drop(listener); // connecting fails at once from here on, and the client tries the next daemon
    tasks.close();
    let grace = context.live.snapshot().settings.limits.shutdown_grace;
    tokio::time::timeout(grace, tasks.wait()).await.is_ok()
}

/// A connection that has come, if its uid may have another.
fn arrive(
    stream: UnixStream,
    context: &Arc<Context>,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> Option<Arrived> {
    let peer = match peer(&stream) {
        Ok(peer) => peer,
        Err(error) => {
            limited!(
                warn,
                "closed a connection; could not read its peer's credentials",
                %error,
                "closed a connection; could not read its peer's credentials"
            );
            return None;
        }
    };
    let snapshot = context.live.snapshot();
    let limit = snapshot.settings.limits.connections_per_uid;
    if let Some(counted) = Counted::new(context.clone(), peer.uid, limit) {
        let is_administrator = snapshot.access.is_administrator(&peer);
        return Some(Arrived {
            stream,
            peer,
            counted,
            is_administrator,
        });
    }
    refuse(stream, peer, context, stop, tasks);
    None
}

/// Answers `overloaded` to a connection, or closes it where many are being refused.
fn refuse(stream: UnixStream, peer: Peer, context: &Arc<Context>, stop: &CancellationToken, tasks: &TaskTracker) {
    let Some(refusing) = Refusing::new(context.clone()) else {
        return;
    };
    let (context, stop) = (context.clone(), stop.clone());
    tasks.spawn(async move {
        let refusal = connection::refuse(stream, peer, context, stop, ErrorCode::Overloaded);
        let _ = tokio::time::timeout(REFUSAL, refusal).await; // a peer that does not read is not waited for
        drop(refusing);
    });
}

fn begin(arrived: Arrived, context: &Arc<Context>, stop: &CancellationToken, tasks: &TaskTracker) {
    let Arrived {
        stream,
        peer,
        mut counted,
        ..
    } = arrived;
    counted.served();
    let (context, stop) = (context.clone(), stop.clone());
    tasks.spawn(async move {
        let bucket = counted.bucket.clone();
        connection::run(stream, peer, bucket, context, stop).await;
        drop(counted);
    });
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

/// Returns the process at the other end, as of when it connected.
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
