//! Daemons' stores that share a real redis-server.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use jwtkeeper_core::denylist::Denylist;
use jwtkeeper_core::types::Millis;
use jwtkeeper_redis::{Reach, Redis, Servers, Terms};
use jwtkeeper_store::Embedded;
use redis::{ConnectionInfo, IntoConnectionInfo};

use crate::support::{directory, moment, until};
use jwtkeeper_testkit::servers::{Cluster, Sentinels, Server, sentinel};

/// What a store needs to live.
pub(crate) struct Place {
    _servers: Arc<dyn Any + Send + Sync>,
    _directory: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

/// A store on a server of its own.
pub(crate) fn fleet() -> (Redis, Place) {
    host(&Arc::new(Server::start()))
}

/// A store on a primary that sentinels name.
pub(crate) fn with_sentinels() -> (Redis, Place) {
    let sentinels = Sentinels::start(&[]);
    let reach = Reach::Sentinels(infos(&sentinels.urls()), sentinel::NAME.to_owned());
    follow(Servers::open(reach), Arc::new(sentinels))
}

/// A store on a cluster of three.
pub(crate) fn with_cluster() -> (Redis, Place) {
    let cluster = Cluster::start(0, &[]);
    follow(Servers::open(Reach::Cluster(infos(&cluster.urls()))), Arc::new(cluster))
}

/// A host's store on this server, once it has read everything.
pub(crate) fn host(server: &Arc<Server>) -> (Redis, Place) {
    follow(one(server), server.clone())
}

/// The same on a server that the test keeps itself.
pub(crate) fn guest(server: &Server) -> (Redis, Place) {
    follow(one(server), Arc::new(()))
}

/// The same on a server that is reached at a url.
pub(crate) fn guest_at(url: String) -> (Redis, Place) {
    let [info]: [_; 1] = infos(&[url]).try_into().unwrap();
    follow(Servers::open(Reach::One(info)), Arc::new(()))
}

/// The same by another clock.
pub(crate) fn host_by(server: &Arc<Server>, clock: fn() -> Millis) -> (Redis, Place) {
    follow_by(one(server), server.clone(), clock)
}

fn one(server: &Server) -> Servers {
    let [info]: [_; 1] = infos(&[server.url()]).try_into().unwrap();
    Servers::open(Reach::One(info))
}

fn infos(urls: &[String]) -> Vec<ConnectionInfo> {
    let parse = |url: &String| url.as_str().into_connection_info().unwrap();
    urls.iter().map(parse).collect()
}

fn follow(servers: Servers, keep: Arc<dyn Any + Send + Sync>) -> (Redis, Place) {
    follow_by(servers, keep, || moment(0))
}

fn follow_by(servers: Servers, keep: Arc<dyn Any + Send + Sync>, clock: fn() -> Millis) -> (Redis, Place) {
    let (store, place) = start(servers, keep, clock, |_| {});
    fresh(&store);
    (store, place)
}

/// A host's store on this server that may not have read anything yet, with these terms changed.
pub(crate) fn newcomer(server: &Arc<Server>, change: impl FnOnce(&mut Terms)) -> (Redis, Place) {
    start(one(server), server.clone(), || moment(0), change)
}

/// A store that is told to use whatever is at a url, and may never read anything.
pub(crate) fn stranger(url: String) -> (Redis, Place) {
    let [info]: [_; 1] = infos(&[url]).try_into().unwrap();
    start(Servers::open(Reach::One(info)), Arc::new(()), || moment(0), |_| {})
}

/// Waits until a store answers.
pub(crate) fn fresh(store: &Redis) {
    until("the copy is fresh", || {
        store.stale(&store.index().realm("default")).is_none()
    });
}

fn start(
    servers: Servers,
    keep: Arc<dyn Any + Send + Sync>,
    clock: fn() -> Millis,
    change: impl FnOnce(&mut Terms),
) -> (Redis, Place) {
    let directory = directory();
    let local = Arc::new(Embedded::open(directory.path(), moment(0), 2000).unwrap());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let mut terms = Terms {
        max_staleness: Duration::from_secs(30),
        serve_stale: false,
        require_durable: false,
        wait_replicas: 0,
        full_scan_interval: Duration::from_secs(300),
        repair_grace: Duration::ZERO,
        clock_skew_ms: 2000,
    };
    change(&mut terms);
    let store = {
        let _inside = runtime.enter();
        Redis::start(local, servers, terms, clock)
    };
    let realms = ["default", "other", "a", "b", "r0", "r1", "r2", "r3"];
    let prefixes = realms.map(|name| {
        let prefix = if name == "default" {
            "JWTKeeper:".to_owned()
        } else {
            format!("JWTKeeper-{name}:")
        };
        (name.to_owned(), prefix)
    });
    store.share(&prefixes);
    let place = Place {
        _servers: keep,
        _directory: directory,
        _runtime: runtime,
    };
    (store, place)
}
