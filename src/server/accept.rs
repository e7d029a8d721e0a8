//! The accept loop. What there is no room for waits: some at the door, the rest in the backlog.

use std::collections::VecDeque;
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
use super::descriptors::{Trouble, connections};
use super::probe::Probes;
use super::rate::Bucket;
use crate::log_limit::limited;
use crate::words::Peer;

/// How long a peer that is refused has to hear of it.
const REFUSAL: Duration = Duration::from_secs(1);

/// Connections that have come and wait for room, before others wait in the backlog. So we see who they are.
const AT_THE_DOOR: usize = 64;

/// Connections of root and of the daemon's own user that are served beyond the limit: who can mend things gets in.
const KEPT_FREE: usize = 16;

/// A connection that is not served yet.
struct Arrived {
    stream: UnixStream,
    peer: Peer,
    counted: Counted,
}

/// Serves until `stop`, then lets what is in progress end, at most as long as `shutdown_grace`. Says whether all of it
/// did.
pub async fn serve(listener: UnixListener, mut probes: Probes, context: Arc<Context>, stop: CancellationToken) -> bool {
    let tasks = TaskTracker::new();
    let room = || connections(&context.live.snapshot().settings.limits);
    let mut door: VecDeque<Arrived> = VecDeque::new();
    let mut trouble = Trouble::new("a connection");
    let accepting = async {
        loop {
            tokio::select! {
                biased;
                stream = probes.next() => admit_own(stream, &context, &stop, &tasks),
                () = context.census.room(room), if !door.is_empty() => {
                    door.pop_front().into_iter().for_each(|next| begin(next, &context, &stop, &tasks));
                }
                accepted = listener.accept(), if door.len() < AT_THE_DOOR => {
                    let Some((stream, _)) = trouble.judge(accepted).await else { continue };
                    let Some(arrived) = arrive(stream, &context, &stop, &tasks) else { continue };
                    let mends = context.live.snapshot().access.mends(&arrived.peer);
                    if mends && context.census.served() < room() + KEPT_FREE {
                        begin(arrived, &context, &stop, &tasks);
                    } else {
                        door.push_back(arrived);
                    }
                }
            }
        }
    };
    stop.run_until_cancelled(accepting).await;
    door.into_iter().for_each(|next| begin(next, &context, &stop, &tasks)); // to be told that we stop
    context.stopping.store(true, Ordering::Relaxed); // for connections too busy to be woken
    drop(listener); // who connects from here on is told at once, and comes back to the next daemon
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
                "closed a connection: cannot read the credentials of its peer",
                %error,
                "closed a connection: cannot read the credentials of its peer"
            );
            return None;
        }
    };
    let limit = context.live.snapshot().settings.limits.connections_per_uid;
    if let Some(counted) = Counted::new(context.clone(), peer.uid, limit) {
        return Some(Arrived { stream, peer, counted });
    }
    if let Some(refusing) = Refusing::new(context.clone()) {
        let (context, stop) = (context.clone(), stop.clone());
        tasks.spawn(async move {
            let told = connection::refuse(stream, peer, context, stop, ErrorCode::Overloaded);
            let _ = tokio::time::timeout(REFUSAL, told).await; // who does not listen is not told
            drop(refusing);
        });
    }
    None
}

fn begin(arrived: Arrived, context: &Arc<Context>, stop: &CancellationToken, tasks: &TaskTracker) {
    let Arrived {
        stream,
        peer,
        mut counted,
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
