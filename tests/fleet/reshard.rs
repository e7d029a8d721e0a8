//! Slots of a cluster that are moved from one primary to another, and what is revoked, read and started meanwhile.

use jwtkeeper_client::State;

use crate::cluster::of;
use crate::hosts::{
    Holder, MAX_STALENESS, entry, is_revoked, is_settled, issue, ready, revoked_at, session, write_into,
};
use crate::stage::{Fault, PRELOADED, World, judged};
use jwtkeeper_testkit::daemons::until;
use jwtkeeper_testkit::servers::Cluster;
use jwtkeeper_testkit::servers::cluster::slot;

/// Slots that one round moves.
const MOVED: usize = 100;
/// After so many of them it is asked how old the copies are.
const PART: usize = 10;

fn cluster() -> World<Cluster> {
    let cluster = Cluster::start(0, &[]);
    let preloaded = write_into(&cluster, 0, PRELOADED);
    let hosts = (0..3).map(|_| of(&cluster)).collect();
    World::with(cluster, preloaded, hosts)
}

#[test]
fn nothing_is_lost_and_nobody_waits_while_slots_are_moved() {
    let fault = Fault {
        name: "resharding",
        loses: false,
    };
    let mut oldest = 0;
    fault.endured(cluster, |world, _, random| {
        let from = random.below(3) as usize;
        let to = (from + 1 + random.below(2) as usize) % 3;
        let mut slots = world.shared.slots_of(from);
        let mut keys = 0;
        for number in 0..MOVED {
            let slot = slots.swap_remove(random.below(slots.len() as u64) as usize);
            keys += world.shared.move_slot(slot, to);
            if number % PART == 0 {
                for host in &world.hosts {
                    let age = || host.health()["store"]["age_ms"].as_u64().unwrap();
                    let first = age();
                    oldest = oldest.max(first);
                    let fresh = |age: u64| u128::from(age) < MAX_STALENESS.as_millis();
                    assert!(fresh(first) || !judged(), "{first} ms");
                    until("the copy is fresh", || fresh(age()));
                }
            }
        }
        assert!(keys > MOVED / 2, "{keys} keys were moved");
    });
    println!("the copies were {oldest} ms old at the most");
}

/// A cluster of which one slot is on its way, with a gem's entry that has arrived.
struct HalfMoved {
    cluster: Cluster,
    slot: usize,
    to: usize,
}

fn half_moved(jti: &str) -> HalfMoved {
    let cluster = Cluster::start(0, &[]);
    let (key, slot) = (entry(jti), slot(&entry(jti)));
    let from = cluster.owner(&key);
    let told: usize = cluster.servers[0].ask(&["CLUSTER", "KEYSLOT", &key]);
    assert_eq!(told, slot);
    cluster.servers[from].ask::<()>(&["SETEX", &key, "86400", "hard"]);
    let to = (from + 1) % 3;
    cluster.begin_move(slot, to);
    assert_eq!(cluster.move_keys(slot, to), 1);
    HalfMoved { cluster, slot, to }
}

const JTI: &str = "0d9f9a86-7b5c-4d0b-9d0b-0d9f9a867b5c";

#[test]
fn a_host_that_starts_while_a_slot_is_on_its_way_knows_what_has_arrived() {
    let HalfMoved { mut cluster, slot, to } = half_moved(JTI);
    let daemon = of(&cluster);
    let state = daemon.client().status(JTI).unwrap().state;
    assert_eq!(state, State::Hard, "read from a slot that is on its way");
    cluster.end_move(slot, to);
    until("it is settled", || is_settled(&daemon));
    assert_eq!(daemon.client().status(JTI).unwrap().state, State::Hard);
}

/// A gem asks where a slot is on its way to, and its entry is acknowledged there.
#[test]
fn what_a_gem_revokes_where_a_slot_is_on_its_way_to_is_so_on_every_host() {
    let cluster = Cluster::start(0, &[]);
    let hosts = [(); 2].map(|()| of(&cluster));
    let minted = issue(&hosts[0].client());
    let key = entry(&minted.jti);
    let to = (cluster.owner(&key) + 1) % 3;
    cluster.begin_move(slot(&key), to);
    let client = redis::Client::open(cluster.servers[to].url()).unwrap();
    let mut pipeline = redis::pipe();
    pipeline.cmd("ASKING").cmd("SETEX").arg(&key).arg(86400).arg("hard");
    pipeline.exec(&mut client.get_connection().unwrap()).unwrap();
    for host in &hosts {
        until("it is revoked there", || is_revoked(&host.client(), minted.token()));
        ready(host);
    }
}

/// Where there is no entry yet, the primary that a slot leaves takes none.
#[test]
fn what_is_refused_while_a_slot_is_on_its_way_is_taken_when_it_has_arrived() {
    let mut cluster = Cluster::start(0, &[]);
    let hosts = [(); 2].map(|()| of(&cluster));
    let client = hosts[0].client();
    let minted = issue(&client);
    let key = entry(&minted.jti);
    let (slot, to) = (slot(&key), (cluster.owner(&key) + 1) % 3);
    cluster.begin_move(slot, to);
    match client.revoke_token(minted.token(), None) {
        Ok(_) => revoked_at(&hosts[1], &minted.jti),
        Err(error) => assert!(
            error.is_unavailable() && error.to_string().contains("being moved"),
            "{error}"
        ),
    }
    assert!(is_revoked(&client, minted.token()), "it does not hold on this host");
    cluster.end_move(slot, to);
    until("it has come to Redis", || {
        cluster.not_hard(&[key.clone(), session(&minted.jti)]).is_empty()
    });
    revoked_at(&hosts[1], &minted.jti);
    for host in &hosts {
        until("it is settled", || is_settled(host));
    }
}
