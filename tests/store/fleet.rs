//! Hosts that share one Redis: what one revokes holds on all, whatever becomes of Redis.

use std::sync::Arc;

use jwtkeeper_core::denylist::{Denylist, Kind, Level, Outcome, StoreError};

use crate::redis::host;
use crate::support::{
    NOW, apply, cutoff, entries, hand_out, hard, id, moment, raise, realm, record, revoke_jti, rotate, until, uuid,
};
use jwtkeeper_testkit::servers::Server;

fn level(store: &dyn Denylist, jti: &jwtkeeper_core::types::Id) -> Option<Level> {
    realm(store.index()).token(jti)
}

#[test]
fn what_one_revokes_holds_on_all() {
    let server = Arc::new(Server::start());
    let hosts: Vec<_> = (0..3).map(|_| host(&server)).collect();
    for number in 0..30 {
        let (at, jti) = (&hosts[number as usize % 3].0, uuid(number));
        apply(at, &realm(at.index()), entries(vec![hard(Kind::Token, &jti)])).unwrap();
        for (other, _) in &hosts {
            until("it holds there", || level(other, &jti) == Some(Level::Hard));
        }
    }
    let one = &hosts[0].0;
    let change = entries(vec![
        hard(Kind::Session, &id("a session")),
        cutoff(Kind::Subject, &id("u"), Level::Hard, moment(-5)),
        cutoff(Kind::Subject, &id("u"), Level::Soft, moment(-1)),
        cutoff(Kind::Realm, &uuid(0), Level::Hard, moment(-9)),
    ]);
    apply(one, &realm(one.index()), change).unwrap();
    for (other, _) in &hosts {
        let realm = realm(other.index());
        until("all kinds hold there", || {
            let subject = realm.subject(&id("u"));
            realm.session_revoked(&id("a session"))
                && (subject.hard.start(), subject.soft.start()) == (moment(-5), moment(-1))
                && realm.realm_cutoff().start() == moment(-9)
        });
    }
}

/// The cutoffs of flags and of revocations are apart: a token that knew of a later revocation does not know of the flag.
#[test]
fn a_flag_by_a_time_before_a_revocation_holds_on_all_hosts() {
    let server = Arc::new(Server::start());
    let hosts = [host(&server), host(&server)];
    let [one, other] = hosts.each_ref().map(|(store, _)| store);
    let subject = id("u");
    let cutoff = |level, second| cutoff(Kind::Subject, &subject, level, moment(second));
    apply(one, &realm(one.index()), entries(vec![cutoff(Level::Hard, -1)])).unwrap();
    let there = realm(other.index());
    until("the revocation holds there", || {
        there.subject(&subject).hard.start() == moment(-1)
    });
    apply(one, &realm(one.index()), entries(vec![cutoff(Level::Soft, -5)])).unwrap();
    until("the flag holds there", || {
        there.subject(&subject).soft.start() == moment(-5)
    });
}

#[test]
fn it_is_the_gems_entry() {
    let server = Arc::new(Server::start());
    let (store, _place) = host(&server);
    let realm = realm(store.index());
    apply(&store, &realm, entries(vec![hard(Kind::Token, &id("abc"))])).unwrap();
    assert_eq!(server.ask::<String>(&["GET", "JWTKeeper:abc"]), "hard");
    let ttl: i64 = server.ask(&["TTL", "JWTKeeper:abc"]);
    assert!((3590..=3600).contains(&ttl), "{ttl}");
    // And the gem's are ours: SETEX by its names and values.
    server.ask::<()>(&["SETEX", "JWTKeeper:def", "100", "soft"]);
    until("what the gem flagged is", || {
        level(&store, &id("def")) == Some(Level::Soft)
    });
    server.ask::<()>(&["SETEX", "JWTKeeper:def", "100", "hard"]);
    until("what the gem revoked is", || {
        level(&store, &id("def")) == Some(Level::Hard)
    });
}

#[test]
fn what_a_gem_takes_back_is_repaired() {
    let server = Arc::new(Server::start());
    let (store, _place) = host(&server);
    let realm = realm(store.index());
    apply(&store, &realm, entries(vec![hard(Kind::Token, &id("abc"))])).unwrap();
    for command in [
        &["SETEX", "JWTKeeper:abc", "3600", "soft"][..],
        &["DEL", "JWTKeeper:abc"],
        &["SETEX", "JWTKeeper:abc", "1", "hard"],
    ] {
        server.ask::<redis::Value>(command);
        until("it is put back", || {
            let value: Option<String> = server.ask(&["GET", "JWTKeeper:abc"]);
            let ttl: i64 = server.ask(&["TTL", "JWTKeeper:abc"]);
            value.as_deref() == Some("hard") && ttl > 3000
        });
        assert_eq!(level(&store, &id("abc")), Some(Level::Hard));
    }
}

/// What neither we nor the gem write is hard, and healed.
#[test]
fn what_is_not_understood_is_hard() {
    let server = Arc::new(Server::start());
    let (store, _place) = host(&server);
    for (number, command) in [&["SET", "KEY", "HARD"][..], &["SET", "KEY", ""], &["RPUSH", "KEY", "x"]]
        .into_iter()
        .enumerate()
    {
        let name = format!("odd{number}");
        let words: Vec<_> = command
            .iter()
            .map(|word| word.replace("KEY", &format!("JWTKeeper:{name}")))
            .collect();
        server.ask::<redis::Value>(&words.iter().map(String::as_str).collect::<Vec<_>>());
        until("it is hard", || level(&store, &id(&name)) == Some(Level::Hard));
    }
}

