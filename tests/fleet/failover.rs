//! Sentinels make a replica the primary that lacks what was acknowledged: it is put back there.

use std::time::Duration;

use crate::hosts::{MAX_STALENESS, host, settings};
use crate::stage::{Fault, World};
use jwtkeeper_testkit::daemons::{pace, until};
use jwtkeeper_testkit::servers::{Sentinels, sentinel};

fn watched() -> World<Sentinels> {
    let sentinels = Sentinels::start(&[]);
    let lines = format!(
        "sentinels = {:?}\nsentinel_master = \"{}\"\nmax_staleness = \"{}s\"",
        sentinels.urls(),
        sentinel::NAME,
        MAX_STALENESS.as_secs()
    );
    let hosts = (0..3).map(|_| host(settings(&lines))).collect();
    let url = sentinels.servers[sentinels.primary()].tcp_url();
    World::new(sentinels, &url, hosts)
}

#[test]
fn nothing_is_lost_by_failover_to_a_replica_that_lags() {
    let fault = Fault {
        name: "failover",
        loses: true,
    };
    fault.endured(watched, |world, _, random| {
        // What the last failover left behind is a replica again.
        let spare = 1 - world.shared.primary();
        if world.shared.servers[spare].try_ask::<String>(&["PING"]).is_err() {
            world.shared.servers[spare].restart();
        }
        world.shared.watched();
        world.shared.stop_replication();
        pace(Duration::from_millis(500 + random.below(1500)));
        world.shared.fail_over();
    });
}

/// A primary that was only stopped comes back and takes itself for one, until it is told. The fault is over then.
#[test]
fn nobody_is_let_in_by_a_primary_that_was_deposed() {
    let fault = Fault {
        name: "a deposed primary",
        loses: true,
    };
    fault.endured(watched, |world, _, random| {
        world.shared.watched();
        let old = world.shared.primary();
        world.shared.servers[old].pause();
        world.shared.promoted(old);
        pace(Duration::from_millis(random.below(1000)));
        world.shared.servers[old].resume();
        // Until it is told, it takes what it is given, and then forgets it.
        until("it is told", || !world.shared.servers[old].is_primary());
        world.shared.watched();
    });
}
