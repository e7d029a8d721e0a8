//! A Redis Cluster: entries lie on three primaries, and each of them tells of its own.

use std::time::Duration;

use crate::hosts::{
    Holder, MAX_STALENESS, entry, host, is_revoked, issue, revoke as revoke_token, revoked_at, session, settings,
};
use jwtkeeper_testkit::daemons::{Daemon, pace, until};
use jwtkeeper_testkit::servers::Cluster;

/// A host of this cluster.
pub fn of(cluster: &Cluster) -> Daemon {
    let lines = format!(
        "cluster = {:?}\nmax_staleness = \"{}s\"",
        cluster.urls(),
        MAX_STALENESS.as_secs()
    );
    host(settings(&lines))
}

fn hosts(cluster: &Cluster) -> Vec<Daemon> {
    (0..3).map(|_| of(cluster)).collect()
}

/// Revokes on every host in turn; returns tokens and jtis.
fn revoke(hosts: &[Daemon], count: usize) -> Vec<(String, String)> {
    let one = |number: usize| {
        let client = hosts[number % hosts.len()].client();
        let minted = issue(&client);
        revoke_token(&client, minted.token());
        (minted.token().to_owned(), minted.jti)
    };
    (0..count).map(one).collect()
}

fn all_hold(cluster: &Cluster, hosts: &[Daemon], gone: &[(String, String)]) {
    let keys: Vec<_> = gone.iter().flat_map(|(_, jti)| [entry(jti), session(jti)]).collect();
    until("the cluster has all", || cluster.not_hard(&keys).is_empty());
    for host in hosts {
        let client = host.client();
        for (token, _) in gone {
            until("it is revoked there", || is_revoked(&client, token));
        }
    }
}

#[test]
fn what_one_host_revokes_holds_on_all_wherever_it_lies() {
    let cluster = Cluster::start(0, &[]);
    let hosts = hosts(&cluster);
    let gone = revoke(&hosts, 60);
    let owners: std::collections::HashSet<_> = gone.iter().map(|(_, jti)| cluster.owner(&entry(jti))).collect();
    assert_eq!(owners.len(), 3, "all lie on {owners:?}");
    all_hold(&cluster, &hosts, &gone);
    // A rotation's record lies beside its entry.
    let old = issue(&hosts[0].client());
    let _rotation = hosts[0].client().rotate(old.token()).unwrap();
    revoked_at_or_rotated(&hosts[1], old.token());
}

/// The other host knows of the rotation: the old token is due to be rotated, or over.
fn revoked_at_or_rotated(daemon: &Daemon, token: &str) {
    let client = daemon.client();
    until("the rotation is known there", || {
        client
            .validate(token)
            .is_ok_and(|verdict| verdict.rotation().is_some() || !verdict.is_valid())
    });
}

#[test]
fn what_one_primary_loses_is_repaired() {
    let mut cluster = Cluster::start(0, &[]);
    let hosts = hosts(&cluster);
    let gone = revoke(&hosts, 60);
    all_hold(&cluster, &hosts, &gone);
    cluster.servers[1].ask::<()>(&["FLUSHALL"]);
    all_hold(&cluster, &hosts, &gone);
    cluster.servers[2].restart();
    cluster.well();
    all_hold(&cluster, &hosts, &gone);
}

/// One primary is stopped: what lies there cannot be known, so nobody may be told that a token is valid.
#[test]
fn a_copy_is_as_old_as_its_oldest_part() {
    let cluster = Cluster::start(0, &["--cluster-node-timeout", "60000"]);
    let hosts = hosts(&cluster);
    let good = issue(&hosts[0].client());
    assert!(hosts[0].client().validate(good.token()).unwrap().is_valid());
    cluster.servers[1].pause();
    until("the copy is too old", || {
        hosts.iter().all(|host| {
            host.client()
                .validate(good.token())
                .is_err_and(|error| error.is_unavailable())
        })
    });
    cluster.servers[1].resume();
    for host in &hosts {
        until("it is right again", || {
            host.client()
                .validate(good.token())
                .is_ok_and(|verdict| verdict.is_valid())
        });
    }
}

#[test]
fn a_replica_takes_its_primarys_place() {
    let mut cluster = Cluster::start(3, &[]);
    let hosts = hosts(&cluster);
    let gone = revoke(&hosts, 30);
    cluster.servers[0].kill();
    let successor = 3;
    until("the replica is primary", || cluster.servers[successor].is_primary());
    let minted = jwtkeeper_testkit::daemons::wait_for("a revocation is taken again", || {
        pace(Duration::from_millis(20));
        let client = hosts[0].client();
        let minted = issue(&client);
        client.revoke_token(minted.token(), None).ok().map(|_| minted)
    });
    for host in &hosts {
        crate::hosts::ready(host);
        revoked_at(host, &minted.jti);
        for (token, _) in &gone {
            assert!(is_revoked(&host.client(), token));
        }
    }
}