#[test]
fn everything_comes_back_after_flushall_and_an_empty_restart() {
    let mut server = Server::start();
    let shared = Arc::new(Server::start());
    let (store, _place) = host(&shared);
    let realm = realm(store.index());
    let all: Vec<_> = (0..2000).map(uuid).collect();
    apply(
        &store,
        &realm,
        entries(all.iter().map(|id| hard(Kind::Token, id)).collect()),
    )
    .unwrap();
    apply(&store, &realm, rotate(&uuid(9001), &uuid(9002), 0)).unwrap();
    shared.ask::<()>(&["FLUSHALL"]);
    // 2,000 entries, and of the rotation the old token's entry and its record.
    until("all are back", || shared.entries() >= 2002);
    let (other, _place) = host(&shared);
    assert_eq!(
        apply(
            &other,
            &crate::support::realm(other.index()),
            rotate(&uuid(9001), &uuid(9003), 1)
        )
        .unwrap(),
        Outcome::Already(record(&uuid(9002)))
    );
    server.restart();
}

#[test]
fn a_rotation_has_one_successor_on_all_hosts() {
    let server = Arc::new(Server::start());
    let hosts: Vec<_> = (0..3).map(|_| host(&server)).collect();
    for round in 0..20 {
        let old = uuid(round);
        let outcomes = std::thread::scope(|scope| {
            let ask = |number: u64| {
                let (old, store) = (old.clone(), &hosts[number as usize % 3].0);
                move || {
                    apply(
                        store,
                        &realm(store.index()),
                        rotate(&old, &uuid(1000 + 100 * round + number), 0),
                    )
                    .unwrap()
                }
            };
            let all: Vec<_> = (0..9).map(|number| scope.spawn(ask(number))).collect();
            all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        });
        let records: std::collections::HashSet<_> = outcomes
            .iter()
            .map(|outcome| match outcome {
                Outcome::First(record) | Outcome::Already(record) => record.successor.clone(),
                other => panic!("refused: {other:?}"),
            })
            .collect();
        assert_eq!(records.len(), 1, "{outcomes:?}");
    }
}

/// Revoked on one host by its jti, rotated on another: the successor is revoked too.
#[test]
fn revoking_follows_a_rotation_of_another_host() {
    let server = Arc::new(Server::start());
    let (one, _first) = host(&server);
    let (other, _second) = host(&server);
    for number in 0..20 {
        let (old, new) = (uuid(number), uuid(500 + number));
        std::thread::scope(|scope| {
            scope.spawn(|| apply(&one, &realm(one.index()), rotate(&old, &new, 0)).unwrap());
            apply(&other, &realm(other.index()), revoke_jti(&old)).unwrap();
        });
        for store in [&one, &other] {
            until("neither is good any more", || {
                let realm = realm(store.index());
                realm.token_revoked(&old) && (realm.rotation(&old).is_none() || realm.token_revoked(&new))
            });
        }
    }
}

#[test]
fn without_redis_a_revocation_holds_here_and_is_not_acknowledged() {
    let server = Arc::new(Server::start());
    let (store, _place) = host(&server);
    let realm = realm(store.index());
    apply(
        &store,
        &realm,
        entries(vec![raise(Kind::Token, &uuid(1), Level::Soft, NOW + 60)]),
    )
    .unwrap();
    server.ask::<redis::Value>(&["CONFIG", "SET", "maxmemory", "1"]);
    let error = apply(&store, &realm, entries(vec![hard(Kind::Token, &uuid(2))])).unwrap_err();
    assert!(
        matches!(error, StoreError::Away(_)) && error.to_string().contains("maxmemory"),
        "{error}"
    );
    assert_eq!(level(&store, &uuid(2)), Some(Level::Hard));
    server.ask::<redis::Value>(&["CONFIG", "SET", "maxmemory", "0"]);
    until("it is put there once there is room", || {
        server
            .ask::<Option<String>>(&["GET", &format!("JWTKeeper:{}", uuid(2))])
            .as_deref()
            == Some("hard")
    });
}

/// Only news of an entry tells other hosts that there is something to read.
#[test]
fn end_of_grace_reaches_other_hosts_though_redis_lost_the_record() {
    let server = Arc::new(Server::start());
    let ((one, _place), (other, _other_place)) = (host(&server), host(&server));
    let [here, there] = [&one, &other].map(|store| realm(store.index()));
    let (old, successor) = (uuid(1), uuid(2));
    // An entry that lives longer than the rotation needs is not written for the sake of its time to live.
    server.ask::<()>(&["SET", &format!("JWTKeeper:{old}"), "soft", "PX", "7200000"]);
    apply(&one, &here, rotate(&old, &successor, 0)).unwrap();
    until("the other host knows of it", || there.rotation(&old).is_some());
    let lost: u64 = server.ask(&["DEL", &format!("jwtkeeper-rotation:{{JWTKeeper:{old}}}")]);
    assert_eq!(lost, 1);
    apply(&one, &here, hand_out(&old, &old, &successor, 0)).unwrap();
    until("the other host knows when the grace ends", || {
        there.rotation(&old).unwrap().grace_until == moment(30)
    });
}
